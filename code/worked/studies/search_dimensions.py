"""How many hyperparameters can a search tune with a given number of trials?

The comparison of `mnist_search` with 1, 3 and 6 parameters: 64 trials, the grid having 64, 4 x 4 x 4 and 2 to the power
of 6 configs. A trial is one epoch; what a search does not tune is fixed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any

from worked.records import Spec
from worked.search import METHODS, Choice, Proposals, Range, Search, Space, centres, proposals
from worked.study import Profile, Stored, Study
from worked.training import load_splits

if TYPE_CHECKING:
    from torch import nn

    from worked.train import Recipe
    from worked.training import Loaded

SLUG = "search-dimensions"
SPLIT_SEED = 0  # of the validation split, the same for every run
# In the order in which they are tuned. The kernel has a fourth size, so that the grid has four of each of three.
PARAMETERS = (
    Range("rate", 1e-7, 1e-3, log=True), Range("momentum", 0.0, 1.0), Choice("kernel", (3, 5, 7, 9)),
    Choice("batch_size", (16, 32, 64, 128)), Range("weight_decay", 1e-6, 1e-1, log=True),
    Choice("maps", (4, 8, 16, 32)),
)  # fmt: skip
FIXED = {"momentum": 0.9, "kernel": 5, "batch_size": 64, "weight_decay": 0.0, "maps": 16}  # where it is not tuned

PROFILES = {
    profile.name: profile
    for profile in (
        Profile("full", "about 6 hours on 2 CPU cores", "official",
                {"images": 54_000, "counts": (1, 3, 6), "rounds": 64, "seeds": range(5), "validation": 6000}),
        Profile("laptop", "about an hour on 2 CPU cores", "official",
                {"images": 6_000, "counts": (1, 3, 6), "rounds": 64, "seeds": range(5), "validation": 6000}),
        Profile("smoke", "seconds", "generated",
                {"images": 500, "counts": (3,), "rounds": 8, "seeds": range(1), "validation": 200}),
    )
}  # fmt: skip


def spec(profile: Profile, seed: int, search: str, count: int) -> Spec:
    """The search of one method over the first ``count`` parameters."""
    settings = profile.settings
    subset = f"{settings['images']} to train on, {settings['validation']} of train for validation, seed {SPLIT_SEED}"
    data = {"name": "mnist", "source": profile.source, "subset": subset}
    fixed = {parameter.name: FIXED[parameter.name] for parameter in PARAMETERS[count:]}
    config = {"search": search, "parameters": count, "rounds": settings["rounds"], "epochs": 1, **fixed}
    return Spec(SLUG, STUDY.protocol, profile.name, config, seed, data)


def specs(profile: Profile, stored: Stored) -> Iterator[Spec]:
    """A search for each number of parameters, method and seed."""
    for count, search, seed in product(profile.settings["counts"], METHODS, profile.settings["seeds"]):
        yield spec(profile, seed, search, count)


def space(search: Spec) -> Space:
    """The parameters that a search tunes."""
    return PARAMETERS[: search.config["parameters"]]


def method(search: Spec) -> Proposals:
    """What proposes the configs of a search. The grid has centres: two levels at the ends would be a poor grid."""
    tuned, rounds = space(search), search.config["rounds"]
    levels = round(rounds ** (1 / len(tuned)))
    shares = [centres(levels)] * len(tuned)
    return proposals(search.config["search"], tuned, shares, rounds=rounds, seed=search.seed)


def network(config: Mapping[str, Any]) -> "nn.Module":
    """The network of the exercise, with another number of maps."""
    from torch import nn

    kernel, maps = config["kernel"], config["maps"]
    side = (28 - kernel + 1) // 2
    return nn.Sequential(
        nn.Conv2d(1, maps, kernel), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(maps * side * side, 32), nn.ReLU(), nn.Linear(32, 10),
    )  # fmt: skip


def load(run: Spec, device: str) -> "Loaded":
    """The splits of a run on ``device``, the training split cut to the profile's number of images."""
    settings = PROFILES[run.profile].settings
    splits, fingerprints, source = load_splits(run, settings["validation"], split_seed=SPLIT_SEED, device=device)
    return replace(splits, train=splits.train[: settings["images"]]), fingerprints, source


def recipe(config: Mapping[str, Any]) -> "Recipe":
    """SGD at a constant rate with plain momentum."""
    from worked.train import Recipe

    names = ("epochs", "rate", "batch_size", "momentum", "weight_decay")
    return Recipe(**{name: config[name] for name in names}, nesterov=False, schedule="constant")


TRAINING = Search(load, network, recipe, space=space, method=method)

STUDY = Study(
    slug=SLUG,
    title="Searching more hyperparameters at once",
    question="How many hyperparameters can a search of a given number of trials tune?",
    protocol=1,
    profiles=PROFILES,
    module=__name__,
    specs=specs,
    measure=TRAINING.measure,
    training=TRAINING,
    epochs=TRAINING.epochs,
)
