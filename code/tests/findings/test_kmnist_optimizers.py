"""Each claim on optimisers and permuted pixels, its evidence moved past the boundary; the study; all that is shown."""

import random
from dataclasses import replace

import pytest
import torch

from worked.answers import layers
from worked.claims import NOT_SUPPORTED, SUPPORTED, UNDECIDED
from worked.estimate import estimate
from worked.findings import kmnist_optimizers as shown
from worked.measurement import Context
from worked.models import parameter_count
from worked.page import ROOT
from worked.records import Record, Store
from worked.results import Results
from worked.studies import kmnist_optimizers as study
from worked.train import CURVE_POINTS, normaliser

CLAIMS = {claim.id: claim for claim in shown.CLAIMS}
GOALS = {"sgd": 0.7, "nesterov": 0.88, "adam": 0.86, "adam-1": 0.1}
# The setting and metric whose rise speaks for the claim.
MOVES = {
    **{f"kmnist-{name}-momentum": ((name, "original", "nesterov"), "validation_accuracy") for name in study.NETWORKS},
    **{f"kmnist-{name}-adam": ((name, "original", "adam"), "validation_accuracy") for name in study.NETWORKS},
    "kmnist-more-parameters": (("mlp", "original", "nesterov"), "test_accuracy"),
    "kmnist-permuted-cnn": (("cnn", "original", "nesterov"), "test_accuracy"),
    "kmnist-permuted-more": (("cnn", "original", "nesterov"), "test_accuracy"),
    "kmnist-permuted-ahead": (("cnn", "permuted", "nesterov"), "test_accuracy"),
}
OTHERS = {
    "kmnist-permuted-mlp",
    *(f"kmnist-{name}-adam-1-{what}" for name in study.NETWORKS for what in ("guessing", "constant")),
    *(f"kmnist-{name}-{setting}-overfits" for name in study.NETWORKS for setting in shown.MODERATE),
}


def setting_of(spec):
    own = {name: spec.config[name] for name in ("optimiser", "rate", "momentum")}
    return spec.config["network"], spec.config["pixels"], next(k for k, v in study.SETTINGS.items() if v == own)


def record(spec):
    draw = random.Random(spec.key)
    network, pixels, setting = setting_of(spec)
    goal = GOALS[setting] + 0.06 * (network == "cnn") * (pixels == "original") * (setting != "adam-1")
    epochs = spec.config["epochs"]
    rise = [min(1.0, goal - 0.1 * 0.5**n + draw.uniform(-1e-3, 1e-3)) for n in range(epochs)]
    fall = [2.6 if setting == "adam-1" else 2.0 * 0.8**n for n in range(epochs)]
    history = {"train_loss": fall, "validation_loss": [value + 0.3 for value in fall]}
    history |= {f"{split}_accuracy": rise for split in ("train", "validation", "test")}
    metrics = {"selected_epoch": epochs, **{name: values[-1] for name, values in history.items()}}
    trace = {"losses": [2.3], "curve": [value for value in fall for _ in range(10)]}
    trace["initial"] = {"validation_loss": 2.31}
    images = {"confusion": [" ".join("200" if x == (0 if setting == "adam-1" else y) else "0" for x in range(10))
                            for y in range(10)]}  # fmt: skip
    if spec.seed == 0 and network == "mlp" and setting == "nesterov":
        images |= {"train": [bytes(range(196)).hex() * 4] * 30}
        images |= {"sizes": {"train": 6400, "validation": 1600, "test": 2000}}
    return Record(
        spec, {"train": "a" * 64, "test": "b" * 64}, metrics, history, trace, "0" * 64,
        {"torch": "2.15", "device": "cpu", "device_name": "CPU"}, spec.data["source"], 30.0,
        "2026-01-01T00:00:00+00:00", images=images,
    )  # fmt: skip


@pytest.fixture(scope="module", params=["full", "laptop"])
def records(request):
    """A whole set that was never measured."""
    return [record(spec) for spec in study.specs(study.PROFILES[request.param], lambda spec: None)]


def changed(records, setting, change):
    """The records with those of one setting changed."""
    return [change(r) if setting_of(r.spec) == setting else r for r in records]


