"""The nearest mean: its three gates, every sign, a sample of mutants, and wrong steps that look right."""

import pytest
from sympy import Rational

from worked import derivations, ledger
from worked.derivations import nearest_mean as topic
from worked.symbolic import mutate
from worked.symbolic.derivation import Rejected, prove
from worked.symbolic.latex import product, total


@pytest.fixture(scope="module")
def proof():
    return derivations.prove("nearest_mean")


def test_all_gates(proof):
    verdict = proof.verdict()
    assert verdict["assumed"] == 4  # mean, distance, score, mean after centring
    assert verdict["steps"] == 12
    assert verdict["values"]["error"] < 1e-14
    assert verdict["autograd"]["error"] is None
    assert [anchor["error"] < 1e-14 for anchor in verdict["anchors"]] == [True] * 4
    assert {a["against"] for a in verdict["anchors"]} >= {"`sklearn.neighbors.NearestCentroid`"}


def test_scope_is_every_size(proof):
    scope = proof.verdict()["scope"]
    assert scope["nearest-mean-rule"][5] == "every $C$, $D$, $K$, $k$ and $l$"
    assert scope["nearest-mean-offset"][1] == "every $C$, $D$, $K$ and $k$"
    assert scope["nearest-mean-centring"][2] == "every $C$, $D$, $K$ and $k$"


WRONG = {
    "the farthest mean": (0, 5, product(2, total(topic.score[topic.k], -topic.score[topic.l]))),
    "the score without its offset": (
        0, 4, total(topic.over(topic.f[topic.d] ** 2), product(-2, topic.products)),
    ),
    "the offset not halved": (
        0, 4, total(topic.over(topic.f[topic.d] ** 2), product(-2, topic.products), product(2, topic.squares)),
    ),
    "a hyperplane through the origin": (
        0, 6, topic.over(product(topic.c[topic.k, topic.d] - topic.c[topic.l, topic.d], topic.f[topic.d])),
    ),
    "a hyperplane through the other class's mean": (
        0, 6, topic.over(product(topic.c[topic.k, topic.d] - topic.c[topic.l, topic.d],
                                 topic.f[topic.d] - topic.c[topic.l, topic.d])),
    ),
    "the length of a mean as if examples were orthogonal": (
        1, 0,
        product(1 / topic.K**2, topic.over(topic.over(topic.s[topic.k, topic.m, topic.d] ** 2), topic.m, topic.K)),
    ),
    "a mean that stays where it was": (2, 1, topic.c[topic.k, topic.d]),
    "a distance that centring halves": (2, 2, product(Rational(1, 2), topic.distance[topic.k])),
}  # fmt: skip


@pytest.mark.parametrize(("part", "step", "right"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_step_is_caught(part, step, right):
    derivation = topic.derive()[part]
    derivation.check(step)
    with pytest.raises(Rejected, match="not proved"):
        derivation.replaced(step, right=right).check(step)


def test_a_mean_over_other_examples_is_seen_by_the_anchors_alone():
    """The sum in the place of the mean: every step but the offset's holds for it, and no anchor does."""
    rule, *others = topic.derive()
    other = rule.redefined(topic.c[topic.k, topic.d], topic.over(topic.s[topic.k, topic.m, topic.d], topic.m, topic.K))
    assert prove(other)
    anchors = topic.anchors((other, *others))
    assert not anchors[0].holds
    assert all(anchor.holds for anchor in anchors[1:3])


def test_every_flipped_sign_is_caught():
    signs = [c for c in mutate.candidates(topic.derive()) if c.operator in mutate.SIGNS]
    report = mutate.run(signs, topic.derive(), topic.anchors)
    assert not report.survivors, report.table()
    assert report.total("wrong") > 20


def test_a_sample_of_all_mutants_is_rejected():
    derived = topic.derive()
    report = mutate.run(mutate.sample(derived, 40, seed=3), derived, topic.anchors)
    assert not report.survivors, report.table()
    assert report.total("wrong") > 20


def test_the_ledger_links_to_the_page_that_shows_it(proof, monkeypatch):
    monkeypatch.setattr(derivations, "names", lambda: ["nearest_mean"])
    monkeypatch.setattr(ledger, "proofs", lambda: [proof])
    assert f"[{topic.TITLE}](../experiments/few-shot.md)" in ledger.proof_table()
