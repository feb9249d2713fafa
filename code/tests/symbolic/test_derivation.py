"""What a derivation must refuse: negative controls of every method, guard and gate."""

from dataclasses import dataclass, replace

import pytest
from sympy import Abs, IndexedBase, Integer, Limit, Sum, Symbol, exp, log, nan, oo, sin, sqrt, symbols

from worked.symbolic import derivation as module
from worked.symbolic.anchor import Anchor, largest_difference
from worked.symbolic.definitions import Definition, Definitions, PerSample
from worked.symbolic.derivation import Derivation, Rejected, claim, define, prove, then
from worked.symbolic.functions import Partial, logistic
from worked.symbolic.latex import product
from worked.symbolic.methods import Algebra, Cases, ChainRule, Differentiation, TakeLimit, using
from worked.symbolic.proof import pass_gates

m = Symbol("m", integer=True, positive=True)
i, j, k = symbols("i j k", integer=True)
z, u, f, mean = symbols(r"z u f \mu", real=True)
a, b = symbols("a b", positive=True)
x, h = IndexedBase("x", shape=(m,), real=True), IndexedBase("h", shape=(m,), real=True)
RANGES = {i: (Integer(1), m), k: (Integer(1), m)}


def S(e, v=k):
    return Sum(e, (v, 1, m))


def derivation(*steps, ranges=RANGES):
    return Derivation("test", "Test", ranges, steps)


define_f = define(f, S(h[k] ** 2), "f")
define_h = define(h[i], a * x[i], "h")
spread_out = define(f, S((x[k] - mean) ** 2), "spread")
average = define(mean, S(x[k]) / m, "mean")
d_mean = Partial(f, mean)
slope = -2 * S(x[k] - mean)

ACCEPTED = {
    "differentiation": [define_f, define_h, claim(Partial(f, h[i]), 2 * h[i], "", Differentiation())],
    "chain rule": [
        define_f,
        define_h,
        claim(Partial(f, x[i]), product(Partial(f, h[i]), Partial(h[i], x[i])), "", ChainRule()),
    ],
    "substitution with another index": [
        define_f,
        define_h,
        claim(Partial(f, h[i]), 2 * h[i], "", Differentiation()),
        claim(S(Partial(f, h[k]) * x[k]), S(2 * h[k] * x[k]), "", using(Partial(f, h[i]))),
    ],
    "a held variable is generic": [spread_out, average, claim(d_mean, slope, "", Differentiation())],
    "three cases": [claim(Abs(z) ** 2, z**2, "", Cases(z))],
    "limit": [claim(Limit(exp(-a), a, oo), Integer(0), "", TakeLimit())],
    "continuation": [claim((a + b) ** 2, a**2 + 2 * a * b + b**2, ""), then(a * (a + 2 * b) + b**2, "")],
}

