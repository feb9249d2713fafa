"""Means over normal variables: the pairing rule proved from moments, false statements refused, values by cubature."""

import math
import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sympy import (
    Dummy,
    Function,
    IndexedBase,
    Integer,
    Integral,
    KroneckerDelta,
    Max,
    Piecewise,
    Rational,
    Sum,
    Symbol,
    cos,
    erf,
    exp,
    oo,
    pi,
    sqrt,
    symbols,
)

from worked.symbolic import expectation, mutate
from worked.symbolic.definitions import Definition, Definitions
from worked.symbolic.derivation import Derivation, Rejected, claim, define, prove, then
from worked.symbolic.evaluate import Evaluator, random_point
from worked.symbolic.expectation import (
    Density,
    Expectation,
    Independence,
    Integration,
    Linearity,
    Pairing,
    Unknown,
    cubature,
    definite,
    density,
    moment,
    pairings,
    partitions,
)
from worked.symbolic.functions import AnyFunction, Partial, ZeroBased
from worked.symbolic.latex import latex
from worked.symbolic.methods import Algebra, Context, match, using
from worked.symbolic.zero import is_zero

d, m = symbols("d m", integer=True, positive=True)
i, j, k, l = symbols("i j k l", integer=True)  # noqa: E741
z, s, c = symbols("z s c", real=True)
b = Symbol("b", positive=True)
x, a = IndexedBase("x", shape=(d,), real=True), IndexedBase("a", shape=(d,), real=True)
g = IndexedBase("g", shape=(m, d), real=True)
phi = Function("varphi", real=True)
RANGES = {index: (Integer(1), d) for index in (i, j, k, l)}
error = Sum(a[i] * x[i], (i, 1, d))
risk = Sum(a[i] ** 2, (i, 1, d))
E = Expectation


def deltas(*pairs):
    return math.prod(KroneckerDelta(*pair) for pair in pairs)


TRUE = {
    "a constant": (E(a[i], x), a[i]),
    "an entry": (E(x[i], x), 0),
    "two entries": (E(x[i] * x[j], x), deltas((i, j))),
    "a square": (E(x[i] ** 2, x), 1),
    "four entries": (
        E(x[i] * x[j] * x[k] * x[l], x),
        deltas((i, j), (k, l)) + deltas((i, k), (j, l)) + deltas((i, l), (j, k)),
    ),
    "three entries": (E(x[i] * x[j] * x[k], x), 0),
    "a linear form, squared": (E(error**2, x), risk),
    "and to the fourth": (E(error**4, x), 3 * risk**2),
    "and to the sixth": (E(error**6, x), 15 * risk**3),
    "two variables": (E((error - s * z) ** 2, x, z), risk + s**2),
    "one after the other": (E(E((error - s * z) ** 2, z), x), risk + s**2),
    "a matrix": (E(Sum(g[1, i] * g[1, i], (i, 1, d)), g), d),
    "the length of a vector": (E(Sum(x[i] ** 2, (i, 1, d)), x), d),
    "an unknown function of an entry": (E(Sum(phi(x[i]) ** 2, (i, 1, d)), x), d * E(phi(z) ** 2, z)),
    "with a constant inside": (E(phi(a[i] * x[j]), x), E(phi(a[i] * z), z)),
    "the same name twice, one hidden": (E(x[i] * E(x[i] ** 2, x), x), 0),
}
FALSE = {
    "two entries are not always equal": (E(x[i] * x[j], x), 1),
    "nor always different": (E(x[i] * x[j], x), 0),
    "a fourth moment without the factor": (E(error**4, x), risk**2),
    "the mean of a square and the square of a mean": (E(error**2, x), E(error, x) ** 2),
    "equal entries are not independent": (E(phi(x[i]) * phi(x[j]), x), E(phi(z), z) ** 2),
    "nor always equal": (E(phi(x[i]) * phi(x[j]), x), E(phi(z) ** 2, z)),
    "a function of all entries": (E(exp(Sum(x[i], (i, 1, d))), x), E(exp(d * z), z)),
    "other functions": (E(phi(z), z), E(phi(-z), z)),
    "a mean is not its argument": (E(x[i] ** 2, x), x[i] ** 2),
    "another variable": (E(z**2 * s, z), E(z**2 * s, s)),
    "a unit more": (E(error**2, x), Sum(a[i] ** 2, (i, 1, d - 1))),
    "a mixed product that has no rule": (E(x[i] ** 2 * phi(x[j]), x), E(phi(z), z)),
    "beyond the last entry": (E(Sum(a[i] * x[i + 1], (i, 1, d)) ** 2, x), risk),
    "an entry of unknown place": (E(x[Symbol("n", integer=True)] ** 2, x), 1),
    "a reciprocal": (E(1 / (1 + z**2), z), 1),
}


