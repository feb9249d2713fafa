"""The graph of definitions that batch normalisation is, with the edges as the derivation has them."""

from sympy import Indexed, Symbol, preorder_traversal

from worked.derivations import batch_normalization as topic
from worked.diagrams import Place, arrow, canvas, diagram, label
from worked.figures import COLOURS, Chart
from worked.symbolic.definitions import Definitions, Name, name_of
from worked.symbolic.latex import latex

PLACES: dict[Name, Place] = {
    topic.x: (0.3, 1.1),
    topic.mu: (0.95, 1.85),
    topic.variance: (1.35, 0.33),
    topic.x_hat: (1.95, 1.1),
    topic.y: (2.72, 1.1),
    topic.f: (3.4, 1.1),
    topic.gamma: (2.42, 1.85),
    topic.beta: (3.02, 1.85),
}
MIDDLE = (topic.x_hat, topic.variance, topic.mu)
WORDS = {
    topic.x: "x", topic.mu: "mu", topic.variance: "sigma squared", topic.x_hat: "x hat", topic.y: "y", topic.f: "f",
    topic.gamma: "gamma", topic.beta: "beta",
}  # fmt: skip


def edges(definitions: Definitions) -> list[tuple[Name, Name]]:
    """Return every pair (used, defined), as the definitions have them."""
    found = []
    for definition in definitions.items:
        used = {name_of(part) for part in preorder_traversal(definition.body) if isinstance(part, Symbol | Indexed)}
        found += [(name, definition.name) for name in PLACES if name in used]
    return found


def graph() -> Chart:
    """Draw what is computed from what; the edges that leave x are coloured, one for each path of answer f."""
    (derivation,) = topic.derive()
    drawn = edges(derivation.definitions)
    figure, axes = canvas(3.7, 2.2)
    for name, place in PLACES.items():
        shown = latex(name if isinstance(name, Symbol) else name[topic.i]).replace("{i}", "i")
        circle = {"boxstyle": "circle,pad=0.28", "facecolor": "none", "edgecolor": "#222222"}
        label(axes, place, f"${shown}$", fontsize=12, bbox=circle)
    for start, end in drawn:
        colour = COLOURS[MIDDLE.index(end)] if start == topic.x else "#222222"
        width = 2.0 if start == topic.x else 1.1
        arrow(axes, PLACES[start], PLACES[end], gap=0.27, colour=colour, linewidth=width)
    listed = "; ".join(f"{WORDS[end]} from {_and([WORDS[s] for s, e in drawn if e == end])}" for end in WORDS if end in
                       {e for _, e in drawn})  # fmt: skip
    first = _and([WORDS[end] for start, end in drawn if start == topic.x])
    return diagram(
        "batch-normalization-graph",
        figure,
        f"A graph of what is computed from what: {listed}. Coloured arrows lead from x to {first}.",
        "What is computed from what. The coloured arrows are the three ways in which an input acts; the derivative "
        "along one of them holds fixed what lies on the others.",
    )


def _and(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
