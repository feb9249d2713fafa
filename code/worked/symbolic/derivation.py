"""A derivation: numbered steps, each an equation of SymPy objects, proved before it can be shown."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from sympy import Add, Dummy, Expr, Function, Indexed, Limit, Mul, Pow, Subs, Symbol, preorder_traversal, sympify

from worked.symbolic import gates
from worked.symbolic.definitions import Definition, Definitions, Name, name_of
from worked.symbolic.domain import undefined
from worked.symbolic.functions import Partial
from worked.symbolic.latex import latex
from worked.symbolic.methods import Algebra, AtDefinition, AtSizes, Context, Method, Premise
from worked.symbolic.sums import Binder, Ranges


class Rejected(Exception):
    """A step that is not proved, or that may not be shown."""


@dataclass(frozen=True)
class Step:
    """One displayed equation; without `left` it continues the equation before it."""

    left: Expr | None
    right: Expr
    why: str
    by: Method


def define(head: Expr, body: Expr, why: str) -> Step:
    """Give a name its meaning."""
    return Step(head, sympify(body), why, Premise())


def claim(left: Expr, right: Expr, why: str, by: Method | None = None) -> Step:
    """State an equation."""
    return Step(left, sympify(right), why, by or Algebra())


def then(right: Expr, why: str, by: Method | None = None) -> Step:
    """Continue the equation before."""
    return Step(None, sympify(right), why, by or Algebra())


@dataclass(frozen=True)
class Derivation:
    """Steps with the ranges of their free indices and the definitions that they take over from elsewhere."""

    slug: str
    title: str
    ranges: Ranges
    steps: tuple[Step, ...]
    given: tuple[Definition, ...] = ()

    @cached_property
    def definitions(self) -> Definitions:
        """What was given, and what the steps define."""
        own = (Definition(s.left, s.right) for s in self.steps if isinstance(s.by, Premise) and s.left is not None)
        return Definitions((*self.given, *own))

    def head(self, n: int) -> Expr:
        """Return the left side that step `n` (from 0) belongs to: its own, or that of the chain it continues."""
        while n >= 0 and self.steps[n].left is None:
            n -= 1
        if n < 0:
            raise Rejected(f"{self.slug}: the first step continues nothing")
        return self.steps[n].left

    def held(self, n: int) -> tuple[Name, ...]:
        """Return the names that are free in step `n` even if they are defined, so that it is proved for every value.

        They are what its left side is differentiated by and what that derivative holds, or what goes to a limit. A
        step `AtDefinition` holds nothing.
        """
        head = self.head(n)
        if isinstance(self.steps[n].by, AtDefinition):
            return ()
        if isinstance(head, Partial):
            return (name_of(head.by), *head.holding)
        return (head.args[1],) if isinstance(head, Limit) else ()

    def left(self, n: int) -> Expr:
        """Return what step `n` is proved to equal: its left side, or the right side that it continues."""
        step = self.steps[n]
        return step.left if step.left is not None else self.steps[n - 1].right

    def context(self, n: int) -> Context:
        """Return what step `n` may rely on."""
        return Context(self.ranges, self.definitions, self.held(n), self.facts(n))

    def facts(self, n: int | None = None) -> dict[Expr, Expr]:
        """Return the latest right side for each left side before step `n`, and the definitions."""
        known = {d.head: d.body for d in self.definitions.items}
        return known | {self.head(m): self.steps[m].right for m in range(len(self.steps) if n is None else n)}

    def replaced(self, n: int, **changes: Expr) -> "Derivation":
        """Return a copy in which step `n` has another left or right side."""
        steps = list(self.steps)
        steps[n] = replace(steps[n], **changes)
        return replace(self, steps=tuple(steps))

    def redefined(self, head: Expr, body: Expr) -> "Derivation":
        """Return a copy in which the name `head`, defined here or taken over, stands for `body`."""
        steps = (
            replace(step, right=body) if isinstance(step.by, Premise) and step.left == head else step
            for step in self.steps
        )
        given = (Definition(head, body) if d.head == head else d for d in self.given)
        return replace(self, steps=tuple(steps), given=tuple(given))

    def expressions(self) -> tuple[Expr, ...]:
        """Return every expression that occurs."""
        sides = [side for step in self.steps for side in (step.left, step.right) if side is not None]
        return (*sides, *(side for d in self.given for side in (d.head, d.body)))

    def check(self, n: int) -> None:
        """Prove step `n` symbolically, or raise `Rejected`; floating-point numbers are not used.

        A check that cannot fail is refused: it is tried again with the right side raised by 1, the left side raised
        by 1, and the right side negated, each of which makes the step false.
        """
        step, left, context = self.steps[n], self.left(n), self.context(n)
        if isinstance(step.by, Premise):
            return
        where = f"{self.slug}, step {n + 1} ({step.by.name}): {self.equation(n)}"
        objection = step.by.objection(left, step.right, context)
        if objection is not None:
            raise Rejected(f"{where}: {objection}")
        try:
            a, b = context.value(left), context.value(step.right)
        except ValueError as error:
            raise Rejected(f"{where}: {error}") from error
        if not step.by.proves(a - b, context):
            raise Rejected(f"{where}: not proved; the left side's value is {a}")
        for wrong in [a - b - 1, a - b + 1] + ([a + b] if step.right != 0 else []):
            if step.by.proves(wrong, context):
                raise Rejected(f"{where}: this check cannot fail, it also accepts a difference of {wrong}")

    def equation(self, n: int) -> str:
        """Return step `n` as LaTeX: left side, or that of its chain, and right side."""
        return f"{latex(self.head(n))} = {latex(self.steps[n].right)}"


@dataclass(frozen=True)
class Checked:
    """A derivation all of whose steps were proved, with the errors of the numeric gates."""

    derivation: Derivation
    errors: dict[str, float] = field(default_factory=dict)

    @property
    def assumed(self) -> int:
        """The number of definitions: what the proof takes from the exercise."""
        return sum(isinstance(step.by, Premise) for step in self.derivation.steps)


def prove(derivation: Derivation) -> Checked:
    """Check every step: proof, negative control, domain, print, numbers. Raise `Rejected` at the first failure."""
    lint(derivation)
    worst: dict[str, float] = {}
    for n, step in enumerate(derivation.steps):
        derivation.check(n)
        for side in (step.right,) if step.left is None else (step.left, step.right):
            for problem in undefined(side, derivation.definitions, derivation.ranges):
                raise Rejected(f"{derivation.slug}, step {n + 1}: {problem}")
        for gate, error in numbers(derivation, n).items():
            if not error < gates.TOLERANCE[gate]:
                raise Rejected(f"{derivation.slug}, step {n + 1}: {gate} disagrees, relative error {error:.1e}")
            worst[gate] = max(worst.get(gate, 0.0), error)
    return Checked(derivation, worst)


def numbers(derivation: Derivation, n: int) -> dict[str, float]:
    """Return the errors of step `n` in the numeric gates; a definition has none."""
    step = derivation.steps[n]
    if isinstance(step.by, Premise):
        return {}
    held = () if isinstance(derivation.head(n), Limit) else derivation.held(n)  # a limit moves its own variable
    return gates.errors(
        derivation.left(n), step.right, held, derivation.definitions, derivation.ranges, derivation.expressions()
    )


def lint(derivation: Derivation) -> None:
    """Refuse two different objects that print alike: a reader could not tell them apart."""
    seen: dict[str, Expr] = {}
    for part in _printed(derivation):
        known = seen.setdefault(latex(part), part)
        if known != part and known.doit() - part.doit() != 0:
            raise Rejected(f"{derivation.slug}: {known!r} and {part!r} both print as {latex(part)}; rename one")


def _printed(derivation: Derivation) -> Iterator[Expr]:
    for e in derivation.expressions():
        parts = preorder_traversal(e)
        for part in parts:
            if isinstance(part, Binder):
                parts.skip()  # its own names are not shown
            shown = isinstance(part, Symbol | Indexed | Pow | Function | Partial | Add | Mul | Binder)
            if shown and (part.is_commutative or not isinstance(part, Binder)):  # a matrix is named like its entries
                yield part


def scope(derivation: Derivation, n: int) -> str:
    """Say for what step `n` holds: its sizes and free indices, or else its real variables, if any."""
    by = derivation.steps[n].by
    if isinstance(by, AtSizes):
        return by.scope
    free = derivation.head(n).free_symbols | derivation.steps[n].right.free_symbols
    used = _involved(derivation.head(n), derivation.definitions)
    used |= _involved(derivation.steps[n].right, derivation.definitions)
    indices = [i for i in derivation.ranges if i in free]
    used |= {s for i in indices for bound in derivation.ranges[i] for s in bound.free_symbols}
    sizes = [s for s in used - {*indices} if isinstance(s, Symbol) and s.is_integer and s.is_nonnegative]
    reals = [s for s in free if isinstance(s, Symbol) and s.is_extended_real and not s.is_integer]
    reals = [s for s in reals if s not in derivation.definitions.by_name]
    parts = [f"${latex(s)}$" for s in (*sorted(sizes, key=str), *indices)]
    if not parts and reals:
        groups = {"real": [s for s in reals if not s.is_positive], "positive": [s for s in reals if s.is_positive]}
        listed = {kind: [f"${latex(s)}$" for s in sorted(group, key=str)] for kind, group in groups.items()}
        parts = [f"{kind} {_and(names)}" for kind, names in listed.items() if names]
    return "every " + _and(parts) if parts else ""


def _involved(e: Expr, definitions: Definitions) -> set[Name]:
    """Return the names that `e` uses, directly or by definitions, but for those that a restriction fixes."""
    restrictions = e.atoms(Subs)
    free = e.xreplace({r: Dummy("restricted") for r in restrictions}).free_symbols
    used = set().union(*(definitions.reached_from(name_of(s)) for s in free), free)
    for r in restrictions:
        used |= (_involved(r.expr, definitions) - set(r.variables)) | r.point.free_symbols
    return used


def _and(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
