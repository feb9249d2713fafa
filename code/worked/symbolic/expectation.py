r"""Expectations over independent standard normal variables: their meaning, their rules, their values.

A polynomial in the entries of a normal vector of any length is averaged by Isserlis' rule: the mean of a product of
entries is the sum, over all ways to pair them, of the products of $\mathbb{E}\,x_a x_b = \delta_{ab}$. The rule itself
is proved from the moments of one variable by `Independence`, and the moments by `Integration`. What has no rule stays
as it is, so that nothing is proved about it.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import (
    Add,
    Basic,
    Dummy,
    Expr,
    Function,
    Indexed,
    IndexedBase,
    Integer,
    Integral,
    KroneckerDelta,
    Max,
    Mul,
    Pow,
    Sum,
    Symbol,
    collect,
    diff,
    erf,
    exp,
    oo,
    pi,
    powsimp,
    preorder_traversal,
    sqrt,
    sympify,
)
from sympy.printing.precedence import PRECEDENCE

from worked.symbolic.definitions import Definition, Name, name_of
from worked.symbolic.evaluate import Evaluator, Point
from worked.symbolic.functions import first_index
from worked.symbolic.intervals import Ranges, contains
from worked.symbolic.methods import Algebra, Context
from worked.symbolic.sums import fresh, normal_form, spread
from worked.symbolic.zero import is_zero

ORDER = 6  # of the longest product of entries: for all up to it the tests prove the pairing rule from moments
CANONICAL = Dummy("zeta", real=True, dummy_index=999_999)  # the variable of every average that is kept
Array = NDArray[np.float64]


class Unknown(ValueError):
    """There is no rule for an expectation or an integral."""


class density(Function):
    r"""The density $p(z) = e^{-z^2/2}/\sqrt{2\pi}$ of a standard normal variable, kept as an atom."""

    nargs = 1

    @staticmethod
    def definition(z: Expr) -> Expr:
        """Return the elementary expression that the atom stands for."""
        return exp(-(z**2) / 2) / sqrt(Mul(2, pi, evaluate=False), evaluate=False)

    def _eval_is_positive(self) -> bool | None:
        return self.args[0].is_real

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        value = rf"p\left({printer.doprint(self.args[0])}\right)"
        return value if exp is None else rf"{value}^{{{exp}}}"

    def value_at(self, evaluator: Evaluator, point: Point) -> Any:
        """Return the value in floating point; the definition of a derivation decides over ours."""
        definition = evaluator.definitions.get(density)
        if definition is not None:
            return evaluator(definition.at(self), point)
        return evaluator.functions.exp(-(evaluator(self.args[0], point) ** 2) / 2) / math.sqrt(2 * math.pi)


class Expectation(Expr):
    r"""The mean $\mathbb{E}_x[f]$ over variables that are independent and standard normal.

    A variable is a symbol or an indexed base; of a base every entry is such a variable. What does not depend on the
    variables, through definitions or directly, is constant.
    """

    is_commutative = True
    precedence = PRECEDENCE["Mul"]
    binds = True  # its variables are not free

    def __new__(cls, of: Any, *variables: Any) -> "Expectation":
        """Build the mean; TypeError or ValueError unless it is over different real symbols and indexed bases."""
        for v in variables:
            if not isinstance(v, Symbol | IndexedBase) or (isinstance(v, Symbol) and not v.is_real):
                raise TypeError(f"an expectation is over real symbols and indexed bases, not over {v!r}")
        if not variables or len(set(variables)) < len(variables):
            raise ValueError(f"an expectation is over one or more different variables, not over {variables}")
        return Expr.__new__(cls, sympify(of), *variables)

    @property
    def of(self) -> Expr:
        """What is averaged."""
        return self.args[0]

    @property
    def variables(self) -> tuple[Name, ...]:
        """What it is averaged over."""
        return self.args[1:]

    @property
    def free_symbols(self) -> set[Basic]:
        """All that occurs but the variables."""
        own = set(self.variables) | {v.label for v in self.variables if isinstance(v, IndexedBase)}
        return {s for s in self.of.free_symbols if s not in own and name_of(s) not in own}

    def _eval_derivative(self, v: Expr) -> Expr:
        """The derivative of a mean is the mean of the derivative: a finite sum of moments, as no other is evaluated."""
        return Integer(0) if name_of(v) in self.variables else self.func(diff(self.of, v), *self.variables)

    def _latex(self, printer: Any) -> str:
        names = ",".join(printer.doprint(v.label if isinstance(v, IndexedBase) else v) for v in self.variables)
        return rf"\mathbb{{E}}_{{{names}}}\!\left[{printer.doprint(self.of)}\right]"

    def instance(self, e: Expr) -> dict[Symbol, Expr] | None:
        """Return which index of `e` stands for each index of this expectation, if `e` is an instance of it."""
        if not isinstance(e, Expectation) or e.variables != self.variables:
            return None
        mine, theirs = (sorted(side.of.atoms(Indexed), key=str) for side in (self, e))
        if len(mine) != len(theirs):  # indices of the instance may coincide: a square stands for a product
            theirs = [i for i in theirs for _ in range(len(mine))][: len(mine)]
        for order in permutations(theirs):
            pairs = [pair for x, y in zip(mine, order, strict=True) for pair in zip(x.indices, y.indices, strict=True)]
            indices = dict(pairs)
            if all(a.is_Symbol for a in indices) and self.xreplace(indices) == e:
                return indices
        return None

    def evaluated(self, ranges: Ranges) -> Expr:
        """Return the normal form of the mean: polynomials averaged, all else down to means of one variable."""
        e = normal_form(self.of, ranges)
        left = list(self.variables)
        while left:
            for v in left:
                try:
                    e = normal_form(_average(e, v, _mean, ranges), ranges)
                except Unknown:
                    continue
                left.remove(v)
                break
            else:
                return Mean(e, *left)
        return e

    def value_at(self, evaluator: Evaluator, point: Point) -> Any:
        """Return the value by cubature or quadrature, which share nothing with the rules of the proof."""
        return _value(self, evaluator, point)


class Mean(Expectation):
    """An expectation that no rule reduces further: opaque, equal to another only if it is the same."""

    def evaluated(self, ranges: Ranges) -> Expr:
        """Return itself: it is its own normal form."""
        return self


def _depends(e: Expr, v: Name) -> bool:
    """Whether `e` has `v` in it, other than as the variable of a mean inside."""
    if isinstance(e, Expectation):
        return v not in e.variables and _depends(e.of, v)
    if e == v or name_of(e) == v:
        return True
    return any(_depends(part, v) for part in e.args)


@dataclass(frozen=True)
class Term:
    """Sums of a product: constant factors and those that depend on the variable."""

    limits: tuple[tuple[Expr, ...], ...]
    constants: tuple[Expr, ...]
    random: tuple[Expr, ...]

    def put(self, mean: Expr) -> Expr:
        """Return the term with `mean` in the place of its random factors."""
        body = Mul(*self.constants, mean)
        return Sum(body, *self.limits) if self.limits else body


def _terms(e: Expr, v: Name) -> Iterator[Term]:
    """Yield the terms of a normal form, random factors taken out of their sums."""
    for term in Add.make_args(e):
        limits: list[tuple[Expr, ...]] = []
        constants: list[Expr] = []
        random: list[Expr] = []
        pending = list(Mul.make_args(term))
        while pending:
            factor = pending.pop()
            base, power = factor.as_base_exp()
            if not _depends(factor, v):
                constants.append(factor)
            elif power.is_Integer and power > 1:
                pending += [base] * int(power)
            elif isinstance(factor, Sum):
                copy = fresh(factor)
                limits = [*map(tuple, copy.limits), *limits]  # what is inside comes first
                pending += Mul.make_args(copy.function)
            else:
                random.append(factor)
        yield Term(tuple(limits), tuple(constants), tuple(random))


def _average(e: Expr, v: Name, mean: Any, ranges: Ranges) -> Expr:
    """Return the mean of a normal form over `v`, term by term: it is linear, and sums are finite."""
    total = []
    for term in _terms(e, v):
        inner = {**ranges, **{u: (lower, upper) for u, lower, upper in term.limits}}
        total.append(term.put(mean(term.random, v, inner) if term.random else Integer(1)))
    return Add(*total)


def _mean(random: tuple[Expr, ...], v: Name, ranges: Ranges) -> Expr:
    """Return the mean of a product of factors that all depend on `v`."""
    for part in (part for f in random for part in f.atoms(Indexed) if name_of(part) == v):
        for index, size in zip(part.indices, part.base.shape or (), strict=False):
            first = first_index(part.base)
            if not contains((Integer(first), size - 1 + first), index, ranges):
                raise Unknown(f"{part} is not known to be an entry of {v}")
    if all(name_of(f) == v for f in random):
        if len(random) > ORDER:
            raise Unknown(f"products of more than {ORDER} entries have no rule: {random}")
        return pairings([getattr(f, "indices", ()) for f in random])
    parts = [part for f in random for part in preorder_traversal(f)]
    entries = {part for part in parts if name_of(part) == v and _is_value(part)}
    free = {s for f in random for s in f.free_symbols}
    bound = any(not {s for i in getattr(e, "indices", ()) for s in i.free_symbols} <= free for e in entries)
    if len(entries) > 1 or bound or any(isinstance(part, Sum) and _depends(part, v) for part in parts):
        raise Unknown(f"there is no rule for the mean of {Mul(*random)} over {v}")
    # All entries have the same distribution, so only one name is needed for the variable.
    return Mean(normal_form(Mul(*random).xreplace({entries.pop(): CANONICAL}), {}), CANONICAL)


def _is_value(e: Expr) -> bool:
    return isinstance(e, Indexed | Symbol)


def pairings(indices: list[tuple[Expr, ...]]) -> Expr:
    """Return the sum over all ways to pair the entries with these indices; 0 for an odd number of entries."""
    if not indices:
        return Integer(1)
    first, *rest = indices
    total = []
    for n, other in enumerate(rest):
        same = Mul(*(KroneckerDelta(a, b) for a, b in zip(first, other, strict=True)))
        total.append(same * pairings(rest[:n] + rest[n + 1 :]))
    return Add(*total)


# -- methods of proof --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pairing(Algebra):
    """A polynomial is averaged by Isserlis' rule."""

    name: str = "pairing"

    def objection(self, left: Expr, right: Expr, context: Context) -> str | None:
        """There is a mean on the left and none over the same variables on the right."""
        over = _variables(left)
        if not over:
            return "the left side must hold an expectation"
        return "an expectation is left on the right" if over & _variables(right) else None


