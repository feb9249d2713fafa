"""A study: configurations times seeds, run where a record is missing. Listing and reading need no torch.

The process that calls :func:`run` is the only one that writes records; the others measure.
"""

import json
import multiprocessing
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from worked.closure import closure_of_module, code_fingerprint
from worked.records import Record, RecordError, Spec, Store, canonical, read_json, write_atomically

if TYPE_CHECKING:
    from torch import nn

    from worked.train import Outcome, Splits

    Loaded = tuple[Splits, dict[str, str], str]

PROFILE_NAMES = ("full", "laptop", "smoke")  # best first
DRAWN = "drawn"  # source of data that a run draws itself, from the distribution that its exercise names


class StudyError(RuntimeError):
    """A run cannot be done or was stopped; the message is one sentence that says what to do."""


@dataclass(frozen=True)
class Profile:
    """How thoroughly a study is done."""

    name: str
    cost: str  # what it costs, in words for the page
    source: str  # the data it asks for: official, or generated for smoke
    settings: Mapping[str, Any]  # the study's own: epochs, seeds, ...


@dataclass(frozen=True)
class Measurement:
    """What one run hands back; see the fields of the same names of :class:`worked.records.Record`."""

    metrics: Mapping[str, float | None]
    history: Mapping[str, list]
    trace: Mapping[str, Any]
    data_fingerprint: Mapping[str, str]
    data_source: str
    weights: Mapping[str, Any] | None = None  # kept beside the record
    trials: list[dict] = field(default_factory=list)
    images: Mapping[str, Any] = field(default_factory=dict)
    diverged: str | None = None


def _quiet(epochs: int) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class Context:
    """What a run is given besides its spec."""

    device: str
    code: str = ""  # fingerprint of the code that runs
    journal: Path | None = None  # where a search notes its finished trials, one JSON a line
    keep_weights: bool = False  # hand the weights back, also where the study keeps none
    steps: int | None = None  # stop after so many steps (for replay)
    tick: Callable[[int], None] = _quiet  # called with the number of epochs just finished


Stored = Callable[[Spec], Record | None]


@dataclass(frozen=True)
class Study:
    """One experiment: what it asks, what it runs, how one run is measured."""

    slug: str
    title: str
    question: str
    protocol: int
    profiles: Mapping[str, Profile]
    module: str  # the module that defines it: its closure is the code of its records
    specs: Callable[[Profile, Stored], Iterable[Spec]]  # a later stage may wait for the records of an earlier one
    measure: Callable[[Spec, Context], Measurement]  # imports torch
    epochs: Callable[[Spec], int]  # epochs that one run takes, for the progress bar
    # What stored weights are tested with; None where a study keeps none.
    load: "Callable[[Spec, str], Loaded] | None" = None  # the splits of a run on a device
    network: "Callable[[Mapping[str, Any]], nn.Module] | None" = None  # the untrained network of a config

    def code(self) -> str:
        """Fingerprint of the code that today's run would use."""
        return code_fingerprint(closure_of_module(self.module))

    def wanted(self, profile: str, store: Store) -> list[Spec]:
        """The specs of ``profile`` that are known now."""
        return list(self.specs(self.profiles[profile], store.read_if_sound))

    def present(self, profile: str, store: Store) -> list[Record]:
        """The records of ``profile`` that are stored; ``RecordError`` where one is damaged."""
        return [record for spec in self.wanted(profile, store) if (record := store.read(spec))]

    def is_complete(self, profile: str, store: Store) -> bool:
        """Whether every record of ``profile`` is stored and sound, those included that wait for others."""
        return all(store.read_if_sound(spec) for spec in self.wanted(profile, store))

    def unreplayed(self, records: Iterable[Record], store: Store) -> list[str]:
        """Keys of the records that today's code has neither made nor replayed."""
        code, stamps = self.code(), read_stamps(store)
        return [r.key for r in records if r.code != code and stamps.get(r.key, {}).get("code") != code]

    def best_profile(self, store: Store) -> str | None:
        """The best publishable profile of which every record is stored; None where there is none."""
        for name in self.profiles:
            if name != "smoke" and self.is_complete(name, store):
                return name
        return None


def why_missing(spec: Spec, store: Store) -> str:
    """In one line: which fields differ between ``spec`` and the nearest record of its study."""
    near = None
    for record in store.readable(spec.study):
        difference = spec.difference(record.spec)
        if near is None or len(difference) < len(near[1]):
            near = (record, difference)
    if near is None:
        return "no readable record of this study is stored"
    fields = ", ".join(f"{name} {_said(mine)} (there {_said(theirs)})" for name, (mine, theirs) in near[1].items())
    return f"no record; nearest is {near[0].key}, which differs in {fields}"


