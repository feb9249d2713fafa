"""Deciding that an expression is zero or positive. Unknown counts as no.

An expression is reduced to a rational function of *generators*: symbols that stand for entries, sums, exponentials,
logarithms and radicals. If that rational function is zero for all values of the generators, the expression is zero.
A generator carries only what is proved about it (real, nonnegative, positive).
"""

import math
from collections.abc import Mapping
from functools import lru_cache

from sympy import (
    Add,
    Dummy,
    Expr,
    Mul,
    Pow,
    Rational,
    Sum,
    Symbol,
    cancel,
    exp,
    factor_list,
    log,
    nan,
    oo,
    rem,
    zoo,
)
from sympy.core.function import Function
from sympy.polys.polyerrors import PolynomialError

from worked.symbolic.deltas import counted
from worked.symbolic.functions import logistic
from worked.symbolic.intervals import is_nonnegative
from worked.symbolic.sums import Range, Ranges, fresh, normal_form, spread


class Reduction:
    """One reduction: the generators met so far, and the rules by which an expression becomes a rational function.

    With `elementary`, the logistic function is replaced by its definition. `roots` gives b and q for each symbol r that
    stands for the q-th root of b.
    """

    def __init__(self, elementary: bool, roots: Mapping[Dummy, tuple[Expr, int]] | None = None):
        self.elementary = elementary
        self.atoms: dict[Expr, Dummy] = {}
        self.exponents: dict[Dummy, Expr] = {}
        self.radicands: dict[Dummy, tuple[Expr, int]] = {}
        for root, (base, q) in (roots or {}).items():
            self.radicands[root] = (cancel(self(base)), q)

    def __call__(self, e: Expr) -> Expr:
        """Return `e` as a rational function of generators."""
        if e.is_Number or isinstance(e, Symbol):
            return e
        if isinstance(e, Add | Mul):
            return e.func(*map(self, e.args))
        if isinstance(e, logistic):
            return self._logistic(e.args[0])
        if isinstance(e, exp):
            return self._exp(self(e.args[0]))
        if isinstance(e, log):
            return self._log(cancel(self(e.args[0])))
        if isinstance(e, Pow):
            base = self(e.base)
            if e.exp.is_Integer:
                return base**e.exp
            if e.exp.is_Rational:
                return self._root(cancel(base), e.exp)
            if e.exp.is_integer:
                return self._power(cancel(base), e.exp)
        if isinstance(e, Function):  # its arguments in normal form, so that equal values are one generator
            e = e.func(*(spread(a) for a in e.args))
        return self._atom(e)

    def _logistic(self, z: Expr) -> Expr:
        """Write s(-z) = 1 - s(z), so that of z and -z only one is a generator."""
        if self.elementary:
            return self(logistic.definition(z))
        z = spread(z)
        return 1 - self._atom(logistic(-z)) if z.could_extract_minus_sign() else self._atom(logistic(z))

    def _atom(self, e: Expr) -> Dummy:
        if e not in self.atoms:
            self.atoms[e] = Dummy("a", **self._known(e))
        return self.atoms[e]

    def _known(self, e: Expr) -> dict[str, bool]:
        """What may be assumed about a generator: a sum of real (nonnegative) terms is real (nonnegative)."""
        if not isinstance(e, Sum):
            return {name: True for name in ("real", "nonnegative", "positive") if getattr(e, f"is_{name}")}
        body = cancel(self(e.function))
        known = {"real": True} if body.is_real else {}
        return known | ({"nonnegative": True} if body.is_nonnegative else {})

    def _exp(self, exponent: Expr) -> Expr:
        """Write exp(a + n b) = exp(a) exp(b)^n for integers n; each exp(b) is one generator, positive for real b."""
        product = Rational(1)
        for term in Add.make_args(spread(cancel(exponent))):
            number, rest = term.as_coeff_Mul()
            if not (number.is_Integer and rest != 1):
                number, rest = Rational(1), term
            generator = self._atom(exp(rest, evaluate=False))
            self.exponents[generator] = rest
            product *= generator**number
        return product

    def _log(self, argument: Expr) -> Expr:
        """Write log(g^m h^n) = m log g + n log h if g and h are both positive, and log(exp(b)) = b for real b."""
        factors = positive_factors(argument)
        if factors is None:
            return self._atom(log(argument, evaluate=False))
        total = Rational(0)
        for base, power in factors:
            exponent = self.exponents.get(base)
            if exponent is None or not exponent.is_real:
                exponent = self._atom(log(base, evaluate=False))
            total += power * exponent
        return total

    def _power(self, base: Expr, exponent: Expr) -> Expr:
        """Write b^(m + n) = b^m b^n and b^(k n) = (b^n)^k, for a positive b or for exponents that are not negative.

        A positive quotient or product is taken apart first.
        """
        product = Rational(1)
        factors = positive_factors(base) or []
        if len(factors) > 1 or any(power != 1 for _, power in factors):
            for factor, power in factors:
                product *= self._power(factor, power * exponent)
            return product
        for term in Add.make_args(spread(exponent)):
            if not (positive(base) or term.is_nonnegative):
                return self._atom(Pow(base, exponent, evaluate=False))
            number, rest = term.as_coeff_Mul()
            if not (number.is_Integer and rest.is_integer and (positive(base) or rest.is_nonnegative)):
                number, rest = Rational(1), term
            product *= base**term if term.is_Integer else self._atom(Pow(base, rest, evaluate=False)) ** number
        return product

    def _root(self, base: Expr, power: Rational) -> Expr:
        """Write b^(p/q) as r^p with one positive generator r, r^q = b; b must be positive."""
        if not positive(base):
            return self._atom(Pow(base, power, evaluate=False))
        root = self._atom(Pow(base, Rational(1, power.q), evaluate=False))
        self.radicands[root] = (base, power.q)
        return root**power.p


