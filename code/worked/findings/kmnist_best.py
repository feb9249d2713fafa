"""A better network for KMNIST: summary, claims, figures and tables of the study of the same name.

What it gains is judged against the study of optimisers, whose runs have the same seeds and the same splits.
"""

from collections.abc import Callable, Sequence
from typing import Any

from worked import figures
from worked.claims import Claim
from worked.estimate import estimate, percent
from worked.figures import Chart, Table
from worked.findings import Findings, kmnist_optimizers
from worked.findings.kmnist_optimizers import CHANCE, CLASSES, NAMES, confusions, gallery, points
from worked.records import Record, Store
from worked.studies.kmnist_best import BATCH_SIZE, SLUG, STUDY, VARIANTS, WHOLE
from worked.studies.kmnist_optimizers import NETWORKS
from worked.training import best_trial

PARTS = {  # what each variant tells of
    "no-batch-norm": "batch normalisation, at a rate that was chosen with it,",
    "no-shifts": f"shifting the training images by up to {WHOLE['crop']} pixels",
    "no-weight-decay": f"weight decay of {WHOLE['weight_decay']:g}",
    "constant-rate": "the one-cycle rate, in place of a constant one at its peak,",
    "double-width": "doubling the maps of every convolution",
}
ADDED = ("double-width",)  # the variants that have more than the whole, not less
TITLES = {
    "whole": "all parts",
    "no-batch-norm": "without batch norm",
    "no-shifts": "without shifts",
    "no-weight-decay": "without weight decay",
    "constant-rate": "with a constant rate",
    "double-width": "with twice the maps",
}
PUBLISHED = (  # of the whole set, by those who published it: accuracy in percent, model
    (94.63, "a simple convolutional network"),
    (97.82, "a PreActResNet-18, on the set's first version"),
    (98.83, "the same with manifold mixup"),
)


class Summary:
    """The runs by variant, in the order of the seeds, the search, and the networks to compare with."""

    def __init__(self, records: Sequence[Record], baseline: kmnist_optimizers.Summary):
        self.baseline = baseline
        self.search = next(record for record in records if record.trials)
        ordered = sorted((record for record in records if not record.trials), key=lambda record: record.spec.seed)
        self.runs = {
            name: [r for r in ordered if all(r.spec.config[k] == v for k, v in (WHOLE | changes).items())]
            for name, changes in VARIANTS.items()
        }

    def accuracy(self, variant: str, split: str = "validation") -> list[float]:
        """The accuracy of the selected epoch for each seed; a run that diverged counts as one that guesses."""
        return [run.metrics.get(f"{split}_accuracy") or CHANCE for run in self.runs[variant]]

    def brings(self, variant: str) -> list[float]:
        """What the part brings that ``variant`` lacks or adds: validation accuracy with minus without it, by seed."""
        one, other = self.accuracy(variant), self.accuracy("whole")
        return _minus(one, other) if variant in ADDED else _minus(other, one)

    @property
    def best(self) -> str:
        """The variant with the highest mean validation accuracy: test numbers have no say."""
        return max(VARIANTS, key=lambda variant: sum(self.accuracy(variant)))

    def gain(self, network: str, split: str = "test") -> list[float]:
        """Accuracy of the best variant minus that of ``network`` under its best setting, for each seed."""
        other = self.baseline.accuracy(network, self.baseline.best(network), split)
        return _minus(self.accuracy(self.best, split), other)


def summarise(records: Sequence[Record]) -> Summary:
    """The summary, with the baseline from the stored records of the study of optimisers, of the same profile."""
    profile = records[0].spec.profile
    return Summary(records, kmnist_optimizers.Summary(kmnist_optimizers.STUDY.present(profile, Store.default())))


def _minus(left: Sequence[float], right: Sequence[float]) -> list[float]:
    return [a - b for a, b in zip(left, right, strict=True)]


def _brings(variant: str) -> Callable[[Summary], list[float]]:
    return lambda s: s.brings(variant)


def _gains(network: str) -> Callable[[Summary], list[float]]:
    return lambda s: s.gain(network)


CLAIMS = (
    *(Claim(f"kmnist-best-{name}", f"{part} raises the validation accuracy", _brings(name),
            "accuracy with it minus without") for name, part in PARTS.items()),
    *(Claim(f"kmnist-best-over-{name}",
            "the configuration that validation prefers has a higher test accuracy than the "
            f"{NAMES[name]} of the exercise under its best setting", _gains(name),
            "difference of the test accuracies") for name in NETWORKS),
)  # fmt: skip


def _name(record: Record) -> str:
    if record.trials:
        return "search for the rate"
    config = record.spec.config
    matches = (n for n, changes in VARIANTS.items() if all(config[k] == v for k, v in (WHOLE | changes).items()))
    return TITLES[next(matches)]


