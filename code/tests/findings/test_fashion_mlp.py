"""Each claim on the network, its evidence moved just past the boundary; the study; everything that is shown."""

import random
from dataclasses import replace

import pytest
import torch
from fabricated import whole

from worked.claims import NOT_SUPPORTED, SUPPORTED, UNDECIDED
from worked.findings import fashion_mlp as shown
from worked.measurement import Context
from worked.records import Record
from worked.studies import fashion_mlp as study
from worked.study import StudyError
from worked.train import seeded

CLAIMS = {claim.id.removeprefix(f"{study.SLUG}-"): claim for claim in shown.FINDINGS.claims}
GOALS = {"default": 0.902, "kaiming-fan-out": 0.9035, "small-normal": 0.9}
FULL = study.PROFILES["full"]
CONFIG = {"initialisation": "default", "width": 512, "dropout": 0.25}
IMAGE = {"pixels": bytes(range(196)).hex() * 4, "shape": [1, 28, 28], "label": 3}


def record(spec):
    draw = random.Random(spec.key)
    trials, history, images, trace = [], {}, {}, {"losses": [2.3]}
    if "search" in spec.config:
        trials = [
            {"config": config, "validation_accuracy": 0.89 - 0.01 * n + 0.001 * spec.seed, "diverged": None}
            for n, config in enumerate(study.grid(spec))
        ]
        metrics = {"validation_accuracy": 0.89}
    else:
        goal, epochs = GOALS[spec.config["initialisation"]], spec.config["epochs"]
        rise = [goal - 0.1 * 0.5**epoch + draw.uniform(-1e-3, 1e-3) for epoch in range(epochs)]
        history = {f"{split}_accuracy": rise for split in ("train", "validation", "test")}
        history |= {f"{split}_loss": [1 - value for value in rise] for split in ("train", "validation", "test")}
        metrics = {"selected_epoch": epochs, **{name: values[-1] for name, values in history.items()}}
        trace["curve"] = [1.5 + draw.uniform(-1e-2, 1e-2)] + [1.0] * (10 * epochs - 1)
        images = {
            "confusion": [[90 if t == s else 1 for s in range(10)] for t in range(10)],
            "samples": [IMAGE] * 6,
            "mistakes": [{**IMAGE, "said": 6, "probability": 0.99}] * 12,
        }
    return Record(
        spec, {"train": "a" * 64, "test": "b" * 64}, metrics, history, trace, "0" * 64,
        {"torch": "2.15", "device": "cpu", "device_name": "CPU"}, spec.data["source"], 1.0, "2026-01-01T00:00:00+00:00",
        trials, images,
    )  # fmt: skip


@pytest.fixture(scope="module")
def records():
    """A full set that was never measured."""
    return whole(study.STUDY, "full", record)


def moved(records, how, kind, by):
    """The runs of one initialisation with one of their numbers moved."""
    out = []
    for r in records:
        if r.spec.config["initialisation"] == how and not r.trials:
            if kind == "test":
                r = replace(r, metrics={**r.metrics, "test_accuracy": r.metrics["test_accuracy"] + by})
            elif kind == "early":
                curve = r.trace["curve"]
                r = replace(r, trace={**r.trace, "curve": [curve[0] + by, *curve[1:]]})
            else:
                first, *later = r.history["validation_accuracy"]
                r = replace(r, history={**r.history, "validation_accuracy": [first + by, *later]})
        out.append(r)
    return out


# claim -> the initialisation and number that speak for the claim when they rise, and the sign
MOVES = {
    "pass": ("default", "test", 1),
    "aim": ("default", "test", 1),
    **{how: (how, "test", 1) for how in shown.OTHERS},
    **{f"{how}-start": (how, "early", 1) for how in shown.OTHERS},
    **{f"{how}-first": (how, "first", -1) for how in shown.OTHERS},
}


def test_every_claim_is_moved():
    assert {*MOVES, *(f"{how}-little" for how in shown.OTHERS)} == set(CLAIMS)


