"""A topic's derivations after all three gates, and how a page shows them."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from types import ModuleType
from typing import Any

from sympy import Expr

from worked.symbolic.anchor import Anchor
from worked.symbolic.derivation import Checked, Derivation, Rejected, Step, prove, scope
from worked.symbolic.gates import TOLERANCE
from worked.symbolic.latex import latex
from worked.symbolic.methods import AtDefinition, Premise, Substitution

GATES = ("values", "finite_difference", "autograd")


@dataclass(frozen=True)
class Proof:
    """What was proved under one title, with the errors of the numeric gates and of the anchors."""

    slug: str
    title: str
    checked: tuple[Checked, ...]
    anchors: tuple[Anchor, ...]

    def note(self) -> dict[str, Any]:
        """Return what cannot be derived anew without proving, as plain data; see `restored`."""
        return {"errors": [c.errors for c in self.checked], "anchors": [asdict(a) for a in self.anchors]}

    @classmethod
    def restored(cls, module: ModuleType, note: dict[str, Any]) -> "Proof":
        """Return the proof that `note` is of; nothing is proved: the caller answers for its being of this code."""
        checked = tuple(Checked(d, errors) for d, errors in zip(module.derive(), note["errors"], strict=True))
        return cls(module.SLUG, module.TITLE, checked, tuple(Anchor(**anchor) for anchor in note["anchors"]))

    @property
    def derivations(self) -> tuple[Derivation, ...]:
        """The derivations, in order."""
        return tuple(c.derivation for c in self.checked)

    @property
    def assumed(self) -> int:
        """The number of definitions, which are what the exercise gives."""
        return sum(c.assumed for c in self.checked)

    def error(self, gate: str) -> float | None:
        """Return the largest error of a gate over all steps, None if no step went through it."""
        return max((c.errors[gate] for c in self.checked if gate in c.errors), default=None)

    def verdict(self) -> dict[str, Any]:
        """Return what was proved, for how many sizes, and every error with its tolerance, as plain data."""
        return {
            "slug": self.slug,
            "title": self.title,
            "steps": sum(len(d.steps) for d in self.derivations),
            "assumed": self.assumed,
            "scope": {d.slug: [scope(d, n) for n in range(len(d.steps))] for d in self.derivations},
            "methods": {d.slug: [step.by.name for step in d.steps] for d in self.derivations},
            **{gate: {"error": self.error(gate), "tolerance": TOLERANCE[gate]} for gate in GATES},
            "anchors": [
                {"what": a.what, "against": a.against, "error": a.error, "tolerance": a.tolerance} for a in self.anchors
            ],
        }

    def lines(self) -> Iterator[str]:
        """Tell in plain text what was proved, for which sizes, and the errors of the numeric gates and anchors."""
        proved = [(d, n) for d in self.derivations for n, step in enumerate(d.steps) if not _assumed(step)]
        yield f"{self.slug}: {len(proved)} steps proved from {self.assumed} definitions; no other step is assumed"
        scopes = Counter(scope(d, n) or "as it stands" for d, n in proved)
        yield "  scope: " + "; ".join(f"{holds.replace('$', '')} ({count})" for holds, count in scopes.items())
        for gate in GATES:
            error = self.error(gate)
            yield f"  {gate}: " + ("no step with a derivative" if error is None else f"{error:.0e}")
        worst = max(self.anchors, key=lambda anchor: anchor.error)
        against = ", ".join(dict.fromkeys(anchor.against for anchor in self.anchors))
        yield f"  anchors: {worst.error:.0e} in {len(self.anchors)} comparisons with {against}"

    def _repr_markdown_(self) -> str:
        parts = [f"**{d.title}**\n\n{self.part(d.slug).myst}" for d in self.derivations]
        return "\n".join([*parts, self.gates.myst])

    def part(self, slug: str, first: int = 1, last: int | None = None) -> "Shown":
        """Return the steps of one derivation, or those from `first` to `last`, for a page."""
        labels: dict[Expr, str] = {}  # where each left side was stated last
        for d in self.derivations:
            lines = [_ranges(d)] if first == 1 else []
            for n, step in enumerate(d.steps):
                used = step.by.used if isinstance(step.by, Substitution) else ()
                of = " using " if isinstance(step.by, AtDefinition) else " of "
                how = step.by.name + (of if used else "") + ", ".join(f"{{eq}}`{labels[left]}`" for left in used)
                labels[d.head(n)] = label = f"{d.slug}-{n + 1}"
                if n + 1 < first or (last is not None and n + 1 > last):
                    continue
                holds = scope(d, n)
                lines.append(f"{step.why} *{how[0].upper()}{how[1:]}{f': {holds}' if holds else ''}.*\n")
                lines.append(f"```{{math}}\n:label: {label}\n{d.equation(n)}\n```\n")
            if d.slug == slug:
                return Shown("\n".join(lines))
        raise ValueError(
            f"there is no derivation {slug!r} here; there are: {', '.join(d.slug for d in self.derivations)}"
        )

    def result(self, left: Expr) -> str:
        """Return the last equation proved for a left side, as LaTeX."""
        for d in self.derivations:
            for n in reversed(range(len(d.steps))):
                if d.head(n) == left:
                    return d.equation(n)
        raise ValueError(f"nothing was proved about {left}")

    @property
    def gates(self) -> "Shown":
        """The table of the three gates, for a page."""
        return Shown("\n".join(self._table()))

    def _table(self) -> Iterator[str]:
        proved = [(d, n) for d in self.derivations for n, step in enumerate(d.steps) if not _assumed(step)]
        methods = sorted({d.steps[n].by.name for d, n in proved})
        at_sizes = sum(scope(d, n).startswith("exact at") for d, n in proved)
        limited = f", {at_sizes} of them at named sizes" if at_sizes else ""
        yield "| gate | compared | largest error | allowed |\n|---|---|---|---|"
        yield (
            f"| proof | {len(proved)} steps, proved symbolically{limited} ({', '.join(methods)}); "
            f"{self.assumed} definitions, which are not proved | exact | exact |"
        )
        words = {
            "values": "both sides of each step without a derivative, at random sizes and values",
            "finite_difference": "both sides of each step with a derivative, by central differences",
            "autograd": "the same by automatic differentiation",
        }
        for gate in GATES:
            error = self.error(gate)
            if error is not None:
                yield f"| numbers | {words[gate]} | {_scientific(error)} | {_scientific(TOLERANCE[gate])} |"
        if self.error("autograd") is None:
            yield "| numbers | derivatives: no step has one, so that values are all there is to compare | none | none |"
        for against, tolerance in dict.fromkeys((a.against, a.tolerance) for a in self.anchors):
            group = [a for a in self.anchors if (a.against, a.tolerance) == (against, tolerance)]
            what, error = ", ".join(a.what for a in group), max(a.error for a in group)
            yield f"| anchor | {what}: against {against} | {_scientific(error)} | {_scientific(tolerance)} |"
        yield ""


@dataclass(frozen=True)
class Shown:
    """A piece of MyST that renders itself."""

    myst: str

    def _repr_markdown_(self) -> str:
        return self.myst


def _assumed(step: Step) -> bool:
    return isinstance(step.by, Premise)


def _ranges(derivation: Derivation) -> str:
    """Name the ranges of the free indices, once for all steps."""
    ranges = [rf"${latex(i)} = {latex(a)}, \dots, {latex(b)}$" for i, (a, b) in derivation.ranges.items()]
    return f"Indices: {', '.join(ranges)}.\n" if ranges else ""


def _scientific(x: float) -> str:
    mantissa, exponent = f"{x:.1e}".split("e")
    return "0" if x == 0 else rf"${mantissa} \cdot 10^{{{int(exponent)}}}$"


def pass_gates(module: ModuleType) -> Proof:
    """Prove the derivations of a module, evaluate them, and compare them with their anchors."""
    checked = tuple(prove(derivation) for derivation in module.derive())
    anchors = module.anchors(tuple(c.derivation for c in checked))
    for anchor in anchors:
        if not anchor.holds:
            raise Rejected(
                f"{module.SLUG}: {anchor.what} differs from {anchor.against} by {anchor.error:.1e}, "
                f"more than {anchor.tolerance:.0e}: a definition is not what it should be"
            )
    if not anchors:
        raise Rejected(f"{module.SLUG}: there is no anchor against an independent implementation")
    return Proof(module.SLUG, module.TITLE, checked, anchors)
