"""How many hyperparameters a search can tune: summary, claims, figure and table of the study `search_dimensions`."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from statistics import fmean
from typing import Any

from worked import figures
from worked.claims import Claim
from worked.estimate import estimate
from worked.figures import Chart, Table
from worked.findings import Findings
from worked.findings.mnist_search import NAMES, WORDS, best_so_far, index_table, minus, told, trial_hours
from worked.records import Record
from worked.search import EXPLAINED, METHODS
from worked.studies.search_dimensions import FIXED, PARAMETERS, SLUG, STUDY
from worked.training import best_trial

COUNTS = (1, 3, 6)


class Summary:
    """``searches`` by number of parameters and method, in the order of the seeds."""

    def __init__(self, records: Sequence[Record]):
        ordered = sorted(records, key=lambda record: record.spec.seed)
        self.searches = {
            (count, method): [
                r for r in ordered if (r.spec.config["parameters"], r.spec.config["search"]) == (count, method)
            ]
            for count in COUNTS
            for method in METHODS
        }

    def best_so_far(self, count: int, method: str) -> list[list[float]]:
        """The highest validation accuracy after each round, for each seed; 0 before any trial has one."""
        return best_so_far(self.searches[count, method])

    def last(self, count: int, method: str) -> list[float]:
        """The best validation accuracy of all rounds, for each seed."""
        return [curve[-1] for curve in self.best_so_far(count, method)]


def ahead(summary: Summary, count: int, other: str) -> list[float]:
    """How far Bayesian optimisation ends ahead of another method, for each seed."""
    return minus(summary.last(count, "bayes"), summary.last(count, other))


def _ahead(count: int, other: str) -> Callable[[Summary], list[float]]:
    return lambda s: ahead(s, count, other)


def _widens(other: str) -> Callable[[Summary], list[float]]:
    return lambda s: minus(ahead(s, COUNTS[-1], other), ahead(s, COUNTS[0], other))


def _more(method: str, many: int, few: int) -> Callable[[Summary], list[float]]:
    return lambda s: minus(s.last(many, method), s.last(few, method))


_DIFFERENCE = "difference of the best validation accuracies"
_OTHERS = {"grid": "the grid", "random": "random search", "sobol": "Sobol search"}

CLAIMS = (
    *(Claim(f"dimensions-{count}-bayes-over-{other}",
            f"with {count} parameter{'s' * (count > 1)} to tune, Bayesian optimisation ends above {words}",
            _ahead(count, other), _DIFFERENCE)
      for count in COUNTS for other, words in _OTHERS.items()),
    *(Claim(f"dimensions-{other}-widens",
            f"the lead of Bayesian optimisation over {words} is larger with {COUNTS[-1]} parameters than with "
            f"{COUNTS[0]}", _widens(other), "difference of the leads")
      for other, words in _OTHERS.items()),
    *(Claim(f"dimensions-{method}-{many}-over-{few}",
            f"{NAMES[method]} search ends higher when it tunes {many} parameters than when it tunes {few}",
            _more(method, many, few), _DIFFERENCE)
      for method in METHODS for few, many in pairwise(COUNTS)),
)  # fmt: skip


LEADS = {  # the rows of a table of claims, as below
    f"dimensions-{count}-bayes-over-{other}": (f"{NAMES['bayes']} > {NAMES[other]}", str(count))
    for count in COUNTS
    for other in _OTHERS
}
GROWTH = {
    f"dimensions-{method}-{many}-over-{few}": (NAMES[method], f"{many} > {few}")
    for method in METHODS
    for few, many in pairwise(COUNTS)
}


def name(record: Record) -> str:
    """A record in the words of the page."""
    count = record.spec.config["parameters"]
    return f"{NAMES[record.spec.config['search']]} search over {count} parameter{'s' * (count > 1)}"


FINDINGS = Findings(STUDY, Summary, CLAIMS, name)


def brief(summary: Summary) -> str:
    """How many parameters each method could use, in words that are right however the runs fell."""
    means = [
        f"{NAMES[m]} {', '.join(f'{100 * fmean(summary.last(count, m)):.1f}' for count in COUNTS)} %" for m in METHODS
    ]
    few, many = COUNTS[-2:]
    grown = {f"dimensions-{m}-{many}-over-{few}": f"for {NAMES[m]} search" for m in METHODS}
    leads = {f"dimensions-{many}-bayes-over-{other}": f"against {words}" for other, words in _OTHERS.items()}
    trials, repeats = len(summary.best_so_far(1, "grid")[0]), len(summary.last(1, "grid"))
    return (
        f"How many parameters can be tuned at once? With {trials} shorter trials for {_listed(COUNTS)} parameters, the "
        f"best validation accuracies are, on average over {repeats} repeats: {'; '.join(means)}. That a search ends "
        f"higher when it tunes {many} parameters than when it tunes {few} is {told(summary, CLAIMS, grown)}. That with "
        f"{many} Bayesian optimisation ends higher is {told(summary, CLAIMS, leads)}."
    )


def _listed(items: Sequence[object]) -> str:
    *most, last = map(str, items)
    return f"{', '.join(most)} or {last}"


def protocol(summary: Summary) -> str:
    """How the searches were made, in numbers of the study's own settings and records."""
    first = summary.searches[1, "grid"][0].spec
    settings = STUDY.profiles[first.profile].settings
    names = [WORDS.get(parameter.name, parameter.name) for parameter in PARAMETERS]
    fixed = ", ".join(f"{WORDS.get(name, name)} {value:g}" for name, value in FIXED.items())
    levels = _listed([f"{round(settings['rounds'] ** (1 / count))} to the power of {count}" for count in COUNTS])
    return (
        f"Each search has {settings['rounds']} trials and tunes the first {_listed(COUNTS)} of these: "
        f"{', '.join(names)}. What it does not tune is fixed: {fixed}. A grid has {levels} "
        "configurations, at the centres of equal parts of the ranges. A trial is one epoch on "
        f"{settings['images']:,} training images; otherwise it is as above, as are the methods. Every search is "
        f"repeated with {len(settings['seeds'])} seeds. "
        f"{trial_hours([record for records in summary.searches.values() for record in records])}"
    )


