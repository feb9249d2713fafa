"""What the studies' records show, one module a study: summary, claims, figures and tables.

They are apart from the studies so that a figure or a sentence can change without a doubt on what was measured.
"""

import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from worked.claims import Claim
from worked.records import Record
from worked.study import Study


@dataclass(frozen=True)
class Findings:
    """A study, the view of its records that everything else sees, and the claims that rest on it."""

    study: Study
    summarise: Callable[[Sequence[Record]], Any]
    claims: tuple[Claim, ...]
    name: Callable[[Record], str]  # a record in the words of its page


def every() -> list[Findings]:
    """The findings of all studies, in alphabetical order."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return [import_module(f"{__name__}.{name}").FINDINGS for name in names]
