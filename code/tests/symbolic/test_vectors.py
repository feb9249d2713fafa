"""Unknown vector functions and products of matrices: what must be proved, and what must be refused."""

import random
from itertools import product as every

import numpy as np
import pytest
from sympy import Add, IndexedBase, Integer, Mul, Pow, Sum, Symbol, expand, symbols

from worked.symbolic import mutate
from worked.symbolic.derivation import Derivation, Rejected, claim, define, prove
from worked.symbolic.evaluate import Evaluator
from worked.symbolic.functions import Partial
from worked.symbolic.latex import latex, product, total
from worked.symbolic.methods import Differentiation, using
from worked.symbolic.sums import fresh
from worked.symbolic.vectors import Entry, Matrix, VectorFunction, matrix, weight
from worked.symbolic.zero import is_zero

d = Symbol("d", integer=True, positive=True)
i, j, k = symbols("i j k", integer=True)
c = Symbol("c", real=True)
x, y, u, v = (IndexedBase(label, shape=(d,), real=True) for label in "xyuv")
M, A, B = (IndexedBase(label, shape=(d, d), real=True) for label in ("M", "A", "B_2"))
a, b = (matrix(lambda row, column, base=base: base[row, column], d) for base in (A, B))
f, g = VectorFunction("f", d), VectorFunction("g", d)
RANGES = {i: (Integer(1), d), j: (Integer(1), d)}


def at(base):
    return lambda slot: base[slot]


def checked(*steps):
    return prove(Derivation("test", "Test", RANGES, steps))


define_u = define(u[i], total(x[i], f(i, at(x))), "")
define_y = define(y[i], g(i, at(u)), "")
d_f, d_g = f.jacobian(i, j, at(x)), g.jacobian(i, j, at(u))
chained = Sum(g.jacobian(i, k, at(u)) * f.jacobian(k, j, at(x)), (k, 1, d))
d_y = Partial(y[i], x[j])

ACCEPTED = {
    "a function of its argument": [define_y, claim(Partial(y[i], u[j]), d_g, "", Differentiation())],
    "a sum": [define_u, claim(Partial(u[i], x[j]), Entry(1, i, j) + d_f, "", Differentiation())],
    "two functions": [define_u, define_y, claim(d_y, d_g + chained, "", Differentiation())],
    "the argument inserted": [
        define_u,
        define_y,
        claim(y[i], g(i, lambda s: x[s] + f(s, at(x))), "", using(y[i], u[i])),
    ],
    "an argument that uses the free index": [
        define(v[i], f(i, lambda s: M[i, s] * x[s]), ""),
        claim(Partial(v[i], x[j]), f.jacobian(i, j, lambda s: M[i, s] * x[s]) * M[i, j], "", Differentiation()),
    ],
}

REFUSED = {
    "no dependence": [define_y, claim(Partial(y[i], u[j]), Integer(0), "", Differentiation())],
    "the Jacobian transposed": [
        define_y,
        claim(Partial(y[i], u[j]), g.jacobian(j, i, at(u)), "", Differentiation()),
    ],
    "the Jacobian at another point": [
        define_y,
        claim(Partial(y[i], u[j]), g.jacobian(i, j, at(x)), "", Differentiation()),
    ],
    "the Jacobian of another function": [
        define_y,
        claim(Partial(y[i], u[j]), f.jacobian(i, j, at(u)), "", Differentiation()),
    ],
    "a path forgotten": [define_u, define_y, claim(d_y, d_g, "", Differentiation())],
    "factors in the other order": [
        define_u,
        define_y,
        claim(d_y, d_g + Sum(f.jacobian(i, k, at(x)) * g.jacobian(k, j, at(u)), (k, 1, d)), "", Differentiation()),
    ],
    "a linear function": [claim(f(i, lambda s: x[s] + u[s]), f(i, at(x)) + f(i, at(u)), "")],
    "two functions taken for one": [claim(f(i, at(x)), g(i, at(x)), "")],
    "two members of a family taken for one": [claim(f(i, at(x), of=1), f(i, at(x), of=2), "")],
    "two entries taken for one": [claim(f(i, at(x)), f(j, at(x)), "")],
    "the free index captured": [
        define(v[i], f(i, lambda s: M[i, s] * x[s]), ""),
        claim(Partial(v[i], x[j]), f.jacobian(i, j, lambda s: M[j, s] * x[s]) * M[j, j], "", Differentiation()),
    ],
    "a substitution inside that does more": [
        define_u,
        define_y,
        claim(y[i], g(i, lambda s: x[s]), "", using(y[i], u[i])),
    ],
}