REFUSED = {
    "wrong sign": ([claim((a - b) ** 2, a**2 + 2 * a * b + b**2, "")], "not proved"),
    "continuation of something else": ([claim(2 * a, a + a, ""), then(b, "")], "not proved"),
    "continuation of nothing": ([then(a, "")], "continues nothing"),
    "wrong derivative": ([define_f, define_h, claim(Partial(f, h[i]), h[i], "", Differentiation())], "not proved"),
    "derivative by another variable": (
        [define_f, define_h, claim(Partial(f, x[i]), 2 * h[i], "", Differentiation())],
        "not proved",
    ),
    "index not declared in range": (
        [define(f, S(x[k]), ""), claim(Partial(f, x[j]), Integer(1), "", Differentiation())],
        "not proved",
    ),
    "bound name taken for a free one (SymPy says m)": (
        [define(f, S(x[i], i), ""), claim(Partial(f, x[i]), m, "", Differentiation())],
        "not proved",
    ),
    "differentiation without a derivative": ([claim(a, a, "", Differentiation())], "must be a derivative"),
    "true only at the definition of what is held": (
        [spread_out, average, claim(d_mean, Integer(0), "", Differentiation())],
        "not proved",
    ),
    "wrong factor, hidden at the definition": (
        [spread_out, average, claim(d_mean, 3 * slope, "", Differentiation())],
        "not proved",
    ),
    "chain rule over different middle variables": (
        [
            define_f,
            define_h,
            claim(Partial(f, x[i]), product(Partial(f, x[i]), Partial(h[i], x[i])), "", ChainRule()),
        ],
        "the chain rule reads",
    ),
    "chain rule of one factor": (
        [define_f, define_h, claim(Partial(f, x[i]), Partial(f, x[i]), "", ChainRule())],
        "the chain rule reads",
    ),
    "substitution of something unknown": ([claim(a + b, 2 * b, "", using(a))], "nothing about a was proved"),
    "substitution that is not used": ([define(u, z**2, ""), claim(a + z, a + z, "", using(u))], "does not occur"),
    "substitution that does more": (
        [define(u, z**2, ""), claim(u + (a + b) ** 2, z**2 + a**2, "", using(u))],
        "the substitution gives",
    ),
    "substitution under a longer range": (
        [
            define_f,
            define_h,
            claim(Partial(f, h[i]), 2 * h[i], "", Differentiation()),
            claim(Sum(Partial(f, h[k]), (k, 0, m)), Sum(2 * h[k], (k, 0, m)), "", using(Partial(f, h[i]))),
        ],
        "does not occur",
    ),
    "two of three cases": ([claim(Abs(z), z, "", Cases(z))], "not proved"),
    "cases of a complex variable": ([claim(Symbol("c"), Symbol("c"), "", Cases(Symbol("c")))], "declared real"),
    "wrong limit": ([claim(Limit(sin(a) / a, a, 0), Integer(0), "", TakeLimit())], "not proved"),
    "limit without a limit": ([claim(a, a, "", TakeLimit())], "must be a limit"),
    "nan": ([claim(nan, nan, "")], "not proved"),
    "logarithm of a real": ([claim(log(z), log(z), "")], "not proved positive"),
    "root of a real": ([claim(sqrt(z), sqrt(z), "")], "not proved positive"),
    "denominator that may vanish": ([claim((z**2 - z) / z, z - 1, "")], "other than zero"),
    "domain at the definition": ([define(u, z - 1, ""), claim(log(u), log(u), "")], "not proved positive"),
    "two symbols printed alike": ([claim(a + Symbol("a"), Symbol("a") + a, "")], "both print as a"),
    "a symbol printed like a power": ([claim(Symbol("a^{2}") + a**2, a**2 + Symbol("a^{2}"), "")], "both print as"),
}


