"""Does regularisation help LeNet-5 on Fashion-MNIST? None, dropout, weight decay and batch norm, side by side.

Each setting's hyperparameters are chosen by a grid search on the validation split (one record a setting); then each
setting is trained on 5 seeds. Cost of ``full``: about 70 minutes on 2 CPU cores.
"""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import TYPE_CHECKING, Any

from worked.records import Spec
from worked.study import Profile, Stored, Study
from worked.training import Training, best_trial, load_splits

if TYPE_CHECKING:
    from worked.models import LeNet5
    from worked.train import Recipe
    from worked.training import Loaded

SLUG = "lenet5-regularization"
SETTINGS = ("none", "dropout", "weight-decay", "batch-norm")
BATCH_SIZE = 128
SPLIT_SEED = 0  # of the validation split, the same for every run
SEARCH_SEED = 100  # not one of the seeds that are reported

# What each setting's search tries beside the peak rate: probability of dropping, factor of weight decay.
STRENGTHS = {"none": (0.0,), "dropout": (0.1, 0.3, 0.5), "weight-decay": (2e-4, 1e-3, 5e-3), "batch-norm": (0.0,)}
# Batch norm's best rate was the highest of the first grid, so its grid goes on.
MORE_RATES = {"batch-norm": (1.0,)}

PROFILES = {
    profile.name: profile
    for profile in (
        Profile("full", "about 70 minutes on 2 CPU cores", "official",
                {"epochs": 20, "search_epochs": 10, "seeds": range(5), "rates": (0.01, 0.03, 0.1, 0.3),
                 "validation": 6000}),
        Profile("laptop", "about 8 minutes on 2 CPU cores", "official",
                {"epochs": 5, "search_epochs": 2, "seeds": range(3), "rates": (0.03, 0.1), "validation": 6000}),
        Profile("smoke", "seconds", "generated",
                {"epochs": 2, "search_epochs": 1, "seeds": range(2), "rates": (0.03, 0.1), "validation": 200}),
    )
}  # fmt: skip


def spec(profile: Profile, seed: int, **config: Any) -> Spec:
    """One run's spec."""
    subset = f"{profile.settings['validation']} of train set aside for validation, seed {SPLIT_SEED}"
    data = {"name": "fashion_mnist", "source": profile.source, "subset": subset}
    return Spec(SLUG, STUDY.protocol, profile.name, {**config, "batch_size": BATCH_SIZE}, seed, data)


def search_spec(profile: Profile, setting: str) -> Spec:
    """The search of one setting: a grid of peak rates and strengths, each trial a shorter run with one seed."""
    return spec(
        profile,
        SEARCH_SEED,
        regularization=setting,
        search="grid",
        rates=" ".join(map(str, (*profile.settings["rates"], *MORE_RATES.get(setting, ())))),
        strengths=" ".join(map(str, STRENGTHS[setting])),
        epochs=profile.settings["search_epochs"],
    )


def specs(profile: Profile, stored: Stored) -> Iterator[Spec]:
    """The four searches, and the runs of each setting whose search is stored."""
    searches = {setting: search_spec(profile, setting) for setting in SETTINGS}
    yield from searches.values()
    for setting, search in searches.items():
        if record := stored(search):
            chosen = best_trial(record.trials)["config"]
            for seed in profile.settings["seeds"]:
                epochs = profile.settings["epochs"]
                yield spec(profile, seed, regularization=setting, **chosen, epochs=epochs)


def grid(search: Spec) -> list[dict[str, float]]:
    """The configs that a search tries: every rate with every strength; zero for what the setting does not use."""
    setting = search.config["regularization"]
    rates, strengths = (map(float, search.config[name].split()) for name in ("rates", "strengths"))
    return [
        {
            "rate": rate,
            "dropout": strength if setting == "dropout" else 0.0,
            "weight_decay": strength if setting == "weight-decay" else 0.0,
        }
        for rate, strength in product(rates, strengths)
    ]


def network(config: Mapping[str, Any]) -> "LeNet5":
    """LeNet-5 as the config changes it."""
    from worked.models import LeNet5

    return LeNet5(dropout=config.get("dropout", 0.0), batch_norm=config["regularization"] == "batch-norm")


def load(run: Spec, device: str) -> "Loaded":
    """The splits of a run on ``device``; the validation split is the same for every run of a profile."""
    return load_splits(run, PROFILES[run.profile].settings["validation"], split_seed=SPLIT_SEED, device=device)


def recipe(config: Mapping[str, Any]) -> "Recipe":
    """SGD with Nesterov momentum 0.9 under a one-cycle schedule."""
    from worked.train import Recipe

    return Recipe(config["epochs"], config["rate"], config["batch_size"], weight_decay=config["weight_decay"])


# One network a setting is kept, for `worked test`.
TRAINING = Training(load, network, recipe, grid, keeps_weights=lambda run: run.seed == 0)

STUDY = Study(
    slug=SLUG,
    title="Regularising LeNet-5",
    question="Does dropout, weight decay or batch normalisation improve LeNet-5 on Fashion-MNIST?",
    protocol=1,
    profiles=PROFILES,
    module=__name__,
    specs=specs,
    measure=TRAINING.measure,
    training=TRAINING,
    epochs=TRAINING.epochs,
)
