"""Reads every frozen row of a version once, in a worker: its labels, its lengths, and what the checks find in its text.

Everything comes from the artifact and the version's revisions, so that the report is about the frozen rows and not about
what the examples are now. Findings are stored as they are found; nobody sees them before the report is finished.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from django.db.models import Count, Max, Min, Q

from annotation.checks import TEXT_CHECKS, text_findings
from annotation.checks.fingerprint import fingerprints
from annotation.models import ExampleFinding
from annotation.services.found import worth_storing
from core.models import Project
from core.runs.context import RunContext
from core.runs.outside import Report
from dataset.models import DatasetRow, DatasetVersion, RowFinding, VersionReport
from dataset.queries.provenance import counted_people
from dataset.rows import iter_rows
from dataset.runner.bulk import copy_in
from dataset.services.reports import finish_report

BATCH = 1000
MOST_NAMED = 200  # sources with their licenses, and tags; the rest is one number


def run(ctx: RunContext) -> None:
    """The runner of kind "dataset_report"."""
    report = VersionReport.objects.select_related("dataset__project", "dataset__artifact").get(run=ctx.run)
    if report.made_at is not None:
        return  # a worker died after the end and before its report
    make_report(report, tell=ctx.report)


def make_report(report: VersionReport, *, tell: Report) -> None:
    """Fills the report. An earlier attempt's findings are removed first."""
    dataset = report.dataset
    total = dataset.counts["total"]
    tell(done=0, total=total, message=f"Reading {total:,} frozen rows.", now=True)
    RowFinding.objects.filter(dataset=dataset).delete()
    tally = ReportTally(dataset.project)
    rows, done = iter_rows(dataset), 0
    while portion := list(islice(rows, BATCH)):
        copy_in(RowFinding, list(_findings(dataset, portion, tally)), leave_out=["id"])
        done += len(portion)
        tell(done=done, message=f"Checked {done:,} of {total:,} rows.")
    facts = tally.facts() | _of_rows(dataset) | {"people": counted_people(dataset.pk)}
    finish_report(by=dataset.created_by, report=report, facts=facts, rows=tally.with_findings)


def _findings(
    dataset: DatasetVersion, portion: list[dict[str, Any]], tally: "ReportTally"
) -> Iterator[RowFinding]:
    positions = [row["position"] for row in portion]
    of_version = DatasetRow.objects.filter(
        dataset=dataset, position__gte=positions[0], position__lte=positions[-1]
    )
    keys = dict(of_version.values_list("position", "pk"))
    dismissed = dismissals_of([row["example"] for row in portion])
    for row in portion:
        for (name, level), found in tally.add(row, dismissed.get(row["example"], {})).items():
            yield RowFinding(
                row_id=keys[row["position"]],
                dataset=dataset,
                position=row["position"],
                check_name=name,
                level=level,
                says=found.says,
                found=found.found,
                dismissed=found.dismissed,
                dismissed_by_id=found.why.by if found.why else None,
                reason=found.why.reason if found.why else "",
            )


@dataclass(frozen=True)
class Dismissal:
    """Who dismissed a finding (the id of a user), and why."""

    by: int | None
    reason: str


@dataclass
class RowFound:
    """What one check found in one row, at one level, as RowFinding keeps it."""

    says: str = ""
    found: int = 0
    dismissed: int = 0
    why: Dismissal | None = None

    def add(self, says: str, why: Dismissal | None) -> None:
        if not self.found or (why is None and self.found == self.dismissed):
            self.says = says
        self.found += 1
        self.dismissed += why is not None
        self.why = self.why or why


def dismissals_of(examples: list[int]) -> dict[int, dict[str, Dismissal]]:
    """{example: {fingerprint of a finding: its dismissal}}: what people have dismissed until now. One query."""
    found: dict[int, dict[str, Dismissal]] = {}
    rows = ExampleFinding.objects.filter(example__in=examples, status=ExampleFinding.Status.DISMISSED)
    for example, fingerprint, by, reason in rows.values_list(
        "example", "fingerprint", "decided_by", "reason"
    ):
        found.setdefault(example, {})[fingerprint] = Dismissal(by, reason)
    return found


