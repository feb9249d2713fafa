r"""Sums whose index runs through its range in another order: $\sum_v F(\pi(v)) = \sum_v F(v)$ for a bijection $\pi$."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import permutations

from sympy import Add, Dummy, Expr, Indexed, IndexedBase, Sum, Symbol

from worked.symbolic.bijections import Permutation, permutation, powers
from worked.symbolic.definitions import name_of
from worked.symbolic.methods import Context, Substitution
from worked.symbolic.sums import Range, Ranges, fresh, spread
from worked.symbolic.zero import is_zero


@dataclass(frozen=True)
class Reindex:
    """Sums over the ranges of the named indices, in another order.

    `by` gives each index its image, which must be a bijection of the index's range, or all coordinates of a declared
    permutation. Both sides become the same when every sum is averaged over the orders that the map makes of it.
    """

    by: tuple[tuple[Symbol, Expr], ...]
    name: str = "reindexing"

    def objection(self, left: Expr, right: Expr, context: Context) -> str | None:
        """Each map is a bijection, and nothing but the order of sums differs; the right side may be the name of one."""
        if (moves := _moves(self.by, context.ranges)) is None:
            shown = ", ".join(f"{v} -> {image}" for v, image in self.by)
            return f"{shown or 'no map'} is not proved to be a bijection of the index's range"
        name, definitions = name_of(right), context.definitions
        written_out = definitions.unfold(fresh(right), [name]) if name in definitions.by_name else right
        if any(_ordered(left - shown, moves, context.ranges) for shown in {right, written_out}):
            return None
        return "the two sides differ in more than the order of their sums"

    def proves(self, difference: Expr, context: Context) -> bool:
        """By normal form, after the average over all orders."""
        moves = _moves(self.by, context.ranges)
        return moves is not None and _ordered(difference, moves, context.ranges)


@dataclass(frozen=True)
class Inserted(Substitution):
    """A substitution of an equation that was itself proved by `Reindex`: to prove it again takes the same maps."""

    by: tuple[tuple[Symbol, Expr], ...] = ()

    def proves(self, difference: Expr, context: Context) -> bool:
        """As `Reindex` does."""
        return Reindex(self.by).proves(difference, context)


Move = Callable[[Expr], Expr]  # returns an equal expression


def _ordered(difference: Expr, moves: list[Move], ranges: Ranges) -> bool:
    difference = fresh(difference)
    for move in moves:
        difference = move(difference)
    return is_zero(difference, ranges)


def _moves(by: tuple[tuple[Symbol, Expr], ...], ranges: Ranges) -> list[Move] | None:
    """Return what each map does to sums, None if one is not a bijection."""
    variables, images = tuple(v for v, _ in by), tuple(image for _, image in by)
    if not by or any(v not in ranges for v in variables):
        return None
    declared = permutation(variables, images, ranges)
    if declared is not None:
        return [partial(_straightened, permuted=declared)]
    found: list[Move] = []
    for v, image in by:
        orders = powers(v, image, ranges[v])
        if orders is None:
            return None
        found.append(partial(_averaged, index=v, orders=orders, interval=ranges[v]))
    return found


def _averaged(e: Expr, index: Symbol, orders: tuple[Expr, ...], interval: Range) -> Expr:
    """Return `e` with the summand of each sum over `interval` averaged over the orders; bound indices are fresh.

    Only sums whose index has the name of `index` are touched: the others would take time and change nothing.
    """
    if isinstance(e, Sum):
        inner = _averaged(e.function, index, orders, interval)
        for v, lower, upper in e.limits:  # innermost first
            if (lower, upper) == interval and v.name == index.name:
                inner = Add(*(inner.xreplace({v: image.xreplace({index: v})}) for image in orders)) / len(orders)
            inner = Sum(inner, (v, lower, upper))
        return inner
    if not e.args or isinstance(e, Indexed | IndexedBase):
        return e
    return e.func(*(_averaged(part, index, orders, interval) for part in e.args))


def _straightened(e: Expr, permuted: Permutation) -> Expr:
    """Return `e` with the permutation taken out of every sum that meets its indices through it alone."""
    if isinstance(e, Sum):
        terms = Add.make_args(spread(_straightened(e.function, permuted)))
        return Add(*(Sum(_straight(term, e.limits, permuted), *e.limits) for term in terms))
    if not e.args or isinstance(e, Indexed | IndexedBase):
        return e
    return e.func(*(_straightened(part, permuted) for part in e.args))


def _straight(term: Expr, limits: tuple, permuted: Permutation) -> Expr:
    if any(bound.free_symbols & {v for v, *_ in limits} for _, *bounds in limits for bound in bounds):
        return term  # ranges that depend on one another have no common order
    for chosen in permutations(limits, len(permuted.ranges)):
        variables = tuple(v for v, *_ in chosen)
        if tuple((lower, upper) for _, lower, upper in chosen) != permuted.ranges:
            continue
        marks = {image: Dummy("image", integer=True) for image in permuted(*variables)}
        seen = term.xreplace(marks)
        if not seen.free_symbols & set(variables):
            return seen.xreplace(dict(zip(marks.values(), variables, strict=True)))
    return term
