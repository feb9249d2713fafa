"""How a risk estimated from samples errs: summary, claims, figures and table of the study of the same name."""

import math
from collections.abc import Sequence

from worked import figures
from worked.claims import Claim, within
from worked.estimate import estimate, percent
from worked.figures import COLOURS, DASHES, Chart
from worked.findings import Findings
from worked.records import Record
from worked.studies.risk_monte_carlo import CORRELATION, COVARIANCES, INTERVALS, LEVEL, SLUG, STUDY

INPUTS = {"identity": "independent inputs", "correlated": "correlated inputs"}
NAMES = {"t": "t interval", "chi2": "chi-squared interval"}
SLOPE_MARGIN = 0.02  # of the exponent
ERROR_MARGIN = 0.02  # relative, of the error bar
GROWTH_MARGIN = 0.03  # relative, between dimensions
COVER_MARGIN = 0.01  # a percentage point, of the coverage


class Summary:
    """The records of each covariance, in the order of their seeds."""

    def __init__(self, records: Sequence[Record]):
        ordered = sorted(records, key=lambda record: record.spec.seed)
        self.runs = {name: [r for r in ordered if r.spec.config["covariance"] == name] for name in COVARIANCES}
        config = ordered[0].spec.config
        self.dimensions = [int(word) for word in config["dimensions"].split()]
        self.samples = [int(word) for word in config["samples"].split()]
        self.repeats = config["repeats"]

    def curve(self, covariance: str, quantity: str, dimension: int) -> list[list[float]]:
        """A quantity at each number of samples, one list a seed."""
        return [run.history[f"{quantity}_{dimension}"] for run in self.runs[covariance]]

    def mean(self, covariance: str, quantity: str, at: int | None = None) -> list[float]:
        """A quantity averaged over dimensions and numbers of samples (or at one of these), for each seed."""
        chosen = slice(None) if at is None else slice(at, (at + 1) or None)
        return [
            _mean([value for d in self.dimensions for value in run.history[f"{quantity}_{d}"][chosen]])
            for run in self.runs[covariance]
        ]

    def slope(self, covariance: str) -> list[float]:
        """The exponent of the error in the number of samples, averaged over dimensions, for each seed."""
        return [
            _mean([run.metrics[f"slope_{d}"] or math.nan for d in self.dimensions]) for run in self.runs[covariance]
        ]

    def excess(self, covariance: str) -> list[float]:
        """The error over the proved error bar, minus 1, averaged over dimensions and numbers of samples."""
        return [
            _mean([error / math.sqrt(2 / n) - 1
                   for d in self.dimensions
                   for n, error in zip(self.samples, run.history[f"error_{d}"], strict=True)])
            for run in self.runs[covariance]
        ]  # fmt: skip

    def growth(self, covariance: str) -> list[float]:
        """The error in the highest dimension over that in the lowest, minus 1, averaged over numbers of samples."""
        low, high = (self.curve(covariance, "error", d) for d in (self.dimensions[0], self.dimensions[-1]))
        return [_mean(b) / _mean(a) - 1 for a, b in zip(_relative(low, self), _relative(high, self), strict=True)]


def _relative(curves: list[list[float]], summary: Summary) -> list[list[float]]:
    return [[v / math.sqrt(2 / n) for n, v in zip(summary.samples, curve, strict=True)] for curve in curves]


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _claims_for(name: str) -> tuple[Claim, ...]:
    on = INPUTS[name]
    points = f"{percent(COVER_MARGIN, 0).removesuffix(' %')} percentage point"
    return (
        Claim(f"risk-{name}-slope", f"on {on} the error falls as $n^{{-1/2}}$: its exponent is within "
              f"{SLOPE_MARGIN:g} of $-1/2$", lambda s: [v + 0.5 for v in s.slope(name)],
              "exponent plus 1/2", "hundredths", 100.0, within(SLOPE_MARGIN)),
        Claim(f"risk-{name}-error", f"on {on} the error is the proved one, $\\sqrt{{2/n}}\\,R$, to within "
              f"{percent(ERROR_MARGIN, 0)}", lambda s: s.excess(name), "error over the proved one, minus 1", "%", 100.0,
              within(ERROR_MARGIN)),
        Claim(f"risk-{name}-cover", f"on {on} the chi-squared interval holds the risk in {percent(LEVEL, 0)} "
              f"of all cases, to within {points}", lambda s: [v - LEVEL for v in s.mean(name, "cover_chi2")],
              "coverage minus nominal", holds=within(COVER_MARGIN)),
        Claim(f"risk-{name}-t-many", f"on {on} the t interval holds the risk in {percent(LEVEL, 0)} of all cases with "
              f"the most samples, to within {points}",
              lambda s: [v - LEVEL for v in s.mean(name, "cover_t", -1)], "coverage minus nominal",
              holds=within(COVER_MARGIN)),
        Claim(f"risk-{name}-t-few", f"on {on} the t interval holds the risk too seldom with the fewest samples",
              lambda s: [LEVEL - v for v in s.mean(name, "cover_t", 0)], "nominal minus coverage"),
        Claim(f"risk-{name}-dimension", f"on {on} the relative error is the same in the lowest and highest dimension, "
              f"to within {percent(GROWTH_MARGIN, 0)}", lambda s: s.growth(name), "highest over lowest, minus 1", "%",
              100.0, within(GROWTH_MARGIN)),
    )  # fmt: skip


