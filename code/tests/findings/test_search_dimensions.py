"""Each claim on the number of parameters, its evidence moved just past the boundary; everything that is shown."""

import random
from dataclasses import replace

import pytest
from fabricated import whole

from worked.claims import NOT_SUPPORTED, SUPPORTED, UNDECIDED
from worked.findings import search_dimensions as shown
from worked.records import Record
from worked.studies import search_dimensions as study

CLAIMS = {claim.id: claim for claim in shown.CLAIMS}
OTHERS = ("grid", "random", "sobol")
# The searches whose accuracy speaks for the claim when it rises.
MOVES = {
    **{f"dimensions-{n}-bayes-over-{other}": (n, "bayes") for n in (1, 3, 6) for other in OTHERS},
    **{f"dimensions-{other}-widens": (6, "bayes") for other in OTHERS},
    **{f"dimensions-{n}-random-over-grid": (n, "random") for n in (1, 3, 6)},
    **{f"dimensions-{m}-{many}-over-{few}": (many, m) for m in study.METHODS for many, few in ((3, 1), (6, 3), (6, 1))},
}


def record(spec):
    """A record that was never measured."""
    draw = random.Random(spec.key)
    accuracies = [0.5 + 0.4 * draw.random() for _ in range(spec.config["rounds"])]
    method = spec.config["search"]
    config = {"rate": 1e-3, "momentum": 0.9, "batch_size": 16 if method == "bayes" else 64}
    configs = list(study.method(spec)) if method == "grid" else [config] * len(accuracies)
    trials = [
        {
            "config": config,
            "validation_accuracy": accuracy,
            "diverged": None,
            "seconds": 0.5,
            "proposal_seconds": 0.25,
        }
        for config, accuracy in zip(configs, accuracies, strict=True)
    ]
    names = [parameter.name for parameter in study.space(spec)]
    metrics = {"validation_accuracy": max(accuracies)} | {f"sensitivity_{name}": draw.random() for name in names}
    return Record(
        spec, {"train": "a" * 64, "test": "b" * 64}, metrics, {}, {"losses": [2.3]}, "0" * 64,
        {"torch": "2.15", "device": "cpu", "device_name": "CPU"}, spec.data["source"], 1.0, "2026-01-01T00:00:00+00:00",
        trials,
    )  # fmt: skip


@pytest.fixture(scope="module")
def records():
    """A laptop set that was never measured."""
    return whole(study.STUDY, "laptop", record)


def moved(records, count, method, by):
    """The records with the accuracies of some searches moved, by a little more for each seed."""
    out = []
    for r in records:
        if (r.spec.config["parameters"], r.spec.config["search"]) == (count, method):
            more = by + 2e-4 * (r.spec.seed - 2)
            trials = [t | {"validation_accuracy": t["validation_accuracy"] + more} for t in r.trials]
            r = replace(r, trials=trials)
        out.append(r)
    return out


def test_every_claim_is_moved():
    assert set(MOVES) == set(CLAIMS)


@pytest.mark.parametrize("name", MOVES)
def test_verdict_flips_when_its_evidence_passes_the_boundary(records, name):
    def judged(by):
        return CLAIMS[name].judge(shown.Summary(moved(records, *MOVES[name], by)))

    effect, step = judged(0.0).margin, 1e-6
    assert judged(-effect.low + step).state == SUPPORTED
    assert judged(-effect.low - step).state == UNDECIDED
    assert judged(-effect.high + step).state == UNDECIDED
    assert judged(-effect.high - step).state == NOT_SUPPORTED


def test_everything_is_shown(records):
    summary = shown.Summary(records)
    table = shown.accuracies(summary)
    assert [row[0] for row in table.body] == ["1", "3", "6"]
    assert {len(row) for row in table.body} == {len(table.header)} == {5}
    assert len(table.rows) == 60
    assert len(shown.progress(summary).rows) == 3 * 4 * 64
    assert len(shown.sensitivities(summary).body) == 6
    told = shown.protocol(summary)
    assert "64 to the power of 1, 4 to the power of 3 or 2 to the power of 6" in told
    assert "is $9.3 \\cdot 10^{-4}$ with 1, $3.2 \\cdot 10^{-4}$ with 3 and $1.0 \\cdot 10^{-4}$ with 6" in told
    assert "6,000 training images" in told
    assert "The 3,840 trials of all searches took 0.8 hours" in told
    told = shown.at_the_ends(summary)
    assert "5 have the highest learning rate of the range, 0 the highest momentum and 5 the smallest batch" in told
    assert "Of those of the 15 other searches, 10 have the first, 0 the second and 0 the third." in told
    ranges = shown.space(summary)
    assert ranges.body[0][2] == "–"
    assert ranges.body[1] == ["Momentum", "0 to 1", "0.9", "0.25, 0.75"]
    assert ranges.body[2] == ["Kernel size", "3, 5, 7, 9", "5", "5, 9"]
    assert ranges.body[5] == ["Number of maps", "4, 8, 16, 32", "16", "8, 32"]
    assert {cell for row in shown.cost(summary).body for cell in row[1:]} == {"0.8"}
    assert {shown.pays(summary, method) for method in study.METHODS} == {1}
    paying = moved(moved(records, 3, "bayes", 0.2), 6, "bayes", 0.4)
    assert shown.pays(shown.Summary(moved(records, 3, "random", 0.2)), "random") == 3
    assert shown.pays(shown.Summary(paying), "bayes") == 6
    answer = "from 1 to 3 to 6 is supported to pay at each step up to 6 for Bayesian search; at no step for grid,"
    assert answer in shown.brief(shown.Summary(paying))
    lifted = shown.brief(shown.Summary(moved(records, 6, "grid", 0.2)))
    assert "is **supported** for grid search; **undecided** for random search" in lifted
    assert "with 6 Bayesian optimisation ends higher is **not supported** against the grid; **undecided**" in lifted
    assert set(shown.LEADS) | set(shown.GROWTH) < set(CLAIMS)
    assert shown.name(records[0]) == "grid search over 1 parameter"
