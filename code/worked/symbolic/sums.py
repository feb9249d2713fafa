"""Sums of symbolic length: renaming, differentiation, normal form.

Ranges are integer intervals `(lower, upper)` of length `upper - lower + 1 >= 0`. No rule looks at the length, so each
holds for every size. SymPy's own `diff`, `subs` and `doit` confuse a bound index with a free one of the same
name; they are used here only after every bound index has a name that occurs nowhere else.
"""

from collections.abc import Mapping
from itertools import permutations

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
    Mul,
    Piecewise,
    Pow,
    Sum,
    Symbol,
    Tuple,
    default_sort_key,
    diff,
    expand,
)

Range = tuple[Expr, Expr]
Ranges = Mapping[Symbol, Range]


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
    return e.func(*map(fresh, e.args))


def differentiate(e: Expr, variable: Expr) -> Expr:
    r"""Return the derivative of `e` by a symbol or by one entry of an indexed variable.

    Differentiation passes under a finite sum, and $\partial x_j/\partial x_p = \delta_{jp}$; with fresh bound
    indices the $j$ of a sum is never mistaken for a free $p$. Matrix expressions are refused, because SymPy returns
    0 for some of their derivatives.
    """
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
    if isinstance(e, Sum):
        outer = [ranges]  # SymPy merges Sum(Sum(...)) into one; what is in range inside each limit, outermost first
        for v, lower, upper in reversed(e.limits):
            outer.append({**outer[-1], v: (lower, upper)})
        body = normal_form(e.function, outer.pop())
        for v, lower, upper in e.limits:
            body = _sum(body, v, (lower, upper), outer.pop())
        return body
    if not e.args or isinstance(e, Indexed | IndexedBase):
        return e
    e = e.func(*(normal_form(part, ranges) for part in e.args))
    return spread(e) if isinstance(e, Add | Mul | Pow) else e


def _sum(body: Expr, v: Symbol, interval: Range, ranges: Ranges) -> Expr:
    r"""Return $\sum_v$ body term by term: a finite sum is linear."""
    lower, upper = interval
    total = []
    for term in Add.make_args(spread(body)):
        factors = Mul.make_args(term)
        inside = [f for f in factors if f.has(v)]
        outside = Mul(*(f for f in factors if not f.has(v)))
        length = upper - lower + 1
        if not inside and length.is_nonnegative:  # a constant, as many times as the range is long
            total.append(outside * length)
            continue
        contracted = _contract(inside, v, interval, ranges)
        if contracted is not None:
            total.append(normal_form(outside * contracted, ranges))
        else:
            total.append(outside * _canonical(inside, v, interval))
    return Add(*total)


def _contract(factors: list[Expr], v: Symbol, interval: Range, ranges: Ranges) -> Expr | None:
    r"""Return $\sum_v F(v)\,\delta_{vq} = F(q)$ if q is known to lie in the range of v, else None."""
    lower, upper = interval
    for delta in factors:
        if not isinstance(delta, KroneckerDelta) or v not in delta.args[:2]:
            continue
        q = delta.args[1] if delta.args[0] == v else delta.args[0]
        in_range = ranges.get(q) == interval or ((q - lower).is_nonnegative and (upper - q).is_nonnegative)
        if in_range and not q.has(v):
            return Mul(*(f for f in factors if f is not delta)).xreplace({v: q})
    return None


def _canonical(factors: list[Expr], v: Symbol, interval: Range) -> Expr:
    r"""Return the sum of a product with its bound indices renamed canonically.

    A factor that is itself a sum (or a positive power of one) is merged by distributivity,
    $\sum_v F \sum_u G = \sum_v \sum_u F G$ with fresh $u$, if the range of $u$ does not depend on $v$. Sums over
    independent ranges commute; the order taken is the one whose renamed sum sorts first, so that sums which differ in
    names and order of summation become the same object.
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
    core = Mul(*product)
    depth = _depth(core)
    candidates = []
    for order in permutations(range(len(limits))):
        names = {limits[a][0]: _bound(depth, n) for n, a in enumerate(order)}
        renamed = [tuple(part.xreplace(names) for part in limits[a]) for a in order]
        candidates.append((core.xreplace(names), renamed))
    body, renamed = min(candidates, key=lambda c: (default_sort_key(c[0]), default_sort_key(Tuple(*map(_pack, c[1])))))
    return Sum(body, *renamed)


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
    return Dummy(f"bound_{depth}_{position}", integer=True, dummy_index=Integer(depth * 1000 + position))
