"""Memory that a process frees is kept for its next step: counted are the pages that the system had to find."""

import ctypes
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor

import pytest

from worked import machine
from worked.machine import keep_freed_memory

PIECE = 8 << 20  # bytes
gnu_c_library = pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"), reason="not the GNU C library"
)


def pages_of_equal_steps():
    """Pages that the system finds for this process in steps that ask for the same memory, and free it."""
    import resource  # there is none on Windows

    def step():
        return [b"x" * PIECE for _ in range(4)]

    step()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        step()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def kept():
    keep_freed_memory()
    return pages_of_equal_steps()


def elsewhere(function):
    """What ``function`` returns in a new process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function).result()


@gnu_c_library
def test_a_step_finds_the_memory_of_the_one_before():
    assert elsewhere(pages_of_equal_steps) > 10 * elsewhere(kept)


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(machine.ctypes, "CDLL", lambda name: object())
    machine.keep_freed_memory()
    monkeypatch.setattr(machine.sys, "platform", "darwin")
    monkeypatch.setattr(machine.ctypes, "CDLL", None)
    machine.keep_freed_memory()
