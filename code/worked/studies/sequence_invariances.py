"""Do weights tied by a symmetry help on sequences with that symmetry, and what do random scales do to training?

Sequences of bases are drawn, and labelled by a random network that has the symmetry or has none; networks with each
constraint are trained on the same few samples. Cost of ``full``: about a minute on 2 CPU cores.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from worked.measurement import Context, Measurement
from worked.records import Spec
from worked.study import DRAWN, Profile, Stored, Study

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from worked.answers.invariances import TiedNetwork

    Samples = tuple[Tensor, Tensor]

SLUG = "sequence-invariances"
LENGTH = 8  # bases in a sequence
RATE = 0.01  # of Adam
LABELS = ("none", "reversal", "complement", "both")  # the symmetry of the labels
CONSTRAINTS = (*LABELS, "symmetric units")  # of the networks that are trained on each
DEVIATION = 2.0  # of the logarithm of a scale
SCALES = tuple(10 ** (n / 4) for n in range(-8, 9))  # at which gradients are measured
SIZES = {"train": 200, "test": 4000, "steps": 300}

PROFILES = {
    profile.name: profile
    for profile in (
        Profile("full", "about a minute on 2 CPU cores", DRAWN, {"seeds": range(12), **SIZES}),
        Profile("laptop", "about half a minute on 2 CPU cores", DRAWN, {"seeds": range(6), **SIZES}),
        Profile("smoke", "seconds", DRAWN, {"seeds": range(2), "train": 50, "test": 200, "steps": 20}),
    )
}  # fmt: skip


def specs(profile: Profile, stored: Stored) -> Iterator[Spec]:
    """For each seed one run for each kind of labels, which trains every network on them, and one about scales."""
    common = {"length": LENGTH, "rate": RATE, **{name: profile.settings[name] for name in SIZES}}
    data = {"name": "random sequences of bases", "source": DRAWN}
    for seed in profile.settings["seeds"]:
        for labels in LABELS:
            yield Spec(SLUG, STUDY.protocol, profile.name, {"part": "symmetry", "labels": labels, **common}, seed, data)
        scale = {"part": "scale", "labels": "none", "deviation": DEVIATION, **common}
        yield Spec(SLUG, STUDY.protocol, profile.name, scale, seed, data)


def measure(run: Spec, context: Context) -> Measurement:
    """Draw the sequences and their labels, and train every network of the part on them."""
    import torch

    from worked.answers.invariances import TiedNetwork

    draws = torch.Generator().manual_seed(run.seed)
    teacher = TiedNetwork(LENGTH, run.config["labels"], generator=draws)
    X, X_test = (sequences(run.config[split], draws) for split in ("train", "test"))
    with torch.no_grad():
        middle = teacher(X).median()  # so that both labels are equally frequent
        y, y_test = (2 * (teacher(inputs) > middle).float() - 1 for inputs in (X, X_test))
    part = symmetry if run.config["part"] == "symmetry" else scaling
    metrics, history = part(run, (X, y), (X_test, y_test), draws)
    return Measurement(metrics, history, {}, {}, DRAWN)


def symmetry(run: Spec, train: "Samples", test: "Samples", draws: "Generator") -> tuple[dict, dict]:
    """The test accuracy of a network with each constraint."""
    models = {constraint: trained(run, constraint, lambda: train[0], train[1]) for constraint in CONSTRAINTS}
    return {f"{name.replace(' ', '_')}_test_accuracy": accuracy(model, *test) for name, model in models.items()}, {}


def scaling(run: Spec, train: "Samples", test: "Samples", draws: "Generator") -> tuple[dict, dict]:
    """Every sample has a scale of its own: the test accuracy of networks that are told nothing of it, or helped."""
    import torch

    from worked.answers.invariances import gradient_norms, normalised

    def scales(inputs: "Tensor") -> "Tensor":
        return torch.exp(run.config["deviation"] * torch.randn(len(inputs), 1, 1, generator=draws))

    (X, y), (X_test, y_test) = ((scales(inputs) * inputs, labels) for inputs, labels in (train, test))
    inputs: dict[str, Callable[[], Tensor]] = {
        "raw": lambda: X,
        "augmented": lambda: scales(X) * X,  # drawn anew at every step
        "normalised": lambda: normalised(X),
    }
    metrics: dict[str, float | None] = {}
    for name, prepared in inputs.items():
        model = trained(run, "none", prepared, y)
        shown = normalised(X_test) if name == "normalised" else X_test
        metrics[f"{name}_test_accuracy"] = accuracy(model, shown, y_test)
    model = initial(run, "none")
    with torch.no_grad():
        right = model(train[0]) * train[1] > 0
    norms = [gradient_norms(model, scale * train[0], train[1]) for scale in SCALES]
    history = {"right_gradient_norm": right, "wrong_gradient_norm": ~right}
    return metrics, {name: [float(norm[chosen].mean()) for norm in norms] for name, chosen in history.items()}


def sequences(count: int, draws: "Generator") -> "Tensor":
    """Sequences of independent bases, one of the four entries of each position being 1, `[count, 4, d]`."""
    import torch

    bases = torch.randint(4, (count, LENGTH), generator=draws)
    return torch.nn.functional.one_hot(bases, 4).transpose(1, 2).float()


def initial(run: Spec, constraint: str) -> "TiedNetwork":
    """The network of a run before training."""
    import torch

    from worked.answers.invariances import TiedNetwork

    return TiedNetwork(LENGTH, constraint, generator=torch.Generator().manual_seed(1000 + run.seed))


def trained(run: Spec, constraint: str, inputs: "Callable[[], Tensor]", y: "Tensor") -> "TiedNetwork":
    """The network after its steps of Adam on the logistic loss of all samples."""
    import torch

    model = initial(run, constraint)
    optimiser = torch.optim.Adam(model.parameters(), lr=run.config["rate"])
    for _ in range(run.config["steps"]):
        optimiser.zero_grad()
        torch.nn.functional.softplus(-y * model(inputs())).mean().backward()
        optimiser.step()
    return model


def accuracy(model: "TiedNetwork", X: "Tensor", y: "Tensor") -> float:
    """The share of the samples whose label is the sign of the output."""
    import torch

    with torch.no_grad():
        return float((model(X) * y > 0).float().mean())


STUDY = Study(
    slug=SLUG,
    title="Sequences with symmetries",
    question="Do weights that are tied by a symmetry help, and what do random scales of the samples do?",
    protocol=1,
    profiles=PROFILES,
    module=__name__,
    specs=specs,
    measure=measure,
    epochs=lambda run: 1,
)
