"""Break runs from outside: `python -m pytest tests/faults.py`. Minutes, so not part of the test suite.

The real command line runs in processes of its own; it is killed, starved of disk, and given damaged files. Each time
it has to say one sentence, exit with 1, keep what was measured, and leave nothing that a later command would trust.
"""

import json
import os
import pickle
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from worked import data
from worked.models import LeNet5

STUDY = "lenet5-regularization"
SMOKE = ["run", STUDY, "--profile", "smoke", "--workers", "1"]
TRAIN = ["train", "lenet5", "--regularization", "none", "--profile", "smoke", "--weights"]
TEST = ["test", "lenet5", "--profile", "smoke", "--weights"]


class Bench:
    """A store and a data root of their own, and the command line that uses them."""

    def __init__(self, folder: Path):
        self.store, self.data = folder / "store", folder / "data"
        self.data.mkdir(parents=True)
        nowhere = "http://127.0.0.1:9"  # a closed port: no command may reach the network
        self.environment = os.environ | {
            "WORKED_STORE": str(self.store),
            "WORKED_DATA": str(self.data),
            "OMP_NUM_THREADS": "1",
            **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), nowhere),
        }

    def start(self, *words: str | Path, file_limit: int | None = None) -> subprocess.Popen[str]:
        """Start a command; no file that it writes may grow beyond `file_limit` bytes."""

        def limit() -> None:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background job would ignore it
            if file_limit is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))

        return subprocess.Popen(
            [sys.executable, "-m", "worked", *map(str, words)],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=limit,
            start_new_session=True,
        )

    def run(self, *words: str | Path, **settings: int) -> tuple[int, str, str]:
        """Run a command to its end: exit status, standard output, standard error."""
        process = self.start(*words, **settings)
        output, errors = process.communicate(timeout=600)
        return process.returncode, output, errors

    def refusal(self, *words: str | Path, **settings: int) -> str:
        """Return the one sentence that a command says before it exits with 1."""
        status, _, errors = self.run(*words, **settings)
        return one_sentence(status, errors)

    def records(self) -> dict[str, bytes]:
        """Return the stored records and weights by name."""
        return {path.name: path.read_bytes() for path in self.store.rglob("*") if path.suffix in SUFFIXES}

    def litter(self) -> list[str]:
        """Return what lies in the store and is neither record nor weights."""
        files = [path for path in self.store.rglob("*") if path.is_file()]
        return [path.name for path in files if path.suffix not in SUFFIXES]


SUFFIXES = (".json", ".safetensors")


def one_sentence(status: int, errors: str) -> str:
    """Return the error of a command, which must be a line of its own beside the progress bar."""
    lines = [line for line in errors.replace("\r", "\n").splitlines() if line.strip() and "epoch" not in line]
    assert status == 1, errors
    assert "Traceback" not in errors
    assert [line for line in lines if not line.startswith("worked: ")] == []
    (sentence,) = lines
    return sentence


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Bench:
    """A store with the whole smoke profile."""
    bench = Bench(tmp_path_factory.mktemp("finished"))
    status, _, errors = bench.run(*SMOKE)
    assert status == 0, errors
    return bench


@pytest.fixture
def bench(finished, tmp_path) -> Bench:
    """A copy of the finished store, free to be broken."""
    copy = Bench(tmp_path)
    shutil.copytree(finished.store, copy.store)
    return copy


def run_records(bench: Bench) -> list[Path]:
    """Return the records of trainings, not of searches."""
    return [path for path in sorted(bench.store.rglob("*.json")) if '"search"' not in path.read_text()]


