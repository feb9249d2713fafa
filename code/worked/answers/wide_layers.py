"""Signals and gradients in a deep network of wide layers, in the limit; and where single precision ends.

With the variance s^2 of the weights of a layer of ``width`` units, its gain is width s^2. Pre-activations are then
normal with the variance v = gain E h^2, where h are the units below, and the mean square of a gradient is multiplied
by gain E phi'(z)^2 on its way back through the layer.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

LARGEST = float(np.finfo(np.float32).max)  # of the finite numbers in single precision: (2 - 2^-23) 2^127
RELU_SIZE, RELU_MEAN = math.sqrt(1 / 2), 1 / math.sqrt(2 * math.pi)  # behind a standard normal number; proved
RELU_STD = math.sqrt(1 / 2 - 1 / (2 * math.pi))  # likewise
LIMIT = 0.99  # units with a larger size are counted
STEP = 1 / 1024  # of the trapezoidal rule: the slope of tanh is a narrow strip where the deviation is large


@dataclass(frozen=True)
class Layer:
    """What a wide layer holds: standard deviation of its units, share of those above LIMIT in size, its way back."""

    std: float
    above: float
    back: float  # powers of ten by which a gradient grows on its way back through the layer


def law(activation: str, gain: float, depth: int) -> tuple[Layer, ...]:
    """Every layer of a wide network whose input has the mean square 1."""
    layers, below = [], 1.0
    for _ in range(depth):
        size, std, above, slope = moments(activation, math.sqrt(gain * below))
        layers.append(Layer(std, above, math.log10(gain * slope) / 2))
        below = size
    return tuple(layers)


def moments(activation: str, deviation: float) -> tuple[float, float, float, float]:
    """E phi(z)^2, the deviation of phi(z), P(|phi(z)| > LIMIT) and E phi'(z)^2 for normal z with ``deviation``."""
    if activation == "tanh":
        z = np.arange(-10, 10 + STEP / 2, STEP)
        weight, h = STEP * stats.norm.pdf(z), np.tanh(deviation * z)
        size = float(weight @ h**2)
        above = 2 * float(stats.norm.sf(math.atanh(LIMIT) / deviation))
        return size, math.sqrt(size), above, float(weight @ (1 - h**2) ** 2)
    tail = float(stats.norm.sf(LIMIT / deviation))
    if activation == "relu":
        return (RELU_SIZE * deviation) ** 2, RELU_STD * deviation, tail, 1 / 2
    return deviation**2, deviation, 2 * tail, 1.0


def largest_of(width: int) -> float:
    """How many deviations the largest of ``width`` normal numbers has: exceeded in size by one of them on average."""
    return float(stats.norm.isf(1 / (2 * width)))


def predicted_break(width: int) -> int:
    """The first layer whose largest unit passes LARGEST, if each layer multiplies the deviation by sqrt(width)."""
    return math.ceil(2 * math.log(LARGEST / largest_of(width)) / math.log(width))


def chance_of_break(layer: int, width: int) -> float:
    """The probability that a unit of a layer of exactly the predicted deviation passes LARGEST."""
    beyond = 2 * float(stats.norm.sf(math.exp(math.log(LARGEST) - layer / 2 * math.log(width))))
    return 1 - (1 - beyond) ** width
