"""The benchmark's record on its page: ratios, verdicts that turn at their bounds, and what is said where none is."""

import json

import pytest

from worked import benchmark, ledger
from worked.claims import NOT_SUPPORTED, SUPPORTED, UNDECIDED
from worked.page import ROOT
from worked.records import RecordError, Store

TINY = 1e-6


def around(value):
    return [value - TINY, value, value + TINY]


def fabricated(device="cpu", *, times=None, kept=None, share=0.95, gap=0.0, many=20.0):
    """A record in which every ratio is a little around a value."""
    workloads = {}
    for name, (bound, _) in benchmark.BOUNDS[device].items():
        workloads[name] = {
            "images": 1280,
            "batch": 128,
            "epochs": 3,
            "rounds": 3,
            "created": "2026-01-02T03:04:05+00:00",
            "seconds": {
                "ours, bfloat16": [9.0] * 3,
                "ours, float32": [1.0, 2.0, 3.0],
                "stock loop, 0 workers": [4.0, 8.0, 15.0],
            },
            "ratios": {
                "times stock loop": around(times or bound + 1),
                benchmark.EQUAL: around(1.5),
                "share of the floor": around(share),
                "times stock loop, of the floor": around(7.0),
                f"times {benchmark.KEPT}": around(kept or bound + 1),
            },
        }
        workloads[f"Accuracy, {name}"] = {
            "images": 5000,
            "epochs": 3,
            "created": "2026-01-02T03:04:05+00:00",
            # the other precision is as far from the stock loop's as it can be
            "reached": {"ours, bfloat16": [0.1] * 3, "ours, float32": around(0.9 + gap), "stock loop": [0.9] * 3},
        }
    way = benchmark.MANY_WAYS[device]
    workloads[benchmark.MANY] = {
        "images": 10,
        "batch": 5,
        "epochs": 1,
        "rounds": 3,
        "created": "2026-01-02T03:04:05+00:00",
        "seconds": {"in turn": [2.0] * 3, way: [1.0] * 3},
        "ratios": {f"times in turn, {way}": around(many)},
    }
    return {
        "environment": {"device_name": "a processor", "threads": 2, "torch": "2.0+cpu"},
        "source": "official",
        "measured": workloads,
    }


def stored(folder, record, device="cpu"):
    (folder / "benchmarks").mkdir(exist_ok=True)
    (folder / "benchmarks" / f"{device}.json").write_text(json.dumps(record))
    return Store(folder)


def verdict(store, name):
    return next(found for found in benchmark.verdicts(store) if found.claim.id == name).state


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_every_claim_turns_at_its_bound(tmp_path, device):
    cnn, bounds = f"engine-{device}-cnn", benchmark.BOUNDS[device][benchmark.CNN]
    many = {"cpu": 1.0, "cuda": 10.0}[device]
    for name, setting, bound in (
        (f"{cnn}-stock", "times", bounds[0]),
        *([(f"{cnn}-stock-kept", "kept", bounds[0])] if device == "cpu" else []),
        (f"{cnn}-floor", "share", bounds[1]),
        (f"engine-{device}-many", "many", many),
    ):
        for offset, state in ((0.01, SUPPORTED), (0.0, UNDECIDED), (-0.01, NOT_SUPPORTED)):
            store = stored(tmp_path, fabricated(device, **{setting: bound + offset}), device)
            assert verdict(store, name) == state, (name, offset)


@pytest.mark.parametrize("sign", [-1, 1])
def test_equal_accuracy_means_an_interval_inside_the_margin(tmp_path, sign):
    name = "engine-cpu-lenet-5-accuracy"
    for gap, state in ((0.99, SUPPORTED), (1.0, UNDECIDED), (1.01, NOT_SUPPORTED)):
        store = stored(tmp_path, fabricated(gap=sign * gap * benchmark.SAME))
        assert verdict(store, name) == state


def test_ratios_are_taken_within_a_round_and_the_fastest_comes_first():
    table = benchmark.times(benchmark.Benchmark("cpu", fabricated()), benchmark.LENET)
    assert [row[0] for row in table.body] == ["ours, float32", "stock loop, 0 workers", "ours, bfloat16"]
    assert table.body[1][1:] == ["8.00 (4.00 to 15.00)", "4.00 (4.00 to 5.00)"]
    assert len(table.rows) == 9


def test_the_accuracies_and_their_difference():
    table = benchmark.accuracies(benchmark.Benchmark("cpu", fabricated(gap=-0.005)))
    assert [row[:2] for row in table.body[:2]] == [
        [benchmark.LENET, precision] for precision in ("bfloat16", "float32")
    ]
    assert f"{benchmark.LENET}: 3 epochs of 5,000 images" in table.caption
    assert [row[4][:6] for row in table.body[:2]] == ["−80.00", "−0.50 "]
    assert len(table.rows) == 2 * 3 * 3


def test_a_device_without_a_record_is_named_with_what_it_leaves_open(tmp_path):
    store = stored(tmp_path, fabricated())
    said = benchmark.missing(store)
    assert "no record of a GPU exists" in said
    for claim in benchmark.claims("cuda"):
        assert claim.statement in said
    stored(tmp_path, fabricated("cuda"), "cuda")
    assert benchmark.missing(store) == ""
    assert {found.claim.id.split("-")[1] for found in benchmark.verdicts(store)} == {"cpu", "cuda"}


@pytest.mark.parametrize("lost", [benchmark.CNN, benchmark.MANY, "Accuracy, LeNet-5"])
def test_half_a_record_is_refused(tmp_path, lost):
    record = fabricated()
    del record["measured"][lost]
    with pytest.raises(RecordError, match=r"run `python code/benchmarks/engine\.py` again"):
        benchmark.verdicts(stored(tmp_path, record))


@pytest.mark.parametrize(
    ("workload", "ratio"),
    [
        (benchmark.CNN, "times stock loop, of the floor"),
        (benchmark.CNN, benchmark.EQUAL),
        (benchmark.LENET, "share of the floor"),
        (benchmark.MANY, "times in turn, in processes"),
    ],
)
def test_a_record_of_an_older_benchmark_is_refused(tmp_path, workload, ratio):
    record = fabricated()
    del record["measured"][workload]["ratios"][ratio]
    with pytest.raises(RecordError, match=r"run `python code/benchmarks/engine\.py` again"):
        benchmark.read("cpu", stored(tmp_path, record))


def test_the_brief_answer_says_what_was_asked_and_how_it_fell(tmp_path):
    for many, state in ((2.6, "supported"), (2.4, "not supported")):
        said = benchmark.brief(benchmark.Benchmark("cpu", fabricated(times=many)))
        assert "It reaches 95 (95 to 95) % of the speed of computing alone, which is 7.00 (7.00 to 7.00) times" in said
        assert "1.50 (1.50 to 1.50) times if both compute in float32" in said
        assert f"**LeNet-5** trains {many:.2f} ({many:.2f} to {many:.2f}) times as fast" in said
        assert f"- On this CPU, the LeNet-5 trains at least 2.5 times as fast as the stock loop: **{state}**" in said


def test_the_committed_record_is_judged_in_the_ledger(monkeypatch):
    monkeypatch.setenv("WORKED_STORE", str(ROOT / "results"))
    store = Store.default()
    told = ledger.claim_lists(ledger.chapters(store))
    assert benchmark.every(store)
    for found in benchmark.verdicts(store):
        assert f"#claim-{found.claim.id}" in told
