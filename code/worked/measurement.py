"""What a run is given besides its spec, and what it hands back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


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
