"""What a page shows of backpropagation by hand, all from the numbers of its proof: lines, tables, the graph."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sympy import Expr, Integer, Sum

from worked.derivations.backprop_by_hand import (
    FIRST_ORDER,
    NUMBERED,
    UPDATES,
    K,
    M,
    b_1,
    b_2,
    h,
    i,
    j,
    k,
    loss,
    moved,
    new_w_1,
    new_w_2,
    rate,
    t,
    w_1,
    w_2,
    x,
    y,
    z_1,
    z_2,
)
from worked.diagrams import INK, Place, arrow, box, canvas, diagram, label
from worked.figures import Chart, Table
from worked.symbolic.derivation import Derivation
from worked.symbolic.functions import Partial
from worked.symbolic.instance import At, Instance, Value, aligned, is_exact, named, short, significant

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PLACES = 8  # decimals in the tables
FEWER = 6  # in those that compare
MORE = 30  # in the files behind them
FILED = f"Correctly rounded; {MORE} decimals in the file"
MINUS = "\N{MINUS SIGN}"
DIGITS = 3  # significant digits in the graph
DOWN = "#A84300"  # the colour of gradients
SIZE = 10.5  # of the numbers in the graph, in points
WIDE, TALL = 2.05, 0.9  # a unit's box, in inches
LINE = 0.2  # from one line of numbers to the next


@dataclass(frozen=True)
class Parameter:
    """A weight or a bias: the name that the exercise gives it, and which entry it is."""

    name: str
    entry: Expr
    at: At

    @property
    def gradient(self) -> Partial:
        """The derivative of the loss by it."""
        return Partial(loss, self.entry)


def parameters(numbers: Instance) -> Iterator[Parameter]:
    """Yield the weights in the exercise's order, then the biases."""
    for number, (entry, at) in NUMBERED.items():
        yield Parameter(f"w_{{{number}}}", entry, at)
    for layer, entry in ((1, b_1[i]), (2, b_2[k])):
        for at in numbers.places(entry):
            (unit,) = at.values()
            yield Parameter(f"b^{{({layer})}}_{{{unit}}}", entry, at)


def assumed(numbers: Instance) -> str:
    """The weights and biases that were put in, as LaTeX: the first matrix of each pair names the entries."""
    rows = []
    for entry, sign in ((w_1[i, j], "W^{(1)}"), (w_2[k, i], "W^{(2)}")):
        places = [p for p in parameters(numbers) if p.entry == entry]
        names = {tuple(p.at[index] for index in entry.indices): p.name for p in places}
        entries = {tuple(p.at[index] for index in entry.indices): _digits(numbers.value(entry, p.at)) for p in places}
        rows.append(rf"{sign} & = {_matrix(names)} \\[0.3em] & = {_matrix(entries)}")
    for layer, entry in ((1, b_1[i]), (2, b_2[k])):
        values = ", ".join(_digits(v) for v in numbers.values(entry))
        rows.append(rf"\mathbf{{b}}^{{({layer})}} & = \left({values}\right)")
    return aligned(rows)


def _matrix(entries: Mapping[tuple[int, ...], str]) -> str:
    lines: dict[int, list[str]] = {}
    for (row, _), text in sorted(entries.items()):
        lines.setdefault(row, []).append(text)
    return r"\begin{pmatrix}" + r" \\ ".join(" & ".join(line) for line in lines.values()) + r"\end{pmatrix}"


def forward_by_hand(numbers: Instance) -> str:
    """Every quantity of the forward pass with its numbers put in, as LaTeX."""
    layers = ((z_1[i], h[i]), (z_2[k], y[k]))
    wanted = [(e, at) for layer in layers for at in numbers.places(layer[0]) for e in layer]
    return aligned(numbers.line(e, at) for e, at in [*wanted, (loss, {})])


def output_weight_by_hand(numbers: Instance) -> str:
    """The gradient of the first output weight: formula, numbers, value."""
    at = {k: 1, i: 1}
    return aligned(
        [
            numbers.line(Partial(loss, z_2[k]), at, formula=True),
            numbers.line(Partial(loss, w_2[k, i]), at, 1, formula=True),
        ]
    )


def hidden_weight_by_hand(numbers: Instance) -> str:
    """The gradient of the weight from the second input to the first hidden unit: formula, numbers, value."""
    at = {i: 1, j: 2}
    return aligned(
        [
            numbers.line(Partial(loss, z_2[k]), {k: 2}),
            numbers.line(Partial(loss, z_1[i]), at, formula=True),
            numbers.line(Partial(loss, w_1[i, j]), at, 1, formula=True),
        ]
    )


