"""Each claim on transfer, its evidence moved just past the boundary; the study and its rule to stop; what is shown."""

import random
from dataclasses import replace

import pytest
import torch
from fabricated import whole

from worked import data
from worked.claims import NOT_SUPPORTED, SUPPORTED, UNDECIDED
from worked.findings import transfer as shown
from worked.measurement import Context
from worked.mnist_source import network
from worked.page import ROOT
from worked.records import Record, Store
from worked.results import Results
from worked.studies import transfer as study
from worked.study import StudyError
from worked.train import Images, Outcome
from worked.tuning import beginning, body, drawn, final_accuracy, stopping_epoch

CLAIMS = {claim.id: claim for claim in shown.CLAIMS}
# The number whose rise or fall speaks for the claim.
MOVES = {
    **{shown.pair_claim(a, b, n): (f"{a} {n} test_accuracy", 1) for a, b in shown.PAIRS for n in study.SIZES},
    "transfer-shrinks": ("scratch 4096 test_accuracy", 1),
    **{f"transfer-loss-{a}-{b}": (f"{a} 64 test_loss", -1) for a, b in shown.PAIRS[:3]},
    "transfer-fits-less": ("last 64 train_loss", 1),
    "transfer-gap": ("last 64 train_loss", 1),
}
GOALS = {"scratch": 0.6, "last": 0.62, "all": 0.63, "none": 0.61}


def record(spec):
    draw, metrics, trials, trace = random.Random(spec.key), {}, [], {"losses": [2.3]}
    metrics |= {f"source {split}_accuracy": 0.98 + draw.uniform(-1e-3, 1e-3) for split in ("train", "test")}
    if "search" in spec.config:
        rates = list(map(float, spec.config["rates"].split()))
        trials = [
            {"config": {"variant": v, "examples": n, "rate": rate}, "validation_accuracy": 0.6 - abs(rate - 0.03)}
            for n in study.SIZES
            for v in study.VARIANTS
            for rate in rates
        ]
    else:
        trace["tuned"] = {}
        for n, epochs in study.by_size(spec.config, "tuning_epochs").items():
            metrics[f"none {n} test_accuracy"] = GOALS["none"] + draw.uniform(-1e-2, 1e-2)
            for v in study.VARIANTS:
                fall = [2.3 * 0.7**epoch for epoch in range(epochs)]
                end = stopping_epoch(fall)
                goal = GOALS[v] + n / 40960 + draw.uniform(-1e-2, 1e-2)
                curves = {
                    "train_loss": fall,
                    "test_loss": [loss + 0.5 + draw.uniform(-1e-2, 1e-2) for loss in fall],
                    "train_accuracy": [0.9] * epochs,
                    "test_accuracy": [goal] * epochs,
                }
                trace["tuned"][f"{v} {n}"] = curves
                metrics[f"{v} {n} epochs"] = end + 1
                metrics |= {f"{v} {n} {name}": values[end] for name, values in curves.items()}
    return Record(
        spec, {"train": "a" * 64, "test": "b" * 64}, metrics, {}, trace, "0" * 64,
        {"torch": "2.15", "device": "cpu", "device_name": "CPU"}, spec.data["source"], 60.0,
        "2026-01-01T00:00:00+00:00", trials,
    )  # fmt: skip


@pytest.fixture(scope="module")
def records():
    """A full set that was never measured."""
    return whole(study.STUDY, "full", record)


def moved(records, name, by, spread=2e-4):
    """The records with one number moved, by a little more for each seed."""
    return [
        r if r.trials else replace(r, metrics={**r.metrics, name: r.metrics[name] + by + spread * (r.spec.seed - 9.5)})
        for r in records
    ]


def test_every_claim_is_moved():
    assert set(MOVES) == set(CLAIMS)
    assert len(shown.CLAIMS) == len(CLAIMS)


@pytest.mark.parametrize("name", MOVES)
def test_verdict_flips_when_its_evidence_passes_the_boundary(records, name):
    number, sign = MOVES[name]

    def judged(by):
        return CLAIMS[name].judge(shown.Summary(moved(records, number, sign * by)))

    effect, step = judged(0.0).margin, 1e-6
    assert judged(-effect.low + step).state == SUPPORTED
    assert judged(-effect.low - step).state == UNDECIDED
    assert judged(-effect.high + step).state == UNDECIDED
    assert judged(-effect.high - step).state == NOT_SUPPORTED


