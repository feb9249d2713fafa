"""Searches: what each method proposes, that a killed one goes on with the same trials, and that none sees the test."""

import json
import math
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import pytest
import torch

from worked import search
from worked.machine import StudyError
from worked.measurement import Context
from worked.records import Store
from worked.search import METHODS, Choice, Range, bayesian_search, centres, ends, proposals, sensitivity
from worked.studies import mnist_search as mnist
from worked.studies import search_dimensions as dimensions
from worked.train import Splits

SPACE = mnist.SPACE
SHARES = [ends(5), ends(5), ends(3)]
SMOKE = mnist.PROFILES["smoke"]
FULL = mnist.PROFILES["full"]


def proposed(method, count, seed=0, accuracy=lambda config: 0.5):
    """The first proposals of a method that is told these accuracies."""
    asked = proposals(method, SPACE, SHARES, rounds=75, seed=seed)
    configs = [next(asked)]
    while len(configs) < count:
        configs.append(asked.send(accuracy(configs[-1])))
    return configs


def hill(config):
    """A made-up accuracy with its summit inside the space; kernel 5 is best."""
    far = (math.log10(config["rate"]) + 4) ** 2 / 9 + (config["momentum"] - 0.6) ** 2 + (config["kernel"] != 5) * 0.1
    return 0.9 * math.exp(-far)


# -- parameters ------------------------------------------------------------------------------------------------------


def test_ends_and_centres():
    assert ends(3) == [0.0, 0.5, 1.0]
    assert ends(1) == centres(1) == [0.5]
    assert centres(2) == [0.25, 0.75]


def test_shares_become_values():
    rate, momentum, kernel = SPACE
    assert [rate.at(share) for share in ends(5)] == [1e-7, 1e-6, 1e-5, 1e-4, 1e-3]
    assert [momentum.at(share) for share in ends(5)] == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert [kernel.at(share) for share in ends(3)] == [kernel.at(share) for share in centres(3)] == [3, 5, 7]
    assert [Choice("maps", (4, 8)).at(share) for share in (0.0, 0.499, 0.5, 1.0)] == [4, 4, 8, 8]


# -- methods ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_every_proposal_lies_in_the_space_and_comes_from_the_seed(method):
    configs = proposed(method, 7, accuracy=hill)
    for config in configs:
        assert list(config) == ["rate", "momentum", "kernel"]
        assert 1e-7 <= config["rate"] <= 1e-3
        assert 0 <= config["momentum"] <= 1
        assert config["kernel"] in (3, 5, 7)
    assert len({json.dumps(config) for config in configs}) == 7
    assert json.loads(json.dumps(configs)) == configs == proposed(method, 7, accuracy=hill)
    assert configs != proposed(method, 7, seed=1, accuracy=hill)


def test_a_grid_is_whole_and_its_order_comes_from_the_seed():
    one, other = (proposed("grid", 75, seed) for seed in (0, 1))
    assert one != other
    whole = {(rate, momentum, kernel) for rate in (1e-7, 1e-6, 1e-5, 1e-4, 1e-3)
             for momentum in (0.0, 0.25, 0.5, 0.75, 1.0) for kernel in (3, 5, 7)}  # fmt: skip
    assert {tuple(config.values()) for config in one} == {tuple(config.values()) for config in other} == whole


def test_only_bayesian_search_listens():
    listens = [m for m in METHODS if proposed(m, 8, accuracy=hill) != proposed(m, 8, accuracy=lambda c: 1 - hill(c))]
    assert listens == ["bayes"]


def test_sobol_points_are_even():
    rates = sorted(math.log10(config["rate"]) for config in proposed("sobol", 64))
    assert all(sum(-7 + n <= rate < -6 + n for rate in rates) == 16 for n in range(4))


def test_bayesian_search_climbs():
    accuracies = [hill(config) for config in proposed("bayes", 10, accuracy=hill)]
    assert max(accuracies) > 0.88 > max(accuracies[:5])


def test_a_diverged_trial_is_abandoned_and_counts():
    asked = bayesian_search(SPACE, seed=0)
    configs = [next(asked)]
    for n in range(8):
        configs.append(asked.send(None if n in (1, 6) else hill(configs[-1])))
    assert len({json.dumps(config) for config in configs}) == 9


