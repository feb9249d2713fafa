"""The third gate: proved formulas against an implementation that was written by others.

Only this gate can see a wrong premise that was carried through consistently.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Anchor:
    """One comparison: what was compared, with what, the largest relative difference, and how much is allowed."""

    what: str
    against: str
    error: float
    tolerance: float = 1e-12

    @property
    def holds(self) -> bool:
        """Whether the two agree; a value that is not a number does not."""
        return self.error <= self.tolerance


def largest_difference(ours: Iterable[float], theirs: Iterable[float]) -> float:
    """Return the largest difference of the values in turn, relative where they exceed 1; both must be as many."""
    differences = [float(abs(a - b) / max(1.0, abs(b))) for a, b in zip(ours, theirs, strict=True)]
    if not differences:
        raise ValueError("an anchor needs at least one value to compare")
    return max(differences, key=lambda d: (d != d, d))  # a NaN counts as the largest
