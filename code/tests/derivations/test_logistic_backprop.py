"""Logistic backpropagation: its three gates, every sign, a sample of all mutants, a consistent wrong premise."""

import json
from dataclasses import replace

import pytest
from sympy import Symbol, simplify

from worked import derivations
from worked.derivations import logistic_backprop as topic
from worked.symbolic import mutate
from worked.symbolic.derivation import Derivation, Rejected, prove
from worked.symbolic.functions import logistic
from worked.symbolic.latex import latex


@pytest.fixture(scope="module")
def proof():
    return derivations.prove("logistic_backprop")


def test_it_is_listed():
    assert "logistic_backprop" in derivations.names()


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match=r"no derivation 'nothing'; there are: .*logistic_backprop"):
        derivations.load("nothing")


def test_all_gates(proof):
    verdict = proof.verdict()
    assert verdict["assumed"] == 7  # sigma, y_hat, L, z1, x1, z2 and J
    assert verdict["steps"] == sum(len(d.steps) for d in topic.derive())
    assert verdict["autograd"]["error"] < 1e-12
    assert verdict["finite_difference"]["error"] < 1e-7
    assert len(verdict["anchors"]) == 6
    assert all(anchor["error"] < 1e-15 for anchor in verdict["anchors"])
    assert json.loads(json.dumps(verdict)) == verdict


def test_scope_is_every_size(proof):
    scope = proof.verdict()["scope"]
    assert scope["logistic-backprop-sample"][-1] == "every $D$, $K$, $i$ and $j$"
    assert scope["logistic-backprop-batch"][-1] == "every $B$, $D$, $K$, $i$ and $j$"
    assert scope["logistic-backprop-loss"][6] == "every real $y$ and $z^{(2)}$"


def test_the_page_shows_every_step_with_method_and_label(proof):
    page = proof._repr_markdown_()
    for d in proof.derivations:
        for n, step in enumerate(d.steps):
            assert f":label: {d.slug}-{n + 1}\n{d.equation(n)}\n" in page
            assert step.why in page
    assert page.count(":label:") == proof.verdict()["steps"]
    assert r"*Substitution of {eq}`logistic-backprop-sample-9`" in page


def test_the_trusted_rule_is_the_proved_one():
    lemma, *_ = topic.derive()
    rule = lemma.steps[2].right
    assert lemma.steps[0].right == logistic.definition(topic.z)
    assert simplify(rule.doit() - logistic(topic.z).fdiff()) == 0


def test_a_wrong_trusted_rule_is_refused(monkeypatch):
    monkeypatch.setattr(logistic, "definition", staticmethod(lambda z: 1 / (2 + 2**-z)))
    with pytest.raises(Rejected):
        prove(topic.lemma())


def signs():
    return [c for c in mutate.candidates(topic.derive()) if c.operator in mutate.SIGNS]


def test_every_flipped_sign_is_caught():
    report = mutate.run(signs())
    assert not report.survivors
    assert report.total("wrong") > 150
    for d in topic.derive():
        flipped = {c.step for c in signs() if c.derivation.slug == d.slug}
        assert flipped == set(range(len(d.steps)))


def test_equal_under_a_flipped_sign():
    """The flips that are no mistake: |-z| = |z|, -0 = 0, and a Kronecker delta of -i and -k."""
    harmless = {(c.derivation.slug[len(topic.SLUG) :], c.step + 1) for c in signs() if not c.is_wrong()}
    assert harmless <= {("-loss", 7), ("-loss", 8), ("-loss", 9), ("-sample", 19), ("-sample", 21)}


def test_a_sample_of_all_mutants_is_rejected():
    report = mutate.run(mutate.sample(topic.derive(), 60, seed=5))
    assert not report.survivors, report.table()
    assert report.total("wrong") > 45


def other_labels(d: Derivation) -> Derivation:
    """The same steps for labels 1 - y."""
    swapped = (replace(s, right=s.right.xreplace({topic.y: 1 - topic.y})) for s in d.steps if s.by.name != "limit")
    return replace(d, steps=tuple(swapped))


def test_only_the_anchor_sees_a_consistent_wrong_premise():
    lemma, loss, _, batch = topic.derive()
    wrong_loss = other_labels(loss)
    wrong_network = other_labels(topic.network_derivation(wrong_loss))
    for d in (wrong_loss, wrong_network):
        for n in range(len(d.steps)):
            d.check(n)  # nothing to object to
    anchors = topic.anchors((lemma, wrong_loss, wrong_network, batch))
    assert [anchor.holds for anchor in anchors] == [False, False, False, True, True, True]


def test_the_latex_follows_the_object():
    network = topic.derive()[2]
    renamed = network.replaced(22, right=network.steps[22].right.xreplace({topic.y: Symbol("t", real=True)}))
    assert latex(topic.y_hat - topic.y) in network.equation(22)
    assert r"\hat{y} - t" in renamed.equation(22)
    with pytest.raises(Rejected, match="step 23"):
        renamed.check(22)


def test_a_substitution_must_name_all_that_it_uses():
    network = topic.derive()[2]
    step = network.steps[7]
    less = replace(step, by=replace(step.by, used=step.by.used[:1]))
    steps = (*network.steps[:7], less, *network.steps[8:])
    with pytest.raises(Rejected, match="the substitution gives"):
        replace(network, steps=steps).check(7)
