"""Image sets as tensors: uint8 images [N, C, H, W] and int64 labels [N].

`load(name, split)` reads the best source present under `root()`, and writes nothing:

- `official`: torchvision's files (`MNIST/raw`, `cifar-10-batches-py`, ...), or what `fetch` kept of them;
- `mirror`, `reduced`: `prepared/<name>.safetensors`, the official splits from elsewhere, or a part of them;
- `generated`: a stand-in, only with `load(name, split, source="generated")`, never chosen otherwise.

Where `source` is named, that one alone will do: a record is replayed on what it was measured on.
Every file is checked when it is read: size, shapes, types, label range, counts, and checksum where known.
"""

import difflib
import errno
import hashlib
import importlib
import math
import os
import shutil
import socket
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from worked.records import write_atomically
from worked.textures import textures

if TYPE_CHECKING:
    import torch

SOURCES = ("official", "mirror", "reduced", "generated")  # best first
SPLITS = ("train", "test")

Arrays = tuple[np.ndarray, np.ndarray]  # images uint8 [N, C, H, W], labels int64 [N]


class DataError(RuntimeError):
    """Data is missing, damaged or not what it should be; the message is one sentence that says what to do."""


@dataclass(frozen=True)
class ImageSet:
    """What is known of a set before it is read."""

    title: str  # its class in torchvision.datasets
    shape: tuple[int, int, int]  # channels, height, width
    counts: Mapping[str, int]  # official number of images of each split
    class_names: tuple[str, ...]
    files: tuple[str, ...]  # torchvision's files, relative to the root


def _mnist(title: str, class_names: tuple[str, ...]) -> ImageSet:
    parts = [f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
    counts = {"train": 60_000, "test": 10_000}
    return ImageSet(title, (1, 28, 28), counts, class_names, tuple(f"{title}/raw/{part}" for part in parts))


_DIGITS = tuple("0123456789")
_CLOTHES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
_BATCHES = (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch", "batches.meta")

SETS: dict[str, ImageSet] = {
    "mnist": _mnist("MNIST", _DIGITS),
    "fashion_mnist": _mnist("FashionMNIST", _CLOTHES),
    "kmnist": _mnist("KMNIST", ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")),
    "cifar10": ImageSet(
        "CIFAR10",
        (3, 32, 32),
        {"train": 50_000, "test": 10_000},
        ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
        tuple(f"cifar-10-batches-py/{batch}" for batch in _BATCHES),
    ),
    "svhn": ImageSet(
        "SVHN",
        (3, 32, 32),
        {"train": 73_257, "test": 26_032},
        _DIGITS,
        ("train_32x32.mat", "test_32x32.mat"),
    ),
}

# MD5 of the unpacked files; torchvision knows the archives' only. For KMNIST's train files none is published.
RAW_MD5 = {
    "FashionMNIST/raw/t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
    "FashionMNIST/raw/t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
    "FashionMNIST/raw/train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    "FashionMNIST/raw/train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
    "KMNIST/raw/t10k-images-idx3-ubyte": "bf305b8cd328700fbc17f5acbc2856d2",
    "KMNIST/raw/t10k-labels-idx1-ubyte": "9f55f451c0988b028eccdf7d5cc265ab",
    "MNIST/raw/t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "MNIST/raw/t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    "MNIST/raw/train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "MNIST/raw/train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
}


@dataclass(frozen=True, eq=False)
class Split:
    """One split of a set, in memory."""

    name: str
    split: str  # "train" or "test"; "validation" where cut from train
    images: "torch.Tensor"  # uint8 [N, C, H, W]
    labels: "torch.Tensor"  # int64 [N], from 0 to len(class_names) - 1
    class_names: tuple[str, ...]
    source: str  # one of SOURCES
    note: str  # how it differs from the official split; "" where it does not

    @cached_property
    def fingerprint(self) -> str:
        """The SHA-256 of images and labels, in hexadecimal; see the function `fingerprint`."""
        return fingerprint(self.images.numpy(), self.labels.numpy())

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Status:
    """One set from one source, as it lies on the disk."""

    name: str
    source: str  # "" where nothing is there
    counts: tuple[int, ...]  # images of train and test
    fingerprints: tuple[str, ...]  # of train and test
    path: Path | None
    problem: str  # why it cannot be loaded; "" where it can


def root() -> Path:
    """Return the folder of all data: `$WORKED_DATA`, else `~/.cache/worked/data`."""
    return Path(os.environ.get("WORKED_DATA") or "~/.cache/worked/data").expanduser()


def names() -> tuple[str, ...]:
    """Return the names that `load` knows."""
    return tuple(SETS)


def fingerprint(images: np.ndarray, labels: np.ndarray) -> str:
    """Return the SHA-256 of type, shape and bytes (little-endian) of images, then labels, in hexadecimal."""
    digest = hashlib.sha256()
    for array in (images, labels):
        digest.update(f"{array.dtype.name} {list(array.shape)}\n".encode())
        digest.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data)
    return digest.hexdigest()


def load(name: str, split: str, *, source: str | None = None) -> Split:
    """Load one split from the best source present, or from `source` alone.

    `source="generated"` needs no data: without a file `generated/<name>.safetensors` the images that
    `generate(name)` would write are made in memory.

    Raises:
        DataError: unknown name, split or source; nothing present; a file damaged or of wrong counts.
    """
    import torch

    known = _known(name)
    if split not in SPLITS:
        raise DataError(f"No split of {name} is called {split!r}: use 'train' or 'test'.")
    if source is not None and source not in SOURCES:
        raise DataError(f"No source is called {source!r}: use one of {', '.join(SOURCES)}.")
    (images, labels), found, note = _find(name, split, source)
    return Split(name, split, torch.from_numpy(images), torch.from_numpy(labels), known.class_names, found, note)


def split_train_validation(train: Split, validation_size: int, *, seed: int) -> tuple[Split, Split]:
    """Cut `validation_size` images, chosen at random, off a train split: returns the rest and the chosen.

    The choice depends on the seed and the number of images only, on every device.

    Raises:
        DataError: one of the two would be empty.
    """
    import torch

    if not 0 < validation_size < len(train):
        raise DataError(f"Cannot cut {validation_size} validation images off {len(train)}: use 1 to {len(train) - 1}.")
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))
    held, rest = order[:validation_size], order[validation_size:]
    return (
        replace(train, images=train.images[rest], labels=train.labels[rest]),
        replace(train, split="validation", images=train.images[held], labels=train.labels[held]),
    )


