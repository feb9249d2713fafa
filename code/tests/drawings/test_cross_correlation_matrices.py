"""The drawn matrices follow the formulas that were proved."""

import numpy as np
import pytest

from worked.answers import cross_correlation
from worked.derivations import cross_correlation as topic
from worked.drawings import cross_correlation as drawings


def cells(chart):
    """The texts of the drawing, in the order in which they were drawn."""
    return [text.get_text() for text in chart.drawing.axes[0].texts]


def test_the_jacobians_are_those_of_the_code():
    chart = drawings.jacobians(topic.jacobian_derivation(), size=4)
    by_x, by_y = cross_correlation.jacobians(np.arange(4), np.arange(4))
    expected = [f"$y_{int(entry)}$" for entry in by_x.flat] + [f"$x_{int(entry)}$" for entry in by_y.flat]
    assert [text for text in cells(chart) if "_" in text and "partial" not in text] == expected
    assert "by x has the rows y0 y1 y2 y3; y1 y2 y3 y0" in chart.alt
    assert "by y has the rows x0 x1 x2 x3; x3 x0 x1 x2" in chart.alt


def test_the_jacobians_follow_the_formula():
    jacobian = topic.jacobian_derivation()
    other = jacobian.replaced(1, right=topic.y[topic.around(topic.i - topic.k)])
    assert cells(drawings.jacobians(other, 4)) != cells(drawings.jacobians(jacobian, 4))


def test_as_many_weights_as_were_counted():
    chart = drawings.weights(topic.shift_derivation(), size=5, width=2)
    at = {topic.n: 5, topic.W: 2}
    facts = topic.savings_derivation().facts()
    counts = [int(facts[left].xreplace(at)) for left in (topic.ALL, topic.LOCAL, topic.SHARED, topic.BOTH)]
    titles = [text for text in cells(chart) if ":" in text]
    assert [int(title.split(": ")[1]) for title in titles] == counts
    assert f"local and shared, {counts[-1]} weights" in chart.alt


def test_entries_that_do_not_exist_are_not_drawn():
    shift = topic.shift_derivation()
    step = shift.steps[1]
    unshared = shift.replaced(1, right=step.right.replace(topic.x[topic.around(topic.j - topic.k)], topic.y[topic.k]))
    with pytest.raises(ValueError, match="not enough values"):
        drawings.weights(unshared)