@pytest.mark.parametrize("name", MOVES)
def test_verdict_flips_when_its_evidence_passes_the_boundary(records, name):
    how, kind, sign = MOVES[name]

    def state(by):
        return CLAIMS[name].judge(shown.Summary(moved(records, how, kind, sign * by))).state

    effect = CLAIMS[name].judge(shown.Summary(records)).margin
    step = 1e-6
    assert state(-effect.low + step) == SUPPORTED
    assert state(-effect.low - step) == UNDECIDED
    assert state(-effect.high + step) == UNDECIDED
    assert state(-effect.high - step) == NOT_SUPPORTED


@pytest.mark.parametrize("how", shown.OTHERS)
def test_a_little_change_is_one_in_either_direction(records, how):
    def state(change):
        """With nearly the same change for every seed."""
        same = []
        for r in records:
            if not r.trials:
                accuracy = 0.9 + (change + 1e-5 * r.spec.seed) * (r.spec.config["initialisation"] == how)
                r = replace(r, metrics={**r.metrics, "test_accuracy": accuracy})
            same.append(r)
        return CLAIMS[f"{how}-little"].judge(shown.Summary(same)).state

    assert [state(sign * size) for size in (0.0045, 0.0055) for sign in (1, -1)] == [
        SUPPORTED, SUPPORTED, NOT_SUPPORTED, NOT_SUPPORTED,
    ]  # fmt: skip
    assert state(0.00498) == state(-0.00502) == UNDECIDED


def test_everything_is_shown(records):
    summary = shown.Summary(records)
    assert "hidden layers of 512 and 256 units" in shown.brief(summary)
    assert "+0." in shown.brief(summary)
    assert "6,000 drawn once" in shown.protocol(summary)
    table = shown.accuracies(summary)
    assert [len(row) for row in table.body] == [5] * 3
    assert table.body[0][4] == "–"
    assert len(table.rows) == 15
    layers = shown.architecture(summary)
    assert layers.body[-1][-1] == f"{sum(p.numel() for p in study.network(summary.config).parameters()):,}"
    told = dict(shown.hyperparameters(summary).body)
    assert told["batch size"] == f"{study.BATCH_SIZE}"
    assert all(f"for {name}" in shown.at_first(summary) for name in shown.NAMES.values())
    assert len(shown.trials(summary).body) == len(study.grid(summary.searches[0].spec)) == 16
    assert len(shown.losses(summary).rows) == len(shown.accuracies_chart(summary).rows)
    assert len(shown.start(summary).rows) == 3 * 20
    assert len(shown.samples(summary).drawing.axes) == 6
    assert len(shown.mistakes(summary).drawing.axes) == 12
    assert "Right: T-shirt/top 91 %" in shown.confusion(summary).alt


def test_a_value_at_the_end_of_the_grid_is_named(records):
    def told(rates, best):
        trials = [
            {"config": {"rate": rate, "width": 512, "dropout": drop, "flip": True}, "diverged": None,
             "validation_accuracy": 0.9 - 0.1 * ((rate, drop) != best)}
            for rate in rates for drop in (0.1, 0.2, 0.3)
        ]  # fmt: skip
        return shown.searching(shown.Summary([replace(r, trials=trials) if r.trials else r for r in records]))

    assert "may lie beyond" not in told((0.01,), (0.01, 0.2))
    assert "may lie beyond: dropout probability." in told((0.01,), (0.01, 0.3))
    assert "may lie beyond: peak rate, dropout probability." in told((0.01, 0.1), (0.1, 0.1))
    assert "peak rate 0.01 or 0.1; width" in told((0.01, 0.1), (0.1, 0.1))


def test_a_diverged_run_is_named(records):
    with pytest.raises(StudyError, match="diverged and has no accuracy to show"):
        shown.Summary([replace(r, diverged="a loss was not finite") if r.spec.seed == 3 else r for r in records])


