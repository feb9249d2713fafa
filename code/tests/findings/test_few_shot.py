"""Each claim on few-shot classification, its evidence moved just past the boundary; the study; all that is shown."""

import random
import re
from dataclasses import replace

import pytest
import torch

from worked.answers.simple_shot import NORMALISATIONS
from worked.claims import NOT_SUPPORTED, SUPPORTED, UNDECIDED
from worked.findings import few_shot as shown
from worked.measurement import Context
from worked.mnist_source import network
from worked.page import ROOT
from worked.records import Record, Store
from worked.results import Results
from worked.studies import few_shot as study
from worked.study import StudyError
from worked.tuning import features

CLAIMS = {claim.id: claim for claim in shown.CLAIMS}
# The number that speaks for the claim when it rises, and the sign of its effect.
MOVES = {
    **{f"few-shot-centring-{shots}": f"features centred l2 {shots} accuracy" for shots in (1, 5)},
    **{f"few-shot-length-{shots}": f"features l2 {shots} accuracy" for shots in (1, 5)},
    **{f"few-shot-both-{shots}": f"features centred l2 {shots} accuracy" for shots in (1, 5)},
    **{f"few-shot-pixels-{shots}": f"features centred l2 {shots} accuracy" for shots in (1, 5)},
    "few-shot-gain": "features centred l2 1 accuracy",
    "few-shot-more": "features centred l2 5 accuracy",
    "few-shot-still": "features centred l2 20 accuracy",
    "few-shot-spread-length": "features l2 between",
    "few-shot-spread-centring": "features centred l2 between",
}


def lines(count, numbers, draw):
    return [f"{k} " + " ".join(f"{draw.uniform(-1, 1) + (n == k):.4g}" for n in range(numbers))
            for k in range(10) for _ in range(count)]  # fmt: skip


def record(spec):
    draw = random.Random(spec.key)
    metrics = {"source train_accuracy": 0.99, "source test_accuracy": 0.98 + draw.uniform(-1e-3, 1e-3)}
    for space in study.SPACES:
        for how in NORMALISATIONS:
            metrics[f"{space} {how} between"] = 0.4 + draw.uniform(-1e-2, 1e-2)
            for shots in range(1, study.SHOTS + 1):
                metrics[f"{space} {how} {shots} accuracy"] = 0.5 + 0.01 * shots + draw.uniform(-1e-2, 1e-2)
                metrics[f"{space} {how} {shots} deviation"] = 0.05
        metrics[f"{space} seconds"] = 2.0 + draw.uniform(-0.1, 0.1)
    kept = {}
    if spec.seed == 0:
        of = {"shares": [0.4, 0.2], "places": lines(study.SHOWN, 2, draw)}
        episode = {"support": lines(study.KEPT_SHOTS, 32, draw), "queries": lines(study.QUERIES, 32, draw)}
        kept = {"planes": dict.fromkeys(NORMALISATIONS, of), "episode": episode | {"mean": ["0" + " 0.1" * 32]}}
    return Record(
        spec, {"train": "a" * 64, "test": "b" * 64}, metrics, {}, {"losses": [2.3]}, "0" * 64,
        {"torch": "2.15", "device": "cpu", "device_name": "CPU"}, spec.data["source"], 1.0, "2026-01-01T00:00:00+00:00",
        images=kept,
    )  # fmt: skip


@pytest.fixture(scope="module")
def records():
    """A full set that was never measured."""
    return [record(spec) for spec in study.specs(study.PROFILES["full"], lambda spec: None)]


def moved(records, name, by, spread=2e-4):
    """The records with one number moved, by a little more for each seed."""
    middle = (len(records) - 1) / 2
    changes = [by + spread * (r.spec.seed - middle) for r in records]
    return [replace(r, metrics=r.metrics | {name: r.metrics[name] + c}) for r, c in zip(records, changes, strict=True)]


def test_every_claim_is_moved():
    assert {*MOVES, "few-shot-minute"} == set(CLAIMS)


@pytest.mark.parametrize("name", MOVES)
def test_verdict_flips_when_its_evidence_passes_the_boundary(records, name):
    def judged(by):
        return CLAIMS[name].judge(shown.Summary(moved(records, MOVES[name], by)))

    effect, step = judged(0.0).margin, 1e-6
    assert judged(-effect.low + step).state == SUPPORTED
    assert judged(-effect.low - step).state == UNDECIDED
    assert judged(-effect.high + step).state == UNDECIDED
    assert judged(-effect.high - step).state == NOT_SUPPORTED


def test_a_minute_is_a_minute_for_a_thousand_episodes(records):
    def state(seconds):
        slow = [replace(r, metrics=r.metrics | {"features seconds": seconds + 0.01 * r.spec.seed}) for r in records]
        return CLAIMS["few-shot-minute"].judge(shown.Summary(slow)).state

    assert [state(59.9), state(59.955), state(60.01)] == [SUPPORTED, UNDECIDED, NOT_SUPPORTED]
    twice = [replace(r, spec=replace(r.spec, config=r.spec.config | {"episodes": 2000})) for r in records]
    assert CLAIMS["few-shot-minute"].judge(shown.Summary(twice)).effect.mean == pytest.approx(1.0, abs=0.1)


