"""Each claim on the best effort, its evidence moved past the boundary; the study; everything that is shown."""

import random
from dataclasses import replace

import pytest
import test_kmnist_optimizers as fabricated
import torch
from fabricated import whole

from worked.claims import NOT_SUPPORTED, SUPPORTED, UNDECIDED
from worked.findings import kmnist_best as shown
from worked.findings import kmnist_optimizers
from worked.measurement import Context
from worked.page import ROOT
from worked.records import Record, Store
from worked.results import Results
from worked.studies import kmnist_best as study
from worked.studies import kmnist_optimizers as baseline_study

CLAIMS = {claim.id: claim for claim in shown.CLAIMS}
# The variant, or "best", whose metric speaks for the claim when it rises; "-" before it where it must fall.
MOVES = {
    **{f"kmnist-best-{name}": (f"-{name}", "validation_accuracy") for name in shown.PARTS},
    "kmnist-best-double-width": ("double-width", "validation_accuracy"),
    **{f"kmnist-best-over-{name}": ("whole", "test_accuracy") for name in baseline_study.NETWORKS},
}


def record(spec):
    draw = random.Random(spec.key)
    trials, history, images = [], {}, {}
    if "search" in spec.config:
        trials = [
            {"config": config, "validation_accuracy": 0.95 - 0.01 * (config["rate"] != 0.1), "diverged": None}
            for config in study.grid(spec)
        ]
        metrics = {"validation_accuracy": 0.95}
    else:
        changes = sum(spec.config[name] != value for name, value in study.WHOLE.items())
        goal = 0.97 - 0.01 * changes
        rise = [goal - 0.1 * 0.5**n + draw.uniform(-1e-3, 1e-3) for n in range(spec.config["epochs"])]
        history = {f"{split}_accuracy": rise for split in ("train", "validation", "test")}
        metrics = {"selected_epoch": len(rise), **{name: values[-1] for name, values in history.items()}}
        rows = [" ".join(str(95 if x == y else 5 * (x == (y + 1) % 10)) for x in range(10)) for y in range(10)]
        one = {"image": "00" * 784, "label": 1, "chosen": 2, "share": 0.999}
        images = {"confusion": rows} | ({"mistakes": [one] * study.SHOWN} if spec.seed == 0 else {})
    return Record(
        spec, {"train": "a" * 64, "test": "b" * 64}, metrics, history, {"losses": [2.3]}, "0" * 64,
        {"torch": "2.15", "device": "cpu", "device_name": "CPU"}, spec.data["source"], 60.0,
        "2026-01-01T00:00:00+00:00", trials, images,
    )  # fmt: skip


@pytest.fixture(scope="module")
def baseline():
    profile = baseline_study.PROFILES["laptop"]
    return kmnist_optimizers.Summary([fabricated.record(s) for s in baseline_study.specs(profile, lambda spec: None)])


@pytest.fixture(scope="module", params=["full", "laptop"])
def records(request):
    """A whole set that was never measured."""
    return whole(study.STUDY, request.param, record)


def lacks(r, variant):
    return not r.trials and all(r.spec.config[k] == v for k, v in (study.WHOLE | study.VARIANTS[variant]).items())


def moved(records, variant, metric, by, spread=2e-4):
    """The records with a metric of one variant moved, by a little more for each seed."""
    sign, name = (-1, variant[1:]) if variant.startswith("-") else (1, variant)

    def change(r):
        return {**r.metrics, metric: r.metrics[metric] + sign * (by + spread * (r.spec.seed - 2))}

    return [replace(r, metrics=change(r)) if lacks(r, name) else r for r in records]


def test_every_claim_is_moved():
    assert set(MOVES) == set(CLAIMS)
    assert set(shown.PARTS) == set(study.VARIANTS) - {"whole"}
    assert set(shown.TITLES) == set(study.VARIANTS)


@pytest.mark.parametrize("name", MOVES)
def test_verdict_flips_when_its_evidence_passes_the_boundary(records, baseline, name):
    def judged(by):
        return CLAIMS[name].judge(shown.Summary(moved(records, *MOVES[name], by), baseline))

    effect, step = judged(0.0).margin, 1e-6
    assert judged(-effect.low + step).state == SUPPORTED
    assert judged(-effect.low - step).state == UNDECIDED
    assert judged(-effect.high + step).state == UNDECIDED
    assert judged(-effect.high - step).state == NOT_SUPPORTED


def test_the_best_is_chosen_on_validation_and_claims_are_about_it(records, baseline):
    better = moved(records, "no-shifts", "validation_accuracy", 0.1)
    summary = shown.Summary(better, baseline)
    assert (shown.Summary(records, baseline).best, summary.best) == ("whole", "no-shifts")
    scrambled = [replace(r, metrics={**r.metrics, "test_accuracy": random.random()}) for r in better]
    assert shown.Summary(scrambled, baseline).best == "no-shifts"
    raised = moved(better, "no-shifts", "test_accuracy", 0.2)
    assert CLAIMS["kmnist-best-over-cnn"].judge(shown.Summary(raised, baseline)).state == SUPPORTED
    assert "without shifts**; what follows" in shown.choosing(summary)
    assert shown.gains(summary).body[0][0] == "best effort, without shifts"


