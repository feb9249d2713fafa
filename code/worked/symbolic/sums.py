"""Sums of symbolic length: renaming, differentiation, normal form.

Ranges are integer intervals `(lower, upper)` of length `upper - lower + 1 >= 0`. No rule looks at the length, so each
holds for every size. SymPy's own `diff`, `subs` and `doit` confuse a bound index with a free one of the same
name; they are used here only after every bound index has a name that occurs nowhere else.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from itertools import chain, combinations, groupby, permutations
from itertools import product as cartesian

from sympy import (
    Add,
    Basic,
    Derivative,
    Dummy,
    Expr,
    Indexed,
    IndexedBase,
    Integer,
    KroneckerDelta,
    MatrixSymbol,
    Mod,
    Mul,
    Piecewise,
    Pow,
    Sum,
    Symbol,
    Tuple,
    default_sort_key,
    diff,
    expand,
    preorder_traversal,
    symbols,
)

from worked.symbolic.cyclic import orders, settle, solution
from worked.symbolic.deltas import Delta, entries, solve, tidy
from worked.symbolic.functions import AnyFunction, Slope
from worked.symbolic.intervals import Range, Ranges, locate

Limits = list[tuple[Symbol, Expr, Expr]]

_THIS, _OTHER = symbols("this other", integer=True)


class Shorthand(Expr):
    """An expression that stands for a longer one, and is displayed instead of it."""

    is_commutative = True

    def written_out(self) -> Expr:
        """Return what it stands for."""
        raise NotImplementedError

    def changed(self, indices: Iterable[Symbol]) -> Iterable[tuple[str, Expr]]:
        """Return what else than its first argument can be changed, for mutation testing: operator and result."""
        return ()

    def _eval_derivative(self, variable: Expr) -> Expr:
        return diff(fresh(self.written_out()), variable)


class Binder(Expr):
    """An expression with names of its own, like the index of a sum.

    Its arguments are `inside`, the tuple of its own names (symbols and indexed bases), and whatever else: the names
    mean nothing outside of `inside`.
    """

    is_commutative = True

    @property
    def inside(self) -> Basic:
        """The part in which the names mean something."""
        return self.args[0]

    @property
    def bound(self) -> Tuple:
        """The names."""
        return self.args[1]

    @property
    def free_symbols(self) -> set[Basic]:
        """What is not bound."""
        own = set().union(*(name.free_symbols for name in self.bound))
        inside = {s for s in self.inside.free_symbols if not s.free_symbols & own}
        return inside.union(*(part.free_symbols for part in self.args[2:]))

    def own_ranges(self) -> dict[Symbol, Range]:
        """Return the ranges of the bound indices, as far as they have one."""
        return {}

    def changed(self, indices: Iterable[Symbol]) -> Iterable[tuple[str, Expr]]:
        """Return what else than `inside` can be changed, for mutation testing: operator and result."""
        return ()

    def renamed(self, name: Callable[[Basic, int], Symbol]) -> "Binder":
        """Return the same with new names: `name(old, position)`, a base keeps its shape."""
        new = []
        for position, old in enumerate(self.bound):
            symbol = name(old, position)
            new.append(IndexedBase(symbol, shape=old.shape) if isinstance(old, IndexedBase) else symbol)
        inside = reworded(self.inside, dict(zip(self.bound, new, strict=True)))
        return self.func(inside, Tuple(*new), *self.args[2:])

    def canonical(self) -> "Binder":
        """Return the same with names that depend on nothing but how deep binders are nested inside."""
        depth = _nested(self.inside)
        return self.renamed(lambda old, position: _own(depth, position, old))


def reworded(e: Basic, rule: Mapping[Basic, Basic]) -> Basic:
    """Return what `xreplace` returns, with sums and products left in the order in which they were written."""
    if e in rule:
        return rule[e]
    if not e.args:
        return e
    parts = [reworded(part, rule) for part in e.args]
    if isinstance(e, Add | Mul):
        return e.func(*parts, evaluate=False)
    return e.func(*parts)


def _nested(e: Basic) -> int:
    """How deep binders are nested."""
    return int(isinstance(e, Binder)) + max((_nested(part) for part in e.args), default=0)


def _own(depth: int, position: int, old: Basic) -> Dummy:
    """The canonical name at a depth; equal arguments give the equal object."""
    number = Integer(10**6 + depth * 1000 + position)
    return Dummy(f"own_{depth}_{position}", dummy_index=number, **_kind(old))


def _unused(old: Basic, position: int) -> Dummy:
    """A name that occurs nowhere else."""
    label = old.label if isinstance(old, IndexedBase) else old
    return Dummy(label.name.strip("_"), **_kind(old))


def _kind(old: Basic) -> dict[str, bool]:
    """Indices are integers; quantities and the entries of bases are real."""
    return {"integer": True} if isinstance(old, Symbol) and old.is_integer else {"real": True}


def fresh(e: Expr) -> Expr:
    """Return `e` with every bound index renamed to one that occurs nowhere else.

    Renaming a bound index to an unused name never changes a sum; afterwards no replacement can be captured.
    """
    if isinstance(e, Sum):
        body = fresh(e.function)
        limits = [[v, fresh(lower), fresh(upper)] for v, lower, upper in e.limits]
        for position, limit in enumerate(limits):  # innermost first: a variable may bound the sums inside its own
            old, new = limit[0], Dummy(limit[0].name.strip("_"), integer=True)
            body = body.xreplace({old: new})
            for inner in limits[:position]:
                inner[1:] = [bound.xreplace({old: new}) for bound in inner[1:]]
            limit[0] = new
        return Sum(body, *map(tuple, limits))
    if not e.args or isinstance(e, Indexed | IndexedBase):
        return e
    args = [fresh(part) for part in e.args]
    if any(new is not old for new, old in zip(args, e.args, strict=True)):
        e = e.func(*args)
    if isinstance(e, AnyFunction):
        return e.with_index(Dummy("k", integer=True))
    return e.renamed(_unused) if isinstance(e, Binder) else e


def differentiate(e: Expr, variable: Expr) -> Expr:
    r"""Return the derivative of `e` by a symbol or by one entry of an indexed variable.

    Differentiation passes under a finite sum, and $\partial x_j/\partial x_p = \delta_{jp}$; with fresh bound
    indices the $j$ of a sum is never mistaken for a free $p$. Matrix expressions are refused, because SymPy returns
    0 for some of their derivatives; so are slopes of an unknown function, whose derivative is not 0 but unknown.
    """
    if e.has(Slope):
        raise ValueError("an unknown function is differentiated once only")
    if e.has(MatrixSymbol) or variable.has(MatrixSymbol):
        raise TypeError("matrix expressions are not differentiated here: write the sum over entries")
    derivative = diff(fresh(e), variable)
    if derivative.has(Derivative):
        raise ValueError(f"no rule for the derivative of {e} by {variable}")
    return derivative


def spread(e: Expr) -> Expr:
    """Expand products and integer powers only; the full `expand` turns the exponential of a sum into a product."""
    return expand(e, power_exp=False, power_base=False, log=False, basic=False)


def normal_form(e: Expr, ranges: Ranges) -> Expr:
    """Return an equal expression in which sums of products have a canonical form.

    `ranges` gives the interval of each free index. The bound indices of `e` must be fresh. Equal results prove
    equality; different results prove nothing.
    """
    if isinstance(e, Piecewise):
        raise ValueError("Piecewise has no normal form: split the cases")
    if isinstance(e, Sum) and not any(isinstance(s, Dummy) for s in e.free_symbols):
        return _remembered(_numbered(e), frozenset(_about(e, ranges).items()))
    if isinstance(e, Sum):
        return _of_sum(e, ranges)
    if not e.args or isinstance(e, Indexed | IndexedBase | Mod):
        return settle(e, ranges)
    if isinstance(e, KroneckerDelta | Delta):
        return tidy(settle(e, ranges))
    if getattr(e, "evaluated", None):  # a class with a normal form of its own
        return e.evaluated(ranges)
    if isinstance(e, Shorthand):
        return normal_form(fresh(e.written_out()), ranges)
    if isinstance(e, Binder):
        e = e.canonical()  # before and after: the form of a body depends on the names in it
        inside = normal_form(e.inside, {**ranges, **e.own_ranges()})
        return e.func(inside, e.bound, *(normal_form(part, ranges) for part in e.args[2:])).canonical()
    e = e.func(*(normal_form(part, ranges) for part in e.args))
    return Add(*(_collapsed(tidy(term), ranges) for term in terms(e))) if isinstance(e, Add | Mul | Pow) else e


@lru_cache(maxsize=4096)
def _remembered(e: Sum, ranges: frozenset[tuple[Symbol, Range]]) -> Expr:
    """Return the normal form of a sum that is not part of another; one check after the other asks for the same."""
    return _of_sum(e, dict(ranges))


def _numbered(e: Sum) -> Sum:
    """Return a sum with bound indices numbered as they occur, so that equal sums with other names are equal."""
    bound = dict.fromkeys(v for part in preorder_traversal(e) if isinstance(part, Sum) for v in part.variables)
    return e.xreplace({v: Dummy("n", integer=True, dummy_index=n) for n, v in enumerate(bound)})


def _about(e: Expr, ranges: Ranges) -> dict[Symbol, Range]:
    """Return the ranges of what occurs in `e`, and of what occurs in these ranges."""
    found: dict[Symbol, Range] = {}
    pending = e.free_symbols & ranges.keys()
    while pending:
        found |= {s: ranges[s] for s in pending}
        pending = {s for p in pending for bound in ranges[p] for s in bound.free_symbols} & ranges.keys() - found.keys()
    return found


def _of_sum(e: Sum, ranges: Ranges) -> Expr:
    """Return the normal form of a sum, from its inside out."""
    outer = [ranges]  # SymPy merges Sum(Sum(...)) into one; what is in range inside each limit, outermost first
    for v, lower, upper in reversed(e.limits):
        outer.append({**outer[-1], v: (lower, upper)})
    body = normal_form(e.function, outer.pop())
    for v, lower, upper in e.limits:
        body = _sum(body, v, (lower, upper), outer.pop())
    return body


def terms(e: Expr) -> Iterable[Expr]:
    """Return the terms of `e`, multiplied out."""
    return Add.make_args(spread(e))


def _collapsed(term: Expr, ranges: Ranges) -> Expr:
    r"""Return a product of deltas and sums as one sum, if one of its indices can then be contracted.

    $\delta \sum_v F = \sum_v \delta F$ and $\sum_v F \sum_u G = \sum_v \sum_u F G$.
    """
    factors = Mul.make_args(term)
    deltas = [f for f in factors if isinstance(f, Delta)]
    sums = [f for f in factors for _ in range(_sums_in(f))]
    for merged in (*((s,) for s in sums if deltas), *combinations(sums, 2)):
        copies = [fresh(s.as_base_exp()[0]) for s in merged]
        inside = [*deltas, *(f for copy in copies for f in Mul.make_args(copy.function))]
        reduced = _reduce(inside, [limit for copy in copies for limit in copy.limits], ranges)
        if reduced is not None:
            rest = term / Mul(*deltas, *(s.as_base_exp()[0] for s in merged))
            return normal_form(rest * reduced, ranges)
    return term


def _sums_in(factor: Expr) -> int:
    """How many sums a positive power of a sum is the product of; 0 for anything else."""
    base, power = factor.as_base_exp()
    return int(power) if isinstance(base, Sum) and power.is_Integer and power > 0 else 0


def _reduce(factors: list[Expr], limits: Limits, ranges: Ranges) -> Expr | None:
    """Return the sum of a product over several independent ranges with one index less, None if none contracts."""
    for n, (v, lower, upper) in enumerate(limits):
        others = limits[:n] + limits[n + 1 :]
        if any(bound.has(v) for _, *bounds in others for bound in bounds):
            continue
        inner = {**ranges, **{u: (a, b) for u, a, b in others}}
        contracted = _contract([f for f in factors if f.has(v)], v, (lower, upper), inner, factors)
        if contracted is not None:
            body = contracted * Mul(*(f for f in factors if not f.has(v)))
            return Sum(body, *others) if others else body
    return _count(factors, limits)


def _count(factors: list[Expr], limits: Limits) -> Expr | None:
    """Return the sum of a product in which two indices occur in one delta only, with their number instead."""
    for first, second in combinations(limits, 2):
        others = [limit for limit in limits if limit not in (first, second)]
        pair = (first[0], second[0])
        touched = [f for f in factors if f.has(*pair)]
        if len(touched) != 1 or not isinstance(touched[0], Delta):
            continue
        count = entries(touched[0], first, second)
        if count is not None and not any(bound.has(*pair) for _, *bounds in others for bound in bounds):
            body = count * Mul(*(f for f in factors if f is not touched[0]))
            return Sum(body, *others) if others else body
    return None


def _sum(body: Expr, v: Symbol, interval: Range, ranges: Ranges) -> Expr:
    r"""Return $\sum_v$ body term by term: a finite sum is linear."""
    lower, upper = interval
    total = []
    for term in terms(body):
        factors = Mul.make_args(tidy(term))
        inside = [f for f in factors if f.has(v)]
        outside = Mul(*(f for f in factors if not f.has(v)))
        length = upper - lower + 1
        if not inside and length.is_nonnegative:  # a constant, as many times as the range is long
            total.append(outside * length)
            continue
        contracted = _contract(inside, v, interval, ranges, list(factors))
        if contracted is not None:
            total.append(normal_form(outside * contracted, ranges))
        else:
            total.append(outside * _canonical(inside, v, interval, ranges))
    return Add(*total)


def _contract(factors: list[Expr], v: Symbol, interval: Range, ranges: Ranges, known: list[Expr]) -> Expr | None:
    r"""Return $\sum_v F(v)\,\delta_{vq} = F(q)$ if q is known to lie in the range of v, 0 if outside, else None.

    Where another delta among the factors `known` of the product is 0, nothing is to be shown; so q may be rewritten by
    what that delta says.
    """
    others = [f for f in known if isinstance(f, Delta) and not f.has(v)]
    for delta in factors:
        if not isinstance(delta, Delta):
            continue
        if (q := solution(delta, v, interval, ranges)) is not None:
            return Mul(*(f for f in factors if f is not delta)).xreplace({v: q})
        if (q := solve(delta, v)) is None:
            continue
        values = [q]
        for other in others:
            for u in sorted(other.free_symbols & q.free_symbols, key=str):
                instead = solve(other, u)
                values += [] if instead is None else [spread(q.xreplace({u: instead}))]
        for value in values:
            where = locate(interval, value, ranges)
            if where is not None:
                rest = Mul(*(f for f in factors if f is not delta))
                return rest.xreplace({v: value}) if where else Integer(0)
    return None


def _canonical(factors: list[Expr], v: Symbol, interval: Range, ranges: Ranges) -> Expr:
    r"""Return the sum of a product with its bound indices renamed canonically.

    A factor that is itself a sum (or a positive power of one) is merged by distributivity,
    $\sum_v F \sum_u G = \sum_v \sum_u F G$ with fresh $u$, if the range of $u$ does not depend on $v$. Sums over
    independent ranges commute, and a cycle may be run through in another order; what is taken is the one whose renamed
    sum sorts first, so that sums which differ in names and order of summation become the same object.
    """
    limits = [(v, *interval)]
    product = []
    for factor in factors:
        base, power = factor.as_base_exp()
        if isinstance(base, Sum) and power.is_Integer and power > 0 and _independent(base, v):
            for _ in range(power):
                own = {u: Dummy(u.name, integer=True) for u in base.variables}  # sums inside keep their canonical names
                product.append(base.function.xreplace(own))
                limits += [(own[u], *bounds) for u, *bounds in base.limits]
        else:
            product.append(factor)
    merged = Mul.make_args(tidy(Mul(*product)))
    reduced = _reduce(list(merged), limits, ranges) if len(limits) > 1 else None
    if reduced is not None:
        return normal_form(reduced, ranges)
    core = Mul(*merged)
    depth = _depth(core)
    candidates = []
    for order in _orders(core, limits):
        names = {limits[a][0]: _bound(depth, n) for n, a in enumerate(order)}
        renamed = [tuple(part.xreplace(names) for part in limits[a]) for a in order]
        inner = {**ranges, **{v: (lower, upper) for v, lower, upper in renamed}}
        candidates += [(body, renamed) for body in _reordered(core.xreplace(names), renamed, inner)]
    body, renamed = min(candidates, key=_first)
    return Sum(body, *renamed)


def _reordered(core: Expr, limits: Limits, ranges: Ranges) -> list[Expr]:
    """Return the summands for every order in which the indices of `limits` may run through a cycle."""
    found = [tidy(settle(core, ranges))]
    for v, lower, upper in limits if core.has(Mod) else ():
        moved = (e.xreplace({v: to}) for e in found for to in orders(e, v, (lower, upper)))
        found = list(dict.fromkeys(tidy(settle(e, ranges)) for e in moved))
    return found


def _first(candidate: tuple[Expr, Limits]) -> tuple:
    """Sort by the number of remainders, and then in SymPy's order."""
    body, limits = candidate
    return len(body.atoms(Mod)), default_sort_key(body), default_sort_key(Tuple(*map(_pack, limits)))


