"""Batch normalisation: its three gates, what its answers may contain, mutants, and two consistent wrong premises."""

from dataclasses import replace

import pytest
from sympy import Indexed, Integer, Symbol, preorder_traversal, sqrt

from worked import derivations
from worked.derivations import batch_normalization as topic
from worked.symbolic import mutate
from worked.symbolic.derivation import Derivation, Rejected, claim, define, numbers, prove
from worked.symbolic.functions import Partial
from worked.symbolic.latex import latex, product, total
from worked.symbolic.methods import ChainRule, Differentiation


@pytest.fixture(scope="module")
def proof():
    return derivations.prove("batch_normalization")


@pytest.fixture(scope="module")
def steps(proof):
    return proof.derivations[0]


def test_all_gates(proof):
    verdict = proof.verdict()
    assert verdict["assumed"] == 4  # mean, variance, normalisation, scale and shift
    assert verdict["steps"] == 38
    assert verdict["values"]["error"] < 1e-14
    assert verdict["autograd"]["error"] < 1e-14
    assert verdict["finite_difference"]["error"] < 1e-9
    assert len(verdict["anchors"]) == 4
    assert all(anchor["error"] < 1e-14 for anchor in verdict["anchors"])


def test_scope_is_every_batch_size(proof):
    assert set(proof.verdict()["scope"]["batch-normalization"]) == {
        "every $m$", "every $m$ and $i$", "every $m$ and $k$",
    }  # fmt: skip


def gradients(e):
    return {(part.of, part.by.base if hasattr(part.by, "base") else part.by)
            for part in preorder_traversal(e) if isinstance(part, Partial)}  # fmt: skip


def test_answers_contain_the_given_gradients_and_no_other(steps):
    """The exercise allows the derivatives by the outputs and by the normalised inputs."""
    for answer in topic.ANSWERS:
        assert gradients(steps.facts()[answer]) <= {(topic.f, topic.y), (topic.f, topic.x_hat)}
    assert gradients(steps.facts()[topic.d_x]) == {(topic.f, topic.y)}
    assert gradients(steps.steps[29].right) == {(topic.f, topic.x_hat)}  # answer f) before c) is put in
    assert gradients(steps.steps[27].right) > {(topic.f, topic.x_hat)}  # a step that is no answer yet


def test_answers_stand_in_the_sections_that_the_page_shows(steps):
    *_, layer_end = topic.sections()[0]
    assert layer_end == 4
    assert [b - a for (_, a), (b, _) in zip(topic.sections(), topic.sections()[1:], strict=False)] == [1] * 5
    assert topic.sections()[-1][1] == len(steps.steps)
    answered = {letter: n for n, s in enumerate(steps.steps, 1) for letter in "abcdef" if f"Answer {letter}." in s.why}
    assert sorted(answered) == list("abcdef")
    heads = [steps.head(answered[letter] - 1) for letter in "abcdef"]
    assert heads == list(topic.ANSWERS)


def test_the_loss_is_any_differentiable_function(steps):
    assert latex(topic.LOSS.body) == r"f\!\left(y_{1}, \dots, y_{m}\right)"
    assert topic.LOSS in steps.given


# --- the paths


def path_rule(*terms):
    return claim(topic.d_x, total(*terms), "", ChainRule())


own = product(topic.d_hat_i, topic.hat_by_x)
by_variance = product(topic.d_variance, topic.variance_by_x)
by_mean = product(topic.d_mu, Partial(topic.mu, topic.x[topic.i]))

WRONG_PATHS = {
    "no path through the mean": ((own, by_variance), r"must hold \\sigma\^2|passes none"),
    "no path through the variance": ((own, by_mean), r"must hold|passes none"),
    "the variance's path counted twice": (
        (own, product(topic.d_variance, Partial(topic.variance, topic.x[topic.i])), by_mean),
        r"must hold \\mu",
    ),
    "every path counted in the first term": (
        (product(topic.d_hat_i, Partial(topic.x_hat[topic.i], topic.x[topic.i])), by_variance, by_mean),
        "must hold",
    ),
    "one entry for all": (
        (product(topic.d_hat_i, Partial(topic.x_hat[topic.i], topic.x[topic.i])),),
        "other entries",
    ),
}


@pytest.mark.parametrize(("terms", "reason"), WRONG_PATHS.values(), ids=WRONG_PATHS.keys())
def test_a_wrong_set_of_paths_is_refused(steps, terms, reason):
    n = next(n for n, step in enumerate(steps.steps) if step.left == topic.d_x)
    wrong = replace(steps, steps=(*steps.steps[:n], path_rule(*terms)))
    with pytest.raises(Rejected, match=reason):
        wrong.check(n)


def test_the_form_refuses_what_the_value_at_the_mean_cannot_see(steps):
    """Counting the variance's path twice adds a multiple of the deviations' sum, which is zero."""
    n = next(n for n, step in enumerate(steps.steps) if step.left == topic.d_x)
    terms, _ = WRONG_PATHS["the variance's path counted twice"]
    wrong = replace(steps, steps=(*steps.steps[:n], path_rule(*terms)))
    assert mutate._holds(wrong, n)


# --- the mean's second path


def second_path(steps):
    return next(n for n, step in enumerate(steps.steps) if step.by.name == "substitution at the definition")


@pytest.mark.parametrize("factor", [2, -1, -3, 0])
def test_a_wrong_factor_of_the_path_that_closes_is_refused(steps, factor):
    n = second_path(steps) - 1
    first, second = steps.steps[n].right.args
    wrong = steps.replaced(n, right=total(first, factor * second))
    assert not mutate._holds(wrong, n)
    with pytest.raises(Rejected):
        wrong.check(n)
    assert numbers(wrong, n)["autograd"] > 1e-4


