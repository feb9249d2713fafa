"""LaTeX of the kernel's expressions, printed as a person would write them.

Positive terms come first, unless an order was written (`total`); factors keep the order in which they were written
(`product`); a constant stands before its sum as a fraction; indices are separated by commas.
"""

import re
from typing import Any

from sympy import (
    Add,
    And,
    Expr,
    GreaterThan,
    Indexed,
    IndexedBase,
    Integer,
    Integral,
    LessThan,
    Mul,
    Piecewise,
    Pow,
    Rational,
    Sum,
    Symbol,
    default_sort_key,
    true,
)
from sympy.printing.latex import LatexPrinter

from worked.symbolic.functions import Partial, logistic


def product(*factors: Any) -> Expr:
    """Return the product of `factors`, kept in the order in which they are to be printed."""
    return Mul(*factors, evaluate=False)


def total(*terms: Any) -> Expr:
    """Return the sum of `terms`, kept in the order in which they are to be printed."""
    return Add(*terms, evaluate=False)


def latex(e: Expr) -> str:
    """Return `e` as LaTeX."""
    return Printer({"fold_frac_powers": True}).doprint(e)


class Printer(LatexPrinter):
    """How every formula of a page is printed."""

    def _print_Indexed(self, e: Indexed) -> str:
        label, indices = self._print(e.base.label), ",".join(map(self._print, e.indices))
        if re.search(r"_\{\d+\}$", label):  # a number in the name stands before the indices
            return f"{label[:-1]},{indices}}}"
        label = f"({label})" if "_" in label else label  # a name may have one subscript only
        return f"{label}_{{{indices}}}"

    def _print_Pow(self, e: Pow) -> str:
        if isinstance(e.base, Indexed | Symbol) and e.exp.is_Integer and e.exp > 0:
            base = self._print(e.base)  # a superscript in the name must not meet the exponent
            return rf"\left({base}\right)^{{{e.exp}}}" if "^" in base else rf"{base}^{{{e.exp}}}"
        if isinstance(e.base, Partial) and e.exp.is_Integer and e.exp > 0:
            return rf"\left({self._print(e.base)}\right)^{{{e.exp}}}"
        return super()._print_Pow(e)

    def _print_Add(self, e: Add, order: Any = None) -> str:
        terms = list(e.args)
        if not e.is_number and e.args == Add(*e.args).args:  # SymPy's own order: nobody chose it
            terms.sort(key=lambda t: (_negative(t), not t.is_number, default_sort_key(t)))
        printed = self._print(terms[0])
        for term in terms[1:]:
            printed += f" - {self._grouped(-term)}" if _negative(term) else f" + {self._print(term)}"
        return printed

    def _print_Mul(self, e: Expr) -> str:
        if _negative(e):
            return f"-{self._grouped(-e)}"
        above, below = [], []
        for factor in (f for part in Mul.make_args(e) for f in _factors(part)):
            base, power = factor.as_base_exp()
            if isinstance(factor, Rational) and not factor.is_Integer:
                above += [Integer(factor.p)] if factor.p != 1 else []
                below.append(Integer(factor.q))
            elif isinstance(factor, Pow) and power.is_Rational and power.is_negative:
                below.append(base if power == -1 else Pow(base, -power, evaluate=False))
            else:
                above.append(factor)
        above = [f for f in above if f != 1]
        if not below:
            return self._row(above)
        tall = next((n for n, f in enumerate(above) if _tall(f)), None)
        if tall is not None:  # stands beside the fraction
            fraction = rf"\frac{{{self._row(above[:tall]) or '1'}}}{{{self._row(below)}}}"
            beside = self._row(above[tall:]) if len(above[tall:]) > 1 else self._grouped(above[tall])
            plain = isinstance(above[tall], Sum | Integral)
            return rf"{fraction} {beside}" if plain else rf"{fraction} \, {beside}"
        return rf"\frac{{{self._row(above) or '1'}}}{{{self._row(below)}}}"

    def _row(self, factors: list[Expr]) -> str:
        """Factors side by side; a sum of terms in brackets, a summation only where something follows it."""
        if len(factors) == 1:
            return self._print(factors[0])
        rows = [self._grouped(f) if f is factors[-1] else self._bracketed(f) for f in factors]
        printed = rows[0] if rows else ""
        for row in rows[1:]:  # 2 3 would read as 23
            printed += (r" \cdot " if row[0].isdigit() else r" \, ") + row
        return printed

    def _grouped(self, e: Expr) -> str:
        return rf"\left({self._print(e)}\right)" if isinstance(e, Add) else self._print(e)

    def _bracketed(self, e: Expr) -> str:
        return rf"\left({self._print(e)}\right)" if isinstance(e, Add | Sum) else self._print(e)

    def _print_Integer(self, e: Integer) -> str:
        return f"{e.p:,}".replace(",", "{,}") if abs(e.p) >= 10_000 else str(e.p)

    def _print_Sum(self, e: Sum) -> str:
        signs = [rf"\sum_{{{self._print(v)}={self._print(a)}}}^{{{self._print(b)}}}" for v, a, b in reversed(e.limits)]
        return " ".join([*signs, self._grouped(e.function)])

    def _print_logistic(self, e: logistic, exp: str | None = None) -> str:
        value = rf"\sigma\!\left({self._print(e.args[0])}\right)"
        return value if exp is None else rf"{value}^{{{exp}}}"

    def _print_AppliedUndef(self, e: Expr, exp: str | None = None) -> str:
        arguments = ", ".join(map(self._print, e.args))
        value = rf"{self._print(Symbol(e.func.__name__))}\left({arguments}\right)"
        return value if exp is None else rf"{value}^{{{exp}}}"

    def _print_log(self, e: Expr, exp: str | None = None) -> str:
        argument = self._print(e.args[0])
        plain = isinstance(e.args[0], Symbol)
        value = rf"\log {argument}" if plain else rf"\log\!\left({argument}\right)"
        return value if exp is None else rf"\left({value}\right)^{{{exp}}}"

    def _print_Partial(self, e: Partial) -> str:
        d = r"\mathrm{d}" if e.of.free_symbols == {e.by} else r"\partial"
        fraction = rf"\frac{{{d} {self._print(e.of)}}}{{{d} {self._print(e.by)}}}"
        held = ",\\,".join(self._print(name.label if isinstance(name, IndexedBase) else name) for name in e.holding)
        return rf"\left. {fraction} \right|_{{{held}}}" if held else fraction

    def _print_Subs(self, e: Expr) -> str:
        at = ",\\, ".join(f"{self._print(v)}={self._print(p)}" for v, p in zip(e.variables, e.point, strict=True))
        return rf"\left. {self._print(e.expr)} \right|_{{{at}}}"

    def _print_Piecewise(self, e: Piecewise) -> str:
        cases = [
            f"{self._print(value)} & "
            + (r"\text{otherwise}" if holds == true else rf"\text{{if }} {self._print(holds)}")
            for value, holds in e.args
        ]
        return r"\begin{cases} " + r" \\ ".join(cases) + r" \end{cases}"

    def _print_And(self, e: And) -> str:
        """Two inequalities about one expression as a chain."""
        ends = [(r.lhs, r.rhs) if isinstance(r, LessThan) else (r.rhs, r.lhs) for r in e.args if _weak(r)]
        if len(ends) == len(e.args) == 2:
            for (low, middle), (same, high) in (ends, ends[::-1]):
                if middle == same:
                    return rf"{self._print(low)} \le {self._print(middle)} \le {self._print(high)}"
        return super()._print_And(e)

    def _print_Max(self, e: Expr, exp: str | None = None) -> str:
        listed = ", ".join(map(self._print, sorted(e.args, key=lambda a: a.is_number)))
        value = rf"\max\left({listed}\right)"
        return value if exp is None else rf"{value}^{{{exp}}}"


def _tall(e: Expr) -> bool:
    """Whether `e` is a sum, an integral, a derivative, or has terms with one."""
    return isinstance(e, Sum | Integral | Partial) or (isinstance(e, Add) and e.has(Sum, Integral, Partial))


def _weak(e: Any) -> bool:
    return isinstance(e, LessThan | GreaterThan)


def _negative(e: Expr) -> bool:
    """Whether `e` is printed with a minus sign in front."""
    return e.as_coeff_Mul()[0].is_negative is True


def _factors(e: Expr) -> list[Expr]:
    """The factors in the order in which they were written; a fraction among them stays a fraction."""
    if not isinstance(e, Mul) or any(f.as_base_exp()[1].is_negative for f in e.args):
        return [e]
    return [f for part in e.args for f in _factors(part)]