# --- reading ---


def _known(name: str) -> ImageSet:
    if name in SETS:
        return SETS[name]
    near = difflib.get_close_matches(name.lower().replace("-", "_"), SETS, n=1)
    hint = f"did you mean {near[0]}?" if near else f"use one of {', '.join(SETS)}."
    raise DataError(f"No image set is called {name!r}: {hint}")


def _find(name: str, split: str, source: str | None) -> tuple[Arrays, str, str]:
    """Read a split from the best source present: arrays, source, note."""
    if source == "generated":
        path = _generated(name)
        return _read(path, name, split) if path.is_file() else _made(name, split)
    present = []
    for found, place in _present(name):
        if source in (None, found):
            return _read(place, name, split)
        present.append(found)
    raise DataError(_missing(name, source, present))


def _present(name: str) -> Iterator[tuple[str, Path]]:
    """Give each source present, best first, with its prepared file, or the root for torchvision's files."""
    if not _absent(name):
        yield "official", root()
    folder = root() / "prepared"
    paths = [folder / f"{name}.safetensors", *(folder / f"{name}-{source}.safetensors" for source in SOURCES)]
    prepared = [(_metadata(path, name)["source"], path) for path in paths if path.is_file()]
    yield from sorted(prepared, key=lambda row: SOURCES.index(row[0]))


def _absent(name: str) -> list[str]:
    """List the torchvision files of a set that are not there."""
    return [file for file in SETS[name].files if not (root() / file).is_file()]


def _generated(name: str) -> Path:
    return root() / "generated" / f"{name}.safetensors"


