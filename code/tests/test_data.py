"""Loading, fetching and generating image sets, on files made by hand in torchvision's layout."""

import errno
import fcntl
import hashlib
import io
import os
import pickle
import resource
import signal
import socket
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import scipy.io
import torch
import torchvision.datasets
from safetensors.numpy import load_file, save_file
from torch import nn
from torch.nn import functional as F

from worked import data
from worked.textures import textures

COUNTS = {"train": 20, "test": 10}
REAL = Path(os.environ.get("WORKED_DATA") or "/nowhere")
NAMES = list(data.SETS)


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Return an empty data root; sets have a few images, and no checksum is known."""
    folder = tmp_path / "root"
    monkeypatch.setenv("WORKED_DATA", str(folder))
    monkeypatch.setattr(data, "SETS", {name: replace(known, counts=COUNTS) for name, known in data.SETS.items()})
    monkeypatch.setattr(data, "RAW_MD5", {})
    return folder


def drawn(name, split="train", *, seed=0):
    """Return random images uint8 [N, C, H, W] and labels int64 [N]."""
    rng = np.random.default_rng([seed, len(split)])
    shape = (COUNTS[split], *data.SETS[name].shape)
    return rng.integers(0, 256, shape, dtype=np.uint8), rng.permutation(np.arange(shape[0]) % 10)


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return header + array.astype(np.uint8).tobytes()


def md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


def write_official(folder, name, monkeypatch):
    """Write a set as torchvision unpacks it, and make torchvision expect the checksums of these files."""
    arrays = {split: drawn(name, split) for split in data.SPLITS}
    paths = [Path(folder) / file for file in data.SETS[name].files]
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    if name == "svhn":
        known = {}
        for path, (split, (images, labels)) in zip(paths, arrays.items(), strict=True):
            digits = np.where(labels == 0, 10, labels)[:, None]  # SVHN calls the digit 0 class 10
            scipy.io.savemat(path, {"X": images.transpose(2, 3, 1, 0), "y": digits.astype(np.uint8)})
            known[split] = ["", path.name, md5(path)]
        monkeypatch.setattr(torchvision.datasets.SVHN, "split_list", known)
    elif name == "cifar10":
        images, labels = arrays["train"]
        batches = [(images[k : k + 4], labels[k : k + 4]) for k in range(0, 20, 4)]
        contents = [
            {"data": images.reshape(len(images), -1), "labels": labels.tolist()}
            for images, labels in [*batches, arrays["test"]]
        ]
        for path, content in zip(paths, [*contents, {"label_names": []}], strict=True):
            path.write_bytes(pickle.dumps(content))
        known = [[path.name, md5(path)] for path in paths]
        monkeypatch.setattr(torchvision.datasets.CIFAR10, "train_list", known[:5])
        monkeypatch.setattr(torchvision.datasets.CIFAR10, "test_list", known[5:6])
        meta = {"filename": known[6][0], "key": "label_names", "md5": known[6][1]}
        monkeypatch.setattr(torchvision.datasets.CIFAR10, "meta", meta)
    else:
        parts = [part for images, labels in arrays.values() for part in (images[:, 0], labels)]
        for path, part in zip(paths, parts, strict=True):
            path.write_bytes(idx(part))
    return arrays


def write_prepared(folder, name, source="mirror", *, file=None, metadata=None, drop=(), **changes):
    """Write a prepared file; `changes` replace its tensors, `drop` names those left out."""
    tensors = {}
    for split in data.SPLITS:
        images, labels = drawn(name, split, seed=1)
        tensors |= {f"{split}_images": images, f"{split}_labels": labels.astype(np.uint8)}
    tensors = {key: value for key, value in (tensors | changes).items() if key not in drop}
    path = folder / (file or f"prepared/{name}.safetensors")
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, {"name": name, "source": source, "note": f"made as {source}"} | (metadata or {}))
    return path


def same(split, arrays):
    return np.array_equal(split.images.numpy(), arrays[0]) and np.array_equal(split.labels.numpy(), arrays[1])


def refusal(function, *args, **settings):
    """Return the message of the DataError that a call raises, which must be one line."""
    with pytest.raises(data.DataError) as caught:
        function(*args, **settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def offer(monkeypatch, name):
    """Make torchvision's download write the files of a set instead of asking the network."""
    kind = getattr(torchvision.datasets, data.SETS[name].title)
    monkeypatch.setattr(kind, "download", lambda self: write_official(self.root, name, monkeypatch) and None)


