"""What is kept of a trained network beside its numbers: counts that add up, the worst mistakes, weights on request."""

from dataclasses import replace

import pytest
import torch

from worked.inspection import confusion, digits, examined, mistakes
from worked.measurement import Context
from worked.studies import kmnist_optimizers as study
from worked.train import Images
from worked.training import Training

RUN = study.spec(study.PROFILES["smoke"], 0, "mlp", "original", "nesterov")


@pytest.fixture(scope="module")
def done():
    return study.TRAINING.measure(RUN, Context("cpu", keep_weights=True))


def test_confusions_are_those_of_the_selected_epoch(done):
    table = [list(map(int, row.split())) for row in done.images["confusion"]]
    total = sum(map(sum, table))
    assert total == 500
    assert sum(table[n][n] for n in range(10)) / total == done.metrics["test_accuracy"]


def test_a_row_is_a_class_and_a_column_what_is_given():
    images = Images(torch.zeros(3, 1, 2, 2, dtype=torch.uint8), torch.tensor([0, 0, 2]))
    shares = torch.tensor([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.6, 0.1, 0.3]])
    assert confusion(RUN, images, shares) == {"confusion": ["1 1 0", "0 0 0", "1 0 0"]}


def test_mistakes_are_wrong_and_the_surest_come_first():
    pixels = torch.arange(4, dtype=torch.uint8).view(4, 1, 1, 1)
    images = Images(pixels, torch.tensor([0, 0, 1, 1]))
    shares = torch.tensor([[0.9, 0.1], [0.4, 0.6], [0.3, 0.7], [0.8, 0.2]])
    told = mistakes(images, shares, 5)
    assert [(one["image"], one["label"], one["chosen"]) for one in told] == [("03", 1, 0), ("01", 0, 1)]
    assert [one["share"] for one in told] == pytest.approx([0.8, 0.6])
    assert mistakes(images, shares, 1) == told[:1]
    assert mistakes(images, shares[[0, 0, 2, 2]], 5) == []


def test_nothing_else_differs_from_a_plain_training(done):
    plain = Training(study.load, study.network, study.recipe, pictures=study.pictures)
    other = plain.measure(RUN, Context("cpu"))
    assert other == replace(done, weights=None, images=other.images)
    assert done.images == other.images | {"confusion": done.images["confusion"]}


def test_weights_are_kept_only_on_request(done):
    assert done.weights
    assert study.TRAINING.measure(RUN, Context("cpu")).weights is None
    keeping = replace(study.TRAINING, keeps_weights=lambda run: True)
    assert keeping.measure(RUN, Context("cpu")).weights.keys() == done.weights.keys()


def test_a_replay_of_a_few_steps_has_nothing_to_inspect():
    short = study.TRAINING.measure(RUN, Context("cpu", steps=2))
    assert "confusion" not in short.images
    assert len(short.trace["losses"]) == 2


def test_a_byte_is_two_digits():
    assert digits(torch.tensor([[0, 255], [16, 1]], dtype=torch.uint8)) == "00ff1001"


def test_pictures_are_kept_of_the_first_run_only():
    pixels = torch.arange(5, dtype=torch.uint8).view(5, 1, 1, 1)
    images = Images(pixels, torch.tensor([0, 1, 0, 0, 1]))
    shares = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.05, 0.95], [0.4, 0.6]])
    found = examined(RUN, images, shares)
    assert found["confusion"] == [[1, 2], [1, 1]]
    assert [(m["pixels"], m["label"], m["said"], m["probability"]) for m in found["mistakes"]] == [
        ("03", 0, 1, 0.95), ("01", 1, 0, 0.8), ("02", 0, 1, 0.7),
    ]  # fmt: skip
    assert [(s["pixels"], s["shape"], s["label"]) for s in found["samples"][:2]] == [
        ("00", [1, 1, 1], 0), ("01", [1, 1, 1], 1),
    ]  # fmt: skip
    assert examined(replace(RUN, seed=1), images, shares).keys() == {"confusion"}


def test_the_inspected_network_is_as_exact_as_the_trained_one():
    """In bfloat16, too, the counts give the test accuracy of the record."""
    lower = replace(
        study.TRAINING, inspect=examined, recipe=lambda config: replace(study.recipe(config), precision="bfloat16")
    )
    done = lower.measure(RUN, Context("cpu"))
    counts = torch.tensor(done.images["confusion"])
    assert counts.trace().item() / counts.sum().item() == done.metrics["test_accuracy"]
