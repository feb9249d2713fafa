"""Each claim on the regulariser, its evidence moved past the boundary; the study's functions; everything shown."""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from worked.answers import convolution
from worked.claims import NOT_SUPPORTED, SUPPORTED, UNDECIDED
from worked.findings import convolution_regularizer as shown
from worked.machine import environment
from worked.measurement import Context
from worked.records import Record, Store
from worked.replay import replay
from worked.results import Results
from worked.studies import convolution_regularizer as study
from worked.study import DRAWN

CLAIMS = {claim.id: claim for claim in shown.CLAIMS}
STRONG, ALONE, FEW = shown.STRONG, study.ALONE, study.FEW
# The setting whose metric speaks for the claim when it rises.
MOVES = {
    "convolution-nearer": (shown.NONE, "distance"),
    "convolution-test": (shown.NONE, "test_loss"),
    "convolution-limit": (shown.NONE, "test_loss"),
    "convolution-not-sparsity": ((ALONE, 0.0, FEW), "test_loss"),
    "convolution-not-sharing": ((0.0, ALONE, FEW), "test_loss"),
    "convolution-few": (shown.NONE, "test_loss"),
}


def record(spec):
    draw = random.Random(spec.key)
    strength = min(spec.config["sparsity"], spec.config["sharing"])
    goal = (0.5 if spec.config["samples"] == FEW else 0.01) / (1 + strength)
    metrics = {name: goal + draw.uniform(0, 1e-4) for name in study.METRICS}
    history = {name: [value] * len(study.recorded(spec.config["steps"])) for name, value in metrics.items()}
    picture = [[draw.uniform(-1, 1) for _ in range(study.INPUTS)] for _ in range(study.INPUTS)]
    images = dict.fromkeys(("teacher", "before", "after"), picture) if spec.seed == 0 else {}
    if spec.config["layer"] == "convolution":
        metrics, history, images = {**metrics, "test_loss": metrics["test_loss"] / 200}, {}, {}
    device = {"torch": "2.15", "device": "cpu", "device_name": "CPU"}
    return Record(spec, {}, metrics, history, {}, "0" * 64, device, DRAWN, 1.0, "2026-01-01T00:00:00+00:00",
                  images=images)  # fmt: skip


@pytest.fixture(scope="module")
def records():
    """A full set that was never measured."""
    return [record(spec) for spec in study.specs(study.PROFILES["full"], lambda spec: None)]


def moved(records, setting, metric, by):
    """The records with one metric of one setting moved."""
    out = []
    for r in records:
        config = r.spec.config
        here = (config["sparsity"], config["sharing"], config["samples"]) == setting and config["layer"] == "dense"
        out.append(replace(r, metrics={**r.metrics, metric: r.metrics[metric] + by}) if here else r)
    return out


def test_every_claim_is_moved():
    assert set(MOVES) == set(CLAIMS)


@pytest.mark.parametrize("name", MOVES)
def test_verdict_flips_when_its_evidence_passes_the_boundary(records, name):
    setting, metric = MOVES[name]
    slope = 2.0 if name == "convolution-limit" else 1.0  # half of what is moved counts there

    def judged(by):
        return CLAIMS[name].judge(shown.Summary(moved(records, setting, metric, slope * by)))

    effect, step = judged(0.0).margin, 1e-9
    assert judged(0.0).state == SUPPORTED
    assert judged(-effect.low + step).state == SUPPORTED
    assert judged(-effect.low - step).state == UNDECIDED
    assert judged(-effect.high + step).state == UNDECIDED
    assert judged(-effect.high - step).state == NOT_SUPPORTED


