"""Unknown vector functions and products of matrices, entry by entry, for every width.

`VectorFunction` is a differentiable map of which nothing is known; the one rule about it is the chain rule. `Entry` is
an entry of an expression in matrices, whose factors keep their order: it stands for the sums over inner indices.
"""

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

from sympy import (
    Add,
    Basic,
    Dummy,
    Expr,
    Indexed,
    Integer,
    KroneckerDelta,
    Mul,
    Sum,
    Symbol,
    Tuple,
    default_sort_key,
    diff,
    expand,
    sympify,
)
from sympy.core.symbol import Str

from worked.symbolic.sums import Binder, Range, Shorthand, fresh


@dataclass(frozen=True)
class VectorFunction:
    r"""An unknown differentiable function from $\mathbb{R}^d$ to $\mathbb{R}^d$, or a family of them.

    `f(i, lambda j: h[j])` is entry i of its value at the vector h; `f.jacobian(i, j, ...)` an entry of its Jacobian
    matrix there. The members of a family are told apart by `of`, a number or an index.
    """

    label: str
    size: Expr

    def __call__(self, i: Any, argument: Callable[[Symbol], Expr], of: Any = ()) -> "Component":
        """Return entry i of the value at the vector whose entry j is `argument(j)`."""
        return self._component((i,), argument, of)

    def jacobian(self, i: Any, j: Any, argument: Callable[[Symbol], Expr], of: Any = ()) -> "Component":
        """Return the derivative of entry i by entry j of the argument, at the vector `argument`."""
        return self._component((i, j), argument, of)

    def _component(self, indices: tuple[Any, ...], argument: Callable[[Symbol], Expr], of: Any) -> "Component":
        slot = Dummy("j", integer=True)
        members = of if isinstance(of, tuple) else (of,)
        kind = Tuple(Str(self.label), *members)
        return Component(argument(slot), Tuple(slot), kind, Tuple(*indices), sympify(self.size)).canonical()


class Component(Binder):
    """An entry of the value (one index) or of a derivative (more) of an unknown function at a vector.

    Its arguments: entry j of the vector as an expression in j, the tuple of j, label and members, indices, width.
    """

    is_real = True
    is_commutative = True

    @property
    def label(self) -> str:
        """The name of the function."""
        return self.args[2][0].name

    @property
    def members(self) -> tuple[Expr, ...]:
        """Which member of the family it is; nothing for a single function."""
        return self.args[2].args[1:]

    @property
    def indices(self) -> tuple[Expr, ...]:
        """The entry."""
        return self.args[3].args

    @property
    def size(self) -> Expr:
        """The width."""
        return self.args[4]

    def changed(self, indices: Iterable[Symbol]) -> Iterator[tuple[str, Expr]]:
        """Other entries, and another function."""
        for changed in _other_indices(self.indices, indices):
            yield "wrong index", self.func(*self.args[:3], Tuple(*changed), self.size)
        renamed = Tuple(Str(self.label + "'"), *self.members)
        yield "other function", self.func(*self.args[:2], renamed, *self.args[3:])

    def own_ranges(self) -> dict[Symbol, Range]:
        """The entries of the argument."""
        return {self.bound[0]: (Integer(1), self.size)}

    def _eval_derivative(self, variable: Expr) -> Expr:
        """The chain rule: sum over the entries of the argument."""
        name = variable.base if isinstance(variable, Indexed) else variable
        if any(part.has(name) for part in self.args[2:]):
            raise ValueError(f"{self} depends on {variable} otherwise than through its argument")
        a = Dummy("a", integer=True)
        inner = diff(fresh(self.inside).xreplace({self.bound[0]: a}), variable)
        if inner == 0:
            return Integer(0)
        outer = Component(*self.args[:3], Tuple(*self.indices, a), self.size)
        return Sum(outer * inner, (a, 1, self.size))

    def value_at(self, evaluator: Any, point: Any) -> Any:
        r"""Return the value for a concrete function, $f_i(h) = 1/(1 + \exp(-\sum_j w_{ij} h_j))$ with fixed weights."""
        if len(self.indices) > 2:
            raise NotImplementedError("second derivatives of unknown functions are not evaluated")
        member = tuple(int(evaluator(m, point)) for m in self.members)
        i, *by = (int(evaluator(index, point)) for index in self.indices)
        width, slot = int(evaluator(self.size, point)), self.bound[0]
        if not all(1 <= index <= width for index in (i, *by)):
            raise IndexError(f"{self.label} has no entry {(i, *by)}")
        weights = [weight(self.label, member, i, j) for j in range(1, width + 1)]
        entries = [evaluator(self.inside, {**point, slot: j}) for j in range(1, width + 1)]
        value = 1 / (1 + evaluator.functions.exp(-sum(w * h for w, h in zip(weights, entries, strict=True))))
        return value * (1 - value) * weights[by[0] - 1] if by else value

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        argument = vector(self.inside, self.bound[0], printer)
        name, *number = self.label.split("_", 1)
        below = ",".join([*number, *map(printer._print, (*self.members, *self.indices))])
        if len(self.indices) == 1:
            value = rf"{name}_{{{below}}}\!\left({argument}\right)"
        else:
            below = ",".join([*number, *map(printer._print, self.members)])
            entry = ",".join(map(printer._print, self.indices))
            name = rf"\mathbf{{{name}}}" + (f"_{{{below}}}" if below else "")
            value = rf"\left[D{name}\!\left({argument}\right)\right]_{{{entry}}}"
        return value if exp is None else rf"{value}^{{{exp}}}"


