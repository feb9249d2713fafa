"""Mutation test of every derivation: `python tests/mutants.py [NAME ...]`; exits with 1 if a wrong mutant survives.

Each sign, factor, term, index, exponent, sum and derivative of each displayed step is changed in turn. The symbolic
check alone has to refuse what the evaluator finds wrong; a wrong definition may instead be refused by the anchor.
Minutes, on all cores; the test suite runs a sample. The counts are kept for the page that shows them.
"""

import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime

from worked import derivations, ledger
from worked.machine import commit
from worked.records import Store, read_json, write_atomically
from worked.symbolic import mutate

AT_LEAST = 40  # wrong mutants for each derivation: fewer would mean that the operators find nothing to change
IN_ALL = 1200


def judge(report: mutate.Report, at_least: int = AT_LEAST) -> list[str]:
    """Return what is wrong with a report, nothing if it is as it should be."""
    problems = []
    if report.survivors:
        problems.append(f"{len(report.survivors)} wrong mutants were accepted")
    if report.total("wrong") < at_least:
        problems.append(f"only {report.total('wrong')} wrong mutants were tried, at least {at_least} are needed")
    return problems


def attack(name: str) -> tuple[mutate.Report, float]:
    """Mutate one derivation; also how many seconds it took."""
    start = time.monotonic()
    module = derivations.load(name)
    derived = module.derive()
    return mutate.run(mutate.candidates(derived), derived, module.anchors), time.monotonic() - start


def attacks(names: list[str]) -> Iterator[tuple[mutate.Report, float]]:
    """Mutate derivations side by side, one a core."""
    os.environ["OMP_NUM_THREADS"] = "1"
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(attack, names)


def main(names: list[str]) -> int:
    """Mutate the derivations, print a table for each, and keep the counts; those not named keep theirs."""
    failed, counts, wrong = False, {}, 0
    chosen = names or derivations.names()
    for name, (report, seconds) in zip(chosen, attacks(chosen), strict=True):
        problems = judge(report, AT_LEAST)
        print(f"{name}, {seconds:.0f} s\n{report.table()}\n{_refusals(report)}\n", flush=True)
        for problem in problems:
            print(f"{name}: {problem}", file=sys.stderr)
        failed |= bool(problems)
        wrong += report.total("wrong")
        here = {"created": datetime.now(UTC).isoformat(timespec="seconds"), "commit": commit()}
        counts[name] = ledger.mutation_counts(name, report) | here
    print(f"{wrong} wrong mutants in all")
    if not names and wrong < IN_ALL:
        print(f"expected at least {IN_ALL} wrong mutants in all, got {wrong}", file=sys.stderr)
        failed = True
    path = Store.default().root / "mutants.json"
    kept = read_json(path).get("derivations", {}) if names else {}
    noted = {"derivations": {name: row for name, row in (kept | counts).items() if name in derivations.names()}}
    write_atomically(path, (json.dumps(noted, indent=1, sort_keys=True) + "\n").encode())
    return int(failed)


def _refusals(report: mutate.Report) -> str:
    who = ", ".join(f"{count} by {by}" for by, count in sorted(report.definitions.items()))
    return f"wrong definitions refused: {who or 'there are none'}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
