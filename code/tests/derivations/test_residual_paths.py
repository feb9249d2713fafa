"""Residual paths: the gates, the order of the factors, signs and mutants, premises that only the anchor sees."""

import json
from dataclasses import replace

import pytest
from sympy import Integer, Mul, Rational

from worked import derivations
from worked.derivations import residual_paths as topic
from worked.symbolic import mutate
from worked.symbolic.derivation import Rejected
from worked.symbolic.induction import recursion
from worked.symbolic.latex import total
from worked.symbolic.vectors import Entry

OUTPUT, THREE, COUNT, DERIVATIVE, PLAIN, DEPTH, BLOCK, SIZE = range(8)


@pytest.fixture(scope="module")
def proof():
    return derivations.prove("residual_paths")


@pytest.fixture(scope="module")
def derived():
    return topic.derive()


def test_all_gates(proof):
    verdict = proof.verdict()
    assert verdict["steps"] == sum(len(d.steps) for d in topic.derive())
    assert verdict["assumed"] == 30
    assert verdict["autograd"]["error"] < 1e-12
    assert verdict["finite_difference"]["error"] < 1e-7
    assert verdict["values"]["error"] < 1e-12
    assert len(verdict["anchors"]) == 14
    assert all(anchor["error"] < 1e-14 for anchor in verdict["anchors"])
    assert json.loads(json.dumps(verdict)) == verdict


def test_scope(proof):
    scope = proof.verdict()["scope"]
    assert scope["residual-paths-output"][-1] == "every $d$ and $i$"
    assert scope["residual-paths-derivative"][-1] == "every $d$, $i$ and $j$"
    assert scope["residual-paths-depth"][-1] == "every $d$, $n$, $i$ and $j$"
    assert scope["residual-paths-count"][1] == "every $n$"
    assert scope["residual-paths-size"][5] == "every $n$ and $k$"


def test_the_answers(proof):
    assert proof.result(topic.COUNT).endswith("= 8")
    assert proof.result(topic.THROUGH_2).endswith("= 4")
    assert proof.result(topic.N[topic.n]) == "N_{n} = 2^{n}"
    assert proof.result(topic.U[topic.n]) == "U^{(m)}_{n} = 2^{n - 1}"
    assert (
        proof.derivations[DERIVATIVE]
        .equation(6)
        .endswith(r"\left[\left(I + J_{3}\right) \left(I + J_{2}\right)\right]_{i,j}")
    )
    assert proof.result(topic.DERIVATIVE).endswith(r"\left[I + J_{2} + J_{3} + J_{3} J_{2}\right]_{i,j}")
    assert proof.derivations[PLAIN].equation(9).endswith(r"\left[J_{3} J_{2}\right]_{i,j}")
    assert proof.derivations[OUTPUT].equation(7) == (
        r"y_{i} = x_{i} + f_{1,i}\!\left(\mathbf{x}\right)"
        r" + f_{2,i}\!\left(\mathbf{x} + \mathbf{f}_{1}\!\left(\mathbf{x}\right)\right)"
        r" + f_{3,i}\!\left(\mathbf{x} + \mathbf{f}_{1}\!\left(\mathbf{x}\right)"
        r" + \mathbf{f}_{2}\!\left(\mathbf{x} + \mathbf{f}_{1}\!\left(\mathbf{x}\right)\right)\right)"
    )


def test_the_page_shows_every_step(proof):
    page = proof._repr_markdown_()
    for d in proof.derivations:
        for n, step in enumerate(d.steps):
            assert f":label: {d.slug}-{n + 1}\n{d.equation(n)}\n" in page
            assert step.why in page


