"""What tied weights and scales do on drawn sequences: summary, claims and figures of the study of the same name."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from worked import figures
from worked.claims import Claim
from worked.estimate import Estimate, estimate
from worked.figures import Chart
from worked.findings import Findings
from worked.records import Record
from worked.studies.sequence_invariances import CONSTRAINTS, LABELS, LENGTH, SCALES, SLUG, STUDY

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAMES = {
    "none": "no constraint",
    "reversal": "reversal",
    "complement": "complement",
    "both": "both",
    "symmetric units": "symmetric units",
}
PREPARED = ("raw", "augmented", "normalised")


class Summary:
    """The records of each part, in the order of the seeds."""

    def __init__(self, records: Sequence[Record]):
        self.records = sorted(records, key=lambda record: record.spec.seed)

    def part(self, part: str, labels: str) -> list[Record]:
        """The records of one part with one kind of labels."""
        return [r for r in self.records if (r.spec.config["part"], r.spec.config["labels"]) == (part, labels)]

    def accuracies(self, labels: str, constraint: str) -> list[float]:
        """Test accuracies of the networks with a constraint, for each seed."""
        name = f"{constraint.replace(' ', '_')}_test_accuracy"
        return [float(record.metrics[name] or 0) for record in self.part("symmetry", labels)]

    def prepared(self, name: str) -> list[float]:
        """Test accuracies under random scales, for each seed."""
        return [float(record.metrics[f"{name}_test_accuracy"] or 0) for record in self.part("scale", "none")]

    def gradients(self, kind: str) -> list[list[float]]:
        """For each seed the mean gradient norm at each scale, of the samples that are right or wrong."""
        return [record.history[f"{kind}_gradient_norm"] for record in self.part("scale", "none")]


def _minus(left: Sequence[float], right: Sequence[float]) -> list[float]:
    return [a - b for a, b in zip(left, right, strict=True)]


def _over(labels: str, one: str, other: str) -> Callable[[Summary], list[float]]:
    return lambda s: _minus(s.accuracies(labels, one), s.accuracies(labels, other))


def _claim(name: str, statement: str, labels: str, one: str, other: str) -> Claim:
    return Claim(f"{SLUG}-{name}", statement, _over(labels, one, other), "difference in test accuracy")


def _scale_claim(name: str, statement: str, one: str, other: str) -> Claim:
    return Claim(
        f"{SLUG}-{name}", statement, lambda s: _minus(s.prepared(one), s.prepared(other)), "difference in test accuracy"
    )


def _claims() -> tuple[Claim, ...]:
    single = ("reversal", "complement")
    two, scaled = "where labels have both symmetries", "where each sample has a random scale"
    return (
        *(_claim(f"{name}-helps", f"where labels are symmetric under {name}, that constraint raises the test accuracy",
                 name, name, "none") for name in single),
        *(_claim(f"one-of-two-{name}", f"{two}, the constraint of {name} alone raises the test accuracy",
                 "both", name, "none") for name in single),
        *(_claim(f"both-over-{name}", f"{two}, both constraints give a higher test accuracy than {name} alone",
                 "both", "both", name) for name in single),
        _claim("pairs", "where labels are symmetric under reversal, tied pairs of units beat symmetric units",
               "reversal", "reversal", "symmetric units"),
        *(_claim(f"wrong-{name}", f"where labels have no symmetry, the constraint of {name} lowers the test accuracy",
                 "none", "none", name) for name in single),
        _scale_claim("normalised", f"{scaled}, dividing by the norm raises the test accuracy", "normalised", "raw"),
        _scale_claim("augmented", f"{scaled}, new scales at every step raise the test accuracy", "augmented", "raw"),
        _scale_claim("normalised-over-augmented", f"{scaled}, dividing by the norm beats new scales at every step",
                     "normalised", "augmented"),
    )  # fmt: skip


def _name(record: Record) -> str:
    config = record.spec.config
    return "random scales" if config["part"] == "scale" else f"labels with the symmetry {config['labels']}"


FINDINGS = Findings(STUDY, Summary, _claims(), _name)


def protocol(summary: Summary) -> str:
    """How the runs were made, in numbers of the study's own settings."""
    import torch

    from worked.answers.invariances import TiedNetwork

    config, seeds = summary.records[0].spec.config, len(summary.part("scale", "none"))
    networks = {name: TiedNetwork(LENGTH, name, generator=torch.Generator()) for name in CONSTRAINTS}
    count = {name: sum(p.numel() for p in network.parameters()) for name, network in networks.items()}
    return (
        f"Sequences of {config['length']} bases are drawn at random and labelled by a random network of the same form, "
        "the *teacher*: the label says whether its output exceeds the median over the training samples. Its weights "
        "are free, or tied by reversal, by complementary bases or by both, so that the labels have this symmetry. Each "
        f"network learns from {config['train']} samples by {config['steps']} steps of Adam with the rate "
        f"{config['rate']:g} on their logistic loss; {config['test']:,} others measure it; nothing is chosen by them. "
        f"There are {seeds} seeds, and all networks of one seed see the same samples. Free weights: "
        + ", ".join(f"{NAMES[name]} {number:,}" for name, number in count.items())
        + "."
    )