def at(records, **accuracies):
    """The records with nearly the same accuracies in every run, whatever the number of examples."""
    for way, accuracy in accuracies.items():
        for n in study.SIZES:
            noise = {seed: 1e-3 * (seed % 3 - 1) * (1 if way == "all" else -1) for seed in range(20)}
            records = [
                replace(r, metrics={**r.metrics, f"{way} {n} test_accuracy": accuracy + noise[r.spec.seed]})
                if not r.trials
                else r
                for r in records
            ]
    return shown.Summary(records)


def test_the_advice_names_what_nothing_is_shown_to_beat(records):
    clear = at(records, scratch=0.5, last=0.7, all=0.6, none=0.4)
    assert [clear.unbeaten(n) for n in study.SIZES] == [["last"]] * 4
    assert "With **64 examples: train the last layer of the MNIST model alone** (70.00 %" in shown.advice(clear)
    even = at(records, scratch=0.7, last=0.6, all=0.7, none=0.4)
    assert {*even.unbeaten(64)} == {"scratch", "all"}
    assert "the runs do not show that it is better than to *train" in shown.advice(even)
    nothing = at(records, scratch=0.5, last=0.6, all=0.6, none=0.8)
    assert nothing.unbeaten(4096) == ["none"]
    assert "train nothing, and take the nearest mean" in shown.advice(nothing)


def test_where_transfer_stops_paying_follows_the_claims(records):
    helps = shown.stops_paying(at(records, scratch=0.5, all=0.7))
    assert "is shown to help with 64, 256, 1,024 and 4,096 examples." in helps
    harms = shown.stops_paying(at(records, scratch=0.7, all=0.5))
    assert "is shown to harm with 64, 256, 1,024 and 4,096 examples." in harms
    summary = at(records, scratch=0.5, all=0.7)
    for run in summary.runs:
        run.metrics["all 4096 test_accuracy"] = 0.5 + 1e-3 * (run.spec.seed % 3 - 1)
        run.metrics["scratch 4096 test_accuracy"] = 0.5
    assert "is shown to help with 64, 256 and 1,024 examples; it is undecided with 4,096 examples." in (
        shown.stops_paying(summary)
    )


def test_everything_is_shown(records):
    summary = shown.Summary(records)
    assert len(summary.runs) == 20
    assert len(shown.losses(summary).rows) == 2 * 3 * 30
    final, table = shown.final(summary), shown.accuracies(summary)
    assert {len(row) for row in final.body} == {len(final.header)} == {6}
    assert {len(row) for row in table.body} == {len(table.header)} == {5}
    assert len(table.rows) == 4 * 4 * 20
    assert len(shown.sizes(summary).rows) == (4 + 1) * 4
    assert [row[1] for row in shown.rate_table(summary).body] == ["0.03 (60.0 %)"] * 4
    assert "20 models from as many seeds" in shown.protocol(summary)
    assert "less than 0.05 below that of 5 epochs before" in shown.stopping(summary)
    assert "60 of 60 with 64 examples (at most 30 epochs)" in shown.stopping(summary)
    assert "(20 of 64, 6 of 256, 2 of 1,024, 1 of 4,096)" in shown.rates(summary)
    assert "Chosen at an end of this grid: none." in shown.rates(summary)
    assert "together took 21 minutes" in shown.cost(summary)
    assert shown.brief(summary).count("examples: ") == 4
    assert "Not converged at their last epoch: 60 of 60 with 256" in shown.brief(summary)
    assert shown.lowest(summary).count("stopped after epoch 17") == 3


def test_claims_of_one_kind_are_a_table_each_with_its_verdict():
    found = Results(shown.FINDINGS, "full", Store(ROOT / "results"))
    rows = shown.pair_rows(("last", "scratch"), ("all", "last"))
    table = found.claim_table("label", "Caption.", ("Claim", "Examples"), rows)
    assert table.header == ("Claim", "Examples", "Difference", "Verdict")
    assert len(table.body) == len(table.rows) == 8
    for name, row in zip(rows, table.body, strict=True):
        verdict = found.verdict(name)
        assert f"[{verdict.state}]{{#claim-{name} .verdict" in row[-1]
        numbers = row[-2].replace("\N{NO-BREAK SPACE}", " ").strip(")").replace("(", "to ").split(" to ")
        assert len(numbers) == 3
        assert all(number in verdict.numbers for number in numbers)
    assert f"t interval, n = {len(found.summary.runs)}" in table.caption