def positive_factors(e: Expr) -> list[tuple[Expr, int]] | None:
    """Return the factors of a rational function with their powers if every one is provably positive, else None."""
    numerator, denominator = e.as_numer_denom()
    factors: list[tuple[Expr, int]] = []
    try:
        for part, sign in ((numerator, 1), (denominator, -1)):
            coefficient, powers = factor_list(part)
            if coefficient != 1:
                factors.append((coefficient, sign))
            factors += [(base, sign * power) for base, power in powers]
    except PolynomialError:
        return None
    return factors if all(base.is_positive for base, _ in factors) else None


def positive(e: Expr) -> bool:
    """Whether a rational function of generators is provably positive."""
    return bool(e.is_positive) or positive_factors(e) is not None


def shows_positive(e: Expr) -> bool:
    """Whether the form of `e` shows that it is positive, as of a sum of squares plus a positive number."""
    if e.is_positive:
        return True
    if isinstance(e, Add):
        return all(map(_shows_nonnegative, e.args)) and any(map(shows_positive, e.args))
    if isinstance(e, Mul):
        return all(map(shows_positive, e.args))
    return isinstance(e, Pow) and e.exp.is_real is True and shows_positive(e.base)


def _shows_nonnegative(e: Expr) -> bool:
    if e.is_nonnegative or shows_positive(e):
        return True
    if isinstance(e, Add | Mul):
        return all(map(_shows_nonnegative, e.args))
    if isinstance(e, Sum):
        return _shows_nonnegative(e.function)
    return isinstance(e, Pow) and e.exp.is_even is True and e.exp.is_positive is True and _shows_real(e.base)


def _shows_real(e: Expr) -> bool:
    if isinstance(e, Add | Mul):
        return all(map(_shows_real, e.args))
    return e.is_real is True or (isinstance(e, Sum) and _shows_real(e.function))


def is_zero(e: Expr, ranges: Ranges | None = None) -> bool:
    """Return True only if `e` is proved to be zero for every value of its symbols and every size.

    The logistic function stays an atom unless exponentials or logarithms occur beside it.
    """
    e, roots = _name_roots(e, ranges or {})
    key = tuple((ranges or {}).items())
    parts = (part.as_coeff_Mul() for part in Add.make_args(e))
    e = Add(*(number * term for number, rest in parts for term in Add.make_args(_form(rest, key))))
    if e.has(nan, zoo, oo):
        return False
    if not e.has(exp, log):
        return _vanishes(e, Reduction(elementary=False, roots=roots))
    return _vanishes(e, Reduction(elementary=True, roots=roots)) or _vanishes_termwise(e, ranges or {})


@lru_cache(maxsize=5000)
def _form(e: Expr, ranges: tuple[tuple[Symbol, Range], ...]) -> Expr:
    """Return the normal form of a term; kept, because a step is tried again with what makes it false."""
    return normal_form(fresh(e), dict(ranges))


@lru_cache(maxsize=5000)
def _root_of(form: Expr, q: int) -> Dummy:
    """The symbol that stands for the q-th root of a form, always the same."""
    return Dummy("r", nonnegative=True)


