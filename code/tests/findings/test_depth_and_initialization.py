"""Each claim's evidence moved past its boundary, what is measured, and what the page shows."""

import math
from dataclasses import replace

import pytest
import torch
from scipy import optimize

from worked.answers import wide_layers
from worked.claims import NOT_SUPPORTED, SUPPORTED, UNDECIDED
from worked.findings import depth_and_initialization as findings
from worked.measurement import Context
from worked.records import Record
from worked.studies import depth_and_initialization as study
from worked.study import DRAWN

CLAIMS = {claim.id.removeprefix(f"{study.SLUG}-"): claim for claim in findings.FINDINGS.claims}
FULL = study.PROFILES["full"]
BREAK = wide_layers.predicted_break(512)
ROOT = math.sqrt(512)


def spread(spec):
    """A little for each seed; its mean over the seeds is zero."""
    seeds = FULL.settings["product_seeds" if spec.config["scheme"] == study.PRODUCTS else "seeds"]
    return spec.seed - (len(seeds) - 1) / 2


def record(spec):
    """A record of the law's own numbers, spread a little between seeds."""
    off = 1 + 1e-6 * spread(spec)
    metrics, history = {"first_infinite": None, "first_nan": None}, {}
    if spec.config["scheme"] == study.PRODUCTS:
        metrics = {
            "mean": 1e-3 * spread(spec), "std": ROOT * off, "relu_mean": findings.RELU_MEAN * ROOT * off,
            "relu_size": findings.RELU_SIZE * ROOT * off, "relu_std": findings.RELU_STD * ROOT * off,
        }  # fmt: skip
    else:
        law, depth = findings.law(spec.config["scheme"], 100, 512), 100
        history = {
            "mean": [0.01 * layer.std * spread(spec) for layer in law],
            "std": [layer.std * off**n for n, layer in enumerate(law)],
            "saturated": [layer.above * off for layer in law],
            "small": [0.1] * depth, "infinite": [0.0] * depth, "nan": [0.0] * depth,
            "log10_gradient": [
                sum(layer.back for layer in law[n:]) + 1e-6 * spread(spec) * (depth - n) for n in range(1, depth + 1)
            ],
        }  # fmt: skip
        if spec.config["scheme"] == "normal":
            ends = [None] * (depth - BREAK + 1)
            metrics = {"first_infinite": BREAK, "first_nan": BREAK}
            history |= {name: history[name][: BREAK - 1] + ends for name in ("mean", "std")}
            history["nan"] = [0.0] * (BREAK - 1) + [1.0] * len(ends)
    return Record(spec, {}, metrics, history, {}, "0" * 64, {}, DRAWN, 1.0, "2026-01-01T00:00:00+00:00")


@pytest.fixture(scope="module")
def records():
    return [record(spec) for spec in study.specs(FULL, lambda spec: None)]


def moved(records, scheme, change):
    """The records with those of one scheme changed."""
    return [change(r) if r.spec.config["scheme"] == scheme else r for r in records]


def scaled(quantity, by, first=1):
    """A change: every later layer's number times so many powers of ten, growing to this at the last layer."""

    def change(r):
        values, span = r.history[quantity], len(r.history[quantity]) - first
        power = [by * max(0, n - first) / span for n in range(1, len(values) + 1)]
        if quantity == "log10_gradient":  # the last one is where the gradient starts
            new = [v + by * (1 - n / (len(values) - 1)) for n, v in enumerate(values)]
        else:
            new = [v * 10**p for v, p in zip(values, power, strict=True)]
        return replace(r, history={**r.history, quantity: new})

    return change


def shifted(metric, by):
    return lambda r: replace(r, metrics={**r.metrics, metric: r.metrics[metric] + by})


