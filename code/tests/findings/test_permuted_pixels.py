"""Each claim on permuted pixels, its evidence moved just past the boundary; the study; everything that is shown."""

import random
from dataclasses import replace

import pytest
import torch
from fabricated import whole

from worked.claims import NOT_SUPPORTED, SUPPORTED, UNDECIDED
from worked.findings import permuted_pixels as shown
from worked.measurement import Context
from worked.page import ROOT
from worked.records import Record, Store
from worked.results import Results
from worked.studies import permuted_pixels as study
from worked.study import StudyError
from worked.train import seeded

CLAIMS = {claim.id: claim for claim in shown.CLAIMS}
# The setting whose test accuracy speaks for the claim when it rises.
MOVES = {
    "permuted-ahead": ("cnn", "original"),
    "permuted-cnn": ("cnn", "original"),
    "permuted-mlp-less": ("cnn", "original"),
    "permuted-still-ahead": ("cnn", "permuted"),
}
GOALS = {"cnn original": 0.906, "cnn permuted": 0.871, "mlp original": 0.868, "mlp permuted": 0.869}


def record(spec):
    draw = random.Random(spec.key)
    goal = GOALS[f"{spec.config['network']} {spec.config['pixels']}"]
    trials, history, images = [], {}, {}
    if "search" in spec.config:
        accuracies = [goal - 0.01 * (config["rate"] != 0.1) for config in study.grid(spec)]
        trials = [
            {"config": config, "validation_accuracy": accuracy, "diverged": None}
            for config, accuracy in zip(study.grid(spec), accuracies, strict=True)
        ]
        metrics = {"validation_accuracy": max(accuracies)}
    else:
        rise = [goal - 0.1 * 0.5**epoch + draw.uniform(-1e-3, 1e-3) for epoch in range(spec.config["epochs"])]
        history = {"validation_accuracy": rise, "test_accuracy": rise}
        metrics = {"selected_epoch": len(rise), "validation_accuracy": rise[-1], "test_accuracy": rise[-1]}
        images = {"test": [bytes(range(196)).hex() * 4] * study.SHOWN}
    return Record(
        spec, {"train": "a" * 64, "test": "b" * 64}, metrics, history, {"losses": [2.3]}, "0" * 64,
        {"torch": "2.15", "device": "cpu", "device_name": "CPU"}, spec.data["source"], 1.0, "2026-01-01T00:00:00+00:00",
        trials, images,
    )  # fmt: skip


@pytest.fixture(scope="module")
def records():
    """A full set that was never measured."""
    return whole(study.STUDY, "full", record)


def moved(records, setting, by, spread=2e-4):
    """The records with the test accuracy of one setting moved, by a little more for each seed."""
    out = []
    for r in records:
        if (r.spec.config["network"], r.spec.config["pixels"]) == setting and not r.trials:
            change = by + spread * (r.spec.seed - 2)
            r = replace(r, metrics={**r.metrics, "test_accuracy": r.metrics["test_accuracy"] + change})
        out.append(r)
    return out


def test_every_claim_is_moved():
    assert {*MOVES, "permuted-mlp-none"} == set(CLAIMS)


@pytest.mark.parametrize("name", MOVES)
def test_verdict_flips_when_its_evidence_passes_the_boundary(records, name):
    def state(by):
        return CLAIMS[name].judge(shown.Summary(moved(records, MOVES[name], by))).state

    effect = CLAIMS[name].judge(shown.Summary(moved(records, MOVES[name], 0.0))).margin
    step = 1e-6
    assert state(-effect.low + step) == SUPPORTED
    assert state(-effect.low - step) == UNDECIDED
    assert state(-effect.high + step) == UNDECIDED
    assert state(-effect.high - step) == NOT_SUPPORTED


def test_no_change_is_a_small_change_in_either_direction(records):
    def state(change):
        """With nearly the same change for every seed."""
        accuracy = {"original": 0.87, "permuted": 0.87 + change}
        same = [
            replace(r, metrics={**r.metrics, "test_accuracy": accuracy[r.spec.config["pixels"]]}) if not r.trials else r
            for r in records
        ]
        return CLAIMS["permuted-mlp-none"].judge(shown.Summary(moved(same, ("mlp", "permuted"), 0.0, 1e-4))).state

    assert [state(sign * size) for size in (0.0, 0.0095, 0.0105) for sign in (1, -1)] == [
        SUPPORTED, SUPPORTED, SUPPORTED, SUPPORTED, NOT_SUPPORTED, NOT_SUPPORTED,
    ]  # fmt: skip
    assert state(0.01) == state(-0.01) == UNDECIDED


