"""When transfer helps, and how much of the model to train again: summary, claims, figures and tables of `transfer`."""

from collections.abc import Callable, Sequence
from statistics import fmean, median

from worked import figures
from worked.claims import NOT_SUPPORTED, SUPPORTED, UNDECIDED, Claim, Verdict
from worked.estimate import Estimate, estimate, percent
from worked.figures import Chart, Table
from worked.findings import Findings
from worked.records import Record
from worked.studies.transfer import SIZES, SLUG, STUDY, VARIANTS
from worked.study import StudyError

WAYS = (*VARIANTS, "none")  # the last trains nothing
NAMES = {
    "scratch": "training from scratch",
    "last": "training the last layer of the MNIST model alone",
    "all": "training all layers of the MNIST model",
    "none": "the nearest mean of the MNIST model's features",
}
SHORT = {"scratch": "from scratch", "last": "last layer", "all": "all layers", "none": "nearest mean"}
DOES = {  # as advice
    "scratch": "train from scratch",
    "last": "train the last layer of the MNIST model alone",
    "all": "train all layers of the MNIST model",
    "none": "train nothing, and take the nearest mean of the MNIST model's features",
}
FEWEST, MOST = SIZES[0], SIZES[-1]


class Summary:
    """The search, and the runs in the order of the seeds: a draw of the examples and an MNIST model of its own each."""

    def __init__(self, records: Sequence[Record]):
        if lost := [f"{record.key} ({record.diverged})" for record in records if record.diverged]:
            raise StudyError(f"a run of {SLUG} diverged and has no accuracy to show: {', '.join(lost)}")
        self.search = next(record for record in records if record.trials)
        self.runs = sorted((record for record in records if not record.trials), key=lambda record: record.spec.seed)

    def values(self, way: str, count: int, what: str = "test_accuracy") -> list[float]:
        """A final number for each draw: of the epoch at which training stops."""
        return [run.metrics[f"{way} {count} {what}"] or 0.0 for run in self.runs]

    def curves(self, variant: str, count: int, what: str) -> list[list[float]]:
        """A number after every epoch, for each draw."""
        return [run.trace["tuned"][f"{variant} {count}"][what] for run in self.runs]

    def ahead(self, way: str, other: str, count: int, what: str = "test_accuracy") -> list[float]:
        """How far the final number of one way is above that of another, for each draw."""
        return _minus(self.values(way, count, what), self.values(other, count, what))

    def source(self, split: str) -> Estimate:
        """The accuracy of the MNIST models."""
        return estimate([run.metrics[f"source {split}_accuracy"] or 0.0 for run in self.runs])

    def unbeaten(self, count: int) -> list[str]:
        """The ways that no other is shown to be better than, the best mean first."""
        found = [way for way in WAYS if not any(beats(self, other, way, count) for other in WAYS if other != way)]
        return sorted(found or WAYS, key=lambda way: -fmean(self.values(way, count)))


def _minus(left: Sequence[float], right: Sequence[float]) -> list[float]:
    return [a - b for a, b in zip(left, right, strict=True)]


def _ahead(way: str, other: str, count: int) -> Callable[[Summary], list[float]]:
    return lambda s: s.ahead(way, other, count)


def _lower(way: str, other: str, count: int, what: str) -> Callable[[Summary], list[float]]:
    return lambda s: s.ahead(other, way, count, what)


def _gap(s: Summary, variant: str) -> list[float]:
    return _minus(s.values(variant, FEWEST, "test_loss"), s.values(variant, FEWEST, "train_loss"))


# Each pair: who is claimed to be ahead, and of whom.
PAIRS = (
    ("all", "scratch"),
    ("last", "scratch"),
    ("all", "last"),
    ("none", "scratch"),
    ("last", "none"),
    ("all", "none"),
)
_ACCURACY, _LOSS = "difference of the test accuracies", "difference of the losses"


def pair_claim(way: str, other: str, count: int) -> str:
    """The name of the claim that one way is better than another."""
    return f"transfer-{way}-over-{other}-{count}"


