"""Retires examples that are too near to test rows, many at once, and brings them back."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from annotation.actions import AnnotationAction
from annotation.models import Example
from annotation.registry import must_stay_retired
from annotation.services.bulk import restore_many, retire_many
from core.audit.entries import record
from core.errors import Conflict
from core.models import Project, User
from dataset.actions import DatasetAction
from dataset.models import NearTest
from dataset.queries.duplicates import last_finished, near_test_of

MOST_AT_ONCE = 5000
UNDO = timedelta(minutes=10)


@dataclass(frozen=True)
class RetiredNear:
    """What a person retired from the list last, while it can be undone."""

    examples: int
    at: datetime


@transaction.atomic
def retire_near(*, by: User, project: Project, examples: Collection[int] | None, search: int = 0) -> int:
    """Retires these examples of the list (None: all of it, the nearest first, at most MOST_AT_ONCE); returns how many.

    Others are left as they are. With `search`, the id of the search whose list the person read, Conflict when there is a newer one.
    """
    newest = last_finished(project)
    if search and (newest is None or newest.pk != search):
        raise Conflict("A new search has replaced this list.", "Nothing was done. Look at the list again.")
    near = near_test_of(project).select_related(None).select_related("example", "row")
    if examples is not None:
        near = near.filter(example__in=examples)
    rows = {one.example_id: one for one in near[:MOST_AT_ONCE]}
    were = retire_many(list(rows))
    now = timezone.now()
    for pk, was in were.items():
        one = rows[pk]
        one.was, one.retired_by, one.retired_at = was, by, now
        reason = f"It is too near to test row #{one.row.example_id}."
        record(
            by=by, project=project, action=AnnotationAction.EXAMPLE_RETIRED, obj=one.example, reason=reason, was=was
        )  # fmt: skip
    NearTest.objects.bulk_update(
        [rows[pk] for pk in were], ["was", "retired_by", "retired_at"], batch_size=1000
    )
    if were:
        record(
            by=by, project=project, action=DatasetAction.NEAR_TEST_RETIRED, obj=newest or project, retired=len(were)
        )  # fmt: skip
    return len(were)


def retired_lately(user: User, project: Project) -> RetiredNear | None:
    """What this person can undo now. At most two queries."""
    mine = NearTest.objects.filter(project=project, retired_by=user, retired_at__gte=timezone.now() - UNDO)
    at = mine.order_by("-retired_at").values_list("retired_at", flat=True).first()
    if at is None:
        return None
    left = mine.filter(retired_at=at, example__status=Example.Status.RETIRED).count()
    return RetiredNear(left, at) if left else None


@transaction.atomic
def undo_retired_near(*, by: User, project: Project) -> int:
    """Gives what this person retired last the status that it had; returns how many. Conflict when there is nothing to undo: ten minutes
    are over, a new search replaced the list, or an example must stay retired."""
    last = retired_lately(by, project)
    if last is None:
        raise Conflict("There is nothing to undo.", "Bring the examples back on their pages.")
    rows = NearTest.objects.select_for_update(of=("self",)).select_related("example")
    mine = list(rows.filter(project=project, retired_by=by, retired_at=last.at).order_by("pk"))
    for one in mine:
        if why := must_stay_retired(one.example):
            raise Conflict(f"#{one.example_id} stays retired. {why}", "An admin can restore the source.")
    restored = restore_many({one.example_id: one.was for one in mine})
    NearTest.objects.filter(pk__in=[one.pk for one in mine]).update(was="", retired_by=None, retired_at=None)
    newest = last_finished(project)
    record(
        by=by, project=project, action=DatasetAction.NEAR_TEST_RESTORED, obj=newest or project, restored=restored
    )  # fmt: skip
    return restored
