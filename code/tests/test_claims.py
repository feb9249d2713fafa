import pytest

from worked.claims import NOT_SUPPORTED, SUPPORTED, UNDECIDED, Claim, within

CLAIM = Claim("c", "a is above b", lambda margins: margins)
SPREAD = (-0.01, 0.0, 0.01)


@pytest.mark.parametrize(
    ("margins", "state", "sentence"),
    [
        ([1.01, 1.0, 0.99], SUPPORTED, "The runs show that a is above b."),
        ([-1.01, -1.0, -0.99], NOT_SUPPORTED, "The runs speak against the claim that a is above b."),
        ([1.0, -1.0, 0.1], UNDECIDED, "The runs do not decide whether a is above b."),
        ([0.0, 0.0, 0.0], UNDECIDED, "The runs do not decide whether a is above b."),
        ([1.0], UNDECIDED, "The runs do not decide whether a is above b."),
    ],
)
def test_verdict_and_sentence_follow_the_interval(margins, state, sentence):
    verdict = CLAIM.judge(margins)
    assert verdict.state == state
    assert verdict.sentence == sentence


def test_verdict_flips_just_past_the_boundary():
    half = CLAIM.judge(SPREAD).margin.high
    at = {shift: CLAIM.judge([value + shift for value in SPREAD]).state for shift in (half * 1.001, half * 0.999)}
    assert list(at.values()) == [SUPPORTED, UNDECIDED]
    at = {shift: CLAIM.judge([value - shift for value in SPREAD]).state for shift in (half * 1.001, half * 0.999)}
    assert list(at.values()) == [NOT_SUPPORTED, UNDECIDED]


def test_numbers_are_said_in_the_unit_shown():
    assert CLAIM.judge([0.01, 0.01, 0.01]).numbers == (
        "difference +1.00 percentage points, 95 % t interval +1.00 to +1.00, n = 3"
    )
    assert "n = 1" in CLAIM.judge([0.01]).numbers


@pytest.mark.parametrize(("bound", "word"), [({"least": 0.89}, "least"), ({"most": 0.89}, "most")])
def test_a_bound_is_told_beside_the_quantity_itself(bound, word):
    """The interval stands the right way round, and the verdict is of what lies beyond the bound."""
    claim = Claim("c", "a is so", lambda values: values, "accuracy", "%", **bound)
    (above, below) = (claim.judge([0.9 + shift + value / 10 for value in SPREAD]) for shift in (0.0, -0.02))
    assert (above.state, below.state) == ((SUPPORTED, NOT_SUPPORTED) if word == "least" else (NOT_SUPPORTED, SUPPORTED))
    assert above.numbers == f"accuracy 90.00 %, 95 % t interval 89.75 to 90.25, n = 3; claimed is at {word} 89"
    assert claim.judge([0.88, 0.9, 0.89]).state == UNDECIDED
    assert above.effect.mean == pytest.approx(0.9)  # the quantity, not its distance from the bound
    assert above.as_json()["effect"] == above.effect.mean


def test_a_change_is_small_only_where_its_whole_interval_is():
    """Within, across either end of the margin, and outside on either side, just past each boundary."""
    claim = Claim("c", "a changes little", lambda values: values, holds=within(0.1))
    half = claim.judge(SPREAD).effect.high

    def state(mean):
        return claim.judge([mean + value for value in SPREAD]).state

    for sign in (1, -1):
        assert state(sign * (0.1 - half * 1.001)) == SUPPORTED
        assert state(sign * (0.1 - half * 0.999)) == UNDECIDED
        assert state(sign * (0.1 + half * 0.999)) == UNDECIDED
        assert state(sign * (0.1 + half * 1.001)) == NOT_SUPPORTED
    assert claim.judge([0.0]).state == UNDECIDED
    assert claim.judge([-0.2, 0.0, 0.2]).state == UNDECIDED  # a wide interval decides nothing, wherever its mean
