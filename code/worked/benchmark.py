"""The speed of the training engine as `benchmarks/engine.py` measured it: a record a device, tables and claims."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from worked.claims import Claim, Verdict, within
from worked.estimate import estimate
from worked.figures import Table
from worked.records import RecordError, Store, read_json

TITLE = "The training engine"
QUESTION = "How near is the engine to the limit of the machine, and does it learn the same?"
LENET, CNN, MANY = "LeNet-5", "CIFAR-10 CNN", "25 configs of the search network"
KEPT = "stock loop with kept memory"  # what its process frees, as ours
EQUAL = "times stock loop, both in float32"
SAME = 0.01  # two accuracies that differ by less than this are called equal
# How many times as fast as the stock loop, and which share of the floor; None where nothing is asked.
BOUNDS: dict[str, dict[str, tuple[float, float | None]]] = {
    "cpu": {LENET: (2.5, 0.9), CNN: (4.0, 0.9)},
    "cuda": {LENET: (20.0, None), CNN: (20.0, 0.8)},
}
DEVICES = {"cpu": "CPU", "cuda": "GPU"}
MANY_WAYS = {"cpu": "in processes", "cuda": "at once"}


@dataclass(frozen=True)
class Benchmark:
    """One record: everything that was timed on one device, in rounds."""

    device: str  # cpu or cuda
    record: Mapping[str, Any]

    @property
    def measured(self) -> Mapping[str, Any]:
        """What was timed, by name: seconds and ratios of every round."""
        return self.record["measured"]

    def ratio(self, workload: str, name: str) -> list[float]:
        """A ratio in every round."""
        return self.measured[workload]["ratios"][name]

    def provenance(self, workload: str) -> str:
        """One line on where and when a part was measured."""
        environment = self.record["environment"]
        parts = (
            f"{self.record['source']} data",
            environment["device_name"],
            *self.measured[workload].get("instructions", [])[-1:],  # the widest
            f"{environment['threads']} threads",
            "PyTorch " + environment["torch"].partition("+")[0],
            self.measured[workload]["created"][:10],
            f"[record](repo:results/benchmarks/{self.device}.json)",
        )
        return " · ".join(parts)


def read(device: str, store: Store) -> Benchmark | None:
    """The record of ``device``, None where none was made.

    Raises:
        RecordError: the record is not one of `benchmarks/engine.py`.
    """
    path = store.root / "benchmarks" / f"{device}.json"
    if not path.exists():
        return None
    found = Benchmark(device, read_json(path))
    try:
        brief(found)  # judges all that is asked
    except KeyError as lost:
        raise RecordError(f"{path} lacks {lost}: run `python code/benchmarks/engine.py` again") from None
    return found


def every(store: Store) -> list[Benchmark]:
    """The records there are."""
    return [found for device in BOUNDS if (found := read(device, store))]


def accuracy(workload: str) -> str:
    """The part of a record that compares the accuracies of the loops."""
    return f"Accuracy, {workload}"


def _ratio(workload: str, name: str) -> Callable[[Benchmark], Sequence[float]]:
    return lambda benchmark: benchmark.ratio(workload, name)


def _own(seconds: Mapping[str, Sequence[float]]) -> str:
    """Which of our contenders counts: the one with the lowest median."""
    names = (name for name in seconds if name.startswith(("ours,", "augmentation, ours", "in ", "at once")))
    return min(names, key=lambda name: statistics.median(seconds[name]))


def _difference(workload: str, ours: str | None = None) -> Callable[[Benchmark], Sequence[float]]:
    """Accuracies of ours less those of the stock loop, a pair a seed; in the precision that counts if none is given."""

    def evidence(benchmark: Benchmark) -> list[float]:
        reached = benchmark.measured[accuracy(workload)]["reached"]
        own = reached[ours or _own(benchmark.measured[workload]["seconds"])]
        return [mine - theirs for mine, theirs in zip(own, reached["stock loop"], strict=True)]

    return evidence


def claims(device: str) -> list[Claim]:
    """What is asked of the engine on a device."""
    place, found = f"on this {DEVICES[device]}", []
    for workload, (times, share) in BOUNDS[device].items():
        slug = f"engine-{device}-{workload.split()[-1].lower()}"
        loops = {"stock": "stock loop"} | ({"stock-kept": KEPT} if device == "cpu" else {})  # a GPU's memory is its own
        found += [
            Claim(f"{slug}-{name}", f"{place}, the {workload} trains at least {times:g} times as fast as the {loop}",
                  _ratio(workload, f"times {loop}"), "mean ratio", "times", 1.0, least=times)
            for name, loop in loops.items()
        ]  # fmt: skip
        if share:
            found.append(
                Claim(f"{slug}-floor",
                      f"{place}, training the {workload} reaches {100 * share:g} % of the speed that computing alone "
                      "allows",
                      _ratio(workload, "share of the floor"), "mean share", "%", least=share)
            )  # fmt: skip
        found.append(
            Claim(f"{slug}-accuracy",
                  f"{place}, the {workload} in the precision that is faster reaches the stock loop's test accuracy, "
                  f"within {100 * SAME:g} percentage point, after the same epochs", _difference(workload),
                  "difference", holds=within(SAME))
        )  # fmt: skip
    way, bound = MANY_WAYS[device], 10.0 if device == "cuda" else 1.0
    words = f"{bound:g} times as fast as" if bound > 1 else "faster than"
    found.append(
        Claim(f"engine-{device}-many", f"{place}, 25 configs {way} train {words} 25 in turn",
              _ratio(MANY, f"times in turn, {way}"), "mean ratio", "times", 1.0, least=bound)
    )  # fmt: skip
    return found


def judged(benchmark: Benchmark) -> list[Verdict]:
    """Every claim on the record's device."""
    return [claim.judge(benchmark) for claim in claims(benchmark.device)]


