"""How a step is proved. A method says what form a step must have (`objection`) and decides it (`proves`).

Every method ends in the same question, whether the difference of two values is proved to be zero; a method that
claims more than that (a chain rule, a substitution) also checks that the step has this form, so that the reason that
a reader sees is the reason that was checked.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from sympy import Dummy, Expr, Indexed, Integer, Limit, Mul, Sum, Symbol

from worked.symbolic.definitions import Definitions, Name, name_of, parameters_of
from worked.symbolic.functions import Partial
from worked.symbolic.latex import latex
from worked.symbolic.sums import Range, Ranges, fresh
from worked.symbolic.unroll import places, unroll
from worked.symbolic.zero import is_zero


@dataclass(frozen=True)
class Context:
    """What a step may rely on: ranges, definitions, the held name, and the equations proved before it."""

    ranges: Ranges
    definitions: Definitions
    held: Name | None = None
    facts: Mapping[Expr, Expr] = ()  # type: ignore[assignment]

    def value(self, e: Expr) -> Expr:
        """Return `e` as a function of what is held, see `Definitions.value`."""
        return self.definitions.value(e, self.held)


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
        """By normal form."""
        return is_zero(difference, context.ranges)


@dataclass(frozen=True)
class Differentiation(Algebra):
    """The derivatives on both sides are carried out from the definitions and compared by normal form."""

    name: str = "differentiation"

    def objection(self, left: Expr, right: Expr, context: Context) -> str | None:
        """The left side is a derivative."""
        return None if isinstance(left, Partial) else "the left side must be a derivative"


@dataclass(frozen=True)
class ChainRule(Algebra):
    r"""$\partial f/\partial v = \sum_k \partial f/\partial u_k\;\partial u_k/\partial v$ with the middle variable u.

    The form is checked, and both sides are differentiated from the definitions and compared.
    """

    name: str = "chain rule"

    def objection(self, left: Expr, right: Expr, context: Context) -> str | None:
        """A derivative, and a product of two that share their middle variable, or the sum of such products."""
        product = right.function if isinstance(right, Sum) else right
        factors = Mul.make_args(product)
        if isinstance(left, Partial) and len(factors) == 2 and all(isinstance(f, Partial) for f in factors):
            for outer, inner in (factors, factors[::-1]):
                if outer.of == left.of and outer.by == inner.of and inner.by == left.by:
                    return None
        return "the chain rule reads df/dv = df/du * du/dv, or the sum of such products over the entries of u"


@dataclass(frozen=True)
class Substitution(Algebra):
    """What was proved before, or a definition, is put in place of its left side, and nothing else changes.

    `used` lists the left sides. An equation proved for the index i holds for every value of i, so it may
    be used for another index of the same range. The result is proved again from the definitions.
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
        return "exact at " + "; ".join(listed)

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


def substitute(e: Expr, target: Expr, value: Expr, ranges: Ranges) -> Expr:
    """Return `e` with every instance of `target` replaced by `value`; bound indices of `e` must be fresh."""
    if isinstance(e, Sum):
        inner = {**ranges, **{v: (lower, upper) for v, lower, upper in e.limits}}
        return Sum(substitute(e.function, target, value, inner), *e.limits)
    indices = match(target, e, ranges)
    if indices is not None:
        return fresh(value).xreplace(indices)
    if not e.args or isinstance(e, Indexed | Partial):
        return e
    return e.func(*(substitute(part, target, value, ranges) for part in e.args))


def match(pattern: Expr, e: Expr, ranges: Ranges) -> dict[Symbol, Expr] | None:
    """Return which index of `e` stands for each index of `pattern`, if `e` is an instance of it, else None."""
    if isinstance(pattern, Partial):
        if not isinstance(e, Partial):
            return None
        of, by = match(pattern.of, e.of, ranges), match(pattern.by, e.by, ranges)
        if of is None or by is None or any(by.get(index, to) != to for index, to in of.items()):
            return None
        return {**of, **by}
    if name_of(pattern) is None or name_of(pattern) != name_of(e):
        return None
    indices = dict(zip(parameters_of(pattern), parameters_of(e), strict=True))
    same_range = all(_range(a, ranges) == _range(b, ranges) for a, b in indices.items())
    return indices if same_range else None


def _range(index: Expr, ranges: Ranges) -> Range | Expr:
    return ranges.get(index, index)
