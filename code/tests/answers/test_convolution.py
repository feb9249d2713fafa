"""The NumPy functions against PyTorch's convolution and autograd, SciPy's Toeplitz matrices and least squares."""

import ast
import inspect
import itertools

import numpy as np
import pytest
import torch
from scipy.linalg import toeplitz

from worked.answers import convolution

SIZES = [(1, 1, 0), (4, 1, 0), (5, 3, 1), (6, 4, 1), (6, 4, 2), (5, 5, 2), (6, 3, 0), (7, 5, 4)]
FUNCTIONS = [f for _, f in inspect.getmembers(convolution, inspect.isfunction) if f.__module__ == convolution.__name__]


def layer(D, M=2, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(M, D, D)), rng.normal(size=(M, D))


@pytest.mark.parametrize(("D", "W", "left"), SIZES)
def test_the_dense_layer_computes_the_convolution(D, W, left):
    rng = np.random.default_rng(D)
    x, w = rng.normal(size=(3, D)), rng.normal(size=(2, W))
    padded = torch.nn.functional.pad(torch.from_numpy(x)[:, None], (left, W - 1 - left))
    expected = torch.nn.functional.conv1d(padded, torch.from_numpy(w)[:, None])
    ours = np.einsum("cjt,nt->ncj", convolution.dense_weights(w, D, left), x)
    np.testing.assert_allclose(ours, expected, atol=1e-14)


@pytest.mark.filterwarnings("ignore:Using padding=.same. with even kernel")
def test_the_padding_is_pytorchs_same():
    for W in (1, 2, 3, 4, 5):
        x, w = np.random.default_rng(W).normal(size=6), np.random.default_rng(W + 9).normal(size=(1, W))
        module = torch.nn.Conv1d(1, 1, W, padding="same", bias=False, dtype=torch.float64)
        with torch.no_grad():
            module.weight.copy_(torch.from_numpy(w)[:, None])
            expected = module(torch.from_numpy(x)[None, None])[0, 0]
        np.testing.assert_allclose(convolution.dense_weights(w, 6)[0] @ x, expected, atol=1e-14)


def test_the_matrix_is_toeplitz():
    matrix = convolution.dense_weights([[1.0, 2.0, 3.0]], 5)[0]
    np.testing.assert_array_equal(matrix, toeplitz([2.0, 1, 0, 0, 0], [2.0, 3, 0, 0, 0]))


@pytest.mark.parametrize(("D", "W", "left"), SIZES)
def test_nearest_is_least_squares(D, W, left):
    A, a = layer(D)
    basis = convolution.shifts(D, W, left).reshape(W, -1).T
    w, b = convolution.nearest(A, a, W, left)
    np.testing.assert_allclose(w.T, np.linalg.lstsq(basis, A.reshape(2, -1).T, rcond=None)[0], atol=1e-13)
    np.testing.assert_allclose(b, a.mean(1), atol=1e-15)
    distance = ((A - convolution.dense_weights(w, D, left)) ** 2).sum() + ((a - b[:, None]) ** 2).sum()
    assert convolution.penalty(A, a, W, 1, 1, left) == pytest.approx(distance, rel=1e-12)


@pytest.mark.parametrize(("D", "W", "left"), SIZES)
def test_zero_on_convolutions_and_only_there(D, W, left):
    rng = np.random.default_rng(1)
    w, b = rng.normal(size=(2, W)), rng.normal(size=2)
    A, a = convolution.dense_weights(w, D, left), np.repeat(b[:, None], D, axis=1)
    assert convolution.penalty(A, a, W, 0.7, 1.3, left) == pytest.approx(0, abs=1e-25)
    # The penalty is a quadratic form: the rank of its matrix is what is left of the dimension by its zero set.
    unit = np.eye(D * D + D)
    rows = [
        np.concatenate([part.ravel() for part in convolution.penalty_gradient(
            e[: D * D].reshape(1, D, D), e[D * D :].reshape(1, D), W, 0.7, 1.3, left)])
        for e in unit
    ]  # fmt: skip
    assert np.linalg.matrix_rank(np.array(rows)) == D * D + D - (W + 1)
    assert np.linalg.eigvalsh(np.array(rows)).min() > -1e-12


@pytest.mark.parametrize(("sparsity", "sharing"), [(1.0, 0.0), (0.0, 1.0), (0.3, 2.0)])
def test_gradient_is_autograds(sparsity, sharing):
    A, a = layer(6, seed=4)
    weights, biases = torch.tensor(A, requires_grad=True), torch.tensor(a, requires_grad=True)
    diagonals = [torch.diagonal(weights, offset, 1, 2) for offset in (-1, 0, 1)]
    beside = torch.triu(weights, 2).square().sum() + torch.tril(weights, -2).square().sum()
    deviations = sum(((line - line.mean(1, keepdim=True)) ** 2).sum() for line in (*diagonals, biases))
    value = sparsity * beside + sharing * deviations
    value.backward()
    assert convolution.penalty(A, a, 3, sparsity, sharing) == pytest.approx(value.item(), rel=1e-13)
    for ours, theirs in zip(convolution.penalty_gradient(A, a, 3, sparsity, sharing), (weights, biases), strict=True):
        np.testing.assert_allclose(ours, theirs.grad, atol=1e-13)


def test_each_strength_has_its_part():
    A, a = np.zeros((1, 5, 5)), np.zeros((1, 5))
    A[0, 0, 4] = 2.0  # beside the band
    assert [convolution.penalty(A, a, 3, *s) for s in itertools.product((0, 1), (0, 1))] == [0, 0, 4, 4]
    A[0, 0, 4], A[0, 2, 2] = 0.0, 5.0  # one entry of five on a diagonal: deviations 4, -1, -1, -1, -1
    assert [convolution.penalty(A, a, 3, *s) for s in itertools.product((0, 1), (0, 1))] == [0, 20, 0, 20]


def loops(function):
    kinds = ast.For | ast.While | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
    return [node for node in ast.walk(ast.parse(inspect.getsource(function))) if isinstance(node, kinds)]


def test_no_loops():
    assert len(FUNCTIONS) == 7
    assert not [function.__name__ for function in FUNCTIONS if loops(function)]
    assert loops(test_the_padding_is_pytorchs_same)


A, a = layer(5)
BAD = {
    "filter wider than the input": lambda: convolution.shifts(3, 4),
    "too many zeros before": lambda: convolution.shifts(5, 3, 3),
    "negative padding": lambda: convolution.shifts(5, 3, -1),
    "one filter without its axis": lambda: convolution.dense_weights([1.0, 2.0], 5),
    "a matrix that is not square": lambda: convolution.nearest(A[:, :4], a[:, :4], 3),
    "one block without its axis": lambda: convolution.penalty(A[0], a[0], 3, 1, 1),
    "biases of another layer": lambda: convolution.penalty_gradient(A, a[:1], 3, 1, 1),
}


@pytest.mark.parametrize("call", BAD.values(), ids=BAD.keys())
def test_bad_arguments(call):
    with pytest.raises(ValueError, match="expected"):
        call()