def test_the_penalty_in_torch_is_that_in_numpy():
    rng = np.random.default_rng(0)
    A, a = rng.normal(size=(2, 7, 7)), rng.normal(size=(2, 7))
    S = torch.from_numpy(convolution.shifts(7, 3))
    for strengths in ((1.0, 0.0), (0.0, 1.0), (0.3, 2.0)):
        weights, biases = torch.tensor(A, requires_grad=True), torch.tensor(a, requires_grad=True)
        value = study.penalty(weights, biases, S, *strengths)
        value.backward()
        assert value.item() == pytest.approx(convolution.penalty(A, a, 3, *strengths), rel=1e-13)
        for ours, theirs in zip(convolution.penalty_gradient(A, a, 3, *strengths), (weights, biases), strict=True):
            np.testing.assert_allclose(theirs.grad, ours, atol=1e-13)
    w, b = study.nearest(torch.from_numpy(A), torch.from_numpy(a), S)
    np.testing.assert_allclose(w, convolution.nearest(A, a, 3)[0], atol=1e-14)
    np.testing.assert_allclose(b, a.mean(1), atol=1e-14)
    np.testing.assert_allclose(study.dense(w, S), convolution.dense_weights(w.numpy(), 7), atol=1e-14)


def test_steps_are_recorded_up_to_the_last():
    assert study.recorded(30) == [1, 2, 5, 10, 20, 30]
    assert study.recorded(1000)[-2:] == [500, 1000]


@pytest.fixture(scope="module")
def measured():
    specs = [s for s in study.specs(study.PROFILES["smoke"], lambda spec: None) if s.seed == 0]
    return [(spec, study.STUDY.measure(spec, Context("cpu"))) for spec in specs if spec.config["samples"] == FEW]


def test_runs_of_a_seed_share_data_and_start(measured):
    dense = [m for spec, m in measured if spec.config["layer"] == "dense"]
    assert all(m.images["before"] == dense[0].images["before"] for m in dense)
    assert all(m.images["teacher"] == dense[0].images["teacher"] for m in dense)
    assert all(len(values) == 6 for m in dense for values in m.history.values())
    assert dense[0].metrics == {name: values[-1] for name, values in dense[0].history.items()}
    assert dense[0].trace["losses"] == sorted(dense[0].trace["losses"], reverse=True)  # no step overshoots


def test_the_fitted_convolution_is_a_convolution_with_the_least_training_error(measured):
    fitted = next(m for spec, m in measured if spec.config["layer"] == "convolution")
    assert fitted.metrics["distance"] < 1e-25
    strong = next(m for spec, m in measured if spec.config["sparsity"] == spec.config["sharing"] == STRONG)
    assert fitted.metrics["test_loss"] < strong.history["test_loss"][0]


def test_a_run_is_replayed_exactly(measured, tmp_path):
    spec, m = measured[0]
    kept = Record(spec, {}, m.metrics, m.history, m.trace, "0" * 64, environment("cpu"), DRAWN, 0.1,
                  "2026-01-01T00:00:00+00:00", images=m.images)  # fmt: skip
    assert replay(study.STUDY, kept, Store(tmp_path), device="cpu").agrees


def test_figures_and_tables_hold_every_number(records, tmp_path):
    results = Results(shown.FINDINGS, "full", Store(tmp_path))
    results.__dict__["records"] = records
    summary = results.summary
    chart = results.show(shown.curves)
    assert len(chart.rows) == 2 * 4 * len(study.recorded(1000))
    assert "Test error, strength 100: from" in chart.alt
    table = results.show(shown.table)
    assert [row[0] for row in table.body] == ["dense"] * 7 + ["convolution"] + ["dense"] * 2
    assert len(table.rows) == len(records)
    pictures = results.show(shown.matrices)
    assert len(pictures.rows) == 6 * study.INPUTS**2
    assert "after, strength 100" in pictures.alt
    assert "24 inputs" not in shown.protocol(summary)
    assert f"labels {FEW} standard normal inputs of length 16" in shown.protocol(summary)
    assert "10 times" in shown.protocol(summary)
    assert "a free dense layer has the test error 0.5" in shown.brief(summary)
    assert all(shown.FINDINGS.name(r) for r in records)
    assert results.claims(*CLAIMS).myst.count("[supported]") == len(CLAIMS)
