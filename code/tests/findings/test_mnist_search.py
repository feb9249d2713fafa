"""Each claim on the searches, its evidence moved just past the boundary; everything that is shown."""

import random
from dataclasses import replace

import pytest
from fabricated import whole

from worked.claims import NOT_SUPPORTED, SUPPORTED, UNDECIDED
from worked.findings import mnist_search as shown
from worked.records import Record
from worked.studies import mnist_search as study
from worked.study import StudyError

CLAIMS = {claim.id: claim for claim in shown.CLAIMS}
GOALS = {"grid": 0.955, "random": 0.960, "sobol": 0.962, "bayes": 0.970}
INDICES = {"rate": 0.6, "momentum": 0.4, "kernel": 0.05}


def record(spec):
    """A record that was never measured. Accuracies rise from round to round, so that the last is the best."""
    draw = random.Random(spec.key)
    trials, history = [], {}
    if method := spec.config.get("search"):
        configs = [{"rate": 10 ** draw.uniform(-7, -3), "momentum": draw.random(), "kernel": draw.choice((3, 5, 7))}
                   for _ in range(75)]  # fmt: skip
        goal = GOALS[method] + draw.uniform(-1e-3, 1e-3)
        trials = [
            {"config": config, "validation_accuracy": goal - 0.8 * 0.8**n if n < 74 else goal, "diverged": None,
             "seconds": 10.0, "proposal_seconds": 2.0 if method == "bayes" else 0.0}
            for n, config in enumerate(configs)
        ]  # fmt: skip
        trials[3] |= {"validation_accuracy": None, "diverged": "a loss was not finite"}
        metrics = {"validation_accuracy": goal}
        metrics |= {f"sensitivity_{name}": value + draw.uniform(-0.01, 0.01) for name, value in INDICES.items()}
    else:
        accuracies = {
            f"{split}_accuracy": 0.987 + draw.uniform(-1e-3, 1e-3) for split in ("train", "validation", "test")
        }
        metrics = {"selected_epoch": 20, **accuracies}
        history = {"validation_accuracy": [0.97 + draw.uniform(-1e-3, 1e-3), *[0.98] * 18, 0.985]}
    return Record(
        spec, {"train": "a" * 64, "test": "b" * 64}, metrics, history, {"losses": [2.3]}, "0" * 64,
        {"torch": "2.15", "device": "cpu", "device_name": "CPU"}, spec.data["source"], 1.0, "2026-01-01T00:00:00+00:00",
        trials,
    )  # fmt: skip


@pytest.fixture(scope="module")
def records():
    """A full set that was never measured."""
    return whole(study.STUDY, "full", record)


def changed(records, which, change):
    """The records, those that `which` names changed by `change(record, by)`, `by` rising a little with the seed.

    It names a method's searches, "longer" and a name of finals, or all finals by None.
    """
    finals = {f"longer {name}": {r.key for r in runs} for name, runs in shown.Summary(records).finals.items()}
    keys = finals.get(which) or {r.key for r in records if r.spec.config.get("search") == which}
    return [change(r, 2e-4 * (r.spec.seed - 2)) if r.key in keys else r for r in records]


def trained_again(records):
    """The searches with finals of the best configurations that they have now."""
    searches = {r.key: r for r in records if r.trials}
    wanted = study.specs(study.PROFILES["full"], lambda one: searches.get(one.key))
    return [searches.get(one.key) or record(one) for one in wanted]


def lifted(by):
    """Lift every trial's accuracy."""

    def change(r, more):
        trials = [
            t | {"validation_accuracy": t["validation_accuracy"] and t["validation_accuracy"] + by + more}
            for t in r.trials
        ]
        return replace(r, trials=trials)

    return change


def metric(name, by):
    """Move one number of a record."""
    return lambda r, more: replace(r, metrics=r.metrics | {name: r.metrics[name] + by + more})


def ending(by):
    """Move the validation accuracy after the last epoch."""

    def change(r, more):
        *before, last = r.history["validation_accuracy"]
        return replace(r, history={"validation_accuracy": [*before, last + by + more]})

    return change


# The records and the change that speaks for the claim when it is positive.
MOVES = {
    "search-bayes-over-grid": ("bayes", lifted),
    "search-bayes-over-random": ("bayes", lifted),
    "search-bayes-over-sobol": ("bayes", lifted),
    "search-bayes-over-grid-in-time": ("bayes", lifted),
    "search-bayes-over-random-in-time": ("bayes", lifted),
    "search-random-over-grid": ("random", lifted),
    "search-sobol-over-grid": ("sobol", lifted),
    "search-sobol-over-random": ("sobol", lifted),
    "search-bayes-over-sobol-in-time": ("bayes", lifted),
    **{f"search-{m}-rate-over-momentum": (m, lambda by: metric("sensitivity_rate", by)) for m in ("sobol", "bayes")},
    **{
        f"search-{m}-momentum-over-kernel": (m, lambda by: metric("sensitivity_momentum", by))
        for m in ("sobol", "bayes")
    },
    "search-pass": (None, lambda by: metric("test_accuracy", by)),
    **{f"search-{m}-over-untuned": (f"longer {m}", lambda by: metric("test_accuracy", by)) for m in study.METHODS},
    **{
        f"search-bayes-over-{other}-longer": ("longer bayes", lambda by: metric("test_accuracy", by))
        for other in ("grid", "random", "sobol")
    },
    **{f"search-{name}-gains": (f"longer {name}", ending) for name in (*study.METHODS, "untuned")},
}


