"""Soundness of indices that wrap around: against the evaluator, on random sums, and on false statements."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Dummy, Integer, KroneckerDelta, Mod, Sum, Symbol, symbols

from worked.symbolic.cyclic import orders, remainder, settle, solution
from worked.symbolic.definitions import Definition, Definitions
from worked.symbolic.domain import outside
from worked.symbolic.evaluate import Evaluator, central_difference, random_point
from worked.symbolic.functions import Partial, ZeroBased
from worked.symbolic.latex import latex
from worked.symbolic.methods import Context, using
from worked.symbolic.mutate import mutants
from worked.symbolic.sums import differentiate, fresh, normal_form
from worked.symbolic.unroll import unroll
from worked.symbolic.zero import is_zero

n, m = symbols("n m", integer=True, positive=True)
i, j, k, p, q = symbols("i j k p q", integer=True)
t = Symbol("t", real=True)
x, y = ZeroBased("x", shape=(n,), real=True), ZeroBased("y", shape=(n,), real=True)
CYCLE = (Integer(0), n - 1)
RANGES = {p: CYCLE, q: CYCLE}
evaluate = Evaluator({}, RANGES)
quick = settings(max_examples=15, deadline=None, derandomize=True)


def S(e, *names):
    return Sum(e, *((v, *CYCLE) for v in names))


@st.composite
def remainders(draw, indices):
    """A remainder of a sum of indices and constants, nested at times; factors of 2 are no bijections."""
    terms = [draw(st.sampled_from((1, -1, 1, -1, 2))) * draw(st.sampled_from(indices)) for _ in range(2)]
    constant = draw(st.sampled_from((0, 0, 1, n, -2 * n, n - 1)))
    if draw(st.booleans()):
        terms[0] = draw(st.sampled_from((1, -1, 2))) * Mod(terms[0] + draw(st.sampled_from(indices)), n)
    return Mod(sum(terms) + constant, n)


@st.composite
def expressions(draw, depth=2, indices=(p, q)):
    """Sums over cycles of products of entries and deltas; bound names clash with free ones."""
    inner = lambda more=(): draw(expressions(depth=depth - 1, indices=(*indices, *more)))  # noqa: E731
    place = lambda: draw(st.one_of(st.sampled_from(indices), remainders(indices)))  # noqa: E731
    kind = draw(st.sampled_from(["x", "y", "delta"] if depth == 0 else ["sum", "sum", "sum", "mul", "add"]))
    if kind == "delta":
        return KroneckerDelta(place(), place())
    if kind in ("x", "y"):
        return {"x": x, "y": y}[kind][place()]
    if kind == "sum":
        v = draw(st.sampled_from((i, j, p)))
        return S(inner((v,)) * inner((v,)), v)
    return inner() * inner() if kind == "mul" else inner() - inner()


def points():
    for size in (1, 2, 3, 5):
        draw = random.Random(size)
        tables = [{(entry,): draw.uniform(-1, 1) for entry in range(size)} for _ in range(2)]
        for at in ((0, size - 1), (size // 2, 0)):
            yield {n: size, p: at[0], q: at[1], x: tables[0].__getitem__, y: tables[1].__getitem__}


def same(a, b):
    return all(abs(float(evaluate(a, at)) - float(evaluate(b, at))) < 1e-9 for at in points())


@quick
@given(expressions())
def test_normal_form_keeps_the_value(e):
    assert same(e, normal_form(fresh(e), RANGES))


@quick
@given(expressions())
def test_derivative_equals_central_difference(e):
    derivative = normal_form(fresh(differentiate(e, x[p])), RANGES)
    for point in points():
        assert float(evaluate(derivative, point)) == pytest.approx(
            central_difference(evaluate, e, x[p], point), abs=1e-6
        )


@quick
@given(expressions(), st.randoms(use_true_random=False))
def test_nothing_unequal_is_accepted(e, rng):
    changed = [mutant for _, mutant in mutants(e, (p, q))]
    for mutant in rng.sample(changed, min(4, len(changed))):
        if is_zero(e - mutant, RANGES):
            assert same(e, mutant)


@quick
@given(remainders((p, q, k)))
def test_a_remainder_keeps_its_value(e):
    for point in points():
        for value in range(-7, 8):  # k has no range
            at = {**point, k: value}
            assert evaluate(settle(e, RANGES), at) == evaluate(e, at)


SHIFTED = S(x[Mod(i - k, n)] * y[i], i)
EQUAL = {
    "a multiple of n": (y[Mod(p + n, n)], y[p]),
    "a remainder inside": (y[Mod(Mod(p + k, n) - q, n)], y[Mod(p + k - q, n)]),
    "a multiple of a remainder": (y[Mod(2 * Mod(p, n) - 2 * p + q, n)], y[q]),
    "delta solved": (S(x[i] * KroneckerDelta(p, Mod(i + q, n)), i), x[Mod(p - q, n)]),
    "delta solved, backwards": (S(x[i] * KroneckerDelta(p, Mod(q - i, n)), i), x[Mod(q - p, n)]),
    "delta of two remainders": (S(x[i] * KroneckerDelta(Mod(p + q, n), Mod(i - q, n)), i), x[Mod(p + 2 * q, n)]),
    "deltas that mean the same": (KroneckerDelta(Mod(p + k, n), q), KroneckerDelta(Mod(q - k, n), p)),
    "delta of one number": (KroneckerDelta(Mod(p + n, n), p), Integer(1)),
    "another order": (SHIFTED, S(x[j] * y[Mod(j + k, n)], j)),
    "backwards": (S(x[i] * y[Mod(k - i, n)], i), S(x[Mod(k - i, n)] * y[i], i)),
    "a sum over a whole cycle": (S(x[Mod(i + k, n)], i), S(x[i], i)),
    "convolution commutes twice": (
        S(S(x[i] * y[j] * x[Mod(p - i - j, n)], i), j),
        S(S(x[Mod(p - i - j, n)] * y[j] * x[i], j), i),
    ),
    "adjoint": (
        S(x[p] * S(x[i] * y[Mod(i + p, n)], i), p),
        S(y[j] * S(x[k] * x[Mod(j - k, n)], k), j),
    ),
}
UNEQUAL = {
    "twice an index is no bijection": (S(x[i] * KroneckerDelta(p, Mod(2 * i, n)), i), x[p]),
    "the sum of every second entry": (S(x[Mod(2 * i, n)], i), S(x[i], i)),
    "an index without range need not be a remainder": (x[Mod(k, n)], x[k]),
    "delta with an index that may be out of range": (S(x[i] * KroneckerDelta(k, Mod(i + q, n)), i), x[Mod(k - q, n)]),
    "another modulus": (S(x[i] * KroneckerDelta(p, Mod(i, m)), i), x[p]),
    "a sum over part of a cycle": (Sum(x[Mod(i + k, n)], (i, 1, n - 1)), Sum(x[i], (i, 1, n - 1))),
    "a sum over more than a cycle": (Sum(x[Mod(i + k, n)], (i, 0, n)), Sum(x[Mod(i, n)], (i, 0, n))),
    "convolution is not cross-correlation": (S(x[i] * y[Mod(p - i, n)], i), S(x[i] * y[Mod(p + i, n)], i)),
    "cross-correlation does not commute": (S(x[i] * y[Mod(i + p, n)], i), S(y[i] * x[Mod(i + p, n)], i)),
    "shifted the wrong way": (SHIFTED, S(x[j] * y[Mod(j - k, n)], j)),
    "a shift that the other factor does not make": (S(x[i] * y[Mod(i + p, n)], i), S(x[i] * y[i], i)),
    "half a step": (S(x[i] * KroneckerDelta(p, Mod(i + Dummy("h", real=True), n)), i), x[p]),
    "delta that is not always 1": (KroneckerDelta(Mod(p + 1, n), p), Integer(0)),  # for n = 1 it is
}


@pytest.mark.parametrize(("left", "right"), EQUAL.values(), ids=EQUAL.keys())
def test_equal(left, right):
    assert is_zero(left - right, RANGES)


@pytest.mark.parametrize(("left", "right"), UNEQUAL.values(), ids=UNEQUAL.keys())
def test_unequal(left, right):
    assert not is_zero(left - right, RANGES)


def test_a_delta_without_exactly_one_solution_for_sure_is_not_solved():
    for delta in (
        KroneckerDelta(p, Mod(2 * i + q, n)),
        KroneckerDelta(Mod(i + q, n), Mod(i + p, n)),
        KroneckerDelta(k, Mod(i, n)),
        KroneckerDelta(p, 2 * Mod(i, n)),
        KroneckerDelta(p, Mod(i + t, n)),
        KroneckerDelta(p, Mod(i * q, n)),
    ):
        assert solution(delta, i, CYCLE, RANGES) is None
    assert solution(KroneckerDelta(p, Mod(i + q, n)), i, (Integer(1), n), RANGES) is None


def test_no_other_order_where_it_is_not_known_to_be_one():
    other = [
        to for e in (x[Mod(2 * i, n)], x[Mod(i + t, n)], x[Mod(i * k, n)], x[Mod(i, m)]) for to in orders(e, i, CYCLE)
    ]
    assert set(other) == {i}
    assert list(orders(x[Mod(i + k, n)], i, (Integer(1), n))) == [i]
    inner = Sum(x[Mod(i + j, n)], (j, 0, i))
    assert list(orders(inner, i, CYCLE)) == [i]  # j means nothing outside of its sum


def test_numbers_are_reduced():
    assert remainder(Integer(7), Integer(4), {}) == 3
    assert settle(KroneckerDelta(Mod(k + 5, 4), Mod(k + 1, 4)), {}) == 1


def test_a_fact_is_used_for_a_remainder_only_if_it_is_in_range():
    z = ZeroBased("z", shape=(n,), real=True)
    context = Context(RANGES, Definitions((Definition(z[p], 2 * x[p]),)), (), {z[p]: 2 * x[p]})
    assert using(z[p]).objection(z[Mod(k - q, n)], 2 * x[Mod(k - q, n)], context) is None
    assert "does not occur" in using(z[p]).objection(z[Mod(k, m)], 2 * x[Mod(k, m)], context)
    assert "does not occur" in using(z[p]).objection(z[k], 2 * x[k], context)


def test_entries_from_zero():
    point = random_point([x[p], Partial(x[p], y[q])], RANGES, seed=1)
    size = point[n]
    assert isinstance(point[x]((0,)), float)
    with pytest.raises(IndexError, match=f"x has no entry \\({size},\\)"):
        point[x]((size,))
    written = unroll(S(x[i], i), {n: Integer(3)})
    assert written == x[0] + x[1] + x[2]
    assert unroll(x[n], {n: Integer(3)}).is_Dummy


def test_a_derivative_by_an_entry_beyond_the_last_is_refused():
    assert list(outside(Partial(t, x[p + 1]), Definitions(()), RANGES)) == ["x[p + 1] does not exist for every p"]
    assert not list(outside(Partial(t, x[Mod(p + 1, n)]), Definitions(()), RANGES))


def test_a_remainder_in_an_index_prints_like_the_exercise():
    assert latex(y[Mod(i + k, n)]) == r"y_{\left(i + k\right) \bmod n}"
    assert latex(x[Mod(i - k, n)]) == r"x_{\left(i - k\right) \bmod n}"


def test_index_signs_in_a_remainder_are_mutated():
    changed = [mutant for operator, mutant in mutants(y[Mod(i + k - p, n)]) if operator == "index sign"]
    assert {y[Mod(-i + k - p, n)], y[Mod(i - k - p, n)], y[Mod(i + k + p, n)]} <= set(changed)
