"""Convolution as a dense layer: the three gates, signs, a sample of mutants, wrong premises, wrong regularisers."""

import json
from dataclasses import replace

import numpy as np
import pytest
from sympy import Abs, Integer, KroneckerDelta, Symbol

from worked import derivations
from worked.derivations import convolution_as_dense as topic
from worked.symbolic import mutate
from worked.symbolic.derivation import Rejected
from worked.symbolic.domain import undefined
from worked.symbolic.evaluate import Evaluator
from worked.symbolic.methods import AtSizes

SLUG = topic.SLUG
HEAVY = (f"{SLUG}-nearest", f"{SLUG}-regulariser")  # half a second for each mutant: in the sample only


@pytest.fixture(scope="module")
def proof():
    return derivations.prove("convolution_as_dense")


@pytest.fixture(scope="module")
def derived():
    return topic.derive()


def step(derivation, left, last=True):
    """The number of the last (first) step with this left side."""
    found = [n for n in range(len(derivation.steps)) if derivation.head(n) == left]
    return found[-1 if last else 0]


def test_all_gates(proof):
    verdict = proof.verdict()
    assert verdict["assumed"] == 22
    assert verdict["steps"] == sum(len(d.steps) for d in proof.derivations) == 45
    assert verdict["values"]["error"] < 1e-14
    assert verdict["finite_difference"]["error"] < 1e-9
    assert verdict["autograd"]["error"] < 1e-14
    assert len(verdict["anchors"]) == 11
    assert all(anchor["error"] < 1e-14 for anchor in verdict["anchors"][:-1])
    assert json.loads(json.dumps(verdict)) == verdict


def test_scope_is_every_size_but_for_one_count(proof):
    scope = proof.verdict()["scope"]
    assert scope[f"{SLUG}-layer"][5] == "every $D$, $M$, $W$, $c$ and $j$"
    assert scope[f"{SLUG}-layer"][6] == "every $D$, $M$, $W$, $c$, $j$, $t$ and $P$"
    assert scope[f"{SLUG}-nearest"][2] == "every $D$, $M$, $W$ and $c$"
    at_sizes = [(d.slug, n) for d in proof.derivations for n, s in enumerate(d.steps) if isinstance(s.by, AtSizes)]
    assert at_sizes == [(f"{SLUG}-counts", step(proof.derivations[1], topic.n_band))]


def test_the_page_shows_every_step_with_method_and_label(proof):
    page = proof._repr_markdown_()
    for d in proof.derivations:
        for n, s in enumerate(d.steps):
            assert f":label: {d.slug}-{n + 1}\n{d.equation(n)}\n" in page
            assert s.why in page
    assert r"\text{if } 1 \le t - j + P + 1 \le W" in page
    assert r"$W = 1, \dots, D$" in page


def test_the_latex_follows_the_object(derived):
    layer = derived[0]
    n = step(layer, topic.h[topic.c, topic.j])
    renamed = layer.replaced(n, right=layer.steps[n].right.xreplace({topic.T: topic.A}))
    assert "T_{c,j,t}" in layer.equation(n)
    assert "A_{c,j,t}" in renamed.equation(n)
    with pytest.raises(Rejected, match="not proved"):
        renamed.check(n)


def light(candidates):
    return [c for c in candidates if c.derivation.slug not in HEAVY]


def test_every_flipped_sign_is_caught(derived):
    flips = [c for c in light(mutate.candidates(derived)) if c.operator in mutate.SIGNS and not c.is_definition]
    report = mutate.run(flips)
    assert not report.survivors
    assert report.total("wrong") > 60
    assert {c.derivation.slug for c in flips} == {d.slug for d in derived} - {*HEAVY}


def test_a_sample_of_all_mutants_is_rejected(derived):
    report = mutate.run(mutate.sample(derived, 40, seed=3), derived, topic.anchors)
    assert not report.survivors, report.table()
    assert report.total("wrong") > 25


def flipped(derivation):
    """The same with every filter reversed: what mathematicians call a convolution."""
    swap = {topic.w[topic.c, topic.r]: topic.w[topic.c, topic.W + 1 - topic.r]}
    place = topic.t - topic.j + topic.P + 1
    steps = []
    for s in derivation.steps:
        right = s.right.xreplace(swap)
        cases = [part for part in right.atoms(type(topic.w[topic.c, topic.r])) if part.base == topic.w]
        straight = {part: topic.w[topic.c, topic.W + 1 - place] for part in cases if part.indices[1].has(topic.t)}
        steps.append(replace(s, right=right.xreplace(straight)))
    return replace(derivation, steps=tuple(steps))


