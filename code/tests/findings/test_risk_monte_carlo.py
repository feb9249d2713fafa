"""Each claim about the estimated risk, its evidence moved just past the boundary, and what the page shows."""

import math
import random
from dataclasses import replace

import numpy as np
import pytest

from worked.claims import NOT_SUPPORTED, SUPPORTED, UNDECIDED, within
from worked.estimate import Estimate
from worked.findings import risk_monte_carlo as found
from worked.measurement import Context
from worked.records import Record
from worked.studies import risk_monte_carlo as study
from worked.study import DRAWN

CLAIMS = {claim.id: claim for claim in found.FINDINGS.claims}
PROFILE = study.PROFILES["full"]


def record(spec):
    """Made-up numbers near the proved ones."""
    draw = random.Random(spec.key)
    history = {"samples": [10, 30, 100, 300, 1000]}
    metrics = {}
    for d in (2, 8, 32):
        history[f"error_{d}"] = [math.sqrt(2 / n) * (1 + draw.gauss(0, 0.004)) for n in history["samples"]]
        history[f"cover_chi2_{d}"] = [0.95 + draw.gauss(0, 0.004) for _ in history["samples"]]
        history[f"cover_t_{d}"] = [0.95 - 1 / n + draw.gauss(0, 0.002) for n in history["samples"]]
        metrics[f"slope_{d}"] = -0.5 + draw.gauss(0, 0.005)
    environment = {"torch": "2", "device": "cpu", "device_name": "CPU"}
    return Record(spec, {}, metrics, history, {}, "0" * 64, environment, DRAWN, 1.0, "2026-01-01T00:00:00+00:00")


@pytest.fixture(scope="module")
def records():
    return [record(spec) for spec in study.specs(PROFILE, lambda spec: None)]


def moved(records, name, by):
    """The records with the evidence of a claim moved by `by`, in the direction that its effect has."""
    _, covariance, what = name.split("-", 2)
    out = []
    for one in records:
        if one.spec.config["covariance"] == covariance:
            history, metrics = dict(one.history), dict(one.metrics)
            for d in (2, 8, 32):
                if what == "slope":
                    metrics[f"slope_{d}"] += by
                elif what == "error":
                    history[f"error_{d}"] = [
                        v + by * math.sqrt(2 / n)
                        for n, v in zip(history["samples"], history[f"error_{d}"], strict=True)
                    ]
                elif what == "dimension" and d == 32:
                    low = history["error_2"]
                    history["error_32"] = [v + by * u for u, v in zip(low, history["error_32"], strict=True)]
                elif what == "cover":
                    history[f"cover_chi2_{d}"] = [v + by for v in history[f"cover_chi2_{d}"]]
                elif what == "t-many":
                    history[f"cover_t_{d}"] = [*history[f"cover_t_{d}"][:-1], history[f"cover_t_{d}"][-1] + by]
                elif what == "t-few":
                    history[f"cover_t_{d}"] = [history[f"cover_t_{d}"][0] - by, *history[f"cover_t_{d}"][1:]]
            one = replace(one, history=history, metrics=metrics)
        out.append(one)
    return out


@pytest.mark.parametrize("name", CLAIMS)
def test_verdict_flips_when_its_evidence_passes_the_boundary(records, name):
    margin = {
        "dimension": found.GROWTH_MARGIN,
        "slope": found.SLOPE_MARGIN,
        "cover": found.COVER_MARGIN,
        "t-many": found.COVER_MARGIN,
    }.get(name.split("-", 2)[2], found.ERROR_MARGIN)

    def state(by):
        return CLAIMS[name].judge(found.Summary(moved(records, name, by))).state

    effect = CLAIMS[name].judge(found.Summary(records)).margin
    step = 2e-4 if name.endswith("dimension") else 1e-6  # a quotient of means moves only nearly in proportion
    if name.endswith("t-few"):
        moves = {-effect.low + step: SUPPORTED, -effect.low - step: UNDECIDED, -effect.high - step: NOT_SUPPORTED}
    else:
        moves = {
            margin - effect.high - step: SUPPORTED,
            margin - effect.high + step: UNDECIDED,
            margin - effect.low + step: NOT_SUPPORTED,
            -margin - effect.low + step: SUPPORTED,
            -margin - effect.low - step: UNDECIDED,
            -margin - effect.high - step: NOT_SUPPORTED,
        }
    assert {by: state(by) for by in moves} == moves


def test_an_interval_that_does_not_exist_decides_nothing():
    assert within(1.0)(Estimate(0.0, -math.inf, math.inf, 1)) is None


def test_figures_hold_every_number(records):
    summary = found.Summary(records)
    errors, coverage = found.errors(summary), found.coverage(summary)
    assert len(errors.rows) == 2 * 3 * 5
    assert len(coverage.rows) == 2 * 2 * 5
    assert "on the proved line from 0.447 to 0.045" in errors.alt
    assert "t interval" in coverage.alt
    assert "0.9^{|i-j|}" in found.protocol(summary)


def test_the_smoke_profile_is_measured():
    spec = next(iter(study.specs(study.PROFILES["smoke"], lambda spec: None)))
    one, two = (study.measure(spec, Context("cpu")) for _ in range(2))
    assert one == two
    assert set(one.metrics) == {"risk_2", "slope_2", "risk_8", "slope_8"}
    assert 0 < one.history["error_2"][1] < one.history["error_2"][0] < 1.5


def test_the_covariance_is_the_stated_one():
    a = study.factor("correlated", 4)
    np.testing.assert_allclose((a @ a.T)[0], study.CORRELATION ** np.arange(4))
    np.testing.assert_array_equal(study.factor("identity", 3), np.eye(3))
