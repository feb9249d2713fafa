"""How well does a fully connected network classify Fashion-MNIST, and what does the initialisation change?

Two hidden layers with batch norm, ReLU and dropout. The rate is chosen on the validation split, with PyTorch's
initialisation; then each initialisation is trained on 5 seeds with what was chosen.
"""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import TYPE_CHECKING, Any

from worked.inspection import Inspected, examined
from worked.records import Spec
from worked.study import Profile, Stored, Study
from worked.training import best_trial, load_splits

if TYPE_CHECKING:
    from torch import nn

    from worked.train import Recipe
    from worked.training import Loaded

SLUG = "fashion-mlp"
INITIALISATIONS = ("default", "kaiming-fan-out", "small-normal")
HIDDEN = (512, 256)  # units
SMALL = 0.005  # standard deviation of small-normal
BATCH_SIZE = 256
DROPOUT = 0.25  # probability
SPLIT_SEED = 0  # of the validation split, the same for every run
SEARCH_SEED = 100  # not one of the seeds that are reported

PROFILES = {
    profile.name: profile
    for profile in (
        Profile("full", "about 6 minutes on 2 CPU cores with bfloat16", "official",
                {"epochs": 12, "search_epochs": 3, "seeds": range(5), "validation": 6000,
                 "rates": (0.002, 0.006, 0.018)}),
        Profile("laptop", "about 2 minutes on 2 CPU cores", "official",
                {"epochs": 5, "search_epochs": 2, "seeds": range(3), "validation": 6000, "rates": (0.002, 0.006)}),
        Profile("smoke", "seconds", "generated",
                {"epochs": 2, "search_epochs": 1, "seeds": range(2), "validation": 200, "rates": (0.006,)}),
    )
}  # fmt: skip


def spec(profile: Profile, seed: int, **config: Any) -> Spec:
    """One run's spec."""
    subset = f"{profile.settings['validation']} of train set aside for validation, seed {SPLIT_SEED}"
    data = {"name": "fashion_mnist", "source": profile.source, "subset": subset}
    return Spec(SLUG, STUDY.protocol, profile.name, config | {"dropout": DROPOUT, "batch_size": BATCH_SIZE}, seed, data)


def search_spec(profile: Profile) -> Spec:
    """The search: every rate, each trial a shorter run with one seed."""
    settings = profile.settings
    config = {"rates": " ".join(map(str, settings["rates"])), "epochs": settings["search_epochs"]}
    return spec(profile, SEARCH_SEED, initialisation="default", search="grid", **config)


def specs(profile: Profile, stored: Stored) -> Iterator[Spec]:
    """The search, and once it is stored the runs of every initialisation with what it chose."""
    search = search_spec(profile)
    yield search
    if record := stored(search):
        chosen = best_trial(record.trials)["config"]
        for how, seed in product(INITIALISATIONS, profile.settings["seeds"]):
            yield spec(profile, seed, initialisation=how, **chosen, epochs=profile.settings["epochs"])


def grid(search: Spec) -> list[dict[str, float]]:
    """The configs that a search tries."""
    return [{"rate": float(rate)} for rate in search.config["rates"].split()]


def network(config: Mapping[str, Any]) -> "nn.Module":
    """The untrained network of a config, for images of 28 x 28 pixels."""
    from torch import nn

    layers: list[nn.Module] = [nn.Flatten()]
    for before, after in zip((28 * 28, *HIDDEN), HIDDEN, strict=False):
        layers += [nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU(), nn.Dropout(DROPOUT)]
    return initialised(nn.Sequential(*layers, nn.Linear(HIDDEN[-1], 10)), config["initialisation"])


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

    return Recipe(config["epochs"], config["rate"], config["batch_size"], optimiser="adam", precision="bfloat16")


TRAINING = Inspected(load, network, recipe, grid, inspect=examined)

STUDY = Study(
    slug=SLUG,
    title="A fully connected network on Fashion-MNIST",
    question="What does the initialisation of the linear layers change in a network on Fashion-MNIST?",
    protocol=1,
    profiles=PROFILES,
    module=__name__,
    specs=specs,
    measure=TRAINING.measure,
    training=TRAINING,
    epochs=TRAINING.epochs,
)
