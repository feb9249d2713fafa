"""The evaluator against numbers worked out by hand, and its derivatives against each other."""

import math

import pytest
from sympy import (
    Abs,
    Contains,
    Expr,
    Function,
    Indexed,
    IndexedBase,
    Integer,
    Integral,
    Interval,
    KroneckerDelta,
    Limit,
    Max,
    Mod,
    Piecewise,
    Subs,
    Sum,
    Symbol,
    binomial,
    ceiling,
    exp,
    floor,
    log,
    oo,
    pi,
    sign,
    sqrt,
    symbols,
)

from worked.symbolic import gates
from worked.symbolic.definitions import Definition, Definitions
from worked.symbolic.evaluate import Evaluator, central_difference, random_point
from worked.symbolic.functions import Partial, logistic

m = Symbol("m", integer=True, positive=True)
i, j, k = symbols("i j k", integer=True)
z, f = symbols("z f", real=True)
x, h = IndexedBase("x", shape=(m,), real=True), IndexedBase("h", shape=(m,), real=True)
RANGES = {i: (Integer(1), m)}
GRAPH = Definitions((Definition(h[i], x[i] ** 2), Definition(f, Sum(i * h[i], (i, 1, m)))))
evaluate = Evaluator(GRAPH.by_name, RANGES)
point = {m: 3, i: 2, z: 0.5, x: lambda n: {(1,): 1.0, (2,): 2.0, (3,): 4.0}[n]}

VALUES = {
    "definition": (f, 1 * 1 + 2 * 4 + 3 * 16),
    "empty sum": (Sum(x[j], (j, 3, 2)), 0),
    "triangular sum": (Sum(x[j], (j, 1, k), (k, 1, m)), 1 + 3 + 7),
    "the inner index hides the outer": (Sum(x[i] * Sum(x[i], (i, 1, m)), (i, 1, m)), 49),
    "delta": (Sum(x[j] * KroneckerDelta(i, j), (j, 1, m)), 2),
    "functions": (
        logistic(z) + exp(z) * log(2 + z) + Max(z, 0) + Abs(-z),
        0.6224593312 + math.exp(0.5) * math.log(2.5) + 1,
    ),
    "remainder": (Mod(i - 3, m), 2),
    "rounded": (floor(z + z) + 10 * ceiling(m / 2) + 100 * floor(-z), 1 + 20 - 100),
    "rounded quotients": (floor((m * z + z) / z) + ceiling(m * (z / m) / z), 4 + 1),
    "choices": (binomial(m + 2, i), 10),
    "cases": (Piecewise((z, z > 1), (-z, (z >= 0) & (z < 1)), (0, True)), -0.5),
    "integral": (Integral(exp(-(z**2)), (z, -oo, oo)), math.sqrt(math.pi)),
    "integral of what is free": (Integral(z * m, (z, 0, i)), 6),
    "restriction": (Subs(z**2 + z, z, 3), 12),
    "limit": (Limit(z + 1, z, 0, "+"), 1),
    "derivative": (Partial(f, x[i]), 2 * 2 * 2.0),
    "derivative at a cut": (Partial(f, h[i]), 2),
}


@pytest.mark.parametrize(("e", "expected"), VALUES.values(), ids=VALUES.keys())
def test_values(e, expected):
    assert evaluate(e, point) == pytest.approx(expected, rel=1e-8)


def test_autograd_agrees_with_differences():
    for e in (f, logistic(f / 50) * log(1 + exp(-f))):
        ours = gates.autograd(evaluate, e, x[i], point)
        assert ours == pytest.approx(central_difference(evaluate, e, x[i], point), abs=1e-8)


def test_autograd_of_what_does_not_depend():
    assert gates.autograd(evaluate, z, x[i], point) == 0


@pytest.mark.parametrize("e", [x[i + 2], h[i + 2], h[i - 2]])
def test_entries_outside_their_range_have_no_value(e):
    with pytest.raises((IndexError, KeyError)):
        evaluate(e, point)


def test_what_has_no_rule_is_refused():
    with pytest.raises(NotImplementedError, match="no value for"):
        evaluate(Function("g")(z), point)


def test_an_imaginary_number_is_refused():
    with pytest.raises(ValueError, match="no real value"):
        evaluate(sqrt(-pi), {})


def test_a_divergent_integral_has_no_value():
    with pytest.raises(ValueError, match="has no value"):
        evaluate(Integral(1 / z, (z, 0, 1)), {})


def test_random_points_are_reproducible_and_in_range():
    one, two = (random_point((f, x[i], h[i], z), RANGES, seed=4) for _ in range(2))
    assert one.keys() == two.keys()
    assert [one[z], one[m], one[i]] == [two[z], two[m], two[i]]
    assert 1 <= one[i] <= one[m]
    assert one[x]((1,)) == two[x]((1,))
    with pytest.raises(IndexError, match="has no entry"):
        one[x]((one[m] + 1,))


def test_sizes_are_small_and_all_different():
    sizes = symbols("A B C D E F", integer=True, positive=True)
    drawn = [random_point([sum(sizes)], {}, seed=1)[size] for size in sizes]
    assert sorted(drawn) == [2, 3, 4, 5, 6, 7]


def test_an_undefined_function_takes_its_value_from_the_point():
    g = Function("g")
    assert evaluate(g(z, 2), {**point, g: lambda u, v: u + v}) == 2.5


class Thrice(Expr):
    def value_at(self, evaluator, point):
        return 3 * evaluator(self.args[0], point)


def test_a_class_of_its_own_brings_its_value():
    assert evaluate(Thrice(z) + 1, point) == 2.5


def test_no_case_is_no_value():
    with pytest.raises(ValueError, match="no case"):
        evaluate(Piecewise((z, z > 1)), point)
    with pytest.raises(NotImplementedError, match="no truth value"):
        evaluate(Piecewise((z, ~(Contains(z, Interval(0, 1)))), (0, True)), point)


def test_a_held_variable_moves_off_its_definition():
    held = evaluate.held((h[i].base,), point, 0.1)
    assert isinstance(h[i], Indexed)
    assert evaluate(h[i], held) == pytest.approx(4 + 0.1 * 3)
    assert evaluate(f, held) != pytest.approx(evaluate(f, point), abs=0.1)


def test_a_defined_function_is_evaluated_at_its_argument():
    g = Function("g")
    evaluator = Evaluator({g: Definition(g(m), Sum(i, (i, 1, m)))}, {})
    assert evaluator(g(m + 1), {m: 3}) == 10


def test_a_function_without_a_definition_is_drawn_reproducibly():
    g, h = Function("g", real=True), Function("h", real=True)
    drawn, again = (random_point((g(z) + h(z),), {}, seed=4) for _ in range(2))
    assert drawn[g](0.3) == again[g](0.3)
    assert len({drawn[g](0.3), drawn[h](0.3), drawn[g](0.4), -drawn[g](-0.3)}) == 4


def test_the_sign_of_a_number():
    assert [evaluate(sign(z), {z: value}) for value in (-0.2, 0.0, 3.0)] == [-1, 0, 1]


def test_entries_of_a_positive_name_are_positive():
    base = IndexedBase("c", shape=(m,), positive=True)
    drawn = random_point((base[i],), RANGES, seed=0)
    assert all(drawn[base]((index,)) > 0 for index in range(1, drawn[m] + 1))
