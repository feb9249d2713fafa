"""The banded matrix of a filter, and what an output sees, both read off the proved entries."""

from sympy import Expr, Integer

from worked.derivations import convolution_as_dense as topic
from worked.diagrams import INK, arrow, box, canvas, diagram, label
from worked.figures import Chart
from worked.symbolic.derivation import Derivation

TINTS = ("#A6CEE3", "#FDBF6F", "#B2DF8A", "#CAB2D6", "#FB9A99")  # a weight of the filter each
CELL = 0.5  # inches
FAINT = "#777777"


def taps(layer: Derivation, size: int, width: int, left: int) -> list[list[int]]:
    """Which weight of the filter stands in each entry of the proved matrix, 0 where the entry is zero."""
    entry = layer.facts()[topic.T[topic.c, topic.j, topic.t]]
    sizes = {topic.W: Integer(width), topic.P: Integer(left)}

    def tap(j: int, t: int) -> int:
        value: Expr = entry.xreplace({**sizes, topic.j: Integer(j), topic.t: Integer(t)})
        return int(value.indices[1]) if value != 0 else 0

    return [[tap(j, t) for t in range(1, size + 1)] for j in range(1, size + 1)]


def matrix(layer: Derivation, size: int = 6, width: int = 3, left: int = 1) -> Chart:
    """Outputs as the banded matrix of one filter times the inputs, a colour for each shared weight."""
    figure, axes = canvas(CELL * (size + 4.6), CELL * (size + 0.7))
    rows = taps(layer, size, width, left)
    top = CELL * (size + 0.1)

    def cell(row: int, column: float, text: str, fill: str = "none") -> None:
        place = (CELL * (column + 0.5), top - CELL * row - CELL / 2)
        box(axes, place, text, width=CELL, height=CELL, fill=fill, round_corners=False, fontsize=12)

    for row, entries in enumerate(rows):
        cell(row, 0.2, f"$h_{{{row + 1}}}$")
        for column, tap in enumerate(entries):
            cell(row, column + 2, f"$w_{{{tap}}}$" if tap else "", TINTS[tap - 1] if tap else "none")
        cell(row, size + 3.2, f"$x_{{{row + 1}}}$")
    middle = top - CELL * size / 2
    label(axes, (CELL * 1.6, middle), "$=$", fontsize=14)
    label(axes, (CELL * (size + 2.6), middle), r"$\times$", fontsize=14)
    label(axes, (CELL * (2 + size / 2), top + CELL * 0.3), "$T$", fontsize=12)
    told = "; ".join(
        f"row {n}: " + " ".join(f"w{tap}" if tap else "0" for tap in entries) for n, entries in enumerate(rows, 1)
    )
    zeros = sum(not tap for entries in rows for tap in entries)
    return diagram(
        f"{topic.SLUG}-matrix",
        figure,
        f"The outputs are a matrix times the inputs. {told}.",
        f"The dense layer of one filter of width {width} on {size} inputs, without its bias. Each colour is one shared "
        f"weight; {zeros} of the {size * size} entries are zero.",
    )


def receptive_field(layer: Derivation, size: int = 6, width: int = 3, left: int = 1, output: int = 4) -> Chart:
    """Which inputs an output sees, and where the first output meets the padding."""
    rows = taps(layer, size, width, left)
    step = 0.62
    figure, axes = canvas(step * (size + width - 1), 2.1)
    low, high = 0.35, 1.75

    def across(position: int) -> float:  # position 1 is the first input, zeros lie before and behind
        return step * (position + left - 0.5)

    for t in range(1 - left, size + width - left):
        inside = 1 <= t <= size
        box(
            axes,
            (across(t), low),
            f"$x_{{{t}}}$" if inside else "$0$",
            width=0.5,
            color=INK if inside else FAINT,
        )
    for j in range(1, size + 1):
        chosen = j in (1, output)
        box(axes, (across(j), high), f"$h_{{{j}}}$", width=0.5, fill="#EEEEEE" if chosen else "none")
    seen = {}
    for j in (1, output):
        seen[j] = [t for t, tap in enumerate(rows[j - 1], 1) if tap]
        for tap in range(1, width + 1):
            t = j + tap - 1 - left
            ink = INK if t in seen[j] else FAINT
            dash = "-" if t in seen[j] else (0, (3, 2))
            arrow(axes, (across(t), low + 0.22), (across(j), high - 0.22), colour=ink, linestyle=dash)
            aside = -0.17 if t < j else 0.17
            label(axes, ((across(t) + across(j)) / 2 + aside, (low + high) / 2), f"$w_{{{tap}}}$", color=ink)
    names = {j: ", ".join(f"x{t}" for t in inputs) for j, inputs in seen.items()}
    return diagram(
        f"{topic.SLUG}-receptive-field",
        figure,
        f"Inputs x1 to x{size} with zeros at the ends, outputs h1 to h{size} above them. Output h{output} sees "
        f"{names[output]}; output h1 sees {names[1]}, its other weights fall on zeros.",
        f"Output $h_{{{output}}}$ sees {width} inputs, its receptive field. Towards the edge a weight falls on the "
        "padding and does nothing: this is what cuts the corners off the band.",
    )