# claim -> the scheme, and a change of its records that lowers the margin by so much
LOWERS = {
    "square-root": (study.PRODUCTS, lambda by: shifted("std", by * ROOT)),
    "relu-size": (study.PRODUCTS, lambda by: shifted("relu_size", by * findings.RELU_SIZE * ROOT)),
    "relu-std": (study.PRODUCTS, lambda by: shifted("relu_std", by / 2)),
    "normalised": ("normalised", lambda by: scaled("std", by)),
    "saturated": ("normal-tanh", lambda by: lambda r: replace(
        r, history={**r.history, "saturated": [v - by for v in r.history["saturated"]]})),
    "saturated-gradient": ("normal-tanh", lambda by: scaled("log10_gradient", -by)),
    "xavier-tanh": ("xavier-tanh", lambda by: scaled("std", by)),
    "xavier-tanh-slower": ("xavier-tanh", lambda by: scaled("std", -by, first=50)),
    "xavier-relu": ("xavier-relu", lambda by: scaled("std", by * 99 * math.log10(2) / 2)),
    "xavier-relu-gradient": ("xavier-relu", lambda by: scaled("log10_gradient", by)),
    "kaiming": ("kaiming-relu", lambda by: scaled("std", by)),
    "kaiming-gradient": ("kaiming-relu", lambda by: scaled("log10_gradient", by)),
}  # fmt: skip


def test_every_claim_is_moved():
    assert {*LOWERS, "break", "nan"} == set(CLAIMS)


@pytest.mark.parametrize("name", LOWERS)
def test_verdict_flips_when_its_evidence_passes_the_boundary(records, name):
    """The margin falls one for one with the change, until it is at most zero."""
    scheme, lowered = LOWERS[name]

    def judged(by):
        return CLAIMS[name].judge(findings.Summary(moved(records, scheme, lowered(by))))

    assert judged(0.0).margin.low > 0
    at = optimize.brentq(
        lambda by: judged(by).margin.mean, 0.0, 100.0 if name.endswith("gradient") else 4.0, xtol=1e-12
    )
    step = 4 * (judged(at).margin.high - judged(at).margin.mean)
    assert step < 0.01 * at
    assert [judged(at + by).state for by in (-step, 0.0, step)] == [SUPPORTED, UNDECIDED, NOT_SUPPORTED]


@pytest.mark.parametrize(("others", "state"), [(4, SUPPORTED), (10, UNDECIDED), (16, NOT_SUPPORTED)])
@pytest.mark.parametrize("layer", [BREAK - 1, BREAK + 1, None])
def test_most_networks_break_in_one_layer(records, others, state, layer):
    def change(r):
        metrics = {"first_infinite": layer, "first_nan": layer}
        return replace(r, metrics=metrics) if r.spec.seed < others else r

    assert CLAIMS["break"].judge(findings.Summary(moved(records, "normal", change))).state == state


@pytest.mark.parametrize(("later", "state"), [(0, SUPPORTED), (1, SUPPORTED), (2, NOT_SUPPORTED)])
def test_nan_comes_at_once_or_one_layer_later(records, later, state):
    changed = moved(records, "normal", shifted("first_nan", later))
    # One seed differs, so that the interval is not empty.
    verdict = CLAIMS["nan"].judge(findings.Summary(changed))
    assert verdict.state == state


def test_nan_is_undecided_between(records):
    changed = moved(records, "normal", lambda r: shifted("first_nan", 1 + r.spec.seed % 2)(r))
    assert CLAIMS["nan"].judge(findings.Summary(changed)).state == UNDECIDED


def test_everything_is_shown(records):
    summary = findings.Summary(records)
    assert f"in layer {BREAK} in 20 of 20 networks; predicted is layer {BREAK}" in findings.brief(summary)
    assert "20 seeds" in findings.protocol(summary)
    assert f"**layer {BREAK}**" in findings.first_layers(summary)
    assert f"the first NaN in layer {BREAK} (20 seeds)" in findings.first_layers(summary)
    table = findings.break_table(summary)
    assert [row[0] for row in table.body] == [str(n) for n in range(BREAK - 3, BREAK + 3)]
    assert [row[-1] for row in table.body] == ["0.0 %"] * 3 + ["100.0 %"] * 3
    assert [row[2][-10:] for row in table.body] == ["(20 of 20)"] * 3 + ["one finite"] * 3
    assert [row[1] for row in findings.product_table(summary).body] == [
        "0.0000",
        "22.6274",
        "9.0270",
        "16.0000",
        "13.2103",
    ]
    layers = findings.layer_table(summary)
    assert len(layers.body) == 6 * 4
    assert len(layers.rows) == 6 * 4 * 20
    chart = findings.size_chart(summary)
    assert f"standard normal: from 23 to 3.8e+36 in layer {BREAK - 2}" not in chart.alt
    assert f"in layer {BREAK - 1}" in chart.alt
    assert len(chart.rows) == 2 * (5 * 100 + BREAK - 1)
    assert len(findings.gradient_chart(summary).rows) == 600
    assert len(findings.close_chart(summary).rows) == 2 * 3 * 100
    assert len(findings.share_chart(summary).rows) == 4 * 2 * 100
    assert findings.FINDINGS.name(records[0]) == "standard normal"


