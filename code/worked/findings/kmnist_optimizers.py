"""Optimisers and permuted pixels on KMNIST: summary, claims, figures and tables of the study of the same name."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from worked import figures
from worked.answers.layers import Conv, Dense, MaxPool, ReLU, Shape, rows
from worked.claims import NOT_SUPPORTED, SUPPORTED, UNDECIDED, Claim, within
from worked.data import SETS
from worked.estimate import Estimate, estimate, percent
from worked.figures import Chart, Table
from worked.findings import Findings
from worked.records import Record
from worked.studies.kmnist_optimizers import BATCH_SIZE, NETWORKS, PIXELS, SETTINGS, SLUG, SPLIT_SEED, STUDY

NAMES = {"mlp": "perceptron", "cnn": "convolutional network"}
LABELS = {"sgd": "SGD", "nesterov": "SGD with Nesterov momentum", "adam": "Adam", "adam-1": "Adam at the rate 1"}
SHORT = {"sgd": "SGD", "nesterov": "Nesterov", "adam": "Adam", "adam-1": "Adam, rate 1"}
MODERATE = ("sgd", "nesterov", "adam")  # the settings with the rate 0.01
CLASSES = SETS["kmnist"].class_names
HIRAGANA = "おきすつなはまやれを"  # the modern form of each class
GUESSING = math.log(len(CLASSES))  # the loss of equal shares for all classes
HOPELESS = 1.1 * GUESSING  # how far losses above that are told apart
CHANCE = 1 / len(CLASSES)
CONSTANT = 0.99  # of the images in one class: the network gives all the same one
RISE = 0.1  # of the lowest validation loss: as much above it at the end is overfitting
MARGIN = 0.01  # a change of the accuracy below this is called none
TOP = 50.0  # of the axis of losses
CURVE_POINTS = 10  # of the training loss, in an epoch, as the engine keeps them

# The networks as lists of layers, for their counts by formula.
INPUT: Shape = (1, 28, 28)
LAYERS = {
    "mlp": (Dense(100), ReLU(), Dense(100), ReLU(), Dense(10)),
    "cnn": (*(layer for maps in (16, 32, 64) for layer in (Conv(maps, 3, padding=1), MaxPool(2), ReLU())), Dense(10)),
}


class Summary:
    """The records by network, pixels and setting, in the order of the seeds. Nothing is chosen by test numbers.

    A run whose loss stopped being finite has no accuracy; it counts as one that guesses.
    """

    def __init__(self, records: Sequence[Record]):
        self.runs: dict[tuple[str, str, str], list[Record]] = {}
        for record in sorted(records, key=lambda record: record.spec.seed):
            config = record.spec.config
            own = {name: config[name] for name in ("optimiser", "rate", "momentum")}
            setting = next(name for name, numbers in SETTINGS.items() if numbers == own)
            self.runs.setdefault((config["network"], config["pixels"], setting), []).append(record)

    def accuracy(self, network: str, setting: str, split: str = "validation", pixels: str = "original") -> list[float]:
        """The accuracy of the selected epoch, for each seed."""
        return [run.metrics.get(f"{split}_accuracy") or CHANCE for run in self.runs[network, pixels, setting]]

    def last_loss(self, network: str, setting: str) -> list[float]:
        """The validation loss after the last epoch, for each seed; beyond HOPELESS, more says no more."""
        ends = [run.history["validation_loss"][-1] for run in self.runs[network, "original", setting]]
        return [HOPELESS if end is None else min(end, HOPELESS) for end in ends]

    def commonest(self, network: str, setting: str) -> list[float]:
        """The share of the test images that the selected epoch's network gives to its commonest class."""
        shares = []
        for run in self.runs[network, "original", setting]:
            table = confusions([run])
            shares.append(max(map(sum, zip(*table, strict=True))) / sum(map(sum, table)) if table else 1.0)
        return shares

    def overfitting(self, network: str, setting: str) -> list[float]:
        """For each seed the validation loss's rise after its lowest, as a share of it; 0 where the training loss has
        not fallen since.
        """
        return [_overfitting(run) for run in self.runs[network, "original", setting]]

    def lost(self, network: str) -> list[float]:
        """What the permutation costs: test accuracy on the original minus on permuted pixels, for each seed."""
        return _minus(*(self.accuracy(network, "nesterov", "test", pixels) for pixels in PIXELS))

    def best(self, network: str) -> str:
        """The setting with the highest mean validation accuracy."""
        return max(SETTINGS, key=lambda setting: sum(self.accuracy(network, setting)))

    def failed(self, network: str) -> list[str]:
        """The settings that end no better than guessing."""
        return [name for name in SETTINGS if estimate(self.last_loss(network, name)).mean >= GUESSING]

    @property
    def first(self) -> Record:
        """The record that holds samples, and the sizes of the splits."""
        return self.runs["mlp", "original", "nesterov"][0]