def _of_rows(dataset: DatasetVersion) -> dict[str, Any]:
    """When the rows' examples came and their texts were written, and in how many rows the writer gave a reason for a finding."""
    found = DatasetRow.objects.filter(dataset=dataset).aggregate(
        first=Min("example__created_at"),
        last=Max("revision__at"),
        noted=Count("pk", filter=~Q(revision__note="")),
    )
    return {
        name: value.isoformat() if isinstance(value, datetime) else value for name, value in found.items()
    }


class ReportTally:
    """The counts of a report while the rows go by."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._rows = self.with_findings = 0
        self._counts: Counter[str] = Counter()
        self._sources: Counter[tuple[str, str]] = Counter()
        self._edges: Counter[str] = Counter()
        self._tags: Counter[str] = Counter()
        self._groups: set[int] = set()  # by hash: a million names would be large
        self._found: Counter[tuple[str, str]] = Counter()
        self._dismissed: Counter[tuple[str, str]] = Counter()
        self._words: dict[str, Counter[int]] = {"prompt": Counter(), "completion": Counter()}

    def add(
        self, row: Mapping[str, Any], dismissals: Mapping[str, Dismissal]
    ) -> dict[tuple[str, str], RowFound]:
        """Counts a row. Gives its findings by (check, level). `dismissals`: those of its example, by fingerprint."""
        self._rows += 1
        self._sources[row["source"], row["license"]] += 1
        if row["edge"]:
            self._edges[row["edge"]] += 1
        self._tags.update(row["tags"])
        self._groups.add(hash(row["group"]))
        self._counts["rejected"] += bool(row.get("rejected"))
        self._counts["records"] += bool(row["context"])
        self._counts["several_turns"] += sum(turn["role"] == "user" for turn in row["messages"]) > 1
        self._words["prompt"][sum(len(turn["content"].split()) for turn in row["messages"])] += 1
        self._words["completion"][len(row["completion"].split())] += 1
        findings = worth_storing(text_findings(row, self._project, example_id=row["example"]))
        found: dict[tuple[str, str], RowFound] = {}
        for finding, fingerprint in zip(findings, fingerprints(findings, row), strict=True):
            one = found.setdefault((finding.check, finding.level), RowFound())
            one.add(finding.says, dismissals.get(fingerprint))
        self._found.update(found.keys())
        self._dismissed.update(key for key, one in found.items() if one.dismissed == one.found)
        self.with_findings += bool(found)
        return found

    def facts(self) -> dict[str, Any]:
        """As dataset.queries.reports.ReportFacts reads it."""
        sources = self._sources.most_common(MOST_NAMED)
        return {
            "rows": self._rows,
            "groups": len(self._groups),
            "sources": [[source, license_, rows] for (source, license_), rows in sources],
            "more_sources": len(self._sources) - len(sources),
            "edges": dict(self._edges.most_common()),
            "tags": dict(self._tags.most_common(MOST_NAMED)),
            "more_tags": max(len(self._tags) - MOST_NAMED, 0),
            **{name: self._counts[name] for name in ("rejected", "records", "several_turns")},
            "words": {name: _spread(counts, self._rows) for name, counts in self._words.items()},
            "checks": list(TEXT_CHECKS),
            "with_findings": self.with_findings,
            "findings": [
                [name, level, rows, self._dismissed[name, level]]
                for (name, level), rows in self._found.most_common()
            ],
        }


def _spread(counts: Counter[int], rows: int) -> dict[str, int]:
    """The median, the 95th percentile (nearest rank) and the most of values that were counted."""
    shares = {"median": 0.5, "p95": 0.95, "most": 1.0}
    spread: dict[str, int] = {}
    seen = 0
    for value, count in sorted(counts.items()):
        seen += count
        for name, share in shares.items():
            if name not in spread and seen >= share * rows:
                spread[name] = value
    return spread