def at_the_ends(summary: Summary) -> str:
    """How many of the best configurations lie at the ends of the ranges of learning rate, momentum and batch size."""
    rate, momentum, _, batch = PARAMETERS[:4]
    best = {m: [best_trial(r.trials)["config"] for r in summary.searches[COUNTS[-1], m]] for m in METHODS}
    others = [config for method in METHODS if method != "bayes" for config in best[method]]

    def having(configs: Sequence[Mapping[str, Any]], parameter: str, value: object) -> int:
        return sum(config[parameter] == value for config in configs)

    counts = [
        having(configs, name, value)
        for name, value in ((rate.name, rate.high), (momentum.name, momentum.high), (batch.name, batch.values[0]))
        for configs in (best["bayes"], others)
    ]
    told = (
        f"the highest learning rate of its range in {counts[0]} ({counts[1]}), the highest momentum in {counts[2]} "
        f"({counts[3]}), and the smallest batch, with which an epoch has most steps, in {counts[4]} ({counts[5]})"
    )
    return (
        f"The best configurations of the {len(best['bayes'])} Bayesian searches over {COUNTS[-1]} parameters (in "
        f"brackets: of the {len(others)} searches by the other methods) have {told}. The middles of a grid never are "
        "the end of a range, and points drawn at random or from a Sobol sequence hardly ever. How the methods compare "
        "where the best configuration lies well inside the ranges, this study does not say."
    )


def progress(summary: Summary) -> Chart:
    """Validation error of the best trial so far against rounds, a panel for each number of parameters."""
    panes = []
    for count in COUNTS:
        errors = {
            NAMES[m]: [[100 * (1 - best) for best in curve] for curve in summary.best_so_far(count, m)] for m in METHODS
        }
        places = range(1, len(errors["grid"][0]) + 1)
        panes.append(figures.Pane(f"{count} parameter{'s' * (count > 1)}", "round", places, errors))
    caption = (
        "Validation error of the best trial so far, by the number of parameters tuned: geometric mean over the repeats "
        "and its 95 % interval (bands)."
    )
    return figures.stacked(f"{SLUG}-progress", panes, caption=caption, ylabel="validation error (%)")


def accuracies(summary: Summary) -> Table:
    """Best validation accuracy of each method for each number of parameters, and the leads of Bayesian optimisation."""
    body = []
    for count in COUNTS:
        cells = (estimate(summary.last(count, method)).percent for method in METHODS)
        body.append([str(count), *cells])
    rows = [
        {"parameters": count, "method": method, "seed": record.spec.seed, **_final(record)}
        for (count, method), records in summary.searches.items()
        for record in records
    ]
    caption = (
        "Best validation accuracy of a search, by the number of parameters: mean over the repeats ± half of its 95 % t "
        "interval."
    )
    header = ("Parameters", *(NAMES[m].capitalize() for m in METHODS))
    return Table(f"{SLUG}-accuracies", caption, header, body, rows)


def _final(record: Record) -> dict[str, float | None]:
    return {
        "validation_accuracy": record.metrics["validation_accuracy"],
        **{p.name: record.metrics.get(f"sensitivity_{p.name}") for p in PARAMETERS},
    }


def sensitivities(summary: Summary) -> Table:
    """The total Sobol index of each of the six parameters in the surrogates of the searches that tuned all."""
    caption = (
        f"Total Sobol index of each of the {COUNTS[-1]} parameters in the surrogate that Ax fits to a method's trials, "
        "divided by their sum"
    )
    searches = {method: summary.searches[COUNTS[-1], method] for method in EXPLAINED}
    return index_table(f"{SLUG}-sensitivities", caption, PARAMETERS, searches)
