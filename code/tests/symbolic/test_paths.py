"""Several paths: local derivatives, chain rules over several middle variables, steps at a definition, any function."""

import random

import pytest
from sympy import Add, IndexedBase, Integer, Rational, Subs, Sum, Symbol, exp, symbols

from worked.symbolic import mutate
from worked.symbolic.definitions import Definition, Definitions, PerSample
from worked.symbolic.derivation import Checked, Derivation, Rejected, claim, define, numbers, prove, then
from worked.symbolic.evaluate import Evaluator, central_difference
from worked.symbolic.functions import AnyFunction, Partial
from worked.symbolic.gates import autograd
from worked.symbolic.latex import latex, product, total
from worked.symbolic.methods import ChainRule, Context, Differentiation, at_definition, using
from worked.symbolic.proof import Proof

m = Symbol("m", integer=True, positive=True)
i, k = symbols("i k", integer=True)
f, mean, width, a, b = symbols(r"f \mu w a b", real=True)
x, h, u = (IndexedBase(name, shape=(m,), real=True) for name in "xhu")
RANGES = {i: (Integer(1), m), k: (Integer(1), m)}


def S(e, v=k):
    return Sum(e, (v, 1, m))


ANY = Definition(f, AnyFunction("f", h[k], (k, 1, m)))
GRAPH = (
    define(mean, S(x[k]) / m, "mean"),
    define(width, S((x[k] - mean) ** 2), "width"),
    define(h[i], (x[i] - mean) * width, "h"),
)


def graph(*steps, given=(ANY,)):
    return Derivation("test", "Test", RANGES, (*GRAPH, *steps), given)


direct = Partial(h[k], x[i], holding=(mean, width))
direct_i = Partial(h[i], x[i], holding=(mean, width))
d_f, d_width, d_mean = Partial(f, h[k]), Partial(f, width), Partial(f, mean)
width_by_x, width_by_mean = Partial(width, x[i], holding=(mean,)), Partial(width, mean)
h_by_mean, mean_by_x = Partial(h[k], mean, holding=(width,)), Partial(mean, x[i])
first = product(Partial(f, h[i]), direct_i)
second, third = product(d_width, width_by_x), product(d_mean, mean_by_x)
by_mean = total(S(product(d_f, h_by_mean)), product(d_width, width_by_mean))
deviations = S(x[k] - mean)
loose = then(
    total(product(-width, S(d_f)), product(-2, d_width, deviations)), "", using(h_by_mean, Partial(width, mean))
)
UP_TO_LOOSE = (
    claim(deviations, Integer(0), ""),
    claim(h_by_mean, -width, "", Differentiation()),
    claim(width_by_mean, product(-2, deviations), "", Differentiation()),
    claim(d_mean, by_mean, "", ChainRule()),
    loose,
)

