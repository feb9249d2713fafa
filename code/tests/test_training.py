"""Runs that are trainings: which go together, that so they are what they are alone, and what a study must offer."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from importlib import import_module

import pytest
import torch

from worked import findings, replicates, study
from worked.executors import Done
from worked.machine import environment
from worked.measurement import Context
from worked.records import Store
from worked.studies import permuted_pixels as permuted
from worked.study import DRAWN

SMOKE = permuted.PROFILES["smoke"]
SETTING = {"network": "mlp", "pixels": "original"}


def some(seeds=(0, 1), **changes):
    return [permuted.spec(SMOKE, seed, **(SETTING | {"rate": 0.1} | changes)) for seed in seeds]


@pytest.mark.parametrize("one", [finding.study for finding in findings.every()], ids=lambda one: one.slug)
def test_every_study_can_be_tried_in_seconds_without_data(one):
    assert "smoke" in one.profiles
    assert one.profiles["smoke"].source in ("generated", DRAWN)


def test_runs_that_differ_in_seed_and_rate_are_alike():
    likeness = permuted.TRAINING.likeness
    (one, other), (faster,) = some(), some(seeds=[0], rate=0.3)
    assert likeness(one) == likeness(other) == likeness(faster)
    assert likeness(one) != likeness(some(network="cnn")[0])
    assert likeness(one) != likeness(replace(one, data={**one.data, "source": "official"}))
    searches = [permuted.spec(SMOKE, seed, **SETTING, search="grid", rates="0.1") for seed in (0, 1)]
    assert likeness(searches[0]) != likeness(searches[1])


def test_a_search_counts_the_epochs_of_all_its_configs():
    search = permuted.spec(SMOKE, 0, **SETTING, search="grid", rates="0.1 0.2 0.3")
    assert permuted.TRAINING.epochs(search) == 3 * permuted.TRAINING.epochs(some()[0])
    assert permuted.TRAINING.precision(search) == "float32"


def test_together_they_are_what_they_are_alone():
    training, context = permuted.TRAINING, Context("cpu")
    assert training.measure_together(some(), context) == [training.measure(one, context) for one in some()]


def on_a_gpu(monkeypatch, trained):
    """Let the choice of how to train see a GPU; the tensors stay where they are."""

    def together(group: Sequence, splits, *, evaluate, tick):
        trained.append(len(group))
        return replicates_together(group, splits, evaluate=evaluate, tick=tick)

    replicates_together = replicates.train_together
    monkeypatch.setattr(torch.Tensor, "is_cuda", True)
    monkeypatch.setattr(replicates, "train_together", together)


def test_a_gpu_trains_several_at_once_and_in_turn_what_cannot_be(monkeypatch):
    splits, _, _ = permuted.load(some()[0], "cpu")
    replicate, trained = permuted.TRAINING._replicate, []
    on_a_gpu(monkeypatch, trained)
    alike = [replicate(run, run.config) for run in some()]
    assert len(list(replicates.train_each(alike, splits))) == 2
    assert trained == [2]
    monkeypatch.setattr(replicates, "train", lambda *a, **k: trained.append("in turn"))
    list(replicates.train_each(alike[:1], splits))
    list(replicates.train_each(alike, splits, steps=2))
    list(replicates.train_each([alike[0], replicate(some()[1], {**some()[1].config, "epochs": 2})], splits))
    assert trained == [2, *["in turn"] * 5]


def test_a_run_on_a_gpu_hands_in_groups_and_writes_a_record_each(monkeypatch, tmp_path):
    handed = []

    class Pool:
        lost = ()

        def __init__(self, title, device, workers):
            assert device == "cuda"

        def submit(self, module, specs, context, epochs):
            one, future = import_module(module).STUDY, Future()
            handed.append([spec.key for spec in specs])
            assert epochs == sum(map(one.epochs, specs))
            there = replace(context, device="cpu", journal=None)
            done = [Done(one.measure(spec, there), 1.0, environment("cpu")) for spec in specs]
            future.set_result(done)
            return future

        def say(self, say, line):
            pass

        def close(self):
            pass

    monkeypatch.setattr(study, "resolve_device", lambda device: "cuda")
    monkeypatch.setattr(study, "LocalPool", Pool)
    store = Store(tmp_path)
    done = study.run(permuted.STUDY, "smoke", store, say=lambda line: None)
    runs = [spec for spec in permuted.STUDY.wanted("smoke", store) if "search" not in spec.config]
    seeds = len(SMOKE.settings["seeds"])
    assert sorted(map(len, handed)) == [1] * 4 + [seeds] * 4  # a search alone, the seeds of a setting together
    assert done.measured == 4 + len(runs)
    assert all(store.read(spec) for spec in runs)
    assert study.run(permuted.STUDY, "smoke", store, say=lambda line: None).measured == 0
