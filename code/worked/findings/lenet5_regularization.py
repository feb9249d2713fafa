"""What regularisation does to LeNet-5: summary, claims, figures and tables of the study of the same name."""

import math
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

from worked import figures
from worked.claims import Claim
from worked.estimate import estimate, percent
from worked.figures import Chart, Table
from worked.findings import Findings
from worked.records import Record
from worked.studies.lenet5_regularization import BATCH_SIZE, SETTINGS, SLUG, SPLIT_SEED, STUDY
from worked.study import StudyError
from worked.training import best_trial

NAMES = {"none": "no regularisation", "dropout": "dropout", "weight-decay": "weight decay", "batch-norm": "batch norm"}
TITLES = {"dropout": "Dropout probability", "weight-decay": "Weight decay factor"}  # of the lines of a search
PASS = 0.88  # the exercise's bar for the test accuracy
AIM = 0.91  # and what it says can be had


class Summary:
    """The records by what they are: ``runs`` by setting, in the order of the seeds, and ``searches`` by setting."""

    def __init__(self, records: Sequence[Record]):
        if lost := [f"{record.key} ({record.diverged})" for record in records if record.diverged]:
            raise StudyError(f"a run of {SLUG} diverged and has no accuracy to show: {', '.join(lost)}")
        ordered = sorted(records, key=lambda record: record.spec.seed)
        of = {name: [r for r in ordered if r.spec.config["regularization"] == name] for name in SETTINGS}
        self.searches = {name: next(r for r in of[name] if r.trials) for name in SETTINGS}
        self.runs = {name: [r for r in of[name] if not r.trials] for name in SETTINGS}

    def values(self, setting: str, metric: str) -> list[Any]:
        """A metric of the selected epoch, for each seed."""
        return [run.metrics[metric] for run in self.runs[setting]]

    def gap(self, setting: str) -> list[float]:
        """Train minus test accuracy, for each seed."""
        return _minus(self.values(setting, "train_accuracy"), self.values(setting, "test_accuracy"))

    def epochs_to_pass(self, setting: str) -> list[float]:
        """The first epoch whose validation accuracy reaches the bar; one more than there are where none does."""
        histories = [run.history["validation_accuracy"] for run in self.runs[setting]]
        return [next((n for n, v in enumerate(h, 1) if v >= PASS), len(h) + 1) for h in histories]

    @property
    def best(self) -> str:
        """The setting with the highest mean validation accuracy: test numbers have no say."""
        return max(SETTINGS, key=lambda setting: sum(self.values(setting, "validation_accuracy")))


def _minus(left: Sequence[float], right: Sequence[float]) -> list[float]:
    return [a - b for a, b in zip(left, right, strict=True)]


def _worst(summary: Summary) -> list[float]:
    tests = zip(*(summary.values(name, "test_accuracy") for name in SETTINGS), strict=True)
    return [min(accuracies) for accuracies in tests]


def _above(one: str, other: str) -> Callable[[Summary], list[float]]:
    return lambda s: _minus(s.values(one, "test_accuracy"), s.values(other, "test_accuracy"))


def _narrower(name: str) -> Callable[[Summary], list[float]]:
    return lambda s: _minus(s.gap("none"), s.gap(name))


def _claims() -> tuple[Claim, ...]:
    yes = SETTINGS[1:]
    return (
        Claim("lenet5-pass", f"every setting passes the exercise's bar of {percent(PASS, 0)} on the test set", _worst,
              "test accuracy of the worst setting", "%", least=PASS),
        Claim("lenet5-aim", f"the setting that validation prefers passes {percent(AIM, 0)} on the test set",
              lambda s: s.values(s.best, "test_accuracy"), "test accuracy", "%", least=AIM),
        *(Claim(f"lenet5-{name}-test", f"{NAMES[name]} raises the test accuracy over no regularisation",
                _above(name, "none")) for name in yes),
        *(Claim(f"lenet5-{name}-gap", f"{NAMES[name]} narrows the gap between train and test accuracy",
                _narrower(name), "gap without it minus gap with it") for name in yes),
        *(Claim(f"lenet5-{one}-over-{other}", f"{NAMES[one]} ends above {NAMES[other]} on the test set",
                _above(one, other)) for one, other in combinations(reversed(yes), 2)),
        Claim("lenet5-batch-norm-sooner",
              f"batch norm reaches {percent(PASS, 0)} validation accuracy in fewer epochs than no regularisation",
              lambda s: _minus(s.epochs_to_pass("none"), s.epochs_to_pass("batch-norm")),
              "epochs saved", "epochs", 1.0),
    )  # fmt: skip