FINDINGS = Findings(
    STUDY,
    Summary,
    tuple(claim for name in COVARIANCES for claim in _claims_for(name)),
    lambda record: INPUTS[record.spec.config["covariance"]],
)


def protocol(summary: Summary) -> str:
    """How it was measured, in the study's own numbers."""
    dimensions = ", ".join(map(str, summary.dimensions))
    return (
        f"Each run draws a student and a teacher with standard normal weights in {dimensions} dimensions, then inputs: "
        f"standard normal ones, or correlated ones with $\\Sigma_{{i,j}} = {CORRELATION:g}^{{|i-j|}}$. The risk is "
        f"estimated {summary.repeats} times from fresh samples, {summary.samples[0]} to {summary.samples[-1]} of "
        f"them, and each estimate gets two {percent(LEVEL, 0)} intervals. The *t interval* uses the squared errors "
        "alone: their mean, and $t$ times their standard deviation over $\\sqrt n$. The *chi-squared interval* uses "
        "the law of the estimate: "
        "every error is a combination of normal variables, so normal with variance $R$, and $n \\hat R / R$ has the "
        "$\\chi^2$ distribution with $n$ degrees of freedom. "
        f"There are {len(summary.runs[COVARIANCES[0]])} runs with each kind of inputs."
    )


def errors(summary: Summary) -> Chart:
    """Root mean square error over the risk against the number of samples, with the proved line."""
    drawing, axes = figures.panels([INPUTS[name].capitalize() for name in COVARIANCES], height=2.7)
    rows, told = [], []
    proved = [math.sqrt(2 / n) for n in summary.samples]
    for axis, name in zip(axes, COVARIANCES, strict=True):
        axis.plot(summary.samples, proved, color="#222222", linewidth=1, label=r"proved: $\sqrt{2/n}$")
        for d, colour, marker in zip(summary.dimensions, COLOURS, "osD", strict=False):
            points = [estimate(values) for values in zip(*summary.curve(name, "error", d), strict=True)]
            means = [p.mean for p in points]
            bars = [p.high - p.mean for p in points]
            axis.errorbar(summary.samples, means, bars, color=colour, marker=marker, markersize=4, linestyle="none",
                          label=f"{d} dimensions")  # fmt: skip
            rows += [{"inputs": name, "dimension": d, "samples": n, "proved": line, "mean": p.mean, "low": p.low,
                      "high": p.high, "n": p.n}
                     for n, line, p in zip(summary.samples, proved, points, strict=True)]  # fmt: skip
            told.append(f"{INPUTS[name]}, {d} dimensions: {means[0]:.3f} to {means[-1]:.3f}")
        axis.set(xscale="log", yscale="log", xlabel="samples $n$")
        axis.set_xticks(summary.samples, labels=[str(n) for n in summary.samples])
        axis.set_yticks([0.05, 0.1, 0.2, 0.4], labels=["0.05", "0.1", "0.2", "0.4"])
        axis.minorticks_off()
    axes[0].set_ylabel("error / risk")
    axes[0].legend(fontsize=9, loc="lower left", handlelength=1.2, frameon=False)
    alt = (
        f"Two log-log charts of the relative error of the estimated risk against {summary.samples[0]} to "
        f"{summary.samples[-1]} samples, on the proved line from {proved[0]:.3f} to {proved[-1]:.3f}. "
        + "; ".join(told)
        + "."
    )
    caption = (
        "Root mean square error of the estimated risk over the proved risk: mean over the runs and its 95 % interval "
        "(bars, mostly smaller than the points). The line is not fitted, it is what was proved."
    )
    return Chart(f"{SLUG}-errors", drawing, alt, caption, rows)


def coverage(summary: Summary) -> Chart:
    """How often each interval holds the proved risk, against the number of samples."""
    drawing, axes = figures.panels([INPUTS[name].capitalize() for name in COVARIANCES], height=2.5)
    rows, told = [], []
    for axis, name in zip(axes, COVARIANCES, strict=True):
        axis.axhline(100 * LEVEL, color="#222222", linewidth=1, label="nominal")
        for kind, colour, dash in zip(INTERVALS, COLOURS, DASHES, strict=False):
            points = [estimate(summary.mean(name, f"cover_{kind}", at)) for at in range(len(summary.samples))]
            means, low, high = ([100 * getattr(p, part) for p in points] for part in ("mean", "low", "high"))
            axis.plot(summary.samples, means, color=colour, linestyle=dash, label=NAMES[kind])
            axis.fill_between(summary.samples, low, high, color=colour, alpha=0.2, linewidth=0)
            rows += [{"inputs": name, "interval": NAMES[kind], "samples": n, "mean": p.mean, "low": p.low,
                      "high": p.high, "n": p.n} for n, p in zip(summary.samples, points, strict=True)]  # fmt: skip
            told.append(f"{INPUTS[name]}, {NAMES[kind]}: {means[0]:.1f} to {means[-1]:.1f} %")
        axis.set(xscale="log", xlabel="samples $n$")
        axis.set_xticks(summary.samples, labels=[str(n) for n in summary.samples])
        axis.minorticks_off()
    axes[0].set_ylabel("intervals that hold\nthe risk (%)")
    axes[0].legend(fontsize=9, loc="lower right", handlelength=1.8, frameon=False)
    alt = "Two charts of the share of 95 % intervals that hold the true risk against samples. " + "; ".join(told) + "."
    caption = "Share of the 95 % intervals that hold the proved risk, all dimensions together, with its own interval."
    return Chart(f"{SLUG}-coverage", drawing, alt, caption, rows)
