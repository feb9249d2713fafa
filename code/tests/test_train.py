import itertools
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from worked.train import (
    Images,
    Loader,
    Recipe,
    Splits,
    channel_statistics,
    curve,
    evaluation,
    normaliser,
    seeded,
    select_epoch,
    selected_metrics,
    step_rates,
    train,
)


def images(n, seed):
    """Images whose class is told by which quarter is bright."""
    draw = torch.Generator().manual_seed(seed)
    labels = torch.randint(4, (n,), generator=draw)
    pixels = torch.randint(0, 100, (n, 1, 8, 8), generator=draw, dtype=torch.uint8)
    for k in range(4):
        pixels[labels == k, :, 4 * (k // 2) : 4 * (k // 2) + 4, 4 * (k % 2) : 4 * (k % 2) + 4] += 60
    return Images(pixels, labels)


SPLITS = Splits(images(300, 0), images(100, 1), images(100, 2))


def network(dropout=0.0):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Dropout(dropout), nn.Linear(16, 4))


def run(seed=0, epochs=3, rate=0.1, dropout=0.0, splits=SPLITS, **how):
    recipe = Recipe(epochs, rate, batch_size=32, weight_decay=how.pop("weight_decay", 0.0))
    return train(seeded(lambda: network(dropout), seed=seed), splits, recipe, seed=seed, **how)


def test_agrees_with_a_plain_pytorch_loop():
    """The same losses as a loop over a DataLoader with torch's own optimiser and scheduler."""
    mean, std = (SPLITS.train.pixels.double().mean(), SPLITS.train.pixels.double().std(unbiased=False))
    data = TensorDataset((SPLITS.train.pixels - mean) / std, SPLITS.train.labels)
    model, draw = seeded(network, seed=0).double(), torch.Generator().manual_seed(0)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.1, total_steps=30, cycle_momentum=False)
    losses = []
    for _ in range(2):
        for x, y in DataLoader(data, 32, sampler=torch.randperm(300, generator=draw).tolist()):
            optimiser.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
    trace = run(weight_decay=0.01).trace
    assert trace["losses"] == pytest.approx(losses[:20], rel=1e-4, abs=1e-6)
    assert len(trace["rates"]) == 3


def test_the_curve_is_the_mean_loss_of_each_tenth_of_an_epoch():
    losses = torch.arange(50.0)
    assert curve(torch.stack([losses, -losses])) == [means := [5 * n + 2.0 for n in range(10)], [-m for m in means]]
    assert curve(torch.tensor([[1.0, math.inf, 3.0]])) == [[1.0, None, 3.0]]
    outcome = run()
    epochs, points = len(outcome.history["batch_loss"]), len(outcome.trace["curve"])
    assert points % epochs == 0
    each = points // epochs
    first = sum(outcome.trace["curve"][:each]) / each
    assert first == pytest.approx(outcome.history["batch_loss"][0], rel=0.05)  # parts differ by a batch in size


def test_learns_and_keeps_the_selected_epoch():
    outcome = run(epochs=6)
    metrics = selected_metrics(outcome.history)
    assert metrics["test_accuracy"] > 0.9
    model = network()
    model.load_state_dict(outcome.weights)
    measured = evaluation(model, SPLITS.test, normaliser(SPLITS.train.pixels))
    assert measured == (metrics["test_loss"], metrics["test_accuracy"])
    assert set(map(len, outcome.history.values())) == {6}


def test_repeats_exactly_and_differs_between_seeds():
    same, again, other = run(dropout=0.5), run(dropout=0.5), run(seed=1, dropout=0.5)
    assert same.history == again.history
    assert same.trace == again.trace
    assert same.trace["losses"] != other.trace["losses"]


def test_leaves_the_global_generator_alone():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    run(dropout=0.5)
    assert torch.equal(before, torch.get_rng_state())


def test_steps_stop_early_with_the_same_losses():
    whole = run(dropout=0.5)
    for steps in (1, 7, 10, 20):
        assert run(dropout=0.5, steps=steps).trace["losses"] == whole.trace["losses"][:steps]


