"""A build may reuse a proof of the same code, and nothing else."""

from types import SimpleNamespace

import pytest
from sympy import symbols

from worked import derivations
from worked.symbolic.anchor import Anchor
from worked.symbolic.derivation import Derivation, Rejected, claim

a, b = symbols("a b", positive=True)


def topic(right=a + b):
    return SimpleNamespace(
        SLUG="sum",
        TITLE="A sum",
        derive=lambda: (Derivation("sum", "", {}, (claim((a**2 - b**2) / (a - b + 2 * b), right - 2 * b, ""),)),),
        anchors=lambda derivations: (Anchor("sum", "by hand", 0.0),),
    )


@pytest.fixture
def world(monkeypatch):
    """The derivation `sum`, its code, and how often it was proved."""
    state = SimpleNamespace(topic=topic(), code="1", proved=0)

    def prove(name, prove=derivations.prove):
        state.proved += 1
        return prove(name)

    monkeypatch.setattr(derivations, "load", lambda name: state.topic)
    monkeypatch.setattr(derivations, "code", lambda name: state.code)
    monkeypatch.setattr(derivations, "prove", prove)
    return state


def test_the_same_code_is_proved_once(world, tmp_path):
    first, second = (derivations.proof("sum", tmp_path) for _ in range(2))
    assert world.proved == 1
    assert first == second


def test_other_code_is_proved_again_and_may_be_refused(world, tmp_path):
    derivations.proof("sum", tmp_path)
    world.topic, world.code = topic(a), "2"
    with pytest.raises(Rejected):
        derivations.proof("sum", tmp_path)
    with pytest.raises(Rejected):  # a refusal leaves no note
        derivations.proof("sum", tmp_path)


@pytest.mark.parametrize("content", ["", "{}", '{"errors": [], "anchors": []}', '{"errors": [{}], "anchors": [{}]}'])
def test_a_note_that_cannot_be_read_is_made_again(world, tmp_path, content):
    expected = derivations.proof("sum", tmp_path)
    (note,) = tmp_path.iterdir()
    note.write_text(content)
    assert derivations.proof("sum", tmp_path) == expected
    assert world.proved == 2
    assert len(list(tmp_path.iterdir())) == 1
