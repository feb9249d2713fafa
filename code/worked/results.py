"""A study's records, ready to be shown on a page: notice, figures, tables, claims, provenance."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from worked.claims import Verdict
from worked.estimate import percent
from worked.figures import Chart, Table
from worked.findings import Findings
from worked.page import Text
from worked.records import Record, Store
from worked.study import DRAWN, Study, StudyError


def claim(verdict: Verdict) -> Text:
    """A claim in the place of its sentence: what may be said, the verdict's word, effect, interval and n."""
    kind = verdict.state.replace(" ", "-")
    return Text(
        f"(claim-{verdict.claim.id})=\n{{.claim .{kind}}}\n{verdict.sentence} "
        f"[{verdict.state}]{{.verdict .{kind}}} ({verdict.numbers})\n"
    )


def of(findings: Findings) -> "Results":
    """The records of the best profile that is complete; ``StudyError`` where none is."""
    store, study = Store.default(), findings.study
    profile = study.best_profile(store)
    if profile is None:
        missing = sum(store.read(spec) is None for spec in study.wanted("full", store))
        raise StudyError(f"{study.slug} lacks {missing} or more records: run `worked run {study.slug}`")
    return Results(findings, profile, store)


@dataclass(frozen=True)
class Results:
    """What a study has measured, ready to be shown."""

    findings: Findings
    profile: str
    store: Store

    @property
    def study(self) -> Study:
        """The study."""
        return self.findings.study

    @cached_property
    def records(self) -> list[Record]:
        """All records of the profile."""
        return self.study.present(self.profile, self.store)

    @cached_property
    def summary(self) -> Any:
        """The study's own view of its records."""
        return self.findings.summarise(self.records)

    def notice(self) -> Text | None:
        """A box that says what is not the full protocol, official data or today's code; None where all is."""
        said = []
        if self.profile != "full":
            said.append(f"This is the profile *{self.profile}*, a reduced form of the exercise's protocol.")
        for kind in sorted({record.data_source for record in self.records} - {"official", DRAWN}):
            said.append(
                f"The data are *{kind}*, not the official set: accuracies here do not compare with published ones."
            )
        unreplayed = self.unreplayed
        if unreplayed:
            said.append(
                f"{len(unreplayed)} of {len(self.records)} records were measured with other code than today's and "
                "have not been replayed with it."
            )
        return Text(":::{warning}\n" + " ".join(said) + "\n:::\n") if said else None

    @cached_property
    def unreplayed(self) -> list[str]:
        """Keys of the records that today's code has neither made nor replayed."""
        return self.study.unreplayed(self.records, self.store)

    def provenance(self, records: Sequence[Record]) -> str:
        """One line on ``records``: profile, data, seeds, device, code, date, where they are."""
        first = records[0]
        seeds = sorted({record.spec.seed for record in records})
        devices = sorted({record.environment["device_name"] for record in records})
        versions = sorted({"PyTorch " + record.environment["torch"].partition("+")[0] for record in records})
        dates = sorted({record.created[:10] for record in records})
        codes = sorted({record.code[:8] for record in records})
        kinds = sorted({record.data_source for record in records})
        if first.data_source == DRAWN:
            data = f"data drawn by each run: {first.spec.data['name']}"
        else:
            data = f"{' and '.join(kinds)} {first.spec.data['name']} data ({first.data_fingerprint['train'][:8]})"
        folder = f"results/{self.study.slug}"
        parts = (
            f"Profile {self.profile}",
            data,
            f"seeds {seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else f"seed {seeds[0]}",
            " and ".join(devices),
            " and ".join(versions),
            f"code {' and '.join(codes)}",
            " to ".join(dict.fromkeys((dates[0], dates[-1]))),
            f"[{len(records)} record{'s' if len(records) > 1 else ''}](repo:{folder})",
        )
        return " · ".join(parts)

    def show(self, draw: Callable[[Any], Chart | Table], *, searches: bool = False) -> Chart | Table:
        """A figure or table of the study's summary, with the provenance of the searches, or of the runs."""
        return replace(draw(self.summary), provenance=self._told(searches))

    def _told(self, searches: bool) -> str:
        return self.provenance([record for record in self.records if bool(record.trials) == searches])

    def claims(self, *names: str) -> Text:
        """The verdicts on some of the study's claims, each in the place of its sentence."""
        return Text("\n".join(claim(self.verdict(name)).myst for name in names))

    def claim_table(
        self,
        label: str,
        caption: str,
        header: Sequence[str],
        rows: Mapping[str, Sequence[str]],
        *,
        searches: bool = False,
    ) -> Table:
        """Claims that differ in little, as one table: ``rows`` gives the cells of each claim's name.

        The provenance is that of the searches, or of the runs.

        Raises:
            StudyError: the claims do not share effect, unit, method and n, which the caption says once.
        """
        verdicts = [self.verdict(name) for name in rows]
        shared = {(v.claim.effect, v.claim.unit, v.claim.bound, v.effect.method, v.effect.n) for v in verdicts}
        if len(shared) != 1:
            raise StudyError(f"expected claims of one effect, unit, bound, method and n in {label}, got {shared}")
        effect, unit, bound, method, n = shared.pop()
        caption += f" {effect.capitalize()} in {unit}, with its 95 % {method} interval, n = {n}."
        if bound is not None:
            caption += f" Claimed is at {bound}."
        body = []
        for verdict, cells in zip(verdicts, rows.values(), strict=True):
            told, low, high = verdict.words
            kind = f"#claim-{verdict.claim.id} .verdict .{verdict.state.replace(' ', '-')}"
            interval = f"({low}\N{NO-BREAK SPACE}to\N{NO-BREAK SPACE}{high})"  # a phone's line breaks before it
            body.append([*cells, f"{told} {interval}", f"[{verdict.state}]{{{kind}}}"])
        header = (*header, effect.split()[0].capitalize(), "Verdict")
        numbers = [
            {**told, "interval": "{} to {}".format(*told["interval"])} for told in (v.as_json() for v in verdicts)
        ]
        return Table(label, caption, header, body, numbers, self._told(searches))

    def verdict(self, name: str) -> Verdict:
        """The verdict on one of the study's claims."""
        known = {claim.id: claim for claim in self.findings.claims}
        if name not in known:
            raise StudyError(f"{self.study.slug} has no claim {name!r}: expected one of {', '.join(known)}")
        return known[name].judge(self.summary)

    def weights_list(self) -> Text:
        """The stored networks, each with a link to its weights."""
        lines = []
        for record in self.records:
            path = self.store.weights_path(record.spec)
            if path.exists():
                file = f"results/{self.study.slug}/{path.name}"
                name = self.findings.name(record)
                accuracy = percent(record.metrics["test_accuracy"] or 0.0)
                lines.append(f"- {name}, test accuracy {accuracy}: [`{file}`](repo:{file})")
        return Text("\n".join(lines) or "No weights are stored.")

    def record_list(self) -> Text:
        """Every record with its key, what it is, and when and how long it ran."""
        lines = [f":::{{dropdown}} All {len(self.records)} records of the study *{self.study.title}*", ""]
        for record in self.records:
            config = re.sub(r"[{}\"']", "", ", ".join(f"{k} {v}" for k, v in record.spec.config.items()))
            lines.append(
                f"- [`{record.key}`](repo:results/{self.study.slug}/{record.key}.json): {config}, seed "
                f"{record.spec.seed}; {record.seconds:.0f} s, {record.created}"
            )
        return Text("\n".join(lines) + "\n:::\n")