ACCEPTED = {
    "three paths": claim(Partial(f, x[i]), total(first, second, third), "", ChainRule()),
    "three paths, summed over entries": claim(
        Partial(f, x[i]), total(S(product(d_f, direct)), second, third), "", ChainRule()
    ),
    "two paths": claim(d_mean, by_mean, "", ChainRule()),
    "one path for every entry": claim(Partial(f, x[i]), S(product(d_f, Partial(h[k], x[i]))), "", ChainRule()),
    "a local derivative": claim(width_by_x, 2 * (x[i] - mean), "", Differentiation()),
    "nothing but its edge": claim(h_by_mean, -width, "", Differentiation()),
}
REFUSED = {
    "a path left out": (claim(Partial(f, x[i]), total(first, second), "", ChainRule()), r"must hold w|passes none"),
    "no direct path": (claim(Partial(f, x[i]), total(second, third), "", ChainRule()), "passes none"),
    "a path counted twice": (
        claim(Partial(f, x[i]), total(product(Partial(f, h[i]), Partial(h[i], x[i])), second, third), "", ChainRule()),
        r"must hold \\mu, w",
    ),
    "counted twice, equal in value at the definition": (
        claim(Partial(f, x[i]), total(first, product(d_width, Partial(width, x[i])), third), "", ChainRule()),
        r"must hold \\mu",
    ),
    "held although it does not come before": (
        claim(Partial(f, x[i]), total(first, second, product(d_mean, Partial(mean, x[i], (width,)))), "", ChainRule()),
        "must hold nothing",
    ),
    "the same middle variable twice": (
        claim(Partial(f, x[i]), total(first, second, second, third), "", ChainRule()),
        "occurs twice",
    ),
    "one entry for all": (
        claim(Partial(f, x[i]), product(Partial(f, h[i]), Partial(h[i], x[i])), "", ChainRule()),
        "other entries than",
    ),
    "not all entries": (
        claim(Partial(f, x[i]), Sum(product(d_f, Partial(h[k], x[i])), (k, 2, m)), "", ChainRule()),
        "all entries",
    ),
    "a sum over nothing": (
        claim(Partial(f, x[i]), total(S(first), second, third), "", ChainRule()),
        "over the entries",
    ),
    "an end in the middle": (
        claim(Partial(f, x[i]), product(Partial(f, x[i]), Partial(x[i], x[i])), "", ChainRule()),
        "between the two ends",
    ),
    "something beside": (
        claim(
            Partial(f, x[i]),
            total(S(product(d_f, Partial(h[k], x[i]))), product(Partial(f, b), Partial(b, x[i]))),
            "",
            ChainRule(),
        ),
        "does not depend",
    ),
    "a term that is no product": (claim(d_mean, total(by_mean, a), "", ChainRule()), "the chain rule reads"),
    "twice a product": (claim(d_mean, 2 * d_width * width_by_mean, "", ChainRule()), "the chain rule reads"),
    "an outer derivative that holds": (
        claim(d_mean, total(S(product(Partial(f, h[k], (width,)), h_by_mean)), by_mean.args[1]), "", ChainRule()),
        "the chain rule reads",
    ),
    "a chain rule for a local derivative": (
        claim(h_by_mean, product(Partial(h[k], width), Partial(width, mean)), "", ChainRule()),
        "the chain rule reads",
    ),
    "local taken for total": (claim(Partial(h[k], mean), -width, "", Differentiation()), "not proved"),
    "total taken for local": (
        claim(h_by_mean, -width - 2 * (x[k] - mean) * deviations, "", Differentiation()),
        "not proved",
    ),
    "equal at the definition of what is held": (
        claim(width_by_x, 2 * (x[i] - mean) + 5 * deviations, "", Differentiation()),
        "not proved",
    ),
    "one slope for another": (claim(Partial(f, h[i]), Partial(f, h[k]), ""), "not proved"),
    "an entry that does not exist": (
        claim(Partial(h[k + 1], mean, (width,)), -width, "", Differentiation()),
        "does not exist for every k",
    ),
    "slopes that vanish": (claim(S(d_f), Integer(0), ""), "not proved"),
}


