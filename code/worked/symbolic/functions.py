"""Two additions to SymPy's language: the logistic function as an atom, and a displayed partial derivative."""

from typing import Any

from sympy import Expr, Function, Indexed, Symbol, exp, sympify


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
    """

    is_commutative = True

    def __new__(cls, of: Any, by: Any) -> "Partial":
        """Build the derivative; TypeError unless `by` is a variable."""
        of, by = sympify(of), sympify(by)
        if not isinstance(by, Symbol | Indexed):
            raise TypeError(f"a derivative is taken by a symbol or an indexed variable, not by {by!r}")
        return Expr.__new__(cls, of, by)

    @property
    def of(self) -> Expr:
        """The quantity that is differentiated."""
        return self.args[0]

    @property
    def by(self) -> Expr:
        """The variable: a symbol or one entry of an indexed variable."""
        return self.args[1]
