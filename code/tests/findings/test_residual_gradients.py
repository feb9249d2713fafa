"""Each claim's evidence moved past its boundary, the law against brute force, and what the page shows."""

import math
from dataclasses import replace

import pytest

from worked.claims import NOT_SUPPORTED, SUPPORTED, UNDECIDED
from worked.findings import residual_gradients as findings
from worked.measurement import Context
from worked.records import Record
from worked.studies import residual_gradients as study
from worked.study import DRAWN

CLAIMS = {claim.id.removeprefix(f"{study.SLUG}-"): claim for claim in findings.FINDINGS.claims}
FULL = study.PROFILES["full"]


def record(spec):
    """A record of the law's own numbers, spread a little between seeds."""
    config, depth = spec.config, spec.config["depth"]
    rate = findings.predicted(config["initialisation"], config["connection"]) * (1 + 0.001 * (spec.seed - 4.5))
    history = {"log10_size": [rate * n for n in range(depth)]}
    if config["connection"] == "residual":
        p = study.law(config["initialisation"]) / (1 + study.law(config["initialisation"]))
        p *= 1 + 0.001 * (spec.seed - 4.5)
        blocks = depth - 1
        history["share"] = [math.comb(blocks, k) * p**k * (1 - p) ** (blocks - k) for k in range(depth)]
    return Record(spec, {}, {}, history, {}, "0" * 64, {}, DRAWN, 1.0, "2026-01-01T00:00:00+00:00")


@pytest.fixture(scope="module")
def records():
    return [record(spec) for spec in study.specs(FULL, lambda spec: None)]


def moved(records, initialisation, connection, *, size=0.0, blocks=None):
    """The records with the growth of one kind of network moved, or all that its paths carry on one length."""
    out = []
    for r in records:
        if (r.spec.config["initialisation"], r.spec.config["connection"]) == (initialisation, connection):
            history = {**r.history, "log10_size": [v + size * n for n, v in enumerate(r.history["log10_size"])]}
            if blocks is not None:
                here, part = int(blocks), blocks - int(blocks) + 0.001 * (r.spec.seed - 4.5)
                share = [0.0] * len(r.history["share"])
                share[here], share[here + 1] = 1 - part, part
                history["share"] = share
            r = replace(r, history=history)
        out.append(r)
    return out


GROWTH = {name: findings.predicted("default", name) for name in study.CONNECTIONS}
HE = {name: findings.predicted("he", name) for name in study.CONNECTIONS}
# What to move so that the evidence is just above its boundary, on it, and just below.
MOVES = {
    "plain-vanishes": [("default", "plain", {"size": -GROWTH["plain"] + by}) for by in (-0.01, 0.0, 0.01)],
    "residual-stays": [("default", "residual", {"size": -GROWTH["residual"] + by}) for by in (0.001, 0.0, -0.001)],
    "plain-explodes": [("he", "plain", {"size": -HE["plain"] + by}) for by in (0.001, 0.0, -0.001)],
    "residual-explodes": [
        ("he", "residual", {"size": HE["plain"] - HE["residual"] + by}) for by in (0.001, 0.0, -0.001)
    ],
    "law": [("he", "plain", {"size": HE["plain"] * by}) for by in (0.09, 0.1, 0.11)],
    "short-paths": [("default", "residual", {"blocks": 31.5 + by}) for by in (-0.1, 0.0, 0.1)],
    "long-paths": [("he", "residual", {"blocks": 31.5 + by}) for by in (0.1, 0.0, -0.1)],
}


def test_every_claim_is_moved():
    assert set(MOVES) == set(CLAIMS)


@pytest.mark.parametrize("name", MOVES)
def test_the_verdict_flips_at_the_boundary(records, name):
    found = []
    for initialisation, connection, change in MOVES[name]:
        summary = findings.Summary(moved(records, initialisation, connection, **change))
        found.append(CLAIMS[name].judge(summary).state)
    assert found == [SUPPORTED, UNDECIDED, NOT_SUPPORTED]


def test_slope():
    assert findings.slope([1.0, 3.0, 5.0, 7.0]) == pytest.approx(2)
    assert findings.slope([0.0, 1.0, 0.0]) == 0


@pytest.mark.parametrize("initialisation", study.INITIALISATIONS)
def test_the_law_is_the_mean_over_weights(initialisation):
    """The factor q, by the mean over many drawn blocks, at an input that is not typical."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        width, drawn = 6, 1500
        state, direction = torch.randn(2, width, dtype=torch.float64)
        squares = []
        for _ in range(drawn):
            block = study.block(width, initialisation)
            image = torch.func.jacrev(block)(3 * state) @ direction
            squares.append(float(image.square().sum() / direction.square().sum()))
    mean = sum(squares) / drawn
    deviation = math.sqrt(sum((s - mean) ** 2 for s in squares)) / drawn
    assert abs(mean - study.law(initialisation)) < 4 * deviation
    assert deviation < 0.1 * mean


def test_what_is_measured():
    """The derivative of the whole network by the first block's output, from automatic differentiation."""
    import torch

    smoke = study.PROFILES["smoke"]
    for spec in study.specs(smoke, lambda spec: None):
        measured = study.measure(spec, Context("cpu"))
        width, depth, skip = spec.config["width"], spec.config["depth"], spec.config["connection"] == "residual"
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(spec.seed)
            state = torch.randn(width, dtype=torch.float64)
            blocks = [study.block(width, spec.config["initialisation"]) for _ in range(depth)]

        def behind(first, state=state, blocks=blocks, skip=skip):
            value = state + first if skip else first
            for block in blocks[1:]:
                value = value + block(value) if skip else block(value)
            return value

        whole = torch.func.jacrev(behind)(blocks[0](state))
        size = math.log10(float(whole.norm()) / math.sqrt(width))
        assert measured.metrics["log10_size"] == pytest.approx(size, abs=1e-9)
        assert measured.history["log10_size"][0] == 0
        assert len(measured.history["log10_size"]) == depth
        assert ("share" in measured.history) is skip
        assert sum(measured.history.get("share", [1.0])) == pytest.approx(1)


def test_plain_and_residual_networks_share_their_blocks():
    specs = [spec for spec in study.specs(study.PROFILES["smoke"], lambda spec: None) if spec.seed == 1]
    first = [study.measure(spec, Context("cpu")).metrics for spec in specs]
    assert first == [study.measure(spec, Context("cpu")).metrics for spec in specs]
    assert len({spec.key for spec in specs}) == 4


def test_figures_and_text(records):
    summary = findings.Summary(records)
    chart = findings.depth_chart(summary)
    assert len(chart.rows) == 2 * 2 * 64
    assert f"PyTorch's default, plain: from 0 to {63 * GROWTH['plain']:.1f}" in chart.alt
    chart = findings.path_chart(summary)
    assert len(chart.rows) == 2 * 64
    assert "31.5 over all paths" in chart.alt
    assert "There are 10 seeds" in findings.protocol(summary)
    assert "0.0556 for PyTorch's default" in findings.protocol(summary)
