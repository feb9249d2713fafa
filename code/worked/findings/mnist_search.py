"""What four ways of searching hyperparameters found: summary, claims, figures, tables of the study `mnist_search`."""

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from itertools import accumulate
from statistics import fmean
from typing import Any

from worked import figures
from worked.claims import Claim
from worked.estimate import estimate, number, percent
from worked.figures import Chart, Table
from worked.findings import Findings
from worked.records import Record
from worked.search import EXPLAINED, METHODS, Space
from worked.studies.mnist_search import BATCH_SIZE, KERNELS, SLUG, SPACE, SPLIT_SEED, STUDY, UNTUNED, rounds
from worked.study import StudyError
from worked.training import best_trial

NAMES = {"grid": "grid", "random": "random", "sobol": "Sobol", "bayes": "Bayesian"}
WORDS = {
    "rate": "learning rate",
    "kernel": "kernel size",
    "batch_size": "batch size",
    "weight_decay": "weight decay",
    "maps": "number of maps",
}
PASS = 0.985  # test accuracy that the best configuration should reach
TIMES = 120  # points of the curves against time


def best_so_far(searches: Sequence[Record]) -> list[list[float]]:
    """The highest validation accuracy after each round, for each search; 0 before any trial has one."""
    return [
        list(accumulate((trial["validation_accuracy"] or 0.0 for trial in record.trials), max)) for record in searches
    ]


class Summary:
    """The records, in the order of the seeds: ``searches`` by method, and ``finals``, the runs for longer.

    The finals are by the method whose best configuration they train, and those of the untuned one by ``"untuned"``.
    """

    def __init__(self, records: Sequence[Record]):
        if lost := [f"{record.key} ({record.diverged})" for record in records if record.diverged]:
            raise StudyError(f"a run of {SLUG} diverged and has no accuracy to show: {', '.join(lost)}")
        ordered = sorted(records, key=lambda record: record.spec.seed)
        self.searches = {m: [r for r in ordered if r.spec.config.get("search") == m] for m in METHODS}
        configs = {**{method: self.best(method)["config"] for method in METHODS}, "untuned": UNTUNED}
        self.finals = {
            name: [r for r in ordered if not r.trials and config.items() <= r.spec.config.items()]
            for name, config in configs.items()
        }

    def best_so_far(self, method: str) -> list[list[float]]:
        """The highest validation accuracy after each round, for each seed; 0 before any trial has one."""
        return best_so_far(self.searches[method])

    @cached_property
    def training_seconds(self) -> dict[int, float]:
        """Seconds of a trial by kernel size: the mean over the methods of their means.

        The work of a trial depends on nothing else; the machine need not have been as fast during all searches.
        """
        by_method: dict[int, dict[str, list[float]]] = {kernel: {} for kernel in KERNELS}
        for method, records in self.searches.items():
            for trial in (trial for record in records for trial in record.trials):
                by_method[trial["config"]["kernel"]].setdefault(method, []).append(trial["seconds"])
        return {kernel: fmean(map(fmean, seconds.values())) for kernel, seconds in by_method.items() if seconds}

    def seconds(self, method: str) -> list[list[float]]:
        """The seconds that had passed after each round, for each seed: :attr:`training_seconds` and proposing."""
        cost = self.training_seconds
        return [
            list(accumulate(cost[trial["config"]["kernel"]] + trial["proposal_seconds"] for trial in record.trials))
            for record in self.searches[method]
        ]

    def last(self, method: str) -> list[float]:
        """The best validation accuracy of all rounds, for each seed."""
        return [curve[-1] for curve in self.best_so_far(method)]

    def at(self, method: str, moments: Sequence[float]) -> list[float]:
        """The best validation accuracy at a moment in seconds, one for each seed; 0 before the first trial's end."""
        curves = zip(self.best_so_far(method), self.seconds(method), moments, strict=True)
        return [([0.0, *best])[bisect_right(ends, moment)] for best, ends, moment in curves]

    def best(self, method: str) -> Mapping[str, Any]:
        """The trial with the highest validation accuracy of all repeats of a method: test numbers have no say."""
        return best_trial([trial for record in self.searches[method] for trial in record.trials])

    @property
    def winner(self) -> str:
        """The method that found the configuration with the highest validation accuracy of all."""
        return max(METHODS, key=lambda method: self.best(method)["validation_accuracy"])

    def test(self, name: str) -> list[float]:
        """The test accuracies of the finals of one name, for each seed."""
        return [run.metrics["test_accuracy"] or 0.0 for run in self.finals[name]]

    def after_each_epoch(self, name: str) -> list[list[float]]:
        """The validation accuracies of the finals of one name after each epoch, for each seed."""
        return [run.history["validation_accuracy"] for run in self.finals[name]]

    def sensitivity(self, method: str, parameter: str) -> list[float]:
        """A parameter's total index in the surrogate of a method's trials, for each seed."""
        return [record.metrics[f"sensitivity_{parameter}"] or 0.0 for record in self.searches[method]]

    def diverged(self, method: str) -> int:
        """Trials of a method that diverged, in all repeats."""
        return sum(bool(trial["diverged"]) for record in self.searches[method] for trial in record.trials)


