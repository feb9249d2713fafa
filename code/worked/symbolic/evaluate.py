"""Numerical values of expressions, by an evaluator that shares no code with the proofs.

It walks the expression with explicit loops and looks names up in a *point*; nothing is renamed, unfolded or
simplified. Derivatives are central differences, or whatever `derivative` is passed (`gates` passes autograd).
"""

import math
import operator
import random
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sympy import (
    Abs,
    Add,
    And,
    Expr,
    Function,
    I,
    Indexed,
    IndexedBase,
    Integral,
    KroneckerDelta,
    Limit,
    Max,
    Mod,
    Mul,
    NumberSymbol,
    Or,
    Piecewise,
    Pow,
    Subs,
    Sum,
    Symbol,
    binomial,
    ceiling,
    exp,
    false,
    floor,
    log,
    oo,
    sign,
    true,
    zoo,
)
from sympy.core.function import AppliedUndef

from worked.symbolic.definitions import Definition, Name, name_of, parameters_of
from worked.symbolic.functions import Partial, first_index, logistic
from worked.symbolic.intervals import outermost_first
from worked.symbolic.sums import Ranges

Entries = Callable[[tuple[int, ...]], Any]
Point = Mapping[Name, Any]  # a number for a symbol, `Entries` for an indexed name
Location = tuple[Name, tuple[int, ...]]

STEP = 1e-5  # of the central differences: error about STEP**2
NEAR = 1e-10  # how near a finite limit is approached
ROUNDING = 1e-9  # a quotient of integers in floating point may fall this short of the integer that it is
FAR = 40.0  # and an infinite one: exp(-40) is 4e-18
RELATIONS = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip


