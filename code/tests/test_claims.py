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


@pytest.mark.parametrize(("bound", "word"), [({"least": 0.89}, "least"), ({"most": 0.89}, "most")])
def test_a_bound_is_told_beside_the_quantity_itself(bound, word):
    """The interval stands the right way round, and the verdict is of what lies beyond the bound."""
    claim = Claim("c", "a is so", lambda values: values, "accuracy", "%", **bound)
    (above, below) = (claim.judge([0.9 + shift + value / 10 for value in SPREAD]) for shift in (0.0, -0.02))
    assert (above.state, below.state) == ((SUPPORTED, NOT_SUPPORTED) if word == "least" else (NOT_SUPPORTED, SUPPORTED))
    assert above.numbers == f"accuracy 90.00 %, 95 % t interval 89.75 to 90.25, n = 3; claimed is at {word} 89"
    assert claim.judge([0.88, 0.9, 0.89]).state == UNDECIDED