@dataclass(frozen=True)
class Linearity(Algebra):
    """The mean of a finite sum is the sum of the means, and constants come out; no moment is used."""

    name: str = "linearity"

    def objection(self, left: Expr, right: Expr, context: Context) -> str | None:
        """Both sides are equal already with every mean of a product kept as it is."""
        if not _variables(left):
            return "the left side must hold an expectation"
        a, b = (_by_linearity(fresh(context.value(side)), context.ranges) for side in (left, right))
        return None if is_zero(a - b, context.ranges) else "more than linearity is needed"


def _variables(e: Expr) -> set[Name]:
    return {v for part in preorder_traversal(e) if isinstance(part, Expectation) for v in part.variables}


def _by_linearity(e: Expr, ranges: Ranges) -> Expr:
    if isinstance(e, Expectation):
        inner = normal_form(_by_linearity(e.of, ranges), ranges)
        for v in e.variables:
            inner = normal_form(_average(inner, v, lambda random, v, _: Mean(Mul(*random), v), ranges), ranges)
        return inner
    if not e.args or isinstance(e, Indexed | IndexedBase):
        return e
    return e.func(*(_by_linearity(part, ranges) for part in e.args))


@dataclass(frozen=True)
class Independence:
    """The mean of a product of entries, for every pattern of equal indices, from the moments of one variable.

    The patterns are all partitions of the free indices into groups of equal ones. Entries of different groups are
    independent, so the mean is a product of moments; each moment is an integral.
    """

    name: str = "independence"

    def objection(self, left: Expr, right: Expr, context: Context) -> str | None:
        """The mean of a product of entries of one vector, each with an index of its own."""
        if not (isinstance(left, Expectation) and len(left.variables) == 1):
            return "the left side must be an expectation over one vector"
        factors = Mul.make_args(left.of)
        if not all(isinstance(f, Indexed) and f.base == left.variables[0] and len(f.indices) == 1 for f in factors):
            return "what is averaged must be a product of entries with different indices"
        return None

    def proves(self, difference: Expr, context: Context) -> bool:
        """In each pattern, with equal indices made the same and different ones known to differ."""
        indices = sorted({i for i in difference.free_symbols if i in context.ranges}, key=str)
        return all(is_zero(_in_pattern(fresh(difference), p), context.ranges) for p in partitions(indices))