def _missing(name: str, source: str | None, present: list[str]) -> str:
    absent = _absent(name)
    there = f" (there is {' and '.join(present)})" if present else ""
    if len(absent) < len(SETS[name].files):
        there += f" (torchvision's {', '.join(absent)} missing)" if absent else ""
    return (
        f"No {f'{source} ' if source else ''}data of {name} under {root()}{there}:"
        f" run `worked data fetch {name}`, or set $WORKED_DATA to the folder that holds it."
    )


def _read(place: Path, name: str, split: str) -> tuple[Arrays, str, str]:
    if place.suffix == ".safetensors":
        return _read_prepared(place, name, split)
    return _read_official(place, name, split), "official", ""


def _damaged(path: Path, name: str, *, expected: str, came: str) -> DataError:
    again = "generate" if path == _generated(name) else "fetch"
    return DataError(f"{path}: expected {expected}, got {came}; delete it and run `worked data {again} {name}`.")


def _unreadable(path: Path, error: OSError) -> DataError:
    return DataError(f"Cannot read {path}: {error.strerror or error}; check its permissions and its disk.")


def _read_official(folder: Path, name: str, split: str) -> Arrays:
    known = SETS[name]
    if len(known.files) == 4:  # IDX files: images, labels of train, then of test
        files = known.files[:2] if split == "train" else known.files[2:]
        images, labels = (_read_idx(folder, file, name) for file in files)
        return _checked(images[:, None], labels, name, split, "official", folder / files[0])
    path = folder / (f"{split}_32x32.mat" if name == "svhn" else "cifar-10-batches-py")
    images, labels = _read_torchvision(folder, name, split, path)
    return _checked(images, labels, name, split, "official", path)


def _read_idx(folder: Path, file: str, name: str) -> np.ndarray:
    """Read an IDX file of unsigned bytes: 0, 0, 8, rank, a big-endian uint32 for each axis, values.

    Its own reader, since torchvision's takes seconds to import and compares no checksum of unpacked files.
    """
    path = folder / file
    try:
        raw = np.fromfile(path, np.uint8)
    except OSError as error:
        raise _unreadable(path, error) from error
    rank = 3 if "idx3" in file else 1
    start = 4 + 4 * rank
    if raw[:4].tolist() != [0, 0, 8, rank] or len(raw) < start:
        raise _damaged(path, name, expected=f"an IDX file of rank {rank}", came=f"{len(raw)} other bytes")
    shape = raw[4:start].view(">u4").tolist()
    size = start + math.prod(shape)
    if len(raw) != size:
        raise _damaged(path, name, expected=f"{size} bytes for shape {shape}", came=f"{len(raw)} bytes")
    md5 = hashlib.md5(raw.data, usedforsecurity=False).hexdigest()
    if RAW_MD5.get(file, md5) != md5:
        raise _damaged(path, name, expected=f"MD5 {RAW_MD5[file]}", came=md5)
    return raw[start:].reshape(shape)


