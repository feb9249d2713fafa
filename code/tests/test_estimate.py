import math

import numpy as np
import pytest
from scipy import stats

from worked.estimate import estimate


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
