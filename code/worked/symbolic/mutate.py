"""Mutation testing: change one place in one displayed step; the symbolic check alone must refuse it.

Whether a mutant is wrong is decided by the evaluator, which shares no code with the check. A wrong mutant that
is accepted has *survived*, and shows that the check is too weak.
"""

import random
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sympy import (
    Add,
    Expr,
    Function,
    Indexed,
    Integer,
    Integral,
    Limit,
    Mod,
    Mul,
    Number,
    Piecewise,
    Pow,
    Subs,
    Sum,
    Symbol,
    ceiling,
    floor,
    preorder_traversal,
)
from sympy.core.relational import Relational

from worked.symbolic.anchor import Anchor
from worked.symbolic.definitions import Name, name_of, parameters_of
from worked.symbolic.derivation import Derivation
from worked.symbolic.evaluate import Evaluator, random_point
from worked.symbolic.functions import AnyFunction, Partial
from worked.symbolic.gates import SHIFT
from worked.symbolic.methods import Premise
from worked.symbolic.sums import Binder, Shorthand, fresh

Path = tuple[int, ...]
Mutant = tuple[str, Expr]
Uses = Mapping[Name, Collection[Name]]

SIGNS = ("argument sign", "constant sign", "exponent sign", "index sign", "sign of one term", "whole sign")
POINTS = range(6)
SAME = 1e-6  # two values that differ by less, relatively, count as equal: above the error of central differences


def sites(e: Expr, path: Path = ()) -> Iterator[tuple[Path, Expr]]:
    """Yield every place of an expression where something can be changed."""
    yield path, e
    if isinstance(e, Indexed | Partial | AnyFunction) or hasattr(e, "mutants"):
        return
    inner = e.args[:1] if isinstance(e, Sum | Limit | Subs | Integral | Binder | Shorthand) or _binds(e) else e.args
    for position, part in enumerate(inner):
        yield from sites(part, (*path, position))


def _binds(e: Expr) -> bool:
    """Whether `e` is a mean: its first argument is what is averaged, the others are variables."""
    return getattr(e, "binds", False)


def put(e: Expr, path: Path, new: Expr) -> Expr:
    """Return `e` with `new` at the place `path`."""
    if not path:
        return new
    args = list(e.args)
    args[path[0]] = put(args[path[0]], path[1:], new)
    return e.func(*args)


def mutants(
    e: Expr, indices: Iterable[Symbol] = (), names: Iterable[Expr] = (), uses: Uses | None = None
) -> Iterator[Mutant]:
    """Yield operator and result of every change of one place.

    `indices` may stand in for one another; `names` are the quantities and variables that a derivative may be about,
    `uses` the names that each defined name uses, of which it may hold one.
    """
    indices, names, uses = tuple(indices), tuple(names), uses or {}
    seen = {e}
    for path, part in sites(e):
        changes = [*_changes(part, indices, names, uses), *(_of_the_whole(part) if not path else _of_a_part(part))]
        for operator, new in changes:
            mutant = put(e, path, new)
            if mutant not in seen:
                seen.add(mutant)
                yield operator, mutant


def _changes(e: Expr, indices: tuple[Symbol, ...], names: tuple[Expr, ...], uses: Uses) -> Iterator[Mutant]:
    if hasattr(e, "mutants"):  # a class that knows what can be wrong in it
        yield from e.mutants()
    if isinstance(e, Add | Mul):
        for n, part in enumerate(e.args):
            rest = (*e.args[:n], *e.args[n + 1 :])
            if isinstance(e, Add):
                yield "sign of one term", Add(-part, *rest)
            yield "term dropped" if isinstance(e, Add) else "factor dropped", e.func(*rest)
    if isinstance(e, Pow):
        yield "exponent", e.base ** (e.exp + 1)
        yield "exponent sign", e.base ** (-e.exp)
    if isinstance(e, Function) and not isinstance(e, Piecewise):
        yield "argument sign", e.func(-e.args[0], *e.args[1:]) if isinstance(e, Mod) else e.func(*(-a for a in e.args))
        yield "function dropped", e.args[0]
    if isinstance(e, floor | ceiling):
        yield "rounding", (ceiling if isinstance(e, floor) else floor)(e.args[0])
    if isinstance(e, Relational):
        yield "condition", e.negated
    if isinstance(e, Integral):
        yield from _integral_changes(e)
    if isinstance(e, Indexed):
        yield from _index_changes(e, indices)
    if _binds(e):
        yield "mean dropped", e.args[0]
    if isinstance(e, Sum):
        yield from _sum_changes(e)
    if isinstance(e, Mul) and not e.is_commutative:
        yield "factors swapped", Mul(*reversed(e.args))
    if isinstance(e, Binder | Shorthand):
        yield from e.changed(indices)
    if isinstance(e, Partial):
        yield from _partial_changes(e, indices, names, uses)
    if isinstance(e, Limit):
        of, variable, to, side = e.args
        yield "limit point", Limit(of, variable, to + 1 if to.is_finite else -to, str(side))
    if isinstance(e, Subs):
        yield "constant", Subs(e.expr, e.variables, [to + 1 for to in e.point])


