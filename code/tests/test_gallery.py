"""Charts of images and of confused classes say what is in them."""

import pytest

from worked import gallery

CLASSES = ("bag", "coat", "shoe")


def image(label, **more):
    return {"pixels": bytes(range(12)).hex(), "shape": [3, 2, 2], "label": label, **more}


def test_samples_are_shown_with_their_classes():
    chart = gallery.gallery("g", [image(0), image(2)], CLASSES, what="test images", caption="Two.")
    assert chart.alt == "2 test images, each under its class: bag; shoe."
    assert [axis.get_title() for axis in chart.drawing.axes] == ["bag", "shoe", ""]
    assert [len(axis.images) for axis in chart.drawing.axes] == [1, 1, 0]


def test_mistakes_are_shown_with_the_answer():
    wrong = [image(0, said=1, probability=0.987)] * 7
    chart = gallery.gallery("g", wrong, CLASSES, what="mistakes", caption="Seven.")
    assert "coat, 98.7 %, is bag" in chart.alt
    assert len(chart.drawing.axes) == 8


def test_one_channel_is_shown_dark_on_light():
    grey = {"pixels": bytes([0, 255]).hex(), "shape": [1, 1, 2], "label": 0}
    (axis, *_) = gallery.gallery("g", [grey], CLASSES, what="images", caption="One.").drawing.axes
    assert axis.images[0].get_array().tolist() == [[0, 255]]
    assert axis.images[0].get_cmap().name == "gray_r"


def test_confusion_is_a_mean_of_shares():
    counts = [[[8, 2, 0], [0, 10, 0], [5, 0, 5]], [[10, 0, 0], [0, 10, 0], [5, 0, 5]]]
    chart = gallery.confusion("c", counts, CLASSES, caption="Confused.")
    cells = {(row["class"], row["answer"]): row for row in chart.rows}
    assert cells["bag", "coat"]["percent"] == pytest.approx(10)
    assert cells["bag", "coat"]["n"] == 2
    assert "Most often confused: shoe taken for bag, 50 %, bag taken for coat, 10 %" in chart.alt
    assert "Right: bag 90 %, coat 100 %, shoe 50 %." in chart.alt
