"""Shapes and counts: gates, signs, mutants, wrong premises that only the anchors see, and what the page shows."""

from dataclasses import replace

import pytest
from sympy import Integer, ceiling, floor

from worked import derivations
from worked.derivations import counting as topic
from worked.symbolic import mutate
from worked.symbolic.derivation import Rejected
from worked.symbolic.latex import latex, total
from worked.symbolic.matrices import Entry, given, relu


@pytest.fixture(scope="module")
def proof():
    return derivations.prove("counting")


def part(name):
    return next(d for d in topic.derive() if d.slug == f"counting-{name}")


def test_all_gates(proof):
    verdict = proof.verdict()
    assert verdict["steps"] == sum(len(d.steps) for d in topic.derive())
    assert verdict["values"]["error"] < 1e-12
    assert len(verdict["anchors"]) == 11
    assert all(anchor["error"] == 0 or anchor["what"] == "$Y$" for anchor in verdict["anchors"])


def test_scope_is_every_size(proof):
    scope = proof.verdict()["scope"]
    assert scope["counting-mlp"][-1] == "every $C$, $D$, $K$, $m$, $i$ and $c$"
    assert scope["counting-same"][3] == "every $k$, $n$ and $s$"
    assert scope["counting-same"][4] == "every $q$"
    assert scope["counting-window"][2] == "every $n$, $r$ and $s$"
    assert scope["counting-reach"][2] == "every $L$, $k$ and $s$"
    assert not any("exact at" in holds for part in scope.values() for holds in part)


def test_the_answers(proof):
    assert proof.result(topic.N_conv) == r"N_{\text{conv}} = K \, \left(1 + D \, k^{2}\right)"
    assert part("c1").steps[-1].right == 703
    assert part("c2").facts()[topic.N] == 903_400
    assert topic.NETWORK.shape == (topic.m, topic.C)


def test_the_page_shows_the_object(proof):
    page = proof._repr_markdown_()
    for d in proof.derivations:
        for n, step in enumerate(d.steps):
            assert f":label: {d.slug}-{n + 1}\n{d.equation(n)}\n" in page
            assert step.why in page


def test_the_latex_follows_the_object():
    other = relu(topic.HIDDEN @ given(topic.W_o))
    changed = part("mlp").replaced(5, right=Entry(other, topic.i, topic.c))
    assert r"W_{o} + b_{o}\right)\right]_{i,c}" in part("mlp").equation(5)
    assert r"W_{o}\right)\right]_{i,c}" in changed.equation(5)
    with pytest.raises(Rejected, match="step 6"):
        changed.check(5)


def test_every_flipped_sign_is_caught():
    derived = topic.derive()
    signs = [c for c in mutate.candidates(derived) if c.operator in mutate.SIGNS]
    report = mutate.run(signs, derived, topic.anchors)
    assert not report.survivors, report.table()
    assert report.total("wrong") > 150


def test_a_sample_of_all_mutants_is_rejected():
    derived = topic.derive()
    report = mutate.run(mutate.sample(derived, 60, seed=4), derived, topic.anchors)
    assert not report.survivors, report.table()
    assert report.total("wrong") > 45


def check(d):
    for n in range(len(d.steps)):
        d.check(n)


def failing(changed):
    """Which anchors refuse a module in which one derivation was changed; all its steps must hold."""
    check(changed)
    derived = tuple(changed if d.slug == changed.slug else d for d in topic.derive())
    return {anchor.what for anchor in topic.anchors(derived) if not anchor.holds}


def rewritten(d, put):
    """The derivation with every right side changed by `put`, checked step by step elsewhere."""
    return replace(d, steps=tuple(replace(step, right=put(step.right)) for step in d.steps))


def test_only_the_anchor_sees_a_dropped_bias():
    without = topic.D * topic.K
    dense = part("dense")
    changed = rewritten(dense, lambda right: dense.steps[0].right.args[0] if right.has(topic.b) else without)
    assert failing(changed) == {"parameters of a dense layer"}


def test_only_the_anchor_sees_padding_on_one_side():
    """With p zeros instead of 2 p the window formula is consistent in itself, but for the case of an odd kernel."""
    window = part("window")
    half = floor((topic.n + topic.p - topic.k) / topic.s) + 1
    moved = window.steps[1]
    covered = moved.right.xreplace({moved.right.args[-1]: topic.Mod(topic.n + topic.p - topic.k, topic.s)})
    steps = (
        replace(window.steps[0], right=half),
        replace(
            moved, left=topic.n + topic.p, right=covered, by=topic.Division(topic.n, (topic.s,), topic.p - topic.k)
        ),
    )
    assert failing(replace(window, steps=steps)) == {"output sizes"}


def test_only_the_anchor_sees_sizes_rounded_down():
    """SAME with floor for ceiling: as long as the steps about the odd kernel are left out, nothing else objects."""
    d = part("same")
    steps = (replace(d.steps[0], right=floor(topic.n / topic.s)), d.steps[2])
    assert failing(replace(d, steps=steps)) == {"sizes under SAME", "the fewest zeros for that size"}


def test_only_the_anchor_sees_eight_bytes():
    costs = part("costs")
    steps = list(costs.steps)
    steps[2] = replace(steps[2], right=8 * topic.m * topic.A)
    assert failing(replace(costs, steps=tuple(steps))) == {"memory and operations"}


def test_only_the_anchor_sees_a_receptive_field_without_its_centre():
    d = part("reach")
    steps = (replace(d.steps[0], right=d.steps[0].right - 1), d.steps[1])
    assert failing(replace(d, steps=steps)) == {"receptive fields"}


@pytest.mark.parametrize(
    ("name", "step", "wrong"),
    [
        ("same", 0, floor(topic.n / topic.s)),
        ("window", 0, topic.layers.window_count(topic.n, topic.k, topic.s, topic.p) + 1),
        ("stack", 1, floor(topic.n / 8)),
        ("reach", 3, Integer(14)),
        ("c2", 2, Integer(903_399)),
        ("window", 2, ceiling((topic.n + 1) / topic.s)),
    ],
)
def test_a_wrong_step_is_refused(name, step, wrong):
    changed = part(name).replaced(step, right=wrong)
    with pytest.raises(Rejected, match="not proved"):
        check(changed)


def test_terms_stand_as_written():
    assert latex(total(10, 3, 5)) == "10 + 3 + 5"
