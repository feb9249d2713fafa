"""All proofs and all claims of the book, and the verdicts that were accepted."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from worked import benchmark, derivations, findings
from worked.claims import CHANCE, NOT_SUPPORTED, SUPPORTED, UNDECIDED, Verdict
from worked.findings import Findings
from worked.page import PROOFS
from worked.records import RecordError, Store, read_json, write_atomically
from worked.study import StudyError


@cache
def proofs() -> list[Any]:
    """Every derivation, proved in this build or in one before it; the first step that is not proved raises."""
    return [derivations.proof(name, PROOFS) for name in derivations.names()]


def judged(finding: Findings, store: Store) -> list[Verdict]:
    """A study's claims, judged on the records of its best complete profile."""
    profile = finding.study.best_profile(store)
    if profile is None:
        finding.study.present("full", store)  # names a damaged record
        raise StudyError(f"{finding.study.slug} lacks records: run `worked run {finding.study.slug}`")
    summary = finding.summarise(finding.study.present(profile, store))
    return [claim.judge(summary) for claim in finding.claims]


@dataclass(frozen=True)
class Chapter:
    """One study, or the benchmark, with its claims judged."""

    title: str
    question: str
    verdicts: list[Verdict]


def chapters(store: Store) -> list[Chapter]:
    """Every study, and the benchmark."""
    studies = [Chapter(one.study.title, one.study.question, judged(one, store)) for one in findings.every()]
    return [*studies, Chapter(benchmark.TITLE, benchmark.QUESTION, benchmark.verdicts(store))]


def verdicts(chapters: Sequence[Chapter]) -> list[Verdict]:
    """Every claim of ``chapters``, judged."""
    return [verdict for chapter in chapters for verdict in chapter.verdicts]


def accept(store: Store, today: list[Verdict]) -> None:
    """Note today's verdicts as the accepted ones, in ``verdicts.json``."""
    noted = {verdict.claim.id: verdict.state for verdict in today}
    write_atomically(store.root / "verdicts.json", (json.dumps(noted, indent=1, sort_keys=True) + "\n").encode())


def changes(store: Store, today: list[Verdict]) -> list[str]:
    """What differs from the accepted verdicts, a sentence each; an honest "not supported" is no difference."""
    accepted = read_json(store.root / "verdicts.json")
    now = {verdict.claim.id: verdict.state for verdict in today}
    return [
        f"the claim {name} is {now.get(name, 'gone')}, accepted was {accepted.get(name, 'nothing')}: "
        "if that is right, run `worked verify --accept`"
        for name in sorted(now | accepted)
        if now.get(name) != accepted.get(name)
    ]


# -- what the home page and the ledger page show -----------------------------------------------------------------------


def state(chapters: Sequence[Chapter]) -> str:
    """The state of the book's proofs and claims in two sentences."""
    told = [proof.verdict() for proof in proofs()]
    counts = Counter(verdict.state for verdict in verdicts(chapters))
    steps, assumed = (sum(proof[name] for proof in told) for name in ("steps", "assumed"))
    derived = f"{len(told)} derivation" + ("s" if len(told) > 1 else "")
    return (
        f"{derived}: {steps - assumed} steps, proved when this book was built, from {assumed} definitions. "
        f"{counts.total()} claims: {counts[SUPPORTED]} supported, {counts[NOT_SUPPORTED]} not supported, "
        f"{counts[UNDECIDED]} undecided."
    )


def chance(chapters: Sequence[Chapter]) -> str:
    """How many claims would hold if there were nothing behind them."""
    n = len(verdicts(chapters))
    return (
        f"A claim is *supported* when its two-sided 95 % interval lies above zero. Were all {n} effects exactly zero, "
        f"{n * CHANCE:.1f} of them would be expected to be called supported by chance, and as many not supported."
    )