def partitions(items: list[Any]) -> Iterator[list[list[Any]]]:
    """Yield every way to split `items` into groups."""
    if not items:
        yield []
        return
    first, *rest = items
    for groups in partitions(rest):
        yield [[first], *groups]
        for n, group in enumerate(groups):
            yield [*groups[:n], [first, *group], *groups[n + 1 :]]


def _in_pattern(e: Expr, groups: list[list[Symbol]]) -> Expr:
    """Return `e` with the indices of a group equal and those of different groups unequal."""
    e = e.xreplace({i: group[0] for group in groups for i in group})
    first = [group[0] for group in groups]
    unequal = {KroneckerDelta(a, b): Integer(0) for a in first for b in first if a != b}
    return _moments(e.xreplace(unequal))


def _moments(e: Expr) -> Expr:
    """Replace the mean of a product of powers of different entries by the product of their moments."""
    if isinstance(e, Expectation):
        (v,), powers = e.variables, [f.as_base_exp() for f in Mul.make_args(e.of)]
        if not all(name_of(base) == v and power.is_Integer and power > 0 for base, power in powers):
            raise Unknown(f"not a product of entries: {e}")
        return Mul(*(moment(int(power)) for _, power in powers))
    if not e.args or isinstance(e, Indexed | IndexedBase):
        return e
    return e.func(*map(_moments, e.args))


