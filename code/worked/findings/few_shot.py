"""How well SimpleShot classifies with few examples: summary, claims, figures and tables of the study `few_shot`."""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from worked import figures
from worked.answers.simple_shot import NORMALISATIONS
from worked.claims import NOT_SUPPORTED, SUPPORTED, UNDECIDED, Claim, Verdict
from worked.data import SETS
from worked.estimate import Estimate, estimate, percent
from worked.figures import Chart, Table
from worked.findings import Findings
from worked.records import Record
from worked.studies.few_shot import KEPT_SHOTS, QUERIES, SHOTS, SHOWN, SLUG, SPACES, STUDY
from worked.study import StudyError

NAMES = {"none": "as they are", "l2": "at length 1", "centred l2": "centred, at length 1"}
CHOICE = "centred l2"  # the paper's best for one example, chosen before any of our numbers
ASKED = (1, 5)  # examples of a class
CLASSES = SETS["fashion_mnist"].class_names
MINUTE = 60.0
# Accuracy in percent among 5 classes of miniImageNet with 1 and with 5 examples, unnormalised, L2 and centred L2: the
# paper's Table 1, as a reproduction of it quotes it.
PAPER: Mapping[str, Mapping[int, tuple[float, ...]]] = {
    "Conv-4": {1: (33.17, 48.08, 49.69), 5: (63.25, 66.49, 66.92)},
    "ResNet-10": {1: (54.45, 57.85, 60.85), 5: (76.98, 78.73, 78.40)},
    "ResNet-18": {1: (56.06, 60.16, 62.85), 5: (78.63, 79.94, 80.02)},
    "DenseNet-121": {1: (57.81, 61.49, 64.29), 5: (80.43, 81.48, 81.50)},
}


class Summary:
    """The runs in the order of the seeds: a model trained anew and episodes drawn anew in each."""

    def __init__(self, records: Sequence[Record]):
        if lost := [f"{record.key} ({record.diverged})" for record in records if record.diverged]:
            raise StudyError(f"a run of {SLUG} diverged and has no accuracy to show: {', '.join(lost)}")
        self.runs = sorted(records, key=lambda record: record.spec.seed)

    def values(self, name: str) -> list[float]:
        """One metric of each run."""
        return [run.metrics[name] or 0.0 for run in self.runs]

    def accuracy(self, space: str, how: str, shots: int) -> list[float]:
        """The mean accuracy over the episodes, for each run."""
        return self.values(f"{space} {how} {shots} accuracy")

    def half(self, space: str, how: str, shots: int) -> float:
        """Half of the 95 % interval over the episodes of one run, the mean over the runs."""
        deviations = self.values(f"{space} {how} {shots} deviation")
        return 1.96 * math.fsum(deviations) / len(deviations) / math.sqrt(self.runs[0].spec.config["episodes"])

    def kept(self) -> Mapping[str, Any]:
        """What the first run keeps for pictures."""
        return self.runs[0].images


def _minus(left: Sequence[float], right: Sequence[float]) -> list[float]:
    return [a - b for a, b in zip(left, right, strict=True)]


def _over(one: tuple[str, str, int], other: tuple[str, str, int]) -> Callable[[Summary], list[float]]:
    return lambda s: _minus(s.accuracy(*one), s.accuracy(*other))


def _between(one: str, other: str) -> Callable[[Summary], list[float]]:
    return lambda s: _minus(s.values(f"features {one} between"), s.values(f"features {other} between"))


def _gain(s: Summary, shots: int) -> list[float]:
    """What the chosen normalisation gains over none."""
    return _over(("features", CHOICE, shots), ("features", "none", shots))(s)


def examples(shots: int) -> str:
    """So many examples, in words."""
    return f"{shots} example{'s' * (shots > 1)} a class"