@pytest.mark.parametrize(("left", "right"), TRUE.values(), ids=TRUE.keys())
def test_true_statements(left, right):
    assert is_zero(left - right, RANGES)
    assert not is_zero(left - right - 1, RANGES)
    assert not is_zero(left + right, RANGES) or right == 0


@pytest.mark.parametrize(("left", "right"), FALSE.values(), ids=FALSE.keys())
def test_false_statements_and_unknown_ones(left, right):
    assert not is_zero(left - right, RANGES)


@pytest.mark.parametrize("order", range(1, expectation.ORDER + 1))
def test_the_pairing_rule_is_proved_from_moments(order):
    """For every pattern of equal indices, the pairs that agree are as many as the product of the moments."""
    indices = symbols(f"i:{order}", integer=True)
    total = pairings([(index,) for index in indices])
    for groups in partitions(list(indices)):
        place = {index: Integer(n) for n, group in enumerate(groups) for index in group}
        assert total.subs(place) == math.prod(moment(len(group)) for group in groups)


def test_a_function_of_all_entries_is_not_one_of_a_single_entry():
    f = E(AnyFunction("f", x[k], (k, 1, d)), x)
    assert f.evaluated(RANGES).variables == (x,)


def test_entries_numbered_from_zero():
    x_0 = ZeroBased("x", shape=(d,), real=True)
    assert is_zero(E(x_0[0] ** 2, x_0) - 1)
    assert not is_zero(E(x_0[d] ** 2, x_0) - 1)
    assert Evaluator({}, {})(E(x_0[0] ** 2, x_0), {d: 2}) == pytest.approx(1)
    with pytest.raises(IndexError):
        Evaluator({}, {})(E(x_0[2] ** 2, x_0), {d: 2})


def test_longer_products_have_no_rule():
    assert not is_zero(E(x[i] ** 8, x) - 105, RANGES)


def test_all_partitions():
    assert [len(list(partitions(list(range(n))))) for n in range(6)] == [1, 1, 2, 5, 15, 52]  # Bell's numbers


def test_moments():
    assert [moment(n) for n in range(7)] == [1, 0, 1, 0, 3, 0, 15]


# -- methods -----------------------------------------------------------------------------------------------------------


def proved(*steps):
    return prove(Derivation("d", "d", RANGES, steps))


def test_a_chain_from_integrals_to_every_dimension():
    four = deltas((i, j), (k, l)) + deltas((i, k), (j, l)) + deltas((i, l), (j, k))
    checked = proved(
        claim(E(z**2, z), Integral(z**2 * density(z), (z, -oo, oo)), "", Density()),
        then(Integer(1), "", Integration()),
        claim(E(x[i] * x[j], x), KroneckerDelta(i, j), "", Independence()),
        claim(E(x[i] * x[j] * x[k] * x[l], x), four, "", Independence()),
        claim(E(error**2, x), Sum(a[i] * a[j] * E(x[i] * x[j], x), (j, 1, d), (i, 1, d)), "", Linearity()),
        then(Sum(a[i] * a[j] * KroneckerDelta(i, j), (j, 1, d), (i, 1, d)), "", using(E(x[i] * x[j], x))),
        then(risk, ""),
        claim(E(error**4, x), 3 * risk**2, "", Pairing()),
        claim(Partial(E(error**2, x), a[k]), 2 * a[k], "", Algebra()),
    )
    assert checked.errors["values"] < 1e-12
    assert checked.errors["autograd"] < 1e-12