FINDINGS = Findings(STUDY, Summary, _claims(), lambda record: NAMES[record.spec.config["regularization"]])


def brief(summary: Summary) -> str:
    """The answer in a few sentences that are right however the runs fell."""
    best = summary.best
    test = {name: estimate(summary.values(name, "test_accuracy")).percent for name in SETTINGS}
    others = ", ".join(f"{NAMES[name]} {test[name]}" for name in SETTINGS if name != best)
    verdicts = [claim.judge(summary) for claim in FINDINGS.claims if claim.id.endswith("-test")]
    words = "; ".join(f"{verdict.claim.statement}: **{verdict.state}**" for verdict in verdicts)
    return (
        f"By validation accuracy the best setting is **{NAMES[best]}**. It reaches {test[best]} on the test images "
        f"(mean over {len(summary.runs[best])} seeds and half of its 95 % interval); the others: {others}.\n\n"
        f"Of the conclusions below: {words}."
    )


def protocol(summary: Summary) -> str:
    """How the runs were made, in numbers of the study's own settings and records."""
    from worked.data import SETS
    from worked.train import Recipe

    runs = [run for name in SETTINGS for run in summary.runs[name]]
    settings, counts = STUDY.profiles[runs[0].spec.profile].settings, SETS["fashion_mnist"].counts
    held, recipe = settings["validation"], Recipe(settings["epochs"], 0.0, BATCH_SIZE)
    hours = sum(record.seconds for record in (*runs, *summary.searches.values())) / 3600
    return (
        f"Of the {counts['train']:,} training images, {held:,} drawn once by the seed {SPLIT_SEED} are set aside "
        f"for validation; {counts['train'] - held:,} remain, and the {counts['test']:,} test images are only ever "
        f"measured. The optimiser is SGD with Nesterov momentum {recipe.momentum:g}, batches of {recipe.batch_size}, "
        f"cross-entropy, {recipe.epochs} epochs and a one-cycle learning rate {{cite:p}}`smith2018`, which rises first "
        "and then falls to nearly zero. Pixels are shifted and scaled to mean 0 and variance 1 over the training "
        "images. After each epoch, loss and accuracy are taken on all three splits. There is no early stop: every "
        "run does all its epochs, and the epoch that counts is the one with the highest validation accuracy, the "
        f"earliest where several are equal. Each setting is trained {len(settings['seeds'])} times; the seed sets the "
        "initial weights, the order of the images and the draws of dropout. The wall times of all runs and "
        f"searches add up to {hours:.1f} hours, on one processor core each."
    )


def searching(summary: Summary) -> str:
    """How the hyperparameters were searched for, and which choices lie at the end of a grid."""
    first = summary.searches["none"]
    edges = []
    for name, record in summary.searches.items():
        rates, chosen = [float(rate) for rate in record.spec.config["rates"].split()], best_trial(record.trials)
        if chosen["config"]["rate"] in (rates[0], rates[-1]):
            edges.append(NAMES[name])
    ends = f"{' and '.join(edges)}: a better one may lie beyond" if edges else "no setting"
    lost = sum(bool(trial["diverged"]) for record in summary.searches.values() for trial in record.trials)
    return (
        "Each setting has a search of its own, so that none is judged at another's learning rate: every peak rate of a "
        "grid with every strength of the technique. A trial is one run of "
        f"{first.spec.config['epochs']} epochs with the seed {first.spec.seed}, which no reported run has. It is "
        "measured on the validation images alone, and the choice is the trial with the highest accuracy. "
        f"{lost} trials ended with a loss that was not finite. The chosen rate is the lowest or the highest of its "
        f"grid for {ends}."
    )


