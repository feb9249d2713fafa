"""Matrices of a circular cross-correlation, drawn from what was proved about their entries."""

from typing import TYPE_CHECKING

from sympy import Expr, Indexed, Integer, Symbol

from worked import figures
from worked.derivations import cross_correlation as topic
from worked.diagrams import box, canvas, diagram, label
from worked.symbolic.derivation import Derivation

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Cells = list[list[tuple[str, int | None]]]  # a text and the number that shades it, None where the cell is empty

CELL = 0.4  # inches


def _index(entry: Expr, at: dict[Symbol, int]) -> int:
    """Return the number of an entry such as y[(i + k) mod n] at given values of its indices."""
    (index,) = entry.indices
    return int(index.xreplace({symbol: Integer(value) for symbol, value in at.items()}))


def _shade(number: int, size: int) -> str:
    """A colour that grows darker with the number."""
    return f"{figures.COLOURS[0]}{20 + 110 * number // size:02x}"


def _matrix(axes: "Axes", corner: tuple[float, float], cells: Cells, size: int) -> None:
    """Draw cells in `size` shades; `corner` is at the top left."""
    for row, line in enumerate(cells):
        for column, (text, number) in enumerate(line):
            place = (corner[0] + (column + 0.5) * CELL, corner[1] - (row + 0.5) * CELL)
            fill = "none" if number is None else _shade(number, size)
            box(axes, place, text, width=CELL, height=CELL, fill=fill, round_corners=False, fontsize=12)


def jacobians(derivation: Derivation, size: int = 5) -> figures.Chart:
    """Both Jacobians, a row for each output and a column for each input."""
    facts, names = derivation.facts(), {topic.BY_X: "x", topic.BY_Y: "y"}
    figure, axes = canvas(2 * (size * CELL + 0.5), size * CELL + 0.75)
    told = []
    for n, (left, by) in enumerate(names.items()):
        entry = facts[left]
        numbers = [[_index(entry, {topic.k: k, topic.i: i, topic.n: size}) for i in range(size)] for k in range(size)]
        cells: Cells = [[(f"${entry.base}_{number}$", number) for number in row] for row in numbers]
        corner = (0.42 + (size * CELL + 0.5) * n, size * CELL + 0.08)
        _matrix(axes, corner, cells, size)
        middle = size * CELL / 2
        label(axes, (corner[0] + middle, corner[1] + 0.45), rf"$\partial z_k \,/\, \partial {by}_i$", fontsize=12.5)
        label(axes, (corner[0] + middle, corner[1] + 0.16), r"$i \rightarrow$")
        label(axes, (corner[0] - 0.2, corner[1] - middle), r"$k$" + "\n" + r"$\downarrow$")
        rows = "; ".join(" ".join(f"{entry.base}{number}" for number in row) for row in numbers)
        told.append(f"the one by {by} has the rows {rows}")
    return diagram(
        "cross-correlation-jacobians",
        figure,
        f"Two matrices of {size} rows and columns: {', '.join(told)}.",
        f"Both Jacobians for $n = {size}$, the same shade for the same entry. Left, entries are constant where $i + k$ "
        "is: a Hankel matrix that wraps around, which is symmetric. Right, they are constant where $i - k$ is: a "
        "circulant matrix.",
    )


def weights(derivation: Derivation, size: int = 6, width: int = 3) -> figures.Chart:
    """The matrix from input j to output k without, with one, and with both assumptions; numbers name the weights."""
    (shared,) = (e for e in derivation.steps[1].right.function.args if isinstance(e, Indexed) and e.base == topic.x)
    distance = [[_index(shared, {topic.j: j, topic.k: k, topic.n: size}) for j in range(size)] for k in range(size)]
    figure, axes = canvas(2 * (size * CELL + 0.2), 2 * (size * CELL + 0.5))
    told = []
    for n, (title, local, tied) in enumerate(
        (("neither", False, False), ("local", True, False), ("shared", False, True), ("local and shared", True, True))
    ):
        numbers: dict[object, int] = {}
        cells: Cells = []
        for k, row in enumerate(distance):
            cells.append([])
            for j, d in enumerate(row):
                if local and d >= width:
                    cells[-1].append(("", None))
                    continue
                number = numbers.setdefault(d if tied else (k, j), len(numbers) + 1)
                cells[-1].append((str(number), d if tied else number - 1))
        corner = (0.05 + (size * CELL + 0.3) * (n % 2), 0.06 + (size * CELL + 0.5) * (2 - n // 2) - 0.4)
        _matrix(axes, corner, cells, size if tied else len(numbers))
        label(axes, (corner[0] + size * CELL / 2, corner[1] + 0.18), f"{title}: {len(numbers)}")
        told.append(f"{title}, {len(numbers)} weights")
    return diagram(
        "cross-correlation-weights",
        figure,
        f"Four matrices from {size} inputs to {size} outputs whose cells are numbered by the weight that they hold: "
        f"{'; '.join(told)}. A shared weight fills a diagonal that wraps around; without it every cell has its own.",
        f"The weights from $n = {size}$ inputs (columns) to as many outputs (rows), windows $W = {width}$ wide. A cell "
        "shows the number of its weight, an empty one has none.",
    )
