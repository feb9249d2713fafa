"""Where runs are done: processes of this machine, or the workers of a Dask cluster. Both hand out futures.

A future gives what :class:`Done` holds for each run that was handed in together. On a CPU a run has one thread, so
that a result does not depend on how many runs are done side by side.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from multiprocessing import forkserver
from typing import Any

from worked.machine import StudyError, environment, keep_freed_memory, prepare_process, resolve_device

NAMES = ("local", "dask")


@dataclass(frozen=True)
class Done:
    """One run: its measurement, the seconds it took, and the environment it was made in."""

    measurement: Any
    seconds: float
    environment: dict[str, Any]


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def process_context() -> Any:
    """How processes are started: none inherits what this one has done.

    On Linux all are copies of one that has imported torch, which takes seconds, and done nothing else. The libraries
    of macOS do not survive being copied so.
    """
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    multiprocessing.set_forkserver_preload(["torch"])
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)  # or Ctrl-C while it imports torch prints where it was
    try:
        forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, handler)
    return multiprocessing.get_context("forkserver")


def end_with_parent() -> None:
    """In a process that was started: end when the one that started it has, which may be killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


@contextmanager
def processes(device: str, workers: int | None = None, ticks: Any = None) -> Iterator[ProcessPoolExecutor]:
    """Processes of this machine that measure, at most one a core; on a GPU one. They end at once with the context.

    Raises:
        StudyError: one of them was killed.
    """
    count = 1 if device == "cuda" else min(workers or cores(), cores())
    executor = ProcessPoolExecutor(count, process_context(), _start_worker, (device, ticks, dict(os.environ)))
    try:
        yield executor
    except BrokenProcessPool:
        raise StudyError(
            "a process was killed (out of memory?): run the same command again, with --workers 1 if memory is short"
        ) from None
    finally:
        running = list((executor._processes or {}).values())
        executor.shutdown(wait=False, cancel_futures=True)
        for process in running:
            process.terminate()


class Pool:
    """Something that measures, and a bar over the epochs of all runs with the time left."""

    lost: tuple[type[Exception], ...] = ()  # what a future raises whose process was killed
    executor: Any  # of concurrent.futures

    def __init__(self, title: str):
        try:
            from tqdm import tqdm

            self.bar = tqdm(total=0, desc=title, unit="epoch", dynamic_ncols=True)
        except ImportError:  # a GPU node rarely has more than torch
            self.bar = None

    def submit(self, module: str, specs: Sequence[Any], context: Any, epochs: int) -> Future:
        """Measure ``specs`` of the study that ``module`` defines, several at once; they take ``epochs`` in all."""
        if self.bar is not None:
            self.bar.total += epochs
            self.bar.refresh()
        return self._submit(module, specs, context, epochs)

    def _submit(self, module: str, specs: Sequence[Any], context: Any, epochs: int) -> Future:
        raise NotImplementedError

    def advance(self, epochs: int) -> None:
        """Move the bar."""
        if self.bar is not None:
            self.bar.update(epochs)

    def say(self, say: Callable[[str], None], line: str) -> None:
        """Print a line, above the bar where there is one."""
        if self.bar is not None:
            self.bar.clear()
        say(line)
        if self.bar is not None:
            self.bar.refresh()

    def close(self) -> None:
        """End at once: what is still running is given up."""
        if self.bar is not None:
            self.bar.close()


class LocalPool(Pool):
    """Processes of this machine, at most one a core; on a GPU one."""

    lost = (BrokenProcessPool,)

    def __init__(self, title: str, device: str, workers: int | None):
        super().__init__(title)
        self.ticks = process_context().SimpleQueue()
        self.stack = ExitStack()
        self.executor = self.stack.enter_context(processes(device, workers, self.ticks))
        threading.Thread(target=self._follow, daemon=True).start()

    def _submit(self, module: str, specs: Sequence[Any], context: Any, epochs: int) -> Future:
        return self.executor.submit(_measure, module, specs, context)

    def _follow(self) -> None:
        while True:
            self.advance(self.ticks.get())

    def close(self) -> None:
        """End the processes."""
        self.stack.close()
        super().close()


class DaskPool(Pool):
    """The workers of a Dask cluster: the one at an address, else processes of this machine that Dask looks after.

    A run whose worker is lost is given to another one; the client alone writes records, so none is written twice.
    """

    def __init__(self, title: str, workers: int | None, address: str | None):
        try:
            from distributed import Client, KilledWorker, LocalCluster
        except ImportError:
            raise StudyError("the executor dask needs the package distributed: pip install distributed") from None
        self.lost = (KilledWorker,)
        self.cluster = None
        if address is None:
            self.cluster = LocalCluster(workers or cores(), threads_per_worker=1, dashboard_address=None)
        try:
            self.client = Client(self.cluster or address, timeout=10)
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise StudyError(f"expected a Dask scheduler at {address}, found none ({reason}): start one") from None
        super().__init__(title)
        self.executor = self.client.get_executor(pure=False)

    def _submit(self, module: str, specs: Sequence[Any], context: Any, epochs: int) -> Future:
        # A journal lies on the client's disk; a search whose worker is lost begins again.
        future = self.executor.submit(_measure_there, module, specs, replace(context, journal=None))
        future.add_done_callback(lambda done: None if done.cancelled() else self.advance(epochs))
        return future

    def close(self) -> None:
        """Leave the cluster, and end it if it is our own."""
        self.executor.shutdown(wait=False)
        self.client.close()
        if self.cluster is not None:
            self.cluster.close()
        super().close()


# -- in a worker -----------------------------------------------------------------------------------------------------

_ticks: Any = None  # the queue that finished epochs are reported to
_alone = threading.Lock()  # torch's generator is the process's: one run at a time, however many threads a worker has


def _start_worker(device: str, ticks: Any, variables: dict[str, str]) -> None:
    global _ticks
    _ticks = ticks
    os.environ.clear()  # a copy has the variables of the first run's time
    os.environ.update(variables)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends its workers
    end_with_parent()
    keep_freed_memory()
    prepare_process(device)


def _measure(module: str, specs: Sequence[Any], context: Any) -> list[Done]:
    if _ticks is not None:
        context = replace(context, tick=_ticks.put)
    started = time.monotonic()
    study = import_module(module).STUDY
    how: dict[str, Any]
    if len(specs) == 1:
        measurements, how = [study.measure(specs[0], context)], {}
    else:
        measurements, how = study.training.measure_together(specs, context), {"together": len(specs)}
    seconds = (time.monotonic() - started) / len(specs)
    if study.training is not None:
        how["precision"] = study.training.precision(specs[0])
    return [Done(one, seconds, environment(context.device) | how) for one in measurements]


def _measure_there(module: str, specs: Sequence[Any], context: Any) -> list[Done]:
    """Measure on a machine that need not be the client's: with the same code, on the device that it has."""
    study = import_module(module).STUDY
    if (code := study.code()) != context.code:
        raise StudyError(
            f"a worker has other code of {study.slug} ({code[:8]}) than this process ({context.code[:8]}): "
            "start the workers from the same commit"
        )
    device = resolve_device(context.device)
    with _alone:
        prepare_process(device)
        return _measure(module, specs, replace(context, device=device))
