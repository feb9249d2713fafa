"""Fine-tuning: layers of a trained network, taken over into a new one that is trained on other images."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

import torch
from torch import Tensor, nn

from worked.answers.simple_shot import normalised, predict
from worked.train import Images, Outcome, Recipe, Splits, normaliser, seeded, train

RENAMED = (("validation", "train"), ("test", "other"))  # splits, as the engine calls them and as they are here
STOP_AFTER, STOP_BELOW = 5, 0.05  # epochs, and by how much the training loss has to fall in them


def body(model: nn.Sequential) -> nn.Sequential:
    """All layers but the last, shared with ``model``: what gives the features."""
    return nn.Sequential(*list(model.children())[:-1])


def features(model: nn.Sequential, images: Tensor) -> Tensor:
    """The last hidden layer ``[N, D]`` for normalised images."""
    hidden = body(model).eval()
    with torch.no_grad():
        return torch.cat([hidden(part) for part in images.split(1000)])


def beginning(variant: str, build: Callable[[], nn.Sequential], source: nn.Sequential, *, seed: int) -> nn.Sequential:
    """A network before it is tuned; its last layer is new, and with the same seed the same in every variant.

    Args:
        variant: ``scratch``: all layers are new. ``all``: those but the last are the source's. ``last``: these are
            also frozen.
        build: makes the untrained network.
        source: the trained one.
        seed: of the new weights.
    """
    model = seeded(build, seed=seed)
    assert isinstance(model, nn.Sequential)
    if variant != "scratch":
        body(model).load_state_dict(body(source).state_dict())
    if variant == "last":
        body(model).requires_grad_(False)
    return model


def drawn(pool: Images, count: int, *, seed: int) -> Images:
    """So many images drawn at random, none twice; with the same seed, fewer are the first of more.

    Raises:
        ValueError: there are not as many.
    """
    if count > len(pool):
        raise ValueError(f"expected at least {count} images to draw from, got {len(pool)}")
    order = torch.randperm(len(pool), generator=torch.Generator().manual_seed(seed))
    return pool[order[:count].to(pool.labels.device)]


def tune(model: nn.Module, examples: Images, others: Images, recipe: Recipe, *, seed: int, **options: Any) -> Outcome:
    """Train ``model`` on the examples, and evaluate it on them and on other images after each epoch.

    Pixels are normalised with the mean and deviation of the examples. The history calls the two train and other.
    """
    # The engine asks for a validation split to select an epoch by. Nothing is selected here: it gets the examples.
    splits, evaluate = Splits(examples, examples, others), ("validation", "test")
    outcome = train(model, splits, recipe, seed=seed, evaluate=evaluate, **options)
    names = {f"{theirs}_{what}": f"{ours}_{what}" for theirs, ours in RENAMED for what in ("loss", "accuracy")}
    return replace(outcome, history={names[name]: values for name, values in outcome.history.items() if name in names})


def stopping_epoch(train_loss: Sequence[float]) -> int:
    """The first epoch whose training loss is not STOP_BELOW under that of STOP_AFTER epochs before, counted from 0.

    The last epoch where there is none. It sees nothing else.
    """
    falls = (before - now for before, now in zip(train_loss, train_loss[STOP_AFTER:], strict=False))
    return next((n + STOP_AFTER for n, fall in enumerate(falls) if fall < STOP_BELOW), len(train_loss) - 1)


def final_accuracy(outcomes: Sequence[Outcome]) -> float | None:
    """The mean accuracy on the other images, each at its stopping epoch; None where a training diverged."""
    if any(outcome.diverged for outcome in outcomes):
        return None
    finite = [{name: [v for v in values if v is not None] for name, values in o.history.items()} for o in outcomes]
    return fmean(history["other_accuracy"][stopping_epoch(history["train_loss"])] for history in finite)


def nearest_means(
    source: nn.Sequential, known: Tensor, given: Images, asked: Images, counts: Sequence[int]
) -> dict[int, float]:
    """Accuracy on the images asked of the nearest mean of the first so many given: nothing is trained.

    Features are centred and scaled to length 1, see :mod:`worked.answers.simple_shot`; the mean that is subtracted and
    the scale of the pixels are those of the images ``known``, which ``source`` was trained on.
    """
    scaled = normaliser(known)
    mean = features(source, scaled(known)).mean(0, dtype=torch.float64)
    f, queries = (
        normalised(features(source, scaled(x.pixels)).cpu(), "centred l2", mean.cpu()) for x in (given, asked)
    )
    labels, right = given.labels.cpu(), asked.labels.cpu().numpy()
    return {n: float((predict(f[:n], labels[:n], queries) == right).mean()) for n in counts}
