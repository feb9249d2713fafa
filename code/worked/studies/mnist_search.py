"""Does Bayesian optimisation find better hyperparameters than grid, random and Sobol search, for the same trials?

Each method tunes learning rate, momentum and kernel size of a small convolutional network on MNIST, several times: a
trial is one epoch, and a search is one record. The best configuration of each method is then trained for longer, and so
is one that nobody tuned.
"""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import TYPE_CHECKING, Any

from worked.records import Spec
from worked.search import METHODS, Choice, Proposals, Range, Search, ends, proposals
from worked.study import Profile, Stored, Study
from worked.training import best_trial, load_splits

if TYPE_CHECKING:
    from worked.models import SearchNet
    from worked.train import Recipe
    from worked.training import Loaded

SLUG = "mnist-search"
KERNELS = (3, 5, 7)
SPACE = (Range("rate", 1e-7, 1e-3, log=True), Range("momentum", 0.0, 1.0), Choice("kernel", KERNELS))
BATCH_SIZE = 64
UNTUNED = {"rate": 1e-3, "momentum": 0.9, "kernel": 5}  # of PyTorch's tutorial "Training a Classifier"
SPLIT_SEED = 0  # of the validation split, the same for every run

PROFILES = {
    profile.name: profile
    for profile in (
        Profile("full", "about 2 hours on 2 CPU cores", "official",
                {"rates": 5, "momenta": 5, "seeds": range(5), "final_epochs": 20, "validation": 6000}),
        Profile("laptop", "about 45 minutes on 2 CPU cores", "official",
                {"rates": 3, "momenta": 3, "seeds": range(3), "final_epochs": 20, "validation": 6000}),
        Profile("smoke", "seconds", "generated",
                {"rates": 2, "momenta": 1, "seeds": range(1), "final_epochs": 2, "validation": 200}),
    )
}  # fmt: skip


def rounds(profile: Profile) -> int:
    """Trials of each search: as many as the grid has configs."""
    return profile.settings["rates"] * profile.settings["momenta"] * len(KERNELS)


def spec(profile: Profile, seed: int, **config: Any) -> Spec:
    """One run's spec."""
    subset = f"{profile.settings['validation']} of train set aside for validation, seed {SPLIT_SEED}"
    data = {"name": "mnist", "source": profile.source, "subset": subset}
    return Spec(SLUG, STUDY.protocol, profile.name, {**config, "batch_size": BATCH_SIZE}, seed, data)


def searches(profile: Profile) -> list[Spec]:
    """A search for each method and seed; with the same seed, a config has the same initial weights in all methods."""
    trials = {"epochs": 1, "rounds": rounds(profile)}
    return [spec(profile, seed, search=name, **trials) for name, seed in product(METHODS, profile.settings["seeds"])]


def specs(profile: Profile, stored: Stored) -> Iterator[Spec]:
    """The searches; once all are stored, the runs of each method's best configuration and of the untuned one."""
    yield from (wanted := searches(profile))
    records = [record for search in wanted if (record := stored(search))]
    if len(records) == len(wanted):
        trials: dict[str, list[Mapping[str, Any]]] = {name: [] for name in METHODS}
        for search, record in zip(wanted, records, strict=True):
            trials[search.config["search"]] += record.trials
        configs = [*(best_trial(trials[name])["config"] for name in METHODS), UNTUNED]
        different = [config for n, config in enumerate(configs) if config not in configs[:n]]
        epochs = profile.settings["final_epochs"]
        for config, seed in product(different, profile.settings["seeds"]):
            yield spec(profile, seed, **config, epochs=epochs)


def method(search: Spec) -> Proposals:
    """What proposes the configs of a search. The grid has the ends of each range."""
    settings = PROFILES[search.profile].settings
    shares = [ends(settings["rates"]), ends(settings["momenta"]), ends(len(KERNELS))]
    return proposals(search.config["search"], SPACE, shares, rounds=search.config["rounds"], seed=search.seed)


def network(config: Mapping[str, Any]) -> "SearchNet":
    """The untrained network of a config."""
    from worked.models import SearchNet

    return SearchNet(kernel=config["kernel"])


def load(run: Spec, device: str) -> "Loaded":
    """The splits of a run on ``device``; the validation split is the same for every run of a profile."""
    return load_splits(run, PROFILES[run.profile].settings["validation"], split_seed=SPLIT_SEED, device=device)


def recipe(config: Mapping[str, Any]) -> "Recipe":
    """SGD at a constant rate with plain momentum: PyTorch's defaults but for the two numbers that are tuned."""
    from worked.train import Recipe

    names = ("epochs", "rate", "batch_size", "momentum")
    return Recipe(**{name: config[name] for name in names}, nesterov=False, schedule="constant")


TRAINING = Search(
    load, network, recipe, keeps_weights=lambda run: run.seed == 0, space=lambda run: SPACE, method=method
)

STUDY = Study(
    slug=SLUG,
    title="Hyperparameter search",
    question="Does Bayesian optimisation find better hyperparameters on MNIST than grid, random and Sobol search?",
    protocol=1,
    profiles=PROFILES,
    module=__name__,
    specs=specs,
    measure=TRAINING.measure,
    training=TRAINING,
    epochs=TRAINING.epochs,
)