def proof_table() -> str:
    """Every derivation: steps, assumptions and the largest error of each numeric gate, as MyST."""
    lines = [":::{list-table} Derivations and their three gates", ":name: ledger-proofs", ":header-rows: 1"]
    lines += [":class: numbers", ""]
    header = ("Derivation", "Steps proved", "Definitions", "Values", "Autograd", "Differences", "Anchor")
    rows: list[tuple[str, ...]] = [header]
    for name, proof in zip(derivations.names(), proofs(), strict=True):
        told = proof.verdict()
        page = f"../{getattr(derivations.load(name), 'PAGE', 'derivations/' + told['slug'])}.md"
        anchor = max(anchor["error"] for anchor in told["anchors"])
        errors = (*(told[gate]["error"] for gate in ("values", "autograd", "finite_difference")), anchor)
        link = f"[{told['title']}]({page})"
        told_errors = ("none" if error is None else f"{error:.0e}" for error in errors)
        rows.append((link, str(told["steps"] - told["assumed"]), str(told["assumed"]), *told_errors))
    for row in rows:
        lines += [("* - " if n == 0 else "  - ") + cell for n, cell in enumerate(row)]
    return "\n".join(lines) + "\n:::\n"


def mutation_counts(name: str, report: Any) -> dict[str, Any]:
    """What became of the mutants of one derivation, with a fingerprint of what was mutated."""
    return {
        "stated": derivations.stated(name),
        "wrong": report.total("wrong"),
        "rejected": report.total("wrong", "rejected"),
        "equivalent": report.total("equivalent"),
        "definitions": dict(report.definitions),
    }


def mutation_table(store: Store) -> str:
    """What became of the wrong mutants at the last whole run of ``make mutants``, as MyST."""
    noted = read_json(store.root / "mutants.json")
    if not noted:
        raise RecordError(f"{store.root / 'mutants.json'} is missing: run `make mutants`")
    counts: dict[str, dict[str, Any]] = noted["derivations"]
    sums: Counter[str] = Counter()
    header = ("Derivation", "Wrong mutants", "Refused", "Wrong definitions", "by a step", "by an anchor")
    rows: list[tuple[str, ...]] = [header]
    cells: dict[str, int] = {}
    for name, row in sorted(counts.items()):
        by = Counter(row["definitions"])
        cells = {
            "wrong": row["wrong"],
            "rejected": row["rejected"],
            "definitions": by.total(),
            "a step": by["a step"] + by["both"],
            "an anchor": by["an anchor"] + by["both"],
        }
        sums.update(cells)
        rows.append((derivations.load(name).TITLE, *(f"{count:,}" for count in cells.values())))
    rows.append(("All", *(f"{sums[cell]:,}" for cell in cells)))
    days = sorted({row["created"][:10] for row in counts.values()})
    commits = sorted({row["commit"][:8] for row in counts.values()})
    stale = [name for name in derivations.names() if counts.get(name, {}).get("stated") != derivations.stated(name)]
    others = f" Their steps have changed since then: {', '.join(stale)}." if stale else ""
    lines = [
        f"Counted by `make mutants` on {' and '.join(days)}, at the commits {', '.join(commits)}.{others}",
        "",
        ":::{list-table} What became of the wrong mutants",
        ":name: ledger-mutants",
        ":header-rows: 1",
        ":class: numbers",
        "",
    ]
    for cells_of in rows:
        lines += [("* - " if n == 0 else "  - ") + cell for n, cell in enumerate(cells_of)]
    return "\n".join(lines) + "\n:::\n"


def claim_list(verdicts: Sequence[Verdict]) -> str:
    """Claims with verdict and evidence, each linked to its place on its page, as MyST."""
    lines = []
    for verdict in verdicts:
        kind = verdict.state.replace(" ", "-")
        lines.append(
            f"- [{verdict.state}]{{.verdict .{kind}}} [{verdict.claim.statement}](#claim-{verdict.claim.id}): "
            f"{verdict.numbers}"
        )
    return "\n".join(lines)


def claim_lists(chapters: Sequence[Chapter]) -> str:
    """The claims of every chapter, each list under its title and question, as MyST."""
    return "\n\n".join(
        f"**{one.title}.** {one.question}\n\n{claim_list(one.verdicts)}" for one in chapters if one.verdicts
    )
