"""What skip connections do to the derivative in untrained networks: summary, claims, figures."""

import math
from collections.abc import Callable, Sequence

from worked import figures
from worked.claims import Claim
from worked.estimate import estimate
from worked.figures import COLOURS, DASHES, Chart
from worked.findings import Findings
from worked.records import Record
from worked.studies.residual_gradients import CONNECTIONS, INITIALISATIONS, SLUG, STUDY, law

NAMES = {"default": "PyTorch's default initialisation", "he": "He's initialisation"}
TITLES = {"default": "PyTorch's default", "he": "He"}
NEAR = 0.1  # how far, as a share of it, a measured growth may be off the law's


class Summary:
    """The records by initialisation and connection, each in the order of the seeds."""

    def __init__(self, records: Sequence[Record]):
        ordered = sorted(records, key=lambda record: record.spec.seed)
        self.runs = {
            (initialisation, connection): [
                r
                for r in ordered
                if (r.spec.config["initialisation"], r.spec.config["connection"]) == (initialisation, connection)
            ]
            for initialisation in INITIALISATIONS
            for connection in CONNECTIONS
        }
        self.depth: int = records[0].spec.config["depth"]
        self.width: int = records[0].spec.config["width"]

    def sizes(self, initialisation: str, connection: str) -> list[list[float]]:
        """The logarithm of the derivative's size behind 1, 2, 3, ... blocks, a list for each seed."""
        return [run.history["log10_size"] for run in self.runs[initialisation, connection]]

    def growth(self, initialisation: str, connection: str) -> list[float]:
        """Powers of ten for each block, by least squares over all depths, for each seed."""
        return [slope(values) for values in self.sizes(initialisation, connection)]

    def last(self, initialisation: str, connection: str) -> list[float]:
        """The logarithm of the size behind all blocks, for each seed; behind the first block it is 0."""
        return [values[-1] for values in self.sizes(initialisation, connection)]

    def shares(self, initialisation: str) -> list[list[float]]:
        """The share of the squared size on paths through 0, 1, 2, ... blocks, a list for each seed."""
        return [run.history["share"] for run in self.runs[initialisation, "residual"]]

    def blocks_on_paths(self, initialisation: str) -> list[float]:
        """The mean number of blocks on the paths, weighted by their share, for each seed."""
        return [sum(used * share for used, share in enumerate(shares)) for shares in self.shares(initialisation)]


def slope(values: Sequence[float]) -> float:
    """Slope of the least-squares line through (1, values[0]), (2, values[1]), ..."""
    middle = (len(values) - 1) / 2
    spread = sum((n - middle) ** 2 for n in range(len(values)))
    return sum((n - middle) * value for n, value in enumerate(values)) / spread


def predicted(initialisation: str, connection: str) -> float:
    """Powers of ten for each block by the law: half the logarithm of q, or of 1 + q."""
    return math.log10(law(initialisation) + (connection == "residual")) / 2


def _off_the_law(summary: Summary) -> list[float]:
    """For each seed, the relative deviation of the worst of the four networks."""
    off = [[abs(grown / predicted(*key) - 1) for grown in summary.growth(*key)] for key in summary.runs]
    return [max(worst) for worst in zip(*off, strict=True)]


def _minus(left: Sequence[float], right: Sequence[float]) -> list[float]:
    return [a - b for a, b in zip(left, right, strict=True)]


def _growth(initialisation: str, connection: str, sign: int = 1) -> Callable[[Summary], list[float]]:
    return lambda s: [sign * value for value in s.growth(initialisation, connection)]


def _claims() -> tuple[Claim, ...]:
    default, he = NAMES["default"], NAMES["he"]
    return (
        Claim(f"{SLUG}-plain-vanishes", f"at {default} the derivative of the plain chain shrinks with depth",
              _growth("default", "plain", -1), "shrinkage", "powers of ten per block", 1.0),
        Claim(f"{SLUG}-residual-stays",
              f"at {default} the derivative of the residual network is larger behind all blocks than behind one",
              lambda s: s.last("default", "residual"), "growth over all blocks", "powers of ten", 1.0),
        Claim(f"{SLUG}-plain-explodes", f"at {he} the derivative of the plain chain grows with depth",
              _growth("he", "plain"), "growth", "powers of ten per block", 1.0),
        Claim(f"{SLUG}-residual-explodes",
              f"at {he} the derivative of the residual network grows faster than that of the plain chain",
              lambda s: _minus(s.growth("he", "residual"), s.growth("he", "plain")),
              "difference in growth", "powers of ten per block", 1.0),
        Claim(f"{SLUG}-law",
              f"all four rates of growth are within {100 * NEAR:.0f} % of those that the formulas predict",
              _off_the_law, "relative deviation of the worst rate", "%", most=NEAR),
        Claim(f"{SLUG}-short-paths",
              f"at {default} the paths that carry the derivative hold fewer blocks than the average path",
              lambda s: [(s.depth - 1) / 2 - value for value in s.blocks_on_paths("default")],
              "blocks fewer", "blocks", 1.0),
        Claim(f"{SLUG}-long-paths",
              f"at {he} the paths that carry the derivative hold more blocks than the average path",
              lambda s: [value - (s.depth - 1) / 2 for value in s.blocks_on_paths("he")],
              "blocks more", "blocks", 1.0),
    )  # fmt: skip


