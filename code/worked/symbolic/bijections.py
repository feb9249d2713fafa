r"""Bijections of index ranges: which maps of an index are one-to-one, and permutations that stand for every one.

A map of an index is accepted if it is the reversal $v \mapsto a + b - v$ of a range $a, \dots, b$ of any length, or if
the range consists of given integers and the map, evaluated at each, hits each once. A `Permutation` is one-to-one by
declaration: what is proved with it holds for every permutation of its ranges.
"""

import random
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

from sympy import Expr, Integer, Symbol, Tuple

from worked.symbolic.sums import Range, Ranges, spread

LONGEST = 64  # of the ranges of given integers that are gone through


def powers(v: Symbol, image: Expr, interval: Range) -> tuple[Expr, ...] | None:
    """Return v and its images under the map once, twice, ... until v is back; None unless it is a bijection."""
    lower, upper = interval
    if spread(image + v - lower - upper) == 0:
        return (v, image)
    if not (lower.is_Integer and upper.is_Integer and 0 < upper - lower + 1 <= LONGEST and image.free_symbols <= {v}):
        return None
    span = range(int(lower), int(upper) + 1)
    table = {n: image.xreplace({v: Integer(n)}) for n in span}
    if {value for value in table.values() if value.is_Integer} != set(span):
        return None
    found, reached = [v], {n: int(table[n]) for n in span}
    while any(reached[n] != n for n in span):
        found.append(image.xreplace({v: found[-1]}))
        reached = {n: int(table[reached[n]]) for n in span}
    return tuple(found)


def range_of(index: Expr, ranges: Ranges) -> Range | None:
    """Return the range that an index runs through once: that of a symbol, or of the symbol that it is the image of."""
    if index in ranges:
        return ranges[index]
    variables = [v for v in index.free_symbols if v in ranges and powers(v, index, ranges[v])]
    return ranges[variables[0]] if len(variables) == 1 else None


class Position(Expr):
    """One coordinate of the image of a tuple of indices under a permutation: coordinate, seed, ranges, indices."""

    is_commutative = True
    is_integer = True
    is_real = True

    def value_at(self, evaluator: Any, point: Any) -> int:
        """Return the coordinate under the permutation that the value of the seed draws; IndexError out of range."""
        coordinate, seed, ranges, *indices = self.args
        spans = tuple(tuple(int(evaluator(bound, point)) for bound in interval) for interval in ranges.args)
        place = tuple(int(evaluator(index, point)) for index in indices)
        images = _drawn(float(evaluator(seed, point)), spans)
        if place not in images:
            raise IndexError(f"the permutation has no image of {place}")
        return images[place][int(coordinate)]

    def _latex(self, printer: Any) -> str:
        coordinate, seed, _, *indices = self.args
        if all(isinstance(index, Symbol) for index in indices):
            return f"{printer._print(indices[int(coordinate)])}'"
        return rf"{printer._print(seed)}_{{{int(coordinate) + 1}}}({','.join(map(printer._print, indices))})"


@cache
def _drawn(seed: float, spans: tuple[tuple[int, int], ...]) -> dict[tuple[int, ...], tuple[int, ...]]:
    """Return a permutation of all places, as a table; every number is the seed of one."""
    places = list(product(*(range(lower, upper + 1) for lower, upper in spans)))
    images = places[:]
    random.Random(seed).shuffle(images)
    return dict(zip(places, images, strict=True))


@dataclass(frozen=True)
class Permutation:
    r"""Any permutation $\pi$ of the tuples of some ranges, with $(r', k') = \pi(r, k)$.

    `seed` is a real symbol: at a point of the numeric gates its value draws the permutation.
    """

    seed: Symbol
    ranges: tuple[Range, ...]

    def __call__(self, *indices: Expr) -> tuple[Expr, ...]:
        """Return the coordinates of the image of a tuple of indices."""
        if len(indices) != len(self.ranges):
            raise ValueError(f"expected {len(self.ranges)} indices, one for each range, got {len(indices)}")
        spans = Tuple(*(Tuple(*interval) for interval in self.ranges))
        return tuple(Position(Integer(n), self.seed, spans, *indices) for n in range(len(indices)))


def permutation(variables: tuple[Symbol, ...], images: tuple[Expr, ...], ranges: Ranges) -> Permutation | None:
    """Return the permutation whose coordinates at `variables` are the `images`, all of them and in order, or None."""
    if not images or not all(isinstance(image, Position) for image in images):
        return None
    found = Permutation(images[0].args[1], tuple(ranges[v] for v in variables))
    return found if found(*variables) == images and len(set(variables)) == len(variables) else None