def _index_changes(e: Indexed, indices: tuple[Symbol, ...]) -> Iterator[Mutant]:
    if len(e.indices) == 2:
        yield "transposed index", e.base[e.indices[::-1]]
    for n, index in enumerate(e.indices):
        for other in indices:
            if other != index:
                yield "wrong index", e.base[(*e.indices[:n], other, *e.indices[n + 1 :])]
        yield "index off by one", e.base[(*e.indices[:n], index + 1, *e.indices[n + 1 :])]
        for changed in _signs_in(index):
            yield "index sign", e.base[(*e.indices[:n], changed, *e.indices[n + 1 :])]


def _signs_in(index: Expr) -> Iterator[Expr]:
    """Yield an index with the sign of one term changed, inside a remainder too."""
    if isinstance(index, Mod):
        yield from (Mod(changed, index.args[1]) for changed in _signs_in(index.args[0]))
    elif isinstance(index, Add):
        for n, term in enumerate(index.args):
            yield Add(-term, *index.args[:n], *index.args[n + 1 :])


def _integral_changes(e: Integral) -> Iterator[Mutant]:
    ((v, *bounds),) = e.limits
    for n, bound in enumerate(bounds):
        moved = bound + 1 if bound.is_finite else Integer(0)
        yield "limits of the integral", Integral(e.function, (v, *bounds[:n], moved, *bounds[n + 1 :]))


def _partial_changes(e: Partial, indices: tuple[Symbol, ...], names: tuple[Expr, ...], uses: Uses) -> Iterator[Mutant]:
    held = e.holding
    for name in _one_of_each(names, {*parameters_of(e.of), *parameters_of(e.by)}):
        yield "other quantity", Partial(name, e.by, held)
        if name_of(name) not in held:
            yield "other variable", Partial(e.of, name, held)
    for name in sorted(uses.keys() - {name_of(e.of)}, key=str):
        between = name_of(e.by) in uses.get(name, ()) and name in uses.get(name_of(e.of), ())
        if between and name not in held:
            yield "held name added", Partial(e.of, e.by, (*held, name))
    for n in range(len(held)):
        yield "held name dropped", Partial(e.of, e.by, (*held[:n], *held[n + 1 :]))
    if isinstance(e.of, Indexed):
        yield from (("wrong index", Partial(m, e.by, held)) for _, m in _index_changes(e.of, indices))
    if isinstance(e.by, Indexed):
        yield from (("wrong index", Partial(e.of, m, held)) for _, m in _index_changes(e.by, indices))


def _one_of_each(names: tuple[Expr, ...], indices: set[Expr]) -> list[Expr]:
    """Return one entry of each indexed name, with the given indices if there is one; and all symbols."""
    chosen: dict[Name, Expr] = {}
    for name in sorted(names, key=lambda e: not set(parameters_of(e)) <= indices):
        chosen.setdefault(name_of(name), name)
    return list(chosen.values())