CLAIMS = (
    *(Claim(pair_claim(way, other, count),
            f"with {count:,} examples, {NAMES[way]} gives a higher test accuracy than {NAMES[other]}",
            _ahead(way, other, count), _ACCURACY) for way, other in PAIRS for count in SIZES),
    Claim("transfer-shrinks",
          f"what training all layers of the MNIST model gains over training from scratch is smaller with {MOST:,} "
          f"examples than with {FEWEST:,}",
          lambda s: _minus(s.ahead("all", "scratch", FEWEST), s.ahead("all", "scratch", MOST)),
          "difference of the gains"),
    *(Claim(f"transfer-loss-{way}-{other}", f"with {FEWEST:,} examples, {NAMES[way]} ends at a lower test loss than "
            f"{NAMES[other]}", _lower(way, other, FEWEST, "test_loss"), _LOSS, "nats", 1.0)
      for way, other in PAIRS[:3]),
    Claim("transfer-fits-less", f"with {FEWEST:,} examples, {NAMES['last']} ends at a higher training loss than "
          f"{NAMES['all']}", lambda s: s.ahead("last", "all", FEWEST, "train_loss"), _LOSS, "nats", 1.0),
    Claim("transfer-gap", f"with {FEWEST:,} examples, the test loss exceeds the training loss by less after "
          f"{NAMES['last']} than after {NAMES['all']}", lambda s: _minus(_gap(s, "all"), _gap(s, "last")),
          "difference of the excesses", "nats", 1.0),
)  # fmt: skip
_OF = {claim.id: claim for claim in CLAIMS}


def pair_rows(*pairs: tuple[str, str], sizes: Sequence[int] = SIZES) -> dict[str, tuple[str, str]]:
    """Rows of a table of claims: the claim's name, its two ways and the number of examples."""
    return {
        pair_claim(way, other, n): (f"{SHORT[way]} > {SHORT[other]}", f"{n:,}") for way, other in pairs for n in sizes
    }


def pair_verdict(summary: Summary, way: str, other: str, count: int) -> Verdict:
    """The verdict on a pair of ``PAIRS``."""
    return _OF[pair_claim(way, other, count)].judge(summary)


def beats(summary: Summary, way: str, other: str, count: int) -> bool:
    """Whether the runs show that one way is better than another, in the claim about the two."""
    if (way, other) in PAIRS:
        return pair_verdict(summary, way, other, count).state == SUPPORTED
    return pair_verdict(summary, other, way, count).state == NOT_SUPPORTED


FINDINGS = Findings(
    STUDY, Summary, CLAIMS,
    lambda record: "search for the rates" if record.trials else f"MNIST model and draw {record.spec.seed}",
)  # fmt: skip


# -- text --------------------------------------------------------------------------------------------------------------


def advice(summary: Summary) -> str:
    """What to do with so many examples, from the verdicts: the ways that no other is shown to be better than."""
    told = []
    for count in SIZES:
        best, *others = summary.unbeaten(count)
        line = f"With **{count:,} examples: {DOES[best]}** ({estimate(summary.values(best, count)).percent})"
        if others:
            undecided = " and ".join(f"*{DOES[way]}* ({percent(fmean(summary.values(way, count)))})" for way in others)
            line += f"; the runs do not show that it is better than to {undecided}"
        told.append(f"- {line}.")
    return "\n".join(told)


def stops_paying(summary: Summary) -> str:
    """Up to where the runs show that the MNIST model helps."""
    states = {count: pair_verdict(summary, "all", "scratch", count).state for count in SIZES}
    pays = [count for count in SIZES if states[count] == SUPPORTED]
    costs = [count for count in SIZES if states[count] == NOT_SUPPORTED]
    open_ = [count for count in SIZES if states[count] == UNDECIDED]
    said = [
        f"{words} with {_listed(counts)} examples"
        for words, counts in (("is shown to help", pays), ("is shown to harm", costs), ("is undecided", open_))
        if counts
    ]
    return (
        f"Beginning with the MNIST model's layers and training all of them, rather than new ones, {'; it '.join(said)}."
    )


def others(summary: Summary) -> str:
    """At which sizes the two ways that train least are beaten by another."""
    told = []
    for way in ("last", "none"):
        beaten = [n for n in SIZES if any(beats(summary, other, way, n) for other in WAYS if other != way)]
        where = (
            f"another way is shown to be better with {_listed(beaten)} examples" if beaten else "never shown to lose"
        )
        told.append(f"- *{DOES[way][0].upper()}{DOES[way][1:]}*: {where}.")
    return "\n".join(told)


