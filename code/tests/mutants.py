"""Mutation test of every derivation: `python tests/mutants.py`; exits with 1 if a wrong mutant survives.

Each sign, factor, term, index, exponent, sum and derivative of each displayed step is changed in turn. The symbolic
check alone has to refuse what the evaluator finds wrong. Minutes; the test suite runs a sample.
"""

import sys
import time

from worked import derivations
from worked.symbolic import mutate

AT_LEAST = 160  # wrong mutants for each derivation: fewer would mean that the operators find nothing to change


def judge(report: mutate.Report, at_least: int = AT_LEAST) -> list[str]:
    """Return what is wrong with a report, nothing if it is as it should be."""
    problems = []
    if report.survivors:
        problems.append(f"{len(report.survivors)} wrong mutants were accepted")
    if report.total("wrong") < at_least:
        problems.append(f"only {report.total('wrong')} wrong mutants were tried, at least {at_least} are needed")
    return problems


def main() -> int:
    """Mutate every derivation and print a table for each."""
    failed = False
    for name in derivations.names():
        start = time.monotonic()
        report = mutate.run(mutate.candidates(derivations.load(name).derive()))
        problems = judge(report)
        print(f"{name}, {time.monotonic() - start:.0f} s\n{report.table()}\n", flush=True)
        for problem in problems:
            print(f"{name}: {problem}", file=sys.stderr)
        failed |= bool(problems)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
