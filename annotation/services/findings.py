"""Decisions about stored findings: dismiss with a reason, open again, undo. Fixes are in services/fixing.py."""

import uuid
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from annotation.actions import AnnotationAction
from annotation.models import ExampleFinding
from annotation.text.cleaning import clean_text
from core.audit.entries import record
from core.errors import Conflict, Invalid
from core.models import Project, User
from core.text import one_line
from core.wording import counted

Status = ExampleFinding.Status
UNDO = timedelta(
    minutes=10
)  # how long a decision about findings can be undone; dismissed ones can be opened again at any time
REASON_MAX = 300


@dataclass
class Settled:
    """What a decision did: how many findings it settled, in how many examples; which examples were left, and why."""

    findings: int = 0
    examples: int = 0
    left: list[tuple[int, str]] = field(default_factory=list)
    batch: uuid.UUID | None = None


def needed_reason(reason: str) -> str:
    """The reason as it is stored. Invalid when it is empty."""
    reason = one_line(clean_text(reason), most=REASON_MAX)
    if not reason:
        raise Invalid(
            "Give a reason.",
            "Say why these findings need no change. Other people will want to know it later.",
            fields={"reason": ["Give a reason."]},
        )
    return reason


@transaction.atomic
def dismiss(
    *,
    by: User | None,
    project: Project,
    findings: QuerySet[ExampleFinding],
    reason: str,
    batch: uuid.UUID | None = None,
) -> Settled:
    """Dismisses those of the findings that are open. It holds while the check finds the same words in the example."""
    reason = needed_reason(reason)
    batch = batch or uuid.uuid4()
    chosen = _locked(project, findings, Status.OPEN)
    count = ExampleFinding.objects.filter(pk__in=chosen, status=Status.OPEN).update(
        status=Status.DISMISSED, reason=reason, decided_by=by, decided_at=timezone.now(), batch=batch
    )
    if count:
        _record(by, project, AnnotationAction.FINDINGS_DISMISSED, chosen, count, reason=reason)
    return _settled(chosen, count, batch)


@transaction.atomic
def reopen(*, by: User, project: Project, findings: QuerySet[ExampleFinding]) -> Settled:
    """Opens those of the findings again that are dismissed."""
    chosen = _locked(project, findings, Status.DISMISSED)
    count = _open_again(chosen)
    if count:
        _record(by, project, AnnotationAction.FINDINGS_REOPENED, chosen, count)
    return _settled(chosen, count, None)


@transaction.atomic
def undo_dismissals(*, by: User, project: Project, batch: uuid.UUID) -> Settled:
    """Opens again what this person dismissed in one action. Findings that were decided again since then are left."""
    mine = ExampleFinding.objects.filter(project=project, batch=batch, decided_by=by)
    chosen = _locked(project, mine, Status.DISMISSED)
    count = _open_again(chosen)
    if count:
        _record(by, project, AnnotationAction.FINDINGS_UNDONE, chosen, count)
    return _settled(chosen, count, batch)


def undoable_batch(*, by: User, project: Project, batch: uuid.UUID) -> QuerySet[ExampleFinding]:
    """What this person decided in one action. Conflict when there is nothing, or it is too long ago."""
    mine = ExampleFinding.objects.filter(project=project, batch=batch, decided_by=by)
    mine = mine.filter(status__in=[Status.DISMISSED, Status.FIXED], decided_at__gt=timezone.now() - UNDO)
    if not mine.exists():
        raise Conflict(
            "There is nothing to undo.",
            "A decision about findings can be undone for ten minutes. Dismissed findings can be opened again at any time.",
        )
    return mine


def _open_again(chosen: Collection[int]) -> int:
    return ExampleFinding.objects.filter(pk__in=chosen, status=Status.DISMISSED).update(
        status=Status.OPEN, reason="", decided_by=None, decided_at=None, batch=None, was=""
    )


def _locked(project: Project, findings: QuerySet[ExampleFinding], status: str) -> list[int]:
    wanted = findings.filter(project=project, status=status).order_by("pk")
    return list(wanted.select_for_update(of=("self",), no_key=True).values_list("pk", flat=True))


def _settled(chosen: list[int], count: int, batch: uuid.UUID | None) -> Settled:
    examples = ExampleFinding.objects.filter(pk__in=chosen).values("example").distinct().count()
    return Settled(count, examples, batch=batch if count else None)


def _record(
    by: User | None,
    project: Project,
    action: AnnotationAction,
    chosen: list[int],
    count: int,
    reason: str = "",
) -> None:
    """One entry for one action; it names the example when there is only one finding."""
    example = (
        ExampleFinding.objects.select_related("example").get(pk=chosen[0]).example if count == 1 else None
    )
    detail = {"reason": reason} if reason else {}
    record(by=by, project=project, action=action, obj=example, findings=counted(count, "finding"), **detail)
