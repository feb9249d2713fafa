"""How many hyperparameters a search can tune: summary, claims, figure and table of the study `search_dimensions`."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from statistics import fmean
from typing import Any

from worked import figures
from worked.claims import SUPPORTED, Claim
from worked.estimate import estimate, number
from worked.figures import Chart, Table
from worked.findings import Findings
from worked.findings.mnist_search import NAMES, WORDS, best_so_far, index_table, minus, told, trial_hours
from worked.records import Record
from worked.search import EXPLAINED, METHODS, Choice, Range, Space
from worked.studies.search_dimensions import FIXED, PARAMETERS, SLUG, STUDY
from worked.training import best_trial

COUNTS = (1, 3, 6)
STEPS = (*pairwise(COUNTS), (COUNTS[0], COUNTS[-1]))  # from fewer to more


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


def ahead(summary: Summary, count: int, one: str, other: str) -> list[float]:
    """How far one method ends ahead of another, for each seed."""
    return minus(summary.last(count, one), summary.last(count, other))


def _ahead(count: int, one: str, other: str) -> Callable[[Summary], list[float]]:
    return lambda s: ahead(s, count, one, other)


def _widens(other: str) -> Callable[[Summary], list[float]]:
    return lambda s: minus(ahead(s, COUNTS[-1], "bayes", other), ahead(s, COUNTS[0], "bayes", other))


def _more(method: str, many: int, few: int) -> Callable[[Summary], list[float]]:
    return lambda s: minus(s.last(many, method), s.last(few, method))


_DIFFERENCE = "difference of the best validation accuracies"
_OTHERS = {"grid": "the grid", "random": "random search", "sobol": "Sobol search"}

_PAIRS = (*(("bayes", other) for other in _OTHERS), ("random", "grid"))

CLAIMS = (
    *(Claim(f"dimensions-{count}-{one}-over-{other}",
            f"with {count} parameter{'s' * (count > 1)} to tune, {NAMES[one]} search ends above {_OTHERS[other]}",
            _ahead(count, one, other), _DIFFERENCE)
      for count in COUNTS for one, other in _PAIRS),
    *(Claim(f"dimensions-{other}-widens",
            f"the lead of Bayesian optimisation over {words} is larger with {COUNTS[-1]} parameters than with "
            f"{COUNTS[0]}", _widens(other), "difference of the leads")
      for other, words in _OTHERS.items()),
    *(Claim(f"dimensions-{method}-{many}-over-{few}",
            f"{NAMES[method]} search ends higher when it tunes {many} parameters than when it tunes {few}",
            _more(method, many, few), _DIFFERENCE)
      for method in METHODS for few, many in STEPS),
)  # fmt: skip


LEADS = {  # the rows of a table of claims, as below
    f"dimensions-{count}-{one}-over-{other}": (f"{NAMES[one]} > {NAMES[other]}", str(count))
    for count in COUNTS
    for one, other in _PAIRS
}
GROWTH = {
    f"dimensions-{method}-{many}-over-{few}": (NAMES[method], f"{many} > {few}")
    for method in METHODS
    for few, many in STEPS
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
    images = STUDY.profiles[summary.searches[1, "grid"][0].spec.profile].settings["images"]
    paying: dict[int, list[str]] = {}
    for method in METHODS:
        paying.setdefault(pays(summary, method), []).append(NAMES[method])
    so_far = "; ".join(
        f"at {'no step' if count == COUNTS[0] else f'each step up to {count}'} for {_listed(names, 'and')} search"
        for count, names in sorted(paying.items(), reverse=True)
    )
    return (
        f"How many parameters can be tuned at once? Going from {' to '.join(map(str, COUNTS))} is supported to pay "
        f"{so_far}. With {trials} trials of one epoch on {images:,} images, the best validation accuracies are, on "
        f"average over {repeats} repeats: {'; '.join(means)}. That a search ends "
        f"higher when it tunes {many} parameters than when it tunes {few} is {told(summary, CLAIMS, grown)}. That with "
        f"{many} Bayesian optimisation ends higher is {told(summary, CLAIMS, leads)}."
    )


def pays(summary: Summary, method: str) -> int:
    """The number of parameters up to which a method's claims of ending higher with more are all supported."""
    known = {claim.id: claim for claim in CLAIMS}
    for few, many in pairwise(COUNTS):
        if known[f"dimensions-{method}-{many}-over-{few}"].judge(summary).state != SUPPORTED:
            return few
    return COUNTS[-1]


