"""Records: what a run measured, kept under a key of what determined it, and refused when edited.

``results/<study>/<key>.json`` holds one record; ``key`` is the first 16 hex digits of the SHA-256 of the canonical
JSON of its ``spec``. Weights, where a page or a command needs them, lie beside it in ``<key>.safetensors``. Files are
written to a temporary name, synced and renamed, so that a killed process leaves the old file or the new one.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


class RecordError(RuntimeError):
    """A record is damaged or not what its name says; the message names the file and what to do."""


def canonical(value: Any) -> str:
    """Canonical JSON: sorted keys, no spaces, no NaN or infinity (``ValueError``)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def sha256(value: Any) -> str:
    """Hexadecimal SHA-256 of the canonical JSON of ``value``."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


@dataclass(frozen=True)
class Spec:
    """All that determines a result, and nothing that depends on the machine."""

    study: str
    protocol: int  # raised on purpose when the study's meaning changes
    profile: str  # full, laptop or smoke
    config: Mapping[str, Any]  # flat
    seed: int
    data: Mapping[str, str]  # name, source, subset

    @property
    def key(self) -> str:
        """Name of the record: 16 hex digits."""
        return sha256(asdict(self))[:16]

    def flat(self) -> dict[str, Any]:
        """The spec as one flat mapping, ``config.rate`` and so on."""
        out: dict[str, Any] = {}
        for name, value in asdict(self).items():
            out |= {f"{name}.{k}": v for k, v in value.items()} if isinstance(value, dict) else {name: value}
        return out

    def difference(self, other: "Spec") -> dict[str, tuple[Any, Any]]:
        """The fields that differ, each with the value here and the one of ``other`` (None where it has none)."""
        mine, theirs = self.flat(), other.flat()
        return {
            name: (mine.get(name), theirs.get(name))
            for name in sorted(mine | theirs)
            if mine.get(name) != theirs.get(name)
        }


@dataclass(frozen=True)
class Record:
    """What one run measured, and what it was measured with."""

    spec: Spec
    data_fingerprint: Mapping[str, str]  # of the splits read: SHA-256 of their tensors
    metrics: Mapping[str, float | None]  # final numbers by standard names; accuracies in [0, 1]
    history: Mapping[str, list]  # per-epoch lists under the same names
    trace: Mapping[str, Any]  # first losses, rates, an evaluation of the initial weights: for replay
    code: str  # fingerprint of the modules that the study's closure imports
    environment: Mapping[str, Any]  # versions, device, threads, commit
    data_source: str  # official, mirror, reduced or generated
    seconds: float
    created: str  # UTC, ISO 8601
    trials: list[dict] = field(default_factory=list)  # of a search: its journal
    images: Mapping[str, Any] = field(default_factory=dict)  # small pictures that a page shows
    diverged: str | None = None  # why values are null

    @property
    def key(self) -> str:
        """The key of the record's spec."""
        return self.spec.key

    def as_json(self) -> dict[str, Any]:
        """The record as it is stored, with the digest of all the rest."""
        body = {name: value for name, value in asdict(self).items() if value or name not in _OPTIONAL}
        return body | {"digest": sha256(body)}


_OPTIONAL = ("trials", "images", "diverged")
_TYPES: dict[str, type | tuple[type, ...]] = {
    "spec": dict, "data_fingerprint": dict, "metrics": dict, "history": dict, "trace": dict, "code": str,
    "environment": dict, "data_source": str, "seconds": (int, float), "created": str, "digest": str,
    "trials": list, "images": dict, "diverged": str,
}  # fmt: skip


