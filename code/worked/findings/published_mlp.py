"""The published benchmark, trained again: where each run ends by the published rule, and its test accuracy there."""

from collections.abc import Sequence

from worked import figures
from worked.estimate import estimate, percent
from worked.figures import Chart, Table
from worked.findings import Findings
from worked.records import Record
from worked.studies.published_mlp import BATCH_SIZE, HIDDEN, PENALTY, SLUG, STUDY
from worked.study import StudyError

TOLERANCE = 1e-4  # of scikit-learn: what counts as an improvement of the training loss
PATIENCE = 2  # epochs without one that are allowed
WORDS = f"ReLU network with hidden layers of {' and '.join(map(str, HIDDEN))} units"


def last_epoch(losses: Sequence[float]) -> int | None:
    """The epoch, from 1, after which scikit-learn stops: the third in a row without an improvement; None if none is."""
    best, without = float("inf"), 0
    for epoch, loss in enumerate(losses, 1):
        without = without + 1 if loss > best - TOLERANCE else 0
        best = min(best, loss)
        if without > PATIENCE:
            return epoch
    return None


class Summary:
    """The records in the order of the seeds, and where each run ends."""

    def __init__(self, records: Sequence[Record]):
        if lost := [f"{record.key} ({record.diverged})" for record in records if record.diverged]:
            raise StudyError(f"a run of {SLUG} diverged and has no accuracy to show: {', '.join(lost)}")
        self.runs = sorted(records, key=lambda record: record.spec.seed)
        found = [last_epoch(run.history["batch_loss"]) for run in self.runs]
        self.epochs: int = self.runs[0].spec.config["epochs"]
        self.unfinished = found.count(None)  # runs that the rule had not ended when their training did
        self.ends = [end or self.epochs for end in found]  # the last epoch that counts

    @property
    def test(self) -> list[float]:
        """The test accuracy after the last epoch, for each seed: nothing is selected by it."""
        return [run.history["test_accuracy"][end - 1] for run, end in zip(self.runs, self.ends, strict=True)]


FINDINGS = Findings(STUDY, Summary, (), lambda record: WORDS)


def protocol(summary: Summary) -> str:
    """How the benchmark was trained again, and what differs from the published one."""
    ended = (
        "the rule ended every run before that"
        if summary.unfinished == 0
        else f"{summary.unfinished} of all runs had not been ended by the rule then, and their last epoch counts"
    )
    return (
        "All training images are used, and every pixel is shifted and scaled to mean 0 and variance 1 over them. "
        f"The optimiser is Adam, rate 0.001, batches of {BATCH_SIZE}; weights and biases start uniform within Glorot's "
        f"bound; {len(summary.runs)} runs. scikit-learn stops when the training loss has not improved on its best "
        f"by {TOLERANCE:g} for {PATIENCE + 1} epochs in a row; the same rule is read off our training losses, and the "
        "test accuracy of that epoch counts. What differs: the published runs had at most 200 epochs, ours "
        f"{summary.epochs}; {ended}. scikit-learn's penalty of {PENALTY:g} is on the weights alone, ours on the biases "
        "as well."
    )


def ends_table(summary: Summary) -> Table:
    """Where the runs ended, and their accuracies."""
    runs = zip(summary.runs, summary.ends, summary.test, strict=True)
    rows = [{"seed": run.spec.seed, "last_epoch": end, "test_accuracy": test} for run, end, test in runs]
    body = [[str(row["seed"]), str(row["last_epoch"]), percent(row["test_accuracy"])] for row in rows]
    body.append(["mean", "", estimate(summary.test).percent])
    caption = f"The {WORDS}: last epoch by the published rule, and test accuracy there."
    return Table(f"{SLUG}-ends", caption, ("Seed", "Last epoch", "Test accuracy"), body, rows)


def convergence(summary: Summary) -> Chart:
    """Train and test accuracy against epochs."""
    splits = {"Training images": "train_accuracy", "Test images": "test_accuracy"}
    curves = {
        title: {"accuracy": [[100 * value for value in run.history[name]] for run in summary.runs]}
        for title, name in splits.items()
    }
    caption = "Accuracy after each epoch: mean over the seeds and its 95 % interval (bands)."
    return figures.curves(f"{SLUG}-convergence", curves, caption=caption, xlabel="epoch", ylabel="accuracy (%)")
