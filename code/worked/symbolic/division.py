"""Floors, ceilings, remainders and maxima of integers, decided by dividing with remainder.

Every integer is n = s q + r with 0 <= r < s. With n written so, a floor is found by sandwiching: floor(u / v) = t if
t is an integer and both u - t v and v - 1 - (u - t v) are proved not to be negative. That a number is not negative is
proved by its being a polynomial without negative coefficients in symbols that are not negative. What is not found is
not proved.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sympy import (
    Add,
    Dummy,
    Expr,
    Indexed,
    Integer,
    Max,
    Mod,
    Poly,
    Symbol,
    cancel,
    ceiling,
    default_sort_key,
    floor,
    reduced,
    sympify,
)
from sympy.polys.polyerrors import PolynomialError

from worked.symbolic.methods import Context
from worked.symbolic.zero import is_zero

Case = dict[Symbol, Expr]

SPLITS = 4  # how often one case may be split further, to decide a maximum


class Undecided(Exception):
    """No value was found; `difference`, if given, is what had to have a sign."""

    def __init__(self, difference: Expr | None = None):
        super().__init__(difference)
        self.difference = difference


@dataclass(frozen=True)
class Division:
    """An identity between floors, ceilings, remainders and maxima, for every integer n = s q + r, 0 <= r < s.

    Attributes:
        on: the integer that is divided.
        by: the divisor, a positive integer or a symbol of one; several divide in turn, n = s (t q + r') + r.
        shift: divide `on + shift` instead.
    """

    on: Symbol
    by: tuple[Expr, ...]
    shift: Any = 0
    name: str = "division with remainder"

    def objection(self, left: Expr, right: Expr, context: Context) -> str | None:
        """Dividend and divisors are integers, the divisors positive, different, and independent of the dividend."""
        shift = sympify(self.shift)
        if not (self.on.is_integer and shift.is_integer) or shift.has(self.on):
            return f"{self.on} + {self.shift} must be an integer, and the shift independent of {self.on}"
        for n, divisor in enumerate(map(sympify, self.by)):
            if not (divisor.is_Integer or isinstance(divisor, Symbol)) or not divisor.is_positive:
                return f"the divisor {divisor} must be a positive integer or the symbol of one"
            if not divisor.is_integer or divisor == self.on or (divisor in self.by[:n] and not divisor.is_Integer):
                return f"the divisor {divisor} must be an integer, and neither the dividend nor an earlier divisor"
        return None if self.by else "a divisor is needed"

    def proves(self, difference: Expr, context: Context) -> bool:
        """In every case of the remainders, and of the signs that a maximum depends on."""
        if self.objection(difference, Integer(0), context) is not None:
            return False
        return all(_vanishes(difference, case, context) for case in self.cases())

    def cases(self) -> Iterator[Case]:
        """Yield what stands for the dividend and for each symbolic divisor; the cases together are all integers."""
        natural = bool(self.on.is_nonnegative) and self.shift == 0
        quotient = Dummy("q", integer=True, **({"nonnegative": True} if natural else {}))
        yield from self._cases(quotient, {}, [sympify(s) for s in reversed(self.by)])

    def _cases(self, n: Expr, divisors: Case, remaining: list[Expr]) -> Iterator[Case]:
        if not remaining:
            yield {**divisors, self.on: n - sympify(self.shift).xreplace(divisors)}
            return
        s, rest = remaining[0], remaining[1:]
        if s.is_Integer:
            for r in range(int(s)):
                yield from self._cases(s * n + r, divisors, rest)
            return
        above, below = _natural("a"), _natural("b")
        # The remainder is 0 and the divisor at least 1, or it is at least 1 and the divisor exceeds it.
        for r, divisor in ((Integer(0), below + 1), (above + 1, above + below + 2)):
            yield from self._cases(divisor * n + r, {**divisors, s: divisor}, rest)


def _natural(name: str) -> Dummy:
    return Dummy(name, integer=True, nonnegative=True)


def _vanishes(e: Expr, case: Case, context: Context, splits: int = SPLITS) -> bool:
    """Whether `e` is proved to be zero in a case."""
    if e.has(Indexed):
        return False  # nothing is known about the sign of an entry
    e = e.xreplace(case)
    # A positive integer is one more than a natural number, so that signs can be read off the coefficients.
    symbols = [s for s in e.free_symbols if isinstance(s, Symbol) and s.is_integer and s.is_positive]
    e = e.xreplace({s: _natural(s.name) + 1 for s in symbols})
    try:
        return is_zero(resolved(e), context.ranges)
    except Undecided as undecided:
        if undecided.difference is None or splits == 0:
            return False
        halves = list(_signs(undecided.difference))
        return bool(halves) and all(_vanishes(e, half, context, splits - 1) for half in halves)


def _signs(u: Expr) -> Iterator[Case]:
    """Yield two cases, u >= 0 and u < 0, for u = v - w with a natural v and w = w' + c, w' natural, c in {0, 1}."""
    for v in sorted(u.free_symbols, key=default_sort_key):
        w = v - u
        (other,) = w.free_symbols if len(w.free_symbols) == 1 else (None,)
        if other is not None and v != other and v.is_nonnegative and other.is_nonnegative:
            c = w - other
            if c in (0, 1):
                yield {v: other + c + _natural("d")}  # u = d
                yield {other: v + 1 - c + _natural("d")}  # u = -1 - d
                return


def resolved(e: Expr) -> Expr:
    """Return `e` with the value of every floor, ceiling, remainder and maximum in its place.

    Raises:
        Undecided: one of them has no value that could be proved.
    """
    if not e.has(floor, ceiling, Mod, Max):
        return e
    args = [resolved(part) for part in e.args]
    if isinstance(e, floor):
        return rounded_down(args[0])
    if isinstance(e, ceiling):
        return -rounded_down(-args[0])
    if isinstance(e, Mod):
        return args[0] - args[1] * rounded_down(args[0] / args[1]) if _positive(args[1]) else _undecided()
    if isinstance(e, Max):
        largest = args[0]
        for other in args[1:]:
            difference = (other - largest).expand()
            if not_negative(difference):
                largest = other
            elif not not_negative(-difference):
                raise Undecided(difference)
        return largest
    return e.func(*args)


def _undecided() -> Expr:
    raise Undecided


def rounded_down(e: Expr) -> Expr:
    """Return the integer t with t <= e < t + 1 as a polynomial, or raise `Undecided`."""
    try:
        above, below = cancel(e).as_numer_denom()
        if e.has(Indexed) or not all(s.is_integer for s in above.free_symbols | below.free_symbols):
            raise Undecided
        if not _positive(below):
            above, below = -above, -below
        if _positive(below):
            for t in _quotients(above.expand(), below.expand()):
                remainder = (above - t * below).expand()
                if not_negative(remainder) and not_negative((below - 1 - remainder).expand()):
                    return t
    except PolynomialError:
        pass
    raise Undecided


def _quotients(above: Expr, below: Expr) -> Iterator[Expr]:
    """Yield integers near above / below: only a proposal, whoever asks must check."""
    names = sorted(above.free_symbols | below.free_symbols, key=default_sort_key)
    if not names:
        yield Integer(above // below)
        return
    if below.is_Integer:
        coefficients = Poly(above, *names).as_dict().items()
        terms = [(c // below) * Poly({powers: 1}, *names).as_expr() for powers, c in coefficients]
        middle = Add(*terms)
    else:
        (middle,), _ = reduced(above, [below], *names)
    if any(not c.is_integer for c in Poly(middle, *names).coeffs()):
        return
    for correction in (0, -1, 1, -2, 2):
        yield middle + correction


def not_negative(e: Expr) -> bool:
    """Whether `e` is a polynomial without negative coefficients in symbols that are not negative."""
    if e.is_number:
        return bool(e.is_nonnegative)
    if not e.is_polynomial(*e.free_symbols) or e.has(floor, ceiling, Mod, Max):
        return False
    terms = Poly(e, *e.free_symbols)
    return all(s.is_nonnegative for s in e.free_symbols) and all(c.is_nonnegative for c in terms.coeffs())


def _positive(e: Expr) -> bool:
    return not_negative((e - 1).expand())