def test_claims_of_different_kinds_are_no_table():
    found = Results(shown.FINDINGS, "full", Store(ROOT / "results"))
    unlike = {"transfer-gap": ("one",), "transfer-all-over-last-64": ("other",)}
    with pytest.raises(StudyError, match="expected claims of one effect"):
        found.claim_table("label", "Caption.", ("Claim",), unlike)


def test_a_rate_at_an_end_of_the_grid_is_named(records):
    ended = [
        r if r.trials else replace(r, spec=replace(r.spec, config={**r.spec.config, "all 64": 0.1})) for r in records
    ]
    assert "Chosen at an end of this grid: all layers, 64." in shown.rates(shown.Summary(ended))


def test_a_diverged_run_is_named(records):
    with pytest.raises(StudyError, match="diverged and has no accuracy to show"):
        shown.Summary([replace(r, diverged="a loss was not finite") if r.spec.seed == 3 else r for r in records])


def test_the_stored_records_are_complete():
    stored = Results(shown.FINDINGS, "full", Store(ROOT / "results"))
    assert stored.study.is_complete("full", stored.store)
    assert len(stored.records) == 21
    for run in stored.summary.runs:
        for case, curves in run.trace["tuned"].items():
            end = stopping_epoch(curves["train_loss"])
            assert run.metrics[f"{case} epochs"] == end + 1
            assert all(run.metrics[f"{case} {name}"] == values[end] for name, values in curves.items())


# -- fine-tuning -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("losses", "epoch"),
    [
        ([2.0, 1.0, 0.5, 0.4, 0.35, 0.33, 0.32, 0.31, 0.31, 0.31, 0.2], 9),
        ([1.0] * 10, 5),
        ([1.0 - 0.02 * n for n in range(10)], 9),
        ([1.0 - 0.009 * n for n in range(10)], 5),
        ([1.0, 0.5], 1),
        ([5.0, 4.0, 3.0, 2.0, 1.0, 0.9, 3.99, 0.1], 6),
    ],
    ids=["falls slower", "never falls", "falls steadily", "falls too slowly", "short", "rises again"],
)
def test_training_stops_where_the_loss_no_longer_falls(losses, epoch):
    assert stopping_epoch(losses) == epoch


def trained():
    torch.manual_seed(1)
    return network({"kernel": 5})


def build():
    return network({"kernel": 5})


def test_the_variants_begin_alike_but_for_what_is_taken_over():
    source, images = trained(), torch.randn(4, 1, 28, 28)
    start = {variant: beginning(variant, build, source, seed=3) for variant in study.VARIANTS}
    for model in start.values():
        assert torch.equal(model[-1].weight, start["scratch"][-1].weight)
        assert not torch.equal(model[-1].weight, source[-1].weight)
    for variant in ("last", "all"):
        assert torch.equal(body(start[variant])(images), body(source)(images))
    assert not torch.equal(body(start["scratch"])(images), body(source)(images))
    trains = {v: [p.requires_grad for p in model.parameters()] for v, model in start.items()}
    assert trains == {"scratch": [True] * 6, "all": [True] * 6, "last": [False] * 4 + [True] * 2}
    with torch.no_grad():
        start["all"][0].weight.add_(1)
    assert not torch.equal(start["all"][0].weight, source[0].weight)  # a copy: the source stays as it is


def test_training_the_last_layer_leaves_the_others():
    profile = study.PROFILES["smoke"]
    run = study.spec(profile, 0)
    images = Images(torch.randint(0, 256, (16, 1, 28, 28), dtype=torch.uint8), torch.arange(16) % 10)
    source, models = trained(), {}
    for variant in study.VARIANTS:
        kept = []

        def remembered(*args, kept=kept, **options):
            kept.append(beginning(*args, **options))
            return kept[0]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("worked.tuning.beginning", remembered)
            outcome = study.tuned(run, f"{variant} 16", 0.05, source, images, images, seed=0)
        assert set(outcome.history) == {"train_loss", "train_accuracy", "other_loss", "other_accuracy"}
        assert outcome.history["train_loss"] == outcome.history["other_loss"]
        models[variant] = kept[0]
    assert torch.equal(models["last"][0].weight, source[0].weight)
    assert torch.equal(models["last"][4].weight, source[4].weight)
    assert not torch.equal(models["all"][0].weight, source[0].weight)