FINDINGS = Findings(STUDY, summarise, CLAIMS, _name)


# -- text --------------------------------------------------------------------------------------------------------------


def brief(summary: Summary) -> str:
    """What came out, in a sentence or two that are right however the runs fell."""
    best = summary.best
    validation, test = (estimate(summary.accuracy(best, split)).percent for split in ("validation", "test"))
    gains = " and ".join(f"{points(estimate(summary.gain(name)))} over the {NAMES[name]}" for name in NETWORKS)
    return (
        f"**Best effort** ({TITLES[best]}): validation accuracy {validation}, test accuracy {test}; that is {gains}, "
        "in percentage points of test accuracy."
    )


def configuration(summary: Summary) -> str:
    """What the whole configuration is, and how its rate was chosen."""
    from worked.models import parameter_count
    from worked.studies.kmnist_best import network
    from worked.train import Recipe

    config, trials = summary.search.spec.config, summary.search.trials
    chosen = best_trial(trials)["config"]["rate"]
    rates = [trial["config"]["rate"] for trial in trials]
    tried = ", ".join(
        f"{trial['config']['rate']:g} ({'diverged' if trial['diverged'] else percent(trial['validation_accuracy'])})"
        for trial in trials
    )
    edge = (
        " It is at an end of what was tried: a better one may lie beyond." if chosen in (min(rates), max(rates)) else ""
    )
    maps = ", ".join(WHOLE["widths"].split())
    profile = STUDY.profiles[summary.search.spec.profile]
    return (
        f"The network is the exercise's, with {maps} maps and batch normalisation after each convolution, in place of "
        f"its biases: {parameter_count(network(WHOLE)):,} parameters. It is trained for "
        f"{config['epochs']} epochs in batches of {BATCH_SIZE}, with Nesterov momentum "
        f"{Recipe(1, 1.0).momentum:g}, a one-cycle rate, weight decay "
        f"{WHOLE['weight_decay']:g}, and training images shifted at random by up to {WHOLE['crop']} pixels. The peak "
        "rate was chosen by the validation accuracy of one run each, with the seed "
        f"{summary.search.spec.seed}, which no reported run has: {tried}. Chosen: {chosen:g}.{edge} The profile "
        f"*{profile.name}* takes {profile.cost}."
    )


def choosing(summary: Summary) -> str:
    """Which variant validation prefers."""
    best = summary.best
    lead = "" if best == "whole" else " It differs from the whole, so the best effort is this one, at the whole's rate."
    return (
        f"By mean validation accuracy the best of the {len(VARIANTS)} is the one **{TITLES[best]}**.{lead} What "
        "follows is about it. A run whose loss stopped being finite counts as one that guesses: "
        f"{sum(bool(run.diverged) for runs in summary.runs.values() for run in runs)} did."
    )


def published() -> str:
    """What the literature has for the whole set."""
    told = "; ".join(f"{accuracy:.2f} % for {model}" for accuracy, model in PUBLISHED)
    return (
        f"For the whole official set the authors of KMNIST list test accuracies of {told} {{cite:p}}`clanuwat2018`. "
        "Where the runs of this page read a reduced set, their numbers must not be compared with these."
    )


# -- figures and tables ------------------------------------------------------------------------------------------------


def ablation(summary: Summary) -> Table:
    """The whole configuration and its variants."""
    body, numbers = [], []
    for name, runs in summary.runs.items():
        cells = [estimate(summary.accuracy(name, split)).percent for split in ("validation", "test")]
        body.append(
            [TITLES[name], cells[0], "–" if name == "whole" else points(estimate(summary.brings(name))), cells[1]]
        )
        numbers += [
            {"variant": TITLES[name], "seed": run.spec.seed}
            | {f"{split}_accuracy": run.metrics.get(f"{split}_accuracy") for split in ("validation", "test")}
            for run in runs
        ]
    caption = (
        "The whole configuration, without each of its parts, and with more maps, all at the same peak rate: accuracies "
        "of the selected epoch, mean over the seeds ± half of the 95 % t interval. What the part brings is paired by "
        "seed, on validation, in percentage points."
    )
    header = ("Configuration", "Validation", "What the part brings", "Test")
    return Table(f"{SLUG}-ablation", caption, header, body, numbers)