# --- what is read ---


@pytest.mark.parametrize("name", NAMES)
def test_official_files_are_read_as_written(root, monkeypatch, name):
    arrays = write_official(root, name, monkeypatch)
    for split in data.SPLITS:
        loaded = data.load(name, split)
        assert same(loaded, arrays[split])
        assert (loaded.images.dtype, loaded.labels.dtype) == (torch.uint8, torch.int64)
        assert (loaded.name, loaded.split, loaded.source, loaded.note) == (name, split, "official", "")
        assert len(loaded) == COUNTS[split]


@pytest.mark.parametrize("name", NAMES)
def test_official_files_are_read_as_torchvision_reads_them(root, monkeypatch, name):
    write_official(root, name, monkeypatch)
    kind = getattr(torchvision.datasets, data.SETS[name].title)
    dataset = kind(root, split="test") if name == "svhn" else kind(root, train=False)
    loaded = data.load(name, "test")
    for image, label, (theirs, class_number) in zip(loaded.images, loaded.labels, dataset, strict=True):
        pixels = np.atleast_3d(np.array(theirs)).transpose(2, 0, 1)
        assert np.array_equal(image.numpy(), pixels)
        assert label == class_number


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "kmnist"])
def test_class_names_are_torchvisions(name):
    theirs = getattr(torchvision.datasets, data.SETS[name].title).classes
    assert data.SETS[name].class_names == tuple(label.split(" - ")[0] for label in theirs)


def test_numpys_warning_of_old_pickles_is_no_damage(root, monkeypatch):
    write_official(root, "cifar10", monkeypatch)
    unpickle = pickle.load

    def warn(*args, **settings):
        warnings.warn("dtype(): align should be passed as Python or NumPy boolean", UserWarning, stacklevel=2)
        return unpickle(*args, **settings)

    monkeypatch.setattr(pickle, "load", warn)
    assert len(data.load("cifar10", "test")) == 10


@pytest.mark.parametrize("source", ["official", "mirror", "reduced"])
def test_prepared_file_is_read_with_its_source_and_note(root, source):
    write_prepared(root, "cifar10", source)
    loaded = data.load("cifar10", "train")
    assert same(loaded, drawn("cifar10", seed=1))
    assert (loaded.source, loaded.note) == (source, f"made as {source}")


def test_reduced_set_may_have_any_count(root):
    images, labels = drawn("kmnist")
    few = {"train_images": images[:3], "train_labels": labels[:3].astype(np.uint8)}
    write_prepared(root, "kmnist", "reduced", **few)
    assert len(data.load("kmnist", "train")) == 3


def test_the_best_source_present_wins(root, monkeypatch):
    data.generate("mnist")
    write_prepared(root, "mnist", "reduced", file="prepared/mnist-reduced.safetensors")
    assert data.load("mnist", "train").source == "reduced"
    write_prepared(root, "mnist", "mirror")
    assert data.load("mnist", "train").source == "mirror"
    write_official(root, "mnist", monkeypatch)
    assert data.load("mnist", "train").source == "official"
    for source in ("official", "mirror", "reduced", "generated"):  # a named source is what comes
        assert data.load("mnist", "train", source=source).source == source


def test_a_damaged_lesser_file_does_not_hide_the_official_one(root, monkeypatch):
    write_official(root, "mnist", monkeypatch)
    write_prepared(root, "mnist").write_bytes(b"damaged")
    assert data.load("mnist", "train").source == "official"


def test_loading_writes_nothing(root, monkeypatch):
    write_official(root, "mnist", monkeypatch)
    write_prepared(root, "cifar10")
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    for name, source in (("mnist", None), ("cifar10", None), ("svhn", "generated")):
        data.load(name, "train", source=source)
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


