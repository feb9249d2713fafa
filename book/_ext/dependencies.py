"""What a page's result depends on, read statically: no page, module or study is imported to find out.

A page depends on its code cells, on every module of the package that the cells import (directly or through other
modules, at any depth, imports inside functions included), on the records of every study among those modules, on the
files named in its front matter (``depends: [glob, ...]``, relative to the repository), and on the versions of Python
and of the package's requirements. Each input is a name with the SHA-256 of its contents, so touching a file changes
nothing.
"""

import hashlib
import platform
import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

from nbformat import NotebookNode

from worked.closure import PACKAGE, closure_of_source


def digest(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def modules_of(cells: Iterable[str]) -> dict[str, Path]:
    """The package's modules that code cells import, transitively: dotted name -> file."""
    try:
        return closure_of_source("\n".join(cells))
    except SyntaxError:  # of a cell: executing it will say where
        return {}


def studies(modules: Iterable[str]) -> list[str]:
    """Slugs of the studies among ``modules``: ``worked.studies.a_b`` keeps its records under ``results/a-b``."""
    names = (re.fullmatch(rf"{PACKAGE}\.studies\.(\w+)", module) for module in modules)
    return sorted(name[1].replace("_", "-") for name in names if name)


@cache
def versions() -> dict[str, str]:
    """Python and the package's own requirements, with their versions."""
    wanted = (requirement for requirement in metadata.requires(PACKAGE) or [] if "extra ==" not in requirement)
    names = (re.split(r"[^\w.-]", requirement, maxsplit=1)[0] for requirement in wanted)
    found = {f"version of {name}": metadata.version(name) for name in names}
    return {"version of Python": platform.python_version()} | found


def code_cells(notebook: NotebookNode) -> list[str]:
    """Sources of a notebook's code cells."""
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def page_inputs(notebook: NotebookNode, root: Path) -> dict[str, str]:
    """Every input of a page, name -> digest or version; ``root`` is the repository."""
    cells = code_cells(notebook)
    modules = modules_of(cells)
    slugs = studies(modules)
    patterns = [f"results/{slug}/**/*" for slug in slugs] + ["results/replays.json"] * bool(slugs)
    patterns += notebook.metadata.get("depends", [])
    globbed = (path for pattern in patterns for path in root.glob(pattern))
    files = {path for path in (*modules.values(), *globbed) if path.is_file() and "__pycache__" not in path.parts}
    inputs = {"its code cells": digest("\0".join(cells).encode())}
    inputs |= {path.relative_to(root).as_posix(): digest(path.read_bytes()) for path in sorted(files)}
    return inputs | versions()


def reason(old: Mapping[str, str], new: Mapping[str, str]) -> str:
    """Why a result computed from ``old`` does not hold for ``new``, in words; empty if it does."""
    changes = [f"{name} changed" for name in new if name in old and old[name] != new[name]]
    changes += [f"{name} added" for name in new if name not in old]
    changes += [f"{name} removed" for name in old if name not in new]
    more = f" and {len(changes) - 3} more" if len(changes) > 3 else ""
    return ", ".join(changes[:3]) + more