@pytest.mark.parametrize("steps", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_accepted(steps):
    assert max(checked(*steps).errors.values()) < 1e-6


@pytest.mark.parametrize("steps", REFUSED.values(), ids=REFUSED.keys())
def test_refused(steps):
    with pytest.raises(Rejected, match=r"not proved|the substitution gives"):
        checked(*steps)


def test_a_variable_elsewhere_than_in_the_argument_is_refused():
    with pytest.raises(ValueError, match="otherwise than through its argument"):
        f(i, at(x), of=c).diff(c)


def test_an_argument_is_not_captured_when_it_is_replaced():
    nested = f(i, lambda s: g(s, lambda r: M[s, r] * x[r]))
    renamed = fresh(nested)
    assert renamed != nested
    assert is_zero(renamed - nested, RANGES)
    assert not is_zero(renamed - f(i, lambda s: g(s, lambda r: M[r, s] * x[r])), RANGES)


def test_what_an_unknown_function_is_in_floating_point():
    point = {d: 3, i: 2, j: 3, x: lambda index: [0.3, -0.7, 1.1][index[0] - 1]}
    evaluate = Evaluator({}, RANGES)
    weights = [weight("f", (), 2, n) for n in (1, 2, 3)]
    value = 1 / (1 + np.exp(-np.dot(weights, [0.3, -0.7, 1.1])))
    assert evaluate(f(i, at(x)), point) == pytest.approx(value)
    assert evaluate(f.jacobian(i, j, at(x)), point) == pytest.approx(value * (1 - value) * weights[2])
    with pytest.raises(IndexError, match="no entry"):
        evaluate(f(i, at(x)), {**point, i: 4})
    with pytest.raises(NotImplementedError):
        evaluate(f.jacobian(i, j, at(x)).diff(x[j]), point)


def test_products_of_matrices():
    assert is_zero(Entry((1 + a) * (1 + b), i, j) - Entry(1 + a + b + a * b, i, j), RANGES)
    assert not is_zero(Entry(a * b, i, j) - Entry(b * a, i, j), RANGES)
    assert not is_zero(Entry(a * b, i, j) - Entry(a * b, j, i), RANGES)
    assert not is_zero(Entry(a * b, i, j) - A[i, j] * B[i, j], RANGES)
    assert is_zero(Entry(c * a**2 + 2, i, j) - c * Entry(Mul(a, a), i, j) - 2 * Entry(1, i, j), RANGES)


def word(rng):
    factors = [rng.choice((a, b, 1 + a, b - 1, 2 * a + b)) for _ in range(rng.randint(1, 3))]
    return Mul(*factors, evaluate=False) if len(factors) > 1 else factors[0]


@pytest.mark.parametrize("seed", range(12))
def test_random_polynomials_are_equal_as_they_are_without_commuting(seed):
    rng = random.Random(seed)
    left = word(rng)
    others = [expand(left), word(rng), expand(left) + rng.choice((0, a * b - b * a))]
    table = dict(zip((A, B), np.random.default_rng(seed).normal(size=(2, 3, 3)), strict=True))
    point = {d: 3, **{base: lambda n, t=t: t[n[0] - 1, n[1] - 1] for base, t in table.items()}}
    for right in others:
        difference = Entry(left, i, j) - Entry(right, i, j)
        entries = every(range(1, 4), repeat=2)
        zero = all(abs(Evaluator({}, RANGES)(difference, {**point, i: r, j: s})) < 1e-9 for r, s in entries)
        assert is_zero(difference, RANGES) is zero is (expand(left - right) == 0)


def test_impossible_entries():
    other = matrix(lambda row, column: M[row, column], d + 1)
    with pytest.raises(ValueError, match="differ in size"):
        Entry(a * other, i, j)
    with pytest.raises(TypeError, match="not a polynomial"):
        Entry(Pow(a, -1), i, j).written_out()
    with pytest.raises(IndexError, match="no entry"):
        Evaluator({}, RANGES)(Entry(a, i, j), {d: 2, i: 3, j: 1, A: lambda index: 1.0})


def test_print():
    assert latex(f(i, lambda s: x[s] + g(s, at(x)))) == (
        r"f_{i}\!\left(\mathbf{x} + \mathbf{g}\!\left(\mathbf{x}\right)\right)"
    )
    assert latex(f(i, at(x), of=2)) == r"f_{2,i}\!\left(\mathbf{x}\right)"
    assert latex(VectorFunction("f_3", d)(i, at(x))) == r"f_{3,i}\!\left(\mathbf{x}\right)"
    assert latex(d_g) == r"\left[D\mathbf{g}\!\left(\mathbf{u}\right)\right]_{i,j}"
    assert latex(Entry(Mul(1 + a, 1 + b), i, j)) == r"\left[\left(I + A\right) \left(I + B_{2}\right)\right]_{i,j}"
    assert latex(Entry(Add(-a * b, 2, -b), i, j)) == r"\left[2 I - B_{2} - A B_{2}\right]_{i,j}"
    assert latex(B[i, j]) == "B_{2,i,j}"
    assert latex(product(B[1, 1], x[i])) == r"B_{2,1,1} \, x_{i}"


def test_two_arguments_printed_alike_are_refused():
    other = IndexedBase("x", shape=(d,), integer=True)
    with pytest.raises(Rejected, match="both print as"):
        checked(claim(f(i, at(x)) - f(i, at(other)), f(i, at(x)) - f(i, at(other)), ""))


def test_a_matrix_keeps_its_entries_apart_from_its_indices():
    transposed = matrix(lambda row, column: A[column, row], d)
    assert isinstance(transposed, Matrix)
    assert transposed.entry(i, j) == A[j, i]
    nested = matrix(lambda row, column: Entry(Mul(a, b), row, column), d)
    assert is_zero(Entry(Mul(nested, a), i, j) - Entry(Mul(a, b, a), i, j), RANGES)


def test_mutants():
    swapped = dict(mutate.mutants(Entry(Mul(a, b), i, j), (i, j)))
    assert swapped["factors swapped"] == Entry(Mul(b, a), i, j)
    found = set(mutate.mutants(Entry(Mul(a, b), i, j), (i, j))) | set(mutate.mutants(d_g, (i, j)))
    assert ("wrong index", Entry(Mul(a, b), j, i)) in found
    assert ("wrong index", g.jacobian(j, i, at(u))) in found
    assert ("other function", VectorFunction("g'", d).jacobian(i, j, at(u))) in found