# -- the study -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", study.INITIALISATIONS)
def test_initialisations(how):
    model = seeded(lambda: study.network(CONFIG | {"initialisation": how}), seed=0)
    for layer in (layer for layer in model if isinstance(layer, torch.nn.Linear)):
        weight, bias = layer.weight.detach(), layer.bias.detach()
        if how == "default":
            bound = layer.in_features**-0.5
            assert 0.95 * bound < weight.abs().max() <= bound
            assert 0 < bias.abs().max() <= bound
        else:
            deviation = study.SMALL if how == "small-normal" else (2 / layer.out_features) ** 0.5
            assert weight.std().item() == pytest.approx(deviation, rel=4 / (2 * weight.numel()) ** 0.5)
            assert torch.equal(bias, torch.zeros_like(bias))


def test_batch_norm_undoes_the_scale_of_hidden_layers():
    model = seeded(lambda: study.network(CONFIG), seed=0).train()
    for layer in model:
        if isinstance(layer, torch.nn.Dropout):
            layer.eval()
    images = torch.randn(64, 1, 28, 28)
    before = model(images)
    with torch.no_grad():
        for parameter in model[1].parameters():
            parameter *= 7.0
    torch.testing.assert_close(model(images), before, rtol=1e-3, atol=1e-3)
    with torch.no_grad():
        for parameter in model[-1].parameters():
            parameter *= 7.0
    assert not torch.allclose(model(images), before, rtol=1e-1)


@pytest.mark.parametrize("how", study.INITIALISATIONS)
def test_the_first_logits(how):
    model = seeded(lambda: study.network(CONFIG | {"initialisation": how}), seed=0).train()
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        logits = model(torch.randn(1000, 1, 28, 28))
    assert logits.square().mean().sqrt().item() == pytest.approx(shown.first_logits(CONFIG)[how], rel=0.3)


def test_scrambled_test_labels_change_no_choice(records):
    """The search sees the validation split alone, and the selected epoch is the same."""
    draw = random.Random(0)
    scrambled = [
        replace(
            r,
            history={
                **r.history,
                "test_accuracy": draw.sample(r.history["test_accuracy"], len(r.history["test_accuracy"])),
            },
        )
        if not r.trials
        else r
        for r in records
    ]
    one, other = shown.Summary(records), shown.Summary(scrambled)
    assert shown.searching(one) == shown.searching(other)
    stored = {r.spec.key: r for r in scrambled}
    assert {spec.key for spec in study.specs(FULL, lambda spec: stored.get(spec.key))} == set(stored)


def test_a_run_and_a_search_are_measured():
    smoke = study.PROFILES["smoke"]
    search = study.TRAINING.measure(study.search_spec(smoke, 100), Context("cpu"))
    assert set(search.metrics) == {"selected_epoch", "batch_loss", "validation_loss", "validation_accuracy"}
    chosen = search.trials[0]["config"]
    run = study.spec(smoke, 0, initialisation="small-normal", **chosen)
    done = study.TRAINING.measure(run, Context("cpu"))
    assert len(done.images["samples"]) == 6
    assert done.weights is None


def test_the_mean_of_the_searches_decides(records):
    """A config that is best with one seed of the search alone is not chosen; one that diverged never is."""
    first, second = (r for r in records if r.trials)
    low, high, third = (trial["config"] for trial in first.trials[:3])

    def judged(*values):
        """The first three configs have these accuracies with each of the two seeds."""
        made = []
        for n, search in enumerate((first, second)):
            trials = [{**t, "validation_accuracy": 0.5} for t in search.trials]
            for trial, value in zip(trials, values, strict=False):
                trial["validation_accuracy"] = value[n]
            made.append(replace(search, trials=trials))
        return study.best_trial(study.mean_trials(made))["config"]

    assert judged((0.9, 0.6), (0.8, 0.8), (0.7, 0.7)) == high
    assert judged((0.9, None), (0.8, 0.8), (0.7, 0.7)) == high
    assert judged((0.9, 0.8), (0.8, 0.8), (0.9, 0.9)) == third
    assert judged((0.9, 0.9), (0.8, 0.8), (0.7, 0.7)) == low