# --- what is refused ---


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("fashionmnist", "did you mean fashion_mnist?"),
        ("Fashion-MNIST", "did you mean fashion_mnist?"),
        ("cifar", "did you mean cifar10?"),
        ("imagenet", "use one of mnist, fashion_mnist, kmnist, cifar10, svhn."),
        ("", "use one of mnist, fashion_mnist, kmnist, cifar10, svhn."),
    ],
)
@pytest.mark.parametrize("call", [lambda name: data.load(name, "train"), data.fetch, data.generate])
def test_unknown_name_is_answered_with_a_hint(root, call, name, hint):
    assert refusal(call, name) == f"No image set is called {name!r}: {hint}"


def test_unknown_split_and_source_are_named(root):
    assert "'validation': use 'train' or 'test'" in refusal(data.load, "mnist", "validation")
    assert "'best': use one of official, mirror" in refusal(data.load, "mnist", "train", source="best")


@pytest.mark.parametrize("name", NAMES)
def test_missing_data_says_what_to_do(root, name):
    data.generate(name)  # a stand-in is not an answer
    message = refusal(data.load, name, "test")
    for part in (f"data of {name}", str(root), f"`worked data fetch {name}`", "$WORKED_DATA"):
        assert part in message


def test_a_source_that_is_not_there_is_missing_though_another_is(root):
    write_prepared(root, "kmnist", "reduced")
    message = refusal(data.load, "kmnist", "test", source="official")
    assert "No official data of kmnist" in message
    assert "(there is reduced)" in message


def test_partly_present_official_files_do_not_count(root, monkeypatch):
    write_official(root, "kmnist", monkeypatch)
    for file in data.SETS["kmnist"].files[:2]:
        (root / file).unlink()
    assert "train-images-idx3-ubyte, KMNIST/raw/train-labels-idx1-ubyte missing" in refusal(data.load, "kmnist", "test")
    write_prepared(root, "kmnist", "reduced")
    assert data.load("kmnist", "test").source == "reduced"


IMAGES, LABELS = drawn("mnist")


@pytest.mark.parametrize(
    ("file", "content", "complaint"),
    [
        pytest.param(0, idx(IMAGES[:, 0])[:-1], "15696 bytes for shape [20, 28, 28], got 15695", id="truncated"),
        pytest.param(0, idx(IMAGES[:, 0]) + b"\0", "got 15697 bytes", id="too long"),
        pytest.param(0, b"", "expected an IDX file of rank 3, got 0 other bytes", id="empty"),
        pytest.param(0, b"<html>not found</html>", "expected an IDX file of rank 3", id="not IDX"),
        pytest.param(0, idx(LABELS), "expected an IDX file of rank 3", id="labels as images"),
        pytest.param(0, idx(IMAGES[:, 0, 1:]), "uint8 [N, 1, 28, 28], got uint8 [20, 1, 27, 28]", id="shape"),
        pytest.param(0, idx(IMAGES[:19, 0]), "labels uint8 [19], got uint8 [20]", id="fewer images"),
        pytest.param(1, idx(LABELS[:-1]), "labels uint8 [20], got uint8 [19]", id="fewer labels"),
        pytest.param(1, idx(LABELS + 1), "labels from 0 to 9, got 1 to 10", id="label out of range"),
    ],
)
def test_damaged_official_file_is_named(root, monkeypatch, file, content, complaint):
    write_official(root, "mnist", monkeypatch)
    write_prepared(root, "mnist", "reduced")  # what is damaged is not replaced in silence
    path = root / data.SETS["mnist"].files[file]
    path.write_bytes(content)
    message = refusal(data.load, "mnist", "train")
    assert str(path.parent) in message
    assert complaint in message
    assert message.endswith("delete it and run `worked data fetch mnist`.")
    assert refusal(data.fetch, "mnist") == message


