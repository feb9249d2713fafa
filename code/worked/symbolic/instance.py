"""A derivation with numbers put in: what a person computes by hand from proved formulas.

Sizes and given quantities are exact rational numbers. Everything else is computed from the equations of the
derivations, exactly as long as it is rational, else as an interval of 40 digits that encloses the true value. A number
is shown only if both ends of its interval round to the same digits: it is correctly rounded, or there is an error.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from mpmath.ctx_iv import MPIntervalContext  # type: ignore[import-untyped]
from mpmath.libmp import to_rational  # type: ignore[import-untyped]
from sympy import Add, Expr, Indexed, Mul, Pow, Sum, Symbol, exp

from worked.symbolic.definitions import Name, name_of, parameters_of
from worked.symbolic.derivation import Derivation, Rejected
from worked.symbolic.functions import Partial, logistic
from worked.symbolic.latex import Printer

DIGITS = 40
PLACES = 6  # decimals in a line of numbers

Value = Any  # a Fraction where it is known exactly, else an interval of mpmath
At = Mapping[Symbol, int]

_intervals = MPIntervalContext()
_intervals.dps = DIGITS


class Instance:
    """Derivations at given numbers.

    Args:
        derivations: proved derivations; of several equations for one left side, the last gives the value.
        point: an integer for each size, a number for a symbol, nested sequences of numbers for an indexed name, whose
            first entry has the index 1. A number is an int, a Fraction, a decimal as text, or the value of another
            instance; a float is refused, because it is rarely the number that was written.
    """

    def __init__(self, derivations: Iterable[Derivation], point: Mapping[Name, Any]):
        self.point = dict(point)
        self._ranges: dict[Symbol, tuple[Expr, Expr]] = {}
        self._forms: dict[tuple, list[tuple[Expr, Expr]]] = {}
        for d in derivations:
            self._ranges |= d.ranges
            for given in d.given:
                self._forms.setdefault(_key(given.head), [(given.head, given.body)])
            for n, step in enumerate(d.steps):
                self._forms.setdefault(_key(d.head(n)), []).append((d.head(n), step.right))
        self._known: dict[tuple, Value] = {}

    def value(self, e: Expr, at: At | None = None) -> Value:
        """Return the value of `e` with the integers `at` for its indices; KeyError where nothing is known of a name."""
        at = at or {}
        if e.is_Rational:
            return Fraction(int(e.p), int(e.q))
        if e in at:
            return Fraction(at[e])
        if isinstance(e, Symbol | Indexed | Partial):
            return self._entry(e, at)
        if isinstance(e, Sum):
            return self._folded(sum, [self.value(e.function, inner) for inner in self.terms(e, at)])
        if isinstance(e, Add | Mul):
            return self._folded(sum if isinstance(e, Add) else math.prod, [self.value(part, at) for part in e.args])
        if isinstance(e, Pow) and e.exp.is_Integer:
            return self.value(e.base, at) ** int(e.exp)
        if isinstance(e, exp):
            return _intervals.exp(_enclosure(self.value(e.args[0], at)))
        if isinstance(e, logistic):
            return 1 / (1 + _intervals.exp(-_enclosure(self.value(e.args[0], at))))
        raise NotImplementedError(f"no value by hand for {type(e).__name__}: {e}")

    def terms(self, e: Sum, at: At) -> list[dict[Symbol, int]]:
        """Return the indices of each term of a sum, the outermost index running slowest."""
        found = [dict(at)]
        for v, lower, upper in reversed(e.limits):  # the outermost is the last
            found = [
                {**inner, v: n}
                for inner in found
                for n in range(int(self.value(lower, inner)), int(self.value(upper, inner)) + 1)
            ]
        return found

    def places(self, left: Expr) -> list[dict[Symbol, int]]:
        """Return all values of the free indices of `left`, in the order of an array's entries."""
        found: list[dict[Symbol, int]] = [{}]
        for index in dict.fromkeys(index for index in _indices(left) if index in self._ranges):
            lower, upper = (int(self.value(bound)) for bound in self._ranges[index])
            found = [{**at, index: n} for at in found for n in range(lower, upper + 1)]
        return found

    def values(self, left: Expr) -> list[Value]:
        """Return the values of `left` at all its `places`."""
        return [self.value(left, at) for at in self.places(left)]

    def forms(self, left: Expr) -> list[Expr]:
        """Return the right sides proved for `left`, or its definition, in their order."""
        forms = [right for head, right in self._forms.get(_key(left), []) if head == left]
        if not forms:
            raise Rejected(f"nothing was proved about {left}")
        return forms

    def _entry(self, e: Expr, at: At) -> Value:
        indices = tuple(int(self.value(index, at)) for index in _indices(e))
        known = (_key(e), indices)
        if known not in self._known:
            self._known[known] = self._given(e, indices) if name_of(e) in self.point else self._computed(e, indices)
        return self._known[known]

    def _given(self, e: Expr, indices: tuple[int, ...]) -> Value:
        number = self.point[name_of(e)]
        for n in indices:
            if not 1 <= n <= len(number):
                raise IndexError(f"{e} has no entry {indices}")
            number = number[n - 1]
        if isinstance(number, float):
            raise TypeError(f"expected an exact number for {e}, got the float {number!r}: write it as text")
        return Fraction(number) if isinstance(number, int | str | Fraction) else number

    def _computed(self, e: Expr, indices: tuple[int, ...]) -> Value:
        for head, right in reversed(self._forms.get(_key(e), [])):
            at: dict[Symbol, int] = {}
            if all(at.setdefault(index, n) == n for index, n in zip(_indices(head), indices, strict=True)):
                for index, n in at.items():
                    lower, upper = (self.value(bound) for bound in self._ranges[index])
                    if not lower <= n <= upper:
                        raise IndexError(f"{e} has no entry {indices}")
                return self.value(right, at)
        raise KeyError(f"nothing is known about {e}")

    @staticmethod
    def _folded(fold: Callable, parts: Sequence[Value]) -> Value:
        exact = all(isinstance(part, Fraction) for part in parts)
        return fold(parts) if exact else fold(map(_enclosure, parts))

    def line(self, left: Expr, at: At, form: int = -1, *, formula: bool = False, places: int = PLACES) -> str:
        """Return one row of `aligned` as a person would write it: left side, right side with numbers, value.

        Args:
            left: what was proved, or defined.
            at: the numbers of its indices.
            form: which of its proved right sides (`forms`), from 0, or -1 for the last.
            formula: show the right side before the numbers are put in, too, and each of the three on its own line.
            places: decimals of the numbers that were computed; a number that was given is shown as it was given.
        """
        right, value = self.forms(left)[form], self.value(left, at)
        names, numbers = _Named(at), _Numbers(self, at, places)
        put_in, result = numbers.doprint(right), short(value, places)
        chain = [f"= {names.doprint(right)}"] if formula else []
        if put_in not in (result, rf"\left({result}\right)"):
            chain.append(f"{_equals(numbers.rounded)} {put_in}")
        chain.append(f"{_equals(not is_exact(value, places))} {result}")
        return f"{names.doprint(left)} & " + (r" \\ & " if formula else " ").join(chain)