def test_selection_cannot_see_the_test_split():
    labels = SPLITS.test.labels[torch.randperm(100, generator=torch.Generator().manual_seed(9))]
    scrambled = Splits(SPLITS.train, SPLITS.validation, Images(SPLITS.test.pixels, labels))
    true, blind = run(epochs=5), run(epochs=5, splits=scrambled)
    assert true.history["test_accuracy"] != blind.history["test_accuracy"]
    assert selected_metrics(true.history)["selected_epoch"] == selected_metrics(blind.history)["selected_epoch"]
    assert all(torch.equal(true.weights[name], blind.weights[name]) for name in true.weights)


def test_a_diverged_run_says_so_and_holds_nulls():
    outcome = run(rate=1e30)
    assert "not finite in epoch" in outcome.diverged
    assert outcome.history["test_accuracy"][-1] is None
    assert None in outcome.trace["losses"]
    assert all(value is None or math.isfinite(value) for values in outcome.history.values() for value in values)


def test_only_what_is_asked_for_is_evaluated():
    assert set(run(evaluate=("validation",)).history) == {"batch_loss", "validation_loss", "validation_accuracy"}


@pytest.mark.parametrize(
    ("accuracies", "epoch"), [([0.1, 0.3, 0.2], 1), ([0.3, 0.3], 0), ([0.2, None], 0), ([None, 0.1], 1)]
)
def test_select_epoch(accuracies, epoch):
    assert select_epoch(accuracies) == epoch


def test_select_epoch_needs_an_epoch():
    with pytest.raises(ValueError, match="expected at least one epoch"):
        select_epoch([None])


