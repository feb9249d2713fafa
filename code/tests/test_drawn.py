"""Studies that draw their own data: their records are replayed by measuring again."""

import random
from dataclasses import replace

import pytest

from worked.machine import StudyError, environment
from worked.measurement import Context, Measurement
from worked.records import Record, Spec, Store
from worked.replay import evaluate_weights, replay
from worked.study import DRAWN, Profile, Study

SPEC = Spec("mean", 1, "full", {"n": 10}, 3, {"name": "uniform numbers", "source": DRAWN})


def measure(spec, context):
    drawn = random.Random(spec.seed)
    values = [drawn.random() for _ in range(spec.config["n"])]
    return Measurement({"mean": sum(values) / len(values)}, {"value": values}, {}, {}, DRAWN)


STUDY = Study("mean", "A mean", "What is it?", 1, {"full": Profile("full", "nothing", DRAWN, {})}, __name__,
              lambda profile, stored: [SPEC], measure, lambda spec: 1)  # fmt: skip


def record(**changes):
    measured = measure(SPEC, Context("cpu"))
    return Record(SPEC, {}, measured.metrics, measured.history, {}, "0" * 64, environment("cpu"), DRAWN, 0.1,
                  "2026-01-01T00:00:00+00:00", **changes)  # fmt: skip


def test_the_same_numbers_agree(tmp_path):
    outcome = replay(STUDY, record(), Store(tmp_path), device="cpu")
    assert outcome.agrees
    assert outcome.detail == "measured again, 11 numbers, exact"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"metrics": {"mean": 0.5}}, "mean is "),
        ({"metrics": {}}, "mean"),
        ({"history": {"value": [0.5] * 10}}, "value 0 is "),
        ({"trace": {"losses": [1.0]}}, "trace are not those"),
    ],
)
def test_other_numbers_disagree(tmp_path, changes, named):
    outcome = replay(STUDY, replace(record(), **changes), Store(tmp_path), device="cpu")
    assert outcome.agrees is False
    assert named in outcome.detail


def test_there_are_no_weights_to_test(tmp_path):
    with pytest.raises(StudyError, match="mean keeps no weights"):
        evaluate_weights(STUDY, SPEC, tmp_path / "some.safetensors", device="cpu")
