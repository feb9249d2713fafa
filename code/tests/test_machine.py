"""Memory that a process frees is kept for its next step: counted are the pages that the system had to find."""

import ctypes
import subprocess
import sys

import pytest

ROUNDS, PIECES, PIECE = 20, 4, 1 << 20  # numbers of eight bytes
STEPS = f"""
import resource
import numpy as np
from worked.machine import keep_freed_memory

def pages():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def step():
    return [np.ones({PIECE}) for _ in range({PIECES})]

{{call}}
step()
before = pages()
for _ in range({ROUNDS}):
    step()
print(pages() - before)
"""


def found(call):
    """Pages that a process is given in a number of equal steps, after ``call``."""
    done = subprocess.run([sys.executable, "-c", STEPS.format(call=call)], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"), reason="not the GNU C library"
)
def test_a_step_finds_the_memory_of_the_one_before():
    all_of_them = ROUNDS * PIECES * PIECE * 8 // 4096
    assert found("") > all_of_them / 10  # some are of 2 MiB, and not each step gives all back
    assert found("keep_freed_memory()") < all_of_them / 100


def test_another_c_library_is_left_alone(monkeypatch):
    from worked import machine

    monkeypatch.setattr(machine.ctypes, "CDLL", lambda name: object())
    machine.keep_freed_memory()
    monkeypatch.setattr(machine.sys, "platform", "darwin")
    monkeypatch.setattr(machine.ctypes, "CDLL", None)
    machine.keep_freed_memory()
