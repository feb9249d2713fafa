"""Runs that are trainings: what a study says of them, and how they are measured: alone, as a search, at once."""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from worked.machine import StudyError
from worked.measurement import Context, Measurement
from worked.records import Spec, canonical

if TYPE_CHECKING:
    from torch import nn

    from worked.replicates import Replicate
    from worked.train import Outcome, Recipe, Splits

    Loaded = tuple[Splits, dict[str, str], str]

SPLITS = ("train", "validation", "test")
OWN = ("rate", "momentum", "weight_decay")  # what runs that are trained at once may differ in, beside their seeds


def _never(run: Spec) -> bool:
    return False


def _nothing(run: Spec, splits: "Splits") -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class Training:
    """What the runs of a study train.

    A run whose config has the entry ``search`` tries every config of ``grid`` in a shorter training, evaluated on the
    validation split alone; each is the run's config with the entries of the grid's.
    """

    load: "Callable[[Spec, str], Loaded]"  # the splits of a run on a device
    network: "Callable[[Mapping[str, Any]], nn.Module]"  # the untrained network of a config
    recipe: "Callable[[Mapping[str, Any]], Recipe]"  # how a config is trained
    grid: Callable[[Spec], list[dict[str, Any]]] | None = None  # the configs that a search tries
    keeps_weights: Callable[[Spec], bool] = _never  # whether weights are kept beside the run's record
    pictures: "Callable[[Spec, Splits], dict[str, Any]]" = _nothing  # images kept with the record

    def is_search(self, run: Spec) -> bool:
        """Whether the run tries the configs of a grid."""
        return self.grid is not None and "search" in run.config

    def configs(self, run: Spec) -> list[dict[str, Any]]:
        """The config that the run trains, or all those that it tries."""
        tried = self.grid(run) if self.grid is not None and self.is_search(run) else [{}]
        return [{**run.config, **config} for config in tried]

    def epochs(self, run: Spec) -> int:
        """Epochs that a run takes."""
        return sum(self.recipe(config).epochs for config in self.configs(run))

    def precision(self, run: Spec) -> str:
        """Number format of the forward pass."""
        return self.recipe(self.configs(run)[0]).precision

    def likeness(self, run: Spec) -> str:
        """Runs for which this is equal may be trained at once, see :func:`worked.replicates.may_go_together`."""
        if self.is_search(run):
            return run.key
        shared = {name: value for name, value in run.config.items() if name not in OWN}
        return canonical({"config": shared, "data": dict(run.data)})

    def measure(self, run: Spec, context: Context) -> Measurement:
        """One training run, or a search."""
        if not self.is_search(run):
            return self.measure_together([run], context)[0]
        assert self.grid is not None
        splits, fingerprints, source = self.load(run, context.device)

        def tried(configs: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
            replicates = [self._replicate(run, {**run.config, **config}) for config in configs]
            for outcome in _outcomes(replicates, splits, context, evaluate=("validation",)):
                yield _trial(outcome)

        if context.steps:
            first = self._replicate(run, self.configs(run)[0])
            (outcome,) = _outcomes([first], splits, context, evaluate=("validation",))
            return Measurement({}, {}, outcome.trace, fingerprints, source)
        origin = {"code": context.code, "device": context.device, **fingerprints}
        trials = journaled(self.grid(run), tried, context, origin)
        traces = [trial.pop("trace") for trial in trials]
        best = best_trial(trials)
        metrics = {name: value for name, value in best.items() if name not in ("config", "diverged")}
        return Measurement(metrics, {}, traces[0], fingerprints, source, trials=trials)

    def measure_together(self, runs: Sequence[Spec], context: Context) -> list[Measurement]:
        """Training runs of one :meth:`likeness`; metrics are those of the epoch that validation accuracy selects."""
        from worked.train import selected_metrics

        splits, fingerprints, source = self.load(runs[0], context.device)
        replicates = [self._replicate(run, run.config) for run in runs]
        return [
            Measurement(
                metrics={} if context.steps or outcome.diverged else selected_metrics(outcome.history),
                history=outcome.history,
                trace=outcome.trace,
                data_fingerprint=fingerprints,
                data_source=source,
                weights=outcome.weights if context.keep_weights or self.keeps_weights(run) else None,
                images=self.pictures(run, splits),
                diverged=outcome.diverged,
            )
            for run, outcome in zip(runs, _outcomes(replicates, splits, context, evaluate=SPLITS), strict=True)
        ]

    def _replicate(self, run: Spec, config: Mapping[str, Any]) -> "Replicate":
        from worked.replicates import Replicate
        from worked.train import seeded

        return Replicate(seeded(partial(self.network, config), seed=run.seed), self.recipe(config), run.seed)


def _outcomes(
    replicates: "Sequence[Replicate]", splits: "Splits", context: Context, *, evaluate: tuple[str, ...]
) -> "Iterator[Outcome]":
    from worked.replicates import train_each

    return train_each(replicates, splits, evaluate=evaluate, tick=context.tick, steps=context.steps)


def _trial(outcome: "Outcome") -> dict[str, Any]:
    from worked.train import selected_metrics

    best = {"validation_accuracy": None} if outcome.diverged else selected_metrics(outcome.history)
    return {**best, "diverged": outcome.diverged, "trace": outcome.trace}


def load_splits(spec: Spec, validation: int, *, split_seed: int, device: str) -> "Loaded":
    """The three splits that ``spec.data`` names, on ``device``, with the fingerprints and the source of what was read.

    Returns:
        ``(worked.train.Splits, {"train": ..., "test": ...}, source)``; fingerprints are of the official splits.
    """
    import torch

    from worked import data
    from worked.train import Images, Splits

    official, test = (data.load(spec.data["name"], split, source=spec.data["source"]) for split in data.SPLITS)
    parts = (*data.split_train_validation(official, validation, seed=split_seed), test)
    splits = Splits(*(Images(part.images, part.labels).to(torch.device(device)) for part in parts))
    return splits, {"train": official.fingerprint, "test": test.fingerprint}, official.source


def best_trial(trials: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The trial with the highest validation accuracy, the earliest where several are equal; it sees nothing else."""
    finished = [trial for trial in trials if trial["validation_accuracy"] is not None]
    if not finished:
        raise StudyError("every trial of the search diverged: give it lower rates")
    return max(finished, key=lambda trial: trial["validation_accuracy"])


def journaled(
    configs: Sequence[Mapping[str, Any]],
    measure: Callable[[Sequence[Mapping[str, Any]]], Iterator[dict[str, Any]]],
    context: Context,
    origin: Mapping[str, str],
) -> list[dict[str, Any]]:
    """``measure`` the configs in turn, but for those that the journal notes with the same ``origin``."""
    journal, noted = context.journal, {}
    if journal is not None and journal.exists():
        for line in journal.read_text(encoding="utf-8").splitlines():
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                continue  # the line that a kill cut short
            if entry["origin"] == origin:
                noted[canonical(entry["trial"]["config"])] = entry["trial"]
    measured = measure([config for config in configs if canonical(config) not in noted])
    trials = []
    for config in configs:
        trial = noted.get(canonical(config))
        if trial is not None:
            context.tick(len(trial["trace"]["rates"]))
        else:
            trial = {"config": dict(config), **next(measured)}
            if journal is not None:
                journal.parent.mkdir(parents=True, exist_ok=True)
                with journal.open("a", encoding="utf-8") as file:
                    # It begins a new line, as a kill may have cut the last one short.
                    file.write("\n" + canonical({"origin": dict(origin), "trial": trial}) + "\n")
                    file.flush()
                    os.fsync(file.fileno())
        trials.append(trial)
    return trials