def _sum_changes(e: Sum) -> Iterator[Mutant]:
    for n, (v, lower, upper) in enumerate(e.limits):
        before, after = e.limits[:n], e.limits[n + 1 :]
        yield "sum from lo+1", Sum(e.function, *before, (v, lower + 1, upper), *after)
        yield "sum to hi-1", Sum(e.function, *before, (v, lower, upper - 1), *after)
    v, lower, _ = e.limits[0]
    if len(e.limits) == 1:
        yield "sum dropped", fresh(e.function).xreplace({v: lower})


def _of_the_whole(e: Expr) -> Iterator[Mutant]:
    yield from (("whole sign", -e), ("doubled", 2 * e), ("plus one", e + 1))


def _of_a_part(e: Expr) -> Iterator[Mutant]:
    if isinstance(e, Number):
        yield from (("constant", e + 1), ("constant sign", -e))
    if isinstance(e, Symbol | Indexed | Function):
        yield "extra factor 2", 2 * e


Anchors = Callable[[tuple[Derivation, ...]], Iterable[Anchor]]
OUTCOMES = (("wrong", "rejected"), ("wrong", "accepted"), ("equivalent", "accepted"), ("equivalent", "rejected"))


@dataclass
class Report:
    """Counts by operator, truth and outcome, and the wrong mutants that were accepted."""

    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    definitions: Counter[str] = field(default_factory=Counter)  # wrong ones: by whom they were refused
    survivors: list[str] = field(default_factory=list)

    def total(self, truth: str, outcome: str | None = None) -> int:
        """Return how many mutants were `wrong` or `equivalent` (and `rejected` or `accepted`)."""
        return sum(c for (_, t, o), c in self.counts.items() if t == truth and outcome in (None, o))

    def table(self) -> str:
        """Return one line for each operator."""
        lines = [f"{'operator':22}" + "".join(f"{t + ' ' + o:>21}" for t, o in OUTCOMES)]
        for operator in sorted({o for o, _, _ in self.counts}):
            lines.append(f"{operator:22}" + "".join(f"{self.counts[operator, t, o]:21}" for t, o in OUTCOMES))
        lines.append(f"{'total':22}" + "".join(f"{self.total(t, o):21}" for t, o in OUTCOMES))
        return "\n".join([*lines, *(f"SURVIVED: {s}" for s in self.survivors)])


@dataclass(frozen=True)
class Candidate:
    """One mutant of one side of one step."""

    derivation: Derivation
    step: int
    side: str
    operator: str
    mutant: Expr

    def __str__(self) -> str:
        return f"{self.derivation.slug}, step {self.step + 1}, {self.side} side, {self.operator}: {self.mutant}"

    @property
    def is_definition(self) -> bool:
        """Whether it changes what a name stands for."""
        return isinstance(self.derivation.steps[self.step].by, Premise)

    def is_anchored(self, derivations: Iterable[Derivation], anchors: Anchors) -> bool:
        """Whether an independent implementation refuses a changed definition, wherever it is used."""
        head = self.derivation.steps[self.step].left
        try:
            changed = tuple(d.redefined(head, self.mutant) for d in derivations)
            return not all(anchor.holds for anchor in anchors(changed))
        except (ArithmeticError, LookupError, NotImplementedError, TypeError, ValueError):
            return True  # it has no value to compare

    @property
    def changed(self) -> Derivation:
        """The derivation with the mutant in place."""
        return self.derivation.replaced(self.step, **{self.side: self.mutant})

    def is_wrong(self) -> bool:
        """Whether the mutant makes the step false, by value at several points; undefined counts as false."""
        step, d = self.derivation.steps[self.step], self.derivation
        mutated = d if isinstance(step.by, Premise) else self.changed
        left = step.right if isinstance(step.by, Premise) else mutated.left(self.step)
        right = self.mutant if isinstance(step.by, Premise) else mutated.steps[self.step].right
        head = mutated.head(self.step)
        held = () if isinstance(head, Limit) else mutated.held(self.step)
        evaluate = Evaluator(d.definitions.by_name, d.ranges)
        for seed in POINTS:
            point = random_point(d.expressions(), d.ranges, seed)
            point = {name: value for name, value in point.items() if name not in d.definitions.by_name}
            if isinstance(head, Limit):
                point[head.args[1]] = 0.3  # any value: the limit moves it
            try:
                point = evaluate.held(held, point, SHIFT)
                a, b = evaluate(left, point), evaluate(right, point)
            except (ArithmeticError, IndexError, KeyError, TypeError, ValueError):
                return True
            if isinstance(b, complex) or not abs(a - b) <= SAME * max(1.0, abs(a)):
                return True
        return False

    def is_rejected(self, left_values: dict[tuple[str, int], Expr] | None = None) -> bool:
        """Whether the symbolic check refuses the mutant: at its step, or for a definition at any step that follows.

        Only the proof is asked, not the form of the step, which is easier to see through. `left_values` keeps what
        was computed for other mutants of the same right side.
        """
        known = {} if left_values is None else left_values
        d, n = self.derivation, self.step
        try:
            if isinstance(d.steps[n].by, Premise):
                changed = self.changed
                return not all(_holds(changed, later) for later in range(n + 1, len(d.steps)))
            if self.side == "left":
                return not _holds(self.changed, n)
            context = d.context(n)
            if (d.slug, n) not in known:
                known[d.slug, n] = context.value(d.left(n))
            return not d.steps[n].by.proves(known[d.slug, n] - context.value(self.mutant), context)
        except (ArithmeticError, KeyError, NotImplementedError, TypeError, ValueError):
            return True  # it cannot even be stated