second, third = (1 + topic._matrix(base) for base in (topic.J_2, topic.J_3))
i, j = topic.i, topic.j
WRONG = {
    "factors swapped": (DERIVATIVE, 6, Entry(Mul(second, third), i, j)),
    "terms in the wrong order": (DERIVATIVE, 7, Entry(Mul(second, third).expand(), i, j)),
    "the whole transposed": (DERIVATIVE, 6, Entry(Mul(third, second), j, i)),
    "the identity path lost": (DERIVATIVE, 7, Entry(Mul(third, second).expand() - 1, i, j)),
    "the plain product": (DERIVATIVE, 6, Entry(Mul(third - 1, second - 1), i, j)),
    "plain factors swapped": (PLAIN, 9, Entry(Mul(second - 1, third - 1), i, j)),
    "one block too many": (COUNT, 1, 2 ** (topic.n + 1)),
    "every path through block m": (COUNT, 3, 2**topic.n),
    "one of three": (THREE, 7, Integer(3)),
    "no growth": (SIZE, 3, Integer(1)),
    "a cross term": (BLOCK, 1, topic.one_block().steps[1].right + 2 * topic.v[1] * topic.u[1]),
}


@pytest.mark.parametrize(("which", "step", "right"), WRONG.values(), ids=WRONG.keys())
def test_wrong_answers_are_refused(derived, which, step, right):
    with pytest.raises(Rejected, match="not proved"):
        derived[which].replaced(step, right=right).check(step)


def test_the_factors_of_the_recursion_are_in_order(derived):
    """P_{n-1} (I + J_n) instead of (I + J_n) P_{n-1}."""
    depth = derived[DEPTH]
    factor = 1 + topic.matrix(lambda a, b: topic.J_n[topic.n, a, b], topic.d)
    swapped = recursion(
        topic.P[topic.n, i, j],
        1,
        Entry(1, i, j),
        lambda before: Entry(Mul(topic.matrix(before, topic.d), factor), i, j),
        (topic.d, topic.d),
    )
    with pytest.raises(Rejected, match="not proved"):
        depth.replaced(3, right=swapped).check(4)


def signs():
    return [c for c in mutate.candidates(topic.derive()) if c.operator in mutate.SIGNS]


def test_every_flipped_sign_in_a_proved_step_is_caught(derived):
    proved = [c for c in signs() if c.derivation.steps[c.step].by.name != "definition"]
    report = mutate.run(proved, derived, topic.anchors)
    assert not report.survivors
    assert report.total("wrong") > 80


def test_a_sample_of_all_mutants_is_rejected(derived):
    report = mutate.run(mutate.sample(derived, 45, seed=4), derived, topic.anchors)
    assert not report.survivors, report.table()
    assert report.total("wrong") > 38


def with_definition(derived, which, step, right):
    return tuple(d.replaced(step, right=right) if n == which else d for n, d in enumerate(derived))


def test_only_the_anchor_sees_a_consistent_wrong_premise(derived):
    """A sum of lengths that starts at one half: every step follows, with every formula halved."""
    halved = derived[SIZE]
    steps = list(halved.steps)
    half = Rational(1, 2)
    steps[0] = replace(steps[0], right=recursion(topic.R[topic.n], 1, half, lambda before: topic.q * before()))
    steps[1] = replace(steps[1], right=half * topic.q ** (topic.n - 1))
    wrong = replace(halved, steps=tuple(steps))
    for n in range(2):
        wrong.check(n)  # nothing to object to
    changed = (*derived[:SIZE], wrong)
    failed = [anchor.what for anchor in topic.anchors(changed) if not anchor.holds]
    assert failed == ["behind plain blocks"]


def test_the_anchor_sees_a_skip_connection_that_counts_twice(derived):
    """y = 2 h_2 + f_3(h_2) is as good a network to the proof, once the step that it changes is gone."""
    output = derived[OUTPUT]
    wrong = replace(output.replaced(5, right=total(2 * topic.h_2[i], topic.f_3[i])), steps=output.steps[:6])
    wrong = wrong.replaced(5, right=total(2 * topic.h_2[i], topic.f_3[i]))
    changed = (wrong, *derived[1:DERIVATIVE], topic.derivative(wrong), *derived[DERIVATIVE + 1 :])
    failed = [anchor.what for anchor in topic.anchors(changed) if not anchor.holds]
    assert failed == ["output and derivative of three residual blocks"]


def test_the_latex_follows_the_object(derived):
    changed = derived[DERIVATIVE].replaced(6, right=Entry(Mul(second, third), i, j))
    assert r"\left(I + J_{2}\right) \left(I + J_{3}\right)" in changed.equation(6)
    assert r"\left(I + J_{2}\right) \left(I + J_{3}\right)" not in derived[DERIVATIVE].equation(6)
