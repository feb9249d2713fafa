"""Kronecker deltas of linear expressions: one form for equal deltas, and what is counted by them."""

from sympy import Abs, Expr, Function, Integer, KroneckerDelta, Pow, Symbol, default_sort_key, expand

from worked.symbolic.intervals import Ranges, is_nonnegative


def difference(delta: KroneckerDelta) -> Expr:
    """Return what a delta compares with zero."""
    return expand(delta.args[0] - delta.args[1])


def canonical(delta: KroneckerDelta) -> Expr:
    """Return the same delta as a function of the difference of its arguments, whichever stands first."""
    if len(delta.args) > 2:  # SymPy's delta with a range of its own: left as it is
        return delta
    d = difference(delta)
    if d.is_Rational:
        return Integer(int(d == 0))
    symbols = sorted(d.free_symbols, key=default_sort_key)
    if len(symbols) == 2 and d in (symbols[0] - symbols[1], symbols[1] - symbols[0]):
        return KroneckerDelta(*symbols)
    return KroneckerDelta(0, -d if d.could_extract_minus_sign() else d)


def tidy(e: Expr) -> Expr:
    """Return `e` with every delta in its canonical form, and no power of a delta, which is the delta itself."""
    e = e.xreplace({delta: canonical(delta) for delta in e.atoms(KroneckerDelta)})
    powers = (p for p in e.atoms(Pow) if isinstance(p.base, KroneckerDelta) and p.exp.is_Integer and p.exp > 0)
    return e.xreplace({p: p.base for p in powers})


def solve(delta: KroneckerDelta, v: Symbol) -> Expr | None:
    """Return the one value of `v` for which the delta is 1; None unless it is linear in v with slope 1 or -1."""
    if len(delta.args) > 2:
        return None
    d = difference(delta)
    slope = d.coeff(v)
    rest = expand(d - slope * v)
    return -slope * rest if slope in (1, -1) and not rest.has(v) else None


class diagonal(Function):
    r"""The number of entries (i, i + u) of a square matrix of size n, $\max(0, n - |u|)$; an atom here."""

    nargs = 2

    def _eval_is_integer(self) -> bool:
        return True

    def _eval_is_nonnegative(self) -> bool:
        return True


def entries(delta: KroneckerDelta, i: tuple[Expr, ...], j: tuple[Expr, ...]) -> Expr | None:
    r"""Return $\sum_i \sum_j \delta_{j,i+u}$, both from a to b, as `diagonal(b - a + 1, u)`, None for other sums."""
    (v, *first), (w, *second) = i, j
    if len(delta.args) > 2 or first != second or any(bound.has(v, w) for bound in first):
        return None
    d = difference(delta)
    u = expand(d - d.coeff(v) * v - d.coeff(w) * w)
    if {d.coeff(v), d.coeff(w)} != {1, -1} or u.has(v, w) or not u.is_integer:
        return None
    return diagonal(expand(first[1] - first[0] + 1), -u if u.could_extract_minus_sign() else u)


def counted(e: Expr, ranges: Ranges) -> Expr:
    """Replace each `diagonal(n, u)` by n - |u|, where that is known not to be negative."""
    known = {part: part.args[0] - Abs(part.args[1]) for part in e.atoms(diagonal)}
    return e.xreplace({part: count for part, count in known.items() if is_nonnegative(count, ranges)})
