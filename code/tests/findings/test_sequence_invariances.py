"""Each claim on drawn sequences, its evidence moved past the boundary; a whole small run, twice the same."""

import random
from dataclasses import replace

import pytest

from worked.claims import NOT_SUPPORTED, SUPPORTED, UNDECIDED
from worked.findings import sequence_invariances as findings
from worked.findings.sequence_invariances import PREPARED, Summary
from worked.measurement import Context
from worked.records import Record
from worked.studies.sequence_invariances import CONSTRAINTS, LABELS, SCALES, STUDY
from worked.study import DRAWN

CLAIMS = {claim.id.removeprefix("sequence-invariances-"): claim for claim in findings.FINDINGS.claims}
# The part and labels of the records, and the metric, whose rise speaks for the claim (-1: whose fall).
MOVES = {
    "reversal-helps": ("reversal", "reversal", 1),
    "complement-helps": ("complement", "complement", 1),
    "one-of-two-reversal": ("both", "reversal", 1),
    "one-of-two-complement": ("both", "complement", 1),
    "both-over-reversal": ("both", "both", 1),
    "both-over-complement": ("both", "both", 1),
    "pairs": ("reversal", "reversal", 1),
    "wrong-reversal": ("none", "reversal", -1),
    "wrong-complement": ("none", "complement", -1),
    "normalised": ("scale", "normalised", 1),
    "augmented": ("scale", "augmented", 1),
    "normalised-over-augmented": ("scale", "normalised", 1),
}


def record(spec):
    draw = random.Random(spec.key)
    names = PREPARED if spec.config["part"] == "scale" else [name.replace(" ", "_") for name in CONSTRAINTS]
    norms = {f"{kind}_gradient_norm": [c * draw.uniform(0.5, 1) for c in SCALES] for kind in ("right", "wrong")}
    return Record(
        spec=spec,
        data_fingerprint={},
        metrics={f"{name}_test_accuracy": 0.7 + draw.uniform(-0.02, 0.02) for name in names},
        history=norms if spec.config["part"] == "scale" else {},
        trace={},
        code="0" * 64,
        environment={"torch": "2.11", "device": "cpu", "device_name": "CPU"},
        data_source=DRAWN,
        seconds=1.0,
        created="2026-01-01T00:00:00+00:00",
    )


@pytest.fixture(scope="module")
def records():
    return [record(spec) for spec in STUDY.specs(STUDY.profiles["full"], lambda spec: None)]


def moved(records, where, metric, by):
    name = f"{metric}_test_accuracy"
    out = []
    for one in records:
        config = one.spec.config
        if where == (config["labels"] if config["part"] == "symmetry" else "scale"):
            one = replace(one, metrics={**one.metrics, name: one.metrics[name] + by})
        out.append(one)
    return Summary(out)


def test_every_claim_is_moved():
    assert set(MOVES) == set(CLAIMS)


@pytest.mark.parametrize("name", MOVES)
def test_verdict_flips_when_its_evidence_passes_the_boundary(records, name):
    where, metric, sign = MOVES[name]

    def state(by):
        return CLAIMS[name].judge(moved(records, where, metric, sign * by)).state

    effect = CLAIMS[name].judge(Summary(records)).margin
    step = 1e-6
    assert state(-effect.low + step) == SUPPORTED
    assert state(-effect.low - step) == UNDECIDED
    assert state(-effect.high + step) == UNDECIDED
    assert state(-effect.high - step) == NOT_SUPPORTED


def test_figures_hold_every_number(records):
    summary = Summary(records)
    chart = findings.accuracies(summary)
    assert len(chart.rows) == len(LABELS) * len(CONSTRAINTS)
    assert {row["n"] for row in chart.rows} == {12}
    assert "Labels: both: no constraint 69.6, reversal 70.1" in chart.alt
    curves = findings.gradients(summary)
    assert len(curves.rows) == 2 * len(SCALES)
    assert "classified wrong" in curves.alt


def test_the_protocol_is_told_from_the_records(records):
    said = findings.protocol(Summary(records))
    assert "Sequences of 8 bases" in said
    assert "12 seeds" in said
    assert "no constraint 1,056, reversal 528, complement 528, both 264, symmetric units 544." in said


def test_seeds_are_paired(records):
    shuffled = random.Random(0).sample(records, len(records))
    assert Summary(shuffled).accuracies("both", "none") == Summary(records).accuracies("both", "none")
    assert Summary(shuffled).gradients("right") == Summary(records).gradients("right")


def test_a_small_run_measures_everything_and_does_so_again():
    specs = list(STUDY.specs(STUDY.profiles["smoke"], lambda spec: None))
    assert len(specs) == 2 * (len(LABELS) + 1)
    for spec in (specs[3], specs[4]):
        one, again = (STUDY.measure(spec, Context("cpu")) for _ in range(2))
        assert one == again
        assert all(0 <= value <= 1 for value in one.metrics.values())
    assert set(one.metrics) == {f"{name}_test_accuracy" for name in PREPARED}
    assert {len(values) for values in one.history.values()} == {len(SCALES)}
