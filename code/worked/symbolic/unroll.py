"""Sums written out at given sizes: exact, with every entry a symbol of its own."""

from collections.abc import Mapping

from sympy import Dummy, Expr, Indexed, IndexedBase, Integer, Sum, Symbol

from worked.symbolic.functions import first_index
from worked.symbolic.intervals import Ranges, outermost_first


def unroll(e: Expr, at: Mapping[Symbol, Expr]) -> Expr:
    """Return `e` with the integers of `at` put in and every sum written out.

    An entry outside the shape of its base has no value: it becomes a symbol that occurs nowhere else, so that nothing
    can be proved about it unless it is multiplied by zero.
    """
    if isinstance(e, Sum):
        return _written_out(e, list(e.limits), at)
    if isinstance(e, Indexed):
        entry = e.base[tuple(unroll(index, at) for index in e.indices)]
        return entry if _exists(entry, at) else Dummy("undefined")
    if isinstance(e, Symbol):
        return at.get(e, e)
    if not e.args or isinstance(e, IndexedBase):
        return e
    return e.func(*(unroll(part, at) for part in e.args))


def _written_out(e: Sum, limits: list, at: Mapping[Symbol, Expr]) -> Expr:
    if not limits:
        return unroll(e.function, at)
    v, lower, upper = limits.pop()  # the outermost is the last
    first, last = (int(unroll(bound, at)) for bound in (lower, upper))
    terms = (_written_out(e, list(limits), {**at, v: Integer(n)}) for n in range(first, last + 1))
    return sum(terms, Integer(0))


def _exists(entry: Indexed, at: Mapping[Symbol, Expr]) -> bool:
    if not all(index.is_Integer for index in entry.indices):
        return False
    shape, first = entry.base.shape or (), first_index(entry.base)
    return all(0 <= n - first < unroll(size, at) for n, size in zip(entry.indices, shape, strict=False))


def places(indices: list[Symbol], ranges: Ranges, sizes: Mapping[Symbol, Expr]) -> list[dict[Symbol, Expr]]:
    """Return every value of the free `indices` in their ranges at the given sizes, together with the sizes."""
    found: list[dict[Symbol, Expr]] = [dict(sizes)]
    for i in outermost_first(indices, ranges):
        spans = [range(*(int(unroll(bound, at)) + n for n, bound in enumerate(ranges[i]))) for at in found]
        found = [{**at, i: Integer(value)} for at, span in zip(found, spans, strict=True) for value in span]
    return found