def step_by_hand(numbers: Instance) -> str:
    """The same two weights after the step: formula, numbers, value."""
    wanted = ((new_w_2[k, i], {k: 1, i: 1}), (new_w_1[i, j], {i: 1, j: 2}))
    return aligned(numbers.line(new, at, 0, formula=True) for new, at in wanted)


def rates_table(derivations: Sequence[Derivation], numbers: Instance, rates: Sequence[str]) -> Table:
    """The change of the loss for several learning rates, to first order and as it is."""
    header = ("rate", "to first order", "change", "ratio")
    body, full = [], []
    for chosen in rates:
        before = Instance(derivations, {**numbers.point, rate: chosen})
        predicted, real = before.value(FIRST_ORDER), fall(derivations, before)
        values = (predicted, real, real / predicted)
        body.append((chosen, *(short(v, FEWER).replace("-", MINUS) for v in values)))
        full.append(dict(zip(header, (chosen, *(short(v, MORE) for v in values)), strict=True)))
    caption = "What the same step does to the loss at other learning rates"
    return Table("backprop-by-hand-rates", caption, header, body, full, FILED)


def fall(derivations: Sequence[Derivation], numbers: Instance) -> Value:
    """Return by how much the loss changes in one step."""
    return moved(numbers, derivations).value(loss) - numbers.value(loss)


def readings_table(numbers: Instance) -> Table:
    """What other readings of the exercise would change, for the first output weight and the first hidden bias."""
    weight, bias = Partial(loss, w_2[k, i]), Partial(loss, b_1[i])
    at = {k: 1, i: 1}
    readings: dict[str, tuple[Expr, Expr, Expr]] = {  # factor of the loss, gradient of the bias, whether it moves
        "mean of the squares, all biases updated (here)": (Integer(1), bias, Integer(1)),
        "half the sum of the squares": (M / 2, bias, Integer(1)),
        "sum of the squares": (M, bias, Integer(1)),
        "biases not updated": (Integer(1), bias, Integer(0)),
        "one bias for each layer": (Integer(1), Sum(bias, (i, 1, K)), Integer(1)),
    }
    header = ("reading", "loss $L$", r"gradient $\partial L/\partial w_7$", "$w_7$ after", "$b^{(1)}_1$ after")
    body, full = [], []
    for name, (factor, gradient, moves) in readings.items():
        wanted = (
            factor * loss,
            factor * weight,
            w_2[k, i] - rate * factor * weight,
            b_1[i] - rate * factor * gradient * moves,
        )
        values = [numbers.value(e, at) for e in wanted]
        body.append((name, *(short(v, FEWER) for v in values)))
        full.append(dict(zip(header, (name, *(short(v, MORE) for v in values)), strict=True)))
    return Table("backprop-by-hand-readings", "What another reading changes", header, body, full, FILED)


def gradient_table(numbers: Instance) -> Table:
    """Every gradient, and the error of a unit and the input of the parameter whose product it is."""
    header = ("name", "gradient", "= error of its unit", "× its input")
    rows = []
    for p in parameters(numbers):
        is_weight = len(p.entry.indices) == 2
        error, factor = numbers.forms(p.gradient)[1].args if is_weight else (numbers.forms(p.gradient)[0], Integer(1))
        rows.append((p, [numbers.value(e, p.at) for e in (p.gradient, error, factor)]))
    return _table("backprop-by-hand-gradients", f"All {len(rows)} gradients, to {PLACES} decimals", header, rows)


def step_table(numbers: Instance) -> Table:
    """Every parameter before and after the step."""
    header = ("name", "before", "gradient", "after")
    rows = [(p, [numbers.value(e, p.at) for e in (p.entry, p.gradient, UPDATES[p.entry])]) for p in parameters(numbers)]
    caption = f"All {len(rows)} parameters before and after the step, to {PLACES} decimals"
    return _table("backprop-by-hand-step", caption, header, rows)


def _table(name: str, caption: str, header: Sequence[str], rows: Sequence[tuple[Parameter, list[Value]]]) -> Table:
    body = [(f"${p.name}$", *(short(v, PLACES) for v in values)) for p, values in rows]
    full = [dict(zip(header, (p.name, *(short(v, MORE) for v in values)), strict=True)) for p, values in rows]
    return Table(name, caption, header, body, full, FILED)