def test_without_ax_it_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "ax.api.client", None)
    with pytest.raises(StudyError, match="pip install ax-platform"):
        bayesian_search(SPACE, seed=0)


def test_sensitivity_finds_what_matters():
    space = (Range("much", 0.0, 1.0), Range("little", 0.0, 1.0))
    points = list(islice(search.sobol_search(space, 32, seed=0), 32))
    trials = [{"config": c, "validation_accuracy": math.sin(3 * c["much"]) / 2 + 0.05 * c["little"]} for c in points]
    trials.append({"config": {"much": 0.5, "little": 0.5}, "validation_accuracy": None})
    found = sensitivity(space, trials, seed=0)
    assert found["much"] > 0.9
    assert 0 <= found["little"] < 0.1
    assert found == sensitivity(space, trials, seed=0)


# -- the study -------------------------------------------------------------------------------------------------------


ROUNDS = 8  # of the searches here: two of them ask the surrogate


def a_search(method="bayes", seed=0):
    return mnist.spec(SMOKE, seed, search=method, epochs=1, rounds=ROUNDS)


def timeless(trials):
    """Trials without what a clock says."""
    return [{name: value for name, value in trial.items() if "seconds" not in name} for trial in trials]


class Killed(Exception):
    """Stands for a signal."""


def killed_after(count):
    """A tick that ends a run when so many trials are done."""
    done = iter(range(count))

    def tick(epochs):
        if next(done, None) is None:
            raise Killed

    return tick


@pytest.fixture(scope="module")
def unbroken():
    return mnist.TRAINING.measure(a_search(), Context("cpu"))


def test_a_killed_search_goes_on_with_the_same_trials(unbroken, tmp_path):
    journal = tmp_path / "journal"
    with pytest.raises(Killed):
        mnist.TRAINING.measure(a_search(), Context("cpu", journal=journal, tick=killed_after(6)))
    noted = [json.loads(line) for line in journal.read_text().split("\n") if line]
    assert len(noted) == 6
    journal.write_text(journal.read_text() + '\n{"cut sh')
    resumed = mnist.TRAINING.measure(a_search(), Context("cpu", journal=journal))
    assert timeless(resumed.trials) == timeless(unbroken.trials)
    assert (resumed.metrics, resumed.trace) == (unbroken.metrics, unbroken.trace)
    assert [t["seconds"] for t in resumed.trials[:6]] == [entry["trial"]["seconds"] for entry in noted]


def test_a_search_is_what_its_trials_say(unbroken):
    assert len(unbroken.trials) == ROUNDS
    best = max(trial["validation_accuracy"] for trial in unbroken.trials)
    assert unbroken.metrics["validation_accuracy"] == best
    assert {f"sensitivity_{parameter.name}" for parameter in SPACE} <= set(unbroken.metrics)
    assert all(trial["seconds"] > 0 and trial["proposal_seconds"] > 0 for trial in unbroken.trials)
    assert set(unbroken.trace["libraries"]) == set(search.LIBRARIES)
    assert not any("test" in name for trial in unbroken.trials for name in trial)
    first = mnist.TRAINING.measure(a_search(), Context("cpu", steps=len(unbroken.trace["losses"])))
    assert first.trace["losses"] == unbroken.trace["losses"]


def unexplained(monkeypatch):
    """Spare the time of a last surrogate."""
    monkeypatch.setattr(search, "EXPLAINED", ())


def test_scrambled_test_labels_change_no_trial(unbroken, monkeypatch):
    unexplained(monkeypatch)
    whole = mnist.load

    def scrambled(run, device):
        splits, *rest = whole(run, device)
        order = torch.randperm(len(splits.test), generator=torch.Generator().manual_seed(1))
        test = replace(splits.test, labels=splits.test.labels[order])
        return Splits(splits.train, splits.validation, test), *rest

    again = replace(mnist.TRAINING, load=scrambled).measure(a_search(), Context("cpu"))
    assert timeless(again.trials) == timeless(unbroken.trials)


