"""Where an expression is defined: checked for every displayed step, not assumed."""

from collections.abc import Iterator, Sequence

from sympy import (
    Add,
    Expr,
    Indexed,
    Integer,
    Limit,
    Mul,
    Number,
    Pow,
    Subs,
    Sum,
    Symbol,
    default_sort_key,
    log,
    preorder_traversal,
)

from worked.symbolic.definitions import Definitions
from worked.symbolic.functions import Partial, first_index
from worked.symbolic.intervals import locate
from worked.symbolic.sums import Ranges, fresh
from worked.symbolic.zero import is_nonzero, is_positive


def undefined(e: Expr, definitions: Definitions, ranges: Ranges) -> Iterator[str]:
    """Yield what is not proved about the parts of `e`, with every name at its definition.

    A logarithm and a root need a positive argument, a denominator one that is not zero.
    """
    unfolded = definitions.unfold(fresh(_plain(e)), definitions.by_name.keys())
    bound = {v: (lower, upper) for s in unfolded.atoms(Sum) for v, lower, upper in s.limits}
    ranges = {**ranges, **bound}  # the names are fresh
    for part in sorted(unfolded.atoms(log, Pow), key=default_sort_key):
        if isinstance(part, log) and not is_positive(part.args[0], ranges):
            yield f"the argument of {part} is not proved positive"
        if isinstance(part, Pow) and not part.exp.is_Integer and part.exp.is_Rational:
            if not is_positive(part.base, ranges):
                yield f"the radicand of {part} is not proved positive"
        elif isinstance(part, Pow) and part.exp.is_negative and not is_nonzero(part.base, ranges):
            yield f"the denominator of {part} is not proved to be other than zero"


def outside(e: Expr, definitions: Definitions, ranges: Ranges) -> Iterator[str]:
    """Yield the derivatives in `e` that are about an entry u[k + c] where k already runs over all entries of u."""
    if isinstance(e, Sum):
        ranges = {**ranges, **{v: (lower, upper) for v, lower, upper in e.limits}}
    if isinstance(e, Partial):
        for entry in (e.of, e.by):
            if not isinstance(entry, Indexed):
                continue
            definition = definitions.by_name.get(entry.base)
            sizes: Sequence[Expr] = entry.base.shape or ()
            first = Integer(first_index(entry.base))
            whole = [(first, first + size - 1) for size in sizes]
            if definition is not None:
                whole = [ranges[p] for p in definition.parameters if p in ranges]
            for index, span in zip(entry.indices, whole, strict=False):  # what is not declared is not judged
                step, moved = index.as_coeff_Add()
                if step != 0 and ranges.get(moved) == span:
                    yield f"{entry} does not exist for every {moved}"
        return
    for part in e.args:
        yield from outside(part, definitions, ranges)


def absent(e: Expr, definitions: Definitions, ranges: Ranges) -> Iterator[str]:
    """Yield whether `e` is an entry of a defined name whose index may lie outside its range; u[i] or u[i + 1], say."""
    definition = definitions.by_name.get(e.base) if isinstance(e, Indexed) else None
    if definition is None:
        return
    for index, parameter in zip(e.indices, definition.parameters, strict=True):
        linear = all(isinstance(part, Symbol | Number | Add | Mul) for part in preorder_traversal(index))
        if parameter not in ranges or not linear or not index.free_symbols & ranges.keys():
            continue  # what is not declared is not judged
        span = ranges[parameter]
        follows = any(bound.has(*definition.parameters) for bound in span)
        if not follows and locate(span, index, ranges) is not True:
            yield f"{e} need not exist: {index} is not proved to lie between {span[0]} and {span[1]}"


def _plain(e: Expr) -> Expr:
    """Replace a derivative, a limit or a restriction by the expression that it is about."""
    return e.replace(lambda part: isinstance(part, Partial | Limit | Subs), lambda part: part.args[0])
