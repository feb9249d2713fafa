import pytest

from worked.claims import NOT_SUPPORTED, SUPPORTED, UNDECIDED, Claim

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
    half = CLAIM.judge(SPREAD).effect.high
    at = {shift: CLAIM.judge([value + shift for value in SPREAD]).state for shift in (half * 1.001, half * 0.999)}
    assert list(at.values()) == [SUPPORTED, UNDECIDED]
    at = {shift: CLAIM.judge([value - shift for value in SPREAD]).state for shift in (half * 1.001, half * 0.999)}
    assert list(at.values()) == [NOT_SUPPORTED, UNDECIDED]


def test_numbers_are_said_in_the_unit_shown():
    assert CLAIM.judge([0.01, 0.01, 0.01]).numbers == (
        "difference +1.00 percentage points, 95 % t interval +1.00 to +1.00, n = 3"
    )
    assert "n = 1" in CLAIM.judge([0.01]).numbers
