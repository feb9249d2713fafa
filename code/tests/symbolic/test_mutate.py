"""The mutation test tested: every operator changes something, and a check that is too weak is noticed."""

import json
from dataclasses import dataclass
from importlib import util
from pathlib import Path

import pytest
from sympy import (
    IndexedBase,
    Integer,
    Integral,
    Limit,
    Max,
    Mod,
    Piecewise,
    Subs,
    Sum,
    Symbol,
    ceiling,
    exp,
    floor,
    oo,
    symbols,
)

from worked.symbolic import mutate
from worked.symbolic.anchor import Anchor
from worked.symbolic.definitions import Definition
from worked.symbolic.derivation import Derivation, claim, define
from worked.symbolic.functions import Partial
from worked.symbolic.methods import Algebra

m = Symbol("m", integer=True, positive=True)
i, k = symbols("i k", integer=True)
a, b = symbols("a b", positive=True)
c = Symbol("c", real=True)
x, W = IndexedBase("x", shape=(m,), real=True), IndexedBase("W", shape=(m, m), real=True)
SQUARES = claim((a - b) ** 2, a**2 - 2 * a * b + b**2, "")

spec = util.spec_from_file_location("mutants", Path(__file__).parents[1] / "mutants.py")
script = util.module_from_spec(spec)
spec.loader.exec_module(script)

OPERATORS = {
    "sign of one term": (a + b, a - b),
    "term dropped": (a + b, b),
    "factor dropped": (a * b, b),
    "exponent": (a**2, a**3),
    "exponent sign": (a**2, a**-2),
    "argument sign": (exp(a), exp(-a)),
    "function dropped": (exp(a), a),
    "constant": (b * (a + 2), b * (a + 3)),
    "constant sign": (Max(c, 2), Max(c, -2)),
    "transposed index": (W[i, k], W[k, i]),
    "wrong index": (x[i], x[k]),
    "index off by one": (x[i], x[i + 1]),
    "sum from lo+1": (Sum(x[i], (i, 1, m)), Sum(x[i], (i, 2, m))),
    "sum to hi-1": (Sum(x[i], (i, 1, m)), Sum(x[i], (i, 1, m - 1))),
    "sum dropped": (Sum(x[i], (i, 1, m)), x[1]),
    "extra factor 2": (a + b, 2 * a + b),
    "whole sign": (a, -a),
    "doubled": (a, 2 * a),
    "plus one": (a, a + 1),
    "other quantity": (Partial(a, x[i]), Partial(b, x[i])),
    "other variable": (Partial(a, x[i]), Partial(a, b)),
    "index sign": (x[i - k], x[i + k]),
    "condition": (Piecewise((a, c > 0), (b, True)), Piecewise((a, c <= 0), (b, True))),
    "rounding": (floor(c), ceiling(c)),
    "limits of the integral": (Integral(c * a, (c, 0, oo)), Integral(c * a, (c, 1, oo))),
    "limit point": (Limit(a, a, 0), Limit(a, a, 1)),
}


def test_signs_change_inside_a_remainder():
    found = {new for operator, new in mutate.mutants(x[Mod(i + k, m)]) if operator == "index sign"}
    assert found == {x[Mod(i - k, m)], x[Mod(k - i, m)]}


@pytest.mark.parametrize(("operator", "before", "after"), [(o, *pair) for o, pair in OPERATORS.items()])
def test_every_operator(operator, before, after):
    assert (operator, after) in mutate.mutants(before, (i, k), (a, b))


def test_a_restriction_is_moved():
    assert ("constant", Subs(a * b, a, 1)) in mutate.mutants(Subs(a * b, a, 0))


def test_a_sound_check_rejects_all():
    report = mutate.run(mutate.candidates([Derivation("squares", "", {}, (SQUARES,))]))
    assert report.total("wrong", "rejected") == report.total("wrong") > 30
    assert script.judge(report, at_least=30) == []
    assert script.judge(report, at_least=10**4)


@dataclass(frozen=True)
class Careless(Algebra):
    """Sees a wrong number, but not what depends on a symbol."""

    def proves(self, difference, context):
        return bool(difference.free_symbols) or super().proves(difference, context)


