"""Circular cross-correlation: its gates, every sign, a sample of all mutants, consistent wrong premises."""

from dataclasses import replace

import pytest
from sympy import Integer, KroneckerDelta, Sum, Symbol

from worked import derivations
from worked.derivations import cross_correlation as topic
from worked.symbolic import mutate
from worked.symbolic.derivation import Derivation, Rejected, prove
from worked.symbolic.latex import latex

k, i, n = topic.k, topic.i, topic.n


@pytest.fixture(scope="module")
def proof():
    return derivations.prove("cross_correlation")


def test_all_gates(proof):
    verdict = proof.verdict()
    assert verdict["assumed"] == 3  # z, the shifted signal and what the module makes of it
    assert verdict["steps"] == sum(len(d.steps) for d in topic.derive())
    assert verdict["autograd"]["error"] < 1e-12
    assert verdict["finite_difference"]["error"] < 1e-7
    assert verdict["values"]["error"] < 1e-12
    assert len(verdict["anchors"]) == 9
    assert all(anchor["error"] < 1e-14 for anchor in verdict["anchors"])


def test_scope_is_every_size(proof):
    scope = proof.verdict()["scope"]
    assert scope["cross-correlation-shift"][-1] == "every $n$, $k$ and $s$"
    assert set(scope["cross-correlation-jacobian"]) == {"every $n$, $k$ and $i$"}
    assert scope["cross-correlation-cost"][-1] == "every $M$, $n$ and $r$"
    assert not any("exact at" in told for steps in scope.values() for told in steps)


def test_the_answers(proof):
    assert proof.result(topic.BY_X).endswith(r"= y_{\left(i + k\right) \bmod n}")
    assert proof.result(topic.BY_Y).endswith(r"= x_{\left(i - k\right) \bmod n}")


def test_the_numbers_of_the_exercise():
    known = topic.cost_derivation().facts()
    at = {symbol: Integer(number) for symbol, number in topic.EXERCISE.items()}
    numbers = [int(known[count].xreplace(at)) for count in (*topic.DENSE_LAYER, *topic.CONVOLUTION)]
    assert numbers == [1000, 100_000, 99_000, 1000, 30, 3000, 2000, 2980, 1980]


def signs():
    return [c for c in mutate.candidates(topic.derive()) if c.operator in mutate.SIGNS]


def test_every_flipped_sign_is_caught():
    derived = topic.derive()
    report = mutate.run(signs(), derived, topic.anchors)
    assert not report.survivors
    assert report.total("wrong") > 100
    assert report.total("equivalent") <= 2  # the delta that is 1 where (j + k) mod n = i, with both sides negated
    assert report.counts["index sign", "wrong", "rejected"] >= 20


def test_a_sample_of_all_mutants_is_rejected():
    derived = topic.derive()
    report = mutate.run(mutate.sample(derived, 60, seed=4), derived, topic.anchors)
    assert not report.survivors, report.table()
    assert report.total("wrong") > 50


def test_every_wrong_definition_is_seen_by_an_anchor():
    derived = topic.derive()
    wrong = [c for c in mutate.candidates(derived) if c.is_definition and c.is_wrong()]
    report = mutate.run(wrong, derived, topic.anchors)
    assert report.definitions["both"] == len(wrong) > 40


def as_convolution() -> Derivation:
    """The Jacobians of z_k, the sum of x_i y_{(k - i) mod n}: another exercise, solved without a mistake."""
    x, y, j = topic.x, topic.y, topic.j
    jacobian = topic.jacobian_derivation()
    body = topic.wrapped(x[j] * y[topic.around(k - j)], j)
    rights = (
        topic.wrapped(KroneckerDelta(i, j) * y[topic.around(k - j)], j),
        y[topic.around(k - i)],
        topic.wrapped(x[j] * KroneckerDelta(i, topic.around(k - j)), j),
        x[topic.around(k - i)],
    )
    steps = tuple(replace(step, right=right) for step, right in zip(jacobian.steps, rights, strict=True))
    return replace(jacobian, steps=steps).redefined(topic.MODULE.head, body)


def test_only_the_anchor_sees_a_convolution_in_place_of_a_cross_correlation():
    shift, savings, _, backward, cost = topic.derive()
    wrong = as_convolution()
    prove(wrong)  # nothing to object to
    anchors = topic.anchors((shift, savings, wrong, backward, cost))
    assert [anchor.what for anchor in anchors if not anchor.holds] == [
        r"$\partial z_k/\partial x_i$",
        r"$\partial z_k/\partial y_i$",
    ]


def test_only_the_anchor_sees_windows_that_are_too_wide():
    *others, cost = topic.derive()
    (at,) = (m for m, step in enumerate(cost.steps) if step.left == topic.G_PRODUCTS)
    wider = Sum(1, (topic.t, 0, topic.WIDTH), topic.OUTPUTS, topic.MAPS)
    wrong = cost.replaced(at, left=wider, right=2 * topic.M * n * (topic.r + 1))
    wrong.check(at)  # nothing to object to
    with pytest.raises(LookupError):
        topic.anchors((*others, wrong))  # the count that PyTorch is asked about is gone


def test_the_wrong_jacobian_is_refused():
    jacobian = topic.jacobian_derivation()
    for step, wrong in ((1, topic.y[topic.around(i - k)]), (3, topic.x[topic.around(i + k)]), (3, topic.x[i - k])):
        with pytest.raises(Rejected, match=f"step {step + 1}"):
            jacobian.replaced(step, right=wrong).check(step)


def test_a_shift_the_other_way_is_refused():
    shift = topic.shift_derivation()
    with pytest.raises(Rejected, match="step 7"):
        shift.replaced(6, right=topic.z[topic.around(k + topic.s)]).check(6)


def test_the_latex_follows_the_object():
    jacobian = topic.jacobian_derivation()
    renamed = jacobian.replaced(1, right=topic.y[topic.around(i + k + Symbol("h", integer=True))])
    assert latex(topic.y[topic.around(i + k)]) in jacobian.equation(1)
    assert r"\left(h + i + k\right) \bmod n" in renamed.equation(1)
    with pytest.raises(Rejected, match="step 2"):
        renamed.check(1)
