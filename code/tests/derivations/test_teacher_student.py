"""The risk of a student: its three gates, every sign, a sample of all mutants, a consistent wrong premise."""

from dataclasses import replace

import pytest
from sympy import Rational, Symbol

from worked import derivations
from worked.derivations import teacher_student as topic
from worked.symbolic import mutate
from worked.symbolic.derivation import Rejected
from worked.symbolic.expectation import Expectation, definite, density
from worked.symbolic.latex import latex


@pytest.fixture(scope="module")
def proof():
    return derivations.prove("teacher_student")


def test_all_gates(proof):
    verdict = proof.verdict()
    assert verdict["assumed"] == 9  # p, R, inputs, Sigma, R_Sigma, R_sigma; and R, e and the estimate from samples
    assert verdict["values"]["error"] < 1e-13
    assert verdict["autograd"]["error"] < 1e-13
    assert verdict["finite_difference"]["error"] < 1e-9
    assert len(verdict["anchors"]) == 12
    assert all(anchor["error"] < 1e-14 for anchor in verdict["anchors"])


def test_scope_is_every_dimension_and_number_of_samples(proof):
    scope = proof.verdict()["scope"]
    assert scope["teacher-student-risk"][-1] == "every $d$"
    assert scope["teacher-student-correlated"][-1] == "every $d$, $r$ and $i$"
    assert scope["teacher-student-samples"][-1] == "every $d$ and $n$"


def test_no_step_rests_on_given_sizes(proof):
    methods = {step.by.name for d in proof.derivations for step in d.steps}
    assert "written out" not in methods


def test_the_answer_is_the_squared_distance(proof):
    assert proof.result(topic.risk).endswith(r"\hat{R}") is False
    found = next(d for d in proof.derivations if d.slug == "teacher-student-risk")
    assert latex(found.steps[-1].right) == r"\sum_{i=1}^{d} \left(w_{i} - w^{\ast}_{i}\right)^{2}"


def test_the_trusted_density_is_the_defined_one():
    moments, *_ = topic.derive()
    assert (moments.steps[0].right.doit() / density.definition(topic.z)).simplify() == 1
    assert definite(density(topic.z), topic.z, *moments.steps[1].left.limits[0][1:]) == 1


def test_every_flipped_sign_is_caught():
    chosen = [c for c in mutate.candidates(topic.derive()) if c.operator in mutate.SIGNS]
    report = mutate.run(chosen, topic.derive(), topic.anchors)
    assert not report.survivors, report.table()
    assert report.total("wrong") > 50


def test_a_sample_of_all_mutants_is_rejected():
    report = mutate.run(mutate.sample(topic.derive(), 60, seed=5), topic.derive(), topic.anchors)
    assert not report.survivors, report.table()
    assert report.total("wrong") > 45


def test_only_the_anchor_sees_a_consistent_wrong_premise():
    """Half of the mean squared error throughout: every step holds, and the answer is half of what was asked for."""
    one = {d.slug: d for d in topic.derive()}
    risk = one["teacher-student-risk"]
    halved = (s if n == 0 else replace(s, right=Rational(1, 2) * s.right) for n, s in enumerate(risk.steps))
    wrong = replace(risk, steps=tuple(halved))
    for n in range(len(wrong.steps)):
        wrong.check(n)  # nothing to object to
    found = topic.anchors(tuple(wrong if d is risk else d for d in one.values()))
    assert [anchor.what for anchor in found if not anchor.holds] == ["$R$"]


def test_without_independence_of_the_noise_the_proof_fails():
    noise = next(d for d in topic.derive() if d.slug == "teacher-student-noise")
    same = noise.steps[0].right.of.xreplace({topic.xi: topic.x[1]})
    wrong = noise.replaced(0, right=Expectation(same, topic.x))
    with pytest.raises(Rejected, match="step 2"):
        wrong.check(1)


def test_the_latex_follows_the_object(proof):
    risk = proof.derivations[2]
    changed = risk.replaced(5, right=risk.steps[5].right.xreplace({topic.w_t[topic.i]: Symbol("c", real=True)}))
    assert r"\left(w_{i} - w^{\ast}_{i}\right)^{2}" in risk.equation(5)
    assert r"\left(w_{i} - c\right)^{2}" in changed.equation(5)
    with pytest.raises(Rejected, match="step 6"):
        changed.check(5)