def moved(records, setting, metric, by, spread=2e-4):
    """The records with a metric of one setting moved, by a little more for each seed."""

    def change(r):
        return replace(r, metrics={**r.metrics, metric: r.metrics[metric] + by + spread * (r.spec.seed - 2)})

    return changed(records, setting, change)


def state(name, records):
    return CLAIMS[name].judge(shown.Summary(records)).state


def test_every_claim_is_moved():
    assert MOVES.keys() | OTHERS == set(CLAIMS)


@pytest.mark.parametrize("name", MOVES)
def test_verdict_flips_when_its_evidence_passes_the_boundary(records, name):
    def at(by):
        return state(name, moved(records, *MOVES[name], by))

    effect = CLAIMS[name].judge(shown.Summary(moved(records, *MOVES[name], 0.0))).margin
    step = 1e-6
    assert at(-effect.low + step) == SUPPORTED
    assert at(-effect.low - step) == UNDECIDED
    assert at(-effect.high + step) == UNDECIDED
    assert at(-effect.high - step) == NOT_SUPPORTED


def flips(name, records, setting, change):
    """Whether a verdict flips where the margins that ``change`` gives a record do; ``change(record, margin)``."""
    spread = [1e-3 * (seed - 2) for seed in range(5)]
    half = estimate(spread).high
    states = [
        state(name, changed(records, setting, lambda r, by=by: change(r, by + spread[r.spec.seed])))
        for by in (half + 1e-6, half - 1e-6, -half + 1e-6, -half - 1e-6)
    ]
    return states == [SUPPORTED, UNDECIDED, UNDECIDED, NOT_SUPPORTED]


def with_losses(r, **losses):
    history = {k: (v[: len(v) - len(losses[k])] + losses[k] if k in losses else v) for k, v in r.history.items()}
    return replace(r, history=history)


@pytest.mark.parametrize("network", study.NETWORKS)
def test_guessing_flips_at_the_loss_of_equal_shares(records, network):
    def change(r, margin):
        return with_losses(r, validation_loss=[shown.GUESSING + margin])

    assert flips(f"kmnist-{network}-adam-1-guessing", records, (network, "original", "adam-1"), change)


@pytest.mark.parametrize("network", study.NETWORKS)
def test_constant_flips_at_its_share(records, network):
    def change(r, margin):
        first = round((shown.CONSTANT + margin) * 10**8)
        rows = [f"{first} {10**8 - first}" + " 0" * 8, *["0 " * 9 + "0"] * 9]
        return replace(r, images={"confusion": rows})

    assert flips(f"kmnist-{network}-adam-1-constant", records, (network, "original", "adam-1"), change)


@pytest.mark.parametrize("setting", shown.MODERATE)
@pytest.mark.parametrize("network", study.NETWORKS)
def test_overfitting_flips_with_the_rise_and_with_the_fall(records, network, setting):
    name, where = f"kmnist-{network}-{setting}-overfits", (network, "original", setting)

    def rise(r, margin):
        return with_losses(r, validation_loss=[0.1, 0.1 * (1 + shown.RISE + margin)], train_loss=[0.5, 0.1])

    def fallen(by):
        return changed(records, where, lambda r: with_losses(r, validation_loss=[0.1, 1.0], train_loss=[0.5, 0.5 - by]))

    assert flips(name, records, where, rise)
    assert [state(name, fallen(by)) for by in (1e-6, -1e-6)] == [SUPPORTED, NOT_SUPPORTED]


def test_no_change_is_a_small_change_in_either_direction(records):
    def at(change):
        """With nearly the same change for every seed."""
        accuracy = {"original": 0.87, "permuted": 0.87 + change}
        same = [replace(r, metrics={**r.metrics, "test_accuracy": accuracy[r.spec.config["pixels"]]}) for r in records]
        return state("kmnist-permuted-mlp", moved(same, ("mlp", "permuted", "nesterov"), "test_accuracy", 0.0, 1e-4))

    assert [at(sign * size) for size in (0.0, 0.0095, 0.0105) for sign in (1, -1)] == [
        SUPPORTED, SUPPORTED, SUPPORTED, SUPPORTED, NOT_SUPPORTED, NOT_SUPPORTED,
    ]  # fmt: skip
    assert at(0.01) == at(-0.01) == UNDECIDED