@dataclass(frozen=True)
class Evaluator:
    """Values at a point of expressions in defined names; the point decides over a definition."""

    definitions: Mapping[Name, Definition]
    ranges: Ranges
    derivative: Callable[["Evaluator", Expr, Expr, Point], Any] | None = None
    functions: Any = math  # where `exp` and `log` come from

    def __call__(self, e: Expr, point: Point) -> Any:
        """Return the value of `e`; IndexError or KeyError where it has none."""
        if e.is_Integer:
            return int(e)
        if e is zoo or e is I:
            raise ValueError(f"{e} has no real value")
        if e.is_Number or isinstance(e, NumberSymbol):
            return float(e)
        if isinstance(e, Symbol | Indexed):
            return self.entry(name_of(e), self._integers(parameters_of(e), point), point)
        if isinstance(e, Add):
            return sum(self(part, point) for part in e.args)
        if isinstance(e, Mul):
            return self._product(e, point)
        if isinstance(e, exp):
            return self.functions.exp(self(e.args[0], point))
        if isinstance(e, Pow):
            return self(e.base, point) ** self(e.exp, point)
        if isinstance(e, log):
            return self.functions.log(self(e.args[0], point))
        if isinstance(e, logistic) and logistic not in self.definitions:
            return 1 / (1 + self.functions.exp(-self(e.args[0], point)))
        if isinstance(e, Function) and e.func in self.definitions:
            definition = self.definitions[e.func]
            values = (self(part, point) for part in e.args)
            return self(definition.body, {**point, **dict(zip(definition.parameters, values, strict=True))})
        if isinstance(e, Sum):
            return self._sum(e, list(e.limits), point)
        if isinstance(e, KroneckerDelta):
            return int(self(e.args[0], point) == self(e.args[1], point))
        if isinstance(e, Max):
            return max(self(part, point) for part in e.args)
        if isinstance(e, Abs):
            return abs(self(e.args[0], point))
        if isinstance(e, Partial):
            return (self.derivative or central_difference)(self, e.of, e.by, self.pinned(e.holding, point))
        if isinstance(e, Subs):
            return self(e.expr, {**point, **{v: self(to, point) for v, to in zip(e.variables, e.point, strict=True)}})
        if isinstance(e, Limit):
            return self._limit(e, point)
        if isinstance(e, Mod):
            return self(e.args[0], point) % self(e.args[1], point)
        if isinstance(e, floor | ceiling):
            rounded = math.floor if isinstance(e, floor) else math.ceil
            return rounded(float(self(e.args[0], point)) - ROUNDING * (1 if isinstance(e, ceiling) else -1))
        if isinstance(e, binomial):
            return math.comb(*(int(self(part, point)) for part in e.args))
        if isinstance(e, Piecewise):
            return self._piece(e, point)
        if isinstance(e, Integral):
            return self._integral(e, point)
        if isinstance(e, Function) and e.func in point:
            return point[e.func](*(self(part, point) for part in e.args))
        if isinstance(e, sign):
            value = self(e.args[0], point)
            return (value > 0) - (value < 0)
        if hasattr(e, "value_at"):  # a class of a derivation's own
            return e.value_at(self, point)
        raise NotImplementedError(f"no value for {type(e).__name__}: {e}")

    def holds(self, condition: Any, point: Point) -> bool:
        """Whether a relation, or a combination of relations, is true at a point."""
        if condition in (true, false):
            return bool(condition)
        if isinstance(condition, And | Or):
            return (all if isinstance(condition, And) else any)(self.holds(part, point) for part in condition.args)
        compare = RELATIONS.get(getattr(condition, "rel_op", ""))
        if compare is None:
            raise NotImplementedError(f"no truth value for {condition}")
        return bool(compare(*(self(part, point) for part in condition.args)))

    def _piece(self, e: Piecewise, point: Point) -> Any:
        for value, condition in e.args:
            if self.holds(condition, point):
                return self(value, point)
        raise ValueError(f"no case of {e} holds")

    def _integral(self, e: Integral, point: Point) -> float:
        from scipy.integrate import IntegrationWarning, quad

        ((v, lower, upper),) = e.limits
        with warnings.catch_warnings():
            warnings.simplefilter("error", IntegrationWarning)
            try:
                value, _ = quad(
                    lambda at: float(self(e.function, {**point, v: at})),
                    *(float(self(bound, point)) if bound.is_finite else float(bound) for bound in (lower, upper)),
                    epsabs=1e-13,
                    epsrel=1e-12,
                    limit=200,
                )
            except IntegrationWarning as warning:
                raise ValueError(f"{e} has no value: {warning}") from None
        return value

    def entry(self, name: Name, index: tuple[int, ...], point: Point) -> Any:
        """Return one entry of a name: the point's, or by its definition."""
        if name in point:
            return point[name](index) if isinstance(name, IndexedBase) else point[name]
        definition = self.definitions[name]
        for parameter, n in zip(definition.parameters, index, strict=True):
            if parameter not in self.ranges:
                continue  # any integer
            lower, upper = (self(bound, point) for bound in self.ranges[parameter])
            if not lower <= n <= upper:
                raise IndexError(f"{name} has no entry {index}")
        return self(definition.body, {**point, **dict(zip(definition.parameters, index, strict=True))})

    def held(self, names: Iterable[Name], point: Point, shift: float) -> dict[Name, Any]:
        """Return the point at which each of `names` is a free variable, `shift` away from where it was."""
        return {**point, **{name: self._moved(name, point, shift) for name in names}}

    def pinned(self, names: Iterable[Name], point: Point) -> dict[Name, Any]:
        """Return the point at which each of `names` stays where it is, whatever its definition uses."""
        return self.held(names, point, 0.0)

    def _moved(self, name: Name, point: Point, shift: float) -> Any:
        if not isinstance(name, IndexedBase):
            return self.entry(name, (), point) + shift
        # Entries move by different amounts, so that no relation between them survives.
        return lambda index: self.entry(name, index, point) + shift * (1 + sum(index))

    def location(self, e: Expr, point: Point) -> Location:
        """Return the name and the index values of a variable."""
        return name_of(e), self._integers(parameters_of(e), point)

    def _integers(self, indices: Iterable[Expr], point: Point) -> tuple[int, ...]:
        return tuple(int(self(index, point)) for index in indices)

    def _product(self, e: Mul, point: Point) -> Any:
        """The product from left to right; behind an exact zero nothing is evaluated."""
        value: Any = 1
        for part in e.args:
            factor = self(part, point)
            if type(factor) is int and factor == 0:
                return 0
            value = value * factor
        return value

    def _sum(self, e: Sum, limits: list[tuple[Symbol, Expr, Expr]], point: Point) -> Any:
        if not limits:
            return self(e.function, point)
        v, lower, upper = limits.pop()  # the outermost is the last
        span = range(int(self(lower, point)), int(self(upper, point)) + 1)
        return sum((self._sum(e, list(limits), {**point, v: n}) for n in span), 0.0)

    def _limit(self, e: Limit, point: Point) -> float:
        of, variable, to, side = e.args
        if to in (oo, -oo):
            return self(of, {**point, variable: FAR if to is oo else -FAR})
        return self(of, {**point, variable: self(to, point) + (NEAR if str(side) == "+" else -NEAR)})


