"""VGG-11: gates, signs, mutants, a wrong premise that only torchvision sees, and the answers."""

from dataclasses import replace

import pytest
from sympy import Integer, Rational, ceiling, floor

from worked import derivations
from worked.answers import layers
from worked.derivations import vgg11 as topic
from worked.symbolic import mutate
from worked.symbolic.derivation import Rejected


@pytest.fixture(scope="module")
def proof():
    return derivations.prove("vgg11")


def test_all_gates(proof):
    verdict = proof.verdict()
    assert verdict["values"]["error"] == 0
    assert len(verdict["anchors"]) == 8
    assert all(anchor["error"] == 0 for anchor in verdict["anchors"])


def test_the_answers(proof):
    *_, count, _work = proof.derivations
    assert count.facts()[topic.N] == 132_863_336
    assert count.facts()[topic.N_fcs / topic.N] == Rational(123_642_856, 132_863_336)
    assert proof.result(topic.N) == "N = 132{,}863{,}336"


def test_the_rows_are_those_of_the_assignment():
    names = ["CONV3-64", "ReLU", "POOL2", "CONV3-128", "ReLU", "POOL2"]
    for maps in (256, 512, 512):
        names += [f"CONV3-{maps}", "ReLU"] * 2 + ["POOL2"]
    assert [row.layer.name for row in topic.ROWS] == [*names, "FC-4096", "FC-4096", "FC-1000", "SOFTMAX"]
    assert len(topic.ROWS) == 25  # and INPUT


def test_scope(proof):
    scope = proof.verdict()["scope"]["vgg11-sizes"]
    assert scope == ["every $n$", "every $n$", "every $q$", "every $n$, $s$ and $t$", "every $n$", "every $n$", ""]


def test_every_flipped_sign_is_caught():
    derived = topic.derive()
    signs = [c for c in mutate.candidates(derived) if c.operator in mutate.SIGNS]
    report = mutate.run(signs, derived, topic.anchors)
    assert not report.survivors, report.table()
    assert report.total("wrong") > 80


def test_a_sample_of_all_mutants_is_rejected():
    derived = topic.derive()
    report = mutate.run(mutate.sample(derived, 60, seed=2), derived, topic.anchors)
    assert not report.survivors, report.table()
    assert report.total("wrong") > 45


def test_only_the_anchor_sees_a_layer_too_many():
    """A second convolution in the first block, counted through to the total."""
    sizes, row, count, work = topic.derive()
    more = 64 * (64 * 9 + 1)
    changed = {topic.N_blocks[0]: 1792, topic.N_convs: 9_220_480, topic.N: 132_863_336}
    share = Rational(123_642_856, 132_863_336 + more)
    steps = []
    for n, step in enumerate(count.steps):
        head = count.head(n)
        if head in changed and step.right.is_number:
            step = replace(step, right=Integer(changed[head] + more) if n != 0 else step.right + more)
        elif head == topic.N_fcs / topic.N:
            step = replace(step, right=share)
        steps.append(step)
    wrong = replace(count, steps=tuple(steps))
    for n in range(len(steps)):
        wrong.check(n)  # nothing to object to
    failed = {a.what for a in topic.anchors((sizes, row, wrong, work)) if not a.holds}
    assert failed == {"the number of parameters", "its blocks", "its share"}


@pytest.mark.parametrize(
    ("part", "step", "wrong"),
    [(0, 1, ceiling(topic.n / 2)), (0, 3, ceiling(topic.n / (topic.s * topic.t))), (0, 5, floor(topic.n / 16))],
)
def test_a_wrong_size_is_refused(part, step, wrong):
    with pytest.raises(Rejected, match="not proved"):
        topic.derive()[part].replaced(step, right=wrong).check(step)


def test_the_list_makes_the_module_of_torchvision():
    assert topic._our_shapes() == list(layers.torchvision_vgg11())
