"""Searches for hyperparameters: a method proposes a config, hears its validation accuracy, and proposes the next.

A method is a generator that is sent the accuracy of each config that it yields. The journal of a search notes every
finished trial. One that was killed asks its method from the first round on: with the same seed and the same accuracies
it proposes the same configs, and those that the journal notes are not trained again.
"""

import logging
import math
import random
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from itertools import product
from typing import TYPE_CHECKING, Any

from worked.machine import StudyError
from worked.measurement import Context, Measurement
from worked.records import Spec
from worked.training import Training, best_trial, journaled

if TYPE_CHECKING:
    from worked.train import Outcome

Config = dict[str, Any]
Proposals = Generator[Config, float | None, None]  # None is sent where a trial diverged
OBJECTIVE = "validation_accuracy"
METHODS = ("grid", "random", "sobol", "bayes")
# To whose trials a surrogate is fitted in the end: evenly spread ones, and those that a surrogate asked for.
EXPLAINED = ("sobol", "bayes")
LIBRARIES = ("ax-platform", "botorch", "gpytorch")  # whose versions a record then notes


@dataclass(frozen=True)
class Range:
    """A parameter between two numbers, both included."""

    name: str
    low: float
    high: float
    log: bool = False  # whether shares of the way are those of the logarithm

    def at(self, share: float) -> float:
        """The value at a share of the way from ``low`` to ``high``, in six digits."""
        way = self.low * (self.high / self.low) ** share if self.log else self.low + share * (self.high - self.low)
        return float(f"{way:.6g}")


@dataclass(frozen=True)
class Choice:
    """A parameter with a few values, in their order."""

    name: str
    values: tuple[int, ...]

    def at(self, share: float) -> int:
        """The value in whose equal part of [0, 1] ``share`` lies."""
        return self.values[min(int(share * len(self.values)), len(self.values) - 1)]


Space = Sequence[Range | Choice]


def ends(count: int) -> list[float]:
    """``count`` shares at equal distances from one end of the range to the other; a single one is its middle."""
    return [n / (count - 1) for n in range(count)] if count > 1 else [0.5]


def centres(count: int) -> list[float]:
    """The centres of ``count`` equal parts of the range."""
    return [(n + 0.5) / count for n in range(count)]


def proposals(method: str, space: Space, shares: Sequence[Sequence[float]], *, rounds: int, seed: int) -> Proposals:
    """What one of the ``METHODS`` proposes in ``rounds`` rounds; ``shares`` are the grid's, for each parameter."""
    made = {
        "grid": lambda: grid_search(space, shares, seed=seed),
        "random": lambda: random_search(space, seed=seed),
        "sobol": lambda: sobol_search(space, rounds, seed=seed),
        "bayes": lambda: bayesian_search(space, seed=seed),
    }
    return made[method]()


def _listed(space: Space, points: Iterator[Sequence[float]]) -> Proposals:
    """The configs at points of the unit cube; what is sent is not used."""
    for point in points:
        yield {parameter.name: parameter.at(share) for parameter, share in zip(space, point, strict=True)}


def grid_search(space: Space, shares: Sequence[Sequence[float]], *, seed: int) -> Proposals:
    """Every combination of the parameters' ``shares``, in a random order: which one comes early means nothing."""
    points = list(product(*shares))
    random.Random(seed).shuffle(points)
    return _listed(space, iter(points))


def random_search(space: Space, *, seed: int) -> Proposals:
    """Independent uniform points."""
    draw = random.Random(seed)
    return _listed(space, ([draw.random() for _ in space] for _ in iter(int, 1)))


def sobol_search(space: Space, rounds: int, *, seed: int) -> Proposals:
    """The first points of a scrambled Sobol sequence, which fill the space more evenly than random ones."""
    from scipy.stats import qmc

    points = qmc.Sobol(len(space), rng=seed).random_base2(math.ceil(math.log2(rounds)))
    return _listed(space, iter(points.tolist()))


def bayesian_search(space: Space, *, seed: int) -> Proposals:
    """Ax's own strategy: the centre, Sobol points, then what BoTorch's acquisition function values most."""
    with _quiet():
        return conversation(_client(space, seed), space)


def conversation(client: Any, space: Space) -> Proposals:
    """Ask Ax for a config, tell it the accuracy, ask again.

    A trial that diverged is abandoned: Ax leaves it out of the surrogate and does not propose its config again.
    """
    while True:
        with _quiet():
            ((trial, proposed),) = client.get_next_trials(max_trials=1).items()
        accuracy = yield {parameter.name: proposed[parameter.name] for parameter in space}
        with _quiet():
            if accuracy is None:
                client.mark_trial_abandoned(trial)
            else:
                client.complete_trial(trial, raw_data={OBJECTIVE: accuracy})


