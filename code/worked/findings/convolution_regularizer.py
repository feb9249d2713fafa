"""What the regulariser does to a dense layer: summary, claims, figures and table of the study of the same name."""

import math
from collections.abc import Callable, Sequence

from worked.claims import Claim
from worked.estimate import Estimate, estimate
from worked.figures import COLOURS, DASHES, Chart, Table, panels
from worked.findings import Findings
from worked.records import Record
from worked.studies.convolution_regularizer import (
    ALONE,
    FEW,
    FILTERS,
    INPUTS,
    MANY,
    NOISE,
    SLUG,
    STRENGTHS,
    STUDY,
    TESTED,
    WIDTH,
    recorded,
)

Setting = tuple[float, float, int]  # sparsity, sharing, samples
STRONG = STRENGTHS[-1]
NONE: Setting = (0.0, 0.0, FEW)
BOTH: Setting = (STRONG, STRONG, FEW)
SHOWN = {"train_loss": 1000, "test_loss": 1000, "distance": 100}  # thousandths, and percent
ROUNDING = 1e-20  # the distance of a convolution in double precision is smaller


class Summary:
    """The records of the dense layer by setting, and those of the convolution, in the order of the seeds."""

    def __init__(self, records: Sequence[Record]):
        self.dense: dict[Setting, list[Record]] = {}
        self.convolution: list[Record] = []
        for record in sorted(records, key=lambda record: record.spec.seed):
            config = record.spec.config
            if config["layer"] == "convolution":
                self.convolution.append(record)
            else:
                setting = (config["sparsity"], config["sharing"], config["samples"])
                self.dense.setdefault(setting, []).append(record)

    def values(self, setting: Setting, metric: str) -> list[float]:
        """A metric after the last step, for each seed."""
        return _metric(self.dense[setting], metric)

    def limit(self, metric: str) -> list[float]:
        """A metric of the convolution that was fitted itself."""
        return _metric(self.convolution, metric)


def _metric(runs: Sequence[Record], metric: str) -> list[float]:
    return [float(run.metrics[metric] or 0.0) for run in runs]


def _less(metric: str, one: Setting, other: Setting) -> Callable[[Summary], list[float]]:
    """By how much ``one`` lies below ``other``."""
    return lambda s: [b - a for a, b in zip(s.values(one, metric), s.values(other, metric), strict=True)]


def _halfway(summary: Summary) -> list[float]:
    ends = zip(summary.values(NONE, "test_loss"), summary.limit("test_loss"), strict=True)
    reached = summary.values(BOTH, "test_loss")
    return [(none + limit) / 2 - error for (none, limit), error in zip(ends, reached, strict=True)]


def _more_with_few(summary: Summary) -> list[float]:
    few = _less("test_loss", BOTH, NONE)(summary)
    many = _less("test_loss", (STRONG, STRONG, MANY), (0.0, 0.0, MANY))(summary)
    return [a - b for a, b in zip(few, many, strict=True)]


def _on_test(id: str, statement: str, evidence: Callable[[Summary], list[float]], effect: str = "difference") -> Claim:
    return Claim(f"convolution-{id}", statement, evidence, effect, "of squared error", 1.0)


CLAIMS = (
    Claim(
        "convolution-nearer",
        f"with both strengths at {STRONG:g} the dense layer ends nearer to a convolution than without the regulariser",
        _less("distance", BOTH, NONE),
        unit="of the squared weights",
        scale=1.0,
    ),
    _on_test(
        "test",
        f"with {FEW} samples the regulariser at {STRONG:g} lowers the test error",
        _less("test_loss", BOTH, NONE),
    ),
    _on_test(
        "limit",
        f"the test error at {STRONG:g} is nearer to that of a convolution than to that of the free dense layer",
        _halfway,
        "distance from the middle between the two",
    ),
    _on_test(
        "not-sparsity",
        f"at {ALONE:g}, sparsity and sharing together beat sparsity alone on the test set",
        _less("test_loss", (ALONE, ALONE, FEW), (ALONE, 0.0, FEW)),
    ),
    _on_test(
        "not-sharing",
        f"at {ALONE:g}, sparsity and sharing together beat sharing alone on the test set",
        _less("test_loss", (ALONE, ALONE, FEW), (0.0, ALONE, FEW)),
    ),
    _on_test(
        "few",
        f"the regulariser gains more with {FEW} samples than with {MANY:,}",
        _more_with_few,
        "difference of the gains",
    ),
)