@cache
def weight(label: str, member: tuple[int, ...], i: int, j: int) -> float:
    """Return the weight of the concrete function that stands for an unknown one in floating point."""
    return random.Random(f"{label} {member} {i} {j}").uniform(-1.5, 1.5)


def vector(e: Expr, slot: Symbol, printer: Any) -> str:
    """Return LaTeX of the vector whose entry `slot` is `e`: names and functions in bold, without the index."""
    if isinstance(e, Add):
        terms = sorted(e.args, key=lambda t: (_depth(t), isinstance(t, Component), default_sort_key(t)))
        return " + ".join(vector(term, slot, printer) for term in terms)
    if isinstance(e, Indexed) and e.indices[-1] == slot and not any(i.has(slot) for i in e.indices[:-1]):
        name, *number = str(e.base.label).split("_", 1)
        below = ",".join([*number, *map(printer._print, e.indices[:-1])])
        return rf"\mathbf{{{name}}}" + (f"_{{{below}}}" if below else "")
    if isinstance(e, Component) and e.indices == (slot,):
        name, *number = e.label.split("_", 1)
        below = ",".join([*number, *map(printer._print, e.members)])
        name = rf"\mathbf{{{name}}}" + (f"_{{{below}}}" if below else "")
        return rf"{name}\!\left({vector(e.inside, e.bound[0], printer)}\right)"
    return rf"\left({printer._print(e)}\right)_{{{printer._print(slot)}}}"


def _other_indices(chosen: tuple[Expr, ...], indices: Iterable[Symbol]) -> Iterator[tuple[Expr, ...]]:
    """Yield the indices in the other order, and with one of them replaced."""
    if len(chosen) == 2:
        yield chosen[::-1]
    others = tuple(indices)
    for n, index in enumerate(chosen):
        yield from ((*chosen[:n], other, *chosen[n + 1 :]) for other in others if other != index)


def _depth(e: Basic) -> int:
    return int(isinstance(e, Component)) + max((_depth(part) for part in e.args), default=0)


def matrix(entry: Callable[[Symbol, Symbol], Expr], size: Expr) -> "Matrix":
    """Return the square matrix with the entries `entry(i, j)`, as a factor in products whose order matters."""
    row, column = Dummy("i", integer=True), Dummy("j", integer=True)
    return Matrix(entry(row, column), Tuple(row, column), sympify(size)).canonical()


class Matrix(Binder):
    """A square matrix: its entry (i, j), the tuple of i and j, and its size. Printed by the name of its entries."""

    is_commutative = False

    @property
    def size(self) -> Expr:
        """The number of rows and of columns."""
        return self.args[2]

    def own_ranges(self) -> dict[Symbol, Range]:
        """Rows and columns."""
        return {index: (Integer(1), self.size) for index in self.bound}

    def entry(self, i: Expr, j: Expr) -> Expr:
        """Return entry (i, j)."""
        e = fresh(self)
        return e.inside.xreplace(dict(zip(e.bound, (i, j), strict=True)))

    def _latex(self, printer: Any) -> str:
        entry = self.inside
        if not (isinstance(entry, Indexed) and entry.indices[-2:] == tuple(self.bound)):
            return rf"\left({printer._print(entry)}\right)"
        name, *number = str(entry.base.label).split("_", 1)
        below = ",".join([*number, *map(printer._print, entry.indices[:-2])])
        return f"{name}_{{{below}}}" if below else name


