"""Diagrams: in inches, narrow enough for a phone, and with an alternative text."""

import pytest

from worked import diagrams


def drawn():
    figure, axes = diagrams.canvas(3, 1)
    diagrams.box(axes, (0.5, 0.5), "$x$")
    diagrams.box(axes, (2.5, 0.5), "$y$")
    diagrams.arrow(axes, (0.5, 0.5), (2.5, 0.5), "$f$", gap=0.4)
    return figure, axes


def test_the_unit_is_the_inch():
    figure, axes = drawn()
    assert tuple(figure.get_size_inches()) == (3, 1)
    corner = axes.transData.transform((3, 1)) / figure.dpi
    assert corner == pytest.approx((3, 1))


def test_texts_are_drawn():
    _, axes = drawn()
    assert [text.get_text() for text in axes.texts] == ["$x$", "$y$", "$f$"]


def test_too_wide_is_refused():
    with pytest.raises(ValueError, match=r"at most 5.6 inches wide, got 6"):
        diagrams.canvas(6, 1)


def test_a_page_gets_drawing_and_alt_text_without_an_empty_foot(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKED_PAGE_FILES", str(tmp_path))
    chart = diagrams.diagram("sketch", drawn()[0], "A box x, an arrow f, a box y.", "From x to y.")
    myst = chart._repr_mimebundle_()["text/markdown"]
    assert ':alt: "A box x, an arrow f, a box y."' in myst
    assert "provenance" not in myst
    assert {path.name for path in tmp_path.iterdir()} == {"sketch.svg", "sketch.pdf"}


def test_a_diagram_needs_words():
    with pytest.raises(ValueError, match="alternative text"):
        diagrams.diagram("sketch", drawn()[0], "boxes", "From x to y.")