_DIFFERENCE = "difference of the accuracies"
STEPS = (  # what is compared, in words
    ("length", "l2", "none", "features of length 1 are better than features as they are"),
    ("centring", "centred l2", "l2", "centring improves features of length 1"),
    ("both", "centred l2", "none", "features centred and of length 1 are better than features as they are"),
)
CLAIMS = (
    *(Claim(f"few-shot-{name}-{shots}", f"with {examples(shots)}, {words}",
            _over(("features", one, shots), ("features", other, shots)), _DIFFERENCE)
      for shots in ASKED for name, one, other, words in STEPS),
    Claim("few-shot-gain", f"features centred and of length 1 gain more over features as they are with {ASKED[0]} "
          f"example a class than with {ASKED[1]}", lambda s: _minus(_gain(s, ASKED[0]), _gain(s, ASKED[1])),
          "difference of the gains"),
    Claim("few-shot-more", f"with features centred and of length 1, {examples(ASKED[1])} are better than {ASKED[0]}",
          _over(("features", CHOICE, ASKED[1]), ("features", CHOICE, ASKED[0])), _DIFFERENCE),
    Claim("few-shot-still", f"with features centred and of length 1, {SHOTS} examples a class are better than "
          f"{ASKED[1]}",
          _over(("features", CHOICE, SHOTS), ("features", CHOICE, ASKED[1])), _DIFFERENCE),
    *(Claim(f"few-shot-pixels-{shots}",
            f"with {examples(shots)}, the features of the MNIST model are better than the pixels, both centred and of "
            "length 1", _over(("features", CHOICE, shots), ("pixels", CHOICE, shots)), _DIFFERENCE)
      for shots in ASKED),
    Claim("few-shot-spread-length", "of the features of length 1, a larger share of the variance lies between the "
          "classes than of the features as they are", _between("l2", "none"), "difference of the shares"),
    Claim("few-shot-spread-centring", "of the features centred and of length 1, a larger share of the variance lies "
          "between the classes than of those of length 1 alone", _between("centred l2", "l2"),
          "difference of the shares"),
    Claim("few-shot-minute", f"1,000 episodes in all three normalisations take less than {MINUTE:.0f} s",
          lambda s: [1000 / run.spec.config["episodes"] * (run.metrics["features seconds"] or 0.0) for run in s.runs],
          "time", "s", 1.0, most=MINUTE),
)  # fmt: skip
_OF = {claim.id: claim for claim in CLAIMS}

FINDINGS = Findings(STUDY, Summary, CLAIMS, lambda record: f"MNIST model and episodes {record.spec.seed}")


def verdict(summary: Summary, name: str, shots: int) -> Verdict:
    """The verdict on one of ``STEPS``."""
    return _OF[f"few-shot-{name}-{shots}"].judge(summary)


# -- text --------------------------------------------------------------------------------------------------------------


def best(summary: Summary, shots: int) -> str:
    """Which normalisation has the highest mean, and which of the others the runs show to be worse."""
    means = {how: estimate(summary.accuracy("features", how, shots)) for how in NORMALISATIONS}
    first, *others = sorted(NORMALISATIONS, key=lambda how: -means[how].mean)
    told = [f"those {NAMES[how]} ({means[how].percent}): {_sure(summary, first, how, shots)}" for how in others]
    return (
        f"With **{examples(shots)}** features **{NAMES[first]}** have the highest mean ({means[first].percent}), ahead "
        f"of {'; and of '.join(told)}."
    )


def _sure(summary: Summary, one: str, other: str, shots: int) -> str:
    """By how much one normalisation is ahead of another, and whether the claim on the two decides it."""
    name, above = next((name, a == one) for name, a, b, _ in STEPS if {a, b} == {one, other})
    found = verdict(summary, name, shots)
    ends = (found.effect.low, found.effect.high) if above else (-found.effect.high, -found.effect.low)
    decided = found.state == (SUPPORTED if above else NOT_SUPPORTED)
    low, high = (f"{100 * end:+.2f}".replace("-", "−") for end in ends)
    return f"the 95 % interval of this lead, {low} to {high} points, {'decides' if decided else 'does not decide'} it"


_HOLDS = {SUPPORTED: "confirmed", NOT_SUPPORTED: "contradicted", UNDECIDED: "neither confirmed nor contradicted"}


def ranking(summary: Summary) -> str:
    """Whether the paper's ranking holds, from the verdicts."""
    told = []
    for name, words in (("length", "that length 1 helps"), ("centring", "that centring before it helps further")):
        states = {shots: _HOLDS[verdict(summary, name, shots).state] for shots in ASKED}
        said = " and ".join(f"{state} with {examples(shots)}" for shots, state in states.items())
        told.append(f"{words} is {said}")
    return f"The paper's ranking, here: {'; '.join(told)}."