def test_the_best_setting_ignores_test_numbers(records):
    best = [shown.Summary(records).best(name) for name in study.NETWORKS]
    scrambled = [replace(r, metrics={**r.metrics, "test_accuracy": random.random()}) for r in records]
    assert [shown.Summary(scrambled).best(name) for name in study.NETWORKS] == best == ["nesterov", "nesterov"]


def diverged(r, epoch=0):
    history = {name: [*values[:epoch], None] for name, values in r.history.items()}
    trace = {**r.trace, "curve": [*r.trace["curve"][: 10 * epoch], *[None] * 10]}
    images = r.images if epoch else {name: value for name, value in r.images.items() if name != "confusion"}
    why = f"a loss was not finite in epoch {epoch + 1}"
    return replace(r, metrics={}, history=history, trace=trace, images=images, diverged=why)


@pytest.mark.parametrize("epoch", [0, 4])
def test_a_diverged_run_counts_as_one_that_guesses_and_is_shown(records, epoch):
    broken = changed(records, ("cnn", "original", "adam-1"), lambda r: diverged(r, epoch))
    broken = [diverged(r, 4) if setting_of(r.spec)[::2] == ("mlp", "sgd") and r.spec.seed == 3 else r for r in broken]
    summary = shown.Summary(broken)
    assert summary.accuracy("cnn", "adam-1") == [shown.CHANCE] * 5
    assert summary.accuracy("mlp", "sgd")[3] == shown.CHANCE
    assert summary.failed("cnn") == ["adam-1"]
    for name in ("guessing", "constant"):
        assert CLAIMS[f"kmnist-cnn-adam-1-{name}"].judge(summary).state == SUPPORTED
    assert CLAIMS["kmnist-mlp-sgd-overfits"].judge(summary).state == NOT_SUPPORTED
    assert ("Adam, rate 1 training: not finite" in shown.learning("cnn")(summary).alt) == (epoch == 0)
    assert "nan" not in shown.learning("mlp")(summary).alt
    body = {row[0]: row[1:] for row in shown.outcomes(summary).body}
    assert body["convolutional network, Adam, rate 1"][:3] == ["5 diverged"] * 3
    assert "nan" not in str(body)
    assert "Adam at the rate 1" in shown.brief(summary)


def test_everything_is_shown(records):
    summary = shown.Summary(records)
    for name in study.NETWORKS:
        chart = shown.learning(name)(summary)
        assert len(chart.rows) == 4 * (10 * 20 + 21)
        assert {row["step"] for row in chart.rows if row["loss"] == "validation"} == set(range(0, 1001, 50))
        assert "Nesterov training: first 2, lowest" in chart.alt
    assert len(shown.outcomes(summary).body) == 8
    assert len(shown.outcomes(summary).rows) == 40
    assert len(shown.samples(summary).drawing.axes) == 30
    assert len(shown.permuted_samples(summary).drawing.axes) == 20
    assert len(shown.permutation(summary).rows) == 2 * 2 * 20
    assert shown.permuted_accuracies(summary).body[1][-1].startswith(("+5.9", "+6.0"))
    assert "6,400 for train, 50 batches" in shown.splitting(summary)
    assert "10,000 aside" in shown.splitting(summary)
    assert " takes about " in shown.protocol(summary)
    assert "did not mean** a higher" in shown.brief(summary).replace("did not mean a", "did not mean** a")
    assert "no better than guessing at the end: Adam at the rate 1" in shown.brief(summary)
    assert "0.036 (perceptron)" in shown.first_step()


def test_brief_says_more_parameters_whichever_way_it_fell(records):
    setting, metric = MOVES["kmnist-more-parameters"]
    effect = CLAIMS["kmnist-more-parameters"].judge(shown.Summary(records)).effect.mean
    for by, words in (
        (-effect + 0.1, " meant a higher"),
        (-effect, "may or may not have meant"),
        (-0.1, "did not mean"),
    ):
        assert words in shown.brief(shown.Summary(moved(records, setting, metric, by, spread=1e-2)))