def lowest(summary: Summary) -> str:
    """Where the mean test loss is lowest, beside where training stops."""
    told = []
    for variant in VARIANTS:
        means = [fmean(epoch) for epoch in zip(*summary.curves(variant, FEWEST, "test_loss"), strict=True)]
        low, stop = min(means), median(summary.values(variant, FEWEST, "epochs"))
        told.append(f"{SHORT[variant]} {low:.2f} after epoch {means.index(low) + 1}, stopped after epoch {stop:g}")
    return (
        "The rule waits until the examples are fitted, which need not be where the test loss is lowest. Lowest mean "
        f"test loss, and median epoch at which training stops: {'; '.join(told)}. The losses below are those at the "
        "stop."
    )


def _listed(counts: Sequence[int]) -> str:
    words = [f"{count:,}" for count in counts]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def brief(summary: Summary) -> str:
    """The answer: what to do with how many examples."""
    cut, total = converged(summary), len(VARIANTS) * len(summary.runs)
    left = [f"{total - cut[n]} of {total} with {n:,}" for n in SIZES if cut[n] < total]
    late = f" Not converged at their last epoch: {', '.join(left)} examples." if left else ""
    return (
        f"The MNIST models classify {summary.source('test').percent} of MNIST's test images rightly. Used on "
        f"Fashion-MNIST (test accuracies are means over {len(summary.runs)} draws and half of their 95 % interval):\n\n"
        f"{advice(summary)}\n\n{stops_paying(summary)}{late}"
    )


def protocol(summary: Summary) -> str:
    """How the source models were trained and the examples drawn, in numbers of the study's own records."""
    from worked.data import SETS
    from worked.train import Recipe

    config, runs, momentum = summary.runs[0].spec.config, summary.runs, Recipe(1, 1.0).momentum
    held = STUDY.profiles[runs[0].spec.profile].settings["validation"]
    return (
        f"**The MNIST model** is the network below, with kernels of {config['kernel']} by {config['kernel']}. It is "
        f"trained on MNIST for {config['epochs']} epochs in batches of "
        f"{config['batch_size']}, with SGD, Nesterov momentum {momentum:g} and a one-cycle rate that peaks at "
        f"{config['rate']:g}; {held:,} training images are set aside and select the epoch. {len(runs)} models from as "
        f"many seeds reach {summary.source('test').percent} test accuracy on MNIST.\n\n"
        f"**The examples.** Each of the {len(runs)} runs has a model and a draw of its own: images of Fashion-MNIST's "
        "training set, drawn uniformly without regard to their class, as one who labels what comes would get them. The "
        "smaller numbers of examples are the first of the larger. All "
        f"{SETS['fashion_mnist'].counts['test']:,} test images are measured after every epoch, and decide nothing.\n\n"
        "**The variants.** All three begin with the same new last layer, as digits and clothes share no class; its "
        "weights are PyTorch's initial ones. *From scratch* has new weights in the other layers too. *Last layer* "
        "takes these from the MNIST model and keeps them; *all layers* takes and trains them. Pixels are normalised "
        "with the mean and the deviation of the examples, so that what the layers see is scaled as MNIST was. "
        f"Training is SGD with Nesterov momentum {momentum:g} at a constant rate, in batches of "
        f"{config['tuning_batch']}."
    )


def _lengths(summary: Summary) -> dict[int, int]:
    return dict(zip(SIZES, map(int, summary.runs[0].spec.config["tuning_epochs"].split()), strict=True))


def converged(summary: Summary) -> dict[int, int]:
    """How many trainings stopped before their last epoch, by number of examples."""
    return {
        count: sum(stop < last for variant in VARIANTS for stop in summary.values(variant, count, "epochs"))
        for count, last in _lengths(summary).items()
    }


def stopping(summary: Summary) -> str:
    """The rule by which training stops, and where it did."""
    from worked.tuning import STOP_AFTER, STOP_BELOW

    lengths, cut = _lengths(summary), converged(summary)
    total = len(VARIANTS) * len(summary.runs)
    told = ", ".join(
        f"{cut[count]} of {total} with {count:,} examples (at most {lengths[count]} epochs)" for count in SIZES
    )
    return (
        f"A training has converged at the first epoch whose training loss is less than {STOP_BELOW:g} below that of "
        f"{STOP_AFTER} epochs before; where this does not happen, the last epoch counts. The rule sees the training "
        "loss and nothing else. Training goes on beyond it only so that the curves can be drawn. Stopped before the "
        f"last epoch: {told}."
    )


