"""Kronecker deltas of linear expressions: one form for equal deltas, and what is counted by them."""

from typing import Any

from sympy import Abs, Expr, Function, Integer, KroneckerDelta, Pow, Symbol, expand

from worked.symbolic.intervals import Ranges, is_nonnegative


class Delta(Expr):
    """1 where a linear expression is zero and 0 elsewhere: an atom of the normal form, without SymPy's own rules."""

    is_commutative = True
    is_integer = True
    is_nonnegative = True

    @property
    def difference(self) -> Expr:
        """What is compared with zero."""
        return self.args[0]

    def value_at(self, evaluator: Any, point: Any) -> int:
        """Return the value at a point."""
        return int(evaluator(self.difference, point) == 0)


def difference(delta: KroneckerDelta | Delta) -> Expr:
    """Return what a delta compares with zero."""
    return delta.difference if isinstance(delta, Delta) else expand(delta.args[0] - delta.args[1])


def canonical(delta: KroneckerDelta | Delta) -> Expr:
    """Return the same delta as a function of the difference of its arguments, whichever stands first."""
    if len(delta.args) > 2:  # SymPy's delta with a range of its own: left as it is
        return delta
    d = difference(delta)
    if d.is_Rational:
        return Integer(int(d == 0))
    return Delta(-d if d.could_extract_minus_sign() else d)


def tidy(e: Expr) -> Expr:
    """Return `e` with every delta in its canonical form, and no power of a delta, which is the delta itself."""
    e = e.xreplace({delta: canonical(delta) for delta in e.atoms(KroneckerDelta, Delta)})
    powers = (p for p in e.atoms(Pow) if isinstance(p.base, Delta) and p.exp.is_Integer and p.exp > 0)
    return e.xreplace({p: p.base for p in powers})


def solve(delta: Delta, v: Symbol) -> Expr | None:
    """Return the one value of `v` for which the delta is 1; None unless it is linear in v with slope 1 or -1."""
    slope = delta.difference.coeff(v)
    if slope not in (1, -1):
        return None
    rest = delta.difference - slope * v
    return None if rest.has(v) else -slope * rest


class diagonal(Function):
    r"""The number of entries (i, i + u) of a square matrix of size n, $\max(0, n - |u|)$; an atom here."""

    nargs = 2

    def _eval_is_integer(self) -> bool:
        return True

    def _eval_is_nonnegative(self) -> bool:
        return True

    def value_at(self, evaluator: Any, point: Any) -> int:
        """Return the value at a point."""
        n, u = (evaluator(part, point) for part in self.args)
        return max(0, n - abs(u))


def entries(delta: Delta, i: tuple[Expr, ...], j: tuple[Expr, ...]) -> Expr | None:
    r"""Return $\sum_i \sum_j \delta_{j,i+u}$, both from a to b, as `diagonal(b - a + 1, u)`, None for other sums."""
    (v, *first), (w, *second) = i, j
    if first != second or any(bound.has(v, w) for bound in first):
        return None
    d = delta.difference
    slopes = (d.coeff(v), d.coeff(w))
    u = d - slopes[0] * v - slopes[1] * w
    if slopes not in ((1, -1), (-1, 1)) or u.has(v, w) or not u.is_integer:
        return None
    return diagonal(expand(first[1] - first[0] + 1), -u if u.could_extract_minus_sign() else u)


def counted(e: Expr, ranges: Ranges) -> Expr:
    """Replace each `diagonal(n, u)` by n - |u|, where that is known not to be negative."""
    known = {part: part.args[0] - Abs(part.args[1]) for part in e.atoms(diagonal)}
    return e.xreplace({part: count for part, count in known.items() if is_nonnegative(count, ranges)})
