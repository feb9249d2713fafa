"""The published benchmark: its stopping rule against scikit-learn's own words, the network, and what is shown."""

from dataclasses import replace

import pytest
import torch

from worked import data
from worked.findings import published_mlp as findings
from worked.measurement import Context
from worked.records import Record
from worked.studies import published_mlp as study
from worked.study import StudyError
from worked.train import normaliser, seeded

FULL = study.PROFILES["full"]


def record(spec):
    epochs, end = spec.config["epochs"], 20 + spec.seed
    losses = [max(1.0 - 0.01 * epoch, 1.0 - 0.01 * end) for epoch in range(1, epochs + 1)]
    accuracy = [0.8 + 0.001 * epoch for epoch in range(1, epochs + 1)]
    history = {"batch_loss": losses, **{f"{split}_accuracy": accuracy for split in ("train", "validation", "test")}}
    return Record(
        spec, {"train": "a" * 64, "test": "b" * 64}, {}, history, {"losses": [2.3]}, "0" * 64, {"torch": "2.15"},
        "official", 1.0, "2026-01-01T00:00:00+00:00",
    )  # fmt: skip


@pytest.fixture(scope="module")
def records():
    return [record(spec) for spec in study.specs(FULL, lambda spec: None)]


@pytest.mark.parametrize(
    ("losses", "end"),
    [
        ([1.0, 0.9, 0.8, 0.7], None),
        ([1.0, 1.0, 1.0, 1.0, 0.1], 4),  # three epochs in a row without an improvement
        ([1.0, 1.0, 1.0, 0.9, 0.9, 0.9, 0.9], 7),  # an improvement begins the count anew
        ([1.0, 0.99995, 0.9999, 0.99985], 4),  # each is better, none by enough
        ([1.0, 1.2, 1.1, 1.0001], 4),  # better than the last, not than the best
    ],
)
def test_the_rule(losses, end):
    assert findings.last_epoch(losses) == end


def test_what_counts_is_the_last_epoch(records):
    summary = findings.Summary(records)
    assert summary.ends == [23 + seed for seed in range(5)]
    assert summary.unfinished == 0
    assert summary.test == [pytest.approx(0.8 + 0.001 * end) for end in summary.ends]
    assert "the rule ended every run before that" in findings.protocol(summary)
    table = findings.ends_table(summary)
    assert [row[1] for row in table.body] == ["23", "24", "25", "26", "27", ""]
    assert len(findings.convergence(summary).rows) == 2 * FULL.settings["epochs"]


def test_a_run_that_the_rule_does_not_end_counts_with_its_last_epoch(records):
    falling = [1.0 - 0.01 * epoch for epoch in range(FULL.settings["epochs"])]
    open_end = [replace(r, history={**r.history, "batch_loss": falling}) if r.spec.seed == 1 else r for r in records]
    summary = findings.Summary(open_end)
    assert summary.ends[1] == FULL.settings["epochs"]
    assert "1 of all runs had not been ended" in findings.protocol(summary)


def test_a_diverged_run_is_named(records):
    with pytest.raises(StudyError, match="diverged and has no accuracy to show"):
        findings.Summary([replace(records[0], diverged="a loss was not finite"), *records[1:]])


def test_every_pixel_is_standardised_on_its_own():
    spec = next(study.specs(study.PROFILES["smoke"], lambda spec: None))
    splits, fingerprints, source = study.load(spec, "cpu")
    official = data.load("fashion_mnist", "train", source="generated")
    assert source == "generated"
    assert fingerprints["train"] == official.fingerprint
    assert torch.equal(splits.train.pixels.flatten(1), official.images.flatten(1))
    assert len(splits.train) == len(official)
    inputs = normaliser(splits.train.pixels)(splits.train.pixels).flatten(1).double()
    assert inputs.shape == (len(official), 784)
    torch.testing.assert_close(inputs.mean(0), torch.zeros(784, dtype=torch.float64), atol=1e-4, rtol=0)
    torch.testing.assert_close(inputs.std(0, correction=0), torch.ones(784, dtype=torch.float64), atol=1e-4, rtol=0)


def test_the_network_is_scikit_learn_s():
    model = seeded(lambda: study.network({}), seed=0)
    sizes = [(784, 100), (100, 10), (10, 10)]
    linear = [layer for layer in model if isinstance(layer, torch.nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in linear] == sizes
    for layer, (before, after) in zip(linear, sizes, strict=True):
        bound = (6 / (before + after)) ** 0.5
        assert 0.9 * bound < layer.weight.abs().max() <= bound
        assert layer.bias.abs().max() <= bound
    assert not isinstance(model[-1], torch.nn.ReLU)


def test_a_run_is_measured():
    spec = next(study.specs(study.PROFILES["smoke"], lambda spec: None))
    done = study.TRAINING.measure(spec, Context("cpu"))
    assert len(done.history["test_accuracy"]) == 2
    recipe = study.recipe(spec.config)
    assert (recipe.optimiser, recipe.rate, recipe.schedule) == ("adam", 1e-3, "constant")
    assert recipe.weight_decay == pytest.approx(5e-7)