def test_channel_statistics_agree_with_numpy():
    pixels = torch.randint(0, 256, (50, 3, 5, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    mean, std = channel_statistics(pixels)
    values = pixels.double().numpy()
    assert mean.flatten().tolist() == pytest.approx(values.mean((0, 2, 3)).tolist(), rel=1e-6)
    assert std.flatten().tolist() == pytest.approx(values.std((0, 2, 3)).tolist(), rel=1e-6)


def test_rates_rise_and_fall():
    rates = step_rates(Recipe(10, 0.5), per_epoch=7)
    assert len(rates) == 70
    assert rates[0] == pytest.approx(0.5 / 25)
    assert max(rates) == pytest.approx(0.5, rel=0.01)
    assert rates[-1] < 0.05


def test_constant_and_stepped_rates():
    assert step_rates(Recipe(3, 0.5, schedule="constant"), per_epoch=2) == [0.5] * 6
    stepped = step_rates(Recipe(5, 1.0, schedule="step", gamma=0.5, every=2), per_epoch=2)
    assert stepped == [1.0] * 4 + [0.5] * 4 + [0.25] * 2


RECIPES = {
    "plain descent": (Recipe(1, 0.1, 32, momentum=0.0, schedule="constant"), torch.optim.SGD, {}),
    "momentum": (Recipe(1, 0.1, 32, nesterov=False, schedule="constant"), torch.optim.SGD, {"momentum": 0.9}),
    "adam": (Recipe(1, 0.01, 32, optimiser="adam", schedule="constant"), torch.optim.Adam, {}),
    "adam with decay": (
        Recipe(1, 0.01, 32, optimiser="adam", weight_decay=0.1, schedule="constant"),
        torch.optim.Adam,
        {"weight_decay": 0.1},
    ),
}


@pytest.mark.parametrize(("recipe", "theirs", "numbers"), RECIPES.values(), ids=RECIPES.keys())
def test_optimisers_are_pytorchs_with_its_defaults(recipe, theirs, numbers):
    ours = train(seeded(network, seed=0), SPLITS, recipe, seed=0).trace["losses"]
    model, normalised = seeded(network, seed=0), normaliser(SPLITS.train.pixels)
    optimiser = theirs(model.parameters(), lr=recipe.rate, **numbers)
    losses = []
    for batch in torch.randperm(300, generator=torch.Generator().manual_seed(0)).split(32):
        optimiser.zero_grad()
        loss = F.cross_entropy(model(normalised(SPLITS.train.pixels[batch])), SPLITS.train.labels[batch])
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert ours == losses


@pytest.mark.parametrize("wrong", [{"optimiser": "lion"}, {"schedule": "cosine"}, {"precision": "float8"}])
def test_what_a_recipe_does_not_know_is_refused(wrong):
    with pytest.raises(ValueError, match=r"expected \w+ to be one of"):
        Recipe(1, 0.1, **wrong)


def an_epoch(pixels, recipe):
    """The images that a loader hands out in one epoch, in their own order."""
    loader = Loader(Images(pixels, torch.arange(len(pixels))), recipe)
    batches = loader.epoch(torch.Generator().manual_seed(0), torch.Generator().manual_seed(0))
    images, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
    assert not torch.equal(labels, torch.arange(len(pixels)))
    assert torch.equal(labels.sort().values, torch.arange(len(pixels)))  # each image once
    return images[labels.argsort()]


def test_each_image_is_shifted_and_mirrored_by_a_draw_of_its_own():
    pixels = torch.randint(1, 255, (400, 2, 6, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    out = an_epoch(pixels, Recipe(1, 0.1, batch_size=64, flip=True, crop=2))
    assert out.shape == pixels.shape
    assert out.dtype == torch.uint8
    padded = F.pad(pixels, (2, 2, 2, 2))
    found = set()
    for one, wide in zip(out, padded, strict=True):
        windows = {
            (down, right): wide[:, down : down + 6, right : right + 5]
            for down, right in itertools.product(range(5), repeat=2)
        }
        places = {(*place, 0) for place, window in windows.items() if torch.equal(one, window)}
        places |= {(*place, 1) for place, window in windows.items() if torch.equal(one, window.flip(2))}
        assert places  # it is a window of its own image
        found |= places
    assert len(found) == 5 * 5 * 2  # every shift and both mirrorings occur


def test_augmentation_alone_and_none():
    pixels = SPLITS.train.pixels[:64]
    assert torch.equal(an_epoch(pixels, Recipe(1, 0.1)), pixels)
    mirrored = an_epoch(pixels, Recipe(1, 0.1, flip=True))
    same = (mirrored == pixels).flatten(1).all(1)
    assert 10 < same.sum() < 54
    assert torch.equal(mirrored[~same], pixels[~same].flip(3))


def test_augmentation_touches_training_images_only():
    recipe = Recipe(2, 0.0, batch_size=32, flip=True, crop=2)  # a rate of zero: the network stays as it was
    history = train(seeded(network, seed=0), SPLITS, recipe, seed=0).history
    plain = train(seeded(network, seed=0), SPLITS, Recipe(2, 0.0, batch_size=32), seed=0).history
    assert history["train_loss"] == plain["train_loss"]
    assert history["batch_loss"] != plain["batch_loss"]


def test_bfloat16_learns_as_well():
    recipe = Recipe(6, 0.1, batch_size=32, precision="bfloat16")
    outcome = train(seeded(network, seed=0), SPLITS, recipe, seed=0)
    assert selected_metrics(outcome.history)["test_accuracy"] > 0.9
    assert all(value.dtype == torch.float32 for value in outcome.weights.values())
    assert outcome.trace["losses"] != run(epochs=6).trace["losses"]


@pytest.mark.parametrize(
    ("pixels", "labels"),
    [
        (torch.zeros(2, 1, 4, 4), torch.zeros(2, dtype=torch.int64)),
        (torch.zeros(2, 4, 4, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64)),
        (torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.zeros(3, dtype=torch.int64)),
    ],
    ids=["floats", "no channels", "other count"],
)
def test_images_say_what_they_expect(pixels, labels):
    with pytest.raises(ValueError, match=r"expected uint8 pixels \[N, C, H, W\] and labels \[N\], got"):
        Images(pixels, labels)