def graph(numbers: Instance) -> Chart:
    """The computation graph: every value, and with it the derivative of the loss by it; the loss is at the bottom."""
    figure, axes = canvas(4.5, 7.55)
    inputs, units = (0.77, 2.25, 3.73), (1.12, 3.38)
    top, hidden, output, bottom = 7.3, 4.6, 1.85, 0.3
    said = ["Computation graph, from the inputs at the top to the loss at the bottom."]
    for at, place in zip(numbers.places(x[j]), inputs, strict=True):
        text = f"x_{at[j]} = {_digits(numbers.value(x[j], at))}"
        box(axes, (place, top), f"${text}$", width=0.95, height=0.4)
        said.append(f"Input {_spoken(text)}.")
    for p in parameters(numbers):
        if p.entry.base == w_1:
            start, end = (inputs[p.at[j] - 1], top - 0.2), (units[p.at[i] - 1] + 0.2 * (p.at[j] - 2), hidden + TALL / 2)
            said.append(_weight(axes, numbers, p, start, (start[0] + 0.37 * (2 * p.at[i] - 3), top - 0.8), end))
        elif p.entry.base == w_2:
            start = (units[p.at[i] - 1] + 0.1 * (2 * p.at[k] - 3), hidden - TALL / 2)
            end = (units[p.at[k] - 1] + 0.2 * (2 * p.at[i] - 3), output + TALL / 2)
            said.append(_weight(axes, numbers, p, start, (start[0] + 0.35 * (2 * p.at[k] - 3), hidden - 1.05), end))
    for n, place in enumerate(units, start=1):
        said.append(_unit(axes, numbers, (place, hidden), (b_1[i], z_1[i], h[i]), {i: n}))
        said.append(_unit(axes, numbers, (place, output), (b_2[k], z_2[k], y[k]), {k: n}))
        arrow(axes, (place, output - TALL / 2), (2.25 + 0.5 * (2 * n - 3), bottom + 0.22))
    targets = ", ".join(_digits(value) for value in numbers.values(t[k]))
    text = f"t = ({targets}), \\quad L = {_digits(numbers.value(loss))}"
    box(axes, (2.25, bottom), f"${text}$", width=3.2, height=0.44)
    said.append(f"Targets and loss: {_spoken(text)}.")
    caption = (
        "The computation graph. A weight stands on its arrow; a unit's bias, input and output stand in its box. Plain: "
        "values, from the forward pass. In colour, below or beside them: the derivative of the loss by each, from the "
        f"backward pass. Computed numbers are rounded to {DIGITS} significant digits."
    )
    return diagram("backprop-by-hand-graph", figure, " ".join(said), caption)


def _weight(axes: "Axes", numbers: Instance, p: Parameter, start: Place, middle: Place, end: Place) -> str:
    """Draw an arrow with name, value and gradient on its way, and say what was drawn."""
    axes.plot((start[0], middle[0]), (start[1], middle[1] + 1.7 * LINE), color=INK, linewidth=1.1)
    arrow(axes, (middle[0], middle[1] - 1.6 * LINE), end)
    value, gradient = (_digits(numbers.value(e, p.at)) for e in (p.entry, p.gradient))
    label(axes, (middle[0], middle[1] + LINE), f"${p.name}$", fontsize=SIZE + 1)
    label(axes, middle, value, fontsize=SIZE)
    label(axes, (middle[0], middle[1] - LINE), gradient, fontsize=SIZE, color=DOWN)
    return f"{_spoken(p.name)} = {value}, derivative {gradient}."


def _unit(axes: "Axes", numbers: Instance, centre: Place, quantities: Sequence[Expr], at: At) -> str:
    """Draw a unit as a box with a line each for its bias, input and output, and say what was drawn."""
    box(axes, centre, "", width=WIDE, height=TALL)
    said = []
    for n, quantity in enumerate(quantities):
        name = named(quantity, at)
        value, gradient = (_digits(numbers.value(e, at)) for e in (quantity, Partial(loss, quantity)))
        height = centre[1] + TALL / len(quantities) * 0.92 * (1 - n)
        label(axes, (centre[0] - WIDE / 2 + 0.26, height), f"${name}$", fontsize=SIZE + 1)
        label(axes, (centre[0] - 0.06, height), value, fontsize=SIZE, ha="right")
        label(axes, (centre[0] + WIDE / 2 - 0.12, height), gradient, fontsize=SIZE, color=DOWN, ha="right")
        said.append(f"{_spoken(name)} = {value}, derivative {gradient}.")
    return " ".join(said)


def _digits(value: Value) -> str:
    return short(value, DIGITS) if is_exact(value, DIGITS) else significant(value, DIGITS)


def _spoken(formula: str) -> str:
    """Return a simple formula as plain text."""
    return re.sub(r"\\quad|[{}^]", "", formula).replace("  ", " ")