def minus(left: Sequence[float], right: Sequence[float]) -> list[float]:
    """Differences paired by seed."""
    return [a - b for a, b in zip(left, right, strict=True)]


def _over(one: str, other: str) -> Callable[[Summary], list[float]]:
    return lambda s: minus(s.last(one), s.last(other))


def _in_time(other: str) -> Callable[[Summary], list[float]]:
    """Bayes' best at the moment at which the other method ends, minus the other's."""
    return lambda s: minus(s.at("bayes", [ends[-1] for ends in s.seconds(other)]), s.last(other))


def reached(summary: Summary, other: str) -> list[int | None]:
    """The round in which Bayesian optimisation is as good as all of another method's, for each seed; None for never."""
    curves = zip(summary.best_so_far("bayes"), summary.last(other), strict=True)
    return [next((n for n, value in enumerate(curve, 1) if value >= goal), None) for curve, goal in curves]


def rounds_saved(summary: Summary) -> list[float]:
    """Rounds left when Bayesian optimisation is as good as the whole grid, for each seed; -1 where it never is."""
    count = len(summary.best_so_far("bayes")[0])
    return [-1 if first is None else count - first for first in reached(summary, "grid")]


def _more_sensitive(method: str, one: str, other: str) -> Callable[[Summary], list[float]]:
    return lambda s: minus(s.sensitivity(method, one), s.sensitivity(method, other))


def _longer(one: str, other: str) -> Callable[[Summary], list[float]]:
    return lambda s: minus(s.test(one), s.test(other))


def _gains(name: str) -> Callable[[Summary], list[float]]:
    return lambda s: [accuracies[-1] - accuracies[0] for accuracies in s.after_each_epoch(name)]


ORDER = (("rate", "momentum"), ("momentum", "kernel"))  # which matters more than which
_OTHERS = {"grid": "the grid", "random": "random search", "sobol": "Sobol search"}
_KINDS = {
    **{m: f"the best configuration of {NAMES[m]} search" for m in METHODS},
    "untuned": "the untuned configuration",
}
_TEST = "difference of the test accuracies"
_DIFFERENCE = "difference of the best validation accuracies"
_INDICES = "difference of the parts of the indices' sum"

CLAIMS = (
    *(Claim(f"search-bayes-over-{other}",
            f"with the same number of trials, Bayesian optimisation finds a better configuration than {words}",
            _over("bayes", other), _DIFFERENCE)
      for other, words in _OTHERS.items()),
    *(Claim(f"search-bayes-over-{other}-in-time",
            f"in the seconds that {words} takes, Bayesian optimisation, model fitting included, finds a better "
            "configuration",
            _in_time(other), _DIFFERENCE)
      for other, words in _OTHERS.items()),
    Claim("search-bayes-sooner", "Bayesian optimisation is as good as the whole grid before its own last round",
          rounds_saved, "rounds left", "rounds", 1.0),
    *(Claim(f"search-{one}-over-{other}", f"{NAMES[one]} search finds a better configuration than {_OTHERS[other]}",
            _over(one, other), _DIFFERENCE)
      for one, other in (("random", "grid"), ("sobol", "grid"), ("sobol", "random"))),
    *(Claim(f"search-{method}-{one}-over-{other}",
            f"in the surrogate of the {NAMES[method]} trials the {WORDS.get(one, one)} matters more than the "
            f"{WORDS.get(other, other)}", _more_sensitive(method, one, other), _INDICES)
      for method in EXPLAINED for one, other in ORDER),
    Claim("search-pass",
          f"the best configuration of all searches, trained again for longer, reaches {percent(PASS, 1)} test accuracy",
          lambda s: s.test(s.winner), "test accuracy", "%", least=PASS),
    *(Claim(f"search-{method}-over-untuned",
            f"trained for longer, the best configuration of {NAMES[method]} search is better on the test images than "
            "one that was not tuned", _longer(method, "untuned"), _TEST)
      for method in METHODS),
    *(Claim(f"search-bayes-over-{other}-longer",
            "trained for longer, the best configuration of Bayesian optimisation is better on the test images than "
            f"that of {words}", _longer("bayes", other), _TEST)
      for other, words in _OTHERS.items()),
    *(Claim(f"search-{name}-gains",
            f"{kind} has a higher validation accuracy after the last epoch than after the first",
            _gains(name), "change of the validation accuracy")
      for name, kind in _KINDS.items()),
)  # fmt: skip


