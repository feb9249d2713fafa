"""The drawn graph is the graph of the definitions."""

from dataclasses import replace

from worked.derivations import batch_normalization as topic
from worked.drawings import batch_normalization as drawing
from worked.symbolic.definitions import Definition, Definitions


def test_edges_are_those_of_the_definitions():
    (derivation,) = topic.derive()
    drawn = set(drawing.edges(derivation.definitions))
    x, x_hat, y = topic.x, topic.x_hat, topic.y
    assert drawn == {
        (x, topic.mu), (x, topic.variance), (topic.mu, topic.variance), (x, x_hat), (topic.mu, x_hat),
        (topic.variance, x_hat), (x_hat, y), (topic.gamma, y), (topic.beta, y), (y, topic.f),
    }  # fmt: skip


def test_another_definition_is_another_drawing():
    (derivation,) = topic.derive()
    items = [d for d in derivation.definitions.items if d.name != topic.variance]
    uncentred = Definition(topic.variance, topic.over_batch(topic.x[topic.k] ** 2) / topic.m)
    assert (topic.mu, topic.variance) not in drawing.edges(Definitions((*items, uncentred)))


def test_what_is_drawn_is_said():
    chart = drawing.graph()
    assert "sigma squared from x and mu" in chart.alt
    assert "f from y" in chart.alt
    assert chart.alt.endswith("Coloured arrows lead from x to mu, sigma squared and x hat.")
    assert replace(chart, name="other").drawing is chart.drawing
