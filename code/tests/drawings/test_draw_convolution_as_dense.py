"""The drawings show the proved matrix: a changed entry shows."""

import numpy as np
import pytest
from scipy.linalg import toeplitz

from worked.derivations import convolution_as_dense as topic
from worked.drawings import convolution_as_dense as drawings


@pytest.fixture(scope="module")
def layer():
    return topic.layer_derivation()


def texts(chart):
    return [text.get_text() for text in chart.drawing.axes[0].texts]


def test_the_entries_are_those_of_a_toeplitz_matrix(layer):
    np.testing.assert_array_equal(drawings.taps(layer, 5, 3, 1), toeplitz([2, 1, 0, 0, 0], [2, 3, 0, 0, 0]))
    np.testing.assert_array_equal(drawings.taps(layer, 5, 4, 1), toeplitz([2, 1, 0, 0, 0], [2, 3, 4, 0, 0]))


def test_every_entry_is_drawn(layer):
    chart = drawings.matrix(layer, 6, 3, 1)
    assert [texts(chart).count(f"$w_{{{r}}}$") for r in (1, 2, 3)] == [5, 6, 5]
    assert "row 1: w2 w3 0 0 0 0; row 2: w1 w2 w3 0 0 0" in chart.alt
    assert "20 of the 36 entries are zero" in chart.caption


def test_the_receptive_field_is_told(layer):
    chart = drawings.receptive_field(layer)
    assert "Output h4 sees x3, x4, x5; output h1 sees x1, x2" in chart.alt
    assert texts(chart).count("$w_{1}$") == 2


def test_another_matrix_gives_another_drawing(layer):
    entry = topic.T[topic.c, topic.j, topic.t]
    step = next(n for n, s in enumerate(layer.steps) if s.left == entry and s.by.name == "three cases")
    flipped = layer.steps[step].right.xreplace({topic.t: topic.j, topic.j: topic.t})
    other = layer.replaced(step, right=flipped)
    assert "row 1: w2 w1 0 0 0 0" in drawings.matrix(other).alt