def test_a_weak_check_is_noticed():
    weak = Derivation("squares", "", {}, (claim(SQUARES.left, SQUARES.right, "", Careless()),))
    report = mutate.run(mutate.candidates([weak]))
    assert report.survivors
    assert "SURVIVED" in report.table()
    assert any("accepted" in problem for problem in script.judge(report, at_least=1))


WEAK = Derivation("squares", "", {}, (claim(SQUARES.left, SQUARES.right, "", Careless()),))


@pytest.fixture
def one_topic(monkeypatch, tmp_path):
    """The script on a topic that is not in the book; returns a function that sets what was tried on it."""
    monkeypatch.setenv("WORKED_STORE", str(tmp_path))
    monkeypatch.setattr(script.derivations, "names", lambda: ["squares"])
    monkeypatch.setattr(script.ledger, "mutation_counts", lambda name, report: {"wrong": report.total("wrong")})

    def tried(derivation):
        report = mutate.run(mutate.candidates([derivation]))
        monkeypatch.setattr(script, "attacks", lambda names: [(report, 1.0)])
        return tmp_path / "mutants.json"

    return tried


def test_the_script_fails_when_a_mutant_survives(one_topic, capsys):
    one_topic(WEAK)
    assert script.main(["squares"]) == 1
    assert "wrong mutants were accepted" in capsys.readouterr().err


def test_the_script_fails_when_there_are_too_few(one_topic, capsys, monkeypatch):
    kept = one_topic(Derivation("squares", "", {}, (SQUARES,)))
    monkeypatch.setattr(script, "AT_LEAST", 1)
    assert script.main(["squares"]) == 0
    before = json.loads(kept.read_text())["derivations"]["squares"]
    assert script.main([]) == 1
    assert "expected at least 1200 wrong mutants in all" in capsys.readouterr().err
    assert kept.exists()
    # A run of some derivations leaves the counts of the others as they are, and forgets what is no more.
    monkeypatch.setattr(script.derivations, "names", lambda: ["squares", "other"])
    kept.write_text(json.dumps({"derivations": {"squares": {"wrong": 0}, "other": {"wrong": 5}, "gone": {"wrong": 7}}}))
    assert script.main(["squares"]) == 0
    after = json.loads(kept.read_text())["derivations"]
    assert set(after) == {"squares", "other"}
    assert (after["other"], after["squares"]["wrong"]) == ({"wrong": 5}, before["wrong"])


def defined(body):
    return Derivation("unused", "", {}, (define(c, body, ""), SQUARES))


def test_a_definition_that_nothing_checks_is_noticed():
    unused = defined(a + b)
    report = mutate.run(d for d in mutate.candidates([unused]) if d.step == 0)
    assert report.survivors
    assert set(report.definitions) == {"none"}


def test_an_anchor_refuses_a_wrong_definition():
    def anchors(derivations):
        (d,) = derivations
        value = d.definitions.by_name[c].body.xreplace({a: Integer(2), b: Integer(5)})
        return [Anchor("c", "a sum", abs(float(value) - 7))]

    d = defined(a + b)
    report = mutate.run((m for m in mutate.candidates([d]) if m.step == 0), [d], anchors)
    assert not report.survivors
    assert set(report.definitions) == {"an anchor"}


def test_a_definition_is_changed_wherever_it_is_used():
    first, second = defined(a + b), Derivation("later", "", {}, (SQUARES,), (Definition(c, a + b),))
    changed = [d.redefined(c, a - b).definitions.by_name[c].body for d in (first, second)]
    assert changed == [a - b, a - b]


def test_equal_mutants_are_not_called_wrong():
    d = Derivation("one", "", {}, (claim(a * Integer(1), a, ""),))
    same = mutate.Candidate(d, 0, "right", "none", (a**2) / a)
    assert not same.is_wrong()
    assert not same.is_rejected()


def test_samples_are_reproducible():
    d = Derivation("squares", "", {}, (SQUARES,))
    assert mutate.sample([d], 5, seed=1) == mutate.sample([d], 5, seed=1)
    assert mutate.sample([d], 5, seed=1) != mutate.sample([d], 5, seed=2)
