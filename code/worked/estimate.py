"""Means with intervals: the only way in which a measured number is shown."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A mean, its 95 % interval and the number of runs; the interval is infinite for a single run."""

    mean: float
    low: float
    high: float
    n: int
    method: str = "t"

    @property
    def percent(self) -> str:
        """A share as ``91.20 % ± 0.15``: mean and half-width in percent."""
        half = f"{100 * (self.high - self.mean):.2f}" if self.n > 1 else "?"
        return f"{percent(self.mean)} ± {half}"


def percent(share: float, digits: int = 2) -> str:
    """A share as ``91.20 %``."""
    return f"{100 * share:.{digits}f} %"


def number(value: float) -> str:
    """A number for a table or a sentence: short, with a power of ten where it is far from 1."""
    if value == 0 or 1e-3 <= abs(value) < 1e4:
        return f"{value:.3g}".replace("-", "−") if abs(value) < 999.5 else f"{value:.0f}".replace("-", "−")
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"${mantissa} \\cdot 10^{{{int(exponent)}}}$"


def estimate(values: Sequence[float]) -> Estimate:
    """Mean of ``values`` with Student's 95 % interval, mean ± t(0.975, n - 1) s / sqrt(n).

    Raises:
        ValueError: there are no values, or one is not finite.
    """
    from scipy.special import stdtrit  # the quantile of Student's t; scipy.stats takes a second to import

    n = len(values)
    if n == 0 or not all(map(math.isfinite, values)):
        raise ValueError(f"expected at least one finite value, got {list(values)}")
    mean = math.fsum(values) / n
    if n == 1:
        return Estimate(mean, -math.inf, math.inf, n)
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))
    half = float(stdtrit(n - 1, 0.975)) * deviation / math.sqrt(n)
    return Estimate(mean, mean - half, mean + half, n)


def proportion(values: Sequence[float]) -> Estimate:
    """The share of ones among zeros and ones, with Wilson's 95 % score interval, which stays between 0 and 1.

    Raises:
        ValueError: there are no values, or one is neither 0 nor 1.
    """
    from scipy import stats

    if not values or set(values) - {0, 1}:
        raise ValueError(f"expected zeros and ones, got {list(values)}")
    found = stats.binomtest(round(sum(values)), len(values))
    low, high = found.proportion_ci(method="wilson")
    return Estimate(found.statistic, float(low), float(high), len(values), "Wilson")
