"""Figures and tables in one style, each with its alternative text, caption, numbers and provenance line.

Inside a build, ``$WORKED_PAGE_FILES`` names the folder that belongs to the page: an SVG for HTML, a PDF for print and
the numbers as CSV go there, and the output is MyST that points to them. In a notebook run by hand there is no such
folder and the output is a PNG.
"""

import csv
import io
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from worked.estimate import estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which colour-blind readers can tell apart; each series also has its own dash.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#4D4D4D")
DASHES = ("-", (0, (5, 1.5)), (0, (1, 1.2)), (0, (4, 1.5, 1, 1.5)), (0, (8, 2)))
STYLE: dict[Any, Any] = {
    "font.size": 10.5,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "legend.frameon": False,
    "svg.hashsalt": "worked",
}
Rows = Sequence[Mapping[str, Any]]


def page_folder() -> Path | None:
    """The folder that belongs to the page that is being built."""
    named = os.environ.get("WORKED_PAGE_FILES")
    return Path(named) if named else None


def csv_link(name: str, rows: Rows) -> str:
    """Write ``rows`` beside the page and give a link to download them; nothing outside a build."""
    folder = page_folder()
    if folder is None or not rows:
        return ""
    with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return f"{{download}}`numbers as CSV <{os.path.relpath(folder)}/{name}.csv>`"


@dataclass(frozen=True)
class Chart:
    """A drawing with what a reader needs beside it."""

    name: str  # label and file name, unique in the book
    drawing: "Figure"
    alt: str  # what the drawing shows, from its data
    caption: str
    rows: Rows = ()  # the numbers drawn; none in a diagram
    provenance: str = ""

    def __post_init__(self) -> None:
        if len(self.alt.split()) < 5:
            raise ValueError(f"expected an alternative text that describes {self.name}, got {self.alt!r}")

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        png = io.BytesIO()
        self.drawing.savefig(png, format="png", dpi=120, facecolor="white")
        bundle: dict[str, Any] = {"image/png": _base64(png.getvalue()), "text/plain": self.caption}
        folder = page_folder()
        if folder is not None:
            import matplotlib

            with matplotlib.rc_context(STYLE):
                self.drawing.savefig(folder / f"{self.name}.svg", metadata={"Date": None})
                self.drawing.savefig(folder / f"{self.name}.pdf", metadata={"CreationDate": None})
            foot = " · ".join(filter(None, (self.provenance, csv_link(self.name, self.rows))))
            bundle["text/markdown"] = (
                f":::{{figure}} {os.path.relpath(folder)}/{self.name}.*\n:name: {self.name}\n"
                f":alt: {json.dumps(self.alt, ensure_ascii=False)}\n:class: dark-light\n\n{self.caption}\n"
                + (f"\n{{.provenance}}\n{foot}\n" if foot else "")
                + ":::\n"
            )
        return bundle


def _base64(content: bytes) -> str:
    import base64

    return base64.b64encode(content).decode()


@dataclass(frozen=True)
class Table:
    """Rows of text under a header, the first column left-aligned and the others, of numbers, right-aligned."""

    name: str
    caption: str
    header: Sequence[str]
    body: Sequence[Sequence[str]]
    rows: Rows = field(default=())  # the numbers in full precision
    provenance: str = ""
    kind: str = "numbers"  # or "words", whose cells wrap and are left-aligned

    def _repr_markdown_(self) -> str:
        lines = [f":::{{list-table}} {self.caption}", f":name: {self.name}", ":header-rows: 1"]
        lines += [f":class: {self.kind}", ""]
        for row in (self.header, *self.body):
            lines += [("* - " if n == 0 else "  - ") + cell for n, cell in enumerate(row)]
        foot = " · ".join(filter(None, (self.provenance, csv_link(self.name, self.rows))))
        return "\n".join(lines) + "\n:::\n" + (f"\n{{.provenance}}\n{foot}\n" if foot else "")


