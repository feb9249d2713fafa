"""When does a model trained on MNIST help on Fashion-MNIST, and how much of it should be trained again?

Each run trains the model on MNIST, draws examples of Fashion-MNIST, and trains on them: from scratch, the last layer
alone, all layers. Beside these stands the nearest mean of the model's features, which trains nothing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

from worked.measurement import Context, Measurement
from worked.mnist_source import SOURCE, load, network, source_data, trained
from worked.records import Spec
from worked.study import Profile, Stored, Study
from worked.training import best_trial

if TYPE_CHECKING:
    from torch import nn

    from worked.train import Images, Outcome

SLUG = "transfer"
VARIANTS = ("scratch", "last", "all")  # what is trained on the examples
SIZES = (64, 256, 1024, 4096)  # examples
TUNING_BATCH = 16
SEARCH_SEED = 100  # not one of the seeds that are reported
NEW = 1000  # added to a seed, for new weights that are not those with which the MNIST model began

PROFILES = {
    profile.name: profile
    for profile in (
        Profile("full", "about 45 minutes on 2 CPU cores", "official",
                {"epochs": 3, "seeds": range(20), "validation": 6000, "rates": "0.003 0.01 0.03 0.1",
                 "examples": "64 256 1024 4096", "tuning_epochs": "30 15 10 10", "draws": "20 6 2 1"}),
        Profile("smoke", "seconds", "generated",
                {"epochs": 1, "seeds": range(2), "validation": 200, "rates": "0.01 0.03",
                 "examples": "16 64", "tuning_epochs": "7 2", "draws": "2 1"}),
    )
}  # fmt: skip


def spec(profile: Profile, seed: int, **config: Any) -> Spec:
    """One run's spec."""
    settings = profile.settings
    data = source_data(profile.source, settings["validation"], "examples")
    config |= {**SOURCE, "tuning_batch": TUNING_BATCH}
    config |= {name: settings[name] for name in ("epochs", "examples", "tuning_epochs")}
    return Spec(SLUG, STUDY.protocol, profile.name, config, seed, data)


def specs(profile: Profile, stored: Stored) -> Iterator[Spec]:
    """The search for the rates, and once it is stored a run for each seed."""
    search = spec(profile, SEARCH_SEED, **{name: profile.settings[name] for name in ("rates", "draws")}, search="grid")
    yield search
    if record := stored(search):
        yield from (spec(profile, seed, **chosen(record.trials)) for seed in profile.settings["seeds"])


def by_size(config: Mapping[str, Any], entry: str) -> dict[int, int]:
    """An entry of the config that has an integer for each number of examples."""
    return dict(zip(map(int, config["examples"].split()), map(int, config[entry].split()), strict=True))


def chosen(trials: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The rate with the best validation accuracy, for each variant and number of examples."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for trial in trials:
        groups.setdefault(f"{trial['config']['variant']} {trial['config']['examples']}", []).append(trial)
    return {name: best_trial(group)["config"]["rate"] for name, group in groups.items()}


def cases(config: Mapping[str, Any]) -> list[str]:
    """What is tuned: a variant and a number of examples each."""
    return [f"{variant} {count}" for count, variant in product(config["examples"].split(), VARIANTS)]


def tuned(
    run: Spec, case: str, rate: float, source: "nn.Sequential", few: "Images", others: "Images", **options: Any
) -> "Outcome":
    """A case: SGD with Nesterov momentum 0.9 at a constant rate on a few images, evaluated on others too."""
    from worked.train import Recipe
    from worked.tuning import beginning, tune

    variant, count = case.split()
    epochs = by_size(run.config, "tuning_epochs")[int(count)]
    recipe = Recipe(epochs, rate, run.config["tuning_batch"], schedule="constant")
    model = beginning(variant, partial(network, run.config), source, seed=NEW + options["seed"])
    return tune(model, few, others, recipe, **options)


def search(run: Spec, source: "nn.Sequential", pool: "Images", tick: Callable[[int], None]) -> Iterator[dict[str, Any]]:
    """Every rate in every case: three quarters of some draws are trained on, the rest judges. No test image is read."""
    from worked.tuning import drawn, final_accuracy

    for case, rate in product(cases(run.config), map(float, run.config["rates"].split())):
        (variant, count), outcomes = (case.split()[0], int(case.split()[1])), []
        for seed in range(run.seed, run.seed + by_size(run.config, "draws")[count]):
            images, part = drawn(pool, count, seed=seed), 3 * count // 4
            outcomes.append(tuned(run, case, rate, source, images[:part], images[part:], seed=seed, tick=tick))
        config = {"variant": variant, "examples": count, "rate": rate}
        yield {"config": config, "validation_accuracy": final_accuracy(outcomes)}


def measure(run: Spec, context: Context) -> Measurement:
    """Train the MNIST model; then try the rates, or tune each case until it stops, and ask the nearest mean."""
    from worked.train import Images
    from worked.tuning import drawn, nearest_means, stopping_epoch

    done, source, target = trained(run, context)
    if context.steps or done.diverged:
        return done
    base = load(run, context.device)[0].train
    pool, test = (Images(part.images, part.labels).to(base.labels.device) for part in target.values())
    if "search" in run.config:
        return replace(done, trials=list(search(run, source, pool, context.tick)))
    curves, metrics = {}, dict(done.metrics)
    for case in cases(run.config):
        few = drawn(pool, int(case.split()[1]), seed=run.seed)
        outcome = tuned(run, case, run.config[case], source, few, test, seed=run.seed, tick=context.tick)
        if outcome.diverged:
            return replace(done, diverged=f"{case}: {outcome.diverged}")
        named = {name.replace("other", "test"): values for name, values in outcome.history.items()}
        curves[case] = {name: [round(v, 5) for v in values if v is not None] for name, values in named.items()}
        end = stopping_epoch(curves[case]["train_loss"])
        metrics[f"{case} epochs"] = end + 1
        metrics |= {f"{case} {name}": values[end] for name, values in curves[case].items()}
    counts = list(by_size(run.config, "tuning_epochs"))
    means = nearest_means(source.to(context.device), base.pixels, drawn(pool, max(counts), seed=run.seed), test, counts)
    metrics |= {f"none {count} test_accuracy": accuracy for count, accuracy in means.items()}
    return replace(done, metrics=metrics, trace={**done.trace, "tuned": curves})


def epochs(run: Spec) -> int:
    """Epochs that a run takes, for the progress bar."""
    tuning, times = by_size(run.config, "tuning_epochs"), dict.fromkeys(SIZES, 1)
    if "search" in run.config:
        times = {n: draws * len(run.config["rates"].split()) for n, draws in by_size(run.config, "draws").items()}
    return run.config["epochs"] + len(VARIANTS) * sum(tuning[n] * times.get(n, 1) for n in tuning)


STUDY = Study(
    slug=SLUG,
    title="Transfer from MNIST to Fashion-MNIST",
    question="When does a model trained on MNIST help on Fashion-MNIST, and how much of it should be trained again?",
    protocol=1,
    profiles=PROFILES,
    module=__name__,
    specs=specs,
    measure=measure,
    epochs=epochs,
)