FINDINGS = Findings(
    STUDY, Summary, _claims(), lambda r: f"{r.spec.config['connection']}, {TITLES[r.spec.config['initialisation']]}"
)


def protocol(summary: Summary) -> str:
    """How it was measured."""
    seeds = len(summary.runs["default", "plain"])
    factors = " and ".join(f"{law(name):.3g} for {NAMES[name]}" for name in INITIALISATIONS)
    return (
        f"Each block is two linear layers of width {summary.width} with ReLU between them, {summary.depth} blocks make "
        "a network, and nothing is trained. A seed draws the weights and one standard normal input; with and without "
        "skip connections the same blocks are used. The Jacobian matrices of the blocks, from automatic "
        "differentiation in double precision, are multiplied up. The size of the derivative is the root mean square "
        f"over all directions, $\\lVert P_n \\rVert / \\sqrt{{{summary.width}}}$ in the Frobenius norm; behind the "
        f"first block it is 1. There are {seeds} seeds. The factor $q$ of the formulas is not fitted: it follows from "
        f"the variance of the weights and is {factors}."
    )


def depth_chart(summary: Summary) -> Chart:
    """Size of the derivative against the number of blocks, a panel for each initialisation."""
    drawing, axes = figures.panels([TITLES[name] for name in INITIALISATIONS], height=2.9)
    rows, told = [], []
    places = range(1, summary.depth + 1)
    for axis, initialisation in zip(axes, INITIALISATIONS, strict=True):
        for connection, colour, dash in zip(CONNECTIONS, COLOURS, DASHES, strict=False):
            points = [estimate(values) for values in zip(*summary.sizes(initialisation, connection), strict=True)]
            axis.plot(places, [p.mean for p in points], color=colour, linestyle=dash, label=connection)
            axis.fill_between(places, [p.low for p in points], [p.high for p in points], color=colour, alpha=0.25, lw=0)
            expected = [predicted(initialisation, connection) * (n - 1) for n in places]
            axis.plot(places, expected, color="#222222", linewidth=0.8, linestyle=":", label=None)
            rows += [
                {"initialisation": initialisation, "connection": connection, "blocks": n, "mean": p.mean, "low": p.low,
                 "high": p.high, "n": p.n, "predicted": law_value}
                for n, p, law_value in zip(places, points, expected, strict=True)
            ]  # fmt: skip
            told.append(f"{TITLES[initialisation]}, {connection}: from 0 to {points[-1].mean:.1f}")
        axis.set_xlabel("blocks")
    axes[0].set_ylabel("size of the derivative, log₁₀")
    axes[1].legend(loc="lower left", fontsize=9)
    return Chart(
        f"{SLUG}-depth",
        drawing,
        "Two line charts of the logarithm of the derivative's size against the number of blocks. "
        + "; ".join(told)
        + ".",
        "Size of the derivative by the first block's output against the number of blocks, in powers of ten: mean over "
        "the seeds, its 95 % interval (bands), and the formulas' prediction (dotted).",
        rows,
    )


def path_chart(summary: Summary) -> Chart:
    """Which paths carry the derivative, beside how many paths there are, by the number of blocks on them."""
    drawing, axes = figures.panels([TITLES[name] for name in INITIALISATIONS], height=2.7)
    rows, told = [], []
    blocks = summary.depth - 1
    used = range(blocks + 1)
    counted = [math.comb(blocks, k) / 2**blocks for k in used]
    for axis, initialisation in zip(axes, INITIALISATIONS, strict=True):
        points = [estimate(values) for values in zip(*summary.shares(initialisation), strict=True)]
        p = law(initialisation) / (1 + law(initialisation))
        expected = [math.comb(blocks, k) * p**k * (1 - p) ** (blocks - k) for k in used]
        axis.plot(used, counted, color=COLOURS[1], linestyle=DASHES[1], label="of the paths")
        axis.plot(used, [point.mean for point in points], color=COLOURS[0], label="of the derivative")
        axis.fill_between(used, [q.low for q in points], [q.high for q in points], color=COLOURS[0], alpha=0.25, lw=0)
        axis.plot(used, expected, color="#222222", linewidth=0.8, linestyle=":")
        axis.set_xlabel("blocks on the path")
        rows += [
            {"initialisation": initialisation, "blocks": k, "paths": c, "mean": point.mean, "low": point.low,
             "high": point.high, "n": point.n, "predicted": e}
            for k, c, point, e in zip(used, counted, points, expected, strict=True)
        ]  # fmt: skip
        mean = estimate(summary.blocks_on_paths(initialisation)).mean
        told.append(f"{TITLES[initialisation]}: {mean:.1f} blocks in the weighted mean, {blocks / 2:g} over all paths")
    axes[0].set_ylabel("share")
    axes[0].legend(loc="upper right", fontsize=9)
    return Chart(
        f"{SLUG}-paths",
        drawing,
        "Two charts of shares against the number of blocks on a path. " + "; ".join(told) + ".",
        f"The share of the paths through {blocks} blocks that hold a given number of them, and the share of the "
        "squared size that such paths carry: mean over the seeds, its 95 % interval (bands), and the formulas' "
        "prediction (dotted).",
        rows,
    )
