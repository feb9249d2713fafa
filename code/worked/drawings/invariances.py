"""The pairing of units and of inputs under both symmetries: one weight in four places."""

from typing import TYPE_CHECKING, Any

from worked.answers.invariances import GROUPS
from worked.diagrams import canvas, diagram, label
from worked.figures import COLOURS, DASHES, Chart

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BASES = "CTGA"
LENGTH = 6
UNIT, INPUT = (0, 1), (1, 2)  # whose weight is followed: (base, position), from 0
IMAGES = ("the weight", "reversal", "complement", "both")
CELL = 0.46


def orbit(at: tuple[int, int], length: int = LENGTH) -> list[tuple[int, int]]:
    """The images of a place: itself, reversed, complemented, both."""
    base, position = at
    places = [(b, p) for b in (base, (base + 2) % 4) for p in (position, length - 1 - position)]
    return [places[n] for n in GROUPS["both"]]


def pairing() -> Chart:
    """Hidden units above, inputs below, and the four weights that are one."""
    figure, axes = canvas(5.4, 4.9)
    units, inputs = (0.5, 2.75), (0.5, 0.35)
    _grid(axes, units, "hidden units $(r, k)$", 4 * CELL + 0.16)
    _grid(axes, inputs, "inputs $(j, i)$", -0.18)
    told = []
    for n, (unit, entry) in enumerate(zip(orbit(UNIT), orbit(INPUT), strict=True)):
        start, end = _centre(inputs, entry), _centre(units, unit)
        style: dict[str, Any] = {"color": COLOURS[n], "linestyle": DASHES[n], "linewidth": 2}
        axes.plot(*zip(start, end, strict=True), marker="o", zorder=3, **style)
        axes.plot([3.7, 4.15], [2.9 - 0.3 * n] * 2, **style)
        label(axes, (4.25, 2.9 - 0.3 * n), IMAGES[n], ha="left", fontsize=10)
        told.append(f"{IMAGES[n]} from {_name(entry)} to {_name(unit)}")
    alt = (
        f"Two grids of the bases {', '.join(BASES)} times {LENGTH} positions, hidden units above, inputs below, with "
        f"four lines, each a weight from an input to a unit: {'; '.join(told)}."
    )
    caption = (
        "Under both constraints these four weights are one parameter: reversal mirrors the position of input and unit, "
        "the complement exchanges C and G, T and A in both. Reversal alone ties the first two, the complement "
        "alone the first and the third."
    )
    return diagram("invariances-pairing", figure, alt, caption)


def _grid(axes: "Axes", corner: tuple[float, float], title: str, above: float) -> None:
    from matplotlib.patches import Rectangle

    for base in range(4):
        label(axes, (corner[0] - 0.25, _centre(corner, (base, 0))[1]), BASES[base])
        for position in range(LENGTH):
            x, y = _centre(corner, (base, position))
            low = (x - CELL / 2, y - CELL / 2)
            axes.add_patch(Rectangle(low, CELL, CELL, facecolor="none", edgecolor="#888888", linewidth=0.8))
    label(axes, (corner[0] + LENGTH * CELL / 2, corner[1] + above), title)


def _centre(corner: tuple[float, float], place: tuple[int, int]) -> tuple[float, float]:
    base, position = place
    return corner[0] + (position + 0.5) * CELL, corner[1] + (3.5 - base) * CELL


def _name(place: tuple[int, int]) -> str:
    return f"{BASES[place[0]]}{place[1] + 1}"