def _name(record: Record) -> str:
    config = record.spec.config
    if config["layer"] == "convolution":
        return "the convolution itself"
    return f"sparsity {config['sparsity']:g}, sharing {config['sharing']:g}, {config['samples']:,} samples"


FINDINGS = Findings(STUDY, Summary, CLAIMS, _name)


def protocol(summary: Summary) -> str:
    """How the runs were made, in numbers of the study's own settings and records."""
    runs = summary.dense[NONE]
    return (
        f"A convolution of {FILTERS} filters of width {WIDTH}, its weights and biases drawn at random, labels {FEW} "
        f"standard normal inputs of length {INPUTS}; noise of standard deviation {NOISE:g} is added to each of the "
        f"{FILTERS * INPUTS} outputs. A dense layer with PyTorch's initial weights is trained by "
        f"{runs[0].spec.config['steps']:,} steps of plain gradient descent on the squared error and the regulariser, "
        "its rate 1 over the largest curvature. The test error is the mean squared error for each output on "
        f"{TESTED:,} inputs without noise. The distance is the squared distance from the nearest convolution as a part "
        "of all squared weights and biases, so that it lies between 0 and 1. Teacher, data and initial weights are "
        f"drawn by the seed, {len(runs)} times, and are the same for all strengths."
    )


def _geometric(values: Sequence[float]) -> Estimate:
    """Geometric mean with the interval of the mean of the logarithms."""
    logs = estimate([math.log(value) for value in values])
    return Estimate(math.exp(logs.mean), math.exp(logs.low), math.exp(logs.high), logs.n)


def curves(summary: Summary) -> Chart:
    """Distance and test error against steps, a line for each strength."""
    shown = [strength for strength in STRENGTHS if strength in (0.0, 1.0, 10.0, STRONG)]
    titles = {"distance": "Distance from a convolution", "test_loss": "Test error"}
    drawing, axes = panels(list(titles.values()), height=2.9)
    rows, told = [], []
    for axis, (metric, title) in zip(axes, titles.items(), strict=False):
        for strength, colour, dash in zip(shown, COLOURS, DASHES, strict=False):
            runs = summary.dense[strength, strength, FEW]
            steps = recorded(runs[0].spec.config["steps"])
            points = [_geometric(at) for at in zip(*(run.history[metric] for run in runs), strict=True)]
            label = f"strength {strength:g}" if strength else "unregularised"
            means = [p.mean for p in points]
            axis.plot(steps, means, color=colour, linestyle=dash, label=label)
            axis.fill_between(
                steps, [p.low for p in points], [p.high for p in points], color=colour, alpha=0.2, linewidth=0
            )
            rows += [{"panel": title, "strength": strength, "step": step, "mean": p.mean, "low": p.low, "high": p.high,
                      "n": p.n} for step, p in zip(steps, points, strict=True)]  # fmt: skip
            told.append(f"{title}, {label}: from {means[0]:.2g} to {means[-1]:.2g}")
        axis.set(xscale="log", yscale="log", xlabel="step")
    axes[1].legend(fontsize=9, loc="lower left", handlelength=1.8)
    caption = (
        "How far the dense layer is from a convolution, and its test error, while it is trained: geometric mean over "
        "the seeds and its 95 % interval (bands). Both axes are logarithmic."
    )
    return Chart(f"{SLUG}-curves", drawing, f"Two line charts against steps. {'; '.join(told)}.", caption, rows)