@pytest.mark.parametrize("steps", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_accepted(steps):
    checked = prove(derivation(*steps))
    assert checked.assumed == sum(step.by.name == "definition" for step in steps)
    assert checked.errors


@pytest.mark.parametrize(("steps", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(steps, reason):
    with pytest.raises(Rejected, match=reason):
        prove(derivation(*steps))


@dataclass(frozen=True)
class Gullible(Algebra):
    """Believes everything."""

    def proves(self, difference, context):
        return True


@dataclass(frozen=True)
class Bribed(Algebra):
    """Proves what algebra proves, and one false equation."""

    false: object = None

    def proves(self, difference, context):
        return super().proves(difference, context) or super().proves(difference - self.false, context)


def test_a_check_that_cannot_fail_is_refused():
    with pytest.raises(Rejected, match="cannot fail"):
        prove(derivation(claim(a, a, "", Gullible())))


def test_values_see_what_a_faulty_proof_accepts():
    with pytest.raises(Rejected, match="values disagrees"):
        prove(derivation(claim(a, b, "", Bribed(false=a - b))))


def test_derivatives_by_numbers_see_what_a_faulty_proof_accepts():
    wrong = claim(Partial(f, h[i]), 3 * h[i], "", Bribed(false=-h[i]))
    with pytest.raises(Rejected, match="finite_difference disagrees"):
        prove(derivation(define_f, define_h, wrong))


def test_numbers_are_taken_off_the_definition():
    steps = derivation(spread_out, average, claim(d_mean, Integer(0), "", Differentiation()))
    assert module.numbers(steps, 2)["autograd"] > 0.01


GRAPHS = {
    "a cycle": [Definition(u, z + 1), Definition(z, u)],
    "two definitions of a name": [Definition(u, z), Definition(u, 2 * z)],
}


@pytest.mark.parametrize("items", GRAPHS.values(), ids=GRAPHS.keys())
def test_impossible_definitions(items):
    with pytest.raises(ValueError, match=r"refers to itself|defined twice"):
        Definitions(tuple(items))


@pytest.mark.parametrize("head", [a + b, x[1], IndexedBase("W")[i, i], logistic(2 * z)])
def test_impossible_heads(head):
    with pytest.raises(ValueError, match="cannot be defined"):
        Definition(head, z)


def test_a_derivative_is_taken_by_a_variable():
    with pytest.raises(TypeError, match="by a symbol or an indexed variable"):
        Partial(f, 2 * a)


def test_a_family_of_samples_shares_the_weights():
    n = Symbol("n", integer=True)
    size = Symbol("N", integer=True, positive=True)
    w = IndexedBase("w", shape=(m,), real=True)
    graph = Definitions((Definition(h[i], w[i] * x[i]), Definition(f, S(h[k])), Definition(u, S(w[k]))))
    sample = PerSample(graph, (x,), n, size)
    heads = [str(d.head) for d in sample.family()]
    assert heads == ["h[n, i]", "f[n]"]
    assert str(sample(w[i] * x[i] + u)) == "u + w[i]*x[n, i]"


class Topic:
    SLUG, TITLE = "topic", "Topic"

    def __init__(self, *anchors):
        self._anchors = anchors

    def derive(self):
        return (derivation(claim((a + b) ** 2, a**2 + 2 * a * b + b**2, "Squares.")),)

    def anchors(self, derivations):
        return self._anchors


def test_gates_all_passed():
    proof = pass_gates(Topic(Anchor("a square", "a library", 1e-16)))
    assert proof.verdict()["assumed"] == 0
    assert "every positive $a$ and $b$" in proof._repr_markdown_()


@pytest.mark.parametrize("error", [1e-3, float("nan")])
def test_an_anchor_that_differs_is_refused(error):
    with pytest.raises(Rejected, match="differs from a library"):
        pass_gates(Topic(Anchor("a square", "a library", error)))


def test_a_topic_without_an_anchor_is_refused():
    with pytest.raises(Rejected, match="no anchor"):
        pass_gates(Topic())


def test_largest_difference():
    assert largest_difference([1.0, 200.0], [1.5, 100.0]) == 1.0
    assert largest_difference([1.0, float("nan")], [2.0, 1.0]) != largest_difference([1.0], [2.0])
    with pytest.raises(ValueError, match="at least one value"):
        largest_difference([], [])
    with pytest.raises(ValueError, match="zip"):
        largest_difference([1.0], [1.0, 2.0])


def test_the_page_shows_the_proved_object():
    d = derivation(claim((a + b) ** 2, a**2 + 2 * a * b + b**2, "Squares."))
    other = replace(d, steps=(claim((a - b) ** 2, a**2 - 2 * a * b + b**2, "Squares."),))
    assert d.equation(0) != other.equation(0)
    assert d.equation(0) in _page(d)
    assert other.equation(0) in _page(other)


def _page(d):
    topic = Topic(Anchor("a square", "a library", 0.0))
    topic.derive = lambda: (d,)
    return pass_gates(topic)._repr_markdown_()


def test_a_gate_that_has_nothing_to_do_says_why():
    without = _page(derivation(claim((a + b) ** 2, a**2 + 2 * a * b + b**2, "Squares.")))
    assert "no step has one" in without
    assert "central differences" not in without
