"""Does the explicit regulariser pull a dense layer to a convolution, and does that help when data are few?

A convolution with random filters labels random inputs, with noise. A dense layer is trained on them by gradient
descent, with the regulariser at several strengths. Cost of ``full``: about a minute on 2 CPU cores.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from worked.measurement import Context, Measurement
from worked.records import Spec
from worked.study import DRAWN, Profile, Stored, Study

if TYPE_CHECKING:
    from torch import Tensor

SLUG = "convolution-regularizer"
INPUTS, WIDTH, FILTERS = 16, 5, 2
NOISE = 0.5  # standard deviation of what is added to each label
FEW, MANY = 24, 2400  # training samples
TESTED = 2000  # test samples, without noise
STRENGTHS = (0.0, 0.1, 1.0, 10.0, 100.0)
METRICS = ("train_loss", "test_loss", "distance")
ALONE = 10.0  # the strength at which sparsity and sharing are also tried one without the other

PROFILES = {
    profile.name: profile
    for profile in (
        Profile("full", "about a minute on 2 CPU cores", DRAWN, {"steps": 1000, "seeds": range(10)}),
        Profile("laptop", "some 10 seconds on 2 CPU cores", DRAWN, {"steps": 300, "seeds": range(5)}),
        Profile("smoke", "seconds", DRAWN, {"steps": 30, "seeds": range(2)}),
    )
}


def specs(profile: Profile, stored: Stored) -> Iterator[Spec]:
    """Both strengths alike, one of them alone, many samples, and the convolution itself."""
    alone, many = [(ALONE, 0.0, FEW), (0.0, ALONE, FEW)], [(s, s, MANY) for s in (0.0, STRENGTHS[-1])]
    layers = [("dense", *setting) for setting in (*((s, s, FEW) for s in STRENGTHS), *alone, *many)]
    layers.append(("convolution", 0.0, 0.0, FEW))
    data = {"name": "standard normal inputs, labels from a random convolution", "source": DRAWN}
    for seed in profile.settings["seeds"]:
        for layer, sparsity, sharing, samples in layers:
            config = {"layer": layer, "sparsity": sparsity, "sharing": sharing, "samples": samples}
            config["steps"] = profile.settings["steps"] if layer == "dense" else 0
            yield Spec(SLUG, STUDY.protocol, profile.name, config, seed, data)


def penalty(A: "Tensor", a: "Tensor", S: "Tensor", sparsity: float, sharing: float) -> "Tensor":
    """The regulariser: weights `A` `[M, D, D]`, biases `a` `[M, D]`, shifts `S` `[W, D, D]`."""
    w, b = nearest(A, a, S)
    off, band = A - dense(w, S), S.sum(0)
    beside, inside = (1 - band) * off, band * off
    deviation = inside.square().sum() + (a - b[:, None]).square().sum()
    return sparsity * beside.square().sum() + sharing * deviation


def nearest(A: "Tensor", a: "Tensor", S: "Tensor") -> "tuple[Tensor, Tensor]":
    """Filters `[M, W]` and biases `[M]` of the nearest convolution: means of diagonals, and of biases."""
    import torch

    return torch.einsum("rjt,cjt->cr", S, A) / S.sum((1, 2)), a.mean(1)


def dense(w: "Tensor", S: "Tensor") -> "Tensor":
    """Weights `[M, D, D]` of the dense layer that computes the convolution with filters `w` `[M, W]`."""
    import torch

    return torch.einsum("cr,rjt->cjt", w, S)


def output(A: "Tensor", a: "Tensor", x: "Tensor") -> "Tensor":
    """Outputs `[N, M, D]` of the dense layer for inputs `[N, D]`."""
    import torch

    return torch.einsum("cjt,nt->ncj", A, x) + a


def recorded(steps: int) -> list[int]:
    """The steps after which a run is measured: 1, 2, 5, 10, ..., the last among them."""
    marks = (first * 10**power for power in range(6) for first in (1, 2, 5))
    return sorted({mark for mark in marks if mark < steps} | {steps})


def measure(run: Spec, context: Context) -> Measurement:
    """Draw teacher and data from the seed, fit the layer, compare it with the teacher and with a convolution."""
    import torch

    from worked.answers.convolution import shifts

    config = run.config
    source = torch.Generator().manual_seed(run.seed)

    def normal(*shape: int) -> "Tensor":
        return torch.randn(shape, generator=source, dtype=torch.float64)

    S = torch.from_numpy(shifts(INPUTS, WIDTH))
    teacher, bias = dense(normal(FILTERS, WIDTH) / WIDTH**0.5, S), normal(FILTERS)[:, None].expand(-1, INPUTS)
    bound = INPUTS**-0.5  # PyTorch's initial weights and biases of a linear layer
    start, start_bias = (bound * (2 * torch.rand(shape, generator=source, dtype=torch.float64) - 1)
                         for shape in ((FILTERS, INPUTS, INPUTS), (FILTERS, INPUTS)))  # fmt: skip
    x_test, x = normal(TESTED, INPUTS), normal(config["samples"], INPUTS)
    y = output(teacher, bias, x) + NOISE * normal(config["samples"], FILTERS, INPUTS)
    y_test = output(teacher, bias, x_test)

    def state(A: "Tensor", a: "Tensor") -> dict[str, float]:
        """Squared errors for each output, and the part of the squared weights that no convolution accounts for."""
        distance, size = penalty(A, a, S, 1.0, 1.0), A.square().sum() + a.square().sum()
        errors = ((output(A, a, inputs) - goal).square().mean() for inputs, goal in ((x, y), (x_test, y_test)))
        return dict(zip(METRICS, map(float, (*errors, distance / size)), strict=True))

    if config["layer"] == "convolution":  # least squares: the limit of large strengths
        windows = torch.einsum("rjt,nt->njr", S, x).reshape(-1, WIDTH)
        design = torch.cat([windows, torch.ones(len(windows), 1, dtype=torch.float64)], 1)
        fitted = torch.linalg.lstsq(design, y.transpose(1, 2).reshape(-1, FILTERS)).solution.T
        return Measurement(state(dense(fitted[:, :-1], S), fitted[:, -1:].expand(-1, INPUTS)), {}, {}, {}, DRAWN)

    A, a = start.clone().requires_grad_(), start_bias.clone().requires_grad_()
    both = torch.cat([x, torch.ones(len(x), 1, dtype=torch.float64)], 1)
    steepest = torch.linalg.eigvalsh(both.T @ both / len(x))[-1] + max(config["sparsity"], config["sharing"])
    rate = float(0.5 / steepest)  # 1 over the largest curvature: no step overshoots
    history: dict[str, list[float]] = {name: [] for name in METRICS}
    losses = []
    for step in range(1, config["steps"] + 1):
        misfit = (output(A, a, x) - y).square().sum((1, 2)).mean()
        loss = misfit + penalty(A, a, S, config["sparsity"], config["sharing"])
        moves = torch.autograd.grad(loss, (A, a))
        with torch.no_grad():
            A -= rate * moves[0]
            a -= rate * moves[1]
        losses.append(loss.item())
        if step in recorded(config["steps"]):
            measured = state(A.detach(), a.detach())
            history = {name: [*values, measured[name]] for name, values in history.items()}
    pictures = {"before": start[0], "after": A.detach()[0], "teacher": teacher[0]} if run.seed == 0 else {}
    images = {name: [[round(float(v), 3) for v in row] for row in picture] for name, picture in pictures.items()}
    return Measurement(measured, history, {"losses": losses[:20]}, {}, DRAWN, images=images)


STUDY = Study(
    slug=SLUG,
    title="A dense layer as a convolution",
    question="Does the explicit regulariser make a dense layer a convolution, and does that help when data are few?",
    protocol=1,
    profiles=PROFILES,
    module=__name__,
    specs=specs,
    measure=measure,
    epochs=lambda run: 1,
)
