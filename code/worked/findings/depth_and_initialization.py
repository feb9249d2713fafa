"""What depth does to signals and gradients, scheme by scheme: summary, law, claims, figures and tables."""

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from worked import figures
from worked.answers import wide_layers
from worked.answers.wide_layers import LARGEST, RELU_MEAN, RELU_SIZE, RELU_STD, Layer, largest_of, predicted_break
from worked.claims import Claim
from worked.estimate import Estimate, estimate, number, percent, proportion
from worked.figures import COLOURS, DASHES, Chart, Table
from worked.findings import Findings
from worked.records import Record
from worked.studies.depth_and_initialization import PRODUCTS, PROFILES, SATURATED, SCHEMES, SLUG, SMALL, STUDY

WEIGHTS = {"normal": "standard normal weights", "normalised": "normalised weights", "xavier": "Xavier uniform weights",
           "kaiming": "Kaiming normal weights"}  # fmt: skip
ACTIVATIONS = {"none": "no activation", "tanh": "tanh", "relu": "ReLU"}
SHORT = {"normal": "standard normal", "normalised": "normalised", "normal-tanh": "standard normal, tanh",
         "xavier-tanh": "Xavier, tanh", "xavier-relu": "Xavier, ReLU", "kaiming-relu": "Kaiming, ReLU"}  # fmt: skip
KEPT = ("normalised", "xavier-tanh", "kaiming-relu")  # those that a narrower scale can show
LINEAR, ACTIVATED = ("normal", "normalised"), ("normal-tanh", "xavier-tanh", "xavier-relu", "kaiming-relu")
WIDTH = PROFILES["full"].settings["width"]
NEAR, NEAR_SHARE, NEAR_HALF = 0.005, 0.02, 0.05  # how far off a law a measured number may be: relative, points, powers
FACTOR, TINY = 10.0, 6.0  # what "kept" allows; powers of ten below which a gradient is called lost
SHOWN = (1, 10, 50, 100)  # layers in the table


def name(scheme: str) -> str:
    """A scheme in words."""
    return f"{WEIGHTS[SCHEMES[scheme].weights]} and {ACTIVATIONS[SCHEMES[scheme].activation]}"


@cache
def law(scheme: str, depth: int, width: int) -> tuple[Layer, ...]:
    """What every layer holds in the limit of wide layers."""
    gain = {"normal": width, "normalised": 1, "xavier": 1, "kaiming": 2}[SCHEMES[scheme].weights]
    return wide_layers.law(SCHEMES[scheme].activation, gain, depth)


# -- summary and claims ------------------------------------------------------------------------------------------------


class Summary:
    """The records by scheme, each in the order of the seeds, and those of the single products."""

    def __init__(self, records: Sequence[Record]):
        ordered = sorted(records, key=lambda record: record.spec.seed)
        self.runs = {name: [r for r in ordered if r.spec.config["scheme"] == name] for name in (*SCHEMES, PRODUCTS)}
        config = self.runs["normal"][0].spec.config
        self.depth, self.width = config["depth"], config["width"]

    def history(self, scheme: str, quantity: str) -> list[list[Any]]:
        """A quantity of every layer, a list for each seed."""
        return [run.history[quantity] for run in self.runs[scheme]]

    def product(self, quantity: str) -> list[float]:
        """A number of the single products, for each seed."""
        return [run.metrics[quantity] or 0.0 for run in self.runs[PRODUCTS]]

    def broken(self) -> list[int]:
        """The first layer with a number that is not finite, for each seed; one more than there are where none is."""
        firsts = [[run.metrics[f"first_{kind}"] for kind in ("infinite", "nan")] for run in self.runs["normal"]]
        return [int(min((n for n in first if n is not None), default=self.depth + 1)) for first in firsts]

    def nan(self) -> list[int]:
        """The first layer with a NaN, for each seed; one more than there are where none is."""
        return [int(run.metrics["first_nan"] or self.depth + 1) for run in self.runs["normal"]]

    def change(self, scheme: str, first: int = 1, last: int | None = None) -> list[float]:
        """Powers of ten from the deviation of one layer to that of another, for each seed."""
        last = last or self.depth
        return [math.log10(std[last - 1] / std[first - 1]) for std in self.history(scheme, "std")]

    def gradient_change(self, scheme: str) -> list[float]:
        """Powers of ten from the gradient at the last layer to that at the first, for each seed."""
        return [gradient[0] - gradient[-1] for gradient in self.history(scheme, "log10_gradient")]


