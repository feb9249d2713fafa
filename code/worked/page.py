"""What a page's cell calls. Everything it returns renders itself as MyST, and as plain output in a notebook."""

import inspect
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]  # of the checkout
PROOFS = ROOT / "_build" / "proofs"  # what builds have proved


@dataclass(frozen=True)
class Text:
    """MyST text."""

    myst: str

    def _repr_markdown_(self) -> str:
        return self.myst


def text(myst: str) -> Text:
    """Prose whose numbers were computed: pass an f-string."""
    return Text(inspect.cleandoc(myst))


def brief(myst: str) -> Text:
    """The answer in brief, in the box that every page has."""
    return Text(f":::{{admonition}} In brief\n:class: brief\n\n{inspect.cleandoc(myst)}\n:::\n")


def source(item: Any) -> Text:
    """The source of a function, class or method as the package holds it, with a link to its place in the file."""
    lines, start = inspect.getsourcelines(item)
    file = Path(inspect.getfile(item)).resolve().relative_to(ROOT).as_posix()
    link = f"[`{file}`](repo:{file}#L{start}-L{start + len(lines) - 1})"
    lines = [line for line in lines if line.strip() not in ("# fmt: off", "# fmt: on")]
    body = inspect.cleandoc("".join(lines)) if lines[0][:1].isspace() else "".join(lines).rstrip()
    return Text(f"```python\n{body}\n```\n\n{{.provenance}}\nSource: {link}\n")


def derivation(module: ModuleType) -> Any:
    """The derivation that ``module`` holds; a step that is not proved raises and stops the build.

    It is proved now, unless a build of this checkout has proved it with the same code and libraries.
    """
    # By name: a page depends on the derivations that its own cells import, and this module on none.
    package, _, name = module.__name__.rpartition(".")
    return import_module(package).proof(name, PROOFS)