def gains(summary: Summary) -> Table:
    """The best configuration beside the exercise's networks."""
    best, baseline = summary.best, summary.baseline
    cells = [estimate(summary.accuracy(best, split)).percent for split in ("validation", "test")]
    body = [[f"best effort, {TITLES[best]}", *cells, "–"]]
    for name in NETWORKS:
        setting = baseline.best(name)
        cells = [estimate(baseline.accuracy(name, setting, split)).percent for split in ("validation", "test")]
        body.append(
            [f"{NAMES[name]}, {kmnist_optimizers.SHORT[setting]}", *cells, points(estimate(summary.gain(name)))]
        )
    numbers = [
        {"seed": run.spec.seed, "best effort": a, **{f"gain over {NAMES[n]}": summary.gain(n)[k] for n in NETWORKS}}
        for k, (run, a) in enumerate(zip(summary.runs[best], summary.accuracy(best, "test"), strict=True))
    ]
    caption = (
        "The best configuration and the networks of the exercise, each under the setting that validation prefers: mean "
        "over the seeds ± half of the 95 % t interval. The gain on the test images is paired by seed, in percentage "
        "points."
    )
    return Table(f"{SLUG}-gains", caption, ("Network", "Validation", "Test", "Gain over it"), body, numbers)


def learning(summary: Summary) -> Chart:
    """Train and validation accuracy of the best configuration, and of the worst of which no run diverged."""
    whole = [name for name in VARIANTS if not any(run.diverged for run in summary.runs[name])]
    worst = min(whole, key=lambda name: sum(summary.accuracy(name)))
    curves = {
        TITLES[name].capitalize(): {
            split: [[100 * value for value in run.history[f"{split}_accuracy"]] for run in summary.runs[name]]
            for split in ("train", "validation")
        }
        for name in (summary.best, worst)
    }
    caption = (
        "Accuracy after each epoch of the best configuration, and of the one with the lowest validation accuracy among "
        "those of which no run diverged: mean over the seeds and its 95 % interval (bands). Training images are not "
        "shifted when they are measured."
    )
    return figures.curves(f"{SLUG}-learning", curves, caption=caption, xlabel="epoch", ylabel="accuracy (%)")


def confusion(summary: Summary) -> Chart:
    """How many test images of each class the best configuration gives to each class, over all seeds."""
    import matplotlib
    from matplotlib.colors import PowerNorm
    from matplotlib.figure import Figure

    runs = summary.runs[summary.best]
    table = confusions(runs)
    with matplotlib.rc_context(figures.STYLE | {"axes.grid": False}):
        drawing = Figure(figsize=(5.6, 4.6), layout="constrained")
        axis = drawing.subplots()
        top = max(map(max, table))
        axis.imshow(table, cmap="Blues", norm=PowerNorm(0.4, 0, top), interpolation="none")
        axis.set_xticks(range(len(CLASSES)), CLASSES)
        axis.set_yticks(range(len(CLASSES)), CLASSES)
        axis.set(xlabel="class given", ylabel="class of the image")
        for y, row in enumerate(table):
            for x, count in enumerate(row):
                if count:
                    axis.text(x, y, str(count), ha="center", va="center", fontsize=8,
                              color="white" if count > top / 3 else "black")  # fmt: skip
    wrong = sorted(_wrong(table), key=lambda one: -one["images"])
    worst = "; ".join(f"{one['images']} of class {one['class']} as {one['given']}" for one in wrong[:3])
    right = sum(table[n][n] for n in range(len(table))) / sum(map(sum, table))
    alt = f"Table of ten by ten counts, {percent(right)} on the diagonal. Most frequent confusions: {worst}."
    caption = (
        f"Test images by class and by the class that the best configuration gives them, summed over {len(runs)} seeds. "
        f"The most frequent confusions: {worst}."
    )
    return Chart(f"{SLUG}-confusion", drawing, alt, caption, _wrong(table, right=True))


def _wrong(table: Sequence[Sequence[int]], *, right: bool = False) -> list[dict[str, Any]]:
    return [
        {"class": CLASSES[y], "given": CLASSES[x], "images": count}
        for y, row in enumerate(table)
        for x, count in enumerate(row)
        if right or x != y
    ]


def worst(summary: Summary) -> Chart:
    """The test images that the first run of the best configuration gets wrong with the largest shares."""
    run = summary.runs[summary.best][0]
    kept = run.images["mistakes"]
    kept = kept[: len(kept) // 2 * 2]
    half = len(kept) // 2
    titles = [f"{CLASSES[one['label']]} as {CLASSES[one['chosen']]}" for one in kept]
    lines = [[one["image"] for one in kept[:half]], [one["image"] for one in kept[half:]]]
    shares = [one["share"] for one in kept]
    alt = f"{len(kept)} images of characters, their classes and the wrong ones given: {', '.join(titles)}."
    caption = (
        f"The {len(kept)} test images that the best configuration, seed {run.spec.seed}, gets wrong with "
        "the greatest confidence: their class and the one given. The softmax gives the wrong class from "
        f"{percent(min(shares), 1)} to {percent(max(shares), 1)}."
    )
    return gallery(f"{SLUG}-worst", lines, titles, alt=alt, caption=caption, size=(5.6, 2.7))