def _key(e: Expr) -> tuple:
    if not isinstance(e, Partial):
        return (name_of(e),)
    return "partial", name_of(e.of) or e.of, name_of(e.by), e.holding  # of an expression without a name: itself


def _indices(e: Expr) -> tuple[Expr, ...]:
    if not isinstance(e, Partial):
        return tuple(parameters_of(e))
    return (*(parameters_of(e.of) if name_of(e.of) else ()), *parameters_of(e.by))


def _enclosure(value: Value) -> Any:
    if isinstance(value, Fraction):
        return _intervals.mpf(value.numerator) / _intervals.mpf(value.denominator)
    return value


def bounds(value: Value) -> tuple[Fraction, Fraction]:
    """Return the two ends between which the true value lies."""
    if isinstance(value, Fraction):
        return value, value
    low, high = (Fraction(*map(int, to_rational(end))) for end in value._mpi_)
    return low, high


def nearest(value: Value) -> float:
    """Return the value in floating point."""
    low, high = bounds(value)
    return float((low + high) / 2)


def decimal(value: Value, places: int) -> str:
    """Return the value to `places` decimals, correctly rounded; ArithmeticError where the interval leaves it open."""
    low, high = (round(end * 10**places) for end in bounds(value))
    if low != high:
        raise ArithmeticError(f"{DIGITS} digits do not decide the last of {places} decimals of a value near {low}")
    digits = f"{abs(low):0{places + 1}d}"
    whole, part = (digits[:-places], digits[-places:]) if places else (digits, "")
    return ("-" if low < 0 else "") + whole + ("." + part if part else "")


