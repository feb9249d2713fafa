"""A cluster of separate processes, one of which is killed in the middle: no run is lost, none recorded twice."""

import os
import signal
import threading
import time
from collections import Counter
from typing import ClassVar

import pytest
import slow_study
from distributed import LocalCluster

from worked.records import Store
from worked.study import StudyError, run

pytestmark = pytest.mark.filterwarnings("ignore")  # Dask's own, of threads that end with the cluster


class Counting(Store):
    """A store that counts how often each record is written."""

    written: ClassVar[Counter] = Counter()

    def write(self, record, weights=None):
        self.written[record.key] += 1
        return super().write(record, weights)


@pytest.fixture
def store(tmp_path, monkeypatch):
    notes = tmp_path / "notes"
    notes.mkdir()
    monkeypatch.setenv(slow_study.FOLDER, str(notes))
    Counting.written.clear()
    return Counting(tmp_path / "results")


def starts(store, seed):
    return sorted((store.root.parent / "notes").glob(f"{seed}-*"))


def kill_the_first(store):
    """Kill the worker that does run 0, once it has begun; its next attempt does not wait."""
    for _ in range(600):
        if starts(store, 0):
            break
        time.sleep(0.05)
    (store.root.parent / "notes" / "wait").unlink()
    os.kill(int(starts(store, 0)[0].name.split("-")[1]), signal.SIGKILL)


def test_a_killed_worker_loses_nothing(store):
    (store.root.parent / "notes" / "wait").touch()
    killer = threading.Thread(target=kill_the_first, args=(store,), daemon=True)
    killer.start()
    plan = run(slow_study.STUDY, "full", store, device="cpu", executor="dask", workers=2, say=lambda line: None)
    killer.join()
    assert plan.measured == 6
    assert len(starts(store, 0)) == 2  # it was begun, killed, and begun again
    assert len({path.name.split("-")[1] for seed in range(6) for path in starts(store, seed)}) > 1
    assert slow_study.STUDY.is_complete("full", store)
    assert set(store.written.values()) == {1}


def test_a_cluster_that_is_there_already(store):
    with LocalCluster(1, threads_per_worker=2, dashboard_address=None) as cluster:
        address = cluster.scheduler_address
        run(slow_study.STUDY, "full", store, device="cpu", executor="dask", scheduler=address, say=lambda line: None)
    records = slow_study.STUDY.present("full", store)
    assert len(records) == 6
    assert all(record.environment["threads"] == 1 for record in records)


def test_the_same_numbers_as_processes_of_this_machine(store, tmp_path):
    values = []
    for executor in ("local", "dask"):
        there = Store(tmp_path / executor)
        run(slow_study.STUDY, "full", there, device="cpu", executor=executor, workers=1, say=lambda line: None)
        values.append([record.metrics for record in slow_study.STUDY.present("full", there)])
    assert values[0] == values[1]


def test_a_worker_with_other_code_is_refused(store, monkeypatch):
    monkeypatch.setattr(slow_study.Slow, "code", lambda self: "f" * 64)  # here, not in the workers
    with pytest.raises(StudyError, match="other code of slow"):
        run(slow_study.STUDY, "full", store, device="cpu", executor="dask", workers=1, say=lambda line: None)


def test_no_scheduler_is_a_sentence(store):
    with pytest.raises(StudyError, match=r"expected a Dask scheduler at tcp://127.0.0.1:9, found none"):
        run(slow_study.STUDY, "full", store, executor="dask", scheduler="tcp://127.0.0.1:9", say=lambda line: None)