def _said(value: Any) -> str:
    return "absent" if value is None else str(value)


def label(spec: Spec) -> str:
    """A run in a few words, for messages."""
    config = " ".join(f"{name}={value}" for name, value in spec.config.items())
    return f"{spec.key} {config} seed={spec.seed}"


@dataclass(frozen=True)
class Plan:
    """What a call of :func:`run` was asked to do and what it did."""

    measured: int
    reused: int


def run(
    study: Study,
    profile: str,
    store: Store,
    *,
    device: str = "auto",
    workers: int | None = None,
    fresh: bool = False,
    say: Callable[[str], None] = print,
) -> Plan:
    """Measure what is missing of ``profile``, and say why it is missing.

    On a CPU each run has one thread and runs are done side by side in processes, at most one a core, so that a
    result does not depend on the number of cores; on a GPU they are done in turn.

    Args:
        study: what to run.
        profile: one of the study's profiles.
        store: where records are read and written.
        device: auto, cpu or cuda.
        workers: processes on a CPU; all cores if None.
        fresh: measure again what is stored.
        say: takes one line of text.

    Raises:
        StudyError: a run failed, or was stopped. Finished runs are stored.
    """
    code = study.code()
    pending: dict[Future, Spec] = {}
    seen: set[str] = set()
    reused = measured = 0
    pool: _Pool | None = None
    try:
        while True:
            # A record that arrives can make further specs known, so the list is asked for again each time.
            for spec in study.wanted(profile, store):
                if spec.key in seen:
                    continue
                seen.add(spec.key)
                reason = _reason_to_run(spec, store, fresh)
                if reason is None:
                    reused += 1
                    continue
                if pool is None:  # torch is imported here, not before there is something to run
                    device = resolve_device(device)
                    say(f"{study.slug} on {device}: the whole profile {profile} takes {study.profiles[profile].cost}")
                    pool = _Pool(study.slug, device, workers)
                pool.say(say, f"run {label(spec)}: {reason}")
                if fresh:
                    _journal(store, spec).unlink(missing_ok=True)
                pending[pool.submit(study, spec, Context(device, code, _journal(store, spec)))] = spec
            if not pending:
                return Plan(measured, reused)
            # What went well is stored before what failed is reported.
            done = wait(pending, return_when=FIRST_COMPLETED).done
            for future in sorted(done, key=lambda future: future.exception() is not None):
                spec = pending.pop(future)
                measurement, seconds = future.result()
                _check_data(spec, measurement, store)
                store.write(_record(spec, measurement, code, device, seconds), measurement.weights)
                _journal(store, spec).unlink(missing_ok=True)
                measured += 1
    except KeyboardInterrupt:
        raise StudyError(
            f"{study.slug} was stopped: its {measured} finished runs are stored, run the same command to go on"
        ) from None
    except BrokenProcessPool:
        raise StudyError(
            f"a process of {study.slug} was killed (out of memory?): the {measured} finished runs are stored,"
            " run the same command to go on, with --workers 1 if memory is short"
        ) from None
    finally:
        if pool is not None:
            pool.close()


def _journal(store: Store, spec: Spec) -> Path:
    return store.path(spec).with_suffix(".trials.partial")


def _check_data(spec: Spec, measurement: Measurement, store: Store) -> None:
    """Runs that name the same data must have read the same data."""
    for record in store.readable(spec.study):
        if record.spec.data == spec.data and record.data_fingerprint != measurement.data_fingerprint:
            raise StudyError(
                f"the data of {spec.key} have the fingerprints {dict(measurement.data_fingerprint)}, those of the "
                f"record {record.key} had {dict(record.data_fingerprint)}: use the same data, or raise the protocol"
            )


def _reason_to_run(spec: Spec, store: Store, fresh: bool) -> str | None:
    try:
        record = store.read(spec)
    except RecordError as error:
        return f"its record was damaged and is kept as {store.set_aside(spec).name} ({error})"
    if record is None:
        return why_missing(spec, store)
    return "a fresh run was asked for, the stored one is replaced" if fresh else None


def _record(spec: Spec, measurement: Measurement, code: str, device: str, seconds: float) -> Record:
    fields = {name: getattr(measurement, name) for name in Measurement.__dataclass_fields__ if name != "weights"}
    return Record(
        spec=spec,
        code=code,
        environment=environment(device),
        seconds=round(seconds, 1),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        **fields,
    )


