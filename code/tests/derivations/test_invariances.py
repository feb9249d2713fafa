"""Invariances: the three gates, every sign, a sample of all mutants, consistent wrong premises, the trusted rule."""

import random
from dataclasses import replace

import pytest
from sympy import Integer, Mod, Symbol

from worked import derivations
from worked.derivations import invariances as topic
from worked.derivations.invariances import RANGES, U, W, d, i, j, k, mirror, pair, r, u
from worked.symbolic import mutate
from worked.symbolic.derivation import Rejected
from worked.symbolic.evaluate import Evaluator, random_point
from worked.symbolic.latex import latex
from worked.symbolic.reindex import Reindex

DERIVED = {one.slug.removeprefix("invariances-"): one for one in topic.derive()}


@pytest.fixture(scope="module")
def proof():
    return derivations.prove("invariances")


def test_all_gates(proof):
    verdict = proof.verdict()
    assert verdict["steps"] == sum(len(one.steps) for one in DERIVED.values())
    assert verdict["assumed"] == proof.assumed == 47
    assert verdict["values"]["error"] < 1e-9
    assert verdict["finite_difference"]["error"] < 1e-9
    assert verdict["autograd"]["error"] < 1e-14
    assert len(verdict["anchors"]) == 16
    assert all(anchor["error"] < 1e-14 for anchor in verdict["anchors"])


def test_invariance_is_proved_for_every_length(proof):
    scope = proof.verdict()["scope"]
    for slug in ("permutation", "rescaling", "reversal", "complement", "reverse-complement", "scale", "normalise"):
        assert scope[f"invariances-{slug}"][-1].startswith("every $d$"), slug
    limited = {slug for slug, said in scope.items() if any(s.startswith("exact at") for s in said)}
    assert not limited


def test_every_invariant_network_ends_where_it_began():
    for slug in ("reversal", "complement", "reverse-complement"):
        one = DERIVED[slug]
        last = len(one.steps) - 1
        assert one.steps[last].right == topic.f
        assert one.head(last) != topic.f


def test_the_page_shows_every_step(proof):
    page = proof._repr_markdown_()
    for one in proof.derivations:
        for n, step in enumerate(one.steps):
            assert f":label: {one.slug}-{n + 1}\n{one.equation(n)}\n" in page
            assert step.why in page


def test_the_latex_follows_the_object():
    one, step = DERIVED["rescaling"], 3
    changed = one.replaced(step, right=one.steps[step].right.xreplace({topic.scale: topic.h}))
    assert "c_{r,k}" in one.equation(step)
    assert "c_{r,k}" not in changed.equation(step)
    with pytest.raises(Rejected, match="step 4"):
        changed.check(step)


# -- the rule that the other derivations trust -------------------------------------------------------------------------


def test_the_trusted_rule_is_the_proved_one():
    lemma = DERIVED["pairing"]
    assert lemma.steps[0].right == pair.definition(j)
    assert lemma.steps[1].right == j == pair(pair(j))
    assert [pair(Integer(n)) for n in range(1, 5)] == [3, 4, 1, 2]


@pytest.mark.parametrize("wrong", [Mod(j, 4) + 1, Mod(j + 2, 4) + 1, Mod(j + 1, 4), 5 - j + j * 0 + 1])
def test_a_wrong_pairing_is_refused(wrong):
    with pytest.raises(Rejected):
        DERIVED["pairing"].redefined(pair(j), wrong).check(1)


# -- false statements --------------------------------------------------------------------------------------------------


TIES = {  # what is averaged with U and with u, and whether the network is then invariant under reversal
    "pairs of units": (U[r, mirror(k), j, mirror(i)], u[r, mirror(k)], True),
    "symmetric units": (U[r, k, j, mirror(i)], u[r, k], True),
    "units only": (U[r, mirror(k), j, i], u[r, mirror(k)], False),
    "first layer only": (U[r, mirror(k), j, mirror(i)], u[r, k], False),
    "second layer only": (U[r, k, j, i], u[r, mirror(k)], False),
    "the other symmetry": (U[pair(r), k, pair(j), i], u[pair(r), k], False),
    "both at once": (U[pair(r), mirror(k), pair(j), mirror(i)], u[pair(r), mirror(k)], False),
    "opposite sign": (-U[r, mirror(k), j, mirror(i)], u[r, mirror(k)], False),
    "bases, not positions": (U[5 - r, k, 5 - j, i], u[5 - r, k], False),
}


