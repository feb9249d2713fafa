"""The diagrams of sizes say in words what they show, and the words follow the layers."""

import pytest

from worked.answers import layers
from worked.drawings import counting, vgg11

DRAWN = {
    counting.perceptron: "weights 10 by 50, 50 biases",
    counting.network: "400 maps of 25 by 38",
    counting.reach: "15 neighbouring inputs",
    counting.alignment: "SAME adds 0 before and 1 after, windows on places 1 to 3, 3 to 5, 5 to 7",
    vgg11.shares: "FC 93.1%",
}


@pytest.mark.parametrize(("draw", "said"), DRAWN.items(), ids=lambda item: getattr(item, "__name__", ""))
def test_the_alternative_text_tells_the_numbers(draw, said):
    chart = draw()
    assert said in chart.alt
    assert chart.drawing.get_size_inches()[0] <= 5.6


def test_the_shares_add_up():
    for quantity in ("parameters", "numbers that come out", "multiply-adds"):
        shares = [row["share"] for row in vgg11.shares().rows if row["quantity"] == quantity]
        assert sum(shares) == pytest.approx(1)


def test_the_words_follow_the_layers(monkeypatch):
    monkeypatch.setattr(layers, "CNN", layers.CNN[:2])
    assert "7 neighbouring inputs" not in counting.network().alt
    assert counting.network().alt.endswith("200 maps of 50 by 75.")