def test_official_count_is_required(root, monkeypatch):
    write_official(root, "mnist", monkeypatch)
    more = replace(data.SETS["mnist"], counts={"train": 21, "test": 10})
    monkeypatch.setattr(data, "SETS", {"mnist": more})
    assert "expected 21 official train images, got 20" in refusal(data.load, "mnist", "train")


def test_checksum_of_unpacked_files_is_compared(root, monkeypatch):
    write_official(root, "mnist", monkeypatch)
    file = data.SETS["mnist"].files[0]
    monkeypatch.setattr(data, "RAW_MD5", {file: md5(root / file)})
    data.load("mnist", "train")
    raw = bytearray((root / file).read_bytes())
    raw[-1] ^= 1
    (root / file).write_bytes(raw)
    assert "expected MD5" in refusal(data.load, "mnist", "train")


@pytest.mark.parametrize(
    ("name", "file", "named"),
    [
        ("cifar10", "cifar-10-batches-py/data_batch_3", "cifar-10-batches-py"),
        ("svhn", "train_32x32.mat", "train_32x32.mat"),
    ],
)
def test_checksums_of_cifar_and_svhn_are_compared(root, monkeypatch, name, file, named):
    write_official(root, name, monkeypatch)
    raw = (root / file).read_bytes()
    (root / file).write_bytes(raw[:-1])
    message = refusal(data.load, name, "train")
    assert message.startswith(f"{root / named}: expected what torchvision downloads")
    assert "corrupted" in message


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        pytest.param({"drop": ["train_labels"]}, "expected train images and labels", id="tensor missing"),
        pytest.param({"train_images": IMAGES / 255}, "uint8 [N, 1, 28, 28], got float64", id="type"),
        pytest.param({"train_images": IMAGES[:, 0]}, "got uint8 [20, 28, 28]", id="shape"),
        pytest.param({"train_labels": LABELS / 1}, "labels uint8 [20], got float64", id="label type"),
        pytest.param({"train_labels": LABELS[:9]}, "labels uint8 [20], got int64 [9]", id="fewer labels"),
        pytest.param({"train_labels": LABELS - 1}, "labels from 0 to 9, got -1 to 8", id="label out of range"),
        pytest.param(
            {"train_images": IMAGES[:9], "train_labels": LABELS[:9]}, "20 mirror train images, got 9", id="count"
        ),
        pytest.param(
            {"source": "reduced", "train_images": IMAGES[:0], "train_labels": LABELS[:0]},
            "expected some reduced train images, got 0",
            id="no images",
        ),
        pytest.param({"metadata": {"name": "kmnist"}}, "expected name 'mnist'", id="another set"),
        pytest.param({"source": "official?"}, "got 'mnist' and 'official?'", id="unknown source"),
        pytest.param({"source": "generated"}, "got 'mnist' and 'generated'", id="stand-in in disguise"),
        pytest.param({"metadata": {"train_fingerprint": "0" * 64}}, f"fingerprint {'0' * 64}", id="fingerprint"),
    ],
)
def test_damaged_prepared_file_is_named(root, settings, complaint):
    path = write_prepared(root, "mnist", **settings)
    message = refusal(data.load, "mnist", "train")
    assert message.startswith(f"{path}: ")
    assert complaint in message


@pytest.mark.parametrize("content", [b"", b"damaged", None], ids=["empty", "not safetensors", "truncated"])
def test_prepared_file_that_is_no_safetensors_is_named(root, content):
    path = write_prepared(root, "mnist")
    path.write_bytes(path.read_bytes()[:-1] if content is None else content)
    assert f"{path}: expected a safetensors file" in refusal(data.load, "mnist", "train")


def test_one_flipped_bit_of_a_kept_file_is_seen(root):
    path = data.generate("mnist")
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    message = refusal(data.load, "mnist", "train", source="generated")
    assert "expected fingerprint" in message
    assert message.endswith("delete it and run `worked data generate mnist`.")


def test_unreadable_file_is_named(root, monkeypatch):
    write_official(root, "mnist", monkeypatch)

    def refuse(path, *_):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(np, "fromfile", refuse)
    assert "train-images-idx3-ubyte: Permission denied; check" in refusal(data.load, "mnist", "train")