@lru_cache
def moment(order: int) -> Expr:
    """Return the mean of a power of one standard normal variable, by its integral."""
    return definite(CANONICAL**order * density(CANONICAL), CANONICAL, -oo, oo)


@dataclass(frozen=True)
class Density(Algebra):
    """The meaning of a mean: the integral against the density."""

    name: str = "definition of the mean"

    def objection(self, left: Expr, right: Expr, context: Context) -> str | None:
        """A mean over one symbol, and the integral of the same function times the density over the whole line."""
        if isinstance(left, Expectation) and isinstance(left.variables[0], Symbol) and len(left.variables) == 1:
            (z,) = left.variables
            written = isinstance(right, Integral) and right.limits == Integral(1, (z, -oo, oo)).limits
            if written and right.function.doit() == (left.of * density(z)).doit():
                return None
        return "the mean of f(z) reads: the integral of f(z) times the density, over all z"

    def proves(self, difference: Expr, context: Context) -> bool:
        """Both sides carried out."""
        return Integration().proves(difference, context)


@dataclass(frozen=True)
class Integration(Algebra):
    """Integrals, and means of one variable, by antiderivatives that are checked by differentiation."""

    name: str = "integration"

    def objection(self, left: Expr, right: Expr, context: Context) -> str | None:
        """There is something to integrate."""
        return None if left.has(Integral, Expectation) else "the left side must hold an integral or an expectation"

    def proves(self, difference: Expr, context: Context) -> bool:
        """No integral without a checked antiderivative is taken for known."""
        try:
            return is_zero(_integrated(difference), context.ranges)
        except Unknown:
            return False