# -- the study -------------------------------------------------------------------------------------------------------


def specs(scheme):
    return [s for s in study.specs(study.PROFILES["smoke"], lambda spec: None) if s.config["scheme"] == scheme]


def test_the_share_that_is_counted_is_the_law_s():
    assert study.SATURATED == wide_layers.LIMIT


@pytest.mark.parametrize("scheme", study.SCHEMES)
def test_what_is_measured(scheme):
    """The values by a plain loop, and the gradients by automatic differentiation of the whole network."""
    spec = specs(scheme)[0]
    measured = study.measure(spec, Context("cpu"))
    width, depth = spec.config["width"], spec.config["depth"]
    generator = torch.Generator().manual_seed(spec.seed)
    h = torch.randn(width, generator=generator)
    upper = torch.randn(width, generator=generator).double()
    weights = [study.draw(study.SCHEMES[scheme].weights, width, generator) for _ in range(depth)]
    act = {"none": lambda z: z, "tanh": torch.tanh, "relu": torch.relu}[study.SCHEMES[scheme].activation]
    hidden = []
    for weight in weights:
        h = act(weight @ h)
        hidden.append(h)
    first = next((n for n, h in enumerate(hidden, 1) if not h.isfinite().all()), None)
    firsts = [n for n in measured.metrics.values() if n is not None]
    assert min(firsts, default=None) == first
    assert (first is not None) == (scheme == "normal")
    for n in (0, depth // 2, depth - 1):
        if first is None or n + 1 < first:
            assert measured.history["std"][n] == pytest.approx(hidden[n].double().std(correction=0).item(), rel=1e-4)
            assert measured.history["mean"][n] == pytest.approx(hidden[n].double().mean().item(), rel=1e-4)
            assert measured.history["saturated"][n] == pytest.approx((hidden[n].abs() > 0.99).double().mean().item())
    if scheme != "normal":
        n = depth - 5
        at = hidden[n].double().requires_grad_()
        h = at
        for weight in weights[n + 1 :]:
            h = act(weight.double() @ h)
        (gradient,) = torch.autograd.grad(h @ upper, at)
        size = math.log10(gradient.square().mean().sqrt())
        assert measured.history["log10_gradient"][n] == pytest.approx(size, rel=1e-3, abs=1e-4)
    assert measured.history["log10_gradient"][-1] == pytest.approx(math.log10(upper.square().mean().sqrt()), rel=1e-4)


def test_the_exercise_s_estimator():
    (spec, _) = specs(study.PRODUCTS)
    measured = study.measure(spec, Context("cpu"))
    generator = torch.Generator().manual_seed(spec.seed)
    width, ys = spec.config["width"], []
    for _ in range(spec.config["repeats"]):
        x = torch.randn(width, generator=generator)
        ys.append(torch.randn(width, width, generator=generator) @ x)
    y = torch.stack(ys).double()
    assert measured.metrics["std"] == pytest.approx(y.square().mean().sqrt().item(), rel=1e-5)
    assert measured.metrics["mean"] == pytest.approx(y.mean().item(), rel=1e-4)
    assert measured.metrics["relu_std"] == pytest.approx(y.relu().std(correction=0).item(), rel=1e-5)
    assert measured.metrics["relu_size"] == pytest.approx(y.relu().square().mean().sqrt().item(), rel=1e-5)


def test_measured_again_it_is_the_same():
    spec = specs("kaiming-relu")[0]
    assert study.measure(spec, Context("cpu")) == study.measure(spec, Context("cpu"))


def test_what_is_not_finite_is_recorded_as_none():
    assert study.kept(math.inf) is None
    assert study.kept(math.nan) is None
    assert study.kept(1.23456789e-30) == 1.23457e-30