def test_every_claim_is_moved():
    assert {*MOVES, "search-bayes-sooner"} == set(CLAIMS)


@pytest.mark.parametrize("name", MOVES)
def test_verdict_flips_when_its_evidence_passes_the_boundary(records, name):
    which, move = MOVES[name]

    def judged(by):
        return CLAIMS[name].judge(shown.Summary(changed(records, which, move(by))))

    effect, step = judged(0.0).margin, 1e-6
    assert judged(-effect.low + step).state == SUPPORTED
    assert judged(-effect.low - step).state == UNDECIDED
    assert judged(-effect.high + step).state == UNDECIDED
    assert judged(-effect.high - step).state == NOT_SUPPORTED


def reaching(records, firsts):
    """The records with Bayesian searches that are as good as their grid from these rounds on, a round for each seed."""
    tops = {r.spec.seed: r.trials[-1]["validation_accuracy"] for r in records if r.spec.config.get("search") == "grid"}

    def change(r, more):
        top, first = tops[r.spec.seed], firsts[r.spec.seed]
        accuracies = [top if n >= first else 0.5 for n in range(1, 76)]
        return replace(r, trials=[t | {"validation_accuracy": a} for t, a in zip(r.trials, accuracies, strict=True)])

    return trained_again(changed(records, "bayes", change))


@pytest.mark.parametrize(
    ("firsts", "margins", "state"),
    [
        ([20, 30, 40, 50, 60], [55, 45, 35, 25, 15], SUPPORTED),
        ([74] * 5, [1] * 5, SUPPORTED),
        ([75] * 5, [0] * 5, UNDECIDED),
        ([99] * 5, [-1] * 5, NOT_SUPPORTED),
        ([99, 99, 99, 99, 70], [-1, -1, -1, -1, 5], UNDECIDED),
    ],
)
def test_as_good_as_the_grid_before_the_last_round(records, firsts, margins, state):
    summary = shown.Summary(reaching(records, firsts))
    assert shown.rounds_saved(summary) == margins
    assert CLAIMS["search-bayes-sooner"].judge(summary).state == state
    row = shown.sooner(summary).body[0]
    assert row[1] == f"{sum(first < 99 for first in firsts)} of 5"
    assert row[2] == ", ".join("never" if first == 99 else str(first) for first in firsts)
    # 10 s of training and 2 of proposing a round, against 75 rounds of 10.
    assert row[3].split(", ")[-1] == ("never" if firsts[-1] == 99 else f"{firsts[-1] * 12 / 60:.1f}")
    assert row[4] == "12.5"
    assert f"as the whole grid in round {row[2]}." in shown.brief(summary)


def test_time_counts_what_bayesian_search_spends_on_proposing(records):
    summary = shown.Summary(records)
    assert summary.seconds("bayes")[0][-1] == 75 * 12
    # In the 750 s of a grid it has done 62 of its trials of 12 s.
    assert summary.at("bayes", [750.0] * 5) == [curve[61] for curve in summary.best_so_far("bayes")]
    assert summary.at("bayes", [11.9] * 5) == [0.0] * 5
    assert summary.at("bayes", [1e9] * 5) == summary.last("bayes")


def test_a_machine_that_was_slow_for_a_while_does_not_decide(records):
    """A trial costs what its kernel size costs in all searches; a proposal what was measured."""

    def slower(r, _):
        return replace(r, trials=[t | {"seconds": 13.0 if t["config"]["kernel"] == 7 else 12.0} for t in r.trials])

    slow = [slower(r, 0) if r.trials else r for r in records]
    summary = shown.Summary(slow)
    assert summary.training_seconds == pytest.approx({3: 12.0, 5: 12.0, 7: 13.0})
    large = sum(t["config"]["kernel"] == 7 for t in summary.searches["bayes"][0].trials)
    assert summary.seconds("bayes")[0][-1] == pytest.approx(75 * (12 + 2) + large)
    one = shown.Summary(changed(records, "grid", slower))
    costs = one.training_seconds
    for method in ("grid", "random"):
        kernels = [t["config"]["kernel"] for t in one.searches[method][0].trials]
        assert one.seconds(method)[0][-1] == pytest.approx(sum(costs[kernel] for kernel in kernels))
    assert "13.0 s for kernel size 7" in shown.timing(summary)


