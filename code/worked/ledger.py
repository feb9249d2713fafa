"""All proofs and all claims of the book, and the verdicts that were accepted."""

import json

from worked import derivations, findings
from worked.claims import Verdict
from worked.records import Store, write_atomically
from worked.study import StudyError


def proofs() -> list:
    """Every derivation, proved now; the first step that is not proved raises."""
    return [derivations.prove(name) for name in derivations.names()]


def verdicts(store: Store) -> list[Verdict]:
    """Every claim, judged on the records of its study's best complete profile."""
    out = []
    for finding in findings.every():
        profile = finding.study.best_profile(store)
        if profile is None:
            raise StudyError(f"{finding.study.slug} lacks records: run `worked run {finding.study.slug}`")
        summary = finding.summarise(finding.study.present(profile, store))
        out += [claim.judge(summary) for claim in finding.claims]
    return out


def accept(store: Store, today: list[Verdict]) -> None:
    """Note today's verdicts as the accepted ones, in ``verdicts.json``."""
    noted = {verdict.claim.id: verdict.state for verdict in today}
    write_atomically(store.root / "verdicts.json", (json.dumps(noted, indent=1, sort_keys=True) + "\n").encode())


def changes(store: Store, today: list[Verdict]) -> list[str]:
    """What differs from the accepted verdicts, a sentence each; an honest "not supported" is no difference."""
    path = store.root / "verdicts.json"
    accepted = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    now = {verdict.claim.id: verdict.state for verdict in today}
    return [
        f"the claim {name} is {now.get(name, 'gone')}, accepted was {accepted.get(name, 'nothing')}: "
        "if that is right, run `worked verify --accept`"
        for name in sorted(now | accepted)
        if now.get(name) != accepted.get(name)
    ]