MATTERS = {  # the rows of tables of claims
    f"search-{method}-{one}-over-{other}": (f"{WORDS.get(one, one)} > {WORDS.get(other, other)}", NAMES[method])
    for method in EXPLAINED
    for one, other in ORDER
}
IN_TIME = {f"search-bayes-over-{other}-in-time": (f"{NAMES['bayes']} > {NAMES[other]}",) for other in _OTHERS}
GAINS = {f"search-{name}-gains": (NAMES.get(name, name),) for name in _KINDS}
FOR_LONGER = {f"search-bayes-over-{other}-longer": (f"{NAMES['bayes']} > {NAMES[other]}",) for other in _OTHERS} | {
    f"search-{method}-over-untuned": (f"{NAMES[method]} > untuned",) for method in METHODS
}
AFTER_ALL_TRIALS = {
    f"search-{one}-over-{other}": (f"{NAMES[one]} > {NAMES[other]}",)
    for one, other in (
        ("bayes", "grid"),
        ("bayes", "random"),
        ("bayes", "sobol"),
        ("random", "grid"),
        ("sobol", "grid"),
        ("sobol", "random"),
    )
}


def name(record: Record) -> str:
    """A record in the words of the page."""
    method = record.spec.config.get("search")
    return f"{NAMES[method]} search" if method else "a configuration trained for longer"


FINDINGS = Findings(STUDY, Summary, CLAIMS, name)


def _words(config: Mapping[str, Any]) -> str:
    return f"learning rate {number(config['rate'])}, momentum {config['momentum']:.3g}, kernel size {config['kernel']}"


def told(summary: Any, claims: Sequence[Claim], about: Mapping[str, str]) -> str:
    """The verdicts on some of the claims, by name with words on what each is about, equal ones together."""
    known = {claim.id: claim for claim in claims}
    states: dict[str, list[str]] = {}
    for name, words in about.items():
        states.setdefault(known[name].judge(summary).state, []).append(words)
    return "; ".join(f"**{state}** {' and '.join(words)}" for state, words in states.items())