def accuracies(summary: Summary) -> Chart:
    """Test accuracy under each constraint, a panel for each symmetry of the labels."""
    titles = {"none": "Labels without symmetry"} | {name: f"Labels: {NAMES[name]}" for name in LABELS[1:]}
    drawing, axes = figures.panels(list(titles.values()), height=2.1)
    rows, told = [], []
    for axis, labels in zip(axes, LABELS, strict=True):
        points = {name: estimate([100 * v for v in summary.accuracies(labels, name)]) for name in CONSTRAINTS}
        _dots(axis, points)
        rows += [
            {"labels": labels, "constraint": name, "accuracy": p.mean, "low": p.low, "high": p.high, "n": p.n}
            for name, p in points.items()
        ]
        told.append(f"{titles[labels]}: " + ", ".join(f"{NAMES[name]} {p.mean:.1f}" for name, p in points.items()))
    for axis in axes[2:]:
        axis.set_xlabel("test accuracy in percent")
    alt = (
        "Four panels of points with intervals, the test accuracy in percent for each constraint. "
        + ". ".join(told)
        + "."
    )
    caption = "Test accuracy of networks with different constraints, mean and 95 % interval over the seeds."
    return Chart(f"{SLUG}-accuracy", drawing, alt, caption, rows)


def _dots(axis: "Axes", points: dict[str, Estimate]) -> None:
    """One point with its interval for each name, the first on top."""
    heights = range(len(points))[::-1]
    for height, point, colour in zip(heights, points.values(), figures.COLOURS, strict=True):
        half = point.high - point.mean
        axis.errorbar(point.mean, height, xerr=half, fmt="o", color=colour, capsize=3, markersize=5)
    axis.set_yticks(list(heights), labels=[NAMES[name] for name in points])
    axis.set_ylim(-0.6, len(points) - 0.4)


def gradients(summary: Summary) -> Chart:
    """The norm of a sample's gradient against its scale, before training."""
    drawing, (axis,) = figures.panels([""], columns=1, height=3.0)
    rows, told = [], []
    for kind, colour, dash in zip(("right", "wrong"), figures.COLOURS, figures.DASHES, strict=False):
        points = [estimate(values) for values in zip(*summary.gradients(kind), strict=True)]
        means = [point.mean for point in points]
        axis.plot(SCALES, means, color=colour, linestyle=dash, label=f"classified {kind}")
        low = [max(point.low, 1e-3 * point.mean) for point in points]  # an axis of logarithms has no zero
        axis.fill_between(SCALES, low, [point.high for point in points], color=colour, alpha=0.2, linewidth=0)
        rows += [
            {"classified": kind, "scale": c, "mean": p.mean, "low": p.low, "high": p.high, "n": p.n}
            for c, p in zip(SCALES, points, strict=True)
        ]
        top = max(range(len(means)), key=means.__getitem__)
        told.append(
            f"classified {kind}: {means[0]:.2g} at scale {SCALES[0]:g}, highest {means[top]:.2g} at {SCALES[top]:.2g}, "
            f"{means[-1]:.2g} at {SCALES[-1]:g}"
        )
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlabel("scale c of the sample")
    axis.set_ylabel("norm of its gradient")
    axis.legend()
    alt = (
        "Two curves of the gradient's norm against the scale of a sample, both axes logarithmic. "
        + "; ".join(told)
        + "."
    )
    caption = (
        "Norm of the gradient of one sample's loss against the scale of the sample, before training: the mean over the "
        "samples that are classified right or wrong, then mean and 95 % interval over the seeds."
    )
    return Chart(f"{SLUG}-gradient", drawing, alt, caption, rows)