def significant(value: Value, digits: int) -> str:
    """Return the value to `digits` significant digits, without an exponent; 0 as 0."""
    low, high = bounds(value)
    if low == high == 0:
        return "0"
    size = max(abs(low), abs(high))
    places = digits - 1 - math.floor(math.log10(size))
    text = decimal(value, max(places, 0))
    if len(text.lstrip("-0.").replace(".", "")) > digits and places > 0:  # rounded up to the next power of ten
        text = decimal(value, places - 1)
    return text


def is_exact(value: Value, places: int) -> bool:
    """Whether the value is a decimal number of at most `places` decimals."""
    return isinstance(value, Fraction) and (value * 10**places).denominator == 1


def short(value: Value, places: int) -> str:
    """Return the value to `places` decimals, without the zeros at the end where nothing was rounded."""
    text = decimal(value, places)
    return text.rstrip("0").rstrip(".") if is_exact(value, places) and "." in text else text


def confirm(text: str, value: Value) -> None:
    """Raise `Rejected` unless the decimal number `text` is the value, correctly rounded."""
    _, _, part = text.partition(".")
    right = decimal(value, len(part))
    if text != right:
        raise Rejected(f"{text} is shown where the value is {right}")


def aligned(rows: Iterable[str]) -> str:
    """Return rows of `Instance.line` as one formula."""
    return "\\begin{aligned}\n" + " \\\\[0.6em]\n".join(rows) + "\n\\end{aligned}"


def named(e: Expr, at: At) -> str:
    """Return `e` as LaTeX with the integers `at` for its indices."""
    return _Named(at).doprint(e)


def _equals(rounded: bool) -> str:
    return r"\approx" if rounded else "="


class _Named(Printer):
    """Prints an expression with integers in place of some indices."""

    def __init__(self, at: At):
        super().__init__()
        self.at = dict(at)

    def _print_Symbol(self, e: Symbol, style: str = "plain") -> str:
        return str(self.at[e]) if e in self.at else super()._print_Symbol(e, style)

    def _print_Sum(self, e: Sum) -> str:
        before = self.at
        self.at = {v: number for v, number in before.items() if v not in e.variables}  # a bound index has no number
        printed = super()._print_Sum(e)
        self.at = before
        return printed


class _Numbers(_Named):
    """Prints an expression with numbers in place of names, in the same order, and sums written out."""

    def __init__(self, instance: Instance, at: At, places: int):
        super().__init__(at)
        self.instance, self.places = instance, places
        self.rounded = False  # whether a number was rounded

    def _number(self, e: Expr) -> str:
        value = self.instance.value(e, self.at)
        self.rounded |= not is_exact(value, self.places)
        text = short(value, self.places)
        return rf"\left({text}\right)" if text.startswith("-") else text

    def _print_Symbol(self, e: Symbol, style: str = "plain") -> str:
        return self._number(e)

    def _print_Indexed(self, e: Indexed) -> str:
        return self._number(e)

    def _print_Partial(self, e: Partial) -> str:
        return self._number(e)

    def _print_Sum(self, e: Sum) -> str:
        before, printed = self.at, []
        for inner in self.instance.terms(e, before):
            self.at = inner
            printed.append(self._grouped(e.function))
        self.at = before
        return " + ".join(printed)

    def _grouped(self, e: Expr) -> str:
        return rf"\left({self._print(e)}\right)" if isinstance(e, Add | Sum) else self._print(e)

    def _row(self, factors: list[Expr]) -> str:
        if len(factors) == 1 and not isinstance(factors[0], Sum):
            return self._print(factors[0])
        return r" \cdot ".join(map(self._grouped, factors))