def test_what_the_grid_leaves_out_is_counted(records):
    def at(momentum):
        def change(r, _):
            top = max(range(75), key=lambda n: r.trials[n]["validation_accuracy"] or 0)
            trials = [t | {"config": t["config"] | {"momentum": momentum}} if n == top else t
                      for n, t in enumerate(r.trials)]  # fmt: skip
            return replace(r, trials=trials)

        return change

    grid = [0.0, 0.25, 0.5, 0.75, 1.0] * 15
    made = [replace(r, trials=[t | {"config": t["config"] | {"momentum": m}}
                               for t, m in zip(r.trials, grid, strict=True)])
            if r.spec.config.get("search") == "grid" else r for r in records]  # fmt: skip
    for method, momentum in (("random", 0.9), ("sobol", 0.75), ("bayes", 1.0)):
        made = changed(made, method, at(momentum))
    told = shown.between(shown.Summary(made))
    assert "0.75 and 1. Of the best configurations of the 15 other searches, 5 lie" in told
    assert "Of the 15, 0 have the highest rate" in told
    assert "configuration of grid and Bayesian search has a momentum of 1." in shown.undamped(shown.Summary(made))


def test_a_diverged_trial_counts_and_changes_nothing(records):
    summary = shown.Summary(records)
    assert [summary.diverged(method) for method in study.METHODS] == [5] * 4
    assert all(curve[3] == curve[2] for method in study.METHODS for curve in summary.best_so_far(method))


def test_scrambled_test_numbers_choose_the_same(records):
    summary = shown.Summary(records)
    other = shown.Summary(changed(records, None, metric("test_accuracy", -0.5)))
    for method in study.METHODS:
        assert summary.best(method) == other.best(method)
    assert summary.winner == other.winner == "bayes"


def test_everything_is_shown(records):
    summary = shown.Summary(records)
    assert [row[0] for row in shown.choice(summary).body] == ["grid", "random", "Sobol", "Bayesian"]
    assert len(shown.choice(summary).rows) == 20
    chart = shown.progress(summary)
    assert len(chart.rows) == 4 * (75 + shown.TIMES)
    assert "Against rounds" in chart.alt
    looked = shown.looked(summary)
    assert len(looked.rows) == 4 * 75
    assert "1 diverged" in looked.alt
    bayes = shown.cost(summary).body[-1]
    assert bayes == ["Bayesian", "10.0", "2.00", "2.00", "2.00", "15.0"]
    assert [row[0] for row in shown.sooner(summary).body] == ["grid", "random", "Sobol"]
    assert set(shown.AFTER_ALL_TRIALS) < set(CLAIMS)
    assert set(shown.MATTERS) | set(shown.IN_TIME) | set(shown.FOR_LONGER) < set(CLAIMS)
    assert len(set(shown.GAINS) & set(CLAIMS)) == 5
    assert shown.undamped(summary).startswith("No method's best configuration")
    longer = shown.epochs(summary)
    assert longer.caption.endswith("after the first epoch.")
    fallen = shown.Summary(changed(records, "longer grid", ending(-0.5)))
    assert shown.epochs(fallen).caption.endswith("after the first epoch; grid search's rises to 52 %.")
    assert "points after the first epoch, by" in shown.head_start(summary)
    assert shown.head_start(summary).endswith("of: grid, random, Sobol, Bayesian, untuned.")
    assert len(longer.rows) == 5 * 20
    assert longer.alt.startswith("1 line chart of validation error")
    assert "Trials that diverged, in all searches: 20." in shown.choice(summary).caption
    assert "A cross is a trial" in looked.caption
    indices = shown.sensitivities(summary)
    assert indices.header == ("Parameter", "Sobol trials", "Bayesian trials")
    assert [row[0] for row in indices.body] == ["Learning rate", "Momentum", "Kernel size"]
    final = shown.final(summary)
    assert [row[0] for row in final.body] == ["grid", "random", "Sobol", "Bayesian", "untuned"]
    assert {row[-1] for row in final.body} == {"20 to 20"}
    assert {(row["rate"], row["momentum"]) for row in final.rows if row["method"] == "untuned"} == {(1e-3, 0.9)}
    assert len(final.rows) == 5 * 5
    told = shown.protocol(summary)
    assert "Of the 60,000 training images, 6,000" in told
    assert "Each method has 75 trials" in told
    assert "The 1,500 trials of all searches took 4.4 hours" in told
    assert "between $10^{-7}$ and $10^{-3}$, on" in told
    found = "The best of all 20 searches was one by Bayesian search; the best of Sobol search, the next, was"
    assert found in shown.brief(summary)
    assert "**supported** against the grid and against random search and against Sobol search." in shown.brief(summary)
    assert "one that was not tuned (learning rate 0.001, momentum 0.9, kernel size 5) reaches" in shown.brief(summary)
    assert "than the untuned one is **" in shown.brief(summary)
    assert "A Bayesian search took 15.0 minutes, model fitting included, and the others 12.5 to 12.5." in shown.brief(
        summary
    )
    assert {shown.name(r) for r in records} >= {"Sobol search", "a configuration trained for longer"}


def test_a_diverged_run_is_named(records):
    with pytest.raises(StudyError, match="diverged and has no accuracy to show"):
        shown.Summary([replace(r, diverged="a loss was not finite") if r.spec.seed == 3 else r for r in records])
