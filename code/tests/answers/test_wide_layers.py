"""The law of wide layers against integrals, proved moments, the variance map of the derivation's page, and layers."""

import math

import numpy as np
import pytest
from scipy import integrate, stats

from worked.answers import initialization, wide_layers
from worked.derivations import initialization as proved

PHI = {"none": lambda z: z, "tanh": np.tanh, "relu": lambda z: np.maximum(z, 0)}
SLOPE = {"none": lambda z: 1.0, "tanh": lambda z: np.cosh(z) ** -2, "relu": lambda z: float(z > 0)}


def mean(f):
    return sum(
        integrate.quad(lambda z: f(z) * stats.norm.pdf(z), *part, epsabs=1e-12, limit=200)[0]
        for part in ((-12, -0.5), (-0.5, 0), (0, 0.5), (0.5, 12))
    )


@pytest.mark.parametrize("activation", PHI)
@pytest.mark.parametrize("deviation", [0.1, 1.0, math.sqrt(512)])
def test_moments(activation, deviation):
    size, std, above, slope = wide_layers.moments(activation, deviation)
    phi = PHI[activation]
    expected = mean(lambda z: phi(deviation * z) ** 2)
    assert size == pytest.approx(expected, rel=1e-7)
    assert std == pytest.approx(math.sqrt(expected - mean(lambda z: phi(deviation * z)) ** 2), rel=1e-7)
    assert slope == pytest.approx(mean(lambda z: SLOPE[activation](deviation * z) ** 2), rel=1e-7)
    units = phi(deviation * np.random.default_rng(0).standard_normal(200_000))
    share = np.mean(np.abs(units) > wide_layers.LIMIT)
    assert abs(share - above) < 5 * math.sqrt(max(above * (1 - above), 1e-6) / 200_000)


def test_the_constants_are_those_that_were_proved():
    facts = {step.left: step.right for step in proved.relu(proved.formula_derivation()).steps}
    values = {str(left): right for left, right in facts.items()}
    variance = [right for left, right in facts.items() if "E" in str(left) and "pi" in str(left)]
    assert float(facts[proved.E(proved.RELU, proved.z)]) == pytest.approx(wide_layers.RELU_MEAN)
    assert any(float(right) == pytest.approx(wide_layers.RELU_STD**2) for right in variance), values
    square = wide_layers.RELU_STD**2 + wide_layers.RELU_MEAN**2
    assert square == pytest.approx(wide_layers.RELU_SIZE**2)


def test_the_law_is_the_variance_map():
    """For a gain at which the first pre-activations have the variance 1, as on the derivation's page."""
    layers = wide_layers.law("tanh", 1.0, 20)
    variances = initialization.variances(np.tanh, 1.0, 20)
    assert [layer.std**2 for layer in layers] == pytest.approx(variances[1:], rel=1e-6)


def test_xavier_with_relu_halves_and_kaiming_keeps():
    xavier, kaiming = (wide_layers.law("relu", gain, 10) for gain in (1.0, 2.0))
    assert [xavier[n + 1].std / xavier[n].std for n in range(9)] == pytest.approx([math.sqrt(1 / 2)] * 9)
    assert [layer.std for layer in kaiming] == pytest.approx([kaiming[0].std] * 10)
    assert xavier[0].back == pytest.approx(math.log10(1 / 2) / 2)
    assert kaiming[0].back == pytest.approx(0)


def test_where_single_precision_ends():
    assert float(np.float32(wide_layers.LARGEST)) == wide_layers.LARGEST == (2 - 2**-23) * 2.0**127
    layer = wide_layers.predicted_break(512)
    size = wide_layers.largest_of(512)
    assert size * 512.0 ** ((layer - 1) / 2) < wide_layers.LARGEST < size * 512.0 ** (layer / 2)
    assert wide_layers.chance_of_break(layer - 1, 512) < 0.5 < wide_layers.chance_of_break(layer, 512)
    largest = np.abs(np.random.default_rng(0).standard_normal((2000, 512)))
    assert np.mean(np.sum(largest > size, axis=1)) == pytest.approx(1, abs=0.1)