def _read_torchvision(folder: Path, name: str, split: str, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read CIFAR-10 or SVHN with torchvision, which compares each file's MD5 before it opens it."""
    dataset_class = _dataset_class(name)
    try:
        if name == "svhn":
            dataset = dataset_class(folder, split=split)
            return np.ascontiguousarray(dataset.data), dataset.labels
        with warnings.catch_warnings():
            # NumPy 2.4.0 to 2.4.4 warn of CIFAR-10's old pickles, which are sound.
            warnings.filterwarnings("ignore", r"dtype\(\): align", UserWarning)
            dataset = dataset_class(folder, train=split == "train")
        return np.ascontiguousarray(dataset.data.transpose(0, 3, 1, 2)), np.array(dataset.targets)
    except Exception as error:  # a damaged pickle or .mat file can raise anything
        raise _damaged(path, name, expected="what torchvision downloads", came=_reason(error)) from error


def _dataset_class(name: str) -> Any:
    return getattr(importlib.import_module("torchvision.datasets"), SETS[name].title)


def _metadata(path: Path, name: str) -> dict[str, str]:
    """Read the metadata of a prepared file, and check its name and source."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as file:
            metadata = file.metadata() or {}
    except SafetensorError as error:
        raise _damaged(path, name, expected="a safetensors file", came=_reason(error)) from error
    except OSError as error:
        raise _unreadable(path, error) from error
    sources = SOURCES[-1:] if path == _generated(name) else SOURCES[:-1]  # a stand-in stays in its own folder
    if metadata.get("name") != name or metadata.get("source") not in sources:
        expected = f"name {name!r} and source {' or '.join(map(repr, sources))}"
        came = f"{metadata.get('name')!r} and {metadata.get('source')!r}"
        raise _damaged(path, name, expected=expected, came=came)
    return metadata


def _read_prepared(path: Path, name: str, split: str) -> tuple[Arrays, str, str]:
    from safetensors import SafetensorError, safe_open

    metadata = _metadata(path, name)
    source = metadata["source"]
    try:
        with safe_open(path, "numpy") as file:
            images, labels = file.get_tensor(f"{split}_images"), file.get_tensor(f"{split}_labels")
    except SafetensorError as error:
        raise _damaged(path, name, expected=f"{split} images and labels", came=_reason(error)) from error
    arrays = _checked(images, labels, name, split, source, path)
    stored = metadata.get(f"{split}_fingerprint")
    if stored and stored != fingerprint(*arrays):
        raise _damaged(path, name, expected=f"fingerprint {stored}", came=fingerprint(*arrays))
    return arrays, source, metadata.get("note", "")


def _checked(images: np.ndarray, labels: np.ndarray, name: str, split: str, source: str, path: Path) -> Arrays:
    """Return images and int64 labels after checking types, shapes, count and label range.

    Raises:
        DataError: the first of them that differs, with the file.
    """
    known = SETS[name]
    shape = ", ".join(map(str, known.shape))
    if images.dtype != np.uint8 or images.shape[1:] != known.shape:
        came = f"{images.dtype} {list(images.shape)}"
        raise _damaged(path, name, expected=f"{split} images uint8 [N, {shape}]", came=came)
    if labels.dtype.kind not in "ui" or labels.shape != images.shape[:1]:
        came = f"{labels.dtype} {list(labels.shape)}"
        raise _damaged(path, name, expected=f"{split} labels uint8 [{len(images)}]", came=came)
    whole = source in ("official", "mirror")
    if len(images) == 0 or (whole and len(images) != known.counts[split]):
        expected = f"{known.counts[split] if whole else 'some'} {source} {split} images"
        raise _damaged(path, name, expected=expected, came=str(len(images)))
    last = len(known.class_names) - 1
    if labels.min() < 0 or labels.max() > last:
        came = f"{labels.min()} to {labels.max()}"
        raise _damaged(path, name, expected=f"{split} labels from 0 to {last}", came=came)
    return images, labels.astype(np.int64)


def _reason(error: BaseException) -> str:
    """Return an exception's message on one line."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


# --- writing: under another name, synced, renamed, so that a file is whole or absent ---


def fetch(name: str) -> Path:
    """Make the official data present: torchvision downloads it and checks it, a prepared file keeps it.

    Downloads nothing where the official data is present and sound. A prepared file of a lesser source stays,
    as `<name>-<source>.safetensors`. Returns the file or the root that holds the official data.

    Raises:
        DataError: no network, a checksum that differs, no room, or files present that are damaged.
    """
    _known(name)
    found, place = next(_present(name), ("", root()))
    if found == "official":
        for split in SPLITS:
            _read(place, name, split)
        return place
    target = root() / "prepared" / f"{name}.safetensors"
    with _writing(root()), _working_folder(name) as folder:
        _download(name, folder)
        arrays = {split: _read_official(folder, name, split) for split in SPLITS}
        if target.is_file():
            os.replace(target, target.with_stem(f"{name}-{_metadata(target, name)['source']}"))
        _save(target, name, "official", "", arrays)
    return target


def generate(name: str, *, seed: int = 0, train: int = 2_000, test: int = 500) -> Path:
    """Write the generated stand-in of a set (see `textures`), and return its file.

    Raises:
        DataError: unknown name, or the file cannot be written.
    """
    known = _known(name)
    made = textures(known.shape, len(known.class_names), (train, test), seed=seed)
    path = _generated(name)
    with _writing(path.parent):
        _save(path, name, "generated", _GENERATED_NOTE, dict(zip(SPLITS, made, strict=True)))
    return path


_GENERATED_NOTE = "Generated textures, not photographs: for trying the code, not for measuring."


def _made(name: str, split: str) -> tuple[Arrays, str, str]:
    """Make in memory what `generate(name)` would write."""
    known = SETS[name]
    made = textures(known.shape, len(known.class_names), (2_000, 500), seed=0)
    return made[SPLITS.index(split)], "generated", _GENERATED_NOTE


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Turn a failed write (no room, no permission) into a DataError."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"Cannot write under {folder}: {_reason(error)}; make room there, or set $WORKED_DATA elsewhere."
        ) from error