def rates(summary: Summary) -> str:
    """How the rates were chosen."""
    search = summary.search.spec.config
    draws = dict(zip(search["examples"].split(), search["draws"].split(), strict=True))
    told = ", ".join(f"{draws[count]} of {int(count):,}" for count in draws)
    ends = (min, max)
    grid = list(map(float, search["rates"].split()))
    edge = [
        f"{SHORT[variant]}, {count:,}"
        for count in SIZES
        for variant in VARIANTS
        if summary.runs[0].spec.config[f"{variant} {count}"] in [end(grid) for end in ends]
    ]
    return (
        "Each variant has a rate of its own for each number of examples, so that none is judged at another's. It is "
        f"the one of {', '.join(search['rates'].split())} with the highest accuracy on a quarter of the examples, "
        "which is held back while the other three are trained on until the rule above stops. This is done on other "
        f"draws than those reported ({told}), with one MNIST model; no test image is read. Chosen at an end of "
        f"this grid: {'; '.join(edge) or 'none'}."
    )


def cost(summary: Summary) -> str:
    """What the profile costs."""
    minutes = sum(record.seconds for record in (*summary.runs, summary.search)) / 60
    each = fmean(run.seconds for run in summary.runs)
    return (
        f"A run, a model on MNIST and {len(SIZES) * len(VARIANTS)} trainings, took {each:.0f} s on one processor core, "
        f"beside other work; all {len(summary.runs)} and the search for the rates ({summary.search.seconds / 60:.0f} "
        f"minutes) together took {minutes:.0f} minutes."
    )


# -- figures and tables ------------------------------------------------------------------------------------------------


def losses(summary: Summary) -> Chart:
    """Training and test loss against epochs with the fewest examples; a dot where training stops."""
    panes = {
        f"{split.capitalize()} loss": {SHORT[v]: summary.curves(v, FEWEST, f"{name}_loss") for v in VARIANTS}
        for split, name in (("training", "train"), ("test", "test"))
    }
    caption = (
        f"Losses after each epoch of training on {FEWEST} examples: mean over the {len(summary.runs)} draws and its "
        "95 % interval (bands). The dot marks the median of the epochs at which training has converged."
    )
    chart = figures.curves(f"{SLUG}-losses", panes, caption=caption, xlabel="epoch", ylabel="loss (nats)")
    for axis, name in zip(chart.drawing.axes, ("train", "test"), strict=True):
        for variant, colour in zip(VARIANTS, figures.COLOURS, strict=False):
            stop = int(median(summary.values(variant, FEWEST, "epochs")))
            height = fmean(run[stop - 1] for run in summary.curves(variant, FEWEST, f"{name}_loss"))
            axis.plot([stop], [height], "o", color=colour, markersize=6, zorder=4)
        axis.set_ylim(bottom=0)
    chart.drawing.axes[0].legend(fontsize=9, loc="upper right")
    return chart


def final(summary: Summary) -> Table:
    """Final losses and accuracies with the fewest examples."""
    columns = {"train_loss": 1.0, "test_loss": 1.0, "train_accuracy": 100.0, "test_accuracy": 100.0}
    body = []
    for variant in VARIANTS:
        stops = sorted(int(stop) for stop in summary.values(variant, FEWEST, "epochs"))
        cells = []
        for name, scale in columns.items():
            found = estimate(summary.values(variant, FEWEST, name))
            cells.append(found.percent if scale > 1 else f"{found.mean:.3f} ± {found.high - found.mean:.3f}")
        body.append([SHORT[variant], *cells, f"{stops[0]} to {stops[-1]}"])
    numbers = [
        {"variant": SHORT[v], "seed": run.spec.seed} | {name: run.metrics[f"{v} {FEWEST} {name}"] for name in columns}
        for v in VARIANTS
        for run in summary.runs
    ]
    caption = (
        f"Final losses (nats) and accuracies with {FEWEST} examples, where the training loss has converged: mean over "
        f"the {len(summary.runs)} draws ± half of its 95 % t interval."
    )
    header = ("Trained", "Training loss", "Test loss", "Training accuracy", "Test accuracy", "Epochs (range)")
    return Table(f"{SLUG}-final", caption, header, body, numbers)


