"""Where VGG-11 keeps its parameters, and where it spends its memory and its operations."""

from worked.answers import layers
from worked.derivations.vgg11 import BLOCKS, ROWS
from worked.diagrams import canvas, diagram, label
from worked.figures import COLOURS, Chart


def _part(row: layers.Row) -> str:
    """The block by the size of its convolutions, or the fully connected layers."""
    if len(row.after) == 1:
        return "FC"
    sizes = [block[0].after[1] for block in BLOCKS]
    return "block " + str(sizes.index(row.before[1]) + 1)


def shares() -> Chart:
    """Three bars, each divided into the five blocks and the fully connected layers."""
    names = [*(f"block {n}" for n in range(1, len(BLOCKS) + 1)), "FC"]
    quantities = {"parameters": "parameters", "numbers that come out": "units", "multiply-adds": "multiply_adds"}
    figure, axes = canvas(4.6, 2.3)
    width, told, numbers = 4.5, [], []
    for n, (title, of) in enumerate(quantities.items()):
        total = sum(getattr(row, of) for row in ROWS)
        bottom, left = 1.75 - 0.76 * n, 0.05
        label(axes, (left, bottom + 0.42), title, fontsize=10, ha="left")
        for place, name in enumerate(names):
            part = sum(getattr(row, of) for row in ROWS if _part(row) == name)
            share = part / total
            colour = COLOURS[1] if name == "FC" else COLOURS[0]
            shade = 0.55 if name == "FC" else 0.25 + 0.12 * (place % 2)
            axes.bar(left, 0.3, width * share, bottom, align="edge", color=colour, alpha=shade, linewidth=0)
            if share > 0.06:
                label(axes, (left + width * share / 2, bottom + 0.14), name.removeprefix("block "), fontsize=10)
            left += width * share
            numbers.append({"quantity": title, "part": name, "number": part, "share": share})
        told.append(
            f"{title}: " + ", ".join(f"{x['part']} {x['share']:.1%}" for x in numbers if x["quantity"] == title)
        )
    alt = "Three bars divided into blocks 1 to 5 and FC. " + "; ".join(told) + "."
    caption = (
        "Blocks of convolutions 1 to 5, each with its pooling, and the fully connected layers FC. Parts below 6 % "
        "have no label."
    )
    chart = diagram("vgg11-shares", figure, alt, caption)
    return Chart(chart.name, chart.drawing, chart.alt, chart.caption, numbers, "Computed from the list of layers above")
