"""The drawing shows an orbit of the network's own weights."""

from worked.answers.invariances import orbits
from worked.drawings import invariances as drawing


def test_the_four_lines_are_one_parameter():
    numbers = orbits((4, drawing.LENGTH, 4, drawing.LENGTH), "both")
    places = [
        (*unit, *entry) for unit, entry in zip(drawing.orbit(drawing.UNIT), drawing.orbit(drawing.INPUT), strict=True)
    ]
    assert len(set(places)) == 4
    assert len({int(numbers[place]) for place in places}) == 1
    assert sorted(map(tuple, (numbers == numbers[places[0]]).nonzero().tolist())) == sorted(places)


def test_the_drawing_says_what_it_shows():
    chart = drawing.pairing()
    (axes,) = chart.drawing.axes
    texts = [text.get_text() for text in axes.texts]
    assert [texts.count(base) for base in drawing.BASES] == [2, 2, 2, 2]
    assert all(name in texts for name in drawing.IMAGES)
    assert chart.alt.endswith(
        "the weight from T3 to C2; reversal from T4 to C5; complement from A3 to G2; both from A4 to G5."
    )


def test_it_follows_the_weight(monkeypatch):
    monkeypatch.setattr(drawing, "INPUT", (0, 0))
    assert "the weight from C1 to C2; reversal from C6 to C5" in drawing.pairing().alt