@contextmanager
def _working_folder(name: str) -> Iterator[Path]:
    """Give one process an empty folder under the root; what a killed fetch left there goes first."""
    import fcntl  # here, so that loading works where there is none

    held = root() / f"{name}.partial"
    held.mkdir(parents=True, exist_ok=True)
    handle = os.open(held, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the kernel releases it when the process ends
        except BlockingIOError:
            raise DataError(f"Another process is fetching {name} into {root()}: wait for it to end.") from None
        try:
            shutil.rmtree(held / "files", ignore_errors=True)
            (held / "files").mkdir()
            yield held / "files"
        finally:
            shutil.rmtree(held, ignore_errors=True)
    finally:
        os.close(handle)


_LOCAL = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO}


def _download(name: str, folder: Path) -> None:
    """Download and unpack torchvision's files of a set into a folder."""
    dataset_class = _dataset_class(name)
    settings: list[dict[str, str]] = [{"split": split} for split in SPLITS] if name == "svhn" else [{}]
    patience = socket.getdefaulttimeout()
    socket.setdefaulttimeout(60)  # seconds; torchvision sets none, and a silent server would hang it
    try:
        for setting in settings:
            dataset_class(folder, download=True, **setting)
    except (OSError, RuntimeError, HTTPException, EOFError) as error:
        if isinstance(error, OSError) and error.errno in _LOCAL:
            raise
        raise DataError(
            f"Cannot download {name}: {_reason(error)}; check the network and try again, or put torchvision's"
            f" files ({SETS[name].files[0]}, ...) under {root()}."
        ) from error
    finally:
        socket.setdefaulttimeout(patience)


def _save(path: Path, name: str, source: str, note: str, splits: Mapping[str, Arrays]) -> None:
    """Write a prepared file, with the fingerprint of each split in its metadata."""
    from safetensors.numpy import save

    tensors: dict[str, np.ndarray] = {}
    metadata = {"name": name, "source": source, "note": note}
    for split, (images, labels) in splits.items():
        # In memory order, which is all that safetensors writes.
        tensors |= {f"{split}_images": np.ascontiguousarray(images), f"{split}_labels": labels.astype(np.uint8)}
        metadata[f"{split}_fingerprint"] = fingerprint(images, labels)
    write_atomically(path, save(tensors, metadata))


# --- looking ---


def status() -> list[Status]:
    """List what is present, the best source first; one row for a name of which nothing is there."""
    rows: list[Status] = []
    for name in SETS:
        found = []
        try:
            for source, place in _present(name):
                found.append(_status(name, source, place))
        except DataError as error:
            found.append(Status(name, "", (), (), None, str(error)))
        if _generated(name).is_file():
            found.append(_status(name, "generated", _generated(name)))
        rows += found or [Status(name, "", (), (), None, _missing(name, None, []))]
    return rows


def _status(name: str, source: str, place: Path) -> Status:
    path = (place / SETS[name].files[0]).parent if place == root() else place
    try:
        arrays = [_read(place, name, split)[0] for split in SPLITS]
    except DataError as error:
        return Status(name, source, (), (), path, str(error))
    counts = tuple(len(labels) for _, labels in arrays)
    return Status(name, source, counts, tuple(fingerprint(*pair) for pair in arrays), path, "")