# --- fetch ---


@pytest.mark.parametrize("name", NAMES)
def test_fetched_data_is_kept_prepared(root, monkeypatch, name):
    offer(monkeypatch, name)
    path = data.fetch(name)
    assert path == root / "prepared" / f"{name}.safetensors"
    assert [file for file in root.rglob("*") if file.is_file()] == [path]
    for split in data.SPLITS:
        loaded = data.load(name, split)
        assert same(loaded, drawn(name, split))
        assert loaded.source == "official"


def test_fetch_downloads_nothing_that_is_there(root, monkeypatch):
    write_official(root, "mnist", monkeypatch)
    monkeypatch.setattr(data, "_download", lambda *_: pytest.fail("downloaded"))
    assert data.fetch("mnist") == root


def test_fetch_keeps_the_lesser_file(root, monkeypatch):
    write_prepared(root, "kmnist", "reduced")
    offer(monkeypatch, "kmnist")
    data.fetch("kmnist")
    assert same(data.load("kmnist", "train"), drawn("kmnist"))
    assert same(data.load("kmnist", "train", source="reduced"), drawn("kmnist", seed=1))


@pytest.mark.parametrize("name", NAMES)
def test_no_network_is_one_sentence(root, monkeypatch, name):
    def refuse(*_, **__):
        raise URLError("Temporary failure in name resolution")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    message = refusal(data.fetch, name)
    assert message.startswith(f"Cannot download {name}: ")
    assert "Temporary failure in name resolution" in message
    assert "check the network" in message
    assert socket.getdefaulttimeout() is None
    assert not list(root.rglob("*partial*"))


@pytest.mark.parametrize("name", NAMES)
def test_download_with_another_checksum_is_refused(root, monkeypatch, name):
    class Answer(io.BytesIO):
        url, length = None, 7

    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: Answer(b"<html/>"))
    assert "corrupted" in refusal(data.fetch, name)
    assert not list(root.rglob("*.*"))


def test_download_of_the_wrong_content_is_refused(root, monkeypatch):
    offer(monkeypatch, "mnist")
    monkeypatch.setattr(data, "RAW_MD5", {data.SETS["mnist"].files[2]: "0" * 32})
    write_prepared(root, "mnist", "reduced")
    assert "expected MD5" in refusal(data.fetch, "mnist")
    assert data.load("mnist", "train").source == "reduced"


def test_full_disk_while_downloading_is_said(root, monkeypatch):
    def fill(self):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torchvision.datasets.MNIST, "download", fill)
    message = refusal(data.fetch, "mnist")
    assert message.startswith(f"Cannot write under {root}: ")
    assert "No space left" in message


def test_full_disk_while_writing_loses_nothing(root):
    """A limit on the size of files stands for the full disk: the write fails half-way."""
    path = data.generate("mnist", train=20, test=10)
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        message = refusal(data.generate, "mnist", seed=1, train=20, test=10)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert message.startswith(f"Cannot write under {path.parent}: ")
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


KILLED = """
import os, signal
from pathlib import Path
from worked import data

class Half:
    def __init__(self, folder, download):
        raw = Path(folder) / "MNIST/raw"
        raw.mkdir(parents=True)
        (raw / "train-images-idx3-ubyte").write_bytes(bytes([0, 0, 8, 3]))
        os.kill(os.getpid(), signal.SIGKILL)

data._dataset_class = lambda name: Half
data.fetch("mnist")
"""