def test_everything_is_shown(records, baseline):
    summary = shown.Summary(records, baseline)
    epochs = records[0].spec.config["epochs"]
    assert len(shown.ablation(summary).body) == 6
    assert len(shown.ablation(summary).rows) == 30
    assert shown.ablation(summary).body[0][2:5:2] == ["0.1", "–"]
    assert shown.ablation(summary).body[1][4].startswith(("+0.9", "+1.0"))
    assert [len(row) for row in shown.gains(summary).body] == [4, 4, 4]
    assert len(shown.learning(summary).rows) == 2 * 2 * epochs
    chart = shown.confusion(summary)
    assert len(chart.rows) == 100
    assert "95.00 % on the diagonal" in chart.alt
    assert "25 of class o as ki" in chart.caption
    assert len(shown.worst(summary).drawing.axes) == study.SHOWN
    assert "ki as su" in shown.worst(summary).alt
    told = shown.configuration(summary)
    assert "0.03 (94.00 %), 0.1 (95.00 %), 0.3 (94.00 %), 1 (94.00 %). Chosen: 0.1. The profile" in told
    assert " takes about " in told
    assert "the one **all parts**; what follows" in shown.choosing(summary)
    assert "test accuracy 9" in shown.brief(summary)


def test_a_variant_has_a_rate_of_its_own_and_one_at_the_end_of_the_grid_is_named(records, baseline):
    """Where low rates are better for one variant, its runs alone wait for its search at the lowest."""

    def lower(r):
        trials = [{**t, "validation_accuracy": 1 - t["config"]["rate"]} for t in r.trials]
        return replace(r, trials=trials) if r.trials and shown._variant(r) == "constant-rate" else r

    summary = shown.Summary([lower(r) for r in records], baseline)
    assert {name: summary.rate(name) for name in study.VARIANTS} == {
        **dict.fromkeys(study.VARIANTS, 0.1),
        "constant-rate": 0.03,
    }
    assert "may lie beyond: with a constant rate. The profile" in shown.configuration(summary)
    searches = {r.key: lower(r) for r in records if r.trials}
    profile = study.PROFILES[records[0].spec.profile]
    wanted = study.specs(profile, lambda spec: searches.get(spec.key))
    runs = [spec for spec in wanted if "search" not in spec.config]
    assert {spec.config["rate"] for spec in runs if spec.config["schedule"] == "constant"} == {0.03}
    assert {spec.config["rate"] for spec in runs if spec.config["schedule"] != "constant"} == {0.1}


def test_a_diverged_variant_counts_as_one_that_guesses(records, baseline):
    def broken(r):
        history = {name: [None] for name in r.history}
        return replace(r, metrics={}, history=history, images={}, diverged="a loss was not finite in epoch 1")

    summary = shown.Summary([broken(r) if lacks(r, "no-batch-norm") else r for r in records], baseline)
    assert summary.accuracy("no-batch-norm") == [shown.CHANCE] * 5
    assert CLAIMS["kmnist-best-no-batch-norm"].judge(summary).state == SUPPORTED
    assert "guess: 5." in shown.choosing(summary)
    assert "nan" not in str(shown.ablation(summary).body)
    panels = {row["panel"] for row in shown.learning(summary).rows}
    assert len(panels) == 2
    assert "Without batch norm" not in panels


def test_the_stored_records_are_complete():
    stored = Results(shown.FINDINGS, "laptop", Store(ROOT / "results"))
    assert stored.study.is_complete("laptop", stored.store)
    assert len(stored.records) == 36
    assert [run.spec.seed for run in stored.summary.runs["whole"]] == list(range(5))
    searches = {f"{title}, search for the rate" for title in shown.TITLES.values()}
    assert {shown.FINDINGS.name(r) for r in stored.records} == {*searches, *shown.TITLES.values()}


def test_every_record_is_of_one_variant(records, baseline):
    summary = shown.Summary(records, baseline)
    keys = [r.key for runs in summary.runs.values() for r in runs]
    assert len(keys) == len(set(keys)) == 30


# -- the study ---------------------------------------------------------------------------------------------------------


def smoke(variant="whole"):
    return study.spec(study.PROFILES["smoke"], 0, **study.WHOLE | study.VARIANTS[variant], rate=0.1)


def test_variants_lack_what_they_are_named_for():
    nets = {name: study.network(smoke(name).config) for name in study.VARIANTS}
    kinds = {name: [type(layer).__name__ for layer in net] for name, net in nets.items()}
    assert kinds["whole"].count("Conv2d") == kinds["whole"].count("BatchNorm2d") == 3
    assert "BatchNorm2d" not in kinds["no-batch-norm"]
    assert nets["double-width"][-1].in_features == 2 * nets["whole"][-1].in_features
    recipes = {name: study.recipe(smoke(name).config) for name in study.VARIANTS}
    assert [recipes["no-shifts"].crop, recipes["no-weight-decay"].weight_decay] == [0, 0.0]
    assert recipes["constant-rate"].schedule == "constant"
    for name in ("no-batch-norm", "double-width"):
        assert recipes[name] == recipes["whole"]


def test_data_and_seeds_are_those_of_the_baseline():
    for name, profile in study.PROFILES.items():
        like = baseline_study.PROFILES[name]
        assert study.spec(profile, 0).data == baseline_study.spec(like, 0, "cnn", "original", "sgd").data
        assert profile.settings["seeds"] == like.settings["seeds"]


def test_a_run_keeps_its_worst_mistakes():
    done = study.TRAINING.measure(smoke(), Context("cpu"))
    table = torch.tensor([list(map(int, row.split())) for row in done.images["confusion"]])
    assert table.diag().sum() / table.sum() == pytest.approx(done.metrics["test_accuracy"])
    shares = [one["share"] for one in done.images["mistakes"]]
    assert shares == sorted(shares, reverse=True)
    assert all(one["label"] != one["chosen"] for one in done.images["mistakes"])
    other = replace(smoke(), seed=1)
    assert "mistakes" not in study.TRAINING.measure(other, Context("cpu")).images