def central_difference(evaluator: Evaluator, of: Expr, by: Expr, point: Point) -> float:
    """Return (f(v + h) - f(v - h)) / 2h with `by` as a free variable."""
    name, index = evaluator.location(by, point)

    def at(shift: float) -> float:
        if not isinstance(by, Indexed):
            return evaluator(of, {**point, name: evaluator.entry(name, (), point) + shift})
        moved = lambda n: evaluator.entry(name, n, point) + (shift if n == index else 0)  # noqa: E731
        return evaluator(of, {**point, name: moved})

    return (at(STEP) - at(-STEP)) / (2 * STEP)


def random_point(expressions: Iterable[Expr], ranges: Ranges, seed: int) -> dict[Name, Any]:
    """Return values for all that occurs in `expressions`, reproducibly: sizes from 2, small and all different.

    Reals lie in [-1.5, 1.5], positive ones in [0.5, 2], indices in their ranges; an indexed name has entries within
    its shape only; a function that is not defined is a polynomial of degree 2.
    """
    rng = random.Random(seed)
    functions = {e.func for one in expressions for e in one.atoms(AppliedUndef)}
    atoms = set().union(*(e.atoms(Symbol, IndexedBase) for e in expressions)) | set(ranges)
    atoms |= {s for bounds in ranges.values() for bound in bounds for s in bound.free_symbols}
    bases = sorted((a for a in atoms if isinstance(a, IndexedBase)), key=str)
    labels = {base.label for base in bases}
    symbols = sorted((a for a in atoms if isinstance(a, Symbol) and a not in labels), key=str)
    sizes = [s for s in symbols if s.is_integer and s.is_nonnegative and s not in ranges]
    drawn = rng.sample(range(2, 2 + max(4, len(sizes))), len(sizes))
    point: dict[Name, Any] = dict(zip(sizes, drawn, strict=True))
    for s in outermost_first(symbols, ranges):
        if s in ranges:
            lower, upper = (int(bound.xreplace(point)) for bound in ranges[s])
            least = min(2, upper) if s.is_positive else lower  # a size within bounds, too, is 2 where it can be
            point[s] = rng.randint(max(lower, least), upper)
        elif not s.is_integer:
            point[s] = rng.uniform(0.5, 2) if s.is_positive else rng.uniform(-1.5, 1.5)
    for base in bases:
        point[base] = _table(base, [int(n.xreplace(point)) for n in base.shape or ()], rng)
    for function in sorted(functions, key=str):
        point[function] = _polynomial([rng.uniform(-1.5, 1.5) for _ in range(3)])
    return point


def _polynomial(coefficients: list[float]) -> Callable[..., Any]:
    """Return a function of any number of arguments: a polynomial in a combination of them."""
    a, b, c = coefficients

    def value(*arguments: Any) -> Any:
        u = sum((n + 1) * argument for n, argument in enumerate(arguments))
        return a + b * u + c * u**2

    return value


def _table(base: IndexedBase, shape: list[int], rng: random.Random) -> Entries:
    entries: dict[tuple[int, ...], float] = {(): 0.0}
    for size in shape:
        numbers = range(first_index(base), first_index(base) + size)
        entries = {(*index, n): 0.0 for index in entries for n in numbers}
    low, high = (0.5, 2) if base.label.is_positive else (-1.5, 1.5)
    entries = {index: rng.uniform(low, high) for index in entries}

    def lookup(index: tuple[int, ...]) -> float:
        if index not in entries:
            raise IndexError(f"{base} has no entry {index}")
        return entries[index]

    return lookup