def test_a_trial_that_diverges_has_no_accuracy():
    def wild(run) -> Iterator[dict]:
        yield {"rate": 1e30, "momentum": 0.0, "kernel": 3}
        yield {"rate": 1e-3, "momentum": 0.9, "kernel": 3}

    two = mnist.spec(SMOKE, 0, search="random", epochs=1, rounds=2)
    done = replace(mnist.TRAINING, method=lambda run: (yield from wild(run))).measure(two, Context("cpu"))
    assert [bool(trial["diverged"]) for trial in done.trials] == [True, False]
    assert done.trials[0]["validation_accuracy"] is None
    assert done.metrics["validation_accuracy"] == done.trials[1]["validation_accuracy"]


def test_a_trial_trains_as_the_exercise_says():
    recipe = mnist.recipe({"epochs": 1, "rate": 1e-4, "batch_size": 64, "momentum": 0.3, "kernel": 5})
    assert (recipe.optimiser, recipe.nesterov, recipe.schedule, recipe.weight_decay) == ("sgd", False, "constant", 0)
    assert (recipe.rate, recipe.momentum) == (1e-4, 0.3)
    assert mnist.network({"kernel": 7})[0].kernel_size == (7, 7)


def test_the_full_protocol_is_the_exercise():
    searches = mnist.searches(FULL)
    assert mnist.rounds(FULL) == 75
    assert len(searches) == 4 * 5
    assert all(mnist.TRAINING.epochs(one) == 75 for one in searches)
    assert {mnist.TRAINING.precision(one) for one in searches} == {"float32"}
    assert len({mnist.TRAINING.likeness(one) for one in searches}) == len(searches)  # each alone, on a GPU too
    assert FULL.settings["validation"] == 60_000 - 54_000


def test_runs_wait_for_all_searches_and_take_the_best_of_each_method(tmp_path):
    found = {}

    class Stored:
        def __init__(self, accuracy, rate):
            self.trials = [{"validation_accuracy": accuracy, "config": {"rate": rate, "momentum": 0.5, "kernel": 3}}]

    wanted = mnist.searches(FULL)
    rates = {"grid": 1e-4, "random": 2e-4, "sobol": 1e-4, "bayes": 4e-4}  # two methods find the same
    for one in wanted[:-1]:
        found[one.key] = Stored(0.9 - one.seed / 1000, rates[one.config["search"]] if one.seed == 0 else 1e-7)
    assert len(list(mnist.specs(FULL, lambda one: found.get(one.key)))) == len(wanted)
    found[wanted[-1].key] = Stored(0.95, 8e-4)
    runs = list(mnist.specs(FULL, lambda one: found.get(one.key)))[len(wanted) :]
    assert [run.seed for run in runs] == [*range(5)] * 4
    assert [run.config["rate"] for run in runs[::5]] == [1e-4, 2e-4, 8e-4, mnist.UNTUNED["rate"]]
    assert not any(map(mnist.TRAINING.is_search, runs))


# -- the study of more parameters ------------------------------------------------------------------------------------


def test_grids_of_one_three_and_six_parameters():
    profile = dimensions.PROFILES["laptop"]
    for count in (1, 3, 6):
        one = dimensions.spec(profile, 0, "grid", count)
        configs = list(dimensions.method(one))
        assert len(configs) == 64
        assert [len({config[p.name] for config in configs}) for p in dimensions.space(one)] == [
            {1: 64, 3: 4, 6: 2}[count]
        ] * count
        assert set(configs[0]).isdisjoint(one.config)  # what is tuned is not fixed
        assert set(configs[0]) | set(one.config) >= {parameter.name for parameter in dimensions.PARAMETERS}


def test_fewer_images_are_loaded_and_a_run_measures():
    profile = dimensions.PROFILES["smoke"]
    run = dimensions.spec(profile, 0, "random", 3)
    splits, _, _ = dimensions.load(run, "cpu")
    assert (len(splits.train), len(splits.validation)) == (500, 200)
    done = dimensions.TRAINING.measure(run, Context("cpu"))
    assert len(done.trials) == 8


def test_with_sixteen_maps_it_is_the_network_of_the_exercise():
    ours, theirs = dimensions.network({"kernel": 5, "maps": 16}), mnist.network({"kernel": 5})
    assert str(ours[0]) == str(theirs[0])
    assert [p.shape for p in ours.parameters()] == [p.shape for p in theirs.parameters()]


def test_listing_wants_every_search(tmp_path):
    assert len(dimensions.STUDY.wanted("laptop", Store(tmp_path))) == 3 * 4 * 5