def resolve_device(device: str) -> str:
    """``auto`` as cuda where there is a GPU, else cpu; ``StudyError`` where cuda is asked for and absent."""
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise StudyError("expected a CUDA GPU for --device cuda, found none; use --device auto or cpu")
    return device


def prepare_process(device: str) -> None:
    """Make this process measure repeatably: one CPU thread; on a GPU deterministic algorithms where there are some."""
    import torch

    torch.set_num_threads(1)
    if device == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)  # the backward of max pooling has none


def environment(device: str) -> dict[str, Any]:
    """Versions, device, threads and commit; no host name, no path."""
    import platform

    import torch

    if device == "cuda":
        name = torch.cuda.get_device_name()
    else:
        name = platform.processor() or platform.machine()
        info = Path("/proc/cpuinfo")
        if info.is_file():
            lines = [line for line in info.read_text().splitlines() if line.startswith("model name")]
            name = lines[0].partition(":")[2].strip() if lines else name
    return {
        "python": platform.python_version(),
        **{package: version(package) for package in ("numpy", "torch", "torchvision", "worked")},
        "device": device,
        "device_name": name,
        "threads": torch.get_num_threads() if device == "cuda" else 1,
        "commit": commit(),
    }


def commit() -> str:
    """The checkout's commit, ``+`` behind it where the package's code differs from it; empty outside a checkout."""
    here = Path(__file__).resolve().parent

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(here), *words], capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        head = git("rev-parse", "HEAD")
        return head and head + ("+" if git("status", "--porcelain", "--", ".") else "")
    except OSError:
        return ""


# -- what the runs of every study need --------------------------------------------------------------------------------


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


def run_measurement(
    outcome: "Outcome", context: Context, fingerprints: Mapping[str, str], source: str, *, keep_weights: bool
) -> Measurement:
    """The measurement of one training run: the metrics are those of the epoch that validation accuracy selects."""
    from worked.train import selected_metrics

    return Measurement(
        metrics={} if context.steps or outcome.diverged else selected_metrics(outcome.history),
        history=outcome.history,
        trace=outcome.trace,
        data_fingerprint=fingerprints,
        data_source=source,
        weights=outcome.weights if keep_weights else None,
        diverged=outcome.diverged,
    )


def search_measurement(
    configs: Sequence[Mapping[str, Any]],
    train: "Callable[[Mapping[str, Any]], Outcome]",
    context: Context,
    fingerprints: Mapping[str, str],
    source: str,
) -> Measurement:
    """The measurement of a search: ``train(config)`` gives the outcome of one trial.

    Every finished trial is noted in the context's journal, so that a killed search goes on where it was.
    """
    from worked.train import selected_metrics

    if context.steps:
        return Measurement({}, {}, train(configs[0]).trace, fingerprints, source)

    def measured(config: Mapping[str, Any]) -> dict[str, Any]:
        outcome = train(config)
        best = {"validation_accuracy": None} if outcome.diverged else selected_metrics(outcome.history)
        return {**best, "diverged": outcome.diverged, "trace": outcome.trace}

    trials = journaled(configs, measured, context, {"code": context.code, "device": context.device, **fingerprints})
    traces = [trial.pop("trace") for trial in trials]
    best = best_trial(trials)
    return Measurement(
        metrics={name: value for name, value in best.items() if name not in ("config", "diverged")},
        history={},
        trace=traces[0],
        data_fingerprint=fingerprints,
        data_source=source,
        trials=trials,
    )


