"""Soundness of the calculus of sums: against the evaluator, on random nested sums whose bound names clash."""

import random
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import (
    IndexedBase,
    Integer,
    KroneckerDelta,
    MatrixSymbol,
    Product,
    Rational,
    Sum,
    Symbol,
    exp,
    sqrt,
    symbols,
)

from worked.symbolic.evaluate import Evaluator, central_difference
from worked.symbolic.functions import logistic
from worked.symbolic.mutate import mutants
from worked.symbolic.sums import differentiate, fresh, normal_form, spread
from worked.symbolic.zero import is_zero

m = Symbol("m", integer=True, positive=True)
i, j, k, p, q = symbols("i j k p q", integer=True)
a = Symbol("a", positive=True)
x, y = IndexedBase("x", shape=(m,), real=True), IndexedBase("y", shape=(m,), real=True)
W = IndexedBase("W", shape=(m, m), real=True)
RANGES = {p: (Integer(1), m), q: (Integer(1), m)}
evaluate = Evaluator({}, RANGES)
quick = settings(max_examples=30, deadline=None, derandomize=True)


@st.composite
def expressions(draw, depth=3, indices=(p, q)):
    """Sums, products, powers and functions; a bound index may have the name of a free one, or of an outer one."""
    index = st.sampled_from(indices)
    inner = lambda more=(): draw(expressions(depth=depth - 1, indices=(*indices, *more)))  # noqa: E731
    kinds = ["x", "y", "W", "delta", "number"]
    kind = draw(st.sampled_from(kinds if depth == 0 else ["sum", "sum", "add", "mul", "square", "function", "root"]))
    if kind in ("x", "y"):
        return {"x": x, "y": y}[kind][draw(index)]
    if kind == "W":
        return W[draw(index), draw(index)]
    if kind == "delta":
        return KroneckerDelta(draw(index), draw(index))
    if kind == "number":
        return draw(st.sampled_from([a, m, Integer(2), Integer(-1), Rational(1, 2)]))
    if kind == "sum":
        v = draw(st.sampled_from((i, j, k, p)))
        upper = draw(st.sampled_from((m, m, *indices)))  # sometimes triangular
        return Sum(inner((v,)), (v, 1, upper if upper != v else m))
    if kind == "function":
        return logistic(inner())
    if kind == "root":
        return 1 / sqrt(1 + a + inner() ** 2)
    return {"add": lambda: inner() + inner(), "mul": lambda: inner() * inner(), "square": lambda: inner() ** 2}[kind]()


def points():
    """Values for sizes 1, 2 and 4."""
    for size in (1, 2, 4):
        entries = {index: random.Random(f"{size} {index}").uniform(-0.8, 0.8) for index in product(range(5), repeat=2)}
        vector = {(n,): entries[n, 0] for n in range(1, size + 1)}
        matrix = {index: entries[index] for index in product(range(1, size + 1), repeat=2)}
        other = {(n,): entries[n, n] for n in range(1, size + 1)}
        yield {m: size, a: 0.7, p: 1, q: size, x: vector.get, y: other.get, W: matrix.get}


def close(u, v, tolerance=1e-9):
    return abs(u - v) <= tolerance * max(1.0, abs(u), abs(v))


@quick
@given(expressions())
def test_normal_form_keeps_the_value(e):
    result = normal_form(fresh(e), RANGES)
    for point in points():
        assert close(float(evaluate(e, point)), float(evaluate(result, point)))


@quick
@given(expressions())
def test_derivative_equals_central_difference(e):
    derivative = differentiate(e, x[p])
    for point in points():
        expected = central_difference(evaluate, e, x[p], point)
        assert close(float(evaluate(derivative, point)), expected, 1e-5)
        assert close(float(evaluate(normal_form(fresh(derivative), RANGES), point)), expected, 1e-5)


@quick
@given(expressions(), st.randoms(use_true_random=False))
def test_nothing_unequal_is_accepted(e, rng):
    changed = [mutant for _, mutant in mutants(e, (p, q))]
    for mutant in rng.sample(changed, min(3, len(changed))):
        if is_zero(e - mutant, RANGES):
            for point in points():
                assert close(float(evaluate(e, point)), float(evaluate(mutant, point)))


@quick
@given(expressions())
def test_renaming_is_seen_through(e):
    assert is_zero(e - fresh(e), RANGES)