def confusions(runs: Sequence[Record]) -> list[list[int]]:
    """How many test images of each class, a row each, go to each class, over all ``runs``; empty if all diverged."""
    tables = [[list(map(int, row.split())) for row in run.images["confusion"]] for run in runs if run.images]
    return [[sum(cells) for cells in zip(*rows, strict=True)] for rows in zip(*tables, strict=True)]


def _overfitting(run: Record) -> float:
    validation, train = run.history["validation_loss"], run.history["train_loss"]
    if run.diverged:
        return 0.0
    lowest = min(range(len(validation)), key=lambda epoch: validation[epoch])
    return float(validation[-1] / validation[lowest] - 1) if train[-1] < train[lowest] else 0.0


def _minus(left: Sequence[float], right: Sequence[float]) -> list[float]:
    return [a - b for a, b in zip(left, right, strict=True)]


def parameters(network: str) -> int:
    """Trained numbers by the formulas of the layers."""
    return sum(row.parameters for row in rows(LAYERS[network], INPUT))


LARGER, SMALLER = sorted(NETWORKS, key=parameters, reverse=True)


def _of_network(name: str) -> tuple[Claim, ...]:
    def above(one: str, other: str) -> Callable[[Summary], list[float]]:
        return lambda s: _minus(s.accuracy(name, one), s.accuracy(name, other))

    def overfits(setting: str) -> Callable[[Summary], list[float]]:
        return lambda s: s.overfitting(name, setting)

    accuracies = "difference of the validation accuracies"
    return (
        Claim(f"kmnist-{name}-adam-1-guessing",
              f"with Adam at the rate 1 the {NAMES[name]} ends no better than guessing: its validation loss after the "
              "last epoch is above the logarithm of the number of classes",
              lambda s: s.last_loss(name, "adam-1"), f"validation loss, counted up to {HOPELESS:.2f},", "nats", 1.0,
              least=GUESSING),
        Claim(f"kmnist-{name}-adam-1-constant",
              f"with Adam at the rate 1 even the best epoch's {NAMES[name]} gives over {percent(CONSTANT, 0)} of the "
              "test images the same class",
              lambda s: s.commonest(name, "adam-1"), "share of the commonest answer", "%", least=CONSTANT),
        Claim(f"kmnist-{name}-momentum", f"Nesterov momentum raises the {NAMES[name]}'s validation accuracy over SGD",
              above("nesterov", "sgd"), accuracies),
        Claim(f"kmnist-{name}-adam", f"Adam takes the {NAMES[name]} to a higher validation accuracy than Nesterov "
              "momentum, at the same rate", above("adam", "nesterov"), accuracies),
        *(Claim(f"kmnist-{name}-{setting}-overfits",
                f"with {LABELS[setting]} the {NAMES[name]} overfits: after its lowest point the validation loss rises "
                f"by more than {percent(RISE, 0)} while the training loss goes on falling", overfits(setting),
                "rise of the validation loss, 0 where the training loss has not fallen meanwhile,", "%", least=RISE)
          for setting in MODERATE),
    )  # fmt: skip


CLAIMS = (
    *_of_network("mlp"),
    *_of_network("cnn"),
    Claim("kmnist-more-parameters",
          f"more parameters meant better: the {NAMES[LARGER]}, which has more, reaches a higher test accuracy than the "
          f"{NAMES[SMALLER]}, each with the setting that validation prefers",
          lambda s: _minus(*(s.accuracy(name, s.best(name), "test") for name in (LARGER, SMALLER))),
          "difference of the test accuracies"),
    Claim("kmnist-permuted-cnn", "permuting the pixels costs the convolutional network test accuracy",
          lambda s: s.lost("cnn"), "accuracy lost"),
    Claim("kmnist-permuted-mlp",
          f"permuting the pixels changes the perceptron's test accuracy by less than {100 * MARGIN:g} percentage "
          "point, up or down",
          lambda s: s.lost("mlp"), "accuracy lost", holds=within(MARGIN)),
    Claim("kmnist-permuted-more", "permuting the pixels costs the convolutional network more than the perceptron",
          lambda s: _minus(s.lost("cnn"), s.lost("mlp")), "difference of what they lose"),
    Claim("kmnist-permuted-ahead", "on permuted pixels the convolutional network is still better than the perceptron",
          lambda s: _minus(*(s.accuracy(name, "nesterov", "test", "permuted") for name in ("cnn", "mlp"))),
          "difference of the test accuracies"),
)  # fmt: skip


