"""What a record keeps of a trained network: counts and pictures that agree with its accuracy and with the data."""

from dataclasses import fields, replace

import pytest
import torch

from worked import examined
from worked.examined import Examined
from worked.measurement import Context
from worked.studies import permuted_pixels as permuted
from worked.training import Training

SMOKE = permuted.PROFILES["smoke"]
RUNS = [permuted.spec(SMOKE, seed, network="mlp", pixels="original", rate=0.1) for seed in (0, 1)]
PLAIN = permuted.TRAINING
TRAINING = Examined(**{field.name: getattr(PLAIN, field.name) for field in fields(Training)})


@pytest.fixture(scope="module")
def measured():
    return TRAINING.measure_together(RUNS, Context("cpu"))


def test_nothing_else_changes(measured):
    for run, one, plain in zip(RUNS, measured, PLAIN.measure_together(RUNS, Context("cpu")), strict=True):
        assert replace(one, images={}) == replace(plain, images={})
        assert plain.images.items() <= one.images.items()
        assert TRAINING.measure(run, Context("cpu")) == one


def test_the_counts_give_the_test_accuracy(measured):
    splits, _, _ = permuted.load(RUNS[0], "cpu")
    for one in measured:
        counts = torch.tensor(one.images["confusion"])
        assert counts.trace().item() / counts.sum().item() == one.metrics["test_accuracy"]
        assert counts.sum(1).tolist() == splits.test.labels.bincount(minlength=10).tolist()


def test_pictures_are_kept_of_the_first_run_only(measured):
    assert {"samples", "mistakes"} <= measured[0].images.keys()
    assert not {"samples", "mistakes"} & measured[1].images.keys()
    splits, _, _ = permuted.load(RUNS[0], "cpu")
    for n, sample in enumerate(measured[0].images["samples"]):
        kept = torch.tensor(list(bytes.fromhex(sample["pixels"])), dtype=torch.uint8).view(sample["shape"])
        assert torch.equal(kept, splits.test.pixels[n])
        assert sample["label"] == splits.test.labels[n]


def test_weights_are_handed_back_where_they_are_asked_for(measured):
    assert [one.weights for one in measured] == [None, None]
    assert all(one.weights for one in TRAINING.measure_together(RUNS, Context("cpu", keep_weights=True)))
    keeps = replace(TRAINING, keeps_weights=lambda run: run.seed == 1)
    assert [one.weights is None for one in keeps.measure_together(RUNS, Context("cpu"))] == [True, False]


def test_a_replay_looks_at_nothing():
    (one,) = TRAINING.measure_together(RUNS[1:], Context("cpu", steps=2))
    assert one.images == {}


def test_mistakes_are_the_wrong_ones_in_the_order_of_confidence():
    chances = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.05, 0.95], [0.4, 0.6]])
    labels, pixels = torch.tensor([0, 1, 0, 0, 1]), torch.arange(5, dtype=torch.uint8).view(5, 1, 1, 1)
    found = examined.examined(chances, labels, pixels, shows=True)
    assert found["confusion"] == [[1, 2], [1, 1]]
    assert [(m["pixels"], m["label"], m["said"], m["probability"]) for m in found["mistakes"]] == [
        ("03", 0, 1, 0.95), ("01", 1, 0, 0.8), ("02", 0, 1, 0.7),
    ]  # fmt: skip
    assert examined.examined(chances, labels, pixels, shows=False).keys() == {"confusion"}