def test_killed_fetch_leaves_nothing_that_is_trusted(root, monkeypatch):
    write_prepared(root, "mnist", "reduced")
    killed = subprocess.run([sys.executable, "-c", KILLED], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert list(root.glob("*.partial")) == [root / "mnist.partial"]
    assert data.load("mnist", "train").source == "reduced"
    offer(monkeypatch, "mnist")
    data.fetch("mnist")
    assert same(data.load("mnist", "train"), drawn("mnist"))
    assert not list(root.glob("*.partial"))


def test_second_fetch_at_once_is_refused(root, monkeypatch):
    offer(monkeypatch, "mnist")
    held = root / "mnist.partial"
    held.mkdir(parents=True)
    handle = os.open(held, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        assert "Another process is fetching mnist" in refusal(data.fetch, "mnist")
        assert held.is_dir()
    finally:
        os.close(handle)
    data.fetch("mnist")


# --- status ---


def test_status_lists_what_is_there(root, monkeypatch):
    arrays = write_official(root, "mnist", monkeypatch)
    write_prepared(root, "mnist", "reduced")
    write_prepared(root, "cifar10").write_bytes(b"damaged")
    data.generate("svhn", train=30, test=20)
    rows = data.status()
    assert [(row.name, row.source) for row in rows] == [
        ("mnist", "official"),
        ("mnist", "reduced"),
        ("fashion_mnist", ""),
        ("kmnist", ""),
        ("cifar10", ""),
        ("svhn", "generated"),
    ]
    assert rows[0].counts == (20, 10)
    assert rows[0].fingerprints == tuple(data.fingerprint(*arrays[split]) for split in data.SPLITS)
    assert rows[0].path == root / "MNIST/raw"
    assert rows[5].counts == (30, 20)
    assert [bool(row.problem) for row in rows] == [False, False, True, True, True, False]
    assert "`worked data fetch kmnist`" in rows[3].problem
    assert "expected a safetensors file" in rows[4].problem


def test_status_shows_a_damaged_official_file(root, monkeypatch):
    write_official(root, "mnist", monkeypatch)
    (root / "MNIST/raw/t10k-labels-idx1-ubyte").write_bytes(b"")
    row = data.status()[0]
    assert (row.source, row.counts) == ("official", ())
    assert "t10k-labels-idx1-ubyte: expected an IDX file" in row.problem


def test_status_needs_no_torch(root):
    write_prepared(root, "cifar10")
    program = "import sys; from worked import data; data.status(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


# --- the generated stand-in ---


@pytest.mark.parametrize("name", NAMES)
def test_generated_file_equals_what_is_made_without_it(root, name):
    in_memory = data.load(name, "test", source="generated")
    data.generate(name)
    on_disk = data.load(name, "test", source="generated")
    assert on_disk.fingerprint == in_memory.fingerprint
    assert on_disk.source == in_memory.source == "generated"
    assert on_disk.note == in_memory.note != ""
    assert on_disk.images.shape == (500, *data.SETS[name].shape)
    assert on_disk.labels.bincount().tolist() == [50] * 10


def test_generated_images_depend_on_the_seed_only(root):
    first, again, other = (load_file(data.generate("mnist", seed=seed)) for seed in (0, 0, 1))
    assert all(np.array_equal(first[key], again[key]) for key in first)
    assert not np.array_equal(first["train_images"], other["train_images"])


def test_generated_images_need_a_convolution():
    """A small convolutional network learns them well, a linear model of the pixels less well."""
    (images, labels), (unseen, answers) = textures((1, 28, 28), 10, (2_000, 500), seed=0)
    x, y = (torch.from_numpy(array).float().sub(128).div(64) for array in (images, unseen))
    targets, answers = torch.from_numpy(labels), torch.from_numpy(answers)

    def accuracy(*layers):
        model = nn.Sequential(*layers)
        optimiser = torch.optim.Adam(model.parameters(), 3e-3)
        for _ in range(4):
            for batch in torch.randperm(len(x)).split(50):
                optimiser.zero_grad()
                F.cross_entropy(model(x[batch]), targets[batch]).backward()
                optimiser.step()
        with torch.no_grad():
            return (model(y).argmax(1) == answers).double().mean().item()

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        linear = accuracy(nn.Flatten(), nn.Linear(784, 10))
        convolution = accuracy(nn.Conv2d(1, 24, 7), nn.ReLU(), nn.MaxPool2d(7), nn.Flatten(), nn.Linear(24 * 9, 10))
    assert 0.5 < linear < 0.85
    assert convolution > 0.9


# --- fingerprints and validation splits ---


def test_fingerprint_is_the_documented_hash():
    images, labels = np.arange(6, dtype=np.uint8).reshape(1, 1, 2, 3), np.array([7])
    text = b"uint8 [1, 1, 2, 3]\n" + bytes(range(6)) + b"int64 [1]\n" + (7).to_bytes(8, "little")
    assert data.fingerprint(images, labels) == hashlib.sha256(text).hexdigest()
    known = "df6959aac640ecf584767fe3faa224fdcd505b2c8fc8a97a8becf9e5dc433b82"
    assert data.fingerprint(images, labels) == known
    assert data.fingerprint(images, labels.astype(">i8")) == data.fingerprint(images, labels)
    flipped = np.ascontiguousarray(images[..., ::-1])[..., ::-1]  # equal values in another memory order
    assert data.fingerprint(flipped, labels) == data.fingerprint(images, labels)


@pytest.mark.parametrize(
    "change",
    [
        lambda images, labels: (images ^ (np.arange(images.size).reshape(images.shape) == 5), labels),
        lambda images, labels: (images, labels[::-1]),
        lambda images, labels: (images.reshape(20, 1, 14, 56), labels),
        lambda images, labels: (images.view(np.int8), labels),
        lambda images, labels: (images, labels.astype(np.int32)),
        lambda images, labels: (images[:-1], labels[:-1]),
    ],
    ids=["one bit", "order of labels", "shape", "type", "type of labels", "one image less"],
)
def test_fingerprint_sees_every_change(change):
    images, labels = drawn("mnist")
    assert data.fingerprint(*change(images, labels)) != data.fingerprint(images, labels)


def test_validation_split_is_disjoint_complete_and_seeded(root):
    train = data.load("mnist", "train", source="generated")
    rest, held = data.split_train_validation(train, 300, seed=3)
    assert (len(rest), len(held)) == (1_700, 300)
    assert (rest.split, held.split, held.source) == ("train", "validation", "generated")

    def rows(split):
        return [
            pixels.tobytes() + bytes([label]) for pixels, label in zip(split.images.numpy(), split.labels, strict=True)
        ]

    assert sorted(rows(rest) + rows(held)) == sorted(rows(train))
    torch.manual_seed(0)  # the global generator has no say
    again, _ = data.split_train_validation(train, 300, seed=3)
    other, _ = data.split_train_validation(train, 300, seed=4)
    assert again.fingerprint == rest.fingerprint != other.fingerprint


@pytest.mark.parametrize("size", [-1, 0, 2_000, 2_001])
def test_validation_split_leaves_both_sides_some_images(root, size):
    train = data.load("mnist", "train", source="generated")
    assert "use 1 to 1999" in refusal(data.split_train_validation, train, size, seed=0)


# --- the real files, where they are ---


def real(name):
    there = all((REAL / file).is_file() for file in data.SETS[name].files)
    return pytest.mark.skipif(not there, reason=f"needs the official files of {name} under $WORKED_DATA")


@pytest.mark.data
@pytest.mark.parametrize("name", [pytest.param(name, marks=real(name)) for name in NAMES])
def test_real_files_are_official_and_equal_to_torchvisions(name):
    kind = getattr(torchvision.datasets, data.SETS[name].title)
    for split in data.SPLITS:
        loaded = data.load(name, split, source="official")
        dataset = kind(REAL, split=split) if name == "svhn" else kind(REAL, train=split == "train")
        labels = dataset.labels if name == "svhn" else dataset.targets
        assert torch.equal(loaded.labels, torch.as_tensor(labels))
        for k in (0, len(loaded) - 1):
            assert np.array_equal(np.atleast_3d(np.array(dataset[k][0])), loaded.images[k].permute(1, 2, 0))


@pytest.mark.data
@real("fashion_mnist")
def test_real_fashion_mnist_is_the_published_one():
    train = data.load("fashion_mnist", "train")
    assert train.labels.bincount().tolist() == [6_000] * 10
    assert train.fingerprint == "be05c56d6ea26c9bea002fe810a5c258fca89a3289a686cbb50276b45146f795"