def _name(record: Record) -> str:
    config = record.spec.config
    return f"{NAMES[config['network']]}, {config['optimiser']} at {config['rate']:g}, {config['pixels']} pixels"


FINDINGS = Findings(STUDY, Summary, CLAIMS, _name)


# -- text --------------------------------------------------------------------------------------------------------------


def brief(summary: Summary) -> str:
    """The answers in a few sentences that are right however the runs fell."""
    told = []
    for name in NETWORKS:
        best, failed = summary.best(name), [LABELS[setting] for setting in summary.failed(name)]
        test = estimate(summary.accuracy(name, best, "test")).percent
        told.append(
            f"**{NAMES[name].capitalize()}**, {parameters(name):,} parameters: the best setting on validation is "
            f"{LABELS[best]}, test accuracy {test}; no better than guessing at the end: {', '.join(failed) or 'none'}."
        )
    lost = " and ".join(f"the {NAMES[name]} {points(estimate(summary.lost(name)))}" for name in NETWORKS)
    return (
        " ".join(told)
        + f"\n\n**More parameters** {_word(summary, 'kmnist-more-parameters', 'meant', 'did not mean')} a higher test "
        f"accuracy here. **Permuted pixels** cost {lost} percentage points of test accuracy."
    )


def _word(summary: Summary, claim: str, yes: str, no: str) -> str:
    """One of two words as a claim's verdict fell, or that it is open."""
    state = next(one for one in CLAIMS if one.id == claim).judge(summary).state
    return {SUPPORTED: yes, NOT_SUPPORTED: no, UNDECIDED: "may or may not have meant"}[state]


def points(value: Estimate) -> str:
    """A difference of accuracies in percentage points, with half of its interval."""
    return f"{100 * value.mean:+.2f} ± {100 * (value.high - value.mean):.2f}".replace("-", "−")


def hiragana() -> str:
    """The classes in modern script, for the site; the PDF's fonts have none of it."""
    pairs = ", ".join(f"{modern} ({name})" for modern, name in zip(HIRAGANA, CLASSES, strict=True))
    return f":::{{only}} html\nIn modern hiragana the classes are {pairs}.\n:::\n"


def splitting(summary: Summary) -> str:
    """The three splits and their batches, as the records have them and as the exercise wants them."""
    from worked.train import EVALUATION_BATCH

    sizes, counts = summary.first.images["sizes"], SETS["kmnist"].counts
    held = STUDY.profiles["full"].settings["validation"]
    batch = {"train": BATCH_SIZE, "validation": EVALUATION_BATCH, "test": EVALUATION_BATCH}
    told = [f"{sizes[name]:,} for {name}, {-(-sizes[name] // batch[name])} batches" for name in batch]
    return (
        f"The official set has {counts['train']:,} training images, of which the exercise sets {held:,} aside for "
        f"validation, and {counts['test']:,} test images; the profile *full* asks for just that. The runs shown here "
        f"read {'; '.join(told)} (of {BATCH_SIZE} in training, of up to {EVALUATION_BATCH:,} where nothing is "
        f"trained). The seed {SPLIT_SEED} draws the validation images, once for all runs. The order of the training "
        "images is drawn anew every epoch, and test images are only ever measured."
    )


def transform() -> str:
    """Why bytes must be turned into numbers of another kind: what the first layer says when it gets bytes."""
    import torch

    from worked.studies.kmnist_optimizers import network

    model, pixels = network({"network": "mlp"}), torch.full((1, 1, 28, 28), 255, dtype=torch.uint8)
    try:
        model(pixels)
        said = "nothing"
    except RuntimeError as error:
        said = str(error).partition("\n")[0]
    model(pixels.float())
    return (
        "A pixel is a byte, from 0 to 255, and the weights are floating-point numbers "
        f"(`{str(next(model.parameters()).dtype)[6:]}`). Given bytes, the first layer of the perceptron refuses: "
        f"`{said}`. So the pixels must become floating-point numbers; that is necessary. The second part is "
        "advisable: each pixel less the mean, over the deviation of all pixels of the training images. Inputs that are "
        "all positive and far from 1 in size make the weights of a unit move together and the steps ill-scaled "
        "{cite:p}`lecun1998efficient`."
    )


