"""The scale of initial weights: its three gates, every sign, a sample of all mutants, a consistent wrong premise."""

import math
from dataclasses import replace

import pytest
import torch
from sympy import Max, Rational, Symbol

from worked import derivations
from worked.derivations import initialization as topic
from worked.symbolic import mutate
from worked.symbolic.derivation import Rejected
from worked.symbolic.expectation import Expectation


@pytest.fixture(scope="module")
def proof():
    return derivations.prove("initialization")


def test_all_gates(proof):
    verdict = proof.verdict()
    assert verdict["assumed"] == 8  # w, a and u; sigma_l; p; LeakyReLU; w and b on the way back
    assert verdict["values"]["error"] < 1e-13
    assert len(verdict["anchors"]) == 10
    assert all(anchor["error"] < 1e-13 for anchor in verdict["anchors"])


def test_scope_is_every_width(proof):
    scope = proof.verdict()["scope"]
    assert scope["initialization-layer"][4] == "every $d$, $m$, $i$ and $k$"
    assert scope["initialization-layer"][-1] == "every $d$"
    assert scope["initialization-leaky"][2] == r"every real $\alpha$"
    assert scope["initialization-uniform"][0] == "every positive $b$"


def test_the_answers(proof):
    scale, moment = (proof.result(left) for left in topic.ANSWERS)
    assert scale.endswith(r"= \sqrt{\frac{2}{d}}")
    assert moment.endswith(r"= \frac{1}{2}")


def test_every_flipped_sign_is_caught():
    chosen = [c for c in mutate.candidates(topic.derive()) if c.operator in mutate.SIGNS]
    report = mutate.run(chosen, topic.derive(), topic.anchors)
    assert not report.survivors, report.table()
    assert report.total("wrong") > 80


def test_a_sample_of_all_mutants_is_rejected():
    report = mutate.run(mutate.sample(topic.derive(), 60, seed=5), topic.derive(), topic.anchors)
    assert not report.survivors, report.table()
    assert report.total("wrong") > 45


def test_only_the_anchor_sees_a_consistent_wrong_premise():
    """Without the factor d in the formula every step holds with d = 1 in its place, and the scale is wrong."""
    one = {d.slug: d for d in topic.derive()}
    narrow = {topic.d: Symbol("d", integer=True, positive=True) ** 2}
    changed = []
    for name in ("initialization-formula", "initialization-relu"):
        d = one[name]
        steps = tuple(
            replace(s, right=s.right.xreplace(narrow), left=s.left and s.left.xreplace(narrow)) for s in d.steps
        )
        given = tuple(replace(g, body=g.body.xreplace(narrow)) for g in d.given)
        changed.append(replace(d, steps=steps, given=given))
    for d in changed:
        for n in range(len(d.steps)):
            d.check(n)  # nothing to object to
    wrong = {d.slug: d for d in changed}
    found = topic.anchors(tuple(wrong.get(slug, d) for slug, d in one.items()))
    assert [a.what for a in found if not a.holds] == [r"$\sigma_l$ for ReLU"]


FALSE = {
    "the whole moment": (1, Rational(1)),
    "the variance in place of the moment": (4, Rational(1, 2) - 1 / (2 * topic.pi)),
    "the mean's square": (6, Rational(1, 2)),
}


@pytest.mark.parametrize(("step", "right"), FALSE.values(), ids=FALSE.keys())
def test_false_steps_are_refused(step, right):
    relu = next(d for d in topic.derive() if d.slug == "initialization-relu")
    with pytest.raises(Rejected):
        relu.replaced(step, right=right).check(step)


def test_another_activation_is_refused():
    relu = next(d for d in topic.derive() if d.slug == "initialization-relu")
    other = relu.replaced(1, left=Expectation(Max(topic.z, 0) ** 4, topic.z))
    with pytest.raises(Rejected, match="the mean of f"):
        other.check(1)


def test_the_latex_follows_the_object():
    leaky = next(d for d in topic.derive() if d.slug == "initialization-leaky")
    renamed = leaky.replaced(3, right=leaky.steps[3].right.xreplace({topic.alpha: Symbol("c", real=True)}))
    assert r"\frac{1 + \alpha^{2}}{2}" in leaky.equation(3)
    assert r"\frac{c^{2}}{2}" in renamed.equation(3)
    with pytest.raises(Rejected, match="step 4"):
        renamed.check(3)


def test_pytorch_draws_with_this_scale():
    torch.manual_seed(1)
    weight = torch.empty(400, 300)
    normal = torch.nn.init.kaiming_normal_(weight.clone(), nonlinearity="relu")
    scale = math.sqrt(2 / 300)
    assert normal.std().item() == pytest.approx(scale, abs=4 * scale / math.sqrt(2 * weight.numel()))
    for drawn, bound in (
        (torch.nn.init.kaiming_uniform_(weight.clone(), nonlinearity="relu"), math.sqrt(3) * scale),
        (torch.nn.init.xavier_uniform_(weight.clone()), math.sqrt(6 / 700)),
    ):
        assert 0.999 * bound < drawn.abs().max().item() <= bound * (1 + 1e-6)