def test_fewer_examples_are_the_first_of_more():
    pool = Images(torch.arange(50, dtype=torch.uint8).view(50, 1, 1, 1), torch.arange(50))
    few, more = drawn(pool, 5, seed=2), drawn(pool, 20, seed=2)
    assert torch.equal(few.labels, more.labels[:5])
    assert len(set(more.labels.tolist())) == 20
    assert not torch.equal(few.labels, drawn(pool, 5, seed=3).labels)
    with pytest.raises(ValueError, match="at least 51 images to draw from, got 50"):
        drawn(pool, 51, seed=0)


def test_a_rate_that_diverges_has_no_accuracy():
    good = Outcome({"train_loss": [1.0, 0.5], "other_accuracy": [0.3, 0.4]})
    other = Outcome({"train_loss": [1.0, 0.5], "other_accuracy": [0.3, 0.5]})
    assert final_accuracy([good, other]) == pytest.approx(0.45)
    assert final_accuracy([good, Outcome(diverged="a loss was not finite")]) is None


# -- the study -------------------------------------------------------------------------------------------------------


def smoke(monkeypatch, scrambled):
    """The rates and the stopping epochs of a run on generated data, with other labels of the test images on demand."""
    real = data.load

    def load(name, split, **options):
        found = real(name, split, **options)
        if scrambled and split == "test" and name == "fashion_mnist":
            order = torch.randperm(len(found), generator=torch.Generator().manual_seed(0))
            return replace(found, labels=found.labels[order])
        return found

    with monkeypatch.context() as patch:
        patch.setattr(data, "load", load)
        stored = {}
        for _ in range(2):
            for spec in study.specs(study.PROFILES["smoke"], lambda spec: stored.get(spec.key)):
                if spec.key not in stored and spec.seed in (0, study.SEARCH_SEED):
                    done = study.measure(spec, Context("cpu"))
                    stored[spec.key] = replace(
                        record_of(spec), metrics=done.metrics, trials=done.trials, trace=done.trace
                    )
    search, run = sorted(stored.values(), key=lambda r: not r.trials)
    return search, run


def record_of(spec):
    fingerprints = {"train": "a" * 64, "test": "b" * 64}
    return Record(spec, fingerprints, {}, {}, {}, "0" * 64, {}, "generated", 1.0, "2026-01-01T00:00:00+00:00")


def test_scrambled_test_labels_change_no_rate_and_no_stopping_epoch(monkeypatch):
    search, run = smoke(monkeypatch, False)
    other_search, other = smoke(monkeypatch, True)
    assert search.trials == other_search.trials
    assert run.spec == other.spec
    stops = [name for name in run.metrics if name.endswith("epochs")]
    assert len(stops) == 6
    assert [run.metrics[name] for name in stops] == [other.metrics[name] for name in stops]
    assert run.metrics["all 64 test_accuracy"] != other.metrics["all 64 test_accuracy"]
    assert run.metrics["none 64 test_accuracy"] != other.metrics["none 64 test_accuracy"]


def test_the_progress_bar_counts_every_epoch():
    ticks = []
    search = next(study.specs(study.PROFILES["smoke"], lambda spec: None))
    study.measure(search, Context("cpu", tick=ticks.append))
    assert sum(ticks) == study.epochs(search)


def test_a_run_is_replayed():
    search = next(study.specs(study.PROFILES["smoke"], lambda spec: None))
    first = study.measure(search, Context("cpu", steps=5))
    assert len(first.trace["losses"]) == 5
    assert not first.metrics
    assert not first.trials
    assert set(first.data_fingerprint) == {"train", "test", "target train", "target test"}


def test_the_full_protocol_has_twenty_draws_of_64():
    settings = study.PROFILES["full"].settings
    assert len(settings["seeds"]) >= 20
    assert settings["examples"].split() == [str(n) for n in study.SIZES]
    assert study.SEARCH_SEED + max(map(int, settings["draws"].split())) > study.SEARCH_SEED > max(settings["seeds"])