def table(summary: Summary) -> Table:
    """Errors and distance at the end of the training, for every setting."""
    body, rows = [], []
    few = sorted((s for s in summary.dense if s[2] == FEW), key=lambda s: (s[0] != s[1], s))
    many = sorted(s for s in summary.dense if s[2] != FEW)
    lines = [(f"{s[0]:g}", f"{s[1]:g}", f"{s[2]:,}", summary.dense[s]) for s in few]
    lines.append(("", "", f"{FEW:,}", summary.convolution))
    lines += [(f"{s[0]:g}", f"{s[1]:g}", f"{s[2]:,}", summary.dense[s]) for s in many]
    for sparsity, sharing, samples, runs in lines:
        cells = [_shown(estimate([scale * value for value in _metric(runs, name)])) for name, scale in SHOWN.items()]
        fitted = runs is summary.convolution
        body.append(["convolution" if fitted else "dense", sparsity or "–", sharing or "–", samples, *cells])
        rows += [{**run.spec.config, "seed": run.spec.seed, **run.metrics} for run in runs]
    caption = (
        "After training: mean squared errors in thousandths, the distance in percent of the squared weights; means "
        "over the seeds ± half of their 95 % t intervals. The convolution itself was fitted by least squares; its "
        "distance is zero by definition."
    )
    header = ("Layer", "λ₁", "λ₂", "Samples", "Train", "Test", "Distance")
    return Table(f"{SLUG}-table", caption, header, body, rows)


def _shown(value: Estimate) -> str:
    """As many digits as the interval allows; what is nothing but rounding is zero."""
    if value.mean < ROUNDING:
        return "0"
    half = value.high - value.mean
    digits = max(0, -math.floor(math.log10(half))) + (1 <= half < 10)
    return f"{value.mean:.{digits}f} ± {half:.{digits}f}"


def matrices(summary: Summary) -> Chart:
    """The weights of one filter before and after training, as images."""
    from matplotlib.figure import Figure

    first = summary.dense[NONE][0].images
    shown = [("teacher", first["teacher"]), ("before", first["before"])]
    for strength in (0.0, 1.0, 10.0, STRONG):
        after = summary.dense[strength, strength, FEW][0].images["after"]
        shown.append((f"after, strength {strength:g}" if strength else "after, unregularised", after))
    largest = max(abs(value) for _, picture in shown for row in picture for value in row)
    drawing = Figure(figsize=(5.6, 4.1), layout="constrained")
    drawing.patch.set_alpha(0)
    rows, told = [], []
    for axis, (title, picture) in zip(drawing.subplots(2, 3).flat, shown, strict=True):
        axis.imshow(picture, cmap="RdBu_r", vmin=-largest, vmax=largest, interpolation="none")
        axis.set(xticks=[], yticks=[])
        axis.set_title(title, fontsize=11)
        rows += [{"picture": title, "output": j, "input": t, "weight": value}
                 for j, row in enumerate(picture, 1) for t, value in enumerate(row, 1)]  # fmt: skip
        beside = [abs(v) for j, row in enumerate(picture) for t, v in enumerate(row) if abs(t - j) > WIDTH // 2]
        told.append(f"{title}: mean size of the weights beside the band {sum(beside) / len(beside):.2g}")
    caption = (
        "The weights of the first filter's neurons (rows: outputs, columns: inputs) in the first run: of the teacher, "
        "of the dense layer before training, and after it with four strengths. Red is positive, blue negative, white "
        "zero."
    )
    alt = f"Six pictures of a {INPUTS} by {INPUTS} matrix. {'; '.join(told)}."
    return Chart(f"{SLUG}-matrices", drawing, alt, caption, rows)


def brief(summary: Summary) -> str:
    """What came out, in words that are right however the runs fell."""
    none, both, limit = (
        f"{estimate(values).mean:.2g}"
        for values in (summary.values(NONE, "test_loss"), summary.values(BOTH, "test_loss"), summary.limit("test_loss"))
    )
    return (
        f"On {FEW} noisy samples of a convolution, a free dense layer has the test error {none}, the regularised one "
        f"{both} (strengths {STRONG:g}) and a convolution {limit}."
    )