def brief(summary: Summary) -> str:
    """The answer in a few sentences that are right however the runs fell."""
    bests = ", ".join(f"{NAMES[method]} {estimate(summary.last(method)).percent}" for method in METHODS)
    over = {f"search-bayes-over-{other}": f"against {words}" for other, words in _OTHERS.items()}
    longer = {f"{claim}-longer": words for claim, words in over.items()}
    matters = {f"search-{m}-rate-over-momentum": f"for the {NAMES[m]} trials" for m in EXPLAINED}
    minutes = {method: estimate([ends[-1] / 60 for ends in summary.seconds(method)]).mean for method in METHODS}
    others = [minutes[method] for method in METHODS if method != "bayes"]
    best = summary.finals[summary.winner][0].spec.config
    grid = {f"search-{m}-over-grid": f"for {_OTHERS[m]}" for m in ("random", "sobol")}
    tuned = {f"search-{m}-over-untuned": f"for {NAMES[m]} search" for m in METHODS}
    firsts = [_counted(first) for first in reached(summary, "grid")]
    return (
        f"Best validation accuracy of {len(summary.best_so_far('grid')[0])} trials of one epoch, mean over "
        f"{len(firsts)} repeats: {bests}. That Bayesian optimisation finds a better configuration in as many trials "
        f"is {told(summary, CLAIMS, over)}. Its repeats were as good as the whole grid in round {', '.join(firsts)}. "
        f"That another search beats the grid is {told(summary, CLAIMS, grid)}. A Bayesian search took "
        f"{minutes['bayes']:.1f} minutes, model fitting included, and the others {min(others):.1f} to "
        f"{max(others):.1f}.\n\n"
        "That the learning rate matters more than the momentum in Ax's surrogate is "
        f"{told(summary, CLAIMS, matters)}.\n\n"
        f"The best configuration of all ({_words(best)}), trained for {best['epochs']} epochs, reaches "
        f"{estimate(summary.test(summary.winner)).percent} on the test images; one that was not tuned "
        f"({_words(UNTUNED)}) reaches {estimate(summary.test('untuned')).percent}. {_found(summary)} That a method's "
        f"best configuration, trained for as long, is better on the test images than the untuned one is "
        f"{told(summary, CLAIMS, tuned)}; that Bayesian optimisation's is better than another's, "
        f"{told(summary, CLAIMS, longer)}."
    )


def _found(summary: Summary) -> str:
    """Which method found the best configuration, and how close the next method came."""
    first = summary.winner
    second = max((m for m in METHODS if m != first), key=lambda m: summary.best(m)["validation_accuracy"])
    held = STUDY.profiles[summary.searches[first][0].spec.profile].settings["validation"]
    ahead = summary.best(first)["validation_accuracy"] - summary.best(second)["validation_accuracy"]
    return (
        f"The best of all {sum(map(len, summary.searches.values()))} searches was one by {NAMES[first]} search; the "
        f"best of {NAMES[second]} search, the next, was right on {round(ahead * held)} of the {held:,} validation "
        "images fewer."
    )


def _counted(value: float | None, style: str = "d") -> str:
    return "never" if value is None else f"{value:{style}}"


def protocol(summary: Summary) -> str:
    """How the searches were made, in numbers of the study's own settings and records."""
    from worked.data import SETS

    first = summary.searches["grid"][0]
    profile = STUDY.profiles[first.spec.profile]
    held, count = profile.settings["validation"], SETS["mnist"].counts["train"]
    rate, momentum = SPACE[:2]
    runs = summary.finals["untuned"]
    return (
        f"Of the {count:,} training images, {held:,} drawn once by the seed {SPLIT_SEED} are set aside for validation. "
        f"A trial trains the network for one epoch on the other {count - held:,}, with SGD, a constant learning rate, "
        f"plain momentum and batches of {BATCH_SIZE}, a size that the exercise leaves open; its value is the "
        "validation accuracy at the end, and the test images are not looked at. The rate lies between "
        f"$10^{{{math.log10(rate.low):.0f}}}$ and $10^{{{math.log10(rate.high):.0f}}}$, on a logarithmic scale for "
        "every method, the momentum between "
        f"{momentum.low:g} and {momentum.high:g}, both ends included, and the kernel size is one of "
        f"{', '.join(map(str, KERNELS))}.\n\n"
        f"Each method has {rounds(profile)} trials, one after another, and is repeated with "
        f"{len(summary.searches['grid'])} seeds. The seed sets the method's own draws, and the initial weights and "
        "order of the images of all its trials; so with one seed every method searches the same function, and the "
        "methods are compared in pairs.\n\n"
        f"- The *grid* has {profile.settings['rates']} rates, {profile.settings['momenta']} momenta and "
        f"{len(KERNELS)} kernel sizes, evenly spaced with the ends of the ranges, tried in a random order, as the "
        "order of a grid means nothing.\n"
        "- *Random* search draws each parameter uniformly on these scales {cite:p}`bergstra2012`.\n"
        "- *Sobol* search takes the points of a scrambled Sobol sequence {cite:p}`sobol1967`, which cover the space "
        "more evenly.\n"
        "- *Bayesian* optimisation is Ax's own strategy {cite:p}`olson2025` with its default settings: the centre of "
        "the space, a few Sobol points, and from then on the point that BoTorch's acquisition function "
        "{cite:p}`balandat2020` values most under a Gaussian process fitted to the finished trials.\n\n"
        "A trial whose loss is not finite counts as one of the trials. To Ax it is an abandoned one: left out of the "
        "model, and not proposed again.\n\n"
        "Of each method, the configuration with the highest validation accuracy of all its repeats is then trained "
        f"{len(runs)} times for {runs[0].spec.config['epochs']} epochs; the epoch that counts is the one with the "
        "highest validation accuracy. They have the seeds of the searches, so that one of them begins as the trial "
        "that was chosen. As often and as long is trained one that was not tuned for this task: "
        f"{_words(UNTUNED)}, as in PyTorch's tutorial {{cite:p}}`chintala2017` on other images. Aimed at, before any "
        f"run, were {percent(PASS, 1)} on the test images by the best of all. "
        f"{trial_hours([r for m in METHODS for r in summary.searches[m]])}"
    )