def against_pixels(summary: Summary) -> str:
    """Features against pixels, from the verdicts."""
    words = {SUPPORTED: "the features are better", NOT_SUPPORTED: "the pixels are better", UNDECIDED: "undecided"}
    told = [
        f"with {examples(shots)} {words[_OF[f'few-shot-pixels-{shots}'].judge(summary).state]} "
        f"({estimate(summary.accuracy('features', CHOICE, shots)).percent} against "
        f"{estimate(summary.accuracy('pixels', CHOICE, shots)).percent})"
        for shots in ASKED
    ]
    return f"The model's features against the pixels themselves, both centred and of length 1: {'; '.join(told)}."


def brief(summary: Summary) -> str:
    """The answer in a few sentences that are right however the runs fell."""
    told = [
        f"{estimate(summary.accuracy('features', CHOICE, shots)).percent} with {examples(shots)}" for shots in ASKED
    ]
    return (
        f"Among the {len(CLASSES)} classes of Fashion-MNIST, SimpleShot with centred features of length 1, from models "
        f"trained on MNIST, reaches {' and '.join(told)}; chance is {percent(1 / len(CLASSES), 0)}. Which "
        f"normalisation to use:\n\n{chr(10).join(f'- {best(summary, shots)}' for shots in ASKED)}\n\n"
        f"{ranking(summary)} {against_pixels(summary)}"
    )


def protocol(summary: Summary) -> str:
    """How it was measured, in numbers of the study's own settings and records."""
    from worked.mnist_source import network

    config, runs = summary.runs[0].spec.config, summary.runs
    model = network(config)
    source: Estimate = estimate(summary.values("source test_accuracy"))
    held = STUDY.profiles[runs[0].spec.profile].settings["validation"]
    return (
        f"The MNIST model has a convolution of {model[0].out_channels} maps with kernels of {config['kernel']} by "
        f"{config['kernel']}, a max pooling and a layer of {model[4].out_features} units, whose values after the ReLU "
        f"are the features. It is trained for {config['epochs']} epochs on MNIST alone, as [for the "
        f"fine-tuning](transfer.md); {len(runs)} models from as many seeds reach {source.percent} test accuracy there. "
        f"{held:,} training images are set aside and select the epoch. Pixels of either set are normalised with "
        "MNIST's mean and deviation. $\\mu$ is the mean over the MNIST images that the model was trained on, of the "
        "features or of the pixels.\n\n"
        f"An episode draws {SHOTS} examples of each of the {len(CLASSES)} classes from the test images of "
        f"Fashion-MNIST, and {QUERIES} others of each class to be classified; K examples are the first K of these. "
        f"Each model has {config['episodes']:,} episodes of its own, which all normalisations and both kinds of "
        "feature share. An interval over the runs therefore covers both, another model and other episodes. "
        "Fashion-MNIST's training images are not used, and nothing is chosen by the accuracies: the normalisation was "
        "chosen beforehand, from the paper."
    )


def cost(summary: Summary) -> str:
    """What it costs, measured."""
    seconds, episodes = estimate(summary.values("features seconds")), summary.runs[0].spec.config["episodes"]
    total = math.fsum(run.seconds for run in summary.runs)
    return (
        f"{episodes:,} episodes with features, in all three normalisations and for every number of examples from 1 to "
        f"{SHOTS}, take {seconds.mean:.1f} s on one processor core. A run takes {total / len(summary.runs):.0f} s "
        f"with the training of its MNIST model; all {len(summary.runs)} take {total / 60:.0f} minutes of one core."
    )


def published() -> str:
    """What the paper's table says of the three normalisations, counted."""
    told = []
    for shots in ASKED:
        rows = [PAPER[network][shots] for network in PAPER]
        wins = sum(row[2] == max(row) for row in rows)
        plain, length = ([row[2] - row[n] for row in rows] for n in (0, 1))
        told.append(
            f"with {examples(shots)}, centring with length 1 is the best of the three for {wins} of {len(rows)} "
            f"networks; it is {min(plain):.2f} to {max(plain):.2f} points above features as they are, and "
            f"{_signed(min(length))} to {_signed(max(length))} points above length 1 alone"
        )
    return f"In the paper's results on miniImageNet, as far as the reproduction quotes them, {'; '.join(told)}."


