"""How large is the derivative behind n blocks, with and without skip connections, in untrained networks?

A network of 64 blocks, two ways of drawing its weights, 10 seeds; the same seed draws the same blocks with and without
skip connections. Nothing is trained. Cost: about half a minute on 2 CPU cores.
"""

import math
from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, Any

from worked.measurement import Context, Measurement
from worked.records import Spec
from worked.study import DRAWN, Profile, Stored, Study

if TYPE_CHECKING:
    from torch import Tensor, nn

SLUG = "residual-gradients"
CONNECTIONS = ("plain", "residual")
INITIALISATIONS = ("default", "he")  # PyTorch's, with variance 1 / (3 width); He's, with variance 2 / width

PROFILES = {
    profile.name: profile
    for profile in (
        Profile("full", "about half a minute on 2 CPU cores", DRAWN, {"depth": 64, "width": 64, "seeds": range(10)}),
        Profile("laptop", "about 10 seconds on 2 CPU cores", DRAWN, {"depth": 32, "width": 64, "seeds": range(5)}),
        Profile("smoke", "seconds", DRAWN, {"depth": 8, "width": 16, "seeds": range(2)}),
    )
}


def specs(profile: Profile, stored: Stored) -> Iterator[Spec]:
    """Every initialisation with every kind of connection and every seed."""
    data = {"name": "one standard normal input", "source": DRAWN}
    sizes = {name: profile.settings[name] for name in ("depth", "width")}
    for initialisation, connection, seed in product(INITIALISATIONS, CONNECTIONS, profile.settings["seeds"]):
        config = {"initialisation": initialisation, "connection": connection, **sizes}
        yield Spec(SLUG, STUDY.protocol, profile.name, config, seed, data)


def law(initialisation: str) -> float:
    r"""The factor q by which a block's Jacobian multiplies squared lengths, in the mean over its weights.

    For a hidden layer of ReLU units and weights of variance $s^2$ in both layers, $q = \tfrac12 (w s^2)^2$ at every
    input and width w: a ReLU unit is on for one of a row of weights and its negative.
    """
    variance = {"default": 1 / 3, "he": 2.0}[initialisation]  # times the width
    return variance**2 / 2


def block(width: int, initialisation: str) -> "nn.Module":
    """A block: two linear layers with ReLU between them, in double precision, at its initial weights."""
    import torch
    from torch import nn

    layers = nn.Linear(width, width, dtype=torch.float64), nn.Linear(width, width, dtype=torch.float64)
    if initialisation == "he":
        for layer in layers:
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
    return nn.Sequential(layers[0], nn.ReLU(), layers[1]).requires_grad_(False)


def mean_square(matrix: "Tensor") -> float:
    """The squared length of the image of a unit vector, in the mean over all directions: |P|^2 / width."""
    return float(matrix.square().sum()) / matrix.shape[1]


def measure(run: Spec, context: Context) -> Measurement:
    """Multiply the blocks' Jacobian matrices up, from the first block's output to that of every later one."""
    import torch

    width, depth, skip = run.config["width"], run.config["depth"], run.config["connection"] == "residual"
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(run.seed)
        state = torch.randn(width, dtype=torch.float64)
        blocks = [block(width, run.config["initialisation"]) for _ in range(depth)]
    identity = torch.eye(width, dtype=torch.float64)
    by_length = [identity]  # the derivative, split by how many blocks its paths go through
    whole, squares = identity, [1.0]
    state = blocks[0](state) + (state if skip else 0)
    for later in blocks[1:]:
        jacobian = torch.func.jacrev(later)(state)
        whole = (identity + jacobian) @ whole if skip else jacobian @ whole
        squares.append(mean_square(whole))
        if skip:
            through = [jacobian @ part for part in by_length]
            by_length = [a + b for a, b in zip([*by_length, 0 * identity], [0 * identity, *through], strict=True)]
        state = later(state) + (state if skip else 0)
    context.tick(1)
    history: dict[str, list[Any]] = {"log10_size": [math.log10(square) / 2 for square in squares]}
    if skip:
        parts = [mean_square(part) for part in by_length]
        history["share"] = [part / sum(parts) for part in parts]
    return Measurement({"log10_size": history["log10_size"][-1]}, history, {}, {}, DRAWN)


STUDY = Study(
    slug=SLUG,
    title="Gradients with and without skip connections",
    question="Does the derivative by an early block's output vanish or explode with depth in untrained networks?",
    protocol=1,
    profiles=PROFILES,
    module=__name__,
    specs=specs,
    measure=measure,
    epochs=lambda run: 1,
)