def panels(titles: Sequence[str], *, columns: int = 2, height: float = 2.5) -> "tuple[Figure, list[Axes]]":
    """One small chart for each title, axes shared, narrow enough for phones."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        rows = -(-len(titles) // columns)
        drawing = Figure(figsize=(5.6, height * rows), layout="constrained")
        axes = list(drawing.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat)
        for axis, title in zip(axes, titles, strict=False):
            axis.set_title(title)
    return drawing, axes


def curves(
    name: str,
    panes: Mapping[str, Mapping[str, Sequence[Sequence[float]]]],
    *,
    caption: str,
    xlabel: str,
    ylabel: str,
    x: Sequence[float] | None = None,
    span: float | None = None,
) -> Chart:
    """Lines with bands, a panel for each key of ``panes``, all panels on one scale.

    Args:
        name: label of the chart.
        panes: title -> series -> one list of values a seed. The line is their mean, the band its 95 % interval; a
            single list is drawn as points joined by a line. NaN leaves a hole.
        caption: what is shown.
        xlabel: below the lowest panels.
        ylabel: beside the left panels.
        span: length of the vertical axis below the highest value; what lies lower is left to the numbers as CSV.
        x: positions of the values, on a logarithmic axis; 1, 2, 3, ... if None. A shorter list has the first of them.
    """
    if max(map(len, panes.values())) > len(COLOURS):
        raise ValueError(f"expected at most {len(COLOURS)} lines in a panel of {name}")
    drawing, axes = panels(list(panes))
    own_legends = len({tuple(series) for series in panes.values()}) > 1
    rows: list[dict[str, Any]] = []
    told = []
    for n, (axis, (title, series)) in enumerate(zip(axes, panes.items(), strict=False)):
        ends = []
        for (label, runs), colour, dash in zip(series.items(), COLOURS, DASHES, strict=False):
            columns = zip(*runs, strict=True)
            points = [estimate(values) if all(map(math.isfinite, values)) else None for values in columns]
            places = list(x or range(1, len(points) + 1))[: len(points)]
            means = [p.mean if p else math.nan for p in points]
            axis.plot(places, means, color=colour, linestyle=dash, label=label, marker="" if len(runs) > 1 else "o")
            if len(runs) > 1:
                low, high = ([getattr(p, side) if p else math.nan for p in points] for side in ("low", "high"))
                axis.fill_between(places, low, high, color=colour, alpha=0.2, linewidth=0)
            rows += [
                {"panel": title, "series": label, xlabel: place, "mean": p.mean, "low": p.low, "high": p.high, "n": p.n}
                for place, p in zip(places, points, strict=True)
                if p
            ]
            finite = [mean for mean in means if math.isfinite(mean)]
            ends.append(f"{label} from {finite[0]:.1f} to {finite[-1]:.1f}, highest {max(finite):.1f}")
        told.append(f"{title}: {'; '.join(ends)}")
        if x:
            axis.set_xscale("log")
            axis.set_xticks(x, labels=[f"{place:g}" for place in x])
            axis.minorticks_off()
        if len(series) > 1 and (own_legends or n == 0):
            short = {"ncols": len(series), "columnspacing": 0.8, "handlelength": 1.4, "handletextpad": 0.4}
            axis.legend(fontsize=9, **(short | {"loc": "lower center"} if own_legends else {"loc": "lower right"}))
        if n % 2 == 0:
            axis.set_ylabel(ylabel)
        if n >= len(panes) - 2:
            axis.set_xlabel(xlabel)
    if span:
        highest = max(row["mean"] for row in rows)
        axes[0].set_ylim(highest - span, highest + 0.05 * span)
    if own_legends:  # room below the lines
        bottom, top = axes[0].get_ylim()
        axes[0].set_ylim(bottom - 0.2 * (top - bottom), top)
    alt = f"{len(panes)} line charts of {ylabel} against {xlabel}. " + ". ".join(told) + "."
    return Chart(name, drawing, alt, caption, rows)


def log_ticks(low: float, high: float) -> list[float]:
    """Round numbers from ``low`` to ``high``, four a decade."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [tick for n in decades for tick in (10.0**n, 2 * 10.0**n, 3 * 10.0**n, 5 * 10.0**n) if low <= tick <= high]


@dataclass(frozen=True)
class Pane:
    """What a panel of :func:`stacked` shows."""

    title: str
    xlabel: str
    places: Sequence[float]  # of the values
    series: Mapping[str, Sequence[Sequence[float]]]  # one list of values a seed


def stacked(name: str, panes: Sequence[Pane], *, caption: str, ylabel: str, top: float | None = None) -> Chart:
    """Positive numbers on a logarithmic axis, panels below one another, each with a horizontal axis of its own.

    Values hold until the next place, so lines are steps. A line is the geometric mean over the seeds, its band the
    95 % interval of the logarithm. The axis ends just above ``top``, or the highest mean.
    """
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, NullFormatter, ScalarFormatter

    with matplotlib.rc_context(STYLE):
        drawing = Figure(figsize=(5.6, 2.7 * len(panes)), layout="constrained")
        axes = drawing.subplots(len(panes), 1, sharey=True, squeeze=False)[:, 0]
    rows: list[dict[str, Any]] = []
    told = []
    for n, (axis, pane) in enumerate(zip(axes, panes, strict=True)):
        if len(pane.series) > len(COLOURS):
            raise ValueError(f"expected at most {len(COLOURS)} lines in a panel of {name}")
        finals = []
        for (label, runs), colour, dash in zip(pane.series.items(), COLOURS, DASHES, strict=False):
            points = [estimate([math.log(value) for value in values]) for values in zip(*runs, strict=True)]
            means, lows, highs = ([math.exp(getattr(p, side)) for p in points] for side in ("mean", "low", "high"))
            axis.plot(pane.places, means, color=colour, linestyle=dash, label=label, drawstyle="steps-post")
            if len(runs) > 1:
                axis.fill_between(pane.places, lows, highs, color=colour, alpha=0.15, linewidth=0, step="post")
            rows += [
                {"panel": pane.title, "series": label, "place": place, "mean": mean, "low": low, "high": high, "n": p.n}
                for place, mean, low, high, p in zip(pane.places, means, lows, highs, points, strict=True)
            ]
            finals.append(f"{label} from {means[0]:.3g} to {means[-1]:.3g}")
        told.append(f"{pane.title}, against {pane.xlabel}: {'; '.join(finals)}")
        axis.set(title=pane.title, xlabel=pane.xlabel, ylabel=ylabel, yscale="log")
        axis.yaxis.set_major_formatter(ScalarFormatter())
        axis.yaxis.set_minor_formatter(NullFormatter())
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        if n == 0:
            axis.legend(fontsize=9, ncols=2, frameon=False)
    low, high = 0.8 * min(row["mean"] for row in rows), 1.1 * (top or max(row["mean"] for row in rows))
    axes[0].set_yticks(log_ticks(low, high))
    axes[0].set_ylim(low, high)
    alt = (
        f"{len(panes)} line chart{'s' * (len(panes) > 1)} of {ylabel}, on a logarithmic axis. " + ". ".join(told) + "."
    )
    return Chart(name, drawing, alt, caption, rows)