def _integrated(e: Expr) -> Expr:
    if isinstance(e, Expectation):
        if len(e.variables) != 1 or not isinstance(e.variables[0], Symbol):
            return e
        (z,) = e.variables
        return definite(_integrated(e.of) * density(z), z, -oo, oo)
    if isinstance(e, Integral):
        ((z, lower, upper),) = e.limits
        return definite(_integrated(e.function), z, lower, upper)
    if not e.args or isinstance(e, Indexed | IndexedBase):
        return e
    return e.func(*map(_integrated, e.args))


# -- integrals ---------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=512)
def definite(f: Expr, z: Symbol, lower: Expr, upper: Expr) -> Expr:
    """Return the integral of polynomials times exponentials of quadratics; `Unknown` for anything else.

    A maximum with 0 is smooth on either side of 0, so the line is cut there.
    """
    f = f.replace(density, density.definition)
    if not f.has(Max):
        return _smooth(f, z, lower, upper)
    if (lower, upper) != (-oo, oo):
        raise Unknown(f"a maximum is integrated over the whole line only, not from {lower} to {upper}")
    total = Integer(0)
    for side, bounds in ((Dummy("z", positive=True), (Integer(0), oo)), (Dummy("z", negative=True), (-oo, Integer(0)))):
        half = f.xreplace({z: side})
        if half.has(Max):
            raise Unknown(f"{f} is not a sum of powers on either side of 0")
        total += _smooth(half, side, *bounds)
    return total


def _smooth(f: Expr, z: Symbol, lower: Expr, upper: Expr) -> Expr:
    free = Dummy("z", real=True)
    total = Integer(0)
    for exponent, polynomial in _by_exponent(f.xreplace({z: free}), free).items():
        primitive = _primitive(polynomial, exponent, free)
        rest = _by_exponent(diff(primitive, free) - polynomial * exp(exponent), free)
        if not all(map(is_zero, rest.values())):
            raise Unknown(f"the antiderivative of {polynomial * exp(exponent)} is not confirmed by its derivative")
        decays = exponent.coeff(free, 2).is_negative
        total += _at_end(primitive, free, upper, decays) - _at_end(primitive, free, lower, decays)
    return total


def _by_exponent(f: Expr, z: Symbol) -> dict[Expr, Expr]:
    """Return the polynomials in z that stand before each exponential of a quadratic in z."""
    found: dict[Expr, Expr] = {}
    for term in Add.make_args(spread(f)):
        exponents, factors = [], []
        for factor in Mul.make_args(powsimp(term, combine="exp")):
            exponents += [factor.args[0]] if isinstance(factor, exp) else []
            factors += [] if isinstance(factor, exp) else [factor]
        exponent, power = collect(spread(Add(*exponents)), z), Mul(*factors)
        if not (power.is_polynomial(z) and exponent.is_polynomial(z)):
            raise Unknown(f"{f} is not a polynomial times the exponential of a quadratic in {z}")
        found[exponent] = found.get(exponent, Integer(0)) + power
    return found


