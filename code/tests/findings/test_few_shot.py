"""Each claim on few-shot classification, its evidence moved just past the boundary; the study; all that is shown."""

import random
from dataclasses import replace

import pytest
import torch

from worked.answers.simple_shot import NORMALISATIONS
from worked.claims import NOT_SUPPORTED, SUPPORTED, UNDECIDED
from worked.findings import few_shot as shown
from worked.measurement import Context
from worked.records import Record
from worked.studies import few_shot as study
from worked.study import StudyError

CLAIMS = {claim.id: claim for claim in shown.CLAIMS}
# The accuracy that speaks for the claim when it rises.
MOVES = {
    **{f"few-shot-centring-{shots}": f"features centred l2 {shots} accuracy" for shots in (1, 5)},
    **{f"few-shot-length-{shots}": f"features l2 {shots} accuracy" for shots in (1, 5)},
    **{f"few-shot-both-{shots}": f"features centred l2 {shots} accuracy" for shots in (1, 5)},
    **{f"few-shot-pixels-{shots}": f"features centred l2 {shots} accuracy" for shots in (1, 5)},
    "few-shot-more": "features centred l2 5 accuracy",
}


def record(spec):
    draw = random.Random(spec.key)
    metrics = {"source_train_accuracy": 0.99, "source_test_accuracy": 0.98 + draw.uniform(-1e-3, 1e-3)}
    for space in study.SPACES:
        for how in NORMALISATIONS:
            for shots in study.SHOTS:
                metrics[f"{space} {how} {shots} accuracy"] = 0.5 + 0.03 * shots + draw.uniform(-1e-2, 1e-2)
                metrics[f"{space} {how} {shots} deviation"] = 0.05
    return Record(
        spec, {"train": "a" * 64, "test": "b" * 64}, metrics, {}, {"losses": [2.3]}, "0" * 64,
        {"torch": "2.15", "device": "cpu", "device_name": "CPU"}, spec.data["source"], 1.0, "2026-01-01T00:00:00+00:00",
    )  # fmt: skip


@pytest.fixture(scope="module")
def records():
    """A full set that was never measured."""
    return [record(spec) for spec in study.specs(study.PROFILES["full"], lambda spec: None)]


def moved(records, name, by):
    """The records with one accuracy moved, by a little more for each seed."""
    return [replace(r, metrics=r.metrics | {name: r.metrics[name] + by + 2e-4 * (r.spec.seed - 2)}) for r in records]


def test_every_claim_is_moved():
    assert set(MOVES) == set(CLAIMS)


@pytest.mark.parametrize("name", MOVES)
def test_verdict_flips_when_its_evidence_passes_the_boundary(records, name):
    def judged(by):
        return CLAIMS[name].judge(shown.Summary(moved(records, MOVES[name], by)))

    effect, step = judged(0.0).effect, 1e-6
    assert judged(-effect.low + step).state == SUPPORTED
    assert judged(-effect.low - step).state == UNDECIDED
    assert judged(-effect.high + step).state == UNDECIDED
    assert judged(-effect.high - step).state == NOT_SUPPORTED


def test_everything_is_shown(records):
    summary = shown.Summary(records)
    table = shown.accuracies(summary)
    assert {len(row) for row in table.body} == {len(table.header)} == {5}
    assert len(table.rows) == 2 * 3 * 2 * 5
    assert summary.half("features", "l2", 1) == pytest.approx(1.96 * 0.05 / 2000**0.5)
    assert len(shown.compared(summary).rows) == 12
    assert "5 models from as many seeds" in shown.protocol(summary)
    assert "2,000 episodes" in shown.protocol(summary)
    assert "chance is 10 %" in shown.brief(summary)


def test_a_diverged_run_is_named(records):
    with pytest.raises(StudyError, match="diverged and has no accuracy to show"):
        shown.Summary([replace(r, diverged="a loss was not finite") if r.spec.seed == 3 else r for r in records])


def test_the_full_protocol_has_a_thousand_episodes_or_more():
    assert all(study.PROFILES[name].settings["episodes"] >= 1000 for name in ("full", "laptop"))
    assert study.SHOTS == (1, 5)


def test_features_are_the_last_hidden_layer():
    model = study.network({"kernel": 5})
    images = torch.randn(3, 1, 28, 28)
    found = study.features(model, images)
    assert found.shape == (3, 32)
    assert (found >= 0).all()
    torch.testing.assert_close(model[-1](found), model(images))


def test_a_run_measures_and_is_replayed():
    run = next(iter(study.specs(study.PROFILES["smoke"], lambda spec: None)))
    done = study.measure(run, Context("cpu"))
    assert set(record(run).metrics) == set(done.metrics)
    assert {"train", "test", "episodes"} == set(done.data_fingerprint)
    first = study.measure(run, Context("cpu", steps=5))
    assert first.trace["losses"] == done.trace["losses"][:5]
    assert first.data_fingerprint == done.data_fingerprint
