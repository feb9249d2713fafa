"""What follows about an integer from the ranges of its indices: bounds by interval arithmetic. Unknown counts as no."""

from collections.abc import Iterable, Mapping

from sympy import Abs, Expr, Mod, Symbol, expand

Range = tuple[Expr, Expr]
Ranges = Mapping[Symbol, Range]


def is_nonnegative(e: Expr, ranges: Ranges) -> bool:
    """Return True only if `e` is proved to be nonnegative for every value of its indices in their ranges.

    `e` must be linear in each index, or become so where |u| is replaced by u and by -u. An index gives way to the end
    of its range at which `e` is smallest, one whose range depends on others before these; what is left is judged by
    its symbols' own assumptions.
    """
    return _is_nonnegative(expand(e), ranges)


def _is_nonnegative(e: Expr, ranges: Ranges) -> bool:
    for part in e.atoms(Abs):  # |u| is one of u and -u
        return all(is_nonnegative(e.xreplace({part: sign * part.args[0]}), ranges) for sign in (1, -1))
    gone: set[Symbol] = set()
    while pending := e.free_symbols & ranges.keys():
        inner = {s for other in pending for bound in ranges[other] for s in bound.free_symbols} & pending
        index = min(pending - inner, key=str, default=None)
        if index is None or index in gone:  # ranges that go round in circles
            return False
        slope = e.coeff(index)
        rest = e - slope * index
        if not slope.is_Rational or rest.has(index):
            return False
        e = rest + slope * ranges[index][0 if slope > 0 else 1]
        gone.add(index)
    return bool(e.is_nonnegative)


def locate(interval: Range, q: Expr, ranges: Ranges) -> bool | None:
    """Whether `q` lies in the interval: True if it is proved to be an integer of it, False if no number of it."""
    lower, upper = interval
    if ranges.get(q) == interval or (modulus(q) is not None and modulus(q) == cycle(interval)):
        return True
    above, below = expand(q - lower), expand(upper - q)
    if _is_nonnegative(above, ranges):
        if q.is_integer and _is_nonnegative(below, ranges):
            return True
        return False if _is_nonnegative(-below - 1, ranges) else None
    return False if _is_nonnegative(-above - 1, ranges) else None


def contains(interval: Range, q: Expr, ranges: Ranges) -> bool:
    """Whether `q` is proved to be an integer of the interval."""
    return locate(interval, q, ranges) is True


def modulus(e: Expr) -> Expr | None:
    """Return n if `e` is the remainder of an integer modulo a positive integer n, else None."""
    if isinstance(e, Mod) and e.args[0].is_integer and e.args[1].is_integer and e.args[1].is_positive:
        return e.args[1]
    return None


def cycle(interval: Range) -> Expr | None:
    """Return n if the interval is 0, ..., n - 1 for a positive integer n, else None."""
    lower, upper = interval
    n = upper + 1
    return n if lower == 0 and n.is_integer and n.is_positive else None


def outermost_first(symbols: Iterable[Symbol], ranges: Ranges) -> list[Symbol]:
    """Return the symbols with each one behind those that bound its range."""
    ordered: list[Symbol] = []

    def add(s: Symbol) -> None:
        if s not in ordered:
            for bound in ranges.get(s, ()):
                for outer in sorted(bound.free_symbols & ranges.keys(), key=str):
                    add(outer)
            ordered.append(s)

    for s in symbols:
        add(s)
    return ordered
