"""Which half of the second moment ReLU keeps, and what the scale of the weights does to a deep network."""

from collections.abc import Mapping, Sequence

import numpy as np

from worked.diagrams import INK, canvas, diagram
from worked.figures import COLOURS, DASHES, Chart, panels


def half() -> Chart:
    """The integrand of the second moment, with the half that ReLU keeps."""
    figure, _ = canvas(4.6, 2.1)
    axes = figure.add_axes((0.02, 0.16, 0.96, 0.8))
    axes.set_facecolor("none")
    z = np.linspace(-4, 4, 401)
    integrand = z**2 * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    axes.plot(z, integrand, color=INK, linewidth=1.2, linestyle=(0, (4, 2)))
    axes.plot(z[z >= 0], integrand[z >= 0], color=INK, linewidth=1.6)
    axes.fill_between(z, integrand, where=z >= 0, color=COLOURS[0], alpha=0.3, linewidth=0)
    axes.text(1.55, 0.09, r"$\frac{1}{2}$", ha="center", va="center", fontsize=16, color=INK)
    axes.text(-1.55, 0.09, "0", ha="center", va="center", fontsize=12, color=INK)
    axes.text(2.1, 0.27, r"$\max(z, 0)^2\, p(z)$", ha="left", va="center", fontsize=11, color=INK)
    axes.text(-2.1, 0.27, r"$z^2\, p(z)$", ha="right", va="center", fontsize=11, color=INK)
    axes.set(xlim=(-4.7, 4.7), ylim=(0, 0.33))
    axes.set_yticks([])
    axes.set_xticks([-2, 0, 2], labels=["-2", "$z = 0$", "2"])
    axes.grid(False)
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    alt = (
        "Curve of z squared times the normal density: zero at 0, with two equal humps. The right hump, one half of the "
        "area, is shaded: ReLU keeps it. The left one is dashed: ReLU makes it 0."
    )
    return diagram("initialization-half", figure, alt, "The second moment of ReLU is the right half of that of $z$.")


def depth(variances: Mapping[str, Sequence[float]]) -> Chart:
    """The variance of the pre-activations against depth; a line for each activation and scale."""
    drawing, (axis,) = panels([""], columns=1, height=2.9)
    rows, told = [], []
    for (name, values), colour, dash in zip(variances.items(), COLOURS, DASHES, strict=False):
        layers = range(1, len(values) + 1)
        axis.plot(layers, values, color=colour, linestyle=dash, label=name)
        rows += [{"network": name, "layer": n, "variance": v} for n, v in zip(layers, values, strict=True)]
        told.append(f"{name.replace('$', '')} ends at {values[-1]:.2g}")
    axis.set(yscale="log", xlabel="layer", ylabel="variance of pre-activations")
    axis.legend(fontsize=9, loc="lower left", frameon=False)
    alt = f"Variance of the pre-activations, 1 in the first layer, through {len(rows) // len(variances)} layers on a "
    caption = (
        "Variance of the pre-activations through wide layers whose weights have the standard deviations in the legend, "
        "computed layer by layer. The two lines with the right scale coincide at 1."
    )
    alt += f"logarithmic axis: {'; '.join(told)}."
    return Chart("initialization-depth", drawing, alt, caption, rows, "Computed while this page was built")
