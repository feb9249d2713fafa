r"""Indices that wrap around: $(i + k) \bmod n$ with entries numbered $0, \dots, n - 1$, for every $n \ge 1$.

Three facts carry everything. A remainder depends on its argument only up to multiples of n. Two numbers of the range
$0, \dots, n - 1$ are equal if they are congruent modulo n. And $v \mapsto (c \pm v) \bmod n$ is one-to-one on that
range, whatever the integer c, so that a sum over the range may be taken in this order. A factor of v other than 1 and
-1 need not be one-to-one, and is left alone.
"""

from collections.abc import Iterator

from sympy import (
    Add,
    Expr,
    Indexed,
    IndexedBase,
    Integer,
    KroneckerDelta,
    Mod,
    Sum,
    Symbol,
    default_sort_key,
    expand_mul,
)

from worked.symbolic.deltas import Delta, difference
from worked.symbolic.intervals import Range, Ranges, contains, cycle, modulus


def remainder(a: Expr, n: Expr, ranges: Ranges) -> Expr:
    """Return a mod n without remainders inside, without multiples of n, and as `a` itself if it is in range."""
    total = expand_mul(Add(*(_plain(term, n) for term in Add.make_args(expand_mul(a)))))
    total = Add(*(term for term in Add.make_args(total) if not (term / n).is_integer))
    return total if contains((Integer(0), n - 1), total, ranges) else Mod(total, n)


def _plain(term: Expr, n: Expr) -> Expr:
    """Write c (a mod n) as c a, for an integer c: they are congruent."""
    number, rest = term.as_coeff_Mul()
    return number * rest.args[0] if number.is_Integer and modulus(rest) == n else term


def settle(e: Expr, ranges: Ranges) -> Expr:
    """Return `e` with its remainders and the deltas between them in normal form; indices of sums are in range."""
    if not e.has(Mod):
        return e
    if isinstance(e, Sum):
        inner = {**ranges, **{v: (lower, upper) for v, lower, upper in e.limits}}
        return Sum(settle(e.function, inner), *e.limits)
    if isinstance(e, Indexed):
        return e.base[tuple(settle(index, ranges) for index in e.indices)]
    if not e.args or isinstance(e, IndexedBase):
        return e
    e = e.func(*(settle(part, ranges) for part in e.args))
    if (n := modulus(e)) is not None:
        return remainder(e.args[0], n, ranges)
    return _delta(e, ranges) if isinstance(e, KroneckerDelta | Delta) else e


def _congruences(delta: KroneckerDelta | Delta, ranges: Ranges) -> Iterator[tuple[Mod, Expr]]:
    """Yield each way to read a delta as a mod n = q with q among 0, ..., n - 1: as a and q congruent modulo n."""
    if len(delta.args) > 2:  # SymPy's delta with a range of its own
        return
    d = expand_mul(difference(delta))
    for part in sorted(d.atoms(Mod), key=default_sort_key):
        sign, n = d.coeff(part), modulus(part)
        if n is not None and sign in (1, -1):
            q = expand_mul(part - sign * d)
            if contains((Integer(0), n - 1), q, ranges):
                yield part, q


def _delta(e: KroneckerDelta | Delta, ranges: Ranges) -> Expr:
    """Return the delta of a remainder and another number below n as a function of their difference modulo n."""
    for part, q in _congruences(e, ranges):
        n = part.args[1]
        rest = remainder(part - q, n, {})
        if modulus(rest) is None:  # 0, or another number
            return KroneckerDelta(rest, 0)
        forms = (rest.args[0], expand_mul(-rest.args[0]))
        for form in forms:  # u - w with both below n: then they are equal
            for u in Add.make_args(form):
                w = expand_mul(u - form)
                if all(contains((Integer(0), n - 1), side, ranges) for side in (u, w)):
                    return KroneckerDelta(u, w)
        return KroneckerDelta(Mod(min(forms, key=default_sort_key), n), 0)
    return e


def solution(delta: KroneckerDelta | Delta, v: Symbol, interval: Range, ranges: Ranges) -> Expr | None:
    """Return the one value of `v` in the interval for which the delta is 1, None if there is not exactly one for sure.

    (s v + c) mod n = q with s = 1 or -1 has the one solution v = s (q - c) mod n among 0, ..., n - 1 if q is in range.
    """
    for part, q in _congruences(delta, ranges):
        linear = _linear(part, v)
        if part.args[1] == cycle(interval) and linear is not None and not q.has(v):
            s, c = linear
            return Mod(s * (q - c), part.args[1])
    return None


def _linear(part: Mod, v: Symbol) -> tuple[Expr, Expr] | None:
    """Return s and c if the argument of a remainder is s v + c with s = 1 or -1 and an integer c, else None."""
    argument = expand_mul(part.args[0])
    s = argument.coeff(v)
    c = expand_mul(argument - s * v)
    return (s, c) if s in (1, -1) and not c.has(v) and c.is_integer else None


def orders(e: Expr, v: Symbol, interval: Range) -> Iterator[Expr]:
    """Yield what `v` may be replaced by in a sum of `e` over the interval: itself, and what makes a remainder plain.

    The sums are equal, because each is over the same numbers in another order.
    """
    yield v
    n = cycle(interval)
    if n is None or n.has(v):
        return
    for part in sorted(e.atoms(Mod), key=default_sort_key):
        if modulus(part) == n and part.has(v) and (linear := _linear(part, v)) is not None:
            s, c = linear
            if c.free_symbols <= e.free_symbols:  # not an index of a sum inside e
                yield Mod(s * (v - c), n)
