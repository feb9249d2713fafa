"""The machine that a run is done on: its device, how it is made repeatable, and what a record says of it."""

import ctypes
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any


class StudyError(RuntimeError):
    """A run cannot be done or was stopped; the message is one sentence that says what to do."""


def resolve_device(device: str) -> str:
    """``auto`` as cuda where there is a GPU, else cpu; ``StudyError`` where cuda is asked for and absent."""
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise StudyError("expected a CUDA GPU for --device cuda, found none; use --device auto or cpu")
    return device


def prepare_process(device: str) -> None:
    """Make this process measure repeatably: one CPU thread; on a GPU deterministic algorithms where there are some."""
    import torch

    torch.set_num_threads(1)
    if device == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)  # the backward of max pooling has none


M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's malloc.h


def keep_freed_memory() -> None:
    """Have the C library keep the memory that the main thread of this process frees, until the process ends.

    By default glibc gives large pieces back to the system. A training step that asks for the same maps again then
    waits for the system to find them and fill them with zeros. What it costs is memory: the process stays as large as
    it has ever been. Only glibc is told; with another C library nothing is done. Source: mallopt(3).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, -1)


def environment(device: str) -> dict[str, Any]:
    """Versions, device, threads and commit; no host name, no path."""
    import platform

    import torch

    if device == "cuda":
        name = torch.cuda.get_device_name()
    else:
        name = platform.processor() or platform.machine()
        info = Path("/proc/cpuinfo")
        if info.is_file():
            lines = [line for line in info.read_text().splitlines() if line.startswith("model name")]
            name = lines[0].partition(":")[2].strip() if lines else name
    return {
        "python": platform.python_version(),
        **{package: version(package) for package in ("numpy", "torch", "torchvision", "worked")},
        "device": device,
        "device_name": name,
        "threads": torch.get_num_threads() if device == "cuda" else 1,
        "commit": commit(),
    }


def commit() -> str:
    """The checkout's commit, ``+`` behind it where the package's code differs from it; empty outside a checkout."""
    here = Path(__file__).resolve().parent

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(here), *words], capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        head = git("rev-parse", "HEAD")
        return head and head + ("+" if git("status", "--porcelain", "--", ".") else "")
    except OSError:
        return ""
