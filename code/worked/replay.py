"""Replay: does today's code still give what a record says? Its first steps, its metrics, its stored weights."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from worked.machine import StudyError, environment
from worked.measurement import Context
from worked.records import Record, Spec, Store, write_atomically
from worked.study import DRAWN, Study, read_stamps


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

    if study.training is None:
        raise StudyError(f"{study.slug} keeps no weights: there is nothing to test")
    model = study.training.network(spec.config)
    try:
        model.load_state_dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise StudyError(f"expected weights in {path}, but it cannot be read: {error}") from None
    except RuntimeError as error:
        detail = str(error).splitlines()[-1].strip()
        raise StudyError(f"{path} holds the weights of another network: {detail}") from None
    splits, _, _ = study.training.load(spec, device)
    model = model.to(device).to(memory_format=torch.channels_last)
    normalised = normaliser(splits.train.pixels)
    metrics: dict[str, float] = {}
    for name in ("train", "validation", "test"):
        loss, accuracy = evaluation(model, getattr(splits, name), normalised, study.training.precision(spec))
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
