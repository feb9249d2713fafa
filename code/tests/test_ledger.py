"""The table of mutants: sums of what the last run counted, and a word on what has changed since."""

import json
from dataclasses import replace

import pytest

from worked import derivations, ledger
from worked.records import RecordError, Store
from worked.symbolic.mutate import Report

NAME = "logistic_backprop"


def counted(wrong, rejected, **by):
    report = Report()
    report.counts["constant", "wrong", "rejected"] = rejected
    report.counts["constant", "wrong", "accepted"] = wrong - rejected
    report.counts["constant", "equivalent", "accepted"] = 3
    report.definitions.update({name.replace("_", " "): count for name, count in by.items()})
    return ledger.mutation_counts(NAME, report)


def table(folder, counts):
    made = {"created": "2026-01-01T00:00:00", "commit": "0123456789"}
    noted = {"derivations": {name: row | made for name, row in counts.items()}}
    (folder / "mutants.json").write_text(json.dumps(noted))
    return ledger.mutation_table(Store(folder))


def cells(myst, first):
    _, _, rest = myst.partition(f"* - {first}\n")
    return [line.removeprefix("  - ") for line in rest.splitlines()[:5]]


@pytest.fixture(autouse=True)
def one(monkeypatch):
    monkeypatch.setattr(derivations, "names", lambda: [NAME])


def test_what_the_run_counted(tmp_path):
    myst = table(tmp_path, {NAME: counted(1200, 1199, a_step=5, an_anchor=2, both=3, none=1)})
    assert cells(myst, derivations.load(NAME).TITLE) == ["1,200", "1,199", "11", "8", "5"]
    assert cells(myst, "All") == ["1,200", "1,199", "11", "8", "5"]
    assert "since then" not in myst


def test_a_change_since_then_is_said(tmp_path):
    myst = table(tmp_path, {NAME: counted(2, 2) | {"stated": "of another day"}})
    assert f"changed since then: {NAME}." in myst
    assert f"since then: {NAME}" in table(tmp_path, {})


def test_without_a_run_there_is_no_table(tmp_path):
    with pytest.raises(RecordError, match="run `make mutants`"):
        ledger.mutation_table(Store(tmp_path))


def test_a_reason_may_change_and_a_step_may_not(monkeypatch):
    topic = derivations.load(NAME)
    before, derive = derivations.stated(NAME), topic.derive

    def changed(**changes):
        first, *others = derive()
        steps = (*first.steps[:-1], replace(first.steps[-1], **changes))
        return (replace(first, steps=steps), *others)

    monkeypatch.setattr(topic, "derive", lambda: changed(why="Another reason."))
    assert derivations.stated(NAME) == before
    monkeypatch.setattr(topic, "derive", lambda: changed(right=topic.z))
    assert derivations.stated(NAME) != before