def trial_hours(searches: Sequence[Record]) -> str:
    """What searches cost, in words."""
    trials = [trial for record in searches for trial in record.trials]
    hours = math.fsum(trial["seconds"] + trial["proposal_seconds"] for trial in trials) / 3600
    return f"The {len(trials):,} trials of all searches took {hours:.1f} hours of one core, model fitting included."


def progress(summary: Summary) -> Chart:
    """Validation error of the best trial so far, against rounds and against time."""
    errors = {m: [[100 * (1 - best) for best in curve] for curve in summary.best_so_far(m)] for m in METHODS}
    labels = {method: NAMES[method] for method in METHODS}
    by_round = figures.Pane(
        "Against rounds", "round", range(1, len(errors["grid"][0]) + 1), {labels[m]: errors[m] for m in METHODS}
    )
    ends = {method: summary.seconds(method) for method in METHODS}
    # From the moment at which every search has a trial to the moment at which the last is over.
    start = max(curve[0] for curves in ends.values() for curve in curves)
    stop = max(curve[-1] for curves in ends.values() for curve in curves)
    moments = [start + (stop - start) * n / (TIMES - 1) for n in range(TIMES)]
    by_time = figures.Pane(
        "Against time", "minutes, model fitting included", [moment / 60 for moment in moments],
        {
            labels[m]: [
                [error[bisect_right(end, moment) - 1] for moment in moments]
                for error, end in zip(errors[m], ends[m], strict=True)
            ]
            for m in METHODS
        },
    )  # fmt: skip
    skipped = len(errors["grid"][0]) // 10
    top = max(fmean(run[skipped] for run in runs) for runs in errors.values())
    caption = (
        "Validation error of the best trial so far: geometric mean over the repeats and its 95 % interval (bands), "
        "against rounds and against time. A search that is over keeps its last value. The axis leaves out the high "
        f"errors of the first {skipped} rounds."
    )
    return figures.stacked(
        f"{SLUG}-progress", [by_round, by_time], caption=caption, ylabel="validation error (%)", top=top
    )


def timing(summary: Summary) -> str:
    """How time is counted."""
    sizes = summary.training_seconds
    told = ", ".join(f"{seconds:.1f} s for kernel size {size}" for size, seconds in sizes.items())
    return (
        "To propose a configuration, Bayesian optimisation fits a model to all trials so far and maximises an "
        "acquisition function; the other methods propose at once. The kernel size alone decides how much work a "
        "trial is; what the seconds measured differ by beyond that is the machine's doing, which was not as fast at "
        "all times. Where time is counted, a trial therefore costs what a trial with its kernel size took on average "
        f"over the methods: {told}. Proposals cost what was measured."
    )


def between(summary: Summary) -> str:
    """Where the best configurations lie against the grid's momenta."""
    momenta = sorted({t["config"]["momentum"] for t in summary.searches["grid"][0].trials})
    below, top = momenta[-2:]
    others = [best_trial(r.trials)["config"] for m in METHODS if m != "grid" for r in summary.searches[m]]
    inside = [config for config in others if below < config["momentum"] < top]
    ends = sum(config["rate"] == SPACE[0].high for config in others)
    edge = f"Of the {len(others)}, {ends} have the highest rate of the range, so that a better one may lie beyond."
    return (
        f"The grid's two highest momenta are {below:g} and {top:g}. Of the best configurations of the "
        f"{len(others)} other searches, {len(inside)} lie between the two, where the grid has none. {edge}"
    )


