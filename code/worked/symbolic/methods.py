"""How a step is proved. A method says what form a step must have (`objection`) and decides it (`proves`).

Every method ends in the same question, whether the difference of two values is proved to be zero; a method that
claims more than that (a chain rule, a substitution) also checks that the step has this form, so that the reason that
a reader sees is the reason that was checked.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

from sympy import (
    Add,
    Dummy,
    Expr,
    Indexed,
    Integer,
    KroneckerDelta,
    Limit,
    Mul,
    Piecewise,
    Sum,
    Symbol,
    expand,
    preorder_traversal,
)

from worked.symbolic.bijections import range_of
from worked.symbolic.definitions import Definitions, Name, name_of, parameters_of
from worked.symbolic.deltas import canonical, counted
from worked.symbolic.domain import absent, outside
from worked.symbolic.functions import Partial
from worked.symbolic.intervals import Range, locate
from worked.symbolic.latex import latex
from worked.symbolic.sums import Binder, Ranges, fresh, normal_form
from worked.symbolic.unroll import places, unroll
from worked.symbolic.zero import is_zero


@dataclass(frozen=True)
class Context:
    """What a step may rely on: ranges, definitions, the held names, and the equations proved before it."""

    ranges: Ranges
    definitions: Definitions
    held: tuple[Name, ...] = ()
    facts: Mapping[Expr, Expr] = ()  # type: ignore[assignment]

    def value(self, e: Expr) -> Expr:
        """Return `e` as a function of what is held, see `Definitions.value`; ValueError if an entry does not exist."""
        for problem in chain(*(check(e, self.definitions, self.ranges) for check in (absent, outside))):
            raise ValueError(problem)
        return self.definitions.value(e, self.held)

    def unfold_others(self, e: Expr) -> Expr:
        """Return `e` with every name but the held ones at its definition; they stay free."""
        others = self.definitions.by_name.keys() - set(self.held)
        if not any(name_of(part) in others for part in preorder_traversal(e)):
            return e
        return self.definitions.unfold(fresh(e), others)


class Method(Protocol):
    """A way to prove `left = right`."""

    @property
    def name(self) -> str:
        """The words beside the step."""

    def objection(self, left: Expr, right: Expr, context: Context) -> str | None:
        """Return why the step does not have the form that this method proves, or None."""

    def proves(self, difference: Expr, context: Context) -> bool:
        """Whether the difference of the two sides' values is proved to be zero; unknown is False."""


@dataclass(frozen=True)
class Premise:
    """A definition: nothing is proved, the name gets its meaning. Counted as assumed."""

    name: str = "definition"

    def objection(self, left: Expr, right: Expr, context: Context) -> str | None:
        """A definition is checked when the set of definitions is built."""
        return None

    def proves(self, difference: Expr, context: Context) -> bool:
        """Always: there is nothing to prove."""
        return True


@dataclass(frozen=True)
class Algebra:
    """Both sides have the same normal form: sums, deltas, powers, exponentials, logarithms of positive factors."""

    name: str = "algebra"

    def objection(self, left: Expr, right: Expr, context: Context) -> str | None:
        """Any equation has this form."""
        return None

    def proves(self, difference: Expr, context: Context) -> bool:
        """By normal form; what does not depend on the held names is unfolded if it has to be."""
        if is_zero(difference, context.ranges):
            return True
        unfolded = context.unfold_others(difference)
        return unfolded != difference and is_zero(unfolded, context.ranges)


@dataclass(frozen=True)
class Differentiation(Algebra):
    """The derivatives on both sides are carried out from the definitions and compared by normal form."""

    name: str = "differentiation"

    def objection(self, left: Expr, right: Expr, context: Context) -> str | None:
        """The left side is a derivative."""
        return None if isinstance(left, Partial) else "the left side must be a derivative"