def _orders(core: Expr, limits: Limits) -> Iterable[tuple[int, ...]]:
    """Return the orders of the indices to be compared: all that sort them by what they are used for.

    What an index is used for is said without the names of the others, so that it does not depend on them.
    """
    if len(limits) == 1 or core.has(Mod):  # what an index is used for changes with the order of a cycle
        return permutations(range(len(limits)))
    uses = []
    for v, lower, upper in limits:
        marks = {u: _OTHER for u, *_ in limits} | {v: _THIS}
        factors = (f.xreplace(marks) for f in Mul.make_args(core) if f.has(v))
        bounds = [str(bound.xreplace(marks)) for bound in (lower, upper)]
        uses.append((bounds, sorted(str(tidy(f)) for f in factors)))
    groups = [list(group) for _, group in groupby(sorted(range(len(limits)), key=lambda n: uses[n]), lambda n: uses[n])]
    return (tuple(chain(*choice)) for choice in cartesian(*map(permutations, groups)))


def _independent(s: Sum, v: Symbol) -> bool:
    """Whether no range of the sum depends on `v` or on another of its own indices."""
    indices = {v, *s.variables}
    return not any(bound.free_symbols & indices for _, *bounds in s.limits for bound in bounds)


def _pack(limit: tuple[Basic, ...]) -> Tuple:
    return Tuple(*limit)


def _depth(e: Expr) -> int:
    """Nesting depth of sums: indices of different depth get different names, so none is captured."""
    return max((1 + _depth(s.function) for s in e.atoms(Sum)), default=0)


def _bound(depth: int, position: int) -> Dummy:
    """The canonical bound index; equal arguments give the equal object, without any table."""
    return Dummy(f"bound_{depth}_{position}", integer=True, dummy_index=depth * 1000 + position)
