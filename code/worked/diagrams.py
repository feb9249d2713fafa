"""What diagrams are made of: boxes and arrows on a canvas whose unit is the inch, in the style of the charts."""

from typing import TYPE_CHECKING, Any

from worked.figures import STYLE, Chart

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDEST = 5.6  # inches: what a page of the PDF and the column of a phone can show
INK = "#222222"
Place = tuple[float, float]


def canvas(width: float, height: float) -> "tuple[Figure, Axes]":
    """An empty drawing whose axes run from (0, 0) to (width, height) in inches; ValueError if it is too wide."""
    if not 0 < width <= WIDEST:
        raise ValueError(f"expected a diagram at most {WIDEST} inches wide, got {width}: draw it taller")
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height))
        axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    axes.set_axis_off()
    return figure, axes


def box(
    axes: "Axes",
    centre: Place,
    text: str,
    *,
    width: float = 0.7,
    height: float = 0.42,
    fill: str = "none",
    round_corners: bool = True,
    **style: Any,
) -> None:
    """A box with `text` (mathtext between dollars) in its middle; `style` is the text's."""
    from matplotlib.patches import FancyBboxPatch

    low = (centre[0] - width / 2, centre[1] - height / 2)
    corner = f"round,pad=0,rounding_size={0.12 if round_corners else 0.0}"
    patch = FancyBboxPatch(low, width, height, boxstyle=corner, facecolor=fill, edgecolor=INK, linewidth=1.1)
    axes.add_patch(patch)
    label(axes, centre, text, **style)


def label(axes: "Axes", at: Place, text: str, **style: Any) -> None:
    """Text centred at a place; `style` goes to matplotlib."""
    how = {"ha": "center", "va": "center", "fontsize": 11, "color": INK, **style}
    axes.text(*at, text, **how)


def arrow(
    axes: "Axes",
    start: Place,
    end: Place,
    text: str = "",
    *,
    gap: float = 0.0,
    bend: float = 0.0,
    colour: str = INK,
    aside: Place = (0.0, 0.12),
    **style: Any,
) -> None:
    """An arrow, `gap` inches short of both ends; `bend` curves it; `text` stands `aside` of its middle."""
    from matplotlib.patches import FancyArrowPatch

    points = gap * 72
    patch = FancyArrowPatch(
        start,
        end,
        arrowstyle="-|>",
        mutation_scale=10,
        shrinkA=points,
        shrinkB=points,
        connectionstyle=f"arc3,rad={bend}",
        color=colour,
        linewidth=style.pop("linewidth", 1.1),
        linestyle=style.pop("linestyle", "-"),
    )
    axes.add_patch(patch)
    if text:
        middle = ((start[0] + end[0]) / 2 + aside[0], (start[1] + end[1]) / 2 + aside[1])
        label(axes, middle, text, **{"color": colour, **style})


def diagram(name: str, figure: "Figure", alt: str, caption: str) -> Chart:
    """The drawing with what a reader needs beside it: `alt` says in words what it shows."""
    return Chart(name, figure, alt, caption)
