"""The residual network with three blocks, as it is built and unrolled into its paths, drawn from the graph."""

from worked import diagrams
from worked.answers.residual_paths import blocks_used, paths, residual_graph
from worked.figures import COLOURS, Chart

BLOCKS = 3


def _name(node: str) -> str:
    """The node in bold, as it is printed in the formulas."""
    letter, _, number = node.partition("_")
    return rf"$\mathbf{{{letter}}}_{number}$" if number else rf"$\mathbf{{{letter}}}$"


def network() -> Chart:
    """Three blocks with their skip connections."""
    graph = residual_graph(BLOCKS)
    figure, axes = diagrams.canvas(5.4, 1.75)
    line, above = 0.4, 1.3
    states = [node for node in graph if not node.startswith("f_")]
    states.sort(key=lambda node: -len(paths(graph, node, "y")))  # from the input on
    places: dict[str, diagrams.Place] = {node: (0.4 + 1.53 * n, line) for n, node in enumerate(states)}
    for node, after in graph.items():
        if node.startswith("f_"):
            source = next(state for state in states if node in graph[state])
            places[node] = ((places[source][0] + places[after[0]][0]) / 2, above)
    for node, place in places.items():
        block = node.startswith("f_")
        diagrams.box(axes, place, _name(node), width=0.62 if block else 0.5, fontsize=15, round_corners=not block)
    for node, successors in graph.items():
        for successor in successors:
            (x, y), (to_x, to_y) = places[node], places[successor]
            if y == to_y:
                diagrams.arrow(axes, (x + 0.25, y), (to_x - 0.25, to_y), colour=COLOURS[0], linewidth=1.6)
            elif y < to_y:
                diagrams.arrow(axes, (x + 0.1, y + 0.22), (to_x - 0.32, to_y - 0.05))
            else:
                diagrams.arrow(axes, (x + 0.32, y - 0.05), (to_x - 0.1, to_y + 0.22))
    edges = sum(map(len, graph.values()))
    alt = (
        f"From left to right the nodes {', '.join(states)}. Each is joined to the next by an arrow, the skip "
        f"connection, and by a way through one of the {BLOCKS} blocks above; {edges} arrows in all."
    )
    caption = (
        "The network. Where two arrows meet, values are added. The straight arrows are the skip connections; without "
        "them only the way through all blocks is left."
    )
    return diagrams.diagram("residual-paths-network", figure, alt, caption)


def unrolled() -> Chart:
    """Every path on a line of its own."""
    graph = residual_graph(BLOCKS)
    blocks = [node for node in graph if node.startswith("f_")]
    found = sorted((blocks_used(path) for path in paths(graph, "x", "y")), key=lambda used: (len(used), used))
    step = 0.5
    figure, axes = diagrams.canvas(5.4, step * len(found) + 0.2)
    middle = (step * len(found) + 0.2) / 2
    left, right = 0.35, 5.05
    columns = {block: 1.55 + 1.15 * n for n, block in enumerate(sorted(blocks))}
    for row, used in enumerate(found):
        height = step * (len(found) - row) - 0.15
        colour = diagrams.INK if used else COLOURS[0]
        axes.plot([left + 0.22, 1.0], [middle, height], color=colour, linewidth=1.1)
        edges = [1.0, *(columns[block] + side for block in used for side in (-0.3, 0.3)), 4.45]
        for begin, end in zip(edges[::2], edges[1::2], strict=True):  # between the boxes
            axes.plot([begin, end], [height, height], color=colour, linewidth=1.1)
        for block in used:
            diagrams.box(
                axes, (columns[block], height), _name(block), width=0.6, height=0.38, fontsize=15, round_corners=False
            )
        diagrams.arrow(axes, (4.45, height), (right - 0.24, middle), colour=colour)
    for node, place in (("x", left), ("y", right)):
        diagrams.box(axes, (place, middle), _name(node), width=0.44, fontsize=15)
    listed = "; ".join(" ".join(used) or "no block" for used in found)
    alt = f"The {len(found)} paths from x to y, one under another, each with the blocks on it: {listed}."
    through = sum("f_2" in used for used in found)
    caption = (
        f"The same network unrolled: {len(found)} paths from $\\mathbf{{x}}$ to $\\mathbf{{y}}$, {through} of them "
        "through $\\mathbf{f}_2$. A block that lies on several paths is the same block with the same weights."
    )
    return diagrams.diagram("residual-paths-unrolled", figure, alt, caption)
