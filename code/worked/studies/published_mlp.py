"""Do our engine and data give the published accuracy of a small network? The benchmark of Xiao and others (2017).

They trained scikit-learn's ``MLPClassifier`` with its defaults on Fashion-MNIST, five times, every pixel standardised
over the training images: Adam at 0.001, batches of 200, at most 200 epochs, and the end where the training loss has not
improved by 0.0001 on its best for three epochs. Here the same is trained by the engine of this book.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from worked.records import Spec
from worked.study import Profile, Stored, Study
from worked.training import Training

if TYPE_CHECKING:
    from torch import nn

    from worked.train import Recipe
    from worked.training import Loaded

SLUG = "published-mlp"
HIDDEN = (100, 10)  # units of the hidden layers, with ReLU
PENALTY = 1e-4  # of scikit-learn: times half the squared weights, divided by the images of a batch
BATCH_SIZE = 200
WATCHED = 1000  # training images whose accuracy the engine follows in place of a validation split; nothing uses it

PROFILES = {
    profile.name: profile
    for profile in (
        Profile("full", "about 6 minutes on 2 CPU cores", "official", {"epochs": 60, "seeds": range(5)}),
        Profile("smoke", "seconds", "generated", {"epochs": 2, "seeds": range(2)}),
    )
}


def specs(profile: Profile, stored: Stored) -> Iterator[Spec]:
    """Every seed."""
    data = {"name": "fashion_mnist", "source": profile.source, "subset": "all training images, no validation split"}
    config = {"hidden": " ".join(map(str, HIDDEN)), "epochs": profile.settings["epochs"], "batch_size": BATCH_SIZE}
    for seed in profile.settings["seeds"]:
        yield Spec(SLUG, STUDY.protocol, profile.name, config, seed, data)


def network(config: Mapping[str, Any]) -> "nn.Module":
    """Hidden layers with ReLU, initialised as in scikit-learn: weights and biases uniform within Glorot's bound."""
    from torch import nn

    sizes = (28 * 28, *HIDDEN, 10)
    layers: list[nn.Module] = [nn.Flatten()]
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU()]
        for parameter in layers[-2].parameters():
            bound = (6 / (before + after)) ** 0.5
            nn.init.uniform_(parameter, -bound, bound)
    return nn.Sequential(*layers[:-1])


def load(run: Spec, device: str) -> "Loaded":
    """All training images, each pixel as a channel of its own: the engine standardises channels, hence pixels."""
    import torch

    from worked import data
    from worked.train import Images, Splits

    parts = [data.load(run.data["name"], split, source=run.data["source"]) for split in data.SPLITS]
    train, test = (
        Images(part.images.flatten(1)[:, :, None, None], part.labels).to(torch.device(device)) for part in parts
    )
    fingerprints = {part.split: part.fingerprint for part in parts}
    return Splits(train, train[:WATCHED], test), fingerprints, parts[0].source


def recipe(config: Mapping[str, Any]) -> "Recipe":
    """scikit-learn's defaults; its penalty on a batch of b images is a weight decay of PENALTY / b."""
    from worked.train import Recipe

    return Recipe(
        config["epochs"], 1e-3, config["batch_size"], weight_decay=PENALTY / config["batch_size"], optimiser="adam",
        schedule="constant",
    )  # fmt: skip


TRAINING = Training(load, network, recipe)

STUDY = Study(
    slug=SLUG,
    title="A published benchmark",
    question="Do our engine and data give the accuracy that was published for a small network?",
    protocol=1,
    profiles=PROFILES,
    module=__name__,
    specs=specs,
    measure=TRAINING.measure,
    training=TRAINING,
    epochs=TRAINING.epochs,
)