def test_everything_is_shown(records):
    summary = shown.Summary(records)
    table = shown.accuracies(summary)
    assert [len(row) for row in table.body] == [4, 4]
    assert len(table.rows) == 20
    assert table.body[0][-1].startswith("+3.")
    assert len(shown.convergence(summary).rows) == 2 * 2 * 4
    assert len(shown.samples(summary).drawing.axes) == 2 * study.SHOWN
    told = shown.protocol(summary)
    assert "4 epochs" in told
    assert "among 0.01, 0.03, 0.1, 0.3" in told
    assert "at an end of this grid: none." in told
    assert "a small convolutional network 89.36 %" in shown.brief(summary)


def test_a_rate_at_the_end_of_the_grid_is_named(records):
    at_end = [
        replace(r, trials=[{**t, "validation_accuracy": 1 - t["config"]["rate"]} for t in r.trials])
        if r.trials and r.spec.config["network"] == "mlp"
        else r
        for r in records
    ]
    told = shown.protocol(shown.Summary(at_end))
    assert "at an end of this grid: fully connected, original; fully connected, permuted." in told


def test_a_diverged_run_is_named(records):
    with pytest.raises(StudyError, match="diverged and has no accuracy to show"):
        shown.Summary([replace(r, diverged="a loss was not finite") if r.spec.seed == 3 else r for r in records])


def test_the_stored_records_are_complete():
    stored = Results(shown.FINDINGS, "full", Store(ROOT / "results"))
    assert stored.study.is_complete("full", stored.store)
    assert len(stored.records) == 24
    original, permuted = (stored.summary.runs["mlp", pixels][0].images["test"] for pixels in study.PIXELS)
    pixels = torch.tensor([list(bytes.fromhex(image)) for image in original], dtype=torch.uint8).view(-1, 1, 28, 28)
    assert [bytes(image.flatten().tolist()).hex() for image in study.permuted(pixels)] == permuted


# -- the study -------------------------------------------------------------------------------------------------------


def test_every_image_is_permuted_alike():
    pixels = torch.arange(2 * 1 * 28 * 28).remainder(251).to(torch.uint8).view(2, 1, 28, 28)
    once, again = study.permuted(pixels), study.permuted(pixels[1:])
    assert torch.equal(once[1:], again)
    assert not torch.equal(once, pixels)
    assert torch.equal(once.flatten(1).sort().values, pixels.flatten(1).sort().values)


def test_only_the_pixels_differ():
    def loaded(pixels):
        profile = study.PROFILES["smoke"]
        return study.TRAINING.load(study.spec(profile, 0, network="mlp", pixels=pixels, rate=0.1), "cpu")

    (plain, *same), (other, *also) = loaded("original"), loaded("permuted")
    assert same == also
    for name in ("train", "validation", "test"):
        one, two = getattr(plain, name), getattr(other, name)
        assert torch.equal(one.labels, two.labels)
        assert torch.equal(study.permuted(one.pixels), two.pixels)


def test_a_fully_connected_network_cannot_notice():
    """With the columns of its first matrix permuted like the pixels it computes the same."""
    plain, other = (seeded(lambda: study.network({"network": "mlp"}), seed=1) for _ in range(2))
    order = study.permuted(torch.arange(784).view(1, 1, 28, 28)).flatten()
    with torch.no_grad():
        other[1].weight.copy_(plain[1].weight[:, order])
    images = torch.randn(5, 1, 28, 28)
    torch.testing.assert_close(other(study.permuted(images)), plain(images))
    cnn = seeded(lambda: study.network({"network": "cnn"}), seed=1)
    assert (cnn(study.permuted(images)) - cnn(images)).abs().max() > 0.01


def test_the_networks_are_of_comparable_size():
    sizes = [sum(p.numel() for p in study.network({"network": kind}).parameters()) for kind in study.NETWORKS]
    assert abs(sizes[0] - sizes[1]) < 0.02 * sizes[0]
    nearest = min(range(1, 60), key=lambda units: abs((784 + 1 + 10) * units + 10 - sizes[0]))
    assert nearest == study.HIDDEN


def test_a_run_measures_and_keeps_its_images():
    profile = study.PROFILES["smoke"]
    done = study.TRAINING.measure(study.spec(profile, 0, network="mlp", pixels="permuted", rate=0.1), Context("cpu"))
    assert {"train_accuracy", "validation_accuracy", "test_accuracy"} <= done.metrics.keys()
    assert [len(image) for image in done.images["test"]] == [2 * 784] * study.SHOWN
    search = study.spec(profile, study.SEARCH_SEED, network="mlp", pixels="original", search="grid", rates="0.1")
    found = study.TRAINING.measure(search, Context("cpu"))
    assert set(found.metrics) == {"selected_epoch", "batch_loss", "validation_loss", "validation_accuracy"}