def test_the_path_closes_at_the_definition_only(steps):
    n = second_path(steps)
    everywhere = replace(steps, steps=(*steps.steps[:n], replace(steps.steps[n], by=steps.steps[n - 1].by)))
    with pytest.raises(Rejected):
        everywhere.check(n)
    hidden = steps.replaced(n, right=steps.steps[n].right + 5 * topic.d_variance * topic.deviations)
    with pytest.raises(Rejected, match="the substitution gives"):
        hidden.check(n)


# --- mutants


def test_every_flipped_sign_is_caught():
    every = [c for c in mutate.candidates(topic.derive()) if c.operator in mutate.SIGNS and c.step not in SLOW]
    report = mutate.run(every, topic.derive(), topic.anchors)
    assert not report.survivors, report.table()
    assert report.total("wrong") > 50
    signs = {c.step for c in mutate.candidates(topic.derive()) if c.operator in mutate.SIGNS}
    assert signs == set(range(38))


SLOW = (26, 27, 28, 29, 30, 35, 36, 37)  # long formulas: `make mutants` changes them all


def test_a_sample_of_all_mutants_is_rejected():
    derived = topic.derive()
    report = mutate.run(mutate.sample(derived, 45, seed=11), derived, topic.anchors)
    assert not report.survivors, report.table()
    assert report.total("wrong") > 30


# --- consistent wrong premises


def consistent(variance_divisor=topic.m, root=topic.root) -> Derivation:
    """The layer with another divisor or another root, with the gradients that are right for it."""
    slope = 2 * root * root.diff(topic.variance)
    i, k, m, mu, x, x_hat = topic.i, topic.k, topic.m, topic.mu, topic.x, topic.x_hat
    inner = total(
        topic.d_hat_i,
        product(-1, 1 / m, topic.sum_hat),
        product(-1, slope * x_hat[i] / variance_divisor, topic.along_hat),
    )
    layer = (
        define(mu, topic.over_batch(x[k]) / m, ""),
        define(topic.variance, topic.over_batch((x[k] - mu) ** 2) / variance_divisor, ""),
        define(x_hat[i], (x[i] - mu) / root, ""),
        define(topic.y[i], topic.gamma * x_hat[i] + topic.beta, ""),
    )
    answers = (
        claim(topic.d_gamma, topic.along_y, "", Differentiation()),
        claim(topic.d_beta, topic.sum_y, "", Differentiation()),
        claim(topic.d_hat_i, topic.gamma * topic.d_y_i, "", Differentiation()),
        claim(topic.d_x, product(1 / root, inner), "", Differentiation()),
    )
    return Derivation("wrong", "", topic.RANGES, (*layer, *answers), (topic.LOSS,))


PREMISES = {
    "variance with 1/(m - 1)": {"variance_divisor": topic.m - 1},
    "variance with 1/(m + 1)": {"variance_divisor": topic.m + 1},
    "epsilon outside the root": {"root": sqrt(topic.variance) + topic.epsilon},
}


@pytest.mark.parametrize("premise", PREMISES.values(), ids=PREMISES.keys())
def test_only_the_anchor_sees_a_consistent_wrong_premise(premise):
    wrong = consistent(**premise)
    last = len(wrong.steps) - 1
    for n in range(last + ("root" not in premise)):
        wrong.check(n)  # nothing to object to
    assert max(numbers(wrong, last).values()) < 1e-7  # for the other root, its algebra would take a minute
    holds = [anchor.holds for anchor in topic.anchors((wrong,))]
    statistics_hold = "root" in premise
    assert holds == [statistics_hold, False, False, False]


def test_the_right_premise_passes_in_the_same_form():
    assert all(anchor.holds for anchor in topic.anchors((consistent(),)))


def test_a_wrong_premise_may_pass_every_gate_but_the_anchor():
    assert prove(consistent(topic.m + 1)).errors["autograd"] < 1e-12


# --- the objects and the page


def test_the_latex_follows_the_object(proof, steps):
    n = len(steps.steps) - 8
    renamed = steps.replaced(n, right=steps.steps[n].right.xreplace({topic.gamma: Symbol("g", real=True)}))
    assert r"\frac{\gamma}{" in steps.equation(n)
    assert r"\frac{g}{" in renamed.equation(n)
    assert steps.equation(n) == proof.result(topic.d_x)
    with pytest.raises(Rejected):
        renamed.check(n)


def test_a_batch_of_one_has_no_gradient(steps):
    """The normalised input is then 0 and the two means are the values themselves."""
    one = steps.facts()[topic.d_x].xreplace({topic.m: Integer(1), topic.i: Integer(1)}).doit()
    assert one.has(Indexed)
    assert (
        one.replace(lambda e: isinstance(e, Indexed) and e.base.label == topic.x_hat.label, lambda e: 0).expand() == 0
    )


def test_values_at_a_batch_worked_by_hand(steps):
    """x = (1, 2, 3), epsilon = 1/3: the root is 1."""
    at = topic.values(steps, [1.0, 2.0, 3.0], [1.0, 0.0, 2.0], {topic.gamma: 2, topic.beta: 1, topic.epsilon: 1 / 3})
    assert at(topic.x_hat[topic.i]) == pytest.approx([-1, 0, 1])
    expected = ([1], [3], [2, 0, 4], [-1], [-6], [2 / 3, -2, 4 / 3])
    for answer, value in zip(topic.ANSWERS, expected, strict=True):
        assert at(answer) == pytest.approx(value)