def protocol(summary: Summary) -> str:
    """How the runs were made."""
    run = summary.first
    seeds = len(summary.runs["mlp", "original", "nesterov"])
    profile = STUDY.profiles[run.spec.profile]
    numbers = "; ".join(
        f"{LABELS[name]}: rate {own['rate']:g}" + (f", momentum {own['momentum']:g}" if own["momentum"] else "")
        for name, own in SETTINGS.items()
    )
    return (
        f"{numbers}. Every setting has a constant rate, {run.spec.config['epochs']} epochs, batches of {BATCH_SIZE} "
        f"(our choice), cross-entropy and {seeds} seeds, which set initial weights and the order of the images; all "
        "else is PyTorch's default. Accuracies are those of the epoch with the highest validation accuracy. The "
        f"profile *{profile.name}* takes {profile.cost}."
    )


def first_step() -> str:
    """The size of Adam's first step at the rate 1 beside that of the weights it moves."""
    bounds = {name: 1 / math.sqrt(inputs) for name, inputs in (("mlp", INPUT[1] * INPUT[2]), ("cnn", 9))}
    told = " and ".join(f"{bound:.2g} ({NAMES[name]})" for name, bound in bounds.items())
    return (
        "Adam divides each step by a running size of the gradient, so that a step is about as long as the rate, "
        "however small the gradient {cite:p}`kingma2015`. At the rate 1 the first step moves nearly every weight by "
        f"nearly 1, while PyTorch draws the first layer's weights between plus and minus {told}: one step wipes the "
        "initialisation out. One known end is that hidden units are zero for every image {cite:p}`lu2020`: then "
        "no gradient reaches the weights before them, and only the last biases learn, one answer for all images."
    )


# -- figures and tables ------------------------------------------------------------------------------------------------


def last_losses(summary: Summary) -> str:
    """The losses that a mean is taken over, run by run."""
    runs = summary.runs["mlp", "original", "adam-1"]
    told = {
        split: ", ".join("diverged" if run.diverged else f"{run.history[f'{split}_loss'][-1]:.3g}" for run in runs)
        for split in ("validation", "train")
    }
    return (
        f"The perceptron's runs at the rate 1 end, by seed, with the losses {told['validation']} on the validation "
        f"images and {told['train']} on the training images; ln 10 is {GUESSING:.3g}. A mean loss is unbounded: a few "
        "images on which a network is very sure and wrong can make most of it."
    )


def gallery(
    name: str, lines: Sequence[Sequence[str]], titles: Sequence[str], *, alt: str, caption: str,
    sides: Sequence[str] = (), size: tuple[float, float] = (5.6, 2.1),
) -> Chart:  # fmt: skip
    """Rows of images, given as hexadecimal digits; ``titles`` above them (a title a column, or one an image)."""
    from matplotlib.figure import Figure

    drawing = Figure(figsize=size, layout="constrained")
    grid = drawing.subplots(len(lines), len(lines[0]), squeeze=False)
    for row, (axes, images) in enumerate(zip(grid, lines, strict=True)):
        for column, (axis, image) in enumerate(zip(axes, images, strict=True)):
            pixels = list(bytes.fromhex(image))
            side = math.isqrt(len(pixels))
            square = [pixels[n : n + side] for n in range(0, len(pixels), side)]
            axis.imshow(square, cmap="gray_r", vmin=0, vmax=255, interpolation="none")
            axis.set(xticks=[], yticks=[])
            place = row * len(images) + column
            if place < len(titles):
                axis.set_title(titles[place], fontsize=9, pad=3)
        if sides:
            axes[0].set_ylabel(sides[row], fontsize=9)
    return Chart(name, drawing, alt, caption)


def samples(summary: Summary) -> Chart:
    """The first training images of each class."""
    images = summary.first.images["train"]
    each = len(images) // len(CLASSES)
    lines = [images[row::each] for row in range(each)]
    alt = f"{each} rows of ten handwritten characters, a column for each class: {', '.join(CLASSES)}."
    caption = f"The first {each} training images of each class of KMNIST, under the romanised names of the classes."
    return gallery(f"{SLUG}-samples", lines, CLASSES, alt=alt, caption=caption)