def test_everything_is_shown(records):
    summary = shown.Summary(records)
    table = shown.accuracies(summary)
    assert {len(row) for row in table.body} == {len(table.header)} == {5}
    assert len(table.rows) == 2 * 3 * 2 * 10
    assert summary.half("features", "l2", 1) == pytest.approx(1.96 * 0.05 / 1000**0.5)
    assert len(shown.curve(summary).rows) == 2 * 3 * 20
    assert len(shown.planes(summary).rows) == 3 * 10 * study.SHOWN
    assert [row[1:3] for row in shown.reference(summary).body] == [["150", "150"]] * 3
    assert "10 models from as many seeds" in shown.protocol(summary)
    assert "1,000 episodes of its own" in shown.protocol(summary)
    assert "take 2.0 s on one processor core" in shown.cost(summary)
    assert "chance is 10 %" in shown.brief(summary)
    assert shown.spread(summary).count("±") == 3


def test_the_answer_follows_the_numbers(records):
    """Which normalisation is named, and how sure it is said to be."""
    good = moved(records, "features l2 1 accuracy", 0.2)
    told = shown.best(shown.Summary(good), 1)
    assert "features **at length 1** have the highest mean" in told
    assert told.count("points, decides it") == 2
    assert "-" not in told.replace("one-", "")
    near = [replace(r, metrics=r.metrics | {"features none 1 accuracy": r.metrics["features l2 1 accuracy"] - change})
            for r, change in zip(good, (-4e-4, 6e-4) * 5, strict=True)]  # fmt: skip
    assert "does not decide it" in shown.best(shown.Summary(near), 1)


def test_the_leads_of_the_answer_are_those_of_the_claims(records):
    for how in NORMALISATIONS:
        summary = shown.Summary(moved(records, f"features {how} 5 accuracy", 0.1))
        told = shown.best(summary, 5)
        assert f"**{shown.NAMES[how]}**" in told
        leads = [float(low) for low in re.findall(r"lead, \+([\d.]+) to", told)]
        assert len(leads) == 2
        assert all(8 < lead < 12 for lead in leads)


def test_the_ranking_and_the_pixels_follow_the_claims(records):
    better = moved(moved(records, "features l2 1 accuracy", 0.2), "pixels centred l2 5 accuracy", 0.3)
    summary = shown.Summary(better)
    for name, words in (("length", "length 1 helps"), ("centring", "centring before it helps further")):
        for shots in shown.ASKED:
            state = shown._HOLDS[shown.verdict(summary, name, shots).state]
            assert f"{state} with {shown.examples(shots)}" in shown.ranking(summary).split(words)[1].split(";")[0]
    assert "centring before it helps further is contradicted with 1 example" in shown.ranking(summary)
    assert "with 5 examples a class the pixels are better" in shown.against_pixels(summary)


def test_the_papers_table_is_counted():
    assert (
        "with 1 example a class, centring with length 1 is the best of the three for 4 of 4 networks"
        in shown.published()
    )
    assert (
        "with 5 examples a class, centring with length 1 is the best of the three for 3 of 4 networks"
        in shown.published()
    )
    assert "−0.33 to +0.43 points above length 1 alone" in shown.published()
    assert {len(row) for row in shown.paper_table().body} == {7}


def test_a_decision_that_scikit_learn_does_not_share_stops_the_page(records, monkeypatch):
    monkeypatch.setattr("worked.answers.simple_shot.predict", lambda support, labels, queries: labels[:1].repeat(150))
    with pytest.raises(StudyError, match="of 150 queries otherwise"):
        shown.reference(shown.Summary(records))


def test_a_diverged_run_is_named(records):
    with pytest.raises(StudyError, match="diverged and has no accuracy to show"):
        shown.Summary([replace(r, diverged="a loss was not finite") if r.spec.seed == 3 else r for r in records])


def test_the_full_protocol_has_a_thousand_episodes():
    assert study.PROFILES["full"].settings["episodes"] >= 1000
    assert set(shown.ASKED) == {1, 5}
    assert study.SHOTS == 20


def test_features_are_the_last_hidden_layer():
    model = network({"kernel": 5})
    images = torch.randn(3, 1, 28, 28)
    found = features(model, images)
    assert found.shape == (3, 32)
    assert (found >= 0).all()
    torch.testing.assert_close(model[-1](found), model(images))


def test_a_run_measures_and_is_replayed():
    run = next(iter(study.specs(study.PROFILES["smoke"], lambda spec: None)))
    done = study.measure(run, Context("cpu"))
    assert set(record(run).metrics) == set(done.metrics)
    assert {"train", "test", "target train", "target test"} == set(done.data_fingerprint)
    assert [len(done.images["episode"][part]) for part in ("support", "queries", "mean")] == [50, 150, 1]
    assert [len(done.images["planes"][how]["places"]) for how in NORMALISATIONS] == [10 * study.SHOWN] * 3
    first = study.measure(run, Context("cpu", steps=5))
    assert first.trace["losses"] == done.trace["losses"][:5]
    assert first.data_fingerprint == done.data_fingerprint
    assert not first.metrics


def test_the_stored_records_are_complete():
    stored = Results(shown.FINDINGS, "full", Store(ROOT / "results"))
    assert stored.study.is_complete("full", stored.store)
    assert len(stored.records) == 10
    assert [row[1] == row[2] for row in shown.reference(stored.summary).body] == [True] * 3