def verdicts(store: Store) -> list[Verdict]:
    """Every claim on every device that has a record."""
    return [verdict for benchmark in every(store) for verdict in judged(benchmark)]


def brief(benchmark: Benchmark) -> str:
    """The answer in a few sentences."""
    told = []
    for workload in BOUNDS[benchmark.device]:
        ratio, equal, kept, limit = (
            spread(benchmark.ratio(workload, name))
            for name in ("times stock loop", EQUAL, f"times {KEPT}", "times stock loop, of the floor")
        )
        share = spread([100 * value for value in benchmark.ratio(workload, "share of the floor")], 0)
        told.append(
            f"- **{workload}** trains {ratio} times as fast as with the stock loop; {equal} times if both compute in "
            f"float32, and {kept} times as fast as with a stock loop that keeps its memory. It reaches {share} % of "
            f"the speed of computing alone, which is {limit} times as fast as the stock loop."
        )
    verdicts = judged(benchmark)
    for title, ends in (
        ("Targets, set before anything was measured", ("-stock", "-floor")),
        ("The same against a stock loop that keeps its memory", ("-stock-kept",)),
    ):
        asked = [v for v in verdicts if v.claim.id.endswith(ends)]
        said = [f"- {v.claim.statement[0].upper()}{v.claim.statement[1:]}: **{v.state}**" for v in asked]
        told += ["", f"{title}:", "", *said] if said else []
    threads, place = benchmark.record["environment"]["threads"], DEVICES[benchmark.device]
    return (
        f"On {threads} threads of this {place}; median, smallest and largest of the rounds. A verdict rests on the "
        "95 % interval of their mean.\n\n" + "\n".join(told)
    )


def missing(store: Store) -> str:
    """Which devices have no record, in a sentence; nothing where all have one."""
    lost = [name for device, name in DEVICES.items() if read(device, store) is None]
    if not lost:
        return ""
    asked = "; ".join(claim.statement for device in DEVICES if DEVICES[device] in lost for claim in claims(device))
    return f"**Not measured:** no record of a {' or a '.join(lost)} exists. What is asked there, unanswered: {asked}."


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Median, smallest and largest."""
    low, middle, high = (f"{value:.{digits}f}" for value in (min(values), statistics.median(values), max(values)))
    return f"{middle} ({low} to {high})"


def times(benchmark: Benchmark, workload: str) -> Table:
    """Seconds of every contender, and how many times ours."""
    measured = benchmark.measured[workload]
    seconds: Mapping[str, list[float]] = measured["seconds"]
    own = _own(seconds)
    digits = 2 if statistics.median(seconds[own]) > 1 else 3
    body = [
        [name, spread(taken, digits), spread([a / b for a, b in zip(taken, seconds[own], strict=True)])]
        for name, taken in sorted(seconds.items(), key=lambda item: statistics.median(item[1]))
    ]
    rows = [{"name": name, "round": n, "seconds": t} for name, taken in seconds.items() for n, t in enumerate(taken, 1)]
    caption = (
        f"{workload}: {measured['epochs']} epoch{'s' * (measured['epochs'] > 1)} of {measured['images']:,} images in "
        f"batches of {measured['batch']}. Median, smallest and largest of {measured['rounds']} interleaved rounds; the "
        f"ratio, taken within a round, is to *{own}*."
    )
    name = f"engine-{benchmark.device}-{'-'.join(workload.lower().replace(',', '').split())}"
    header = ("What ran", "Seconds", f"Time relative to “{own}”")
    return Table(name, caption, header, body, rows, benchmark.provenance(workload))


def accuracies(benchmark: Benchmark) -> Table:
    """Test accuracy of both loops after the same epochs."""
    trained, body, rows = [], [], []
    for workload in BOUNDS[benchmark.device]:
        measured = benchmark.measured[accuracy(workload)]
        reached = measured["reached"]
        trained.append(f"{workload}: {measured['epochs']} epochs of {measured['images']:,} images")
        for ours in (name for name in reached if name != "stock loop"):
            gap = estimate(_difference(workload, ours)(benchmark))
            points = f"{100 * gap.mean:+.2f} ({100 * gap.low:+.2f} to {100 * gap.high:+.2f})".replace("-", "−")
            means = [estimate(reached[loop]).percent for loop in (ours, "stock loop")]
            body.append([workload, ours.partition(", ")[2], *means, points])
        rows += [
            {"workload": workload, "loop": loop, "seed": seed, "accuracy": value}
            for loop, values in reached.items()
            for seed, value in enumerate(values)
        ]
    caption = (
        f"Test accuracy after the same epochs on the same images ({'; '.join(trained)}), from the same initial "
        "weights, under a one-cycle rate; the stock loop computes in float32. Mean ± half of the 95 % interval over "
        "seeds, and the difference in percentage points with its interval."
    )
    header = ("Network", "Precision of ours", "Ours", "Stock loop", "Difference")
    return Table(
        f"engine-{benchmark.device}-accuracies", caption, header, body, rows, benchmark.provenance(accuracy(CNN))
    )