def test_the_stored_records_are_complete():
    stored = Results(shown.FINDINGS, "laptop", Store(ROOT / "results"))
    assert stored.study.is_complete("laptop", stored.store)
    assert len(stored.records) == 50
    original, permuted = (stored.summary.runs["mlp", pixels, "nesterov"][0].images["train"] for pixels in study.PIXELS)
    pixels = torch.tensor([list(bytes.fromhex(image)) for image in original], dtype=torch.uint8).view(-1, 1, 28, 28)
    assert [bytes(image.flatten().tolist()).hex() for image in study.permuted(pixels)] == permuted
    assert "reduced" in stored.notice().myst


# -- the networks and their counts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", study.NETWORKS)
def test_the_formulas_count_the_networks_that_are_trained(name):
    model = study.network({"network": name})
    assert shown.parameters(name) == parameter_count(model) == {"mlp": 89_610, "cnn": 29_066}[name]
    listed = layers.network(shown.LAYERS[name], shown.INPUT)
    assert [p.shape for p in listed.parameters()] == [p.shape for p in model.parameters()]


def test_the_table_of_counts_refuses_a_wrong_formula(records, monkeypatch):
    table = shown.counts(shown.Summary(records))
    assert [row[2] for row in table.body[3::5]] == ["**89,610**", "**29,066**"]
    assert table.body[0][1:] == ["100 · (784 + 1)", "78,500"]
    assert table.body[5][1:] == ["32 · (3² · 16 + 1)", "4,640"]
    monkeypatch.setitem(shown.LAYERS, "mlp", shown.LAYERS["cnn"])
    with pytest.raises(ValueError, match="expected 29066 parameters of the perceptron, the function counts 89610"):
        shown.counts(shown.Summary(records))


# -- the study ---------------------------------------------------------------------------------------------------------


def smoke(network="mlp", pixels="original", setting="nesterov", seed=0):
    return study.spec(study.PROFILES["smoke"], seed, network, pixels, setting)


def test_only_the_pixels_differ():
    (plain, *same), (other, *also) = (study.load(smoke(pixels=pixels), "cpu") for pixels in study.PIXELS)
    assert same == also
    for name in ("train", "validation", "test"):
        one, two = getattr(plain, name), getattr(other, name)
        assert torch.equal(one.labels, two.labels)
        assert torch.equal(study.permuted(one.pixels), two.pixels)


def test_permuting_and_normalising_may_change_places():
    images = study.load(smoke(), "cpu")[0].train.pixels[:100]
    one, two = normaliser(images), normaliser(study.permuted(images))
    assert torch.equal(study.permuted(one(images).contiguous()), two(study.permuted(images)).contiguous())


def test_the_curve_has_as_many_points_as_is_drawn():
    assert shown.CURVE_POINTS == CURVE_POINTS


def test_recipes_are_those_of_the_exercise():
    recipes = {name: study.recipe(smoke(setting=name).config) for name in study.SETTINGS}
    assert {r.schedule for r in recipes.values()} == {"constant"}
    assert [(r.optimiser, r.rate, r.momentum) for r in recipes.values()] == [
        ("sgd", 0.01, 0.0), ("sgd", 0.01, 0.9), ("adam", 0.01, 0.0), ("adam", 1.0, 0.0),
    ]  # fmt: skip
    assert recipes["nesterov"].nesterov


def test_nothing_is_selected_by_test_labels():
    def scrambled(run, device):
        splits, *rest = study.load(run, device)
        return replace(splits, test=replace(splits.test, labels=splits.test.labels.flip(0))), *rest

    one, two = (
        replace(study.TRAINING, load=load).measure(smoke(), Context("cpu", keep_weights=True))
        for load in (study.load, scrambled)
    )
    assert one.metrics["selected_epoch"] == two.metrics["selected_epoch"]
    assert one.metrics["test_loss"] != two.metrics["test_loss"]
    assert all(torch.equal(one.weights[name], two.weights[name]) for name in one.weights)


def test_samples_are_in_the_order_of_their_classes():
    splits = study.load(smoke(), "cpu")[0]
    kept = study.pictures(smoke(), splits)
    assert kept["sizes"] == {"train": 1800, "validation": 200, "test": 500}
    places = {
        study.digits(image): int(label) for image, label in zip(splits.train.pixels, splits.train.labels, strict=True)
    }
    assert [places[image] for image in kept["train"]] == [label for label in range(10) for _ in range(study.SHOWN)]
    assert not study.pictures(smoke(network="cnn"), splits)
    assert not study.pictures(smoke(seed=1), splits)