def permuted_samples(summary: Summary) -> Chart:
    """An image of each class, as it is and permuted."""
    kept = [summary.runs["mlp", pixels, "nesterov"][0].images["train"] for pixels in PIXELS]
    lines = [images[:: len(images) // len(CLASSES)] for images in kept]
    alt = (
        "Two rows of the same ten images, one of each class. In the first row one sees characters, in the second, "
        "with permuted pixels, dots without any shape."
    )
    caption = "The first training image of each class, as it is and with permuted pixels."
    return gallery(f"{SLUG}-permuted-samples", lines, CLASSES, alt=alt, caption=caption, sides=PIXELS, size=(5.6, 1.5))


def learning(network: str) -> Callable[[Summary], Chart]:
    """The chart of one network's losses."""
    return lambda summary: _learning(summary, network)


def _course(runs: Sequence[Record], split: str, per_epoch: int) -> list[tuple[float, Estimate]]:
    """Steps and losses, as far as all ``runs`` have one: over tenths of an epoch, or after each epoch from none on."""
    if split == "training":
        lists = [run.trace["curve"] for run in runs]
        apart = per_epoch / CURVE_POINTS
        places = [apart * (n + 0.5) for n in range(max(map(len, lists)))]
    else:
        lists = [[run.trace["initial"]["validation_loss"], *run.history["validation_loss"]] for run in runs]
        places = [float(per_epoch * n) for n in range(max(map(len, lists)))]
    columns = zip(places, zip(*lists, strict=False), strict=False)
    return [(place, estimate(values)) for place, values in columns if None not in values]


def _learning(summary: Summary, network: str) -> Chart:
    """Training and validation losses of all settings, against steps and epochs."""
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    per_epoch = -(-summary.first.images["sizes"]["train"] // BATCH_SIZE)
    epochs = summary.first.spec.config["epochs"]
    styles: dict[str, Any] = {"training": "-", "validation": (0, (4, 1.5))}
    table: list[dict[str, Any]] = []
    told = []
    with matplotlib.rc_context(figures.STYLE):
        drawing = Figure(figsize=(5.6, 4.6), layout="constrained")
        axis = drawing.subplots()
    for setting, colour in zip(SETTINGS, figures.COLOURS, strict=False):
        for split, style in styles.items():
            course = _course(summary.runs[network, "original", setting], split, per_epoch)
            means = [loss.mean for _, loss in course]
            axis.plot([step for step, _ in course], means, color=colour, linestyle=style, linewidth=1.3)
            ends = f"first {means[0]:.3g}, lowest {min(means):.3g}, last {means[-1]:.3g}" if means else "not finite"
            told.append(f"{SHORT[setting]} {split}: {ends}")
            table += [
                {"setting": LABELS[setting], "loss": split, "step": step, "epoch": step / per_epoch}
                | {"mean": loss.mean, "low": loss.low, "high": loss.high, "n": loss.n}
                for step, loss in course
            ]
    axis.axhline(GUESSING, color="gray", linewidth=0.8)
    axis.text(0.99, GUESSING, "guessing", transform=axis.get_yaxis_transform(), ha="right", va="bottom", fontsize=8.5)
    values = [row["mean"] for row in table]
    axis.set(yscale="log", ylim=(0.7 * min(values), TOP), xlim=(0, per_epoch * epochs), xlabel="step", ylabel="loss")
    above = axis.secondary_xaxis("top", (lambda x: x / per_epoch, lambda x: x * per_epoch))
    above.set_xlabel("epoch")
    above.set_xticks(range(0, epochs + 1, max(1, epochs // 4)))
    handles = [Line2D([], [], color=c, label=SHORT[name]) for name, c in zip(SETTINGS, figures.COLOURS, strict=False)]
    handles += [Line2D([], [], color="gray", linestyle=style, label=split) for split, style in styles.items()]
    drawing.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=9, frameon=False)
    caption = (
        f"Losses of the {NAMES[network]} on a logarithmic axis, means over the seeds: solid over each tenth of an "
        "epoch as it is trained, dashed on the validation images after each epoch. The grey line is the loss of "
        "guessing. "
        + (f"The axis ends at {TOP:g}; the highest mean is {max(values):.3g}. " if max(values) > TOP else "")
        + "The intervals are among the numbers."
    )
    alt = f"Line chart of training and validation losses of the {NAMES[network]}. " + ". ".join(told) + "."
    return Chart(f"{SLUG}-{network}", drawing, alt, caption, table)


def outcomes(summary: Summary) -> Table:
    """Losses and accuracies of every network and setting."""
    body, numbers = [], []
    for name in NETWORKS:
        for setting in SETTINGS:
            runs = summary.runs[name, "original", setting]
            losses = {split: [run.history[f"{split}_loss"] for run in runs] for split in ("train", "validation")}
            lost = sum(bool(run.diverged) for run in runs)
            cells = [f"{lost} diverged"] * 3
            if not lost:
                shown = [[one[-1] for one in values] for values in losses.values()]
                cells = [f"{estimate(one).mean:.3g}" for one in (*shown, [min(one) for one in losses["validation"]])]
            cells += [estimate(summary.accuracy(name, setting, split)).percent for split in ("validation", "test")]
            body.append([f"{NAMES[name]}, {SHORT[setting]}", *cells])
            numbers += [{"network": name, "setting": setting, "seed": run.spec.seed, **run.metrics} for run in runs]
    caption = (
        "Losses on all training and validation images after the last epoch (the charts draw the training loss as it is "
        "trained), and the mean of each run's lowest validation loss; accuracies of the selected epoch: mean over the "
        "seeds ± half of the 95 % t interval."
    )
    header = ("Network and setting", "Last training loss", "Last validation loss", "Lowest validation loss",
              "Validation accuracy", "Test accuracy")  # fmt: skip
    return Table(f"{SLUG}-outcomes", caption, header, body, _even(numbers))


def _even(numbers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows that all have the columns of the longest: a diverged run has fewer."""
    columns = max(numbers, key=len)
    return [{column: row.get(column) for column in columns} for row in numbers]


def counts(_: Summary) -> Table:
    """The parameters of both networks, layer by layer, and the function's count of the real modules."""
    from worked.models import parameter_count
    from worked.studies.kmnist_optimizers import network

    body, numbers = [], []
    for name in NETWORKS:
        for row in rows(LAYERS[name], INPUT):
            if row.parameters:
                layer, inputs = row.layer, row.before[0]
                if isinstance(layer, Conv):
                    formula, kind = f"{layer.maps} · (3² · {inputs} + 1)", f"convolution, {layer.maps} maps"
                else:
                    formula = f"{row.units} · ({math.prod(row.before)} + 1)"
                    kind = f"linear, {row.units} units"
                body.append([f"{NAMES[name]}: {kind}", formula, f"{row.parameters:,}"])
                numbers.append({"network": name, "layer": kind, "parameters": row.parameters})
        counted = parameter_count(network({"network": name}))
        if counted != parameters(name):
            raise ValueError(
                f"expected {parameters(name)} parameters of the {NAMES[name]}, the function counts {counted}"
            )
        body.append([f"**{NAMES[name]}: sum**", "the function's count of the module", f"**{counted:,}**"])
    caption = "Weights and biases of both networks by formula, and their sums as the function counts them."
    return Table(f"{SLUG}-counts", caption, ("Layer", "Formula", "Parameters"), body, numbers)


def permutation(summary: Summary) -> Chart:
    """Test accuracy against epochs with and without the permutation, a panel for each network."""
    curves = {
        NAMES[name].capitalize(): {
            pixels: [[100 * v for v in run.history["test_accuracy"]] for run in summary.runs[name, pixels, "nesterov"]]
            for pixels in PIXELS
        }
        for name in NETWORKS
    }
    caption = (
        "Test accuracy after each epoch, with Nesterov momentum: mean over the seeds and its 95 % interval (bands)."
    )
    return figures.curves(f"{SLUG}-permutation", curves, caption=caption, xlabel="epoch", ylabel="test accuracy (%)")


def permuted_accuracies(summary: Summary) -> Table:
    """Test accuracies with and without the permutation."""
    body, numbers = [], []
    for name in NETWORKS:
        cells = [estimate(summary.accuracy(name, "nesterov", "test", pixels)).percent for pixels in PIXELS]
        body.append([NAMES[name], *cells, points(estimate(summary.lost(name)))])
        numbers += [
            {"network": name, "pixels": pixels, "seed": run.spec.seed, "test_accuracy": run.metrics["test_accuracy"]}
            for pixels in PIXELS
            for run in summary.runs[name, pixels, "nesterov"]
        ]
    caption = (
        "Test accuracy of the epoch that validation selects, with Nesterov momentum: mean over the seeds ± half of its "
        "95 % t interval. The loss is paired by seed, in percentage points."
    )
    return Table(f"{SLUG}-permuted", caption, ("Network", "Original", "Permuted", "Lost"), body, numbers)