@dataclass(frozen=True)
class ChainRule(Algebra):
    r"""$\partial f/\partial v = \sum_{u,k} \partial f/\partial u_k\;\partial u_k/\partial v$ over middle variables u.

    The middle variables cut the graph of definitions between v and f. A path from v to f belongs to the first of them
    that it meets: $\partial u_k/\partial v$ holds those that come before u, $\partial f/\partial u_k$ holds nothing.
    So every path is counted exactly once. This form is checked, and both sides are differentiated and compared.
    """

    name: str = "chain rule"

    def objection(self, left: Expr, right: Expr, context: Context) -> str | None:
        """A derivative that holds nothing, and products of two derivatives that share their middle variable.

        No path avoids the middle variables, each of them occurs once, with all of its entries that depend on v, and
        its derivative by v holds exactly those others through which it depends on v.
        """
        terms = [link for term in Add.make_args(right) if (link := _link(term, left)) is not None]
        if not isinstance(left, Partial) or left.holding or len(terms) < len(Add.make_args(right)):
            return "the chain rule reads df/dv = df/du * du/dv, or a sum of such products over u and over its entries"
        graph, start = context.definitions, name_of(left.by)
        middle = [name_of(inner.of) for inner, _ in terms]
        if len(set(middle)) < len(middle):
            return "a middle variable occurs twice, and so do the paths through it"
        if start in middle or name_of(left.of) in middle:
            return "a middle variable lies between the two ends"
        if graph.uses(left.of, start, avoiding=middle):
            return f"there is a path from {left.by} to {left.of} that passes none of {_listed(middle)}"
        for (inner, limits), name in zip(terms, middle, strict=True):
            before = {
                u for u in middle if u != name and u in graph.reached_from(name) and start in graph.reached_from(u)
            }
            if set(inner.holding) != before:
                return f"the derivative of {inner.of} by {left.by} must hold {_listed(before)}: each path counts once"
            if left_out := _entries_left_out(inner, limits, context):
                return left_out
        return None


@dataclass(frozen=True)
class Substitution(Algebra):
    """What was proved before, or a definition, is put in place of its left side, and nothing else changes.

    `used` lists the left sides. An equation proved for the index i holds for every value of i, so it may
    be used for an expression whose values lie in the range of i. The result is proved again from the definitions.
    """

    name: str = "substitution"
    used: tuple[Expr, ...] = ()

    def objection(self, left: Expr, right: Expr, context: Context) -> str | None:
        """Every equation named is there, and is used."""
        put = fresh(left)
        for target in self.used:
            if target not in context.facts:
                return f"nothing about {target} was proved before"
            before, put = put, substitute(put, target, context.facts[target], context.ranges)
            if put == before:
                return f"{target} does not occur in {before}"
        return None if is_zero(right - put, context.ranges) else f"the substitution gives {put}"


@dataclass(frozen=True)
class AtDefinition(Substitution):
    """A substitution that is true only where what the left side's derivative is taken by lies at its definition.

    The steps before are proved for every value of that variable, so a wrong factor of a term that vanishes at the
    definition is refused there; this step puts in the facts that make it vanish, and nothing else.
    """

    name: str = "substitution at the definition"


@dataclass(frozen=True)
class Cases:
    """An identity with |z| or max(z, 0), proved for z > 0, z = 0 and z < 0, which are all real z."""

    on: Symbol
    name: str = "three cases"

    def objection(self, left: Expr, right: Expr, context: Context) -> str | None:
        """The three cases are exhaustive for a real variable only."""
        return None if self.on.is_real else f"{self.on} must be declared real"

    def proves(self, difference: Expr, context: Context) -> bool:
        """In each case by normal form."""
        cases = (Dummy(self.on.name, positive=True), Integer(0), Dummy(self.on.name, negative=True))
        return all(is_zero(difference.xreplace({self.on: case}), context.ranges) for case in cases)


@dataclass(frozen=True)
class TakeLimit(Algebra):
    """A limit of an elementary function of one variable, by SymPy's algorithm; also approached in floating point."""

    name: str = "limit"

    def objection(self, left: Expr, right: Expr, context: Context) -> str | None:
        """The left side is a limit."""
        return None if isinstance(left, Limit) else "the left side must be a limit"


@dataclass(frozen=True)
class Counting(Algebra):
    """By normal form, with the number of entries on a diagonal of a square matrix, see `deltas.counted`."""

    name: str = "counting"

    def proves(self, difference: Expr, context: Context) -> bool:
        """Both sides have the same normal form once the entries are counted."""
        return is_zero(counted(normal_form(fresh(difference), context.ranges), context.ranges), context.ranges)


