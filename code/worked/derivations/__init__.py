"""One module for each derivation; found by name, imported on request.

A module has SLUG, TITLE, `derive() -> tuple[Derivation, ...]` and `anchors(derivations) -> tuple[Anchor, ...]`.
"""

import pkgutil
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

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


def prove(name: str) -> "Proof":
    """Pass the derivation `name` through its three gates, or raise `worked.symbolic.derivation.Rejected`."""
    from worked.symbolic.proof import pass_gates

    return pass_gates(load(name))
