"""How well does a fully connected network classify Fashion-MNIST, and what does the initialisation change?

Two hidden layers with batch norm, ReLU and dropout. Rate, width, dropout and mirrored images are chosen on the
validation split by the mean of two runs, with PyTorch's initialisation; then each initialisation is trained on 5 seeds
with what was chosen.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from statistics import fmean
from typing import TYPE_CHECKING, Any

from worked.inspection import Inspected, examined
from worked.records import Record, Spec
from worked.study import Profile, Stored, Study
from worked.training import best_trial, load_splits

if TYPE_CHECKING:
    from torch import nn

    from worked.train import Recipe
    from worked.training import Loaded

SLUG = "fashion-mlp"
INITIALISATIONS = ("default", "kaiming-fan-out", "small-normal")
SMALL = 0.005  # standard deviation of small-normal
BATCH_SIZE = 256
SPLIT_SEED = 0  # of the validation split, the same for every run
SEARCH_SEEDS = (100, 101)  # none of the seeds that are reported

PROFILES = {
    profile.name: profile
    for profile in (
        Profile("full", "about 35 minutes on 2 CPU cores with bfloat16", "official",
                {"epochs": 20, "seeds": range(5), "validation": 6000, "rate": (0.002, 0.005), "width": (512, 1024),
                 "dropout": (0.15, 0.3), "flip": (False, True)}),
        Profile("laptop", "about 2 minutes on 2 CPU cores", "official",
                {"epochs": 5, "seeds": range(3), "validation": 6000, "rate": (0.003, 0.01), "width": (256,),
                 "dropout": (0.15,), "flip": (False,)}),
        Profile("smoke", "seconds", "generated",
                {"epochs": 2, "seeds": range(2), "validation": 200, "rate": (0.003,), "width": (64,),
                 "dropout": (0.15,), "flip": (False, True)}),
    )
}  # fmt: skip
SEARCHED = ("rate", "width", "dropout", "flip")


def spec(profile: Profile, seed: int, **config: Any) -> Spec:
    """One run's spec."""
    subset = f"{profile.settings['validation']} of train set aside for validation, seed {SPLIT_SEED}"
    data = {"name": "fashion_mnist", "source": profile.source, "subset": subset}
    config |= {"batch_size": BATCH_SIZE, "epochs": profile.settings["epochs"]}
    return Spec(SLUG, STUDY.protocol, profile.name, config, seed, data)


def search_spec(profile: Profile, seed: int) -> Spec:
    """A search: every config of the grid, each trained as a run that is reported, with a seed of the search."""
    tried = {name: " ".join(map(str, profile.settings[name])) for name in SEARCHED}
    return spec(profile, seed, initialisation="default", search="grid", **tried)


def mean_trials(searches: Sequence[Record]) -> list[dict[str, Any]]:
    """The configs of the grid, each with the mean of its validation accuracies; None where a trial diverged."""
    pairs = zip(*(search.trials for search in searches), strict=True)
    values = [(trials[0]["config"], [trial["validation_accuracy"] for trial in trials]) for trials in pairs]
    return [{"config": config, "validation_accuracy": None if None in v else fmean(v)} for config, v in values]


def specs(profile: Profile, stored: Stored) -> Iterator[Spec]:
    """The searches, and once all are stored the runs of every initialisation with what they chose."""
    yield from (wanted := [search_spec(profile, seed) for seed in SEARCH_SEEDS])
    records = [record for search in wanted if (record := stored(search))]
    if len(records) == len(wanted):
        chosen = best_trial(mean_trials(records))["config"]
        for how, seed in product(INITIALISATIONS, profile.settings["seeds"]):
            yield spec(profile, seed, initialisation=how, **chosen)


def grid(search: Spec) -> list[dict[str, Any]]:
    """The configs that a search tries."""
    values = product(*(map(json.loads, search.config[name].lower().split()) for name in SEARCHED))
    return [dict(zip(SEARCHED, value, strict=True)) for value in values]


def hidden(config: Mapping[str, Any]) -> tuple[int, int]:
    """Units of the two hidden layers: the width, then half of it."""
    return config["width"], config["width"] // 2


def network(config: Mapping[str, Any]) -> "nn.Module":
    """The untrained network of a config, for images of 28 x 28 pixels."""
    from torch import nn

    layers: list[nn.Module] = [nn.Flatten()]
    before = 28 * 28
    for units in hidden(config):
        layers += [nn.Linear(before, units), nn.BatchNorm1d(units), nn.ReLU(), nn.Dropout(config["dropout"])]
        before = units
    return initialised(nn.Sequential(*layers, nn.Linear(before, 10)), config["initialisation"])


def initialised(model: "nn.Module", how: str) -> "nn.Module":
    """``model`` with the weights of its linear layers drawn anew and their biases zero, unless ``how`` is default.

    PyTorch's default draws weights and biases uniformly between -1 / sqrt(fan_in) and 1 / sqrt(fan_in).
    """
    from torch import nn

    for layer in model.modules():
        if isinstance(layer, nn.Linear) and how != "default":
            if how == "kaiming-fan-out":
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            else:
                nn.init.normal_(layer.weight, 0.0, SMALL)
            nn.init.zeros_(layer.bias)
    return model


def load(run: Spec, device: str) -> "Loaded":
    """The splits of a run on ``device``; the validation split is the same for every run of a profile."""
    return load_splits(run, PROFILES[run.profile].settings["validation"], split_seed=SPLIT_SEED, device=device)


def recipe(config: Mapping[str, Any]) -> "Recipe":
    """Adam under a one-cycle schedule."""
    from worked.train import Recipe

    own = ("epochs", "rate", "batch_size", "flip")
    return Recipe(**{name: config[name] for name in own}, optimiser="adam", precision="bfloat16")


TRAINING = Inspected(load, network, recipe, grid, inspect=examined)

STUDY = Study(
    slug=SLUG,
    title="A fully connected network on Fashion-MNIST",
    question="What does the initialisation of the linear layers change in a network on Fashion-MNIST?",
    protocol=2,
    profiles=PROFILES,
    module=__name__,
    specs=specs,
    measure=TRAINING.measure,
    training=TRAINING,
    epochs=TRAINING.epochs,
)