REFUSED = {
    "more than linearity": (claim(E(error**2, x), risk, "", Linearity()), "more than linearity"),
    "linearity of nothing": (claim(risk, risk, "", Linearity()), "must hold an expectation"),
    "a pairing that leaves a mean": (claim(E(error**2, x), E(error * error, x), "", Pairing()), "left on the right"),
    "a pairing of nothing": (claim(risk, risk, "", Pairing()), "must hold an expectation"),
    "patterns of a sum": (claim(E(error**2, x), risk, "", Independence()), "must be a product of entries"),
    "patterns of two vectors": (claim(E(x[i] * z, x, z), Integer(0), "", Independence()), "over one vector"),
    "a wrong pattern": (claim(E(x[i] * x[j], x), Integer(0), "", Independence()), "not proved"),
    "a mean without its density": (claim(E(z**2, z), Integral(z**2, (z, 0, 1)), "", Density()), "the mean of f"),
    "half of a mean": (
        claim(E(z**2, z), Integral(2 * z**2 * density(z), (z, 0, oo)), "", Density()),
        "the mean of f",
    ),
    "integration of nothing": (claim(risk, risk, "", Integration()), "must hold an integral"),
    "a wrong integral": (claim(E(Max(z, 0) ** 2, z), Rational(1, 3), "", Integration()), "not proved"),
    "an integral without a rule": (claim(E(cos(z), z), exp(-Rational(1, 2)), "", Integration()), "not proved"),
}