MARKERS = {3: "o", 5: "s", 7: "^"}  # of the kernel sizes


def looked(summary: Summary) -> Chart:
    """Where each method looked in the first repeat: rate and momentum, the kernel as the shape, error as the colour."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm
    from matplotlib.lines import Line2D

    drawing, axes = figures.panels([NAMES[method].capitalize() for method in METHODS], height=2.6)
    firsts = {method: summary.searches[method][0].trials for method in METHODS}
    rows = [
        {"method": method, "round": n, **trial["config"], "validation_accuracy": trial["validation_accuracy"]}
        for method, trials in firsts.items()
        for n, trial in enumerate(trials, 1)
    ]
    errors = [100 * (1 - row["validation_accuracy"]) for row in rows if row["validation_accuracy"] is not None]
    norm, told = LogNorm(min(errors), max(errors)), []
    for n, (axis, (method, trials)) in enumerate(zip(axes, firsts.items(), strict=True)):
        for kernel, marker in MARKERS.items():
            # The kernel sizes of a grid would cover one another.
            aside = 10 ** (0.09 * (kernel - 5)) if method == "grid" else 1.0
            points = [
                (aside * t["config"]["rate"], t["config"]["momentum"], 100 * (1 - t["validation_accuracy"]))
                for t in trials
                if t["config"]["kernel"] == kernel and t["validation_accuracy"] is not None
            ]
            if points:
                rates, momenta, error = zip(*points, strict=True)
                axis.scatter(
                    rates, momenta, c=error, norm=norm, cmap="viridis", marker=marker, s=22, linewidths=0.4,
                    edgecolors="0.3",
                )  # fmt: skip
        lost = [trial["config"] for trial in trials if trial["diverged"]]
        axis.scatter([c["rate"] for c in lost], [c["momentum"] for c in lost], c="#D55E00", marker="x", s=22)
        axis.set_xscale("log")
        if n >= 2:
            axis.set_xlabel("learning rate")
        if n % 2 == 0:
            axis.set_ylabel("momentum")
        upper = sum(trial["config"]["rate"] > 1e-4 for trial in trials)
        told.append(f"{NAMES[method]}: {upper} of {len(trials)} trials at rates above 0.0001, {len(lost)} diverged")
    bar = drawing.colorbar(
        ScalarMappable(norm, "viridis"), ax=axes, label="validation error (%)", location="bottom", shrink=0.6, aspect=30
    )
    ticks = figures.log_ticks(min(errors), max(errors))
    bar.set_ticks(ticks, labels=[f"{tick:g}" for tick in ticks])
    bar.minorticks_off()
    handles = [
        Line2D([], [], color="0.4", marker=marker, linestyle="", label=f"kernel {kernel}")
        for kernel, marker in MARKERS.items()
    ]
    drawing.legend(handles=handles, loc="outside upper center", ncols=3, fontsize=9, frameon=False)
    any_lost = any(trial["diverged"] for trials in firsts.values() for trial in trials)
    crosses = " A cross is a trial that diverged." if any_lost else ""
    alt = f"Four panels of momentum against learning rate, a point for each trial. {'; '.join(told)}."
    caption = (
        "The trials of each method's first repeat: learning rate, momentum, kernel size (shape) and validation error "
        f"(colour).{crosses} The kernel sizes of the grid are drawn side by side."
    )
    return Chart(f"{SLUG}-looked", drawing, alt, caption, rows)


def choice(summary: Summary) -> Table:
    """What each method found: its best accuracy over the repeats, and the parameters of its best repeat."""
    body = []
    for method in METHODS:
        best = summary.best(method)
        config, accuracy = best["config"], percent(best["validation_accuracy"])
        cells = (number(config["rate"]), f"{config['momentum']:.3g}", str(config["kernel"]))
        body.append([NAMES[method], estimate(summary.last(method)).percent, accuracy, *cells])
    rows = [
        {"method": method, "seed": record.spec.seed, **best_trial(record.trials)["config"],
         "validation_accuracy": best_trial(record.trials)["validation_accuracy"]}
        for method in METHODS for record in summary.searches[method]
    ]  # fmt: skip
    lost = sum(map(summary.diverged, METHODS))
    caption = (
        "Best validation accuracy of a search, mean over the repeats ± half of its 95 % t interval; the final "
        f"parameters of each method's best repeat, with their accuracy. Trials that diverged, in all searches: {lost}."
    )
    header = ("Method", "Mean over repeats", "Best repeat", "Rate", "Momentum", "Kernel")
    return Table(f"{SLUG}-choice", caption, header, body, rows)


def sooner(summary: Summary) -> Table:
    """When Bayesian optimisation is as good as another method is in the end."""
    body, rows = [], []
    for other in METHODS:
        if other == "bayes":
            continue
        firsts, ends = reached(summary, other), summary.seconds("bayes")
        whole = [end[-1] / 60 for end in summary.seconds(other)]
        minutes = [None if n is None else end[n - 1] / 60 for n, end in zip(firsts, ends, strict=True)]
        body.append(
            [NAMES[other], f"{sum(n is not None for n in firsts)} of {len(firsts)}",
             ", ".join(map(_counted, firsts)), ", ".join(_counted(m, ".1f") for m in minutes),
             f"{estimate(whole).mean:.1f}"]
        )  # fmt: skip
        rows += [
            {
                "other": other,
                "seed": record.spec.seed,
                "round": first,
                "minutes": took,
                "minutes of the other": all_of_it,
            }
            for record, first, took, all_of_it in zip(summary.searches["bayes"], firsts, minutes, whole, strict=True)
        ]
    caption = (
        "When Bayesian optimisation is as good as another method is after all its trials: in how many repeats, in "
        "which round of each, after how many minutes (model fitting included), and the mean minutes of the other's "
        "search."
    )
    header = ("As good as", "Repeats", "In round", "Minutes until then", "Minutes of the other")
    return Table(f"{SLUG}-sooner", caption, header, body, rows)


def cost(summary: Summary) -> Table:
    """Seconds of a trial and of a proposal, and minutes of a whole search."""
    body, rows = [], []
    for method in METHODS:
        trials = [trial for record in summary.searches[method] for trial in record.trials]
        count = len(summary.searches[method][0].trials)
        thirds = [
            estimate([fmean(t["proposal_seconds"] for t in record.trials[part]) for record in summary.searches[method]])
            for part in (slice(0, count // 3), slice(count // 3, -(count // 3)), slice(-(count // 3), None))
        ]
        minutes = estimate([ends[-1] / 60 for ends in summary.seconds(method)])
        body.append(
            [NAMES[method], f"{fmean(t['seconds'] for t in trials):.1f}", *(f"{third.mean:.2f}" for third in thirds),
             f"{minutes.mean:.1f}"]
        )  # fmt: skip
        rows += [
            {"method": method, "seed": record.spec.seed, "round": n, "seconds": trial["seconds"],
             "proposal_seconds": trial["proposal_seconds"]}
            for record in summary.searches[method] for n, trial in enumerate(record.trials, 1)
        ]  # fmt: skip
    caption = (
        "Mean seconds of a trial's training as measured; mean seconds that the method takes to propose a "
        "configuration, in the first, the middle and the last third of the rounds; minutes of a search, its trainings "
        "counted with the mean seconds of their kernel size. On a CPU, all are of processor time."
    )
    header = ("Method", "Training (s)", "Proposing, first (s)", "Middle (s)", "Last third (s)", "Search (min)")
    return Table(f"{SLUG}-cost", caption, header, body, rows)


def sensitivities(summary: Summary) -> Table:
    """The total Sobol index of each parameter in the surrogates, by the method whose trials they were fitted to."""
    caption = (
        "Total Sobol index of each parameter in the surrogate that Ax fits to a method's trials, divided by their sum"
    )
    return index_table(f"{SLUG}-sensitivities", caption, SPACE, summary.searches)


def index_table(label: str, caption: str, space: Space, searches: Mapping[str, Sequence[Record]]) -> Table:
    """Total Sobol indices by parameter and by the method to whose trials the surrogates were fitted."""
    body = []
    for parameter in space:
        told = (estimate([r.metrics[f"sensitivity_{parameter.name}"] or 0.0 for r in searches[m]]) for m in EXPLAINED)
        name = WORDS.get(parameter.name, parameter.name)
        body.append([name.capitalize(), *(f"{e.mean:.2f} ± {e.high - e.mean:.2f}" for e in told)])
    rows = [
        {"method": method, "seed": record.spec.seed, **{p.name: record.metrics[f"sensitivity_{p.name}"] for p in space}}
        for method in EXPLAINED
        for record in searches[method]
    ]
    header = ("Parameter", *(f"{NAMES[method].capitalize()} trials" for method in EXPLAINED))
    return Table(label, f"{caption}: mean over the repeats ± half of its 95 % t interval.", header, body, rows)


def epochs(summary: Summary) -> Chart:
    """Validation error of the finals after each epoch."""
    errors = {
        NAMES.get(name, name): [[100 * (1 - a) for a in accuracies] for accuracies in summary.after_each_epoch(name)]
        for name in summary.finals
    }
    count = len(next(iter(errors.values()))[0])
    pane = figures.Pane("The best configuration of each method", "epoch", range(1, count + 1), errors)
    starts, ends = ({name: fmean(run[n] for run in runs) for name, runs in errors.items()} for n in (0, -1))
    top = max(starts.values())
    beyond = [f"{name} search's rises to {error:.0f} %" for name, error in ends.items() if error > top]
    caption = (
        "Validation error after each epoch of each method's best configuration, and of the untuned one: geometric mean "
        f"over the seeds and its 95 % interval (bands). A search saw only the first of the {count} epochs. The axis "
        f"ends at the highest error after the first epoch{'; ' * bool(beyond)}{' and '.join(beyond)}."
    )
    return figures.stacked(f"{SLUG}-epochs", [pane], caption=caption, ylabel="validation error (%)", top=top)


def head_start(summary: Summary) -> str:
    """What is left of the lead of the best configuration over the untuned one."""
    leads = [
        minus(
            *([accuracies[n] for accuracies in summary.after_each_epoch(name)] for name in (summary.winner, "untuned"))
        )
        for n in (0, -1)
    ]
    first, last = (f"{100 * e.mean:.2f} ± {100 * (e.high - e.mean):.2f} points" for e in map(estimate, leads))
    count = len(summary.after_each_epoch("untuned")[0])
    passing = [NAMES.get(name, name) for name in summary.finals if fmean(summary.test(name)) >= PASS]
    return (
        f"In validation accuracy the best configuration of all is ahead of the untuned one by {first} after "
        f"the first epoch, by {last} after {count}. On average over the seeds, {percent(PASS, 1)} on the test "
        f"images is reached by the configurations of: {', '.join(passing)}."
    )


def undamped(summary: Summary) -> str:
    """What a momentum of 1 does, where a method's best configuration has it."""
    having = [NAMES[m] for m in METHODS if summary.best(m)["config"]["momentum"] == 1]
    if not having:
        return "No method's best configuration has a momentum of 1, with which training need not settle."
    return (
        f"The best configuration of {' and '.join(having)} search has a momentum of 1. With it no gradient is ever "
        "forgotten: the velocity is their sum since the first step, and nothing brings it to rest, which a "
        "trial of one epoch need not show."
    )


