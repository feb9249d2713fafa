import math

import numpy as np
import pytest
from scipy import stats

from worked.estimate import estimate, number, proportion


@pytest.mark.parametrize("n", [2, 5, 30])
def test_agrees_with_scipy(n):
    values = np.random.default_rng(n).normal(size=n)
    got = estimate(list(values))
    low, high = stats.t.interval(0.95, n - 1, values.mean(), stats.sem(values))
    assert (got.mean, got.low, got.high) == pytest.approx((values.mean(), low, high))


def test_a_single_run_has_no_interval():
    assert estimate([0.9]).low == -math.inf
    assert estimate([0.9]).percent == "90.00 % ± ?"


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf]])
def test_refuses_what_has_no_mean(values):
    with pytest.raises(ValueError, match="expected at least one finite value"):
        estimate(values)


def test_a_proportion_stays_between_0_and_1():
    """Wilson's interval of 17 of 20, by its formula with z = 1.96."""
    found = proportion([1.0] * 17 + [0.0] * 3)
    z, n, p = stats.norm.ppf(0.975), 20, 0.85
    middle, half = p + z**2 / (2 * n), z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert (found.mean, found.n, found.method) == (0.85, 20, "Wilson")
    assert found.low == pytest.approx((middle - half) / (1 + z**2 / n))
    assert found.high == pytest.approx((middle + half) / (1 + z**2 / n))
    assert proportion([1.0] * 20).high <= 1
    for wrong in ([], [0.5, 1.0]):
        with pytest.raises(ValueError, match="expected zeros and ones"):
            proportion(wrong)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0.0, "0"), (0.001, "0.001"), (0.0123, "0.0123"), (-12.345, "−12.3"), (999.7, "1000"), (-1234.5, "−1234"),
        (5e-5, r"$5.0 \cdot 10^{-5}$"), (2e4, r"$2.0 \cdot 10^{4}$"), (-1.25e9, r"$-1.2 \cdot 10^{9}$"),
    ],
)  # fmt: skip
def test_a_number_far_from_one_has_a_power_of_ten(value, told):
    assert number(value) == told
