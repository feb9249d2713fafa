"""Where an expression is defined: checked for every displayed step, not assumed."""

from collections.abc import Iterator

from sympy import Expr, Limit, Pow, Subs, default_sort_key, log

from worked.symbolic.definitions import Definitions
from worked.symbolic.functions import Partial
from worked.symbolic.sums import Ranges, fresh
from worked.symbolic.zero import is_nonzero, is_positive


def undefined(e: Expr, definitions: Definitions, ranges: Ranges) -> Iterator[str]:
    """Yield what is not proved about the parts of `e`, with every name at its definition.

    A logarithm and a root need a positive argument, a denominator one that is not zero.
    """
    unfolded = definitions.unfold(fresh(_plain(e)), definitions.by_name.keys())
    for part in sorted(unfolded.atoms(log, Pow), key=default_sort_key):
        if isinstance(part, log) and not is_positive(part.args[0], ranges):
            yield f"the argument of {part} is not proved positive"
        if isinstance(part, Pow) and not part.exp.is_Integer and part.exp.is_Rational:
            if not is_positive(part.base, ranges):
                yield f"the radicand of {part} is not proved positive"
        elif isinstance(part, Pow) and part.exp.is_negative and not is_nonzero(part.base, ranges):
            yield f"the denominator of {part} is not proved to be other than zero"


def _plain(e: Expr) -> Expr:
    """Replace a derivative, a limit or a restriction by the expression that it is about."""
    return e.replace(lambda part: isinstance(part, Partial | Limit | Subs), lambda part: part.args[0])