def wait_for(condition: Callable[[], object], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def children(process: int) -> list[int]:
    """Return the processes that a process has started."""
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def running(group: int) -> bool:
    """Whether any process of a group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


# --- killed ---


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda sent: sent.name)
def test_a_killed_run_keeps_its_finished_records(bench, sent):
    for path in run_records(bench)[:4]:
        path.unlink()
    before = bench.records()
    process = bench.start(*SMOKE)
    wait_for(lambda: len(list(bench.store.rglob("*.json"))) > sum(name.endswith(".json") for name in before))
    process.send_signal(sent)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    if sent == signal.SIGINT:
        assert "finished runs are stored" in one_sentence(process.returncode, errors)
    wait_for(lambda: not running(process.pid))
    kept = bench.records()
    assert len(kept) > len(before)
    assert {name: kept[name] for name in before} == before

    status, output, errors = bench.run(*SMOKE)
    assert status == 0, errors
    records = sum(name.endswith(".json") for name in kept)
    assert f"{12 - records} measured, {records} stored before" in output
    after = bench.records()
    assert {name: after[name] for name in kept} == kept
    assert not [name for name in bench.litter() if not name.endswith(".partial")]


def test_a_killed_search_goes_on_where_it_was(tmp_path):
    bench = Bench(tmp_path)
    process = bench.start(*SMOKE)
    wait_for(lambda: [path for path in bench.store.rglob("*.trials.partial") if path.stat().st_size])
    process.kill()
    process.communicate()
    wait_for(lambda: not running(process.pid))
    wait_for(lambda: not running(process.pid))
    # A search that was done when the kill came may have left its journal, too: the parent had not stored it.
    journal = max(bench.store.rglob("*.trials.partial"), key=lambda path: path.stat().st_mtime_ns)
    # A mark on the noted trial shows whether it is used or measured again; the kill may have cut a line short.
    entry = json.loads(journal.read_text().split("\n")[1])
    entry["trial"]["validation_accuracy"] = 0.0125
    journal.write_text(f'\n{json.dumps(entry)}\n{{"cut sh')
    status, output, errors = bench.run(*SMOKE)
    assert status == 0, errors
    assert "12 measured, 0 stored before" in output
    assert not journal.exists()
    record = json.loads(journal.with_name(journal.name.replace(".trials.partial", ".json")).read_text())
    assert [trial["validation_accuracy"] == 0.0125 for trial in record["trials"]] == [True, False]


SEARCH = """
import json, sys
from pathlib import Path
from worked.machine import prepare_process
from worked.measurement import Context
from worked.studies import mnist_search as mnist
prepare_process("cpu")
search = mnist.spec(mnist.PROFILES["smoke"], 3, search="bayes", epochs=1, rounds=42)
journal, result = map(Path, sys.argv[1:])
result.write_text(json.dumps(mnist.TRAINING.measure(search, Context("cpu", journal=journal)).trials))
"""


def test_a_bayesian_search_killed_in_round_40_goes_on_with_the_same_trials(tmp_path):
    def start(name: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", SEARCH, tmp_path / f"{name}.journal", tmp_path / name])

    def noted(name: str) -> int:
        journal = tmp_path / f"{name}.journal"
        return journal.read_text().count('"trial"') if journal.exists() else 0

    def trials(name: str) -> list[dict]:
        listed = json.loads((tmp_path / name).read_text())
        return [{key: value for key, value in trial.items() if "seconds" not in key} for trial in listed]

    unbroken, broken = start("unbroken"), start("broken")
    wait_for(lambda: noted("broken") >= 39, seconds=1800)
    broken.kill()
    assert broken.wait() == -signal.SIGKILL
    assert 39 <= noted("broken") < 42
    assert start("broken").wait() == unbroken.wait() == 0
    assert noted("broken") == 42  # none was trained twice
    assert trials("broken") == trials("unbroken")


def kill_a_worker(process: subprocess.Popen[str]) -> str:
    """Kill a process that measures for a command, and return what the command says."""

    def workers() -> list[int]:
        return [
            worker
            for child in children(process.pid)
            if b"forkserver" in Path(f"/proc/{child}/cmdline").read_bytes()  # they are its copies
            for worker in children(child)
        ]

    wait_for(workers)
    os.kill(workers()[0], signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    wait_for(lambda: not running(process.pid))
    return one_sentence(process.returncode, errors)


def test_a_killed_worker_is_said(bench):
    for path in run_records(bench)[:2]:
        path.unlink()
    before = bench.records()
    assert "was killed" in kill_a_worker(bench.start(*SMOKE))
    assert before.items() <= bench.records().items()


def test_a_killed_worker_of_a_replay_is_said(bench):
    before = bench.records()
    assert "was killed" in kill_a_worker(bench.start("replay", STUDY))
    assert before == bench.records()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("words", [SMOKE, ["replay", STUDY]], ids=["run", "replay"])
def test_a_command_that_is_stopped_as_it_starts_leaves_no_process(bench, words, how):
    for path in run_records(bench)[:1]:
        path.unlink()
    process = bench.start(*words)
    wait_for(lambda: len(children(process.pid)) >= 2)  # one is to import torch
    (os.killpg if how == signal.SIGINT else os.kill)(process.pid, how)  # Ctrl-C reaches the whole group
    _, errors = process.communicate(timeout=60)
    assert "KeyboardInterrupt" not in errors
    wait_for(lambda: not running(process.pid))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_benchmark_that_is_stopped_leaves_no_process_and_keeps_what_it_measured(bench, tmp_path, how):
    script, out = Path(__file__).parents[1] / "benchmarks" / "engine.py", tmp_path / "cpu.json"
    words = ["--images=256", "--rounds=1", "--generated", "--device=cpu", "--threads=1", f"--out={out}"]
    process = subprocess.Popen(
        [sys.executable, script, *words],
        env=bench.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_for(out.exists)  # the first network is measured
    time.sleep(3)  # the second is measured; a process is at work
    (os.killpg if how == signal.SIGINT else os.kill)(process.pid, how)
    _, errors = process.communicate(timeout=60)
    wait_for(lambda: not running(process.pid))
    assert "Traceback" not in errors
    assert (process.returncode, "engine.py: stopped" in errors) == (
        (130, True) if how == signal.SIGINT else (-9, False)
    )
    assert "LeNet-5" in json.loads(out.read_text())["measured"]


# --- full disk: a limit on the size of files makes a write fail half-way ---


@pytest.mark.parametrize("limit", [100, 1_000, 100_000], ids=["journal", "record", "weights"])
def test_a_full_disk_loses_no_record(bench, limit):
    if limit == 100:
        searches = [path for path in bench.store.rglob("*.json") if '"search"' in path.read_text()]
        searches[0].unlink()
    else:
        kept_weights = next(bench.store.rglob("*.safetensors"))
        kept_weights.with_suffix(".json").unlink()
        kept_weights.unlink()
    before = bench.records()
    sentence = bench.refusal(*SMOKE, file_limit=limit)
    assert "File too large" in sentence  # what a limit says in the place of "No space left on device"
    assert bench.records() == before
    assert not [name for name in bench.litter() if not name.endswith(".trials.partial")]
    status, output, _ = bench.run(*SMOKE)
    assert (status, "1 measured" in output) == (0, True)


def test_a_full_disk_leaves_old_weights_of_train(bench, tmp_path):
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(b"older weights")
    assert "File too large" in bench.refusal(*TRAIN, weights, file_limit=100_000)
    assert weights.read_bytes() == b"older weights"
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []


# --- damaged records ---


def edited(content: bytes) -> bytes:
    return content.replace(b'"seconds": ', b'"seconds": 1', 1)


DAMAGES = {
    "edited": edited,
    "truncated": lambda content: content[:-10],
    "empty": lambda content: b"",
    "not text": lambda content: b"\xff\xfe\x00",
    "a list": lambda content: b"[]",
    "NaN": lambda content: content.replace(b'"seconds": ', b'"seconds": NaN, "older": ', 1),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_record_is_named_and_not_used(bench, damage):
    path = run_records(bench)[0]
    path.write_bytes(damage(path.read_bytes()))
    damaged = path.read_bytes()
    assert str(path) in bench.refusal("status")
    assert path.read_bytes() == damaged


def test_a_damaged_record_is_set_aside_and_measured_again(bench):
    path = run_records(bench)[0]
    good = path.read_bytes()
    path.write_bytes(edited(good))
    status, output, errors = bench.run(*SMOKE)
    assert status == 0, errors
    assert "its record was damaged and is kept as" in output
    assert "1 measured, 11 stored before" in output
    (aside,) = (path for path in bench.store.rglob("*") if "damaged" in path.name)
    assert aside.read_bytes() == edited(good)
    assert bench.run("status")[0] == 0


def test_a_record_under_another_name_is_named(bench):
    first, second, *_ = run_records(bench)
    shutil.copy(first, second)
    assert f"{second} holds the record {first.stem}" in bench.refusal("status")


def test_a_store_that_is_a_file_is_said(bench):
    shutil.rmtree(bench.store)
    bench.store.write_text("not a folder")
    assert str(bench.store) in bench.refusal(*SMOKE)
    assert bench.store.read_text() == "not a folder"


# --- damaged weights ---


class Module(torch.nn.Module):
    """Any other network."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 2)


def truncated(path: Path) -> None:
    save_file(LeNet5().state_dict(), path)
    path.write_bytes(path.read_bytes()[:-1])


def other(path: Path) -> None:
    save_file(Module().state_dict(), path)


def pickled(path: Path) -> None:
    torch.save(LeNet5().state_dict(), path)


def bomb(path: Path) -> None:
    """Write a pickle that leaves a trace when it is opened."""

    class Trace:
        def __reduce__(self) -> tuple:
            return Path.touch, (path.with_suffix(".opened"),)

    path.write_bytes(pickle.dumps(Trace()))


@pytest.mark.parametrize("make", [truncated, other, pickled, bomb, Path.touch, Path.mkdir, Path.exists])
def test_unfit_weights_are_one_sentence(bench, tmp_path, make):
    weights = tmp_path / "weights.safetensors"
    make(weights)  # the last one makes nothing: the file is missing
    assert str(weights) in bench.refusal(*TEST, weights)
    assert not weights.with_suffix(".opened").exists()


# --- missing and damaged data ---


FULL = ["run", STUDY, "--workers", "1"]


def test_missing_data_says_how_to_get_it(tmp_path):
    bench = Bench(tmp_path)
    sentence = bench.refusal(*FULL)
    for part in ("fashion_mnist", str(bench.data), "`worked data fetch fashion_mnist`", "$WORKED_DATA"):
        assert part in sentence
    assert bench.records() == {}


def test_damaged_data_is_named(tmp_path):
    bench = Bench(tmp_path)
    for file in data.SETS["fashion_mnist"].files:
        path = bench.data / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\0\0\x08\x03" + bytes(12))
    sentence = bench.refusal(*FULL)
    assert "train-images-idx3-ubyte: expected" in sentence
    assert "delete it and run `worked data fetch fashion_mnist`" in sentence
    assert bench.records() == {}
    status, output, _ = bench.run("data", "status")
    assert (status, "train-images-idx3-ubyte: expected" in output) == (0, True)


def test_other_data_than_measured_is_seen_by_replay(bench, monkeypatch):
    monkeypatch.setenv("WORKED_DATA", str(bench.data))
    assert bench.run("replay", STUDY)[0] == 0
    data.generate("fashion_mnist", seed=1)
    before = bench.records()
    status, output, _ = bench.run("replay", STUDY)
    assert status == 1
    assert output.count("data have the fingerprint") == 12
    assert {name: content for name, content in bench.records().items() if name in before} == before


def test_no_network_is_one_sentence(tmp_path):
    bench = Bench(tmp_path)
    sentence = bench.refusal("data", "fetch", "mnist")
    assert "Cannot download mnist" in sentence
    assert list(bench.data.iterdir()) == []


def test_a_full_disk_spares_the_generated_file(tmp_path):
    bench = Bench(tmp_path)
    assert bench.run("data", "generate", "mnist")[0] == 0
    (path,) = (path for path in bench.data.rglob("*") if path.is_file())
    before = path.read_bytes()
    assert "Cannot write under" in bench.refusal("data", "generate", "mnist", file_limit=100_000)
    assert path.read_bytes() == before
    assert [other for other in bench.data.rglob("*") if other.is_file()] == [path]


@pytest.mark.parametrize(
    "words",
    [["run", "lenet"], ["data", "fetch", "imagenet"], ["run", STUDY, "--profile", "smoke", "--device", "cuda"]],
    ids=["study", "set", "device"],
)
def test_what_is_unknown_or_absent_is_one_sentence(tmp_path, words):
    bench = Bench(tmp_path)
    if "cuda" in words:
        bench.environment["CUDA_VISIBLE_DEVICES"] = ""
    assert "expected" in (sentence := bench.refusal(*words)) or "use one of" in sentence