def final(summary: Summary) -> Table:
    """Each method's best configuration and the untuned one, trained for longer."""
    body = []
    for name, runs in summary.finals.items():
        metrics = [f"{split}_accuracy" for split in ("train", "validation", "test")]
        cells = [estimate([run.metrics[metric] or 0.0 for run in runs]).percent for metric in metrics]
        epochs = [run.metrics["selected_epoch"] or 0 for run in runs]
        body.append([NAMES.get(name, name), *cells, f"{min(epochs):g} to {max(epochs):g}"])
    rows = [
        {"method": name, "seed": run.spec.seed, **run.spec.config, **run.metrics}
        for name, runs in summary.finals.items()
        for run in runs
    ]
    runs = summary.finals["untuned"]
    caption = (
        f"The best configuration of each method, and the untuned one ({_words(UNTUNED)}), trained for "
        f"{runs[0].spec.config['epochs']} epochs: accuracies of the selected epoch, mean over {len(runs)} seeds ± half "
        "of its 95 % t interval; the earliest and the latest epoch selected. A method's configuration is the best of "
        f"its {len(summary.searches['grid'])} searches."
    )
    header = ("Configuration", "Train", "Validation", "Test", "Epoch selected")
    return Table(f"{SLUG}-final", caption, header, body, rows)