def _name_roots(e: Expr, ranges: Ranges) -> tuple[Expr, dict[Dummy, tuple[Expr, int]]]:
    """Replace the powers of each radicand b that its form shows to be nonnegative by those of a symbol r, r^q = b.

    Multiplied out, a sum of squares would no longer show that it is one. A radicand that depends on the index of
    a sum around it stays.
    """
    bound = {v for s in e.atoms(Sum) for v in s.variables}
    powers = [p for p in e.atoms(Pow) if p.exp.is_Rational and isinstance(p.base, Add | Mul | Sum)]
    radicands = [p for p in powers if not p.exp.is_Integer and not p.base.free_symbols & bound]
    if not any(_shows_nonnegative(p.base) for p in radicands):
        return e, {}
    key = tuple(ranges.items())
    forms = {p: _form(p.base, key) for p in powers if not p.base.free_symbols & bound}
    roots: dict[Dummy, tuple[Expr, int]] = {}
    for form in dict.fromkeys(forms[p] for p in radicands if _shows_nonnegative(p.base)):
        equal = [p for p in powers if forms.get(p) == form]
        q = math.lcm(*(int(p.exp.q) for p in equal))
        root = _root_of(form, q)
        roots[root] = (form, q)
        e = e.xreplace({p: root ** (p.exp * q) for p in equal})
    return e, roots


def _vanishes_termwise(e: Expr, ranges: Ranges) -> bool:
    """Whether `e` is a sum over one range, plus a rest, whose summand and rest are both proved to be zero.

    Sums over equal ranges are added summand by summand, which needs no property of the range.
    """
    terms = Add.make_args(e)
    for lower, upper in {limit[1:] for s in e.atoms(Sum) for limit in s.limits}:
        index = Dummy("n", integer=True)
        summand, rest = Rational(0), Rational(0)
        for term in terms:
            inner = _summand(term, index, (lower, upper))
            summand, rest = (summand, rest + term) if inner is None else (summand + inner, rest)
        if summand != 0 and is_zero(summand, {**ranges, index: (lower, upper)}) and is_zero(rest, ranges):
            return True
    return False


def _summand(term: Expr, index: Symbol, interval: Range) -> Expr | None:
    """Return what `term` sums over `interval`, as a function of `index`, or None if it is not such a sum."""
    factors = Mul.make_args(term)
    sums = [f for f in factors if isinstance(f, Sum)]
    if len(sums) != 1 or any(bound.free_symbols & set(sums[0].variables) for _, *b in sums[0].limits for bound in b):
        return None  # several sums, or ranges that depend on one another
    limits = list(sums[0].limits)
    chosen = next((limit for limit in limits if tuple(limit[1:]) == interval), None)
    if chosen is None:
        return None
    limits.remove(chosen)
    body = sums[0].function.xreplace({chosen[0]: index})
    outside = Mul(*(f for f in factors if f is not sums[0]))
    return outside * (Sum(body, *limits) if limits else body)


def _vanishes(e: Expr, reduce: Reduction) -> bool:
    try:
        numerator = cancel(reduce(e)).as_numer_denom()[0]
        for root, (base, q) in reversed(reduce.radicands.items()):  # modulo r^q = b, outermost first
            numerator = cancel(rem(numerator, root**q - base, root)).as_numer_denom()[0]
    except PolynomialError:
        return False
    return spread(numerator) == 0


def is_positive(e: Expr, ranges: Ranges | None = None) -> bool:
    """Return True only if `e` is proved to be positive for every value of its symbols and every size."""
    if shows_positive(e):
        return True
    e = normal_form(fresh(e), ranges or {})
    return positive(cancel(Reduction(elementary=True)(e))) or _at_least_one(e, ranges or {})


def is_nonzero(e: Expr, ranges: Ranges | None = None) -> bool:
    """Return True only if `e` is proved to have no zero: each of its factors is positive or negative."""
    if shows_positive(e) or shows_positive(-e):
        return True
    e = normal_form(fresh(e), ranges or {})
    value = cancel(Reduction(elementary=True)(e))
    return bool(value.is_nonzero) or positive(value) or positive(-value) or _at_least_one(e, ranges or {})


def _at_least_one(e: Expr, ranges: Ranges) -> bool:
    """Whether the ranges of its indices prove an integer to be 1 or more."""
    return is_nonnegative(counted(e, ranges) - 1, ranges)
