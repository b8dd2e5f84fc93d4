"""Reads the stored findings of the checks: the list, the counts, and how each is shown."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet
from django.utils import timezone

from annotation.checks import CHECKS
from annotation.checks.fingerprint import text_at
from annotation.models import Example, ExampleFinding
from annotation.registry import FindingNote, finding_sources, notes_of
from annotation.text.fixes import FixDoesNotFit, apply_fixes
from core.models import Project, Run, User

CHECK_PROJECT, SETTLE = "check-project", "settle-findings"
Status = ExampleFinding.Status
_KINDS = """
WITH RECURSIVE hop AS (
    (SELECT check_name, kind FROM annotation_examplefinding WHERE project_id = %(p)s ORDER BY check_name, kind LIMIT 1)
    UNION ALL
    SELECT next.check_name, next.kind FROM hop CROSS JOIN LATERAL (
        SELECT f.check_name, f.kind FROM annotation_examplefinding f
        WHERE f.project_id = %(p)s AND (f.check_name, f.kind) > (hop.check_name, hop.kind)
        ORDER BY f.check_name, f.kind LIMIT 1) AS next
)
SELECT check_name, kind FROM hop
"""
_AROUND = 90  # letters shown on each side of a place
_BESIDE = 24  # the same, beside what a fix changes
_MOST_PLACES = 3  # places of one finding that a list shows
_MOST_LETTERS = 300  # of one marked place


def find_findings(project: Project, criteria: Mapping[str, Any]) -> QuerySet[ExampleFinding]:
    """The project's findings, problems first, then the newest; those of retired examples are left out.

    `criteria`, all optional: status (default: open; "any"), check, kind, level, slice ("-" for none), source, example (an id),
    import_id, fixable ("yes"), upto (the newest id), ids.
    """
    found = ExampleFinding.objects.filter(project=project).filter(~Exists(_retired(project)))
    status = criteria.get("status") or Status.OPEN
    if status != "any":
        found = found.filter(status=status)
    for name, lookup in (
        ("check", "check_name"),
        ("kind", "kind"),
        ("level", "level"),
        ("source", "example__source"),
        ("import_id", "example__import_id"),
        ("example", "example"),
        ("upto", "pk__lte"),
    ):
        if criteria.get(name):
            found = found.filter(**{lookup: criteria[name]})
    if slice_name := criteria.get("slice"):
        found = found.filter(example__slice="" if slice_name == "-" else slice_name)
    if "ids" in criteria:
        found = found.filter(pk__in=criteria["ids"])
    if criteria.get("fixable"):
        found = found.exclude(fixes=[])
    return found.order_by("level", "-pk")


def _retired(project: Project) -> QuerySet[Example]:
    return Example.objects.filter(pk=OuterRef("example"), project=project, status=Example.Status.RETIRED)


@dataclass(frozen=True)
class KindCount:
    """How many findings of one check and kind there are, by status; `bad` of the open ones are problems."""

    check: str
    kind: str
    bad: int
    warn: int
    dismissed: int
    fixed: int

    @property
    def open(self) -> int:
        return self.bad + self.warn

    @property
    def label(self) -> str:
        return kind_label(self.kind)

    @property
    def about(self) -> str:
        if self.check in CHECKS:
            return CHECKS[self.check].about
        source = finding_sources().get(self.check)
        return source.about if source else "This check does not exist any more."


def kind_label(kind: str) -> str:
    """The name of a kind as people read it: "two-spaces" is "two spaces"."""
    return kind.replace("_", " ").replace("-", " ")


def kinds_of(project: Project) -> list[tuple[str, str]]:
    """The checks and kinds that have findings. One query that goes from value to value on an index."""
    with connection.cursor() as cursor:
        cursor.execute(_KINDS, {"p": project.pk})
        return [(row[0], row[1]) for row in cursor.fetchall()]


def counts_of(project: Project) -> list[KindCount]:
    """The findings by check and kind, the most open ones first. One query."""
    found = ExampleFinding.objects.filter(project=project).filter(~Exists(_retired(project)))
    rows = (
        found.order_by()
        .values("check_name", "kind")
        .annotate(
            bad=Count("pk", filter=Q(status=Status.OPEN, level="bad")),
            warn=Count("pk", filter=Q(status=Status.OPEN, level="warn")),
            dismissed=Count("pk", filter=Q(status=Status.DISMISSED)),
            fixed=Count("pk", filter=Q(status=Status.FIXED)),
        )
    )
    counts = [
        KindCount(row["check_name"], row["kind"], row["bad"], row["warn"], row["dismissed"], row["fixed"])
        for row in rows
    ]
    shown = [count for count in counts if count.open or count.dismissed or count.fixed]
    return sorted(shown, key=lambda count: (-count.bad, -count.open, count.check, count.kind))


# --- how a finding is shown ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class FoundPlace:
    """A part of a text with marked words: `parts` are (words, whether they are marked), in their order."""

    where: str
    parts: list[tuple[str, bool]]


@dataclass(frozen=True)
class Replacement:
    """What a fix changes, with a few letters before and after."""

    before: str
    old: str
    new: str
    after: str


@dataclass(frozen=True)
class ShownFinding:
    """A finding with its places. `current`: it was found in the text that the example has now, so its fix can be made."""

    finding: ExampleFinding
    places: list[FoundPlace] = field(default_factory=list)
    more: int = 0
    current: bool = True
    replaced: list[Replacement] = field(default_factory=list)
    note: FindingNote | None = None

    @property
    def fixable(self) -> bool:
        return bool(self.finding.fixes) and self.current and self.finding.status == Status.OPEN

    @property
    def kind_label(self) -> str:
        return kind_label(self.finding.kind)

    @property
    def again(self) -> str:
        """What to do when the text changed after it was found."""
        source = finding_sources().get(self.finding.check_name)
        return source.again if source else "Check the examples again to see it in the present text."

    @property
    def remedies(self) -> bool:
        return self.finding.status == Status.OPEN and self.note is not None and self.note.remedies

    @property
    def left_out(self) -> bool:
        """It was settled by leaving its example out of the data."""
        return self.finding.status == Status.DISMISSED and bool(self.finding.was)


def shown(findings: Iterable[ExampleFinding]) -> list[ShownFinding]:
    """The findings with the texts of their examples, which the caller has loaded with them, and what other apps know about them. The
    number of queries does not depend on how many there are."""
    listed = list(findings)
    notes = notes_of(listed)
    return [_shown(finding, notes.get(finding.pk)) for finding in listed]


def _shown(finding: ExampleFinding, note: FindingNote | None) -> ShownFinding:
    content = finding.example.content()
    current = finding.content_hash == finding.example.content_hash
    if not current:
        return ShownFinding(finding, current=False, note=note)
    spans = [span for span in finding.spans if span[4] != "ok"] or finding.spans
    groups = _near(spans)
    return ShownFinding(
        finding,
        places=[_place(content, group) for group in groups[:_MOST_PLACES]],
        more=sum(len(group) for group in groups[_MOST_PLACES:]),
        replaced=_replacements(finding, content),
        note=note,
    )


def _near(spans: list[list[Any]]) -> list[list[list[Any]]]:
    """The spans in groups: those of one text that one excerpt can show."""
    groups: list[list[list[Any]]] = []
    for span in sorted(spans, key=lambda span: (span[0] != "completion", span[0], span[1], span[2])):
        last = groups[-1][-1] if groups else None
        if last and last[:2] == span[:2] and last[3] <= span[2] <= last[3] + _AROUND:
            groups[-1].append(span)
        else:
            groups.append([span])
    return groups


def _place(content: Mapping[str, Any], group: list[list[Any]]) -> FoundPlace:
    name, index, first, _ = group[0][:4]
    text, at = text_at(content, name, index), max(0, first - _AROUND)
    parts = [("…", False)] if at else []
    for _, _, start, end, *_ in group:
        words = text[start:end]
        shown_words = words if len(words) <= _MOST_LETTERS else f"{words[:_MOST_LETTERS]}…"
        parts += [(text[at:start], False), (shown_words, True)]
        at = end
    parts.append((text[at : at + _AROUND] + ("…" if at + _AROUND < len(text) else ""), False))
    where = {"completion": "Completion", "messages": "Conversation", "context": "Record"}.get(name, name)
    return FoundPlace(where, [part for part in parts if part[0]])


def _replacements(finding: ExampleFinding, content: Mapping[str, Any]) -> list[Replacement]:
    """What the fix replaces, the first few places; empty when it does not fit the text."""
    try:
        apply_fixes(content, [tuple(fix) for fix in finding.fixes])
    except FixDoesNotFit:
        return []
    return [_replacement(text_at(content, *fix[:2]), *fix[2:]) for fix in finding.fixes[:_MOST_PLACES]]


def _replacement(text: str, start: int, end: int, new: str) -> Replacement:
    return Replacement(
        before=("…" if start > _BESIDE else "") + text[max(0, start - _BESIDE) : start],
        old=text[start:end][:_MOST_LETTERS],
        new=new[:_MOST_LETTERS],
        after=text[end : end + _BESIDE] + ("…" if end + _BESIDE < len(text) else ""),
    )


# --- the state of the checking -------------------------------------------------------------------------------


@dataclass(frozen=True)
class CheckState:
    """`run`: the newest check of the project, or the active one of an import or of a bulk action; `checked_at`: when a whole check
    last ended."""

    run: Run | None
    checked_at: datetime | None
    rows: int = 0


def check_state(project: Project) -> CheckState:
    """Two queries."""
    runs = Run.objects.filter(project=project, kind__in=[CHECK_PROJECT, SETTLE]).select_related("project")
    whole = runs.filter(kind=CHECK_PROJECT, params__import=None)
    ended = whole.filter(status=Run.Status.SUCCEEDED).order_by("-finished_at").first()
    newest = runs.filter(status__in=Run.ACTIVE).order_by("-pk").first()
    if newest is None:
        failed = whole.exclude(status=Run.Status.SUCCEEDED).order_by("-pk").first()
        newest = failed if failed and (ended is None or failed.pk > ended.pk) else None
    return CheckState(newest, ended.finished_at if ended else None, ended.done if ended else 0)


@dataclass(frozen=True)
class Undoable:
    """What this person decided last about findings, while it can be undone."""

    batch: uuid.UUID
    status: str
    findings: int
    at: datetime
    left_out: int = 0  # findings that were settled by leaving the example out


def last_bulk(user: User, project: Project, window: timedelta) -> Run | None:
    """The person's newest bulk action that a worker has ended, while it is new. One query."""
    runs = Run.objects.filter(project=project, kind=SETTLE, created_by=user, status=Run.Status.SUCCEEDED)
    return runs.filter(finished_at__gt=timezone.now() - window).order_by("-pk").first()


def last_decision(user: User, project: Project, window: timedelta) -> Undoable | None:
    """One query."""
    mine = ExampleFinding.objects.filter(
        project=project,
        decided_by=user,
        batch__isnull=False,
        status__in=[Status.DISMISSED, Status.FIXED],
        decided_at__gt=timezone.now() - window,
    )
    left_out = Count("pk", filter=Q(status=Status.DISMISSED) & ~Q(was=""))
    rows = (
        mine.order_by()
        .values("batch", "status")
        .annotate(n=Count("pk"), last=Max("decided_at"), left_out=left_out)
    )
    row = rows.order_by("-last").first()
    if row is None or row["batch"] is None:
        return None
    return Undoable(row["batch"], row["status"], row["n"], row["last"], row["left_out"])


def findings_in(example: Example) -> list[ShownFinding]:
    """The findings of one example that its page shows: open and dismissed ones, problems first. One query, and those of notes."""
    found = ExampleFinding.objects.filter(example=example, status__in=[Status.OPEN, Status.DISMISSED])
    findings = list(found.select_related("decided_by").order_by("-status", "level", "pk"))
    for finding in findings:
        finding.example = example
    return shown(findings)
