"""Claims: a statement, the evidence it rests on, and the verdict that the evidence carries."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
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


def within(margin: float) -> Callable[[Estimate], bool | None]:
    """True where the whole interval lies within the margin of zero, False where it lies outside, None else."""

    def holds(effect: Estimate) -> bool | None:
        if -margin < effect.low and effect.high < margin:
            return True
        return False if effect.low > margin or effect.high < -margin else None

    return holds


@dataclass(frozen=True)
class Verdict:
    """What the evidence says of a claim."""

    claim: "Claim"
    effect: Estimate  # of the difference, or of the quantity whose bound is claimed
    state: str  # supported, not supported or undecided

    @property
    def sentence(self) -> str:
        """The statement as it may be said, whichever way the verdict fell."""
        return _READS[self.state].format(self.claim.statement)

    @property
    def margin(self) -> Estimate:
        """What is judged: the effect, or how far it lies beyond the claim's bound; positive speaks for the claim."""
        return self.claim.beyond(self.effect)

    @property
    def words(self) -> tuple[str, str, str]:
        """Effect and interval in the unit shown, a difference with its sign."""
        style = "+.2f" if self.claim.bound is None else ".2f"
        mean, low, high = (
            f"{self.claim.scale * number:{style}}".replace("-", "−")
            for number in (self.effect.mean, self.effect.low, self.effect.high)
        )
        return mean, low, high

    @property
    def numbers(self) -> str:
        """Effect, interval and n in words; where a bound is claimed, the quantity itself and the bound."""
        claim, effect, (told, low, high) = self.claim, self.effect, self.words
        bound = "" if claim.bound is None else f"; claimed is at {claim.bound}"
        return (
            f"{claim.effect} {told} {claim.unit}, 95 % {effect.method} interval {low} to {high}, n = {effect.n}{bound}"
        )

    def as_json(self) -> dict[str, Any]:
        """For ``worked claims --json``: effect and interval in the unit of the metrics, the bound in the unit shown."""
        return {
            "id": self.claim.id,
            "statement": self.claim.statement,
            "verdict": self.state,
            "effect": self.effect.mean,
            "interval": [self.effect.low, self.effect.high],
            "bound": self.claim.bound,
            "n": self.effect.n,
            "method": self.effect.method,
        }


@dataclass(frozen=True)
class Claim:
    """A conclusion that the page may draw.

    ``evidence`` turns a study's summary into one number for each seed: a difference paired by seed, which speaks for
    the claim where it is positive, or a quantity of which the claim gives a bound, ``least`` or ``most``.
    """

    id: str
    statement: str  # a clause that can follow "the runs show that"
    evidence: Callable[[Any], Sequence[float]]
    effect: str = "difference"  # what the evidence is, in words
    unit: str = "percentage points"
    scale: float = 100.0  # from the unit of the metrics to the unit shown
    holds: Callable[[Estimate], bool | None] = is_positive  # of the margin
    least: float | None = None  # in the unit of the metrics
    most: float | None = None
    estimated: Callable[[Sequence[float]], Estimate] = estimate

    @property
    def bound(self) -> str | None:
        """What the quantity is claimed to be at, in the unit shown; None where a difference is claimed."""
        if self.least is not None:
            return f"least {self.scale * self.least:.4g}"
        return None if self.most is None else f"most {self.scale * self.most:.4g}"

    def beyond(self, effect: Estimate) -> Estimate:
        """How far ``effect`` lies beyond the bound; itself where none is claimed."""
        if self.least is not None:
            return replace(
                effect, mean=effect.mean - self.least, low=effect.low - self.least, high=effect.high - self.least
            )
        if self.most is not None:
            return replace(
                effect, mean=self.most - effect.mean, low=self.most - effect.high, high=self.most - effect.low
            )
        return effect

    def judge(self, summary: Any) -> Verdict:
        """The verdict on ``summary``; an interval that does not exist (n = 1) decides nothing."""
        effect = self.estimated(self.evidence(summary))
        held = self.holds(self.beyond(effect))
        return Verdict(self, effect, {True: SUPPORTED, False: NOT_SUPPORTED, None: UNDECIDED}[held])