def accuracies(summary: Summary) -> Table:
    """Test accuracy by way and number of examples."""
    body = [[f"{count:,}", *(estimate(summary.values(way, count)).percent for way in WAYS)] for count in SIZES]
    numbers = [
        {"examples": count, "way": SHORT[way], "seed": run.spec.seed, "test_accuracy": value}
        for count in SIZES
        for way in WAYS
        for run, value in zip(summary.runs, summary.values(way, count), strict=True)
    ]
    caption = (
        f"Final test accuracy on Fashion-MNIST: mean over the {len(summary.runs)} draws ± half of its 95 % t interval."
    )
    header = ("Examples", *(SHORT[way].capitalize() for way in WAYS))
    return Table(f"{SLUG}-accuracies", caption, header, body, numbers)


def sizes(summary: Summary) -> Chart:
    """Test accuracy against the number of examples, and below it what the model brings where all layers are trained."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(figures.STYLE):
        drawing = Figure(figsize=(5.6, 5.6), layout="constrained")
        above, below = drawing.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    rows, told = [], []
    for way, colour, dash in zip(WAYS, figures.COLOURS, figures.DASHES, strict=False):
        for axis, name in ((above, "accuracy"), (below, "gain over scratch")):
            if axis is below and way != "all":
                continue
            runs = [summary.values(way, n) if axis is above else summary.ahead(way, "scratch", n) for n in SIZES]
            points = [estimate([100 * value for value in values]) for values in runs]
            means = [point.mean for point in points]
            axis.plot(SIZES, means, color=colour, linestyle=dash, marker="o", markersize=4, label=SHORT[way])
            lows, highs = [point.low for point in points], [point.high for point in points]
            axis.fill_between(SIZES, lows, highs, color=colour, alpha=0.2, linewidth=0)
            rows += [
                {"number": name, "way": SHORT[way], "examples": n, "mean": p.mean, "low": p.low, "high": p.high}
                for n, p in zip(SIZES, points, strict=True)
            ]
            told.append(f"{SHORT[way]}, {name}: " + ", ".join(f"{mean:.1f}" for mean in means))
    below.axhline(0, color="#555555", linewidth=1)
    above.set_ylabel("test accuracy (%)")
    drawing.legend(*above.get_legend_handles_labels(), loc="outside upper center", ncols=4, fontsize=9)
    below.set(ylabel="all layers, gain over\nscratch (points)", xlabel="examples", xscale="log")
    below.set_xticks(SIZES, labels=[f"{n:,}" for n in SIZES])
    below.minorticks_off()
    alt = f"Two line charts against {_listed(SIZES)} examples. {'; '.join(told)}."
    caption = (
        "Final test accuracy against the number of examples; below, how far training all layers is above training from "
        f"scratch, paired by draw, in percentage points: mean over the {len(summary.runs)} draws and its 95 % interval "
        "(bands)."
    )
    return Chart(f"{SLUG}-sizes", drawing, alt, caption, rows)


def rate_table(summary: Summary) -> Table:
    """The rates that the search chose, and the validation accuracies that they were chosen by."""
    config, trials = summary.runs[0].spec.config, summary.search.trials
    body = []
    for count in SIZES:
        cells = []
        for variant in VARIANTS:
            rate = config[f"{variant} {count}"]
            one = {"variant": variant, "examples": count, "rate": rate}
            accuracy = next(trial["validation_accuracy"] for trial in trials if trial["config"] == one)
            cells.append(f"{rate:g} ({percent(accuracy, 1)})")
        body.append([f"{count:,}", *cells])
    numbers = [trial["config"] | {"validation_accuracy": trial["validation_accuracy"]} for trial in trials]
    caption = "The rate chosen for each variant and number of examples, with the accuracy on what was held back."
    return Table(
        f"{SLUG}-rates", caption, ("Examples", *(SHORT[v].capitalize() for v in VARIANTS)), body, numbers
    )  # fmt: skip