@pytest.mark.parametrize(("step", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(step, why):
    with pytest.raises(Rejected, match=why):
        proved(step)


def test_a_definition_that_hides_the_variable_is_looked_through():
    """With w held, the factor e is not unfolded for its own sake; yet it is random, not a constant."""
    w, e, r = symbols("w e r", real=True)
    graph = Definitions((Definition(e, error), Definition(r, E(w * e**2, x))))
    context = Context(RANGES, graph, (w,))
    assert is_zero(context.value(Partial(r, w)) - risk, RANGES)
    assert not is_zero(context.value(Partial(r, w)) - e**2, RANGES)


def test_a_mean_over_what_is_defined_is_refused():
    graph = Definitions((Definition(x[i], 2 * a[i]),))
    with pytest.raises(ValueError, match="a distribution of its own"):
        graph.value(E(x[i], x))


def test_what_is_random_cannot_be_held():
    e, r = symbols("e r", real=True)
    graph = Definitions((Definition(e, error), Definition(r, E(e**2, x))))
    with pytest.raises(ValueError, match="it is random there"):
        graph.value(Partial(r, e))


def test_substitution_finds_instances():
    bound = Dummy("n", integer=True)
    ranges = {**RANGES, bound: (Integer(1), d)}
    assert match(E(x[i] * x[j], x), E(x[bound] * x[k], x), ranges) in ({i: bound, j: k}, {i: k, j: bound})
    assert match(E(x[i] * x[j], x), E(x[k] ** 2, x), ranges) == {i: k, j: k}
    assert match(E(x[i] * x[j], x), E(a[k] * x[k], x), ranges) is None
    assert match(E(x[i] * x[j], x), E(x[bound] * x[k], x), RANGES) is None  # another range


# -- integrals ---------------------------------------------------------------------------------------------------------

INTEGRALS = {
    "polynomial": (z**2 / (2 * b), -b, b, b**2 / 3),
    "with a kink": (Max(z, 0) ** 2 * density(z), -oo, oo, Rational(1, 2)),
    "the other side": ((Max(z, 0) - c * Max(-z, 0)) ** 2 * density(z), -oo, oo, (1 + c**2) / 2),
    "exponential": (exp(c * z) * density(z), -oo, oo, exp(c**2 / 2)),
    "half": (z * density(z), Integer(0), oo, 1 / sqrt(2 * pi)),
    "erf": (density(z), -b, b, erf(b / sqrt(2))),
    "shifted": ((exp(z) - 1) * density(z), -oo, Integer(0), exp(Rational(1, 2)) * (1 - erf(1 / sqrt(2))) / 2 - 0.5),
}


@pytest.mark.parametrize(("f", "lower", "upper", "value"), INTEGRALS.values(), ids=INTEGRALS.keys())
def test_integrals(f, lower, upper, value):
    found = definite(f, z, lower, upper)
    at = {b: 0.7, c: -0.4}
    assert float(found.subs(at)) == pytest.approx(float(sympy_number(value).subs(at)), rel=1e-12)
    difference = Integral(f, (z, lower, upper)) - value
    if not difference.has(0.5):
        assert Integration().proves(difference, Context({}, Definitions(())))
    assert not Integration().proves(difference + b**2, Context({}, Definitions(())))


def sympy_number(value):
    return value + Integer(0)


@pytest.mark.parametrize(
    ("f", "lower", "upper"),
    [
        (cos(z) * density(z), -oo, oo),
        (exp(-(z**4)), -oo, oo),
        (exp(z**2), Integer(0), Integer(1)),
        (exp(z), -oo, Integer(0)),
        (z**2, -oo, oo),
        (density(z) / (1 + z**2), -oo, oo),
        (Max(z, 1) * density(z), -oo, oo),
        (Max(z, 0) * density(z), Integer(-1), Integer(2)),
        (phi(z) * density(z), -oo, oo),
        (sqrt(z**2) * Piecewise((1, z > 1), (0, True)) * density(z), -oo, oo),
    ],
)
def test_what_has_no_rule_is_unknown(f, lower, upper):
    with pytest.raises(Unknown):
        definite(f, z, lower, upper)


def test_a_wrong_antiderivative_is_noticed(monkeypatch):
    right = expectation._primitive
    monkeypatch.setattr(expectation, "_primitive", lambda *given: 2 * right(*given))
    with pytest.raises(Unknown, match="not confirmed"):
        definite(z**2 * density(z), z, Integer(0), b)


# -- values ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dimension", [1, 2, 3, 5, 12])
def test_cubature_is_exact_to_degree_5(dimension):
    nodes, weights = cubature(dimension)
    rng = random.Random(dimension)
    for _ in range(30):
        powers = [0] * dimension
        for _ in range(rng.randint(0, 5)):
            powers[rng.randrange(dimension)] += 1
        truth = math.prod(int(moment(power)) for power in powers)
        assert np.dot(weights, np.prod(nodes ** np.array(powers)[:, None], axis=0)) == pytest.approx(truth, abs=1e-9)


def test_proof_and_evaluator_agree_on_random_polynomials():
    """The pairing rule against cubature, which shares no code with it; a changed result is noticed."""
    rng = random.Random(7)
    evaluate = Evaluator({}, RANGES)
    for trial in range(25):
        factors = []
        while sum(factor.count(x) for factor in factors) < rng.randint(2, 4):
            index = rng.choice([i, j, k])
            linear = Sum(a[l] * x[l], (l, 1, d))
            factors.append(rng.choice([x[index], x[index], a[index], x[index] - a[index], linear, linear + x[index]]))
        mean = E(math.prod(factors), x)
        point = random_point([mean, *RANGES], RANGES, seed=trial)
        ours = evaluate(mean.evaluated(RANGES), point)
        assert evaluate(mean, point) == pytest.approx(ours, rel=1e-9, abs=1e-9)


VALUES = {
    "kink": (E(Max(z, 0) ** 2, z), 0.5),
    "smooth": (E(exp(z), z), math.exp(0.5)),
    "sum": (E(Sum(exp(x[i]), (i, 1, d)), x), 3 * math.exp(0.5)),
    "terms": (E(exp(z) + z**2, z), math.exp(0.5) + 1),
    "constants": (E(c * exp(z) * x[i], z), -0.4 * 2.0 * math.exp(0.5)),
    "entry of a matrix": (E(g[2, 1] ** 2 * x[i], g), 2.0),
    "nested": (E(z**2 * E(z**2 * s, z), z), 0.3),
    "density": (density(c), math.exp(-0.08) / math.sqrt(2 * math.pi)),
    "defined": (E(Symbol("y", real=True) ** 2, z), 4.0),
}
POINT = {d: 3, m: 2, i: 2, c: -0.4, s: 0.3, x: lambda index: float(index[0])}


@pytest.mark.parametrize(("e", "value"), VALUES.values(), ids=VALUES.keys())
def test_values(e, value):
    y = Symbol("y", real=True)
    assert Evaluator({y: Definition(y, 2 * z)}, RANGES)(e, POINT) == pytest.approx(value, rel=1e-12)


def test_values_with_torch():
    elementary = SimpleNamespace(exp=lambda u: torch.exp(torch.as_tensor(u)), log=torch.log)
    leaf = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    for e, slope in ((E((s + z) ** 4, z), 4 * 0.3**3 + 12 * 0.3), (E(exp(s * z), z), 0.3 * math.exp(0.045))):
        value = Evaluator({}, {}, functions=elementary)(e, {s: leaf})
        (gradient,) = torch.autograd.grad(value, leaf)
        assert float(gradient) == pytest.approx(slope, rel=1e-10)


def test_functions_of_several_variables_have_no_value():
    evaluate = Evaluator({}, RANGES)
    for e, over in ((exp(x[1] * x[2]), (x,)), (exp(z * c), (z, c)), (exp(x[1] * z), (x, z))):
        with pytest.raises(Unknown, match="several variables"):
            evaluate(E(e, *over), {d: 3})


def test_entries_outside_the_shape_have_no_value():
    with pytest.raises(IndexError):
        Evaluator({}, RANGES)(E(x[4] ** 2, x), {d: 3})


def test_a_definition_of_the_density_is_used():
    wrong = {density: Definition(density(z), 2 * density.definition(z))}
    assert Evaluator(wrong, {})(density(c), POINT) == pytest.approx(2 * VALUES["density"][1])


# -- construction, print, mutants --------------------------------------------------------------------------------------


def test_what_cannot_be_averaged_over():
    for v in (x[i], Symbol("u"), Integer(1)):
        with pytest.raises(TypeError, match="real symbols and indexed bases"):
            E(z, v)
    for variables in ((), (z, z)):
        with pytest.raises(ValueError, match="one or more different"):
            E(z, *variables)


def test_print():
    assert latex(E(x[i] ** 2, x)) == r"\mathbb{E}_{x}\!\left[x_{i}^{2}\right]"
    assert latex(E(c * z, x, z)) == r"\mathbb{E}_{x,z}\!\left[c \, z\right]"
    assert latex(E(z, z) ** 2).startswith(r"\left(\mathbb{E}")
    assert latex(Max(z, 0) ** 2) == r"\max\left(z, 0\right)^{2}"


def test_free_symbols_leave_out_the_variables():
    assert E(c * z, z).free_symbols == {c}
    assert x not in E(a[i] * x[i], x).free_symbols
    assert {i, a[i]} <= E(a[i] * x[i], x).free_symbols


def test_mutants_of_a_mean_keep_its_variables():
    changed = dict(mutate.mutants(E(2 * z**2, z)))
    assert changed["mean dropped"] == 2 * z**2
    assert all(e.variables == (z,) for e in changed.values() if isinstance(e, Expectation))
    wrong = Derivation("d", "d", RANGES, (define(c, E(error**2, x), ""), claim(c, risk, "", Pairing())))
    report = mutate.run(mutate.candidates([wrong]))
    assert not report.survivors
    assert report.total("wrong") > 20


def test_unknown_functions_are_drawn():
    one, two = (random_point([phi(z)], {}, seed=3)[phi] for _ in range(2))
    assert one(0.4) == two(0.4) != one(0.5)
    assert Evaluator({}, {})(phi(z) * pi, {z: 0.4, phi: one}) == pytest.approx(math.pi * one(0.4))