@dataclass(frozen=True)
class Window:
    r"""An equation with cases, one for the integer `place` in `interval`, one for all others.

    The upper end is a symbol. Every integer lies below the interval, in it or above it; these three are proved by
    normal form, with `place` $= a - 1 - s$, or $= a + s$ and the upper end $a + s + u$, or $= b + 1 + s$, for every s
    and u that is not negative.
    """

    index: Symbol
    place: Expr
    interval: Range
    name: str = "three cases"

    def objection(self, left: Expr, right: Expr, context: Context) -> str | None:
        """The place moves by 1 with the index, and the upper end is a symbol of its own."""
        lower, upper = self.interval
        if expand(self.place - self.place.xreplace({self.index: Integer(0)})) not in (self.index, -self.index):
            return f"{self.place} must be linear in {self.index} with slope 1 or -1"
        own = isinstance(upper, Symbol) and upper.is_integer and not lower.has(upper) and not self.place.has(upper)
        return None if own and self.index.is_integer else f"{upper} and {self.index} must be symbols of integers"

    def proves(self, difference: Expr, context: Context) -> bool:
        """In each case by normal form; a condition that stays open is no proof."""
        lower, upper = self.interval
        s, u = Dummy("s", integer=True, nonnegative=True), Dummy("u", integer=True, nonnegative=True)
        at_zero = self.place.xreplace({self.index: Integer(0)})
        slope = 1 if expand(self.place - at_zero) == self.index else -1
        for place, end in ((lower - 1 - s, upper), (lower + s, lower + s + u), (upper + 1 + s, upper)):
            put = {self.index: expand(slope * (place - at_zero)), upper: end}
            ranges = {
                v: tuple(bound.xreplace(put) for bound in bounds)
                for v, bounds in context.ranges.items()
                if v not in (self.index, upper)
            }
            case = fresh(difference).xreplace(put)
            if case.has(Piecewise) or not is_zero(case, ranges):
                return False
        return True


@dataclass(frozen=True)
class AtSizes:
    """Both sides written out at each of the named sizes, entries symbolic, for every value of the free indices.

    It shows the equation at these sizes and at no other: the page says so.
    """

    sizes: tuple[Mapping[Symbol, int], ...]
    name: str = "written out"

    @property
    def scope(self) -> str:
        """The sizes, in words for the page."""
        listed = (", ".join(f"${latex(s)}={n}$" for s, n in size.items()) for size in self.sizes)
        return "exact at " + "; ".join(listed) if any(self.sizes) else "each value of the index in turn"

    def objection(self, left: Expr, right: Expr, context: Context) -> str | None:
        """Sizes are given, each for every size that occurs."""
        free = {s for s in (context.value(left) - context.value(right)).free_symbols if isinstance(s, Symbol)}
        free |= {s for i in free & context.ranges.keys() for b in context.ranges[i] for s in b.free_symbols}
        needed = {s for s in free if s.is_integer and s not in context.ranges}
        for size in self.sizes:
            if missing := needed - size.keys():
                return f"no size is given for {', '.join(sorted(map(str, missing)))}"
        return None if self.sizes else "no sizes are given"

    def proves(self, difference: Expr, context: Context) -> bool:
        """At every size and every index; no size, no proof."""
        indices = [i for i in context.ranges if i in difference.free_symbols]
        at = [place for size in self.sizes for place in places(indices, context.ranges, _integers(size))]
        return bool(at) and all(is_zero(unroll(difference, place)) for place in at)


def _integers(sizes: Mapping[Symbol, int]) -> dict[Symbol, Expr]:
    return {s: Integer(n) for s, n in sizes.items()}


def using(*left_sides: Expr) -> Substitution:
    """Return the substitution of what is known about the given left sides."""
    return Substitution(used=left_sides)


def at_definition(*left_sides: Expr) -> AtDefinition:
    """Return the substitution of facts that hold at the definition of what the left side's derivative is taken by."""
    return AtDefinition(used=left_sides)


def _link(term: Expr, left: Expr) -> tuple[Partial, tuple[tuple[Symbol, Expr, Expr], ...]] | None:
    """Return the inner derivative du/dv of a term df/du * du/dv, and the limits of a sum over entries of u."""
    factors = Mul.make_args(term.function if isinstance(term, Sum) else term)
    limits = tuple(tuple(limit) for limit in term.limits) if isinstance(term, Sum) else ()
    if isinstance(left, Partial) and len(factors) == 2 and all(isinstance(f, Partial) for f in factors):
        for outer, inner in (factors, factors[::-1]):
            if outer == Partial(left.of, inner.of) and inner.by == left.by:
                return inner, limits
    return None


