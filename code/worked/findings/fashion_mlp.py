"""A fully connected network on Fashion-MNIST, three initialisations: summary, claims, figures and tables."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from worked import figures, gallery
from worked.claims import Claim, within
from worked.data import SETS
from worked.estimate import Estimate, estimate, percent
from worked.figures import Chart, Table
from worked.findings import Findings
from worked.records import Record
from worked.studies.fashion_mlp import (
    INITIALISATIONS,
    SEARCHED,
    SLUG,
    SMALL,
    SPLIT_SEED,
    STUDY,
    hidden,
    mean_trials,
    network,
    recipe,
)
from worked.study import StudyError
from worked.training import best_trial

NAMES = {
    "default": "PyTorch's default",
    "kaiming-fan-out": "Kaiming normal, fan-out",
    "small-normal": f"normal with deviation {SMALL:g}",
}
OTHERS = INITIALISATIONS[1:]
PASS, AIM = 0.89, 0.905  # the exercise's bar for full marks, and what was aimed at
NEAR = 0.005  # a change of the accuracy below this is called small
CLASSES = SETS["fashion_mnist"].class_names
MEANING = {  # of the fields of a recipe
    "epochs": "epochs", "rate": "peak of the learning rate", "batch_size": "batch size", "momentum": "momentum",
    "weight_decay": "weight decay, on weights and biases", "optimiser": "optimiser", "nesterov": "Nesterov momentum",
    "schedule": "schedule of the learning rate", "gamma": "factor of a step schedule",
    "every": "epochs between steps of the schedule", "flip": "training images mirrored with probability 1/2",
    "crop": "shift of training images, in pixels", "precision": "number format of the forward pass",
}  # fmt: skip


WORDS = {  # of what is searched for
    "rate": "peak rate",
    "width": "width of the first hidden layer",
    "dropout": "dropout probability",
    "flip": "mirrored training images",
}


class Summary:
    """The searches, and the runs by initialisation in the order of the seeds."""

    def __init__(self, records: Sequence[Record]):
        if lost := [f"{record.key} ({record.diverged})" for record in records if record.diverged]:
            raise StudyError(f"a run of {SLUG} diverged and has no accuracy to show: {', '.join(lost)}")
        ordered = sorted(records, key=lambda record: record.spec.seed)
        self.searches = [record for record in ordered if record.trials]
        self.trials = mean_trials(self.searches)
        self.runs = {
            how: [r for r in ordered if r.spec.config["initialisation"] == how and not r.trials]
            for how in INITIALISATIONS
        }

    @property
    def config(self) -> Mapping[str, Any]:
        """What the runs of the default initialisation are trained with."""
        return self.runs["default"][0].spec.config

    def values(self, how: str, metric: str) -> list[Any]:
        """A metric of the selected epoch, for each seed."""
        return [run.metrics[metric] for run in self.runs[how]]

    def change(self, how: str, metric: str = "test_accuracy") -> list[float]:
        """A metric minus that of the default initialisation, paired by seed."""
        pairs = zip(self.values(how, metric), self.values("default", metric), strict=True)
        return [one - other for one, other in pairs]

    def early(self, how: str) -> list[float]:
        """The mean training loss of the first tenth of the first epoch, for each seed."""
        return [run.trace["curve"][0] for run in self.runs[how]]

    def first(self, how: str) -> list[float]:
        """The validation accuracy after the first epoch, for each seed."""
        return [run.history["validation_accuracy"][0] for run in self.runs[how]]


def _accuracy(s: Summary) -> list[float]:
    return s.values("default", "test_accuracy")


def _raised(how: str) -> Callable[[Summary], list[float]]:
    return lambda s: s.change(how)


def _behind(how: str, of: Callable[[Summary, str], list[float]], sign: int) -> Callable[[Summary], list[float]]:
    return lambda s: [sign * (a - b) for a, b in zip(of(s, how), of(s, "default"), strict=True)]


def _claims() -> tuple[Claim, ...]:
    default = NAMES["default"]
    return (
        Claim(f"{SLUG}-pass", f"with {default} initialisation the network passes {percent(PASS, 1)} on the test set",
              _accuracy, "test accuracy", "%", least=PASS),
        Claim(f"{SLUG}-aim", f"with {default} initialisation the network passes {percent(AIM, 1)} on the test set",
              _accuracy, "test accuracy", "%", least=AIM),
        *(Claim(f"{SLUG}-{how}", f"the initialisation {NAMES[how]} raises the test accuracy over {default}",
                _raised(how), "difference of the test accuracies") for how in OTHERS),
        *(Claim(f"{SLUG}-{how}-little", f"the initialisation {NAMES[how]} changes the test accuracy by less than "
                f"{100 * NEAR:g} percentage points, up or down", _raised(how), "difference of the test accuracies",
                holds=within(NEAR))
          for how in OTHERS),
        *(Claim(f"{SLUG}-{how}-start", f"in the first tenth of the first epoch the initialisation {NAMES[how]} has a "
                f"higher training loss than {default}", _behind(how, Summary.early, 1), "difference of the losses",
                "nats", 1.0) for how in OTHERS),
        *(Claim(f"{SLUG}-{how}-first", f"after the first epoch the initialisation {NAMES[how]} is behind {default} on "
                "the validation images", _behind(how, Summary.first, -1), "difference of the accuracies")
          for how in OTHERS),
    )  # fmt: skip


FINDINGS = Findings(STUDY, Summary, _claims(), lambda record: NAMES[record.spec.config["initialisation"]])


def _points(p: Estimate) -> str:
    return f"{100 * p.mean:+.2f} ± {100 * (p.high - p.mean):.2f}".replace("-", "−")


def brief(summary: Summary) -> str:
    """The answer, in words that are right however the runs fell."""
    first, second = hidden(summary.config)
    test = {how: estimate(summary.values(how, "test_accuracy")).percent for how in INITIALISATIONS}
    changes = "; ".join(f"{NAMES[how]} {_told(estimate(summary.change(how)))}, to {test[how]}" for how in OTHERS)
    return (
        f"A network with hidden layers of {first} and {second} units reaches **{test['default']}** on the "
        f"test images of Fashion-MNIST (mean over {len(summary.runs['default'])} seeds and half of its 95 % interval): "
        f"that it passes {percent(PASS, 1)} is {_state(summary, 'pass')}, that it passes {percent(AIM, 1)} is "
        f"{_state(summary, 'aim')}. All choices were made on validation images. "
        f"Another initialisation of its linear layers, everything else equal, changes this by: {changes}."
    )


def _state(summary: Summary, name: str) -> str:
    return next(claim for claim in FINDINGS.claims if claim.id == f"{SLUG}-{name}").judge(summary).state


def _told(change: Estimate) -> str:
    """A change with its interval, and in which direction the runs show it to be."""
    shown = "a rise" if change.low > 0 else "a fall" if change.high < 0 else "the runs do not show which way"
    return f"{_points(change)} percentage points ({shown})"


def protocol(summary: Summary) -> str:
    """How the runs were made."""
    run, counts = summary.runs["default"][0], SETS["fashion_mnist"].counts
    held = STUDY.profiles[run.spec.profile].settings["validation"]
    seconds = [run.seconds for runs in summary.runs.values() for run in runs]
    trainings = len(seconds) + len(summary.searches) * len(summary.trials)
    return (
        f"Of the {counts['train']:,} training images, {held:,} drawn once by the seed {SPLIT_SEED} are set aside for "
        "validation. Pixels are shifted and scaled by one mean and one deviation, of the images trained on. After each "
        "epoch, loss and accuracy are taken on all three splits, with dropout off. The epoch that counts is the one "
        "with the highest validation accuracy; the test images are only ever measured. Each initialisation is trained "
        f"{len(summary.runs['default'])} times; the seed sets the initial weights, the order of the images and the "
        f"draws of dropout. A run took {sum(seconds) / len(seconds):.0f} s on one processor core beside other work; "
        f"with the searches there are {trainings} trainings of this length."
    )


def searching(summary: Summary) -> str:
    """How the hyperparameters were chosen."""
    chosen = best_trial(summary.trials)["config"]
    seeds = " and ".join(str(search.spec.seed) for search in summary.searches)
    tried = {name: list(dict.fromkeys(trial["config"][name] for trial in summary.trials)) for name in SEARCHED}
    counted = [name for name in SEARCHED if not isinstance(chosen[name], bool)]
    ends = [WORDS[n] for n in counted if len(tried[n]) > 1 and chosen[n] in (min(tried[n]), max(tried[n]))]
    beyond = f" At an end of what was tried, so that a better value may lie beyond: {', '.join(ends)}." if ends else ""
    values = "; ".join(f"{WORDS[name]} {' or '.join(_shown(value) for value in tried[name])}" for name in SEARCHED)
    return (
        f"Some of them were searched for, in every combination: {values}; the second hidden layer is half as wide as "
        f"the first. Each of these {len(summary.trials)} was trained for as many epochs as the runs that are reported, "
        f"with the seeds {seeds}, which none of them has, and {NAMES['default']} initialisation; the mean accuracy on "
        "the validation images decided, and nothing else. Chosen: "
        f"{', '.join(f'{WORDS[name]} {_shown(chosen[name])}' for name in SEARCHED)}.{beyond} The other initialisations "
        "are trained with the same values."
    )


def _shown(value: Any) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else f"{value:g}"


def architecture(summary: Summary) -> Table:
    """The layers of the network, with sizes and parameters, from the module itself."""
    from torch import nn

    model = network(summary.config)
    words = {"Flatten": "all pixels in a row", "ReLU": "ReLU", "Linear": "fully connected, with biases",
             "BatchNorm1d": "batch norm"}  # fmt: skip
    body, size, total = [], 28 * 28, 0
    assert isinstance(model, nn.Sequential)
    for layer in model:
        kind = type(layer).__name__
        size = layer.out_features if isinstance(layer, nn.Linear) else size
        count = sum(parameter.numel() for parameter in layer.parameters())
        total += count
        what = f"dropout with probability {layer.p:g}" if isinstance(layer, nn.Dropout) else words[kind]
        body.append([what, str(size), f"{count:,}"])
    body.append(["together", "", f"{total:,}"])
    caption = "The network: each layer with the numbers that it puts out and its trained parameters."
    return Table(f"{SLUG}-architecture", caption, ("Layer", "Output", "Parameters"), body)


def hyperparameters(summary: Summary) -> Table:
    """Everything that says how a run is trained, from the recipe itself."""
    from torch import nn

    from worked.train import make_optimiser, step_rates

    config = summary.config
    how = recipe(config)
    used = {field.name: getattr(how, field.name) for field in fields(how)}
    unused = ("gamma", "every", "momentum", "nesterov")  # of other schedules and optimisers
    used = {name: value for name, value in used.items() if name not in unused}
    model = network(config)
    optimiser, rates = make_optimiser(model, how), step_rates(how, 100)
    norm = next(layer for layer in model.modules() if isinstance(layer, nn.BatchNorm1d))
    defaults = optimiser.defaults
    betas = " and ".join(map(str, defaults["betas"]))
    used["optimiser"] = f"{type(optimiser).__name__}, betas {betas}, epsilon {defaults['eps']:g}"
    used["schedule"] = (
        f"one-cycle: from {rates[0]:.2g} up to the peak in {(rates.index(max(rates)) + 1) / len(rates):.0%} of the "
        f"steps, then down to {rates[-1]:.2g}, along cosines; the betas stay"
    )
    body = [[MEANING[name], _shown(value) if isinstance(value, bool | int | float) else value]
            for name, value in used.items()]  # fmt: skip
    held = STUDY.profiles[summary.searches[0].spec.profile].settings["validation"]
    body += [
        ["loss", "cross-entropy"],
        ["dropout behind each hidden layer", f"{config['dropout']:g}"],
        ["batch norm", f"epsilon {norm.eps:g}, momentum of the running averages {norm.momentum:g}"],
        ["initialisation of linear layers", f"{NAMES['default']}; of batch norm, scale 1 and shift 0"],
        ["images set aside for validation", f"{held:,}"],
        ["epoch that counts", "the one with the highest validation accuracy"],
    ]
    return Table(f"{SLUG}-recipe", "All hyperparameters of a run.", ("Hyperparameter", "Value"), body, kind="words")


def samples(summary: Summary) -> Chart:
    """Six test images with their labels."""
    images = summary.runs["default"][0].images["samples"]
    caption = f"The first {len(images)} test images of Fashion-MNIST and their labels."
    return gallery.gallery(f"{SLUG}-samples", images, CLASSES, what="test images", caption=caption)


def mistakes(summary: Summary) -> Chart:
    """The most confident mistakes of one network."""
    run = summary.runs["default"][0]
    images = run.images["mistakes"]
    caption = (
        f"The {len(images)} wrong answers in which the network of seed {run.spec.seed}, {NAMES['default']} "
        "initialisation, is most confident: answer with its probability, and the label."
    )
    return gallery.gallery(f"{SLUG}-mistakes", images, CLASSES, what="mistakes", caption=caption)


def confusion(summary: Summary) -> Chart:
    """Which classes are taken for which."""
    counts = [run.images["confusion"] for run in summary.runs["default"]]
    caption = (
        "Answers (columns) to the test images of each class (rows), in percent of the class: mean over the seeds, "
        f"{NAMES['default']} initialisation. Shares below half a percent are left out; they are among the numbers."
    )
    return gallery.confusion(f"{SLUG}-confusion", counts, CLASSES, caption=caption)


def _histories(summary: Summary, quantity: str, scale: float) -> dict[str, dict[str, list[list[float]]]]:
    return {
        title: {
            NAMES[how]: [[scale * value for value in run.history[f"{split}_{quantity}"]] for run in summary.runs[how]]
            for how in INITIALISATIONS
        }
        for title, split in (("Training images", "train"), ("Test images", "test"))
    }


def losses(summary: Summary) -> Chart:
    """Train and test loss against epochs."""
    caption = "Cross-entropy after each epoch, with dropout off: mean over the seeds and its 95 % interval (bands)."
    curves = _histories(summary, "loss", 1.0)
    return _legend_above(
        figures.curves(f"{SLUG}-losses", curves, caption=caption, xlabel="epoch", ylabel="cross-entropy (nats)")
    )


def accuracies_chart(summary: Summary) -> Chart:
    """Train and test accuracy against epochs."""
    caption = "Accuracy after each epoch, with dropout off: mean over the seeds and its 95 % interval (bands)."
    curves = _histories(summary, "accuracy", 100.0)
    return _legend_above(
        figures.curves(f"{SLUG}-convergence", curves, caption=caption, xlabel="epoch", ylabel="accuracy (%)")
    )


def start(summary: Summary) -> Chart:
    """Training loss in the first two epochs."""
    curves = {
        title: {NAMES[how]: [run.trace["curve"][part] for run in summary.runs[how]] for how in INITIALISATIONS}
        for title, part in (("First epoch", slice(10)), ("Second epoch", slice(10, 20)))
    }
    caption = (
        "Training loss, with dropout on, over each tenth of the first two epochs: mean over the seeds and its 95 % "
        "interval (bands)."
    )
    return _legend_above(
        figures.curves(
            f"{SLUG}-start", curves, caption=caption, xlabel="tenth of an epoch", ylabel="cross-entropy (nats)"
        )
    )


def first_logits(config: Mapping[str, Any]) -> dict[str, float]:
    """Standard deviation of the logits of the untrained networks: sqrt(fan_in E h^2 variance of the last weights).

    Behind batch norm and ReLU a hidden unit h has E h^2 = 1/2, if it is normal before; biases are left out.
    """
    last = hidden(config)[-1]
    variance = {"default": 1 / (3 * last), "kaiming-fan-out": 2 / len(CLASSES), "small-normal": SMALL**2}
    return {how: math.sqrt(last / 2 * variance[how]) for how in INITIALISATIONS}


def at_first(summary: Summary) -> str:
    """What the scale of the last layer does to the first loss."""
    told = ", ".join(f"{deviation:.2g} for {NAMES[how]}" for how, deviation in first_logits(summary.config).items())
    return (
        "The last layer is not normalised, and it decides the first loss. Its fan-out is the number of classes, "
        f"{len(CLASSES)}, so Kaiming's mode fan-out gives its weights the variance 2 / {len(CLASSES)}, whatever its "
        "number of inputs. With hidden units of mean square 1/2 "
        f"and dropout off, the logits have before any training a standard deviation of {told} (by formula). The larger "
        "it is, the surer the untrained network is of its guesses, and a "
        f"sure wrong answer costs much; logits near 0 cost ln {len(CLASSES)} = {math.log(len(CLASSES)):.2f}. This "
        "explains where a training begins, not how fast it goes on, and it was not put to a test of its own."
    )


def _legend_above(chart: Chart) -> Chart:
    """Put the legend, which names initialisations in several words, over the panels."""
    axes = chart.drawing.axes
    lines, labels = axes[0].get_legend_handles_labels()
    for axis in axes:
        if legend := axis.get_legend():
            legend.remove()
    chart.drawing.legend(lines, labels, loc="outside upper left", ncols=2, fontsize=9)
    return chart


def accuracies(summary: Summary) -> Table:
    """Final accuracies of every initialisation, and the change by it."""
    body, rows = [], []
    metrics = [f"{split}_accuracy" for split in ("train", "validation", "test")]
    for how in INITIALISATIONS:
        cells = [estimate(summary.values(how, metric)).percent for metric in metrics]
        change = "–" if how == "default" else _points(estimate(summary.change(how)))
        body.append([NAMES[how], *cells, change])
        kept = ("selected_epoch", *metrics)
        rows += [{"initialisation": how, "seed": run.spec.seed, **{metric: run.metrics[metric] for metric in kept}}
                 for run in summary.runs[how]]  # fmt: skip
    caption = (
        "Accuracies of the epoch that validation selects: mean over the seeds ± half of its 95 % t interval. The "
        "change of the test accuracy against the default is paired by seed, in percentage points."
    )
    header = ("Initialisation", "Train", "Validation", "Test", "Change")
    return Table(f"{SLUG}-accuracies", caption, header, body, rows)


def trials(summary: Summary) -> Table:
    """Every trial of the search."""
    ordered = sorted(summary.trials, key=lambda t: t["validation_accuracy"] or -math.inf, reverse=True)
    body = [
        [*(_shown(trial["config"][name]) for name in SEARCHED),
         "diverged" if trial["validation_accuracy"] is None else percent(trial["validation_accuracy"])]
        for trial in ordered
    ]  # fmt: skip
    rows = [{**trial["config"], "validation_accuracy": trial["validation_accuracy"]} for trial in ordered]
    caption = f"What was tried, the best first: mean of {len(summary.searches)} runs."
    return Table(
        f"{SLUG}-trials", caption, ("Peak rate", "Width", "Dropout", "Mirrored", "Validation accuracy"), body, rows
    )
