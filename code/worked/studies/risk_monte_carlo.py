"""Does a risk estimated from samples err as proved? Students and teachers drawn at random, in three dimensions.

The inputs are standard normal, or correlated; the proved risk is (w - w*)^T S (w - w*), and the average of n squared
errors should err by sqrt(2 / n) of it, whatever the dimension. Cost of ``full``: about 2 minutes on 2 CPU cores.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from worked.measurement import Context, Measurement
from worked.records import Spec
from worked.study import DRAWN, Profile, Stored, Study

if TYPE_CHECKING:
    import numpy as np

SLUG = "risk-monte-carlo"
COVARIANCES = ("identity", "correlated")
CORRELATION = 0.9  # of neighbouring inputs, where they are correlated: S_ij = 0.9^|i - j|
LEVEL = 0.95  # of the intervals
INTERVALS = ("t", "chi2")  # mean and deviation of the samples; and the law of the estimate

PROFILES = {
    profile.name: profile
    for profile in (
        Profile("full", "about 2 minutes on 2 CPU cores", DRAWN,
                {"seeds": range(20), "repeats": 400, "dimensions": (2, 8, 32), "samples": (10, 30, 100, 300, 1000)}),
        Profile("laptop", "about half a minute on 2 CPU cores", DRAWN,
                {"seeds": range(20), "repeats": 200, "dimensions": (2, 8, 32), "samples": (10, 30, 100, 300)}),
        Profile("smoke", "seconds", DRAWN,
                {"seeds": range(5), "repeats": 50, "dimensions": (2, 8), "samples": (10, 40)}),
    )
}  # fmt: skip


def specs(profile: Profile, stored: Stored) -> Iterator[Spec]:
    """One run for each covariance and seed."""
    settings = profile.settings
    for covariance in COVARIANCES:
        config = {
            "covariance": covariance,
            "repeats": settings["repeats"],
            **{name: " ".join(map(str, settings[name])) for name in ("dimensions", "samples")},
        }
        for seed in settings["seeds"]:
            yield Spec(SLUG, 1, profile.name, config, seed, {"name": "standard normal", "source": DRAWN})


def factor(covariance: str, dimension: int) -> "np.ndarray":
    """The matrix A of the inputs x = A u, with A A^T = S."""
    import numpy as np

    if covariance == "identity":
        return np.eye(dimension)
    distance = np.abs(np.subtract.outer(np.arange(dimension), np.arange(dimension)))
    return np.linalg.cholesky(CORRELATION**distance)


def measure(run: Spec, context: Context) -> Measurement:
    """Estimate one student's risk `repeats` times for each dimension and number of samples.

    The history has one entry for each number of samples, in three quantities for each dimension: the root mean square
    error of the estimates over the proved risk, and the share of the intervals of each kind that hold the proved risk.
    """
    import numpy as np
    from scipy import stats

    rng = np.random.default_rng(run.seed)
    repeats = run.config["repeats"]
    counts = [int(n) for n in run.config["samples"].split()]
    history: dict[str, list] = {"samples": counts}
    metrics: dict[str, float | None] = {}
    for dimension in map(int, run.config["dimensions"].split()):
        student, teacher = rng.normal(size=(2, dimension))
        mixing = factor(run.config["covariance"], dimension)
        distance = mixing.T @ (student - teacher)
        risk = float(distance @ distance)
        rows: dict[str, list[float]] = {"error": [], **{f"cover_{kind}": [] for kind in INTERVALS}}
        for n in counts:
            estimates, deviations = np.empty(repeats), np.empty(repeats)
            for repeat in range(repeats):
                x = rng.standard_normal((n, dimension)) @ mixing.T  # [samples, inputs]
                squares = (x @ student - x @ teacher) ** 2
                estimates[repeat], deviations[repeat] = squares.mean(), squares.std(ddof=1)
            half = stats.t.ppf((1 + LEVEL) / 2, n - 1) * deviations / np.sqrt(n)
            low, high = stats.chi2.ppf([(1 - LEVEL) / 2, (1 + LEVEL) / 2], n)
            rows["error"].append(float(np.sqrt(np.mean((estimates / risk - 1) ** 2))))
            rows["cover_t"].append(float(np.mean(np.abs(estimates - risk) <= half)))
            rows["cover_chi2"].append(float(np.mean((n * estimates / high <= risk) & (risk <= n * estimates / low))))
        history |= {f"{name}_{dimension}": values for name, values in rows.items()}
        metrics[f"risk_{dimension}"] = risk
        metrics[f"slope_{dimension}"] = float(np.polyfit(np.log(counts), np.log(rows["error"]), 1)[0])
    context.tick(1)
    return Measurement(metrics, history, {}, {}, DRAWN)


STUDY = Study(
    slug=SLUG,
    title="The risk from samples",
    question="Does a risk that is estimated from samples err as the proof says?",
    protocol=1,
    profiles=PROFILES,
    module=__name__,
    specs=specs,
    measure=measure,
    epochs=lambda spec: 1,
)