def convergence(summary: Summary) -> Chart:
    """Train and test accuracy against epochs, a panel for each setting."""
    curves = {
        NAMES[name].capitalize(): {
            split: [[100 * value for value in run.history[f"{split}_accuracy"]] for run in summary.runs[name]]
            for split in ("train", "test")
        }
        for name in SETTINGS
    }
    caption = "Accuracy after each epoch, with dropout off: mean over the seeds and its 95 % interval (bands)."
    return figures.curves(f"{SLUG}-convergence", curves, caption=caption, xlabel="epoch", ylabel="accuracy (%)")


def search(summary: Summary) -> Chart:
    """Validation accuracy of every trial against the peak rate, a panel for each setting."""
    curves = {}
    for name, record in summary.searches.items():
        lines: dict[str, list[list[float]]] = {}
        for trial in record.trials:
            strength = max(trial["config"]["dropout"], trial["config"]["weight_decay"])
            value = trial["validation_accuracy"]
            line = lines.setdefault(f"{strength:g}" if strength else NAMES[name], [[]])
            line[0].append(math.nan if value is None else 100 * value)
        curves[TITLES.get(name, NAMES[name].capitalize())] = lines
    rates = max((record.spec.config["rates"].split() for record in summary.searches.values()), key=len)
    caption = (
        "Validation accuracy of the trials of the four searches against the peak learning rate. What lies far below "
        "the best, or diverged, is left out; it is among the numbers of the next table."
    )
    return figures.curves(
        f"{SLUG}-search",
        curves,
        caption=caption,
        x=[float(rate) for rate in rates],
        xlabel="peak rate",
        ylabel="validation accuracy (%)",
        span=3.0,
    )


def choice(summary: Summary) -> Table:
    """What each search chose, and from how many trials."""
    body = []
    for name, record in summary.searches.items():
        best = best_trial(record.trials)
        strengths = (f"{best['config'][key]:g}" if best["config"][key] else "–" for key in ("dropout", "weight_decay"))
        accuracy = percent(best["validation_accuracy"])
        body.append([NAMES[name], str(len(record.trials)), f"{best['config']['rate']:g}", *strengths, accuracy])
    caption = "The trial with the best validation accuracy in each setting's search."
    header = ("Setting", "Trials", "Peak rate", "Dropout", "Weight decay", "Validation")
    rows = [trial["config"] | {"setting": name, "validation_accuracy": trial["validation_accuracy"]}
            for name, record in summary.searches.items() for trial in record.trials]  # fmt: skip
    return Table(f"{SLUG}-choice", caption, header, body, rows)


def accuracies(summary: Summary) -> Table:
    """The eight final accuracies, with those on validation and the epochs that it selected."""
    metrics = [f"{split}_accuracy" for split in ("train", "test", "validation")]
    body = []
    for name in SETTINGS:
        epochs = summary.values(name, "selected_epoch")
        cells = (estimate(summary.values(name, metric)).percent for metric in metrics)
        body.append([NAMES[name], *cells, f"{min(epochs)} to {max(epochs)}"])
    rows = [{"setting": name, "seed": run.spec.seed, **{m: run.metrics[m] for m in ("selected_epoch", *metrics)}}
            for name in SETTINGS for run in summary.runs[name]]  # fmt: skip
    caption = "Accuracies of the selected epoch: mean over the seeds ± half of its 95 % t interval."
    header = ("Setting", "Train", "Test", "Validation", "Epoch selected")
    return Table(f"{SLUG}-accuracies", caption, header, body, rows)