def best_trial(trials: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The trial with the highest validation accuracy, the earliest where several are equal; it sees nothing else."""
    finished = [trial for trial in trials if trial["validation_accuracy"] is not None]
    if not finished:
        raise StudyError("every trial of the search diverged: give it lower rates")
    return max(finished, key=lambda trial: trial["validation_accuracy"])


def journaled(
    configs: Iterable[Mapping[str, Any]],
    measure: Callable[[Mapping[str, Any]], dict[str, Any]],
    context: Context,
    origin: Mapping[str, str],
) -> list[dict[str, Any]]:
    """``measure`` each config, or take it from the journal where it was noted with the same ``origin``."""
    journal, noted = context.journal, {}
    if journal is not None and journal.exists():
        for line in journal.read_text(encoding="utf-8").splitlines():
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                continue  # the line that a kill cut short
            if entry["origin"] == origin:
                noted[canonical(entry["trial"]["config"])] = entry["trial"]
    trials = []
    for config in configs:
        trial = noted.get(canonical(config))
        if trial is not None:
            context.tick(len(trial["trace"]["rates"]))
        else:
            trial = {"config": dict(config), **measure(config)}
            if journal is not None:
                journal.parent.mkdir(parents=True, exist_ok=True)
                with journal.open("a", encoding="utf-8") as file:
                    # It begins a new line, as a kill may have cut the last one short.
                    file.write("\n" + canonical({"origin": dict(origin), "trial": trial}) + "\n")
                    file.flush()
                    os.fsync(file.fileno())
        trials.append(trial)
    return trials


# -- processes -------------------------------------------------------------------------------------------------------

_ticks: Any = None  # in a worker: the queue that finished epochs are reported to


class _Pool:
    """Processes that measure, and a bar over the epochs of all runs with the time left."""

    def __init__(self, title: str, device: str, workers: int | None):
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        workers = 1 if device == "cuda" else min(workers or cores, cores)
        context = multiprocessing.get_context("spawn")
        self.ticks = context.SimpleQueue()
        self.executor = ProcessPoolExecutor(workers, context, _start_worker, (device, self.ticks, os.getpid()))
        try:
            from tqdm import tqdm

            self.bar = tqdm(total=0, desc=title, unit="epoch", dynamic_ncols=True)
        except ImportError:  # a GPU node rarely has more than torch
            self.bar = None
        threading.Thread(target=self._follow, daemon=True).start()

    def submit(self, study: Study, spec: Spec, context: Context) -> Future:
        if self.bar is not None:
            self.bar.total += study.epochs(spec)
            self.bar.refresh()
        return self.executor.submit(_measure, study.module, spec, context)

    def say(self, say: Callable[[str], None], line: str) -> None:
        """Print a line, above the bar where there is one."""
        if self.bar is not None:
            self.bar.clear()
        say(line)
        if self.bar is not None:
            self.bar.refresh()

    def _follow(self) -> None:
        while True:
            epochs = self.ticks.get()
            if self.bar is not None:
                self.bar.update(epochs)

    def close(self) -> None:
        """End at once: what is still running is given up."""
        processes = list((self.executor._processes or {}).values())
        self.executor.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()
        if self.bar is not None:
            self.bar.close()


def _start_worker(device: str, ticks: Any, parent: int) -> None:
    global _ticks
    _ticks = ticks
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends its workers
    prepare_process(device)

    def end_with_parent() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    # A killed parent must not leave processes that measure for nobody.
    threading.Thread(target=end_with_parent, daemon=True).start()


def _measure(module: str, spec: Spec, context: Context) -> tuple[Measurement, float]:
    study: Study = import_module(module).STUDY
    started = time.monotonic()
    return study.measure(spec, replace(context, tick=_ticks.put)), time.monotonic() - started


# -- replay ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Replay:
    """What became of one record's replay: ``agrees`` is None where it could not be replayed here, and why."""

    key: str
    agrees: bool | None
    detail: str


# Relative difference of a loss allowed between machines or versions: rounding differs there and grows with the steps.
TOLERANCE = 1e-3


def evaluate_weights(study: Study, spec: Spec, path: Path, *, device: str) -> dict[str, float]:
    """Loss and accuracy on every split of the network whose weights lie in ``path``.

    Raises:
        StudyError: the file is missing or damaged, or holds the weights of another network.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from worked.train import evaluation, normaliser

    if study.network is None or study.load is None:
        raise StudyError(f"{study.slug} keeps no weights: there is nothing to test")
    model = study.network(spec.config)
    try:
        model.load_state_dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise StudyError(f"expected weights in {path}, but it cannot be read: {error}") from None
    except RuntimeError as error:
        detail = str(error).splitlines()[-1].strip()
        raise StudyError(f"{path} holds the weights of another network: {detail}") from None
    splits, _, _ = study.load(spec, device)
    model = model.to(device).to(memory_format=torch.channels_last)
    normalised = normaliser(splits.train.pixels)
    metrics: dict[str, float] = {}
    for name in ("train", "validation", "test"):
        loss, accuracy = evaluation(model, getattr(splits, name), normalised)
        metrics |= {f"{name}_loss": loss, f"{name}_accuracy": accuracy}
    return metrics


def replay(study: Study, record: Record, store: Store, *, device: str) -> Replay:
    """Run the first steps of ``record`` with today's code; compare data, losses, rates, metrics, stored weights."""
    if record.data_source == DRAWN:
        return _measure_again(study, record, device)
    from worked.train import selected_metrics

    if record.history and not record.diverged and selected_metrics(record.history) != record.metrics:
        return Replay(record.key, False, "its metrics are not those of the epoch that its history selects")
    configs = [trial["config"] for trial in record.trials] or [record.spec.config]
    if record.environment["device"] != device and any(config.get("dropout") for config in configs):
        return Replay(record.key, None, f"its dropout was drawn on {record.environment['device']}, here is {device}")
    today = study.measure(record.spec, Context(device, steps=len(record.trace["losses"])))
    for split, expected in record.data_fingerprint.items():
        if today.data_fingerprint[split] != expected:
            detail = f"the {split} data have the fingerprint {today.data_fingerprint[split]}, recorded {expected}"
            return Replay(record.key, False, detail)
    allowed = _allowed(record, device)
    for what, mine, theirs in _pairs(today.trace, record.trace):
        if not _near(mine, theirs, allowed):
            return Replay(record.key, False, f"{what} is {mine}, recorded {theirs}, allowed difference {allowed:g}")
    if (path := store.weights_path(record.spec)).exists():
        for name, value in evaluate_weights(study, record.spec, path, device=device).items():
            if abs(value - (record.metrics[name] or 0.0)) > max(allowed, 1e-6):
                return Replay(record.key, False, f"{name} of its weights is {value}, recorded {record.metrics[name]}")
    return Replay(record.key, True, f"{len(record.trace['losses'])} steps, {_agreement(allowed)}")


def _allowed(record: Record, device: str) -> float:
    """The relative difference allowed to a replay: none on the same device with the same versions."""
    here, there = environment(device), record.environment
    exact = device == "cpu" and all(here[name] == there[name] for name in ("device", "device_name", "torch", "numpy"))
    return 0.0 if exact else TOLERANCE


def _agreement(allowed: float) -> str:
    return f"within {allowed:g} (a GPU, or another device or version)" if allowed else "exact"


def _near(mine: float | None, theirs: float | None, allowed: float) -> bool:
    if mine is None or theirs is None:
        return mine is theirs
    return abs(mine - theirs) <= allowed * max(abs(theirs), 1e-12)


def _measure_again(study: Study, record: Record, device: str) -> Replay:
    """A run that draws its own data is short: it is measured again whole, and every number compared."""
    today, allowed = study.measure(record.spec, Context(device)), _allowed(record, device)
    count = 0
    for kind in ("metrics", "history", "trace"):
        mine, theirs = (dict(_leaves(getattr(one, kind))) for one in (today, record))
        if mine.keys() != theirs.keys():
            odd = ", ".join(sorted(mine.keys() ^ theirs.keys()))
            return Replay(record.key, False, f"its {kind} are not those that today's code measures: {odd}")
        for name, value in theirs.items():
            if not _near(mine[name], value, allowed):
                detail = f"{name} is {mine[name]}, recorded {value}, allowed difference {allowed:g}"
                return Replay(record.key, False, detail)
        count += len(theirs)
    return Replay(record.key, True, f"measured again, {count} numbers, {_agreement(allowed)}")


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every number in nested mappings and lists, with where it stands."""
    if isinstance(value, Mapping | list | tuple):
        for key, part in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _leaves(part, f"{name} {key}".strip())
    else:
        yield name, value


def _pairs(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[tuple[str, float | None, float | None]]:
    for name, value in theirs["initial"].items():
        yield f"the initial {name}", mine["initial"][name], value
    for n, (a, b) in enumerate(zip(mine["losses"], theirs["losses"], strict=True), 1):
        yield f"the loss of step {n}", a, b
    for n, (a, b) in enumerate(zip(mine["rates"], theirs["rates"], strict=True), 1):
        yield f"the learning rate of epoch {n}", a, b


def read_stamps(store: Store) -> dict[str, dict[str, str]]:
    """What ``replays.json`` notes: key -> code that a record agreed with, and when and where."""
    return read_json(store.root / "replays.json")


def stamp(store: Store, study: Study, keys: Iterable[str], device: str) -> None:
    """Note that the records ``keys`` agree with today's code."""
    here = environment(device)
    note = {
        "code": study.code(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "torch": here["torch"],
        "device_name": here["device_name"],
    }
    stamps = read_stamps(store) | dict.fromkeys(keys, note)
    write_atomically(store.root / "replays.json", (json.dumps(stamps, indent=1, sort_keys=True) + "\n").encode())