def _listed(items: Sequence[object], word: str = "or") -> str:
    *most, last = map(str, items)
    return f"{', '.join(most)} {word} {last}" if most else last


def protocol(summary: Summary) -> str:
    """How the searches were made, in numbers of the study's own settings and records."""
    first = summary.searches[1, "grid"][0].spec
    settings = STUDY.profiles[first.profile].settings
    rates = {count: grid_values(summary, count, PARAMETERS[0].name) for count in COUNTS}
    grids = _listed([f"{len(values)} to the power of {count}" for count, values in rates.items()])
    highest = _listed([f"{number(values[-1])} with {count}" for count, values in rates.items()], "and")
    return (
        f"Each search has {settings['rounds']} trials and tunes the first {_listed(COUNTS)} of the parameters of the "
        f"table; the others are fixed. A grid has {grids} configurations, at the centres of equal parts of the ranges, "
        f"unlike the grid above: its highest learning rate is {highest}. A trial is one epoch on "
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

    ends = {rate.name: rate.high, momentum.name: momentum.high, batch.name: batch.values[0]}
    ours, theirs = ([having(configs, *end) for end in ends.items()] for configs in (best["bayes"], others))
    return (
        f"Of the best configurations of the {len(best['bayes'])} Bayesian searches over {COUNTS[-1]} parameters, "
        f"{ours[0]} have the highest learning rate of the range, {ours[1]} the highest momentum and {ours[2]} the "
        f"smallest batch, with which an epoch has most steps. Of those of the {len(others)} other searches, "
        f"{theirs[0]} have the first, {theirs[1]} the second and {theirs[2]} the third. Ax can propose the ends of the "
        "ranges of rate and momentum; random and Sobol points hardly ever come near both, and these grids never. How "
        "the methods compare where the best lies well inside the ranges, this study does not say, nor whether these "
        "configurations last in longer training, which those with a momentum of 1 need not (see above)."
    )


def grid_values(summary: Summary, count: int, parameter: str) -> list[float]:
    """The values of a parameter in the grid over ``count``."""
    return sorted({trial["config"][parameter] for trial in summary.searches[count, "grid"][0].trials})


def space(summary: Summary) -> Table:
    """What is tuned: ranges, the values that are fixed otherwise, and those of the grid over all."""
    parameters: Space = PARAMETERS
    body, rows = [], []
    for p in parameters:
        between = ", ".join(map(str, p.values)) if isinstance(p, Choice) else f"{number(p.low)} to {number(p.high)}"
        scale = ", logarithmic" if isinstance(p, Range) and p.log else ""
        fixed = number(FIXED[p.name]) if p.name in FIXED else "–"
        grid = ", ".join(map(number, grid_values(summary, len(parameters), p.name)))
        body.append([WORDS.get(p.name, p.name).capitalize(), between + scale, fixed, grid])
        rows.append({"parameter": p.name, "range": between + scale, "fixed": fixed, "grid": grid})
    caption = (
        "Parameters in the order in which they are tuned: what they may be, what they are where they are fixed, and "
        f"their values in the grid over {len(parameters)}."
    )
    header = ("Parameter", "Range", "Fixed at", f"Grid over {len(parameters)}")
    return Table(f"{SLUG}-space", caption, header, body, rows)


def cost(summary: Summary) -> Table:
    """Minutes of a search."""
    minutes = {
        key: [math.fsum(t["seconds"] + t["proposal_seconds"] for t in record.trials) / 60 for record in records]
        for key, records in summary.searches.items()
    }
    body = [[str(count), *(f"{fmean(minutes[count, method]):.1f}" for method in METHODS)] for count in COUNTS]
    rows = [
        {"parameters": count, "method": method, "minutes": one}
        for (count, method), each in minutes.items()
        for one in each
    ]
    caption = "Minutes of a search as measured, model fitting included: mean over the repeats."
    return Table(f"{SLUG}-cost", caption, ("Parameters", *(NAMES[m].capitalize() for m in METHODS)), body, rows)


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
        "interval. All methods have the same seeds, and the claims compare within seeds."
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