def sensitivity(space: Space, trials: Sequence[Mapping[str, Any]], *, seed: int) -> dict[str, float]:
    """Each parameter's total Sobol index in the surrogate that Ax fits to the trials: Ax's own analysis.

    The total index is the share of the surrogate's variance over the whole space that would remain on average if all
    the other parameters were known; the analysis divides the indices by their sum.
    """
    with _quiet():
        client = _client(space, seed, initialize_with_center=False, initialization_budget=0)
        from ax.analysis.plotly.sensitivity import SensitivityAnalysisPlot
        from ax.utils.common.random import with_rng_seed

        for trial in trials:
            if trial[OBJECTIVE] is not None:
                index = client.attach_trial({parameter.name: trial["config"][parameter.name] for parameter in space})
                client.complete_trial(index, raw_data={OBJECTIVE: trial[OBJECTIVE]})
        with with_rng_seed(seed):
            (card,) = client.compute_analyses([SensitivityAnalysisPlot(order="total")], display=False)
        (table,) = (leaf.df for leaf in card.flatten())
    # Ax signs an index by the direction of the parameter's effect.
    return {name: abs(value) for name, value in zip(table["parameter_name"], table["sensitivity"], strict=True)}


def _client(space: Space, seed: int, **strategy: Any) -> Any:
    """Ax's client for the space: every proposal is drawn with ``seed``."""
    try:
        from ax.api.client import Client
        from ax.api.configs import ChoiceParameterConfig, RangeParameterConfig
    except ImportError:
        raise StudyError("expected Ax for this search, found none; run `pip install ax-platform`") from None

    client = Client(random_seed=seed)
    client.configure_experiment(
        [
            RangeParameterConfig(
                name=parameter.name,
                parameter_type="float",
                bounds=(parameter.low, parameter.high),
                scaling="log" if parameter.log else "linear",
            )
            if isinstance(parameter, Range)
            else ChoiceParameterConfig(
                name=parameter.name, parameter_type="int", values=[*parameter.values], is_ordered=True
            )
            for parameter in space
        ]
    )
    client.configure_optimization(OBJECTIVE)  # larger is better
    client.configure_generation_strategy(initialization_random_seed=seed, **strategy)
    return client


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the notes and warnings of Ax, and of what it uses, from between the lines of a run."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


@dataclass(frozen=True, kw_only=True)
class Search(Training):
    """Trainings, of which those with the config entry ``search`` are searches of as many trials as ``rounds``.

    A trial trains the run's config with the proposed entries, from the run's seed, and is evaluated on the validation
    split alone.
    """

    space: Callable[[Spec], Space]  # the parameters that a search tunes
    method: Callable[[Spec], Proposals]  # what proposes their values

    def is_search(self, run: Spec) -> bool:
        """Whether the run asks a method for one config after another."""
        return "search" in run.config

    def configs(self, run: Spec) -> list[Config]:
        """The config that the run trains; in a search, the centre of the space stands for all that will be proposed."""
        centre = {parameter.name: parameter.at(0.5) for parameter in self.space(run)} if self.is_search(run) else {}
        return [{**run.config, **centre}]

    def epochs(self, run: Spec) -> int:
        """Epochs that a run takes."""
        return super().epochs(run) * (run.config["rounds"] if self.is_search(run) else 1)

    def measure(self, run: Spec, context: Context) -> Measurement:
        """One training run, or a search."""
        if not self.is_search(run):
            return super().measure(run, context)
        splits, fingerprints, source = self.load(run, context.device)
        proposed = self.method(run)
        # A run has one thread there, and what else the machine does should not count.
        clock = time.process_time if context.device == "cpu" else time.perf_counter

        def trained(config: Config) -> "Outcome":
            from worked.train import train

            one = self._replicate(run, {**run.config, **config})
            only, tick, steps = ("validation",), context.tick, context.steps
            return train(one.model, splits, one.recipe, seed=one.seed, evaluate=only, tick=tick, steps=steps)

        def tried(configs: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
            from worked.train import selected_metrics

            for config in configs:
                start = clock()
                outcome = trained(dict(config))
                best = {OBJECTIVE: None} if outcome.diverged else selected_metrics(outcome.history)
                seconds = {"seconds": clock() - start, "proposal_seconds": proposing}
                yield {**best, **seconds, "diverged": outcome.diverged, "trace": outcome.trace}

        if context.steps:
            return Measurement({}, {}, trained(next(proposed)).trace, fingerprints, source)
        origin = {"code": context.code, "device": context.device, **fingerprints}
        trials: list[dict[str, Any]] = []
        accuracy = None
        while len(trials) < run.config["rounds"]:
            start = clock()
            config = proposed.send(accuracy)
            proposing = clock() - start
            trials += journaled([config], tried, context, origin)
            accuracy = trials[-1][OBJECTIVE]
        traces = [trial.pop("trace") for trial in trials]
        best = best_trial(trials)
        metrics = {name: best[name] for name in ("selected_epoch", "batch_loss", "validation_loss", OBJECTIVE)}
        trace = traces[0]
        if run.config["search"] in EXPLAINED:
            trace = trace | {"libraries": {name: version(name) for name in LIBRARIES}}
            indices = sensitivity(self.space(run), trials, seed=run.seed)
            metrics |= {f"sensitivity_{name}": value for name, value in indices.items()}
        return Measurement(metrics, {}, trace, fingerprints, source, trials=trials)
