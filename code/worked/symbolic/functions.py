"""Additions to SymPy's language: the logistic function, a displayed partial derivative, an unknown function."""

from collections.abc import Iterable
from typing import Any

from sympy import (
    Expr,
    Function,
    Indexed,
    IndexedBase,
    Sum,
    Symbol,
    Tuple,
    default_sort_key,
    diff,
    exp,
    sympify,
)
from sympy.core.symbol import Str


class logistic(Function):
    r"""The logistic function $\sigma(z) = 1/(1 + e^{-z})$, kept as an atom.

    The only rule about its derivative is `fdiff`. It is a lemma: a derivation that relies on it proves it from
    `definition`, where the rule does not apply because the atom has been replaced.
    """

    nargs = 1

    def fdiff(self, argindex: int = 1) -> Expr:
        r"""Return the derivative $\sigma'(z) = \sigma(z)(1 - \sigma(z))$."""
        return self * (1 - self)

    @staticmethod
    def definition(z: Expr) -> Expr:
        """Return the elementary expression that the atom stands for."""
        return 1 / (1 + exp(-z))

    def _eval_is_real(self) -> bool | None:
        return self.args[0].is_real

    def _eval_is_positive(self) -> bool | None:
        return self.args[0].is_real


class Partial(Expr):
    r"""The derivative $\partial f/\partial v$ of a quantity $f$ in a graph of definitions, cut at $v$.

    Every quantity that depends on $v$ is unfolded, $v$ itself is a free variable even if it has a definition, and
    nothing else varies. What is differentiated and what is displayed are therefore the same object.

    The names in `holding` do not follow $v$ either, although they depend on it: with all that $f$ uses between itself
    and $v$ held, it is the local derivative at one edge of the graph.
    """

    is_commutative = True

    def __new__(cls, of: Any, by: Any, holding: Iterable[Any] = ()) -> "Partial":
        """Build the derivative; TypeError unless `by` is a variable and `holding` other names."""
        of, by = sympify(of), sympify(by)
        if not isinstance(by, Symbol | Indexed):
            raise TypeError(f"a derivative is taken by a symbol or an indexed variable, not by {by!r}")
        held = sorted(set(map(sympify, holding)), key=default_sort_key)
        for name in held:
            if not isinstance(name, Symbol | IndexedBase) or name == (by.base if isinstance(by, Indexed) else by):
                raise TypeError(f"a symbol or an indexed name other than that of {by} can be held, not {name!r}")
        return Expr.__new__(cls, of, by, *([Tuple(*held)] if held else []))

    @property
    def of(self) -> Expr:
        """The quantity that is differentiated."""
        return self.args[0]

    @property
    def by(self) -> Expr:
        """The variable: a symbol or one entry of an indexed variable."""
        return self.args[1]

    @property
    def holding(self) -> tuple[Any, ...]:
        """The names that are held, in a fixed order."""
        return tuple(self.args[2]) if len(self.args) == 3 else ()


class AnyFunction(Expr):
    r"""A differentiable function of all entries of an indexed name, about which nothing else is known.

    Only its first derivative is defined, by the chain rule: with entries $u_k$ that depend on $v$,
    $\partial f/\partial v = \sum_k f_k\,\partial u_k/\partial v$, where the `Slope` $f_k$ is an unknown number. A proof
    about it holds for every differentiable function; the numeric gates use one that is not linear.
    """

    is_commutative = True
    is_real = True

    def __new__(cls, label: Any, entry: Any, limit: Any) -> "AnyFunction":
        """Build from a name, the entry `u[k]` for the bound index k, and `(k, lower, upper)`."""
        if not isinstance(label, Str):  # the label says of what it is a function: what depends on that may be unfolded
            if not isinstance(entry, Indexed) or entry.indices != (limit[0],):
                raise TypeError(f"a function takes all entries u[k] of a name, for k = {limit[0]}; not {entry}")
            label = Str(f"{label}({entry.base}, {limit[1]}, {limit[2]})")
        return Expr.__new__(cls, label, sympify(entry), Tuple(*limit))

    @property
    def free_symbols(self) -> set[Any]:
        """The index is bound."""
        k, *bounds = self.args[2]
        return (self.args[1].free_symbols - {k}).union(*(bound.free_symbols for bound in bounds))

    def with_index(self, index: Symbol) -> "AnyFunction":
        """Return the same with another bound index."""
        k, lower, upper = self.args[2]
        return AnyFunction(self.args[0], self.args[1].xreplace({k: index}), (index, lower, upper))

    def _eval_derivative(self, variable: Expr) -> Expr:
        label, entry, (k, lower, upper) = self.args
        return Sum(Slope(label, k) * diff(entry, variable), (k, lower, upper))

    def value_at(self, evaluator: Any, point: Any) -> Any:
        """Return the value of some function that is not linear and treats no two entries alike."""
        _, entry, (k, lower, upper) = self.args
        span = range(int(evaluator(lower, point)), int(evaluator(upper, point)) + 1)
        values = [evaluator(entry, {**point, k: n}) for n in span]
        mixed = sum((0.7 - 0.4 * n) * v for n, v in enumerate(values))
        return sum((1.3 - 0.9 * n + v / (n + 2)) * v for n, v in enumerate(values)) + mixed * mixed / 4

    def _latex(self, printer: Any) -> str:
        label, entry, (k, lower, upper) = self.args
        first, last = (printer._print(entry.xreplace({k: end})) for end in (lower, upper))
        return rf"{label.name.partition('(')[0]}\!\left({first}, \dots, {last}\right)"


class Slope(Expr):
    """The derivative of an `AnyFunction` by its argument number k, at the point where that function is used.

    It must not be differentiated again: `worked.symbolic.sums.differentiate` refuses.
    """

    is_commutative = True
    is_real = True

    def __new__(cls, label: Str, index: Expr) -> "Slope":
        """Build from the label of the function and the number of the argument."""
        return Expr.__new__(cls, label, index)


class ZeroBased(IndexedBase):
    """An indexed name whose entries are numbered from 0; those of any other are numbered from 1."""


def first_index(base: IndexedBase) -> int:
    """Return the number of the first entry of `base` along each axis."""
    return 0 if isinstance(base, ZeroBased) else 1
