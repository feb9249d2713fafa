"""Sums up to a symbol: their last terms, and induction on the upper bound."""

from dataclasses import dataclass

from sympy import Add, Expr, Indexed, IndexedBase, Integer, Mul, Pow, Sum, Symbol

from worked.symbolic.methods import Context
from worked.symbolic.sums import fresh
from worked.symbolic.zero import is_zero


def split(e: Expr, n: Symbol) -> Expr:
    """Return `e` with sums up to n + c (c = 1, 2, ...) as sums up to n and c further terms.

    A sum between numbers is written out. n is at least 0. A sum whose range may be empty by more than one, such as
    one from 2 up to n, is left as it is.
    """
    if not e.args or isinstance(e, Indexed | IndexedBase):
        return e
    if not isinstance(e, Sum):
        return e.func(*(split(part, n) for part in e.args))
    *inner, (v, lower, upper) = e.limits
    body = split(Sum(e.function, *inner) if inner else e.function, n)
    further, numbered = upper - n, lower.is_Integer and upper.is_Integer
    if numbered and upper - lower + 1 >= 0:
        return sum((body.xreplace({v: Integer(at)}) for at in range(lower, upper + 1)), Integer(0))
    if lower.is_Integer and lower <= 1 and further.is_Integer and further > 0:
        terms = (fresh(body).xreplace({v: n + at}) for at in range(1, int(further) + 1))
        return sum(terms, Sum(body, (v, lower, n)))
    return Sum(body, (v, lower, upper))


def _powers_apart(e: Expr) -> Expr:
    """Return `e` with b^(m + n) as b^m b^n for every positive b."""
    return e.replace(
        lambda part: isinstance(part, Pow) and isinstance(part.exp, Add) and part.base.is_positive,
        lambda part: Mul(*(part.base**term for term in part.exp.args)),
    )


@dataclass(frozen=True)
class LastTerms:
    """Sums up to n + 1 are written as sums up to n and a last term, and both sides are compared by normal form."""

    on: Symbol
    name: str = "last term of the sum"

    def objection(self, left: Expr, right: Expr, context: Context) -> str | None:
        """The upper bound is a natural number."""
        return None if self.on.is_integer and self.on.is_nonnegative else f"{self.on} must be an integer, 0 or more"

    def proves(self, difference: Expr, context: Context) -> bool:
        """By normal form, after splitting."""
        if self.objection(difference, difference, context) is not None:
            return False
        return is_zero(_powers_apart(split(fresh(difference), self.on)), context.ranges)


@dataclass(frozen=True)
class SumInduction(LastTerms):
    """An equation with sums up to n: proved at n = 0, and that both sides grow by as much from n to n + 1."""

    name: str = "induction on the upper bound"

    def proves(self, difference: Expr, context: Context) -> bool:
        """The difference of the two sides is 0 at the start and does not change."""
        difference, n = fresh(difference), self.on
        start, grown = difference.xreplace({n: Integer(0)}), fresh(difference).xreplace({n: n + 1})
        return super().proves(start, context) and super().proves(grown - difference, context)
