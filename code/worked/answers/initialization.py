"""The scale of initial weights for any activation: second moments by quadrature with a bound of the error.

A layer with d inputs and the standard deviation gain / sqrt(d) keeps the variance of pre-activations at 1 if the gain
is 1 / sqrt(E phi(z)^2) for standard normal z.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

Array = NDArray[np.float64]
Function = Callable[[Array], Array]

STEP = 1 / 8  # between the nodes of the trapezoidal rule
REACH = 12.0  # of the nodes on either side of 0
STRIP = 1.0  # half the width of the strip around the real line for which the activations are bounded
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772  # Klambauer and others (2017)
SMALL = 0.01  # slope of LeakyReLU, PyTorch's default


def second_moment(phi: Function) -> float:
    """E phi(z)^2 for standard normal z, by the trapezoidal rule.

    With a kink of phi at 0, which is a node, the error falls as STEP^4 only.
    """
    z = np.arange(-REACH, REACH + STEP / 2, STEP)
    weight = STEP * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    return float(weight @ phi(z) ** 2)


def error_bound(constant: float, slope: float) -> float:
    """A bound of the error of `second_moment`.

    It needs |phi(x + iy)|^2 <= constant + slope x^2 for all |y| <= STRIP. Three
    parts: the rule, 2 M / (exp(2 pi STRIP / STEP) - 1), where M bounds the
    integral of |phi^2 p| along any line in the strip and
    |p(x + iy)| = p(x) exp(y^2 / 2); what lies beyond REACH; rounding.
    """
    integral = math.exp(STRIP**2 / 2) * (constant + slope)
    rule = 2 * integral / math.expm1(2 * math.pi * STRIP / STEP)
    largest = constant + slope * (1 + REACH**2)
    beyond = 2 * largest * math.exp(-((REACH - STEP) ** 2) / 2)
    rounding = 2 * REACH / STEP * np.finfo(float).eps * (constant + slope)
    return rule + beyond + rounding


@dataclass(frozen=True)
class Activation:
    """An activation, what bounds it in the strip (or None where its moment is known), its name in PyTorch."""

    name: str
    phi: Function
    bound: tuple[float, float] | None = None
    known: float | None = None
    torchs: tuple[str, float | None] | None = None


def _selu(z: Array) -> Array:
    return SELU_SCALE * np.where(z > 0, z, SELU_ALPHA * np.expm1(np.minimum(z, 0)))


def _selu_moment() -> float:
    """The integral of the square in closed form: E exp(kz) over z < 0 is exp(k^2 / 2) P(z < -k)."""
    below = math.exp(2) * special.ndtr(-2) - 2 * math.exp(0.5) * special.ndtr(-1) + 0.5
    return SELU_SCALE**2 * (0.5 + SELU_ALPHA**2 * float(below))


# In the strip: |tanh|^2 <= tan(1)^2; the logistic function is at most 1 there, as cos(1) > 0; and the normal
# distribution function at most 1 + p(0) e^(1/2), the integral of the density from the real line upwards included.
_NORMAL = (1 + math.exp(STRIP**2 / 2) / math.sqrt(2 * math.pi)) ** 2
ACTIVATIONS = (
    Activation("identity", lambda z: z, known=1.0, torchs=("linear", None)),
    Activation("ReLU", lambda z: np.maximum(z, 0), known=0.5, torchs=("relu", None)),
    Activation("LeakyReLU", lambda z: np.maximum(z, SMALL * z), known=(1 + SMALL**2) / 2, torchs=("leaky_relu", SMALL)),
    Activation("tanh", np.tanh, bound=(math.tan(STRIP) ** 2, 0.0), torchs=("tanh", None)),
    Activation("logistic", special.expit, bound=(1.0, 0.0), torchs=("sigmoid", None)),
    Activation("SELU", _selu, known=_selu_moment(), torchs=("selu", None)),
    Activation("GELU", lambda z: z * special.ndtr(z), bound=(_NORMAL * STRIP**2, _NORMAL)),
    Activation("SiLU", lambda z: z * special.expit(z), bound=(STRIP**2, 1.0)),
)


@dataclass(frozen=True)
class Row:
    """What is known of one activation."""

    name: str
    moment: float
    how: str  # closed form, or the bound of the error
    gain: float
    torchs: float | None
    settled: str | None  # the variance to which PyTorch's gain leads
    response: float  # error of the variance one layer later over the error before, at the right gain


def table(torch_gain: Callable[..., float]) -> list[Row]:
    """One row for each activation; `torch_gain` is PyTorch's `calculate_gain`."""
    rows = []
    for a in ACTIVATIONS:
        moment = second_moment(a.phi) if a.known is None else a.known
        how = "closed form" if a.bound is None else f"$\\pm {_scientific(error_bound(*a.bound))}$"
        theirs = None if a.torchs is None else torch_gain(*a.torchs)
        settled = None if theirs is None else _settled(a.phi, theirs, moment)
        low, high = (second_moment(_scaled(a.phi, 1 + shift)) for shift in (-1e-4, 1e-4))
        response = (high - low) / (2e-4 * second_moment(a.phi))
        rows.append(Row(a.name, moment, how, 1 / math.sqrt(moment), theirs, settled, response))
    return rows


def _scaled(phi: Function, variance: float) -> Function:
    """The activation of pre-activations with another variance than 1."""
    return lambda z: phi(math.sqrt(variance) * z)


def _settled(phi: Function, gain: float, moment: float) -> str:
    """The variance at which q -> gain^2 E phi(sqrt(q) z)^2 comes to rest from 1."""
    if math.isclose(gain**2 * moment, 1.0, rel_tol=1e-6):
        return "1"
    return f"{variances(phi, gain, 2000)[-1]:.3f}"


def variances(phi: Function, gain: float, layers: int) -> list[float]:
    """The variance of the pre-activations, 1 in the first layer, after each of `layers` wide layers."""
    found = [1.0]
    for _ in range(layers):
        found.append(gain**2 * second_moment(_scaled(phi, found[-1])))
    return found


def through_layers(layers: int) -> dict[str, list[float]]:
    """The variance through a network with the right scale, and with 1 / sqrt(d)."""
    by = {a.name: a for a in ACTIVATIONS}
    own = 1 / math.sqrt(second_moment(np.tanh))
    return {
        r"ReLU, $\sqrt{2/d}$": variances(by["ReLU"].phi, math.sqrt(2), layers),
        r"ReLU, $\sqrt{1/d}$": variances(by["ReLU"].phi, 1.0, layers),
        rf"tanh, ${own:.2f}/\sqrt{{d}}$": variances(np.tanh, own, layers),
        r"tanh, $1/\sqrt{d}$": variances(np.tanh, 1.0, layers),
    }


def _scientific(x: float) -> str:
    mantissa, exponent = f"{x:.0e}".split("e")
    return rf"{mantissa} \cdot 10^{{{int(exponent)}}}"
