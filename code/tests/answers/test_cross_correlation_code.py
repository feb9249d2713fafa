"""The code of the page against PyTorch's automatic differentiation and the fast Fourier transform."""

import ast
import inspect

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from worked.answers import cross_correlation as ours


def module(x, y):
    """By its definition, with PyTorch's own circular shift."""
    return torch.stack([(x * torch.roll(y, -k)).sum() for k in range(len(x))])


def problem(n, seed):
    return np.random.default_rng(seed).normal(size=(3, n))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(1, 12), st.integers(0, 10**6))
def test_everything_equals_pytorch(n, seed):
    x, y, g = problem(n, seed)
    tensors = tuple(torch.tensor(signal, requires_grad=True) for signal in (x, y))
    z = module(*tensors)
    np.testing.assert_allclose(ours.cross_correlation(x, y), z.detach(), rtol=1e-12, atol=1e-12)
    for mine, theirs in zip(ours.jacobians(x, y), torch.autograd.functional.jacobian(module, tensors), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-14)
    for mine, theirs in zip(ours.vjp(x, y, g), torch.autograd.grad(z, tensors, torch.tensor(g)), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12, atol=1e-12)


def test_the_products_are_those_of_the_jacobians():
    x, y, g = problem(9, 1)
    for product, jacobian in zip(ours.vjp(x, y, g), ours.jacobians(x, y), strict=True):
        np.testing.assert_allclose(product, g @ jacobian, atol=1e-14)


def test_equals_fourier_transforms():
    x, y, _ = problem(10, 2)
    fourier = np.fft.ifft(np.conj(np.fft.fft(x)) * np.fft.fft(y)).real
    np.testing.assert_allclose(ours.cross_correlation(x, y), fourier, atol=1e-14)


def test_structure_of_the_jacobians():
    by_x, by_y = ours.jacobians(*problem(7, 3)[:2])
    assert (by_x == by_x.T).all()  # constant where i + k is
    assert (by_y[1:, 1:] == by_y[:-1, :-1]).all()  # constant where i - k is
    assert (by_y[1:, 0] == by_y[:-1, -1]).all()  # around the edge, too


def test_no_loops():
    kinds = ast.For | ast.While | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
    for function in (ours.cross_correlation, ours.jacobians, ours.vjp, ours._signals):
        assert not [node for node in ast.walk(ast.parse(inspect.getsource(function))) if isinstance(node, kinds)]


@pytest.mark.parametrize(
    "call",
    [
        lambda: ours.cross_correlation([1, 2], [1, 2, 3]),
        lambda: ours.jacobians([[1, 2]], [[1, 2]]),
        lambda: ours.vjp([1, 2], [1, 2], [1, 2, 3]),
        lambda: ours.cross_correlation([], []),
    ],
)
def test_bad_arguments(call):
    with pytest.raises(ValueError, match="must be vectors"):
        call()
