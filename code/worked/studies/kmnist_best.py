"""How far does a better recipe take a convolutional network on KMNIST, and what does each of its parts bring?

A search chooses the peak rate of the whole configuration on the validation split. Then that configuration, each that
lacks one of its parts, and one with twice the maps are trained on the seeds and splits of the study of optimisers.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from worked.inspection import Inspected, confusion, mistakes
from worked.records import Spec
from worked.studies import kmnist_optimizers
from worked.studies.kmnist_optimizers import BATCH_SIZE, data, load
from worked.study import Profile, Stored, Study
from worked.training import best_trial

if TYPE_CHECKING:
    from torch import Tensor, nn

    from worked.train import Images, Recipe

SLUG = "kmnist-best"
WHOLE: dict[str, Any] = {
    "widths": "16 32 64",  # maps at each size, as in the exercise
    "batch_norm": True,
    "crop": 2,  # pixels by which training images are shifted at most
    "weight_decay": 5e-4,
    "schedule": "one-cycle",
}
# The whole configuration, what becomes of it without each of its parts, and with more maps.
VARIANTS: dict[str, dict[str, Any]] = {
    "whole": {},
    "no-batch-norm": {"batch_norm": False},
    "no-shifts": {"crop": 0},
    "no-weight-decay": {"weight_decay": 0.0},
    "constant-rate": {"schedule": "constant"},
    "double-width": {"widths": "32 64 128"},
}
SEARCH_SEED = 100  # not one of the seeds that are reported
SHOWN = 10  # mistakes kept with a record


def _profile(name: str, cost: str, **settings: Any) -> Profile:
    """A profile with the data and the seeds of the study of optimisers."""
    like = kmnist_optimizers.PROFILES[name]
    return Profile(name, cost, like.source, {**like.settings, **settings})


PROFILES = {
    profile.name: profile
    for profile in (
        _profile("full", "about 2 hours on 2 CPU cores (estimated)", epochs=20, rates=(0.03, 0.1, 0.3)),
        _profile("laptop", "about 7 minutes on 2 CPU cores", epochs=8, rates=(0.03, 0.1, 0.3)),
        _profile("smoke", "seconds", epochs=1, rates=(0.1,)),
    )
}


def spec(profile: Profile, seed: int, **config: Any) -> Spec:
    """One run's spec."""
    config |= {"epochs": profile.settings["epochs"], "batch_size": BATCH_SIZE}
    return Spec(SLUG, STUDY.protocol, profile.name, config, seed, data(profile))


def specs(profile: Profile, stored: Stored) -> Iterator[Spec]:
    """The search for the rate, and once it is stored the runs of every variant, all at that rate."""
    search = spec(profile, SEARCH_SEED, **WHOLE, search="grid", rates=" ".join(map(str, profile.settings["rates"])))
    yield search
    if record := stored(search):
        rate = best_trial(record.trials)["config"]["rate"]
        for changes in VARIANTS.values():
            yield from (spec(profile, seed, **WHOLE | changes, rate=rate) for seed in profile.settings["seeds"])


def grid(search: Spec) -> list[dict[str, float]]:
    """The configs that the search tries."""
    return [{"rate": float(rate)} for rate in search.config["rates"].split()]


def network(config: Mapping[str, Any]) -> "nn.Module":
    """The untrained network of a config, for images of 28 x 28 pixels."""
    from worked.models import ConvNet

    widths = tuple(map(int, config["widths"].split()))
    return ConvNet(widths=widths, batch_norm=config["batch_norm"], channels=1, side=28)


def recipe(config: Mapping[str, Any]) -> "Recipe":
    """SGD with Nesterov momentum 0.9; the rest is the config's."""
    from worked.train import Recipe

    own = ("epochs", "rate", "batch_size", "weight_decay", "schedule", "crop")
    return Recipe(**{name: config[name] for name in own})


def inspect(run: Spec, test: "Images", shares: "Tensor") -> dict[str, Any]:
    """Confusions, and from the first seed the most confident mistakes."""
    worst = {"mistakes": mistakes(test, shares, SHOWN)} if run.seed == 0 else {}
    return confusion(run, test, shares) | worst


TRAINING = Inspected(load, network, recipe, grid, inspect=inspect)

STUDY = Study(
    slug=SLUG,
    title="A better network for KMNIST",
    question="How far does a better recipe take a convolutional network on KMNIST, and what does each part bring?",
    protocol=1,
    profiles=PROFILES,
    module=__name__,
    specs=specs,
    measure=TRAINING.measure,
    training=TRAINING,
    epochs=TRAINING.epochs,
)
