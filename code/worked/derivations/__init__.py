"""One module for each derivation; found by name, imported on request.

A module has SLUG, TITLE, `derive() -> tuple[Derivation, ...]` and `anchors(derivations) -> tuple[Anchor, ...]`. It has
PAGE where it does not stand on the page `derivations/<SLUG>`.
"""

import json
import pkgutil
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from worked.closure import closure_of_module, code_fingerprint
from worked.records import sha256, write_atomically

if TYPE_CHECKING:
    from worked.symbolic.proof import Proof


def names() -> list[str]:
    """Return the names of all derivations, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(name: str) -> ModuleType:
    """Import the derivation `name`."""
    if name not in names():
        raise ValueError(f"there is no derivation {name!r}; there are: {', '.join(names())}")
    return import_module(f"{__name__}.{name}")


def code(name: str) -> str:
    """Return the fingerprint of a derivation and of all of the package that it is proved with."""
    return code_fingerprint(closure_of_module(f"{__name__}.{name}"))


def stated(name: str) -> str:
    """Return a fingerprint of the steps and their methods; reasons do not count, nor the code that proves them."""
    steps = [
        [d.slug, str(d.ranges), str(step.left), str(step.right), str(step.by)]
        for d in load(name).derive()
        for step in d.steps
    ]
    return sha256(steps)


def prove(name: str) -> "Proof":
    """Pass the derivation `name` through its three gates, or raise `worked.symbolic.derivation.Rejected`."""
    from worked.symbolic.proof import pass_gates

    return pass_gates(load(name))


def proof(name: str, folder: Path) -> "Proof":
    """Return the proof noted in `folder` if it was made by today's code, Python and libraries, else prove and note it.

    What is noted are the errors of the numeric gates and of the anchors; the steps are always derived anew.
    """
    from worked.symbolic.proof import Proof

    versions = {package: version(package) for package in ("numpy", "scipy", "sympy", "torch")}
    key = sha256({"code": code(name), "python": sys.version, **versions})[:16]
    note = folder / f"{name}-{key}.json"
    try:
        return Proof.restored(load(name), json.loads(note.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        proved = prove(name)  # there is no note, or none that can be read
    for old in folder.glob(f"{name}-*.json"):
        old.unlink()
    write_atomically(note, json.dumps(proved.note()).encode())
    return proved
