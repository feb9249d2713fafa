"""At which layer does a deep network break, and what does each initialisation change? 100 layers of 512 units.

Six schemes, 20 seeds each; a seed draws the input, all weights, and a gradient at the output that is sent back. Nothing
is trained. Runs of a seventh kind multiply 10,000 fresh inputs by as many fresh matrices. Cost of ``full``: see below.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from worked.measurement import Context, Measurement
from worked.records import Spec
from worked.study import DRAWN, Profile, Stored, Study

if TYPE_CHECKING:
    from torch import Generator, Tensor

SLUG = "depth-and-initialization"
PRODUCTS = "products"  # in place of a scheme: single products, for the law of the square root
SATURATED, SMALL = 0.99, 0.01  # units above, and below, this size are counted
DIGITS = 6  # significant ones kept of each number


@dataclass(frozen=True)
class Scheme:
    """How weights are drawn, and what stands behind each layer."""

    weights: str  # normal, normalised, xavier or kaiming
    activation: str  # none, tanh or relu


SCHEMES = {
    "normal": Scheme("normal", "none"),
    "normalised": Scheme("normalised", "none"),
    "normal-tanh": Scheme("normal", "tanh"),
    "xavier-tanh": Scheme("xavier", "tanh"),
    "xavier-relu": Scheme("xavier", "relu"),
    "kaiming-relu": Scheme("kaiming", "relu"),
}

PROFILES = {
    profile.name: profile
    for profile in (
        Profile("full", "about 5 minutes on 2 CPU cores", DRAWN,
                {"depth": 100, "width": 512, "seeds": range(20), "repeats": 10_000, "product_seeds": range(5)}),
        Profile("laptop", "about half a minute on 2 CPU cores", DRAWN,
                {"depth": 100, "width": 512, "seeds": range(5), "repeats": 1000, "product_seeds": range(5)}),
        Profile("smoke", "seconds", DRAWN,
                {"depth": 60, "width": 64, "seeds": range(2), "repeats": 50, "product_seeds": range(2)}),
    )
}  # fmt: skip


def specs(profile: Profile, stored: Stored) -> Iterator[Spec]:
    """Every scheme with every seed, then the single products."""
    settings, data = profile.settings, {"name": "standard normal inputs", "source": DRAWN}
    for scheme in SCHEMES:
        config = {"scheme": scheme, "depth": settings["depth"], "width": settings["width"]}
        for seed in settings["seeds"]:
            yield Spec(SLUG, STUDY.protocol, profile.name, config, seed, data)
    config = {"scheme": PRODUCTS, "repeats": settings["repeats"], "width": settings["width"]}
    for seed in settings["product_seeds"]:
        yield Spec(SLUG, STUDY.protocol, profile.name, config, seed, data)


def draw(weights: str, width: int, generator: "Generator") -> "Tensor":
    """A weight matrix [width, width]."""
    import torch

    from worked.answers.initializers import kaiming_init, xavier_init

    if weights == "xavier":
        return xavier_init(width, width, generator=generator)
    if weights == "kaiming":
        return kaiming_init(width, width, generator=generator)
    normal = torch.randn(width, width, generator=generator)
    return normal / math.sqrt(width) if weights == "normalised" else normal


def kept(value: "Tensor | float") -> float | None:
    """A number as it is recorded: rounded, or None where it is not finite."""
    return float(f"{float(value):.{DIGITS}g}") if math.isfinite(value) else None


def measure(run: Spec, context: Context) -> Measurement:
    """One network, or many single products."""
    measured = products(run) if run.config["scheme"] == PRODUCTS else network(run)
    context.tick(1)
    return measured


def network(run: Spec) -> Measurement:
    """Send an input up in single precision and a gradient back in double precision, and describe every layer."""
    import torch

    scheme, width, depth = SCHEMES[run.config["scheme"]], run.config["width"], run.config["depth"]
    generator = torch.Generator().manual_seed(run.seed)
    act = {"none": lambda z: z, "tanh": torch.tanh, "relu": torch.relu}[scheme.activation]
    slope = {"none": torch.ones_like, "tanh": lambda h: 1 - h**2, "relu": lambda h: (h > 0).to(h)}[scheme.activation]
    x = torch.randn(width, generator=generator)
    upper = torch.randn(width, generator=generator).double()  # dL/dh of the last layer
    layers, values = [], [x]
    for _ in range(depth):
        layers.append(draw(scheme.weights, width, generator))
        values.append(act(layers[-1] @ values[-1]))

    hidden = [value.double() for value in values[1:]]
    rows = {"mean": [kept(h.mean()) for h in hidden], "std": [kept(h.std(correction=0)) for h in hidden]}
    for name, holds in {"saturated": lambda h: h.abs() > SATURATED, "small": lambda h: h.abs() < SMALL,
                        "infinite": torch.isinf, "nan": torch.isnan}.items():  # fmt: skip
        rows[name] = [kept(holds(h).double().mean()) for h in hidden]
    gradient = []
    for weight, h in zip(reversed(layers), reversed(hidden), strict=True):
        gradient.append(kept(upper.square().mean().sqrt().log10()))
        upper = weight.double().T @ (upper * slope(h))
    first = {f"first_{k}": next((n for n, share in enumerate(rows[k], 1) if share), None) for k in ("infinite", "nan")}
    return Measurement(first, {**rows, "log10_gradient": gradient[::-1]}, {}, {}, DRAWN)


def products(run: Spec) -> Measurement:
    """The estimator of the exercise over many y = a x, with a and x drawn anew each time, and behind ReLU."""
    import torch

    width, repeats = run.config["width"], run.config["repeats"]
    generator = torch.Generator().manual_seed(run.seed)
    means, squares = torch.zeros(2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    for _ in range(repeats):
        x, a = torch.randn(width, generator=generator), torch.randn(width, width, generator=generator)
        y = (a @ x).double()
        both = torch.stack([y, y.relu()])
        means, squares = means + both.mean(1) / repeats, squares + both.square().mean(1) / repeats
    (mean, relu_mean), (square, relu_square) = means.tolist(), squares.tolist()
    metrics = {"mean": mean, "std": math.sqrt(square), "relu_mean": relu_mean}
    metrics |= {"relu_size": math.sqrt(relu_square), "relu_std": math.sqrt(relu_square - relu_mean**2)}
    return Measurement({name: kept(value) for name, value in metrics.items()}, {}, {}, {}, DRAWN)


STUDY = Study(
    slug=SLUG,
    title="Depth and initialisation",
    question="At which layer does a network of 100 layers break, and what does each initialisation change?",
    protocol=1,
    profiles=PROFILES,
    module=__name__,
    specs=specs,
    measure=measure,
    epochs=lambda run: 1,
)