@pytest.mark.parametrize("name", TIES)
def test_which_constraints_make_it_invariant_under_reversal(name):
    first, second, invariant = TIES[name]
    one = DERIVED["reversal"].redefined(W[r, k, j, i], (U[r, k, j, i] + first) / 2)
    one = one.redefined(topic.V[r, k], (u[r, k] + second) / 2)
    image = Symbol(topic.REVERSED % "f", real=True)
    context = one.context(len(one.steps) - 1)
    difference = context.value(image) - context.value(topic.f)
    assert Reindex(topic.REVERSAL).proves(difference, context) == invariant
    point = random_point(one.expressions(), RANGES, seed=2)
    point = {name: value for name, value in point.items() if name not in one.definitions.by_name}
    evaluate = Evaluator(one.definitions.by_name, RANGES)
    assert (abs(evaluate(image, point) - evaluate(topic.f, point)) < 1e-12) == invariant


def test_a_negative_factor_does_not_pass_through():
    one = DERIVED["homogeneity"]
    gain = Symbol("c", negative=True)
    wrong = replace(one.steps[0], left=topic.phi(gain * topic.z), right=gain * topic.phi(topic.z))
    with pytest.raises(Rejected, match="not proved"):
        replace(one, steps=(wrong,)).check(0)


def test_a_map_that_is_no_bijection_is_refused():
    one = DERIVED["reversal"]
    n = next(n for n, step in enumerate(one.steps) if step.by.name == "reindexing")
    for image in (d - i, i + 1, 2 * d - i):
        step = replace(one.steps[n], by=replace(one.steps[n].by, by=((i, image),)))
        with pytest.raises(Rejected, match="not proved to be a bijection"):
            replace(one, steps=(*one.steps[:n], step, *one.steps[n + 1 :])).check(n)


def test_only_the_anchor_sees_a_pairing_of_neighbours():
    """Pairs C-A and T-G, an involution too: every step holds, and it is not the exercise's pairing."""
    wrong = 5 - j
    pairing = DERIVED["pairing"].redefined(pair(j), wrong)
    changed = pairing.replaced(1, left=5 - pair(j))
    changed.check(1)
    everything = tuple(changed if one.slug == changed.slug else one for one in topic.derive())
    assert [a.what for a in topic.anchors(everything) if not a.holds] == ["pairs"]


def test_only_the_anchor_sees_another_activation():
    """With |z| in place of LeakyReLU every step about the network holds: it is homogeneous, too."""
    wrong = abs(topic.z)
    changed = tuple(one.redefined(topic.phi(topic.z), wrong) for one in topic.derive())
    for one in changed:
        if one.slug == "invariances-scale":
            for n in range(len(one.steps)):
                one.check(n)
    failed = {a.what for a in topic.anchors(changed) if not a.holds}
    assert {"LeakyReLU", "the network", "the scaled network", "normalised", "tied: reversal"} <= failed


# -- mutants -----------------------------------------------------------------------------------------------------------


def signs():
    """A flipped sign of each step that is proved, drawn; the whole mutation test tries all of them."""
    every = [c for c in mutate.candidates(topic.derive()) if c.operator in mutate.SIGNS and not c.is_definition]
    draw = random.Random(1)
    draw.shuffle(every)
    return list({(c.derivation.slug, c.step): c for c in every}.values())


def test_a_flipped_sign_of_every_step_is_caught():
    chosen = signs()
    proved = sum(step.by.name != "definition" for one in DERIVED.values() for step in one.steps)
    assert len(chosen) == proved
    report = mutate.run(chosen)
    assert not report.survivors, report.table()
    assert report.total("wrong") > proved - 8


def test_a_sample_of_all_mutants_is_rejected():
    chosen = mutate.sample(topic.derive(), 40, seed=3)
    report = mutate.run(chosen, topic.derive(), topic.anchors)
    assert not report.survivors, report.table()
    assert report.total("wrong") > 35


def test_labels_are_unlike():
    assert latex(topic.REVERSED % "f") != latex(topic.COMPLEMENTED % "f")
    assert set(RANGES) == {r, k, j, i}