def parse(text: str, where: str) -> Record:
    """The record in ``text``, checked field by field; ``RecordError`` names ``where`` and the fault."""

    def fault(what: str) -> RecordError:
        return RecordError(f"{where} is not a record: {what}; remove it and run `worked run`, or restore it from git")

    try:
        body = json.loads(text, parse_constant=lambda word: (_ for _ in ()).throw(ValueError(f"it holds {word}")))
    except ValueError as error:
        raise fault(str(error)) from None
    if not isinstance(body, dict):
        raise fault("expected an object")
    missing = sorted(_TYPES.keys() - body.keys() - set(_OPTIONAL))
    unknown = sorted(body.keys() - _TYPES.keys())
    if missing or unknown:
        raise fault(f"missing fields {missing}, unknown fields {unknown}")
    for name, value in body.items():
        if not isinstance(value, _TYPES[name]) or isinstance(value, bool):
            raise fault(f"field {name} has the type {type(value).__name__}")
    digest = body.pop("digest")
    if digest != sha256(body):
        raise fault(f"it was edited, as its digest is {sha256(body)[:16]} and it states {digest[:16]}")
    try:
        record = Record(**{**body, "spec": Spec(**body["spec"])})
    except TypeError as error:
        raise fault(str(error)) from None
    for name, value in record.metrics.items():
        if name.endswith("accuracy") and not (value is None or 0 <= value <= 1):
            raise fault(f"metric {name} is {value}, expected a number in [0, 1]")
    lengths = {len(values) for values in record.history.values()}
    if len(lengths) > 1:
        raise fault(f"its history has lists of {sorted(lengths)} values, expected one length")
    return record


@dataclass(frozen=True)
class Store:
    """The records under one folder."""

    root: Path

    @classmethod
    def default(cls) -> "Store":
        """``$WORKED_STORE``, else ``results/`` of the checkout that holds the package, else of the working folder."""
        named = os.environ.get("WORKED_STORE")
        if named:
            return cls(Path(named))
        checkout = Path(__file__).resolve().parents[2]
        return cls((checkout if (checkout / "_config.yml").is_file() else Path.cwd()) / "results")

    def path(self, spec: Spec) -> Path:
        """Where the record of ``spec`` lies."""
        return self.root / spec.study / f"{spec.key}.json"

    def weights_path(self, spec: Spec) -> Path:
        """Where the weights of ``spec`` lie."""
        return self.path(spec).with_suffix(".safetensors")

    def read(self, spec: Spec) -> Record | None:
        """The record of ``spec``, None where there is none; ``RecordError`` where it is damaged."""
        path = self.path(spec)
        return self._read(path) if path.exists() else None

    def read_if_sound(self, spec: Spec) -> Record | None:
        """The record of ``spec``, None where there is none or it is damaged."""
        try:
            return self.read(spec)
        except RecordError:
            return None

    def _read(self, path: Path) -> Record:
        try:
            record = parse(path.read_text(encoding="utf-8"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise RecordError(f"{path} cannot be read: {error}") from None
        if record.key != path.stem:
            raise RecordError(f"{path} holds the record {record.key}; a record's name is the key of its spec")
        return record

    def records(self, study: str) -> Iterator[Record]:
        """Every record of ``study``, in the order of their keys."""
        for path in sorted((self.root / study).glob("*.json")):
            yield self._read(path)

    def readable(self, study: str) -> Iterator[Record]:
        """Every record of ``study`` that is not damaged."""
        for path in sorted((self.root / study).glob("*.json")):
            try:
                yield self._read(path)
            except RecordError:
                continue

    def write(self, record: Record, weights: Mapping[str, Any] | None = None) -> Path:
        """Store ``record``, its weights first, so that a record is never there without them."""
        path = self.path(record.spec)
        text = json.dumps(record.as_json(), indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"
        parse(text, str(path))  # what is written must be readable
        if weights:
            from safetensors.torch import save

            write_atomically(self.weights_path(record.spec), save(dict(weights)))
        write_atomically(path, text.encode())
        return path

    def set_aside(self, spec: Spec) -> Path:
        """Rename a damaged record, so that its place is free and nothing is lost."""
        path = self.path(spec)
        for n in range(1, 1000):
            aside = path.with_name(f"{path.name}.damaged-{n}")
            if not aside.exists():
                return path.rename(aside)
        raise RecordError(f"{path} has 999 damaged copies beside it; remove them")


def write_atomically(path: Path, content: bytes) -> None:
    """Write ``content`` so that ``path`` holds the old or the new content, whatever happens."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def read_json(path: Path) -> dict[str, Any]:
    """The object in a small file beside the records, empty where there is no file; ``RecordError`` if damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except ValueError as error:
        raise RecordError(f"{path} is damaged ({error}): restore it from git, or remove it") from None
