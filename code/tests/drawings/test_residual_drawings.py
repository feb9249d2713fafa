"""The drawings show what the graph holds."""

from worked.drawings import residual_paths as drawings


def boxes(chart):
    (axes,) = chart.drawing.axes
    return [text.get_text() for text in axes.texts]


def test_network():
    chart = drawings.network()
    assert len(boxes(chart)) == 7
    assert "9 arrows in all" in chart.alt
    assert "x, h_1, h_2, y" in chart.alt


def test_unrolled():
    chart = drawings.unrolled()
    assert boxes(chart).count(r"$\mathbf{f}_2$") == 4
    assert len(boxes(chart)) == 12 + 2
    assert chart.alt.startswith("The 8 paths from x to y")
    assert "8 paths from" in chart.caption
    assert "4 of them" in chart.caption


def test_it_follows_the_number_of_blocks(monkeypatch):
    monkeypatch.setattr(drawings, "BLOCKS", 2)
    assert "The 4 paths" in drawings.unrolled().alt
    assert "x, h_1, y" in drawings.network().alt
