"""The four functions against PyTorch, finite differences, and the extremes of floating point."""

import ast
import inspect
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from worked.answers import logistic

FUNCTIONS = (logistic.predict, logistic.logistic_loss, logistic.stable_logistic_loss, logistic.gradient)


def problem(B=4, D=7, K=5, seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    W = {"w_1": scale * rng.normal(size=(D, K)), "w_2": scale * rng.normal(size=(K, 1))}
    return rng.normal(size=(B, D)), rng.integers(0, 2, size=B).astype(float), W


def with_torch(X, y, W):
    """Outputs, loss and gradients of PyTorch's own functions."""
    w_1, w_2 = (torch.from_numpy(W[name]).requires_grad_() for name in ("w_1", "w_2"))
    z_1 = torch.from_numpy(X) @ w_1
    z_2 = (torch.sigmoid(z_1) @ w_2)[:, 0]
    loss = torch.nn.functional.binary_cross_entropy_with_logits(z_2, torch.from_numpy(y))
    loss.backward()
    return z_1.detach(), z_2.detach(), torch.sigmoid(z_2).detach(), loss.item(), w_1.grad, w_2.grad


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.integers(1, 9), st.integers(1, 9), st.integers(1, 9), st.integers(0, 10**6), st.sampled_from([0.1, 1.0, 30.0])
)
def test_everything_equals_pytorch(B, D, K, seed, scale):
    X, y, W = problem(B, D, K, seed, scale)
    z_1, z_2, y_hat, loss, d_w_1, d_w_2 = with_torch(X, y, W)
    for ours, theirs in zip(logistic.predict(X, W), (z_1, z_2, y_hat), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)
    assert logistic.stable_logistic_loss(y, z_2.numpy()) == pytest.approx(loss, rel=1e-12)
    d_W = logistic.gradient(X, y, W)
    np.testing.assert_allclose(d_W["w_1"], d_w_1, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(d_W["w_2"], d_w_2, rtol=1e-10, atol=1e-13)


def test_shapes():
    X, y, W = problem()
    assert [a.shape for a in logistic.predict(X, W)] == [(4, 5), (4,), (4,)]
    assert {name: g.shape for name, g in logistic.gradient(X, y, W).items()} == {"w_1": (7, 5), "w_2": (5, 1)}


def test_gradient_equals_central_differences():
    X, y, W = problem(seed=3)
    d_W = logistic.gradient(X, y, W)
    for name in W:
        for at in np.ndindex(W[name].shape):
            move = {n: w.copy() for n, w in W.items()}
            losses = []
            for h in (1e-6, -1e-6):
                move[name][at] = W[name][at] + h
                losses.append(logistic.stable_logistic_loss(y, logistic.predict(X, move)[1]))
            assert d_W[name][at] == pytest.approx((losses[0] - losses[1]) / 2e-6, abs=1e-8)


def test_both_losses_agree_away_from_the_extremes():
    X, y, W = problem(seed=1)
    _, z_2, y_hat = logistic.predict(X, W)
    assert logistic.logistic_loss(y, y_hat) == pytest.approx(logistic.stable_logistic_loss(y, z_2), rel=1e-12)


def test_a_certain_right_prediction_is_nan_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(logistic.logistic_loss(np.zeros(3), np.zeros(3)))
        assert np.isnan(logistic.logistic_loss(np.ones(3), np.ones(3)))
        assert logistic.logistic_loss(np.ones(1), np.zeros(1)) == np.inf


@pytest.mark.parametrize(("y", "z_2", "expected"), [(0, -1e10, 0), (1, 1e10, 0), (1, -1e10, 1e10), (0, 1e10, 1e10)])
def test_extreme_logits(y, z_2, expected):
    assert logistic.stable_logistic_loss(np.full(3, y), np.full(3, z_2)) == expected


def test_extreme_weights_neither_warn_nor_overflow():
    X, y, W = problem(scale=1e6)
    with np.errstate(all="raise", under="ignore"):
        _, z_2, y_hat = logistic.predict(X, W)
        assert ((y_hat >= 0) & (y_hat <= 1)).all()
        assert np.isfinite(logistic.stable_logistic_loss(y, z_2))
        assert all(np.isfinite(g).all() for g in logistic.gradient(X, y, W).values())


def loops(source):
    kinds = ast.For | ast.While | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
    return [node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]


def test_no_loops():
    helpers = (logistic._sigmoid, logistic._inputs, logistic._vectors)
    for function in (*FUNCTIONS, *helpers):
        assert not loops(inspect.getsource(function))


def test_a_loop_would_be_seen():
    assert loops("for i in x: pass")
    assert loops("sum(v for v in x)")


X, Y, W = problem()
BAD = {
    "inputs of another width": lambda: logistic.predict(X[:, :6], W),
    "a single sample": lambda: logistic.predict(X[0], W),
    "no sample": lambda: logistic.predict(X[:0], W),
    "second layer as a vector": lambda: logistic.predict(X, {**W, "w_2": W["w_2"][:, 0]}),
    "first layer transposed": lambda: logistic.gradient(X, Y, {**W, "w_1": W["w_1"].T}),
    "a missing weight": lambda: logistic.predict(X, {"w_1": W["w_1"]}),
    "too few labels": lambda: logistic.gradient(X, Y[:3], W),
    "labels as a column": lambda: logistic.logistic_loss(Y[:, None], Y),
    "logits as a column": lambda: logistic.stable_logistic_loss(Y, Y[:, None]),
    "nothing": lambda: logistic.stable_logistic_loss([], []),
    "a prediction above 1": lambda: logistic.logistic_loss(Y, Y + 0.5),
    "a prediction that is not a number": lambda: logistic.logistic_loss(Y, Y * np.nan),
}


@pytest.mark.parametrize("call", BAD.values(), ids=BAD.keys())
def test_bad_arguments(call):
    with pytest.raises(ValueError, match=r"must|lie in"):
        call()
