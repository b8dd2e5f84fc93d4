"""Reads the report on a version's rows, and the findings that are left in them."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import F, QuerySet
from django.utils.dateparse import parse_datetime

from annotation.checks import CHECKS
from annotation.queries.categories import edge_names
from core.wording import day
from dataset.models import DatasetVersion, RowFinding, Source, VersionReport

# What is shown of a source's own entry.
LICENSE, CONSENT, OWNER = "License of the source", "Consent", "Owner"
EXPIRES, WITHDRAWN = "Last day of use", "Withdrawn"


@dataclass(frozen=True)
class SourceRows:
    """Rows of one source under one license, as they were frozen, and what the source's own entry says now."""

    name: str
    license: str
    rows: int
    details: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class FindingRows:
    """How many rows have a finding of this check and level; of `dismissed` rows people had dismissed all of these."""

    check: str
    level: str
    rows: int
    dismissed: int = 0  # not counted in reports from before this number

    @property
    def level_label(self) -> str:
        return str(RowFinding.Level(self.level).label)

    @property
    def about(self) -> str:
        """What the check looks at; a check that no longer exists has only its name."""
        return CHECKS[self.check].about if self.check in CHECKS else ""


@dataclass(frozen=True)
class ReportFacts:
    """A finished report. Every count is of rows; `words` is {"prompt" | "completion": {"median", "p95", "most"}} in words."""

    made_at: datetime
    rows: int
    sources: list[SourceRows]
    more_sources: int
    edges: list[tuple[str, int]]
    tags: list[tuple[str, int]]
    more_tags: int
    rejected: int
    records: int
    several_turns: int
    noted: int
    words: dict[str, dict[str, int]]
    checks: list[str]
    with_findings: int
    groups: int
    first: datetime | None
    last: datetime | None
    findings: list[FindingRows] = field(default_factory=list)

    @property
    def licenses(self) -> list[tuple[str, int]]:
        """Rows by license, "" for none."""
        counts: dict[str, int] = {}
        for source in self.sources:
            counts[source.license] = counts.get(source.license, 0) + source.rows
        return sorted(counts.items(), key=lambda item: (-item[1], item[0]))

    @property
    def without_findings(self) -> int:
        return self.rows - self.with_findings


def report_of(dataset: DatasetVersion) -> VersionReport | None:
    """The report with its run, if one was started. One query."""
    reports = VersionReport.objects.select_related("run__project", "run__created_by")
    return reports.filter(dataset=dataset).first()


def facts_of(report: VersionReport | None, dataset: DatasetVersion) -> ReportFacts | None:
    """The facts of a finished report. Two queries, for the sources and the names of edge cases."""
    if report is None or report.made_at is None:
        return None
    facts: dict[str, Any] = report.facts
    details = _source_details(dataset, [name for name, _, _ in facts["sources"]])
    labels = edge_names(dataset.project)
    return ReportFacts(
        made_at=report.made_at,
        sources=[
            SourceRows(name, license_, rows, details.get(name, ())) for name, license_, rows in facts["sources"]
        ],
        first=parse_datetime(facts["first"]) if facts["first"] else None,
        last=parse_datetime(facts["last"]) if facts["last"] else None,
        edges=[(str(labels.get(name, name)), rows) for name, rows in facts["edges"].items()],
        tags=list(facts["tags"].items()),
        findings=[FindingRows(*one) for one in facts["findings"]],
        **{
            name: facts[name]
            for name in (
                "rows", "more_sources", "more_tags", "rejected", "records", "several_turns", "noted", "words",
                "checks", "with_findings", "groups",
            )
        },
    )  # fmt: skip


def _source_details(dataset: DatasetVersion, names: list[str]) -> dict[str, tuple[tuple[str, str], ...]]:
    """{source: what its entry says now, as (label, text)}: the one place that knows which fields a source has."""
    sources = Source.objects.filter(project=dataset.project_id, name__in=names)
    return {source.name: source_details(source) for source in sources}


def source_details(source: Source) -> tuple[tuple[str, str], ...]:
    """Without its contact: annotators read datasheets, too, and the page of a source is for admins and viewers."""
    consent = source.get_consent_display() + (f": {source.consent_note}" if source.consent_note else "")
    expires = source.expires_on
    withdrawn = f"{day(source.withdrawn_at)}: {source.withdrawn_reason}" if source.withdrawn_at else ""
    details = (
        (LICENSE, source.license),
        (CONSENT, consent),
        (OWNER, source.owner),
        (EXPIRES, day(expires) if expires else ""),
        (WITHDRAWN, withdrawn),
    )
    return tuple((label, text) for label, text in details if text)


def findings_of(
    dataset: DatasetVersion, *, check: str = "", level: str = "", state: str = ""
) -> QuerySet[RowFinding]:
    """The findings left, in the order of the rows, with their frozen texts (`row.revision.content`). `state`: "open" for those that not
    all were dismissed of when the report was made, "dismissed" for the others. One query."""
    found = RowFinding.objects.filter(dataset=dataset, dataset__report__made_at__isnull=False)
    if check:
        found = found.filter(check_name=check)
    if level:
        found = found.filter(level=level)
    if state == "open":
        found = found.filter(dismissed__lt=F("found"))
    elif state == "dismissed":
        found = found.filter(dismissed=F("found"))
    return found.select_related("row__revision", "dismissed_by").order_by("position", "id")