def _entries_left_out(inner: Partial, limits: tuple[tuple[Symbol, Expr, Expr], ...], context: Context) -> str | None:
    """Say which entries of u a term df/du * du/dv leaves out although they may depend on v; None if it leaves out none.

    An index of u runs over its whole range, or else the derivative of u by v vanishes for its other values.
    """
    u, spans = inner.of, {v: (lower, upper) for v, lower, upper in limits}
    if not context.definitions.uses(u, name_of(inner.by)):
        return f"{u} does not depend on {inner.by}"
    indices = parameters_of(u)
    if not spans.keys() <= set(indices) or len(set(indices)) < len(indices):
        return f"the sum must run over the entries of {u}"
    parameters = context.definitions.by_name[name_of(u)].parameters  # it depends on something, so it is defined
    for position, (index, parameter) in enumerate(zip(indices, parameters, strict=True)):
        whole = context.ranges.get(parameter)
        if whole is None:
            return f"the range of the entries of {u} is not declared"
        if index in spans and spans[index] != whole:
            return f"the sum must run over all entries of {u}"
        if index in spans:
            continue
        other = Dummy("n", integer=True)
        inside = {**context.ranges, **spans, other: whole}
        entry = u.base[(*indices[:position], other, *indices[position + 1 :])]
        slope = Partial(entry, inner.by, inner.holding)
        value = normal_form(fresh(context.definitions.value(slope, (name_of(inner.by), *inner.holding))), inside)
        if not is_zero(value.xreplace({canonical(KroneckerDelta(other, index)): Integer(0)}), inside):
            return f"other entries than {u} may depend on {inner.by}: the sum must run over all of them"
    return None


def _listed(names: Iterable[Name]) -> str:
    return ", ".join(sorted(map(str, names))) or "nothing"


def substitute(e: Expr, target: Expr, value: Expr, ranges: Ranges) -> Expr:
    """Return `e` with every instance of `target` replaced by `value`; bound indices of `e` must be fresh."""
    if isinstance(e, Sum) and isinstance(target, Sum) and is_zero(e - target, ranges):
        return fresh(value)
    if isinstance(e, Sum):
        inner = {**ranges, **{v: (lower, upper) for v, lower, upper in e.limits}}
        return Sum(substitute(e.function, target, value, inner), *e.limits)
    indices = match(target, e, ranges)
    if indices is not None:
        return fresh(value).xreplace(indices)
    if not e.args or isinstance(e, Indexed | Partial):
        return e
    if isinstance(e, Binder):
        ranges = {**ranges, **e.own_ranges()}
    return e.func(*(substitute(part, target, value, ranges) for part in e.args))


def match(pattern: Expr, e: Expr, ranges: Ranges) -> dict[Symbol, Expr] | None:
    """Return which index of `e` stands for each index of `pattern`, if `e` is an instance of it, else None."""
    if isinstance(pattern, Partial):
        if not isinstance(e, Partial):
            return None
        if pattern.holding != e.holding:
            return None
        of, by = match(pattern.of, e.of, ranges), match(pattern.by, e.by, ranges)
        if of is None or by is None or any(by.get(index, to) != to for index, to in of.items()):
            return None
        return {**of, **by}
    if hasattr(pattern, "instance"):  # a class that knows its own instances
        indices = pattern.instance(e)
        return indices if indices is not None and _all_fit(indices, ranges) else None
    if name_of(pattern) is None or name_of(pattern) != name_of(e):
        return None
    indices = dict(zip(parameters_of(pattern), parameters_of(e), strict=True))
    return indices if _all_fit(indices, ranges) else None


def _all_fit(indices: Mapping[Expr, Expr], ranges: Ranges) -> bool:
    return all(_fits(a, b, indices, ranges) for a, b in indices.items())


def _fits(index: Expr, to: Expr, indices: Mapping[Expr, Expr], ranges: Ranges) -> bool:
    """Whether `to` is known to be one of the values of `index`."""
    if index not in ranges:
        return index == to
    if ranges[index] == range_of(to, ranges):
        return True
    moves = any(bound.free_symbols & indices.keys() for bound in ranges[index])
    return not moves and locate(ranges[index], to, ranges) is True
