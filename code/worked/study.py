"""A study: configurations times seeds, run where a record is missing. Listing and reading need no torch.

The process that calls :func:`run` is the only one that writes records; the others measure.
"""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from worked.closure import closure_of_module, code_fingerprint
from worked.executors import DaskPool, Done, LocalPool, Pool
from worked.machine import StudyError, resolve_device
from worked.measurement import Context, Measurement
from worked.records import Record, RecordError, Spec, Store, read_json

if TYPE_CHECKING:
    from worked.training import Training

PROFILE_NAMES = ("full", "laptop", "smoke")  # best first
DRAWN = "drawn"  # source of data that a run draws itself, from the distribution that its exercise names


@dataclass(frozen=True)
class Profile:
    """How thoroughly a study is done."""

    name: str
    cost: str  # what it costs, in words for the page
    source: str  # the data it asks for: official, or generated for smoke
    settings: Mapping[str, Any]  # the study's own: epochs, seeds, ...


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
    training: "Training | None" = None  # where runs are trainings: what they train, on what, how

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
    executor: str = "local",
    scheduler: str | None = None,
    workers: int | None = None,
    fresh: bool = False,
    say: Callable[[str], None] = print,
) -> Plan:
    """Measure what is missing of ``profile``, and say why it is missing.

    On a CPU each run has one thread and runs are done side by side in processes, at most one a core, so that a
    result does not depend on the number of cores; on a GPU those that differ in seed, rate, momentum or weight decay
    alone are trained at once, the others in turn.

    Args:
        study: what to run.
        profile: one of the study's profiles.
        store: where records are read and written.
        device: auto, cpu or cuda.
        executor: local, or dask.
        scheduler: address of Dask's scheduler; processes of this machine if None.
        workers: processes on a CPU; all cores if None.
        fresh: measure again what is stored.
        say: takes one line of text.

    Raises:
        StudyError: a run failed, or was stopped. Finished runs are stored.
    """
    code = study.code()
    pending: dict[Future, list[Spec]] = {}
    seen: set[str] = set()
    reused = measured = 0
    pool: Pool | None = None
    try:
        while True:
            # A record that arrives can make further specs known, so the list is asked for again each time.
            groups: dict[str, list[Spec]] = {}
            for spec in study.wanted(profile, store):
                if spec.key in seen:
                    continue
                seen.add(spec.key)
                reason = _reason_to_run(spec, store, fresh)
                if reason is None:
                    reused += 1
                    continue
                if pool is None:  # torch is imported here, not before there is something to run
                    cost = study.profiles[profile].cost
                    if executor == "dask":  # each worker finds its own device
                        pool, where = DaskPool(study.slug, workers, scheduler), f"a Dask cluster, device {device}"
                    else:
                        device = where = resolve_device(device)
                        pool = LocalPool(study.slug, device, workers)
                    pool.say(say, f"{study.slug} on {where}: the whole profile {profile} takes {cost}")
                pool.say(say, f"run {label(spec)}: {reason}")
                if fresh:
                    _journal(store, spec).unlink(missing_ok=True)
                at_once = study.training if device == "cuda" and executor == "local" else None
                groups.setdefault(at_once.likeness(spec) if at_once else spec.key, []).append(spec)
            for group in groups.values():
                assert pool is not None
                context = Context(device, code, _journal(store, group[0]))  # a search is never in a group
                pending[pool.submit(study.module, group, context, sum(map(study.epochs, group)))] = group
            if not pending:
                return Plan(measured, reused)
            # What went well is stored before what failed is reported.
            ended = wait(pending, return_when=FIRST_COMPLETED).done
            for future in sorted(ended, key=lambda future: future.exception() is not None):
                for spec, done in zip(pending.pop(future), future.result(), strict=True):
                    _check_data(spec, done.measurement, store)
                    store.write(_record(spec, done, code), done.measurement.weights)
                    _journal(store, spec).unlink(missing_ok=True)
                    measured += 1
    except KeyboardInterrupt:
        raise StudyError(
            f"{study.slug} was stopped: its {measured} finished runs are stored, run the same command to go on"
        ) from None
    except Exception as error:
        if pool is None or not isinstance(error, pool.lost):
            raise
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


def _record(spec: Spec, done: Done, code: str) -> Record:
    fields = {name: getattr(done.measurement, name) for name in Measurement.__dataclass_fields__ if name != "weights"}
    return Record(
        spec=spec,
        code=code,
        environment=done.environment,
        seconds=round(done.seconds, 1),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        **fields,
    )


def read_stamps(store: Store) -> dict[str, dict[str, str]]:
    """What ``replays.json`` notes: key -> code that a record agreed with, and when and where."""
    return read_json(store.root / "replays.json")
