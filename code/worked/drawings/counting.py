"""Diagrams of sizes: the convolutional network of the exercise, what its top unit sees, and how two paddings differ."""

from worked.answers import layers
from worked.diagrams import INK, arrow, box, canvas, diagram, label
from worked.figures import COLOURS, Chart


def _by(*sizes: int) -> str:
    return r" $\times$ ".join(str(size) for size in sizes)


def perceptron() -> Chart:
    """The perceptron's arrays as boxes."""
    rows = [row for row in layers.rows(layers.MLP, layers.MLP_INPUT) if row.parameters]
    figure, axes = canvas(4.4, 1.5)
    centres = (0.5, 2.2, 3.9)
    widths = (*layers.MLP_INPUT, *(row.after[0] for row in rows))
    for x, name, width in zip(centres, ("$X$", "hidden", "$Y$"), widths, strict=True):
        box(axes, (x, 0.95), name, width=0.75)
        label(axes, (x, 0.6), rf"$m$ $\times$ {width}", fontsize=10)
    for left, right, row, kind in zip(centres[:-1], centres[1:], rows, "ho", strict=True):
        arrow(axes, (left + 0.4, 0.95), (right - 0.4, 0.95))
        middle = (left + right) / 2
        label(axes, (middle, 1.27), rf"$W_{kind}$, $b_{kind}$", fontsize=10)
        label(axes, (middle, 0.25), _by(*row.before, *row.after), fontsize=10)
        label(axes, (middle, 0.07), f"and {row.after[0]}", fontsize=10)
    shapes = "; ".join(
        f"{name} layer: weights {row.before[0]} by {row.after[0]}, {row.after[0]} biases"
        for name, row in zip(("hidden", "output"), rows, strict=True)
    )
    alt = f"Three boxes joined by arrows: X, m by {widths[0]}, hidden, m by {widths[1]}, and Y, m by {widths[2]}. "
    return diagram(
        "counting-perceptron",
        figure,
        alt + shapes.capitalize() + ".",
        "What flows through the network for a batch of $m$, and the arrays that it is multiplied by or that are added.",
    )


def network() -> Chart:
    """The convolutional network: maps as tiles whose height and width are drawn to scale."""
    rows = list(layers.rows(layers.CNN, layers.CNN_INPUT))
    shapes = [layers.CNN_INPUT, *(row.after for row in rows)]
    figure, axes = canvas(4.4, 1.95)
    scale, x = 1.1 / layers.CNN_INPUT[2], 0.05
    told = []
    for n, (maps, height, width) in enumerate(shapes):
        x += scale * width / 2
        box(axes, (x, 1.15), "", width=scale * width, height=scale * height, round_corners=False)
        label(axes, (x, 1.82), "image" if n == 0 else f"layer {n}", fontsize=10)
        label(axes, (x, 0.28), f"{maps} maps\n{_by(height, width)}", fontsize=10)
        told.append(f"{maps} maps of {height} by {width}")
        x += scale * width / 2
        if n < len(rows):
            arrow(axes, (x + 0.06, 1.15), (x + 0.54, 1.15))
            x += 0.6
    alt = "Rectangles that shrink from left to right, one a layer: " + ", then ".join(told) + "."
    caption = "Height and width drawn to scale: each layer halves both, rounding up."
    return diagram("counting-network", figure, alt, caption)


def reach() -> Chart:
    """Which inputs the unit at the top sees, in one direction."""
    fields = layers.receptive_fields(layers.CNN)
    kernel, stride = layers.CNN[0].kernel, layers.CNN[0].stride
    # Positions seen in each layer, from the top one down: a unit at i sees stride * i up to stride * i + kernel - 1.
    seen = [[0]]
    for _ in layers.CNN:
        seen.append(sorted({stride * i + tap for i in seen[-1] for tap in range(kernel)}))
    figure, axes = canvas(4.4, 2.3)
    step = 3.4 / (fields[-1] - 1)
    widths = [*reversed(fields), 1]  # inputs that a unit of each level sees, from the top one down

    def place(level: int, i: int) -> float:
        """The middle of the inputs that unit i sees."""
        return 0.82 + step * (i * stride ** (len(layers.CNN) - level) + (widths[level] - 1) / 2)

    for level, places in enumerate(seen):
        y = 2.15 - 0.62 * level
        name = f"layer {len(layers.CNN) - level}" if level < len(layers.CNN) else "input"
        label(axes, (0.02, y), name, fontsize=10, ha="left")
        for i in places:
            fill = COLOURS[0] if level == 0 else "none"
            axes.plot(place(level, i), y, "o", markersize=9, color=fill, markeredgecolor=INK)
            for tap in range(kernel if level < len(layers.CNN) else 0):
                ends = (place(level, i), place(level + 1, stride * i + tap))
                axes.plot(ends, (y - 0.07, y - 0.55), color=INK, linewidth=0.7)
    alt = (
        f"A tree of units. The one unit of layer {len(layers.CNN)} is joined to {len(seen[1])} units below, these to "
        f"{len(seen[2])} in layer 1, and these to {len(seen[3])} neighbouring inputs."
    )
    caption = (
        f"What one unit of the top layer can see, in one direction: {len(seen[1])}, {len(seen[2])} and then "
        f"{len(seen[3])} neighbours. Windows overlap, so many inputs are reached in several ways."
    )
    return diagram("counting-reach", figure, alt, caption)


def alignment() -> Chart:
    """Where the windows lie on six inputs, with zeros as Keras deals them out and with one at either end."""
    size, kernel, stride = 6, 3, 2
    ways = {"SAME": layers.same_padding(size, kernel, stride), "padding=1": (1, 1)}
    figure, axes = canvas(4.4, 2.75)
    unit, told = 0.36, []
    for n, (name, (before, after)) in enumerate(ways.items()):
        top = 2.5 - 1.4 * n
        left = 1.3 - unit * before
        label(axes, (0.05, top + 0.16), name, fontsize=10, ha="left", family="monospace")
        for i in range(-before, size + after):
            zero = not 0 <= i < size
            text = "0" if zero else str(i + 1)
            style = {"color": COLOURS[1]} if zero else {}
            box(
                axes,
                (1.3 + unit * (i + 0.5), top - 0.12),
                text,
                width=unit,
                height=0.28,
                round_corners=False,
                fontsize=10,
                **style,
            )
        starts = range(0, size + before + after - kernel + 1, stride)
        for row, start in enumerate(starts):
            low, high = left + unit * start + 0.03, left + unit * (start + kernel) - 0.03
            y = top - 0.42 - 0.2 * row
            axes.plot((low, high), (y, y), color=COLOURS[0], linewidth=3, solid_capstyle="butt")
        covered = [f"{start - before + 1} to {start - before + kernel}" for start in starts]
        told.append(f"{name} adds {before} before and {after} after, windows on places {', '.join(covered)}")
    alt = f"{size} inputs in a row, twice, with the windows below as bars. " + "; ".join(told) + "."
    caption = (
        f"Kernel {kernel}, stride {stride}, {size} inputs: both give {len(starts)} windows, but not the same ones. The "
        "last zero of `padding=1` is in no window."
    )
    return diagram("counting-alignment", figure, alt, caption)
