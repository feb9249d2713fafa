"""Which optimiser trains a small network on KMNIST, and what does a fixed permutation of the pixels do to it?

A perceptron and a convolutional network under four settings of the optimiser, and once more with permuted pixels under
one of them, on 5 seeds. ``full`` is for the official set, ``laptop`` asks the same of the reduced one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from worked.inspection import Inspected, digits
from worked.records import Spec
from worked.studies.permuted_pixels import permuted
from worked.study import Profile, Stored, Study
from worked.training import SPLITS, load_splits

if TYPE_CHECKING:
    from torch import nn

    from worked.train import Recipe, Splits
    from worked.training import Loaded

SLUG = "kmnist-optimizers"
NETWORKS = ("mlp", "cnn")
SETTINGS: dict[str, dict[str, Any]] = {
    "sgd": {"optimiser": "sgd", "rate": 0.01, "momentum": 0.0},
    "nesterov": {"optimiser": "sgd", "rate": 0.01, "momentum": 0.9},
    "adam": {"optimiser": "adam", "rate": 0.01, "momentum": 0.0},
    "adam-1": {"optimiser": "adam", "rate": 1.0, "momentum": 0.0},
}
PIXELS = ("original", "permuted")
BATCH_SIZE = 128
SPLIT_SEED = 0  # of the validation split, the same for every run
SHOWN = 3  # images of each class kept with a record

PROFILES = {
    profile.name: profile
    for profile in (
        Profile("full", "about 90 minutes on 2 CPU cores (estimated)", "official",
                {"epochs": 20, "seeds": range(5), "validation": 10_000}),
        Profile("laptop", "about 10 minutes on 2 CPU cores", "reduced",
                {"epochs": 20, "seeds": range(5), "validation": 1_600}),
        Profile("smoke", "seconds", "generated", {"epochs": 1, "seeds": range(2), "validation": 200}),
    )
}  # fmt: skip


def spec(profile: Profile, seed: int, network: str, pixels: str, setting: str) -> Spec:
    """One run's spec."""
    config = {"network": network, "pixels": pixels, **SETTINGS[setting]}
    config |= {"epochs": profile.settings["epochs"], "batch_size": BATCH_SIZE}
    return Spec(SLUG, STUDY.protocol, profile.name, config, seed, data(profile))


def data(profile: Profile) -> dict[str, str]:
    """What a run reads."""
    subset = f"{profile.settings['validation']} of train set aside for validation, seed {SPLIT_SEED}"
    return {"name": "kmnist", "source": profile.source, "subset": subset}


def specs(profile: Profile, stored: Stored) -> Iterator[Spec]:
    """Every network under every setting, and with permuted pixels under Nesterov momentum."""
    for network in NETWORKS:
        for pixels, setting in (*(("original", name) for name in SETTINGS), ("permuted", "nesterov")):
            for seed in profile.settings["seeds"]:
                yield spec(profile, seed, network, pixels, setting)


def network(config: Mapping[str, Any]) -> "nn.Module":
    """The untrained network of a config, for images of 28 x 28 pixels."""
    from torch import nn

    from worked.models import ConvNet

    if config["network"] == "cnn":
        return ConvNet(widths=(16, 32, 64), channels=1, side=28)
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, 10)
    )


def load(run: Spec, device: str) -> "Loaded":
    """The splits of a run on ``device``, permuted where its config says so; nothing else differs."""
    held = PROFILES[run.profile].settings["validation"]
    splits, fingerprints, source = load_splits(run, held, split_seed=SPLIT_SEED, device=device)
    if run.config.get("pixels") == "permuted":
        parts = {name: getattr(splits, name) for name in SPLITS}
        splits = replace(splits, **{name: replace(p, pixels=permuted(p.pixels)) for name, p in parts.items()})
    return splits, fingerprints, source


def recipe(config: Mapping[str, Any]) -> "Recipe":
    """The optimiser of a config at a constant rate; momentum, where there is any, is Nesterov's."""
    from worked.train import Recipe

    own = {name: config[name] for name in ("epochs", "rate", "batch_size", "optimiser", "momentum")}
    return Recipe(schedule="constant", **own)


def pictures(run: Spec, splits: "Splits") -> dict[str, Any]:
    """The first training images of each class, class by class, and the sizes of the splits."""
    if run.seed or run.config["network"] != "mlp" or not run.config["momentum"]:
        return {}
    train = splits.train
    places = [(train.labels == label).nonzero()[:SHOWN, 0] for label in range(10)]
    sizes = {name: len(getattr(splits, name)) for name in SPLITS}
    return {"train": [digits(image) for place in places for image in train.pixels[place]], "sizes": sizes}


TRAINING = Inspected(load, network, recipe, pictures=pictures)

STUDY = Study(
    slug=SLUG,
    title="Optimisers and permuted pixels on KMNIST",
    question="Which optimiser trains two small networks on KMNIST, and what does a permutation of the pixels do?",
    protocol=1,
    profiles=PROFILES,
    module=__name__,
    specs=specs,
    measure=TRAINING.measure,
    training=TRAINING,
    epochs=TRAINING.epochs,
)
