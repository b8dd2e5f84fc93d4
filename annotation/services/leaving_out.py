"""Leaves examples out of the data because of findings, and undoes it. The finding keeps the example's status from before (`was`)."""

import uuid
from collections.abc import Collection

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from annotation.actions import AnnotationAction
from annotation.models import Example, ExampleFinding
from annotation.registry import must_stay_retired
from annotation.services.bulk import restore_many, retire_many
from annotation.services.coverage import settle_tasks
from annotation.services.findings import Settled, needed_reason
from core.audit.entries import record
from core.models import Project, User

Status = ExampleFinding.Status


@transaction.atomic
def leave_out(
    *,
    by: User,
    project: Project,
    findings: QuerySet[ExampleFinding],
    reason: str,
    batch: uuid.UUID | None = None,
) -> Settled:
    """Retires the examples of those of the findings that are open: new dataset versions do not contain them. The findings are
    dismissed with the reason. Examples that somebody retired before are left. Invalid without a reason."""
    reason, batch = needed_reason(reason), batch or uuid.uuid4()
    # Read now: findings of retired examples may not be among them any more.
    wanted = dict(
        findings.filter(project=project, status=Status.OPEN).order_by().values_list("pk", "example")
    )
    examples = sorted(set(wanted.values()))
    were = retire_many(examples)
    now = timezone.now()
    settled = 0
    for was in sorted(set(were.values())):
        chosen = [pk for pk, example in wanted.items() if were.get(example) == was]
        settled += ExampleFinding.objects.filter(pk__in=chosen, status=Status.OPEN).update(
            status=Status.DISMISSED, reason=reason, decided_by=by, decided_at=now, batch=batch, was=was
        )
    for example in Example.objects.filter(pk__in=were).order_by("pk"):
        record(
            by=by,
            project=project,
            action=AnnotationAction.EXAMPLE_RETIRED,
            obj=example,
            reason=reason,
            was=were[example.pk],
        )
    settle_tasks(_tasks(were))
    left = [(pk, "It is retired already.") for pk in examples if pk not in were]
    return Settled(settled, len(were), left=left, batch=batch if were else None)


@transaction.atomic
def undo_leaving_out(*, by: User, project: Project, findings: QuerySet[ExampleFinding]) -> Settled:
    """Gives the examples of these findings the status from before and opens the findings again. An example that must stay retired, or
    that somebody brought back already, is left."""
    chosen = findings.filter(project=project, status=Status.DISMISSED).exclude(was="")
    were = dict(chosen.order_by("example").values_list("example", "was"))
    outcome = Settled()
    locked = Example.objects.select_for_update(no_key=True, of=("self",)).select_related("project")
    back: dict[int, str] = {}
    for example in locked.filter(pk__in=were).order_by("pk"):
        if example.status != Example.Status.RETIRED:
            outcome.left.append((example.pk, "Somebody brought it back already."))
        elif why := must_stay_retired(example):
            outcome.left.append((example.pk, why))
        else:
            back[example.pk] = were[example.pk]
            record(
                by=by,
                project=project,
                action=AnnotationAction.EXAMPLE_LEAVING_UNDONE,
                obj=example,
                status=were[example.pk],
            )
    outcome.examples = restore_many(back)
    outcome.findings = reopen_left_out(back)
    settle_tasks(_tasks(back))
    return outcome


def reopen_left_out(examples: Collection[int]) -> int:
    """Opens the findings again by which these examples were left out: they are back. Returns how many."""
    found = ExampleFinding.objects.filter(example__in=examples, status=Status.DISMISSED).exclude(was="")
    return found.update(status=Status.OPEN, reason="", decided_by=None, decided_at=None, batch=None, was="")


def _tasks(examples: Collection[int]) -> list[int | None]:
    return list(Example.objects.filter(pk__in=examples).order_by().values_list("task", flat=True).distinct())
