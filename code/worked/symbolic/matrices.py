"""Matrix expressions with checked shapes, tied to sums by their entries.

A form is built from given arrays; putting together what does not fit is an error. `Entry(form, i, j)` is an expression
that prints as the form does and whose value is the entry, written out: so the matrix form of an equation is proved
together with its entrywise form.
"""

from collections.abc import Iterator
from typing import Any

from sympy import Basic, Dummy, Expr, Function, IndexedBase, Integer, Sum

from worked.symbolic.latex import latex, product

Shape = tuple[Expr, Expr]


class positive_part(Function):
    """max(x, 0), kept as an atom: SymPy's maximum compares its arguments, which takes long for sums of entries."""

    nargs = 1

    def _eval_is_real(self) -> bool | None:
        return self.args[0].is_real

    def value_at(self, evaluator: Any, point: Any) -> Any:
        """Return its number, for `worked.symbolic.evaluate`."""
        return max(evaluator(self.args[0], point), 0)

    def _latex(self, printer: Any) -> str:
        return rf"\max\left({printer._print(self.args[0])}, 0\right)"


class Form(Basic):
    """A matrix expression with `rows` and `columns`; use `given`, `@`, `+` and `relu`."""

    @property
    def shape(self) -> Shape:
        """Rows and columns."""
        raise NotImplementedError

    def entry(self, row: Expr, column: Expr) -> Expr:
        """Return one entry, written out as sums; indices start at 1."""
        raise NotImplementedError

    def mutants(self) -> Iterator[tuple[str, "Form"]]:
        """Yield forms in which one operation is missing."""
        raise NotImplementedError

    def __matmul__(self, other: "Form") -> "Form":
        return MatrixProduct(self, other)

    def __add__(self, other: "Form") -> "Form":
        return RowAdded(self, other)


def given(base: IndexedBase) -> Form:
    """Return an array as a form; one with a single index is a row."""
    return Given(base)


def relu(form: Form) -> Form:
    """Return the form with max(., 0) applied to each entry."""
    return Relu(form)


class Given(Form):
    """An array of known shape."""

    @property
    def shape(self) -> Shape:
        """As declared; a vector is one row."""
        shape = tuple(self.args[0].shape)
        return shape if len(shape) == 2 else (Integer(1), *shape)

    def entry(self, row: Expr, column: Expr) -> Expr:
        """Return the array's entry; a row has no row index."""
        base = self.args[0]
        return base[row, column] if len(base.shape) == 2 else base[column]

    def mutants(self) -> Iterator[tuple[str, Form]]:
        """Nothing is missing here."""
        return iter(())

    def _latex(self, printer: Any) -> str:
        return printer._print(self.args[0].label)


class MatrixProduct(Form):
    """The product of two matrices; ValueError if the inner sizes differ."""

    def __new__(cls, left: Form, right: Form) -> "MatrixProduct":
        """Check the inner sizes."""
        if left.shape[1] != right.shape[0]:
            raise ValueError(f"{_named(left)} cannot be multiplied by {_named(right)}: the inner sizes differ")
        return Basic.__new__(cls, left, right)

    @property
    def shape(self) -> Shape:
        """The outer sizes."""
        return self.args[0].shape[0], self.args[1].shape[1]

    def entry(self, row: Expr, column: Expr) -> Expr:
        """Return the sum over the inner index."""
        left, right = self.args
        inner = Dummy("r", integer=True)
        return Sum(product(left.entry(row, inner), right.entry(inner, column)), (inner, 1, left.shape[1]))

    def mutants(self) -> Iterator[tuple[str, Form]]:
        """Yield the changes of either factor."""
        left, right = self.args
        yield from ((what, m @ right) for what, m in left.mutants())
        yield from ((what, left @ m) for what, m in right.mutants())

    def _latex(self, printer: Any) -> str:
        return r" \, ".join(
            rf"\left({printer._print(a)}\right)" if isinstance(a, RowAdded) else printer._print(a) for a in self.args
        )


class RowAdded(Form):
    """A matrix, to each row of which the same row is added; ValueError if the columns differ in number."""

    def __new__(cls, matrix: Form, row: Form) -> "RowAdded":
        """Check the columns."""
        if row.shape != (1, matrix.shape[1]):
            raise ValueError(f"{_named(row)} cannot be added to the rows of {_named(matrix)}")
        return Basic.__new__(cls, matrix, row)

    @property
    def shape(self) -> Shape:
        """That of the matrix."""
        return self.args[0].shape

    def entry(self, row: Expr, column: Expr) -> Expr:
        """Return the sum of the two entries."""
        return self.args[0].entry(row, column) + self.args[1].entry(Integer(1), column)

    def mutants(self) -> Iterator[tuple[str, Form]]:
        """Yield the matrix alone, and the changes inside."""
        yield "row dropped", self.args[0]
        yield from ((what, m + self.args[1]) for what, m in self.args[0].mutants())

    def _latex(self, printer: Any) -> str:
        return f"{printer._print(self.args[0])} + {printer._print(self.args[1])}"


class Relu(Form):
    """The larger of each entry and 0."""

    @property
    def shape(self) -> Shape:
        """That of the argument."""
        return self.args[0].shape

    def entry(self, row: Expr, column: Expr) -> Expr:
        """Return max(entry, 0)."""
        return positive_part(self.args[0].entry(row, column))

    def mutants(self) -> Iterator[tuple[str, Form]]:
        """Yield the argument alone, and the changes inside."""
        yield "activation dropped", self.args[0]
        yield from ((what, relu(m)) for what, m in self.args[0].mutants())

    def _latex(self, printer: Any) -> str:
        return rf"\operatorname{{relu}}\!\left({printer._print(self.args[0])}\right)"


class Entry(Expr):
    """One entry of a matrix form: shown as the form, computed from its written-out entry."""

    is_commutative = True

    def __new__(cls, form: Form, row: Expr, column: Expr) -> "Entry":
        """Build the entry in a row and a column, numbered from 1."""
        return Expr.__new__(cls, form, row, column)

    def written_out(self) -> Expr:
        """Return the entry as sums."""
        return self.args[0].entry(*self.args[1:])

    def value_at(self, evaluator: Any, point: Any) -> Any:
        """Return its number, for `worked.symbolic.evaluate`."""
        return evaluator(self.written_out(), point)

    def mutants(self) -> Iterator[tuple[str, Expr]]:
        """Yield entries of the changed forms."""
        yield from ((what, Entry(m, *self.args[1:])) for what, m in self.args[0].mutants())

    def _latex(self, printer: Any) -> str:
        row, column = map(printer._print, self.args[1:])
        return rf"\left[{printer._print(self.args[0])}\right]_{{{row},{column}}}"


def _named(form: Form) -> str:
    return f"${latex(form)}$ of shape {' x '.join(map(str, form.shape))}"
