"""Claims: a statement, the evidence it rests on, and the verdict that the evidence carries."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from worked.estimate import Estimate, estimate

SUPPORTED, NOT_SUPPORTED, UNDECIDED = "supported", "not supported", "undecided"
# A true null lets a two-sided 95 % interval lie above zero in one case of forty.
CHANCE = 0.025

_READS = {
    SUPPORTED: "The runs show that {}.",
    NOT_SUPPORTED: "The runs speak against the claim that {}.",
    UNDECIDED: "The runs do not decide whether {}.",
}


def is_positive(effect: Estimate) -> bool | None:
    """True where the whole interval is above zero, False where it is below, None where it holds zero."""
    if effect.low > 0:
        return True
    return False if effect.high < 0 else None


@dataclass(frozen=True)
class Verdict:
    """What the evidence says of a claim."""

    claim: "Claim"
    effect: Estimate
    state: str  # supported, not supported or undecided

    @property
    def sentence(self) -> str:
        """The statement as it may be said, whichever way the verdict fell."""
        return _READS[self.state].format(self.claim.statement)

    @property
    def numbers(self) -> str:
        """Effect, interval and n in words."""
        bounds = (self.effect.mean, self.effect.low, self.effect.high)
        mean, low, high = (f"{self.claim.scale * bound:+.2f}".replace("-", "−") for bound in bounds)
        return (
            f"{self.claim.effect} {mean} {self.claim.unit}, 95 % {self.effect.method} interval {low} to {high}, "
            f"n = {self.effect.n}"
        )

    def as_json(self) -> dict[str, Any]:
        """For ``worked claims --json``; the effect is in the unit of the metrics, not scaled."""
        return {
            "id": self.claim.id,
            "statement": self.claim.statement,
            "verdict": self.state,
            "effect": self.effect.mean,
            "interval": [self.effect.low, self.effect.high],
            "n": self.effect.n,
            "method": self.effect.method,
        }


@dataclass(frozen=True)
class Claim:
    """A conclusion that the page may draw.

    ``evidence`` turns a study's summary into one margin for each seed, written so that positive margins speak for
    the claim: a difference paired by seed, or the distance from a bound that the exercise gives.
    """

    id: str
    statement: str  # a clause that can follow "the runs show that"
    evidence: Callable[[Any], Sequence[float]]
    effect: str = "difference"  # what a margin is, in words
    unit: str = "percentage points"
    scale: float = 100.0  # from the unit of the metrics to the unit shown
    holds: Callable[[Estimate], bool | None] = is_positive

    def judge(self, summary: Any) -> Verdict:
        """The verdict on ``summary``; an interval that does not exist (n = 1) decides nothing."""
        effect = estimate(self.evidence(summary))
        state = {True: SUPPORTED, False: NOT_SUPPORTED, None: UNDECIDED}[self.holds(effect)]
        return Verdict(self, effect, state)