@pytest.mark.parametrize("step", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_accepted(step):
    checked = prove(graph(step))
    assert checked.errors["autograd"] < 1e-12


@pytest.mark.parametrize(("step", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(step, reason):
    with pytest.raises(Rejected, match=reason):
        prove(graph(step))


def test_a_term_that_vanishes_at_the_definition_is_dropped_by_a_named_fact():
    assert prove(graph(*UP_TO_LOOSE, then(product(-width, S(d_f)), "", at_definition(deviations)))).assumed == 3


AT_DEFINITION = {
    "without the fact": (then(product(-width, S(d_f)), "", using(deviations)), "not proved"),
    "as algebra": (then(product(-width, S(d_f)), ""), "not proved"),
    "with nothing named": (then(product(-width, S(d_f)), "", at_definition()), "the substitution gives"),
    "with another fact": (then(product(-width, S(d_f)), "", at_definition(S(x[k]))), "nothing about"),
    "a zero of its own put in": (
        then(total(product(-width, S(d_f)), product(7, d_width, deviations)), "", at_definition(deviations)),
        "the substitution gives",
    ),
    "a wrong rest": (then(product(width, S(d_f)), "", at_definition(deviations)), "the substitution gives"),
}


@pytest.mark.parametrize(("step", "reason"), AT_DEFINITION.values(), ids=AT_DEFINITION.keys())
def test_refused_at_the_definition(step, reason):
    with pytest.raises(Rejected, match=reason):
        prove(graph(*UP_TO_LOOSE, step))


def test_a_wrong_factor_of_what_vanishes_is_refused_the_step_before():
    """The factor of the vanishing sum is checked for every value of the mean, where the sum does not vanish."""
    for factor in (-3, 2, -1, 0):
        wrong = then(total(product(-width, S(d_f)), product(factor, d_width, deviations)), "", loose.by)
        d = graph(*UP_TO_LOOSE[:-1], wrong)
        n = len(d.steps) - 1
        assert not d.steps[n].by.proves(d.context(n).value(d.left(n)) - d.context(n).value(wrong.right), d.context(n))
        with pytest.raises(Rejected):
            d.check(n)
        assert numbers(d, n)["autograd"] > 1e-3


def test_what_holds_at_the_definition_only_is_not_used_for_every_value():
    found = then(product(-width, S(d_f)), "", at_definition(deviations))
    again = claim(2 * d_mean, product(-2, width, S(d_f)), "", using(d_mean))
    everywhere = claim(Partial(2 * f, mean), product(-2, width, S(d_f)), "", Differentiation())
    prove(graph(*UP_TO_LOOSE, found, again))
    with pytest.raises(Rejected, match="not proved"):
        prove(graph(*UP_TO_LOOSE, found, everywhere))


USES = {name: graph().definitions.reached_from(name) for name in (mean, width, h[i].base)}


def test_mutants_of_local_derivatives():
    changes = dict(mutate.mutants(width_by_x, (i, k), (width, mean, x[i]), USES))
    operators = {o for o, _ in mutate.mutants(width_by_x, (i, k), (width, mean, x[i]), USES)}
    assert changes["held name dropped"] == Partial(width, x[i])
    total_change = dict(mutate.mutants(Partial(h[i], x[i]), (i, k), (), USES))
    assert total_change["held name added"] == Partial(h[i], x[i], (width,))
    assert "held name added" not in operators  # nothing else lies between
    assert {"other quantity", "other variable", "wrong index"} <= operators
    steps = (*UP_TO_LOOSE[1:3], claim(Partial(h[k], mean), -width - 2 * (x[k] - mean) * deviations, ""))
    report = mutate.run(c for c in mutate.candidates([graph(*steps)]) if c.step > 2)
    assert not report.survivors, report.table()
    assert report.counts["held name dropped", "wrong", "rejected"] > 0
    assert report.counts["held name added", "wrong", "rejected"] > 0


def test_a_local_derivative_is_matched_with_what_it_holds():
    facts = (claim(width_by_x, 2 * (x[i] - mean), "", Differentiation()),)
    used = using(width_by_x)
    prove(graph(*facts, claim(S(x[k] * Partial(width, x[k], (mean,))), S(2 * x[k] * (x[k] - mean)), "", used)))
    with pytest.raises(Rejected, match="does not occur"):
        prove(graph(*facts, claim(S(x[k] * Partial(width, x[k])), S(2 * x[k] * (x[k] - mean)), "", used)))


def test_the_order_of_what_is_held_does_not_matter():
    assert Partial(h[i], x[i], (width, mean)) == direct_i == Partial(h[i], x[i], (mean, width, mean))
    assert latex(direct_i) == r"\left. \frac{\partial h_{i}}{\partial x_{i}} \right|_{\mu,\,w}"
    assert latex(Partial(f, mean, (h,))) == r"\left. \frac{\partial f}{\partial \mu} \right|_{h}"


@pytest.mark.parametrize("held", [x, x[i], 2 * a, Integer(1)])
def test_what_cannot_be_held(held):
    with pytest.raises(TypeError, match="can be held"):
        Partial(f, x[i], (held,))


def test_a_held_name_stays_in_place_numerically():
    d = graph()
    evaluate = Evaluator(d.definitions.by_name, RANGES)
    point = {m: 3, i: 2, x: lambda n: {(1,): 1.0, (2,): 2.0, (3,): 6.0}[n]}
    for way in (central_difference, autograd):
        at = Evaluator(evaluate.definitions, RANGES, way)
        assert at(width_by_x, point) == pytest.approx(2 * (2 - 3))
        assert at(Partial(h[i], x[i], (mean, width)), point) == pytest.approx(14)
        assert at(Partial(h[i], x[i], (width,)), point) == pytest.approx(14 * (1 - 1 / 3))
        assert at(Partial(f, x[i], (h,)), point) == pytest.approx(0, abs=1e-9)


# --- random graphs: what is accepted is true, and every cut gives a chain rule

START, *MIDDLE, END = symbols("s u1 u2 u3 u4 e", real=True)


def random_graph(rng):
    """Each name is a polynomial in some of those before it."""
    names = [START, *MIDDLE, END]
    items = []
    for n, name in enumerate(names[1:], 1):
        before = rng.sample(names[:n], rng.randint(1, min(n, 3)))
        if name == END and START in before and len(before) > 1:
            before.remove(START)
        weights = [Rational(rng.choice([-3, -2, -1, 1, 2, 3]), rng.randint(1, 2)) for _ in before]
        items.append(
            Definition(name, Add(*(w * v for w, v in zip(weights, before, strict=True))) + before[0] * before[-1])
        )
    return Definitions(tuple(items))


def rule(definitions, middle, rng=None):
    """The chain rule over `middle`; with `rng`, one thing that is held, or not, is changed."""
    terms = []
    for name in middle:
        before = {
            v
            for v in middle
            if v != name and v in definitions.reached_from(name) and START in definitions.reached_from(v)
        }
        if rng is not None:
            before ^= {rng.choice([v for v in MIDDLE if v != name])}
        terms.append(product(Partial(END, name), Partial(name, START, before)))
    return total(*terms) if len(terms) > 1 else terms[0]


def test_chain_rules_on_random_graphs():
    rng = random.Random(4)
    outcomes = {"accepted": 0, "refused": 0, "false": 0}
    for _ in range(40):
        definitions = random_graph(rng)
        context = Context({}, definitions, (START,))
        evaluate = Evaluator(definitions.by_name, {})
        middle = rng.sample(MIDDLE, rng.randint(1, 3))
        left = Partial(END, START)
        for right in (rule(definitions, middle), rule(definitions, middle, rng)):
            point = {START: rng.uniform(0.3, 0.6)}
            true = evaluate(left, point) == pytest.approx(evaluate(right, point), rel=1e-5, abs=1e-5)
            accepted = ChainRule().objection(left, right, context) is None
            proved = ChainRule().proves(context.value(left) - context.value(right), context)
            assert not (accepted and not true), (definitions, left, right)
            assert proved == true
            outcomes["accepted" if accepted else "refused"] += 1
            outcomes["false"] += not true
            if (
                not definitions.uses(END, START, avoiding=middle)
                and all(START in definitions.reached_from(v) for v in middle)
                and right == rule(definitions, middle)
            ):
                assert accepted
    assert outcomes["accepted"] >= 10
    assert outcomes["refused"] >= 30
    assert outcomes["false"] >= 15


# --- any function


def test_any_function_is_differentiated_once_only():
    d = graph()
    for twice in (Partial(Partial(f, h[i]), x[i]), Partial(a * Partial(f, x[i]), h[i])):
        with pytest.raises(ValueError, match="once only"):
            d.definitions.value(twice)


def test_any_function_is_used_at_one_point_only():
    scaled = graph(define(u[i], a * h[i], ""), given=(Definition(f, AnyFunction("f", u[k], (k, 1, m))),))
    with pytest.raises(ValueError, match="one point only"):
        scaled.definitions.value(Subs(f, a, 2))
    n, size = Symbol("n", integer=True), Symbol("N", integer=True, positive=True)
    with pytest.raises(TypeError, match="same function at the same point"):
        PerSample(scaled.definitions, (x,), n, size).family()


def test_two_functions_of_different_entries_have_different_slopes():
    g = Symbol("g", real=True)
    both = (ANY, Definition(g, AnyFunction("f", u[k], (k, 1, m))))
    d = graph(define(u[i], h[i], ""), claim(Partial(f, h[i]), Partial(g, h[i]), "", Differentiation()), given=both)
    with pytest.raises(Rejected, match="not proved"):
        d.check(4)


def test_functions_of_equal_sums_are_not_equal():
    g = Symbol("g", real=True)
    other = Definition(g, AnyFunction("f", u[k], (k, 1, m)))
    d = graph(define(u[i], h[m + 1 - i], ""), claim(f, g, ""), given=(ANY, other))
    with pytest.raises(Rejected, match="not proved"):
        d.check(4)


@pytest.mark.parametrize("entry", [h[i], 2 * h[k], a, IndexedBase("W")[k, i]])
def test_any_function_takes_all_entries_of_a_name(entry):
    with pytest.raises(TypeError, match="takes all entries"):
        AnyFunction("f", entry, (k, 1, m))


def test_any_function_as_it_is_printed():
    assert latex(ANY.body) == r"f\!\left(h_{1}, \dots, h_{m}\right)"
    assert k not in ANY.body.free_symbols


def test_the_gates_use_a_function_that_treats_no_two_entries_alike():
    point = {m: 4, x: lambda n: 0.5, h: lambda n: 0.3}
    evaluate = Evaluator({f: ANY}, RANGES)
    slopes = [evaluate(Partial(f, h[i]), {**point, i: n}) for n in (1, 2, 3, 4)]
    assert len({round(s, 3) for s in slopes}) == 4
    assert min(map(abs, slopes)) > 0.05
    moved = [evaluate(Partial(f, h[i]), {**point, h: lambda n: 0.9, i: n}) for n in (1, 2, 3, 4)]
    assert all(abs(s - t) > 0.01 for s, t in zip(slopes, moved, strict=True))


def test_exponentials_of_entries():
    """The slope of any function stays one number beside other functions."""
    d = Derivation(
        "test",
        "Test",
        RANGES,
        (define(h[i], exp(x[i]), ""), claim(Partial(f, x[i]), Partial(f, h[i]) * exp(x[i]), "", Differentiation())),
        (ANY,),
    )
    assert prove(d).errors["autograd"] < 1e-12


def test_a_part_of_the_steps_is_shown_with_its_numbers():
    steps = (*UP_TO_LOOSE, then(product(-width, S(d_f)), "", at_definition(deviations)))
    whole = Proof("test", "Test", (Checked(graph(*steps)),), ())
    assert whole.part("test", 4, 6).myst.count(":label:") == 3
    assert ":label: test-4" in whole.part("test", 4, 6).myst
    assert "Indices" not in whole.part("test", 4).myst
    assert "".join(part.myst for part in (whole.part("test", 1, 6), whole.part("test", 7))).replace(
        "\n", ""
    ) == whole.part("test").myst.replace("\n", "")
    assert "*Substitution at the definition using {eq}`test-4`" in whole.part("test").myst
