"""One step of SGD in NumPy against PyTorch's layers, loss and optimiser, for samples and batches."""

import ast
import inspect

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from worked.answers import backprop_by_hand as answer

PARAMETERS = ("W_h", "b_h", "W_o", "b_o")
EXERCISE = {
    "x": [1, 4, 5],
    "t": [0.1, 0.05],
    "W_h": [[0.1, 0.3, 0.5], [0.2, 0.4, 0.6]],
    "b_h": [0.5, 0.5],
    "W_o": [[0.7, 0.9], [0.8, 0.1]],
    "b_o": [0.5, 0.5],
}


def problem(batch, D, K, M, seed):
    rng = np.random.default_rng(seed)
    rows = () if batch is None else (batch,)
    shapes = {"x": (*rows, D), "t": (*rows, M), "W_h": (K, D), "b_h": (K,), "W_o": (M, K), "b_o": (M,)}
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}


def with_torch(x, t, W_h, b_h, W_o, b_o, rate):
    """Units, loss, gradients and new parameters of PyTorch's own modules."""
    hidden = torch.nn.Linear(len(W_h[0]), len(W_h), dtype=torch.float64)
    output = torch.nn.Linear(len(W_h), len(W_o), dtype=torch.float64)
    parameters = dict(zip(PARAMETERS, (hidden.weight, hidden.bias, output.weight, output.bias), strict=True))
    with torch.no_grad():
        for name, values in zip(PARAMETERS, (W_h, b_h, W_o, b_o), strict=True):
            parameters[name].copy_(torch.tensor(np.asarray(values, dtype=float)))
    x, t = (torch.tensor(np.asarray(values, dtype=float)) for values in (x, t))
    h = torch.sigmoid(hidden(x))
    y = torch.sigmoid(output(h))
    loss = torch.nn.MSELoss()(y, t)
    optimiser = torch.optim.SGD(parameters.values(), lr=rate)
    loss.backward()
    gradients = {name: p.grad.numpy().copy() for name, p in parameters.items()}
    optimiser.step()
    new = {name: p.detach().numpy() for name, p in parameters.items()}
    return h.detach().numpy(), y.detach().numpy(), loss.item(), gradients, new


def agree(numbers, rate):
    done = answer.step(**numbers, rate=rate)
    h, y, loss, gradients, new = with_torch(**numbers, rate=rate)
    np.testing.assert_allclose(done.h, h, rtol=0, atol=1e-12)
    np.testing.assert_allclose(done.y, y, rtol=0, atol=1e-12)
    assert done.loss == pytest.approx(loss, rel=1e-12)
    for name in PARAMETERS:
        np.testing.assert_allclose(getattr(done.gradient, name), gradients[name], rtol=0, atol=1e-12)
        np.testing.assert_allclose(getattr(done.new, name), new[name], rtol=0, atol=1e-12)


def test_the_exercise_equals_pytorch():
    agree(EXERCISE, 0.01)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.sampled_from([None, 1, 2, 5]), st.integers(1, 6), st.integers(1, 6), st.integers(1, 6), st.integers(0, 10**6))
def test_everything_equals_pytorch(batch, D, K, M, seed):
    agree(problem(batch, D, K, M, seed), 0.3)


def test_shapes_follow_the_sample_or_the_batch():
    one, many = (answer.step(**problem(batch, 3, 2, 4, 0), rate=0.1) for batch in (None, 5))
    assert [a.shape for a in (one.z_h, one.h, one.z_o, one.y)] == [(2,), (2,), (4,), (4,)]
    assert [a.shape for a in (many.z_h, many.h, many.z_o, many.y)] == [(5, 2), (5, 2), (5, 4), (5, 4)]
    assert [getattr(one.gradient, name).shape for name in PARAMETERS] == [(2, 3), (2,), (4, 2), (4,)]


def test_a_batch_averages_its_samples():
    numbers = problem(5, 3, 2, 4, seed=1)
    whole = answer.step(**numbers, rate=0.1).gradient
    each = [
        answer.step(**{**numbers, "x": x, "t": t}, rate=0.1).gradient
        for x, t in zip(numbers["x"], numbers["t"], strict=True)
    ]
    for name in PARAMETERS:
        mean = np.mean([getattr(g, name) for g in each], axis=0)
        np.testing.assert_allclose(getattr(whole, name), mean, rtol=0, atol=1e-15)


def test_the_arguments_stay_as_they_are():
    numbers = problem(2, 3, 2, 4, seed=2)
    kept = {name: values.copy() for name, values in numbers.items()}
    answer.step(**numbers, rate=1.0)
    for name in numbers:
        np.testing.assert_array_equal(numbers[name], kept[name])


def test_extreme_weights_neither_warn_nor_overflow():
    numbers = {name: 1e6 * values for name, values in problem(3, 3, 2, 4, seed=3).items()}
    with np.errstate(all="raise", under="ignore"):
        done = answer.step(**numbers, rate=0.1)
    assert np.isfinite(done.loss)


def test_no_loops():
    kinds = ast.For | ast.While | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
    assert not [node for node in ast.walk(ast.parse(inspect.getsource(answer))) if isinstance(node, kinds)]


GOOD = problem(4, 3, 2, 5, seed=0)
BAD = {
    "inputs of another width": {"x": GOOD["x"][:, :2]},
    "more targets than samples": {"t": GOOD["t"][[0, 0, 1, 2, 3]]},
    "one target for a batch": {"t": GOOD["t"][0]},
    "weights transposed": {"W_h": GOOD["W_h"].T},
    "output weights transposed": {"W_o": GOOD["W_o"].T},
    "a bias as a column": {"b_o": GOOD["b_o"][:, None]},
    "a bias too few": {"b_h": GOOD["b_h"][:1]},
    "no sample": {"x": GOOD["x"][:0], "t": GOOD["t"][:0]},
    "a number": {"x": 1.0, "t": 1.0},
}


@pytest.mark.parametrize("changes", BAD.values(), ids=BAD.keys())
def test_bad_arguments(changes):
    with pytest.raises(ValueError, match=r"shapes must be x \[D\] or \[B, D\].*they are \["):
        answer.step(**{**GOOD, **changes}, rate=0.1)