def typical_growth(summary: Summary) -> float:
    """The factor of the gradient's mean square per layer, standard normal weights and tanh: geometric mean."""
    return 10 ** (2 * float(np.mean(summary.gradient_change("normal-tanh"))) / (summary.depth - 1))


CHANGE = "change over all layers, up or down,"


def expected_sizes(summary: Summary, scheme: str, quantity: str) -> list[float]:
    """What the law predicts in every layer: the standard deviation, or the size of the gradient."""
    layers = law(scheme, summary.depth, summary.width)
    if quantity == "std":
        return [layer.std for layer in layers]
    return [10 ** sum(layer.back for layer in layers[n:]) for n in range(1, len(layers) + 1)]


def halvings(summary: Summary) -> list[float]:
    """By how much the binary logarithm of the variance falls per layer, Xavier and ReLU, for each seed."""
    layers = np.arange(1, summary.depth + 1)
    return [-float(np.polyfit(layers, 2 * np.log2(std), 1)[0]) for std in summary.history("xavier-relu", "std")]


def _saturated_off(summary: Summary) -> list[float]:
    expected = [layer.above for layer in law("normal-tanh", summary.depth, summary.width)]
    return [abs(float(np.mean(share)) - float(np.mean(expected)))
            for share in summary.history("normal-tanh", "saturated")]  # fmt: skip


def _near(quantity: str, expected: float) -> Callable[[Summary], list[float]]:
    return lambda s: [abs(value / expected - 1) for value in s.product(quantity)]