class Entry(Shorthand):
    """Entry (i, j) of a polynomial in square matrices; in it, a number stands for that multiple of the identity."""

    is_real = True
    is_commutative = True

    def __new__(cls, matrix: Any, i: Any, j: Any) -> "Entry":
        """Build the entry; ValueError unless matrices occur, all of one size."""
        matrix = sympify(matrix)
        sizes = {m.size for m in matrix.atoms(Matrix)}
        if len(sizes) > 1:
            raise ValueError(f"the matrices of {matrix} differ in size: {sizes}")
        return Expr.__new__(cls, matrix, sympify(i), sympify(j))

    def written_out(self) -> Expr:
        """Return the sum over the inner indices."""
        return _entry(*self.args)

    def changed(self, indices: Iterable[Symbol]) -> Iterator[tuple[str, Expr]]:
        """Other entries of the same matrix."""
        for changed in _other_indices(self.args[1:], indices):
            yield "wrong index", Entry(self.args[0], *changed)

    def value_at(self, evaluator: Any, point: Any) -> Any:
        """Return the value by multiplying tables of numbers."""
        matrix, i, j = self.args
        sizes = {int(evaluator(m.size, point)) for m in matrix.atoms(Matrix)}
        i, j = (int(evaluator(index, point)) for index in (i, j))
        if not sizes:
            return int(i == j) * evaluator(matrix, point)
        span = range(1, sizes.pop() + 1)
        if i not in span or j not in span:
            raise IndexError(f"there is no entry {(i, j)}")
        return _row(matrix, {i: 1}, span, evaluator, point).get(j, 0)

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        matrix, i, j = self.args
        value = rf"\left[{_matrix_latex(matrix, printer)}\right]_{{{printer._print(i)},{printer._print(j)}}}"
        return value if exp is None else rf"{value}^{{{exp}}}"


def _entry(e: Expr, i: Expr, j: Expr) -> Expr:
    """Multiply out, factors in their order; each term is a sum over the indices between its factors."""
    total = Integer(0)
    for term in Add.make_args(expand(e)):
        scalars, factors = term.args_cnc()
        letters = [f for factor in factors for f in _repeated(factor)]
        if not letters:
            total += Mul(*scalars) * KroneckerDelta(i, j)
            continue
        between = [Dummy("a", integer=True) for _ in letters[1:]]
        places = [i, *between, j]
        product = Mul(*(f.entry(*at) for f, at in zip(letters, pairwise(places), strict=True)))
        limits = [(a, 1, letters[0].size) for a in between]
        total += Mul(*scalars) * (Sum(product, *limits) if limits else product)
    return total


def _repeated(factor: Expr) -> list[Matrix]:
    base, power = factor.as_base_exp()
    if not isinstance(base, Matrix) or not power.is_Integer or power < 0:
        raise TypeError(f"no entries of {factor}: it is not a polynomial in matrices")
    return [base] * int(power)


def _row(e: Expr, row: dict[int, Any], span: range, evaluator: Any, point: Any) -> dict[int, Any]:
    """Return a row of numbers times a polynomial in matrices, factor by factor from the left."""
    if isinstance(e, Matrix):
        table = {(a, b): evaluator(e.inside, {**point, e.bound[0]: a, e.bound[1]: b}) for a in row for b in span}
        return {b: sum(v * table[a, b] for a, v in row.items()) for b in span}
    if e.is_commutative:
        factor = evaluator(e, point)
        return {a: v * factor for a, v in row.items()}
    if isinstance(e, Add):
        terms = [_row(term, row, span, evaluator, point) for term in e.args]
        return {b: sum(term.get(b, 0) for term in terms) for b in span}
    factors = e.args if isinstance(e, Mul) else (e.base,) * int(e.exp)
    for factor in factors:
        row = _row(factor, row, span, evaluator, point)
    return row


def _matrix_latex(e: Expr, printer: Any) -> str:
    """A number is printed as that multiple of I; terms by their number of factors, factors in their order."""
    if isinstance(e, Add):
        terms = list(e.args)
        if e.args == Add(*e.args).args:
            terms.sort(key=lambda t: (len(Mul.make_args(t)) if not t.is_commutative else 0, default_sort_key(t)))
        printed = ""
        for term in terms:
            negative = term.as_coeff_Mul()[0].is_negative
            sign = "-" if negative else "+" if printed else ""
            printed += f" {sign} " if printed else sign
            printed += _matrix_latex(-term if negative else term, printer)
        return printed
    if isinstance(e, Mul):
        return r" ".join(
            rf"\left({_matrix_latex(f, printer)}\right)" if isinstance(f, Add) else printer._print(f) for f in e.args
        )
    if e.is_commutative:
        return "I" if e == 1 else rf"{printer._print(e)} I"
    return printer._print(e)