def _primitive(polynomial: Expr, exponent: Expr, z: Symbol) -> Expr:
    """Return an antiderivative of polynomial * exp(exponent), from that of z^k exp(exponent) for each k in turn."""
    powers = {k: spread(polynomial).coeff(z, k) for k in range(_degree_in(polynomial, z) + 1)}
    a, b, c = (spread(exponent).coeff(z, k) for k in (2, 1, 0))
    if a == b == 0:
        return Add(*(coefficient * z ** (k + 1) / (k + 1) for k, coefficient in powers.items())) * exp(c)
    if not a.is_negative or _degree_in(exponent, z) > 2:
        raise Unknown(f"only exponentials of a quadratic with a negative leading coefficient: {exponent}")
    bell = exp(exponent)
    known = {-1: Integer(0), 0: exp(c - b**2 / (4 * a)) * sqrt(pi) * erf(sqrt(-a) * (z + b / (2 * a))) / (2 * sqrt(-a))}
    for k in range(1, max(powers) + 1):
        known[k] = (z ** (k - 1) * bell - (k - 1) * known[k - 2] - b * known[k - 1]) / (2 * a)
    return Add(*(coefficient * known[k] for k, coefficient in powers.items()))


def _degree_in(polynomial: Expr, z: Symbol) -> int:
    return int(polynomial.as_poly(z).degree()) if polynomial.has(z) else 0


def _at_end(primitive: Expr, z: Symbol, end: Expr, decays: bool) -> Expr:
    """Return an antiderivative at an end of its interval; at infinity the exponentials vanish and erf is 1 or -1."""
    if end not in (oo, -oo):
        return primitive.xreplace({z: end}).doit()
    if not decays and primitive.has(z):
        raise Unknown(f"{primitive} has no limit at {end}")
    primitive, sign = spread(primitive), 1 if end is oo else -1
    ends = {part: Integer(sign if isinstance(part, erf) else 0) for part in primitive.atoms(exp, erf) if part.has(z)}
    return primitive.xreplace(ends)


# -- values ------------------------------------------------------------------------------------------------------------

DEGREE = 5  # of the polynomials for which the cubature is exact
REACH = 12.0  # where the line is cut in quadrature: the density beyond it is below 1e-31
NODES = 60  # of Gauss and Legendre's rule on either side of 0


@lru_cache
def cubature(dimension: int) -> tuple[Array, Array]:
    """Return nodes `[dimension, count]` and weights `[count]`, exact for polynomials of degree 5 or less.

    The rule of Stroud and Secrest (1963) for the normal density: the origin, two points on each axis, four on each
    plane of two axes.
    """
    n = dimension
    unit = np.eye(n)
    axes = np.sqrt(n + 2) * np.concatenate([unit, -unit])
    pairs = [(i, j) for i in range(n) for j in range(i)]
    planes = [s * unit[i] + t * unit[j] for i, j in pairs for s in (1, -1) for t in (1, -1)]
    planes_scaled = np.sqrt((n + 2) / 2) * np.array(planes).reshape(len(planes), n)
    nodes = np.concatenate([np.zeros((1, n)), axes, planes_scaled])
    counts = (1, 2 * n, len(planes))
    each = (2 / (n + 2), (4 - n) / (2 * (n + 2) ** 2), 1 / (n + 2) ** 2)
    return nodes.T.copy(), np.repeat(each, counts)


@lru_cache
def quadrature() -> tuple[Array, Array]:
    """Return nodes and weights for one variable; the line is cut at 0, where activations have their kinks."""
    t, w = np.polynomial.legendre.leggauss(NODES)
    right, w = REACH * (t + 1) / 2, REACH * w / 2
    nodes = np.concatenate([-right, right])
    return nodes, np.concatenate([w, w]) * np.exp(-(nodes**2) / 2) / np.sqrt(2 * np.pi)


def _value(e: Expectation, evaluator: Evaluator, point: Point) -> Any:
    if degree(e.of, set(e.variables), evaluator) <= DEGREE:
        return _by_cubature(e, evaluator, point)
    if isinstance(e.of, Add):
        return sum(_value(e.func(part, *e.variables), evaluator, point) for part in e.of.args)
    if isinstance(e.of, Sum):
        return evaluator(Sum(e.func(e.of.function, *e.variables), *e.of.limits), point)
    if isinstance(e.of, Mul):
        inside = [f for f in e.of.args if degree(f, set(e.variables), evaluator) > 0]
        outside = evaluator(Mul(*(f for f in e.of.args if f not in inside)), point)
        if len(inside) < len(e.of.args):
            return outside * _value(e.func(Mul(*inside), *e.variables), evaluator, point)
    return _by_quadrature(e, evaluator, point)


