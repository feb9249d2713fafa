"""Lists of layers against PyTorch: sizes, counts, operations, paddings, footprints; and what they refuse."""

import numpy as np
import pytest
import torch
from sympy import symbols

from worked.answers import layers
from worked.answers.layers import Conv, Dense, MaxPool, ReLU, Softmax

NETS = {
    "perceptron": (layers.MLP, layers.MLP_INPUT),
    "convolutions": (layers.CNN, layers.CNN_INPUT),
    "vgg11": (layers.VGG11, layers.VGG11_INPUT),
    "odd sizes": ((Conv(4, 5, stride=3, padding="same"), MaxPool(2), MaxPool(3), Dense(2), Softmax()), (2, 31, 47)),
    "no padding": ((Conv(3, 2, stride=2), ReLU(), Conv(2, 1, padding=1)), (1, 7, 8)),
}


@pytest.mark.parametrize(("net", "shape"), NETS.values(), ids=NETS.keys())
def test_rows_are_what_pytorch_measures(net, shape):
    for row, ran in zip(layers.rows(net, shape), layers.measured(net, shape, batch=1), strict=True):
        assert ran == layers.Measured((1, *row.after), row.parameters, row.multiply_adds), row.layer


@pytest.mark.parametrize("m", [1, 5])
def test_the_perceptron_is_pytorchs(m):
    model = layers.network(layers.MLP, layers.MLP_INPUT).double()
    arrays = [parameter.detach().numpy().T for parameter in model.parameters()]
    X = np.random.default_rng(m).normal(size=(m, 10))
    assert [array.shape for array in arrays] == [(10, 50), (50,), (50, 3), (3,)]
    Y = layers.perceptron(X, *arrays)
    assert Y.shape == (m, 3)
    assert np.abs(Y - model(torch.from_numpy(X)).detach().numpy()).max() < 1e-14


@pytest.mark.parametrize("n", range(1, 12))
@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (3, 1), (5, 3), (1, 2), (2, 2), (4, 3)])
def test_same_is_the_least_padding_and_the_odd_zero_is_last(n, kernel, stride):
    before, after = layers.same_padding(n, kernel, stride)
    wanted = layers.same_count(n, stride)
    assert 0 <= after - before <= 1

    def count(zeros):
        return (n + zeros - kernel) // stride + 1

    assert count(before + after) == wanted
    assert before + after == 0 or count(before + after - 1) < wanted


def test_at_stride_1_same_is_pytorchs():
    for kernel in (1, 3, 5):
        image, weight = torch.randn(1, 1, 9, dtype=torch.float64), torch.randn(1, 1, kernel, dtype=torch.float64)
        padded = torch.nn.functional.pad(image, layers.same_padding(9, kernel, 1))
        ours = torch.nn.functional.conv1d(padded, weight)
        assert torch.equal(ours, torch.nn.functional.conv1d(image, weight, padding="same"))


FIELDS = {
    "the exercise's": (layers.CNN, (3, 64, 64), (4, 4)),
    "without padding": ((Conv(2, 3), Conv(2, 5, stride=2), Conv(1, 3)), (1, 25, 25), (1, 2)),
    "gaps": ((Conv(1, 2, stride=3), Conv(1, 2)), (1, 12, 12), (1, 1)),
}


@pytest.mark.parametrize(("net", "shape", "unit"), FIELDS.values(), ids=FIELDS.keys())
def test_receptive_fields_are_where_the_gradient_is(net, shape, unit):
    rows, columns = layers.footprint(net, shape, unit)
    assert len(rows) == len(columns) == layers.receptive_fields(net)[-1]


def test_a_dense_layer_has_no_receptive_field():
    with pytest.raises(ValueError, match="expected windows, got FC-2: it sees all"):
        layers.receptive_fields((Conv(1, 3), Dense(2)))


def test_the_same_code_understands_symbols():
    D, K, k, n = symbols("D K k n", integer=True, positive=True)
    assert Conv(K, k).parameters((D, n, n)) == K * (D * k**2 + 1)
    assert Dense(K).parameters((D, n, n)) == K * (D * n**2 + 1)
    assert MaxPool(2).output((D, n, n))[1].subs(n, 7) == 3
