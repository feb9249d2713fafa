"""Forward and backward against PyTorch's own function, differences, and the shapes."""

import ast
import inspect

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from worked.answers import batch_normalization as layer


def problem(m=6, d=4, seed=0, scale=2.0, offset=1.0):
    rng = np.random.default_rng(seed)
    X = offset + scale * rng.normal(size=(m, d))
    return X, rng.normal(size=d), rng.normal(size=d), rng.normal(size=(m, d))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.integers(2, 9),
    st.integers(1, 6),
    st.integers(0, 10**6),
    st.sampled_from([0.01, 1.0, 30.0]),
    st.sampled_from([1e-5, 1e-2, 1.0]),
)
def test_everything_equals_pytorch(m, d, seed, scale, eps):
    X, gamma, beta, d_Y = problem(m, d, seed, scale)
    tensors = [torch.from_numpy(a).requires_grad_() for a in (X, gamma, beta)]
    theirs = torch.nn.functional.batch_norm(tensors[0], None, None, *tensors[1:], training=True, eps=eps)
    theirs.backward(torch.from_numpy(d_Y))
    Y, cache = layer.forward(X, gamma, beta, eps)
    np.testing.assert_allclose(Y, theirs.detach(), rtol=1e-9, atol=1e-10)
    for ours, tensor in zip(layer.backward(d_Y, cache), tensors, strict=True):
        size = tensor.grad.abs().max() + abs(d_Y).max() * abs(gamma).max() / np.sqrt(X.var(axis=0) + eps).min()
        np.testing.assert_allclose(ours, tensor.grad, rtol=1e-9, atol=1e-11 * size)


def test_shapes():
    X, gamma, beta, d_Y = problem()
    Y, cache = layer.forward(X, gamma, beta)
    assert Y.shape == (6, 4)
    assert [g.shape for g in layer.backward(d_Y, cache)] == [(6, 4), (4,), (4,)]


def test_gradient_equals_central_differences():
    X, gamma, beta, d_Y = problem(seed=3)
    for at in np.ndindex(X.shape):
        losses = []
        for h in (1e-6, -1e-6):
            moved = X.copy()
            moved[at] += h
            losses.append((d_Y * layer.forward(moved, gamma, beta)[0]).sum())
        ours = layer.backward(d_Y, layer.forward(X, gamma, beta)[1])[0][at]
        assert ours == pytest.approx((losses[0] - losses[1]) / 2e-6, abs=1e-8)


def test_what_the_gradient_is_orthogonal_to():
    X, gamma, beta, d_Y = problem(m=20, seed=5)
    eps = 1e-3
    _, cache = layer.forward(X, gamma, beta, eps)
    d_X, d_gamma, _ = layer.backward(d_Y, cache)
    x_hat, root, _ = cache
    np.testing.assert_allclose(d_X.sum(axis=0), 0, atol=1e-13)
    np.testing.assert_allclose((d_X * x_hat).sum(axis=0), gamma * eps / root**3 * d_gamma, atol=1e-13)


@pytest.mark.parametrize(("m", "largest"), [(1, 0.0), (2, 1e-3)])
def test_small_batches_have_hardly_a_gradient(m, largest):
    X, gamma, beta, d_Y = problem(m=m, seed=1)
    d_X, _, d_beta = layer.backward(d_Y, layer.forward(X, gamma, beta)[1])
    assert abs(d_X).max() <= largest
    np.testing.assert_allclose(d_beta, d_Y.sum(axis=0))


def test_a_constant_batch_is_no_division_by_zero():
    with np.errstate(all="raise"):
        Y, cache = layer.forward(np.full((5, 2), 7.0), [1.0, 2.0], [0.5, -0.5])
        d_X, d_gamma, _ = layer.backward(np.ones((5, 2)), cache)
    np.testing.assert_array_equal(Y, np.tile([0.5, -0.5], (5, 1)))
    assert not d_X.any()
    assert not d_gamma.any()


def test_no_loops():
    kinds = ast.For | ast.While | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
    for function in (layer.forward, layer.backward, layer._check):
        assert not [n for n in ast.walk(ast.parse(inspect.getsource(function))) if isinstance(n, kinds)]


X, GAMMA, BETA, D_Y = problem()
BAD = {
    "a single sample": lambda: layer.forward(X[0], GAMMA, BETA),
    "no sample": lambda: layer.forward(X[:0], GAMMA, BETA),
    "a scale for another width": lambda: layer.forward(X, GAMMA[:3], BETA),
    "a shift as a column": lambda: layer.forward(X, GAMMA, BETA[:, None]),
    "no epsilon": lambda: layer.forward(X, GAMMA, BETA, 0.0),
    "a gradient of another shape": lambda: layer.backward(D_Y[:5], layer.forward(X, GAMMA, BETA)[1]),
}


@pytest.mark.parametrize("call", BAD.values(), ids=BAD.keys())
def test_bad_arguments(call):
    with pytest.raises(ValueError, match="must"):
        call()