def _signed(points: float) -> str:
    return f"{points:+.2f}".replace("-", "−")


# -- tables ------------------------------------------------------------------------------------------------------------


def paper_table() -> Table:
    """The paper's accuracies by network, normalisation and number of examples."""
    body = [
        [network, *(f"{value:.2f} %" for shots in ASKED for value in of[shots])] for network, of in PAPER.items()
    ]  # fmt: skip
    header = ("Network", *(f"{word}, K = {shots}" for shots in ASKED for word in ("As is", "Length 1", "Centred")))
    rows = [
        {"network": network, "examples": shots, "normalisation": how, "accuracy": value / 100}
        for network, of in PAPER.items()
        for shots in ASKED
        for how, value in zip(NORMALISATIONS, of[shots], strict=True)
    ]
    caption = (
        "The paper's accuracies, as the reproduction quotes them, among 5 classes of miniImageNet, with 1 and with 5 "
        "examples a class, by normalisation. "
        "Another data set and fewer classes: not to be compared with ours."
    )
    return Table(f"{SLUG}-paper", caption, header, body, rows)


def accuracies(summary: Summary) -> Table:
    """Accuracies by kind of feature, normalisation and number of examples."""
    body, rows = [], []
    for space in SPACES:
        for how in NORMALISATIONS:
            cells = []
            for shots in ASKED:
                values = summary.accuracy(space, how, shots)
                cells += [estimate(values).percent, f"± {100 * summary.half(space, how, shots):.2f}"]
                rows += [
                    {"space": space, "normalisation": how, "shots": shots, "seed": run.spec.seed, "accuracy": value}
                    for run, value in zip(summary.runs, values, strict=True)
                ]
            body.append([f"{space}, {NAMES[how]}", *cells])
    header = ["Classified by"]
    for shots in ASKED:
        header += [examples(shots).capitalize(), "Over episodes"]
    caption = (
        f"Accuracy of SimpleShot: mean over the {len(summary.runs)} runs ± half of its 95 % t interval; beside it half "
        "of the 95 % interval over the episodes of a run."
    )
    return Table(f"{SLUG}-accuracies", caption, header, body, rows)


def reference(summary: Summary) -> Table:
    """Our decisions on the episode that was kept, and those of scikit-learn's nearest centroid."""
    import numpy as np
    from sklearn.neighbors import NearestCentroid

    from worked.answers.simple_shot import normalised, predict

    kept = {name: _read(lines) for name, lines in summary.kept()["episode"].items()}
    (support, labels), (queries, right), (mean, _) = kept["support"], kept["queries"], kept["mean"]
    body, rows = [], []
    for how in NORMALISATIONS:
        f, asked = (normalised(part, how, mean[0]) for part in (support, queries))
        with warnings.catch_warnings():
            # A feature that is constant in a class would matter to shrunken centroids, which are not asked for.
            warnings.filterwarnings("ignore", "self.within_class_std_dev_", UserWarning)
            theirs = NearestCentroid().fit(f, labels).predict(asked)
        ours = predict(f, labels, asked)
        same, accuracy = int(np.sum(ours == theirs)), float(np.mean(ours == right))
        if same < len(right):
            raise StudyError(f"scikit-learn decides {len(right) - same} of {len(right)} queries otherwise ({how})")
        body.append([NAMES[how], str(len(right)), str(same), percent(accuracy)])
        rows.append({"normalisation": how, "queries": len(right), "same": same, "accuracy": accuracy})
    caption = (
        f"One episode with {KEPT_SHOTS} examples of each class, kept with the record of the first run: our decisions "
        "and those of scikit-learn's `NearestCentroid`, made when this page was built."
    )
    header = ("Features", "Queries", "Decided alike", "Accuracy")
    return Table(f"{SLUG}-reference", caption, header, body, rows)


