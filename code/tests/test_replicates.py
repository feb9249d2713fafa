"""Replicates trained at once equal their single runs; groups that do not fit are halved."""

from dataclasses import replace

import pytest
import torch
from test_train import SPLITS
from torch import nn

from worked.replicates import Replicate, in_groups, may_go_together, train_together
from worked.train import Outcome, Recipe, Splits, seeded, train

RECIPE = Recipe(3, 0.1, batch_size=32)
SEVERAL = [  # seed, and what its recipe changes
    (0, {}),
    (1, {"rate": 0.03}),
    (2, {"momentum": 0.0}),
    (3, {"weight_decay": 0.05}),
    (4, {"rate": 1e30}),  # diverges
]
CLOSE = 2e-4  # relative: sums are taken in another order, and the difference grows with the steps


def convolutional():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 4)
    )


def replicates(recipe=RECIPE, build=convolutional, several=SEVERAL):
    return [Replicate(seeded(build, seed=seed), replace(recipe, **changes), seed) for seed, changes in several]


@pytest.fixture(scope="module")
def both():
    """The replicates trained at once, and one after another."""
    alone = [train(one.model, SPLITS, one.recipe, seed=one.seed) for one in replicates()]
    return train_together(replicates(), SPLITS), alone


def test_each_equals_its_single_run(both):
    for together, alone in zip(*both, strict=True):
        assert together.history.keys() == alone.history.keys()
        assert together.diverged == alone.diverged
        for name in alone.history:
            ours, theirs = together.history[name], alone.history[name]
            if alone.diverged:
                assert ours == theirs  # nothing but nulls
            elif name.endswith("accuracy"):  # at most one image of 100 falls on the other side
                assert ours == pytest.approx(theirs, abs=0.011)
            else:
                assert ours == pytest.approx(theirs, rel=CLOSE)


def test_each_has_the_trace_and_the_weights_of_its_single_run(both):
    for together, alone in zip(*both, strict=True):
        assert together.trace["rates"] == pytest.approx(alone.trace["rates"])
        if alone.diverged:
            continue
        assert together.trace["curve"] == pytest.approx(alone.trace["curve"], rel=CLOSE)
        assert together.trace["initial"] == pytest.approx(alone.trace["initial"], rel=CLOSE)
        assert together.trace["losses"] == pytest.approx(alone.trace["losses"], rel=CLOSE)
        assert together.weights.keys() == alone.weights.keys()
        assert all(together.weights[name].dtype == alone.weights[name].dtype for name in alone.weights)


def test_they_differ_from_one_another(both):
    losses = [tuple(outcome.trace["losses"][:5]) for outcome in both[0]]
    assert len(set(losses)) == len(SEVERAL)


def test_without_nesterov():
    recipe, several = replace(RECIPE, nesterov=False, schedule="constant", rate=0.02), SEVERAL[:2]
    together = train_together(replicates(recipe, several=several), SPLITS)
    for one, outcome in zip(replicates(recipe, several=several), together, strict=True):
        alone = train(one.model, SPLITS, one.recipe, seed=one.seed)
        assert outcome.history["batch_loss"] == pytest.approx(alone.history["batch_loss"], rel=CLOSE)


def wider():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 4))


def dropping():
    return nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, 4))


@pytest.mark.parametrize(
    ("group", "reason"),
    [
        (replicates(several=SEVERAL[:2]) + replicates(build=wider, several=SEVERAL[:1]), "networks differ"),
        (replicates(build=dropping, several=SEVERAL[:2]), "dropout"),
        (replicates(several=[(0, {}), (1, {"batch_size": 16})]), "differ in more than"),
        (replicates(replace(RECIPE, optimiser="adam"), several=SEVERAL[:2]), "only SGD"),
        (replicates(replace(RECIPE, crop=2), several=SEVERAL[:2]), "augment"),
        (replicates(replace(RECIPE, precision="bfloat16"), several=SEVERAL[:2]), "bfloat16"),
    ],
    ids=["networks", "dropout", "recipes", "adam", "augmentation", "precision"],
)
def test_what_cannot_go_together_is_refused(group, reason):
    assert reason in may_go_together(group)
    with pytest.raises(ValueError, match=reason):
        train_together(group, SPLITS)


def test_groups_are_halved_until_they_fit():
    said, sizes = [], []

    def train_few(group):
        sizes.append(len(group))
        if len(group) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return [Outcome(diverged=str(one)) for one in group]

    outcomes = in_groups(list(range(10)), train_few, said.append)
    assert [outcome.diverged for outcome in outcomes] == [str(n) for n in range(10)]
    assert sizes == [10, 5, 3, 3, 3, 1]
    assert said == [f"out of memory: going on with {n} replicates at once" for n in (5, 3)]


def test_one_that_does_not_fit_is_an_error():
    def never(group):
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        in_groups([1, 2], never, lambda line: None)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
def test_a_gpu_agrees_with_the_cpu():
    there = Splits(*(part.to(torch.device("cuda")) for part in (SPLITS.train, SPLITS.validation, SPLITS.test)))
    for ours, theirs in zip(train_together(replicates(), there), train_together(replicates(), SPLITS), strict=True):
        assert ours.diverged == theirs.diverged
        assert ours.trace["losses"][:5] == pytest.approx(theirs.trace["losses"][:5], rel=1e-3)