def S(e, *names):
    return Sum(e, *((v, 1, m) for v in names))


EQUAL = {
    "bound name is not a free one": (differentiate(S(x[p], p), x[p]), 1),
    "names of bound indices": (S(x[i], i), S(x[j], j)),
    "square of a sum": (S(x[i], i) ** 2, S(S(x[i] * x[j], i), j)),
    "order of summation": (S(W[i, j] * x[i] * x[j], i, j), S(W[j, i] * x[i] * x[j], i, j)),
    "inner index hides outer": (S(x[i] * S(y[i], i), i), S(x[i], i) * S(y[j], j)),
    "cyclic renaming": (S(W[i, j] * W[j, k] * W[k, i], i, j, k), S(W[k, j] * W[j, i] * W[i, k], i, j, k)),
    "sum of squares of sums": (S(S(W[i, j] * x[j], j) ** 2, i), S(W[i, j] * W[i, k] * x[j] * x[k], i, j, k)),
    "delta": (S(x[i] * KroneckerDelta(i, p), i), x[p]),
    "constant": (S(a, i), m * a),
    "triangular, renamed": (Sum(x[i], (i, 1, j), (j, 1, m)), Sum(x[k], (k, 1, p), (p, 1, m))),
    "sum merged with one that holds another sum": (
        S(x[i] * S(y[k] * logistic(S(W[i, j] * W[j, k], j)), k), i),
        S(S(x[i] * y[k] * logistic(S(W[i, j] * W[j, k], j)), k), i),
    ),
    "logistic of a sum": (
        differentiate(logistic(S(W[i, q] * x[i], i)), x[p]),
        W[p, q] * logistic(S(W[j, q] * x[j], j)) * (1 - logistic(S(W[j, q] * x[j], j))),
    ),
}

UNEQUAL = {
    "derivative of a sum by its own bound name (SymPy: m)": (differentiate(S(x[i], i), x[p]), m),
    "index not known to be in range": (differentiate(S(x[i], i), x[k]), 1),
    "products of sums are not sums of products": (S(x[i], i) ** 2, S(x[i] ** 2, i)),
    "transposed": (S(W[i, j] * x[i] * y[j], i, j), S(W[j, i] * x[i] * y[j], i, j)),
    "delta of a multiple (SymPy forgets that 2i is even)": (S(x[i] * KroneckerDelta(2 * i, p), i), x[p]),
    "triangular is not square": (Sum(x[i], (i, 1, j), (j, 1, m)), m * S(x[i], i)),
    "triangular, other corner": (Sum(x[i], (i, 1, j), (j, 1, m)), Sum(x[j], (i, 1, j), (j, 1, m))),
    "other range": (Sum(x[i], (i, 2, m)), S(x[i], i)),
    "possibly negative length": (Sum(a, (i, 1, m - 3)), (m - 3) * a),
}


@pytest.mark.parametrize(("left", "right"), EQUAL.values(), ids=EQUAL.keys())
def test_equal_sums(left, right):
    assert is_zero(left - right, RANGES)


@pytest.mark.parametrize(("left", "right"), UNEQUAL.values(), ids=UNEQUAL.keys())
def test_unequal_sums(left, right):
    assert not is_zero(left - right, RANGES)


def test_replacing_after_fresh_captures_nothing():
    replaced = fresh(S(W[i, p], i)).xreplace({p: i})  # SymPy alone: the sum over the diagonal
    assert is_zero(replaced - S(W[j, i], j), {i: (Integer(1), m)})
    assert not is_zero(replaced - S(W[j, j], j), {i: (Integer(1), m)})


def test_exponential_of_a_sum_stays_one():
    assert not spread(exp(S(x[i], i)) * (1 + a)).has(Product)


def test_matrix_derivatives_are_refused():
    X = MatrixSymbol("X", 3, 1)
    with pytest.raises(TypeError, match="write the sum over entries"):
        differentiate((X.T * X)[0, 0], X[0, 0])


def test_results_do_not_depend_on_what_was_reduced_before():
    e = S(W[i, j] * x[j] * S(x[k], k), i, j)
    first = normal_form(fresh(e), RANGES)
    normal_form(fresh(S(S(S(x[i], i) * y[j], j) * x[k], k)), RANGES)
    assert normal_form(fresh(e), RANGES) == first
