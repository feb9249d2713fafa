"""What follows about an integer from the ranges of its indices: bounds by interval arithmetic. Unknown counts as no."""

from collections.abc import Mapping

from sympy import Abs, Expr, Integer, Mod, Symbol, expand

Range = tuple[Expr, Expr]
Ranges = Mapping[Symbol, Range]


def is_nonnegative(e: Expr, ranges: Ranges) -> bool:
    """Return True only if `e` is proved to be nonnegative for every value of its indices in their ranges.

    `e` must be linear in each index, or become so where |u| is replaced by u and by -u. An index gives way to the end
    of its range at which `e` is smallest, one whose range depends on others before these; what is left is judged by
    its symbols' own assumptions.
    """
    e = expand(e)
    for part in e.atoms(Abs):  # |u| is one of u and -u
        return all(is_nonnegative(e.xreplace({part: sign * part.args[0]}), ranges) for sign in (1, -1))
    pending = {s for s in e.free_symbols if s in ranges}
    if not pending:
        return bool(e.is_nonnegative)
    inner = {s for other in pending for bound in ranges[other] for s in bound.free_symbols} & pending
    index = min(pending - inner, key=str, default=None)
    if index is None or any(bound.has(index) for bound in ranges[index]):
        return False
    slope = e.coeff(index)
    if not slope.is_number or (e - slope * index).has(index):
        return False
    lower, upper = ranges[index]
    rest = {s: r for s, r in ranges.items() if s != index}
    return is_nonnegative(e - slope * index + slope * (lower if slope > 0 else upper), rest)


def contains(interval: Range, q: Expr, ranges: Ranges) -> bool:
    """Whether `q` is proved to be an integer of the interval."""
    lower, upper = interval
    if ranges.get(q) == interval or (modulus(q) is not None and modulus(q) == cycle(interval)):
        return True
    return bool(q.is_integer) and is_nonnegative(q - lower, ranges) and is_nonnegative(upper - q, ranges)


def excludes(interval: Range, q: Expr, ranges: Ranges) -> bool:
    """Whether `q` is proved to lie outside the interval."""
    lower, upper = interval
    beyond = (q - upper - Integer(1), lower - q - Integer(1))
    return any(is_nonnegative(distance, ranges) for distance in beyond)


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