def degree(e: Expr, variables: set[Name], evaluator: Evaluator) -> float:
    """Return the degree of `e` as a polynomial in `variables`, definitions looked through; infinite if it is none."""
    if isinstance(e, Symbol | Indexed):
        definition: Definition | None = evaluator.definitions.get(name_of(e))
        own = name_of(e) in variables
        return 1 if own else 0 if definition is None else degree(definition.body, variables, evaluator)
    if isinstance(e, Expectation):
        return degree(e.of, variables - set(e.variables), evaluator)
    if isinstance(e, IndexedBase) or not e.args:
        return 0
    parts = [degree(part, variables, evaluator) for part in e.args]
    if isinstance(e, Sum):
        return parts[0]
    if isinstance(e, Add):
        return max(parts)
    if isinstance(e, Mul):
        return sum(parts)
    if isinstance(e, Pow) and e.exp.is_Integer and e.exp > 0:
        return parts[0] * int(e.exp)
    return math.inf if any(parts) else 0


def _by_cubature(e: Expectation, evaluator: Evaluator, point: Point) -> Any:
    shapes = [tuple(int(evaluator(n, point)) for n in getattr(v, "shape", None) or ()) for v in e.variables]
    sizes = [int(np.prod(shape)) for shape in shapes]
    nodes, weights = cubature(sum(sizes))
    blocks = np.split(nodes, np.cumsum(sizes)[:-1])

    def at(columns: Any) -> dict[Name, Any]:
        """The point with the chosen nodes for the variables."""
        moved = dict(point)
        for v, shape, block in zip(e.variables, shapes, blocks, strict=True):
            first = first_index(v) if isinstance(v, IndexedBase) else 1
            moved[v] = _Entries(block[:, columns].reshape((*shape, *np.shape(weights[columns]))), len(shape), first)
            moved[v] = moved[v] if shape else moved[v](())
        return moved

    if evaluator.functions is math:
        return float(np.dot(weights, np.broadcast_to(evaluator(e.of, at(slice(None))), weights.shape)))
    return sum(float(w) * evaluator(e.of, at(n)) for n, w in enumerate(weights))


@dataclass(frozen=True)
class _Entries:
    """Entries of an array by indices that start at `first`."""

    array: Array
    indices: int
    first: int

    def __call__(self, index: tuple[int, ...]) -> Any:
        sizes = self.array.shape[: self.indices]
        if len(index) != self.indices or not all(
            0 <= n - self.first < size for n, size in zip(index, sizes, strict=True)
        ):
            raise IndexError(f"there is no entry {index}")
        return self.array[tuple(n - self.first for n in index)]


def _by_quadrature(e: Expectation, evaluator: Evaluator, point: Point) -> Any:
    touched: set[tuple[Name, tuple[int, ...]]] = set()

    def at(z: float) -> dict[Name, Any]:
        def entry(v: Name) -> Any:
            def noted(index: tuple[int, ...]) -> float:
                touched.add((v, index))
                return z

            return noted

        return {**point, **{v: entry(v) if isinstance(v, IndexedBase) else z for v in e.variables}}

    nodes, weights = quadrature()
    total = sum(float(w) * evaluator(e.of, at(float(z))) for z, w in zip(nodes, weights, strict=True))
    symbols = [v for v in e.variables if isinstance(v, Symbol) and degree(e.of, {v}, evaluator) > 0]
    if len(touched) + len(symbols) > 1:
        raise Unknown(f"there is no quadrature for functions of several variables that are no polynomials: {e}")
    return total