def _holds(d: Derivation, n: int) -> bool:
    if isinstance(d.steps[n].by, Premise):
        return True  # a definition states nothing
    context = d.context(n)
    return d.steps[n].by.proves(context.value(d.left(n)) - context.value(d.steps[n].right), context)


def candidates(derivations: Iterable[Derivation]) -> Iterator[Candidate]:
    """Yield every mutant of every step: right sides, left sides, and the definitions."""
    for d in derivations:
        names = _names(d)
        uses = {name: d.definitions.reached_from(name) for name in d.definitions.by_name}
        for n, step in enumerate(d.steps):
            for operator, mutant in mutants(step.right, d.ranges, names, uses):
                yield Candidate(d, n, "right", operator, mutant)
            if step.left is not None and not isinstance(step.by, Premise):
                for operator, mutant in mutants(step.left, d.ranges, names, uses):
                    yield Candidate(d, n, "left", operator, mutant)


def _names(d: Derivation) -> list[Expr]:
    """Return the quantities and variables of a derivation, with the free indices under which they occur."""
    found = {part for e in d.expressions() for part in preorder_traversal(e) if isinstance(part, Symbol | Indexed)}
    labels = {part.base.label for part in found if isinstance(part, Indexed)}
    free = {e for e in found if isinstance(e, Indexed) and set(e.indices) <= set(d.ranges)}
    plain = {e for e in found if isinstance(e, Symbol) and e.is_extended_real and not e.is_integer and e not in labels}
    return sorted(free | plain, key=str)


def run(chosen: Iterable[Candidate], derivations: Sequence[Derivation] = (), anchors: Anchors | None = None) -> Report:
    """Try the mutants and count what became of them.

    A wrong step is refused by the symbolic check or not at all. A wrong definition may be refused by a step that rests
    on it, and by the `anchors` of all `derivations` of its module.
    """
    report = Report()
    left_values: dict[tuple[str, int], Expr] = {}
    for candidate in chosen:
        wrong, rejected = candidate.is_wrong(), candidate.is_rejected(left_values)
        if wrong and candidate.is_definition:
            anchored = anchors is not None and candidate.is_anchored(derivations, anchors)
            by = "both" if rejected and anchored else "a step" if rejected else "an anchor" if anchored else "none"
            report.definitions[by] += 1
            rejected = rejected or anchored
        outcome = "rejected" if rejected else "accepted"
        report.counts[candidate.operator, "wrong" if wrong else "equivalent", outcome] += 1
        if wrong and not rejected:
            report.survivors.append(str(candidate))
    return report


def sample(derivations: Iterable[Derivation], count: int, seed: int) -> list[Candidate]:
    """Return `count` mutants, drawn reproducibly."""
    every = list(candidates(derivations))
    return random.Random(seed).sample(every, min(count, len(every)))