def _claims() -> tuple[Claim, ...]:
    layer, size, std = predicted_break(WIDTH), RELU_SIZE * math.sqrt(WIDTH), RELU_STD * math.sqrt(WIDTH)
    powers: dict[str, Any] = {"unit": "powers of ten", "scale": 1.0}
    return (
        Claim(f"{SLUG}-break", f"most networks with {name('normal')} hold their first number that is not finite in "
              f"layer {layer}, as predicted",
              lambda s: [float(broken == layer) for broken in s.broken()], "share of such networks", "%", least=0.5,
              estimated=proportion),
        Claim(f"{SLUG}-nan", "the first NaN comes in the layer of the first number that is not finite, or in the next",
              lambda s: [nan - first for nan, first in zip(s.nan(), s.broken(), strict=True)],
              "how much later the first NaN comes", "layers", 1.0, most=1.5),
        Claim(f"{SLUG}-square-root", f"the standard deviation of a product is within {100 * NEAR:g} % of √{WIDTH}",
              _near("std", math.sqrt(WIDTH)), "relative deviation", "%", most=NEAR),
        Claim(f"{SLUG}-relu-size", f"behind ReLU the root mean square is within {100 * NEAR:g} % of "
              f"√({WIDTH}/2) = {size:g}", _near("relu_size", size), "relative deviation", "%", most=NEAR),
        Claim(f"{SLUG}-relu-std", f"behind ReLU the standard deviation is nearer to {std:.1f} than to {size:g}",
              lambda s: [abs(value - size) - abs(value - std) for value in s.product("relu_std")],
              f"distance from {size:g} minus distance from {std:.1f}", "on the scale of the products", 1.0),
        Claim(f"{SLUG}-normalised", f"with {name('normalised')} the standard deviations of the first and the last "
              f"layer differ by less than a factor of {FACTOR:g}",
              lambda s: [abs(c) for c in s.change("normalised")], CHANGE, most=math.log10(FACTOR), **powers),
        Claim(f"{SLUG}-saturated", f"with {name('normal-tanh')} the share of units above {SATURATED:g} in size is "
              f"within {100 * NEAR_SHARE:g} percentage points of the predicted one",
              _saturated_off, "difference of the shares", most=NEAR_SHARE),
        Claim(f"{SLUG}-saturated-gradient", f"with {name('normal-tanh')} the gradient grows on its way back",
              lambda s: s.gradient_change("normal-tanh"), "growth over all layers", **powers),
        Claim(f"{SLUG}-xavier-tanh", f"with {name('xavier-tanh')} the standard deviation falls with depth",
              lambda s: [-c for c in s.change("xavier-tanh")], "fall over all layers", **powers),
        Claim(f"{SLUG}-xavier-tanh-slower", f"with {name('xavier-tanh')} the standard deviation falls by less in the "
              "second half of the layers than in the first",
              lambda s: [late - early for late, early in zip(s.change("xavier-tanh", s.depth // 2),
                         s.change("xavier-tanh", 1, s.depth // 2), strict=True)],
              "fall in the first half minus fall in the second", **powers),
        Claim(f"{SLUG}-xavier-relu", f"with {name('xavier-relu')} every layer halves the variance, within "
              f"{100 * NEAR_HALF:g} % of a halving",
              lambda s: [abs(rate - 1) for rate in halvings(s)], "difference from a halving",
              "% of a halving", most=NEAR_HALF),
        Claim(f"{SLUG}-xavier-relu-gradient", f"with {name('xavier-relu')} the gradient at the first layer is less "
              "than a millionth of that at the last",
              lambda s: [-change for change in s.gradient_change("xavier-relu")], "fall over all layers", least=TINY,
              **powers),
        Claim(f"{SLUG}-kaiming", f"with {name('kaiming-relu')} the standard deviations of the first and the last "
              f"layer differ by less than a factor of {FACTOR:g}",
              lambda s: [abs(c) for c in s.change("kaiming-relu")], CHANGE, most=math.log10(FACTOR), **powers),
        Claim(f"{SLUG}-kaiming-gradient", f"with {name('kaiming-relu')} the gradients at the first and the last "
              f"layer differ by less than a factor of {FACTOR:g}",
              lambda s: [abs(c) for c in s.gradient_change("kaiming-relu")], CHANGE, most=math.log10(FACTOR), **powers),
    )  # fmt: skip


FINDINGS = Findings(STUDY, Summary, _claims(), lambda r: SHORT.get(r.spec.config["scheme"], "single products"))


# -- what the page shows -----------------------------------------------------------------------------------------------


def brief(summary: Summary) -> str:
    """What came out, in words that are right however the runs fell."""
    broken = summary.broken()
    layers = " and ".join(f"in layer {n} in {broken.count(n)}" for n in sorted(set(broken)))
    told = "; ".join(
        f"{SHORT[s]}: {number(_power(summary.change(s)))} and {number(_power(summary.gradient_change(s)))}"
        for s in ("normalised", *ACTIVATED)
    )
    saturated = estimate([float(np.mean(run)) for run in summary.history("normal-tanh", "saturated")])
    return (
        f"Standard normal weights multiply the size of the signal by about $\\sqrt{{{summary.width}}}$ in every layer, "
        f"and single precision ends at {number(LARGEST)}. The first number that is not finite stands {layers} "
        f"of {len(broken)} networks; predicted is layer {predicted_break(summary.width)}. Tanh prevents this, but "
        f"{percent(saturated.mean, 0)} of its units are saturated, above {SATURATED:g} in size.\n\nFrom the first "
        f"layer to layer {summary.depth} each of the other schemes multiplies the standard deviation, and on the way "
        f"back the gradient, by (geometric means over the seeds): {told}."
    )


def protocol(summary: Summary) -> str:
    """How it was measured."""
    repeats = summary.runs[PRODUCTS][0].spec.config["repeats"]
    return (
        f"{summary.depth} layers of {summary.width} units without biases, one standard normal input of {summary.width} "
        "numbers, nothing trained. Values are computed in single precision, as PyTorch does by default, and described "
        "in double precision. The way back is computed in double precision, which reaches further: a standard normal "
        "vector stands for the gradient by the last layer's units and is multiplied by each layer's slopes and "
        f"transposed weights; its size is the root mean square over the units. {len(summary.runs['normal'])} seeds; a "
        "seed draws the same normal numbers for every scheme that uses normal numbers. The single products are "
        f"{repeats:,} for each of {len(summary.runs[PRODUCTS])} seeds."
    )


def first_layers(summary: Summary) -> str:
    """Where the networks break, beside what the law says."""
    layer, width = predicted_break(summary.width), summary.width
    chances = (f"{100 * wide_layers.chance_of_break(n, width):.1f} %" for n in (layer - 1, layer))
    before, there = (number(width ** (n / 2)) for n in (layer - 1, layer))
    return (
        f"If every layer multiplies by $\\sqrt{{{width}}}$, layer $l$ has the standard deviation ${width}^{{l/2}}$, "
        f"and the largest of its {width} units is about {largest_of(width):.1f} times as large. Single precision holds "
        f"numbers up to $(2 - 2^{{-23}})\\,2^{{127}} \\approx$ {number(LARGEST)}. Layer {layer - 1} has the standard "
        f"deviation {before} and layer {layer} {there}: **layer {layer}** is the first whose largest unit passes the "
        f"limit. At exactly these deviations some unit passes it with probability {' and '.join(chances)}. The "
        "deviations of a network scatter about the law, which can move the break by a layer. Measured: the first "
        f"number that is not finite stands in layer {_list(summary.broken())}, the first NaN in layer "
        f"{_list(summary.nan())}."
    )


def break_table(summary: Summary) -> Table:
    """The layers around the break: law, measured deviation, shares of what is not finite."""
    layer, body, rows = predicted_break(summary.width), [], []
    for n in range(layer - 3, layer + 3):
        stds = [std[n - 1] for std in summary.history("normal", "std")]
        finite = [math.log10(std) for std in stds if std is not None]
        shares = [estimate([run[n - 1] for run in summary.history("normal", kind)]) for kind in ("infinite", "nan")]
        measured = number(_power(finite)) + f" ({len(finite)} of {len(stds)})" if finite else "none finite"
        body.append([str(n), number(summary.width ** (n / 2)), measured, *(f"{100 * p.mean:.1f} %" for p in shares)])
        rows.append({"layer": n, "law": summary.width ** (n / 2), "finite_networks": len(finite),
                     "infinite": shares[0].mean, "nan": shares[1].mean})  # fmt: skip
    caption = (
        "Standard normal weights, no activation, around the predicted layer: standard deviation by the law and "
        "measured (geometric mean over the networks whose layer is finite, and their number), and the shares of units "
        "that are infinite and NaN."
    )
    header = ("Layer", "Law", "Measured", "Infinite units", "NaN units")
    return Table(f"{SLUG}-break", caption, header, body, rows)


def product_table(summary: Summary) -> Table:
    """The single products beside their laws."""
    root = math.sqrt(summary.width)
    quantities = {
        "mean": ("mean", 0.0),
        "std": ("standard deviation, by the exercise's estimator", root),
        "relu_mean": ("mean behind ReLU", RELU_MEAN * root),
        "relu_size": ("root mean square behind ReLU", RELU_SIZE * root),
        "relu_std": ("standard deviation behind ReLU", RELU_STD * root),
    }
    body, rows = [], []
    for quantity, (words, expected) in quantities.items():
        p = estimate(summary.product(quantity))
        body.append([words, f"{expected:.4f}", f"{p.mean:.4f} ± {p.high - p.mean:.4f}".replace("-", "−")])
        rows += [{"quantity": quantity, "seed": run.spec.seed, "law": expected, "measured": value}
                 for run, value in zip(summary.runs[PRODUCTS], summary.product(quantity), strict=True)]  # fmt: skip
    repeats = summary.runs[PRODUCTS][0].spec.config["repeats"]
    caption = (
        f"Products of standard normal matrices with standard normal vectors, {summary.width} numbers each, over "
        f"{repeats:,} draws: the law, and the mean over the seeds ± half of its 95 % t interval."
    )
    return Table(f"{SLUG}-products", caption, ("Quantity of the products", "Law", "Measured"), body, rows)


def layer_table(summary: Summary) -> Table:
    """Mean, standard deviation and gradient in some layers of every scheme."""
    body, rows = [], []
    for scheme in SCHEMES:
        for n in (layer for layer in SHOWN if layer <= summary.depth):
            means, stds, gradients = (
                [run[n - 1] for run in summary.history(scheme, q)] for q in ("mean", "std", "log10_gradient")
            )
            cells = ["NaN", "NaN"]
            if None not in (*means, *stds):
                middle = estimate(means)
                cells = [
                    f"{number(middle.mean)} ± {number(middle.high - middle.mean)}",
                    number(_power(map(math.log10, stds))),
                ]
            body.append([SHORT[scheme] if n == SHOWN[0] else "", str(n), *cells, number(_power(gradients))])
            rows += [{"scheme": scheme, "layer": n, "seed": run.spec.seed, "mean": m, "std": s, "log10_gradient": g}
                     for run, m, s, g in zip(summary.runs[scheme], means, stds, gradients, strict=True)]  # fmt: skip
    caption = (
        "Mean of the units (over the seeds, ± half of its 95 % t interval), their standard deviation, and the root "
        "mean square of the gradient with respect to them (geometric means over the seeds). Without an activation the "
        "gradient does not depend on the units: in double precision it is finite where they are not."
    )
    return Table(f"{SLUG}-layers", caption, ("Scheme", "Layer", "Mean", "Standard deviation", "Gradient"), body, rows)


def size_chart(summary: Summary) -> Chart:
    """Standard deviation and size of the mean against depth, without and with an activation."""
    titles = [f"{what}, {how}" for what in ("std", "|mean|") for how in ("no activation", "activation")]
    drawing, axes = figures.panels(titles, height=2.7)
    rows: list[dict[str, Any]] = []
    told = []
    for row, quantity in enumerate(("std", "mean")):
        for axis, schemes in zip(axes[2 * row :], (LINEAR, ACTIVATED), strict=False):
            for scheme, colour, dash in zip(schemes, COLOURS, DASHES, strict=False):
                values = [[math.log10(abs(v)) if v else None for v in run] for run in summary.history(scheme, quantity)]
                points = _points(values)
                _line(
                    axis, points, SHORT[scheme].partition(",")[0] if scheme in LINEAR else SHORT[scheme], colour, dash
                )
                if quantity == "std":
                    _circles(axis, expected_sizes(summary, scheme, "std")[: len(points)], colour)
                    told.append(f"{SHORT[scheme]}: from {_plain(10 ** points[0].mean)} to "
                                f"{_plain(10 ** points[-1].mean)} in layer {len(points)}")  # fmt: skip
                rows += [{"scheme": scheme, "quantity": quantity, "layer": n, "log10_mean": p.mean, "low": p.low,
                          "high": p.high, "n": p.n} for n, p in enumerate(points, 1)]  # fmt: skip
            axis.set_yscale("log")
            if row == 1:
                axis.set_xlabel("layer")
    for axis in axes[:2]:
        axis.legend(fontsize=8, loc="upper right")
    axes[0].set_ylabel("standard deviation")
    axes[2].set_ylabel("size of the mean")
    return Chart(
        f"{SLUG}-sizes",
        drawing,
        f"Four charts against the layer, on logarithmic axes. Standard deviations: {'; '.join(told)}.",
        "Standard deviation of the units of each layer, and size of their mean: geometric mean over the seeds, its "
        "95 % interval (bands), and the law of wide layers (circles). The lines of standard normal weights without "
        "activation end where a network is not finite.",
        rows,
    )


def gradient_chart(summary: Summary) -> Chart:
    """Size of the gradient at each layer."""
    drawing, axes = figures.panels(["no activation", "activation"], height=3.1)
    places = range(1, summary.depth + 1)
    rows: list[dict[str, Any]] = []
    told = []
    for axis, schemes in zip(axes, (LINEAR, ACTIVATED), strict=True):
        for scheme, colour, dash in zip(schemes, COLOURS, DASHES, strict=False):
            points = _points(summary.history(scheme, "log10_gradient"))
            _line(axis, points, SHORT[scheme], colour, dash)
            expected = expected_sizes(summary, scheme, "log10_gradient")
            _circles(axis, expected, colour)
            rows += [{"scheme": scheme, "layer": n, "log10_mean": p.mean, "low": p.low, "high": p.high, "n": p.n,
                      "law": math.log10(e)} for n, p, e in zip(places, points, expected, strict=True)]  # fmt: skip
            told.append(f"{SHORT[scheme]}: {_plain(10 ** points[0].mean)} at the first layer")
        axis.set_yscale("log")
        axis.set_xlabel("layer")
        axis.legend(fontsize=8, loc="upper right")
    axes[0].set_ylabel("size of the gradient")
    return Chart(
        f"{SLUG}-gradients",
        drawing,
        f"Two charts of the gradient's size against the layer, on logarithmic axes; it is about 1 at the last layer. "
        f"{'; '.join(told)}.",
        "Root mean square of the gradient with respect to the units of each layer, sent back from the last one, where "
        "it is about 1: geometric mean over the seeds, 95 % interval (bands), and the law of wide layers (circles).",
        rows,
    )


def close_chart(summary: Summary) -> Chart:
    """Signal and gradient of the schemes that neither explode nor vanish, on a narrower scale."""
    drawing, axes = figures.panels(["standard deviation", "gradient"], height=3.1)
    places, rows, told = range(1, summary.depth + 1), [], []
    for axis, quantity in zip(axes, ("std", "log10_gradient"), strict=True):
        for scheme, colour, dash in zip(KEPT, COLOURS, DASHES, strict=False):
            runs = summary.history(scheme, quantity)
            points = _points([[math.log10(v) for v in run] for run in runs] if quantity == "std" else runs)
            _line(axis, points, SHORT[scheme], colour, dash)
            _circles(axis, expected_sizes(summary, scheme, quantity), colour)
            told.append(f"{quantity.rpartition('_')[2]}, {SHORT[scheme]}: {_plain(10 ** points[0].mean)} in layer 1, "
                        f"{_plain(10 ** points[-1].mean)} in layer {len(points)}")  # fmt: skip
            rows += [{"scheme": scheme, "quantity": quantity, "layer": n, "log10_mean": p.mean, "low": p.low,
                      "high": p.high, "n": p.n} for n, p in zip(places, points, strict=True)]  # fmt: skip
        axis.set_yscale("log")
        axis.set_xlabel("layer")
    axes[0].legend(fontsize=9, loc=(0.38, 0.4))
    return Chart(
        f"{SLUG}-close",
        drawing,
        f"Two charts against the layer, on logarithmic axes. {'; '.join(told)}.",
        "The schemes that keep both signal and gradient within a few powers of ten, on a narrower scale: geometric "
        "mean over the seeds, its 95 % interval (bands), and the law of wide layers (circles).",
        rows,
    )


def share_chart(summary: Summary) -> Chart:
    """Units at the ends of tanh, and units near zero, against depth."""
    curves = {
        SHORT[scheme]: {
            f"above {SATURATED:g}": [[100 * v for v in run] for run in summary.history(scheme, "saturated")],
            f"below {SMALL:g}": [[100 * v for v in run] for run in summary.history(scheme, "small")],
        }
        for scheme in ACTIVATED
    }
    caption = (
        f"Share of the units of a layer that are above {SATURATED:g}, and below {SMALL:g}, in size: mean over the "
        "seeds and its 95 % interval (bands)."
    )
    return figures.curves(f"{SLUG}-shares", curves, caption=caption, xlabel="layer", ylabel="share of units (%)")


def _points(values: Sequence[Sequence[float | None]]) -> list[Estimate]:
    """An estimate for each layer, up to the first in which a network has no value."""
    points = []
    for column in zip(*values, strict=True):
        if None in column:
            break
        points.append(estimate([value for value in column if value is not None]))
    return points


def _line(axis: Any, points: Sequence[Estimate], label: str, colour: str, dash: Any) -> None:
    places = range(1, len(points) + 1)
    axis.plot(places, [10**p.mean for p in points], color=colour, linestyle=dash, label=label)
    axis.fill_between(places, [10**p.low for p in points], [10**p.high for p in points], color=colour, alpha=0.25, lw=0)


def _circles(axis: Any, expected: Sequence[float], colour: str) -> None:
    """What the law predicts, in every eleventh layer."""
    places = range(1, len(expected) + 1)
    axis.plot(places[::11], expected[::11], "o", color=colour, markerfacecolor="white", markersize=4, zorder=4)


def _power(values: Any) -> float:
    return 10 ** estimate(list(values)).mean


def _list(layers: Sequence[int]) -> str:
    return ", ".join(
        f"{n} ({layers.count(n)} seeds)" if layers.count(n) > 1 else f"{n} (1 seed)" for n in sorted(set(layers))
    )


def _plain(value: float) -> str:
    return f"{value:.2g}"