def _read(lines: Sequence[str]) -> tuple[Any, Any]:
    """The numbers and the labels of lines that a record keeps."""
    import numpy as np

    table = np.array([list(map(float, line.split())) for line in lines])
    return table[:, 1:], table[:, 0].astype(int)


# -- figures -----------------------------------------------------------------------------------------------------------


def curve(summary: Summary) -> Chart:
    """Accuracy against the number of examples, by normalisation, a panel for features and one for pixels."""
    panes = {
        space.capitalize(): {
            label: [
                [100 * (run.metrics[f"{space} {how} {shots} accuracy"] or 0.0) for shots in range(1, SHOTS + 1)]
                for run in summary.runs
            ]
            for how, label in zip(NORMALISATIONS, ("as is", "length 1", "centred, length 1"), strict=True)
        }
        for space in SPACES
    }
    caption = (
        f"Accuracy of SimpleShot against the number of examples of each class: mean over the {len(summary.runs)} runs "
        "and its 95 % interval (bands)."
    )
    chart = figures.curves(
        f"{SLUG}-curve", panes, caption=caption, xlabel="examples of each class", ylabel="accuracy (%)"
    )
    chart.drawing.axes[0].legend(fontsize=9, loc="lower right")
    chart.drawing.axes[0].set_xticks((1, 5, 10, 15, 20))
    return chart


# Ten classes are told apart by sign and colour together.
SIGNS = ("o", "s", "^", "v", "D", "P", "X", "*", "<", ">")
SHADES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9")


def planes(summary: Summary) -> Chart:
    """The features of some test images along their two principal components, before and after normalisation."""
    drawing, axes = figures.panels([NAMES[how].capitalize() for how in NORMALISATIONS] + [""], height=2.9)
    rows, told = [], []
    for axis, how in zip(axes, NORMALISATIONS, strict=False):
        kept = summary.kept()["planes"][how]
        places, labels = _read(kept["places"])
        size = abs(places).max()  # the three differ in scale: each is drawn to its own
        for k, name in enumerate(CLASSES):
            x, y = (places[labels == k] / size).T
            axis.scatter(x, y, s=14, marker=SIGNS[k], color=SHADES[k % 5], alpha=0.75, linewidth=0, label=name)
            rows += [
                {"normalisation": how, "class": name, "first": float(a * size), "second": float(b * size)}
                for a, b in zip(x, y, strict=True)
            ]
        share = sum(kept["shares"])
        axis.set_title(f"{NAMES[how].capitalize()} ({percent(share, 0)})")
        axis.set(xticks=[], yticks=[], xlabel="component 1", ylabel="component 2")
        told.append(f"{NAMES[how]}, with {percent(share, 0)} of the variance in the plane")
    axes[-1].set_axis_off()
    axes[-1].legend(*axes[0].get_legend_handles_labels(), loc="center", fontsize=9, markerscale=1.6)
    alt = (
        f"Three scatter plots of the features of {SHOWN} test images of each of {len(CLASSES)} classes along two "
        f"principal components: {'; '.join(told)}."
    )
    caption = (
        f"Features of {SHOWN} test images of each class along the two principal components of all test images, each "
        "panel to its own scale; in brackets, how much of the variance these two hold. The model is that of the first "
        "run."
    )
    return Chart(f"{SLUG}-planes", drawing, alt, caption, rows)


def spread(summary: Summary) -> str:
    """How much of the features' variance lies between the classes, by normalisation."""
    shares = {how: estimate(summary.values(f"features {how} between")) for how in NORMALISATIONS}
    told = ", ".join(f"{NAMES[how]} {share.percent}" for how, share in shares.items())
    by_share = sorted(NORMALISATIONS, key=lambda how: shares[how].mean)
    by_accuracy = sorted(NORMALISATIONS, key=lambda how: sum(summary.accuracy("features", how, ASKED[0])))
    order = "the same order as" if by_share == by_accuracy else "another order than"
    return (
        "Two dimensions can mislead, so here is a number that sees all of them: the share of the variance that lies "
        f"between the means of the classes, and not within classes. Features {told}. By this share the normalisations "
        f"come in {order} by their mean accuracies with {examples(ASKED[0])}."
    )