def test_only_the_anchor_sees_a_reversed_filter(derived):
    wrong = flipped(derived[0])
    for n in range(len(wrong.steps)):
        wrong.check(n)  # nothing to object to
    anchors = topic.anchors((wrong, *derived[1:]))
    assert [anchor.holds for anchor in anchors] == [False] * 4 + [True] * 7


def test_a_circular_padding_is_seen(derived):
    layer = derived[0]
    around = KroneckerDelta(topic.t, topic.q - topic.P) + KroneckerDelta(topic.t, topic.q - topic.P - topic.D)
    wrong = layer.replaced(0, right=layer.steps[0].right.replace(KroneckerDelta, lambda *_: around))
    with pytest.raises(Rejected, match="substitution"):
        wrong.check(2)


def zero(derived, **bodies):
    """The derivation that a convolution costs nothing, with other definitions of the regulariser."""
    regulariser = derived[2]
    for name, body in bodies.items():
        regulariser = regulariser.redefined(getattr(topic, name)[topic.c], body)
    return topic.zero_derivation(regulariser)


def test_a_regulariser_that_costs_a_convolution_something_is_refused(derived):
    c, j, t = topic.c, topic.j, topic.t
    ridge = zero(derived, outside=topic.over_matrix(topic.A[c, j, t] ** 2))
    with pytest.raises(Rejected, match="Z_"):
        ridge.check(step(ridge, topic.outside[c]))
    shrink = zero(derived, spread=topic.over_taps(topic.over_matrix(topic.S[topic.r, j, t] * topic.A[c, j, t] ** 2)))
    with pytest.raises(Rejected, match="V_"):
        shrink.check(step(shrink, topic.spread[c]))


@pytest.mark.parametrize(("forgotten", "n"), [("outside", 1), ("spread", 2)])
def test_a_regulariser_that_forgets_a_part_is_refused(derived, forgotten, n):
    """Then something else than a convolution costs nothing: the distance is more than the two parts."""
    less = derived[2].redefined(getattr(topic, forgotten)[topic.c], Integer(0))
    nearest = topic.nearest_derivation(less)
    with pytest.raises(Rejected, match="not proved"):
        nearest.check(n)


def test_the_band_must_lie_on_the_matrix(derived):
    """Without W <= D a diagonal may be empty, and its mean would divide by zero."""
    wide = replace(derived[2], ranges={**derived[2].ranges, topic.W: (Integer(1), topic.D + 2)})
    tap = step(wide, topic.w_mean[topic.c, topic.r])
    assert list(undefined(wide.steps[tap].right, wide.definitions, wide.ranges))
    assert not list(undefined(derived[2].steps[tap].right, derived[2].definitions, derived[2].ranges))


def test_wrong_lengths_of_diagonals_are_refused(derived):
    regulariser = derived[2]
    for wrong in (topic.D - Abs(topic.r - topic.P), topic.D + Abs(topic.r - 1 - topic.P), topic.D):
        with pytest.raises(Rejected, match="not proved"):
            regulariser.replaced(1, right=wrong).check(1)


@pytest.mark.parametrize(("size", "width", "left"), [(2, 1, 0), (3, 3, 1), (4, 2, 0)])
def test_the_zero_set_has_one_dimension_for_each_weight_and_bias(derived, size, width, left):
    """By exact rank: the gradient is linear, and it vanishes on a space of dimension W + 1 for each filter."""
    import sympy

    regulariser = derived[2]
    facts, (c, j, t) = regulariser.facts(), (topic.c, topic.j, topic.t)
    slope, slope_bias = (facts[topic.Partial(topic.penalty[c], by)] for by in (topic.A[c, j, t], topic.a[c, j]))
    evaluate = Evaluator(regulariser.definitions.by_name, regulariser.ranges)
    sizes = {topic.D: size, topic.W: width, topic.P: left, topic.M: 1, c: 1, topic.lambda_1: 1, topic.lambda_2: 1}
    numbers = range(1, size + 1)
    entries = [(1, m, n) for m in numbers for n in numbers] + [(1, m) for m in numbers]
    rows = []
    for chosen in entries:
        unit = lambda index, chosen=chosen: int(index == chosen)  # noqa: E731
        point = {**sizes, topic.A: unit, topic.a: unit}
        row = [evaluate(slope, {**point, j: m, t: n}) for m in numbers for n in numbers]
        rows.append(row + [evaluate(slope_bias, {**point, j: m}) for m in numbers])
    exact = sympy.Matrix(np.vectorize(lambda v: sympy.nsimplify(v, rational=True).limit_denominator(60))(rows))
    assert exact.rank() == len(entries) - (width + 1)


def test_sizes_are_free_symbols(derived):
    free = set().union(*(e.free_symbols for e in derived[4].expressions()))
    assert {Symbol(s, integer=True, positive=True) for s in "DMW"} <= free
