"""Examples that are made from another example and read by a person before."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from annotation.actions import AnnotationAction
from annotation.models import Example, Revision
from annotation.services.examples import add_revision, clean_for, fields_of, lock, reason_for_bad
from core.audit.entries import record
from core.models import User


@transaction.atomic
def add_derived(
    *,
    by: User,
    original: Example,
    content: Mapping[str, Any],
    origin_detail: Mapping[str, Any],
    reason: str = "",
) -> Example:
    """Adds an example made from `original` to the review queue, as submitted by `by`: never straight to approved.

    It has the original's group, so that both are always in one split, and its source and license, so that what holds for the source
    (rules, a withdrawal) holds for it, too. `origin_detail` is {"label", "url"}. Raises Invalid for a text that is not complete, and
    NeedsReason when a check fails and `reason` is empty.
    """
    original = lock(original)
    clean = clean_for(
        original.project,
        {**content, "slice": original.slice, "edge": original.edge, "tags": original.tags},
    )
    checked = reason_for_bad(project=original.project, content=clean, example=None, reason=reason)
    now = timezone.now()
    example = Example.objects.create(
        project=original.project,
        source=original.source,
        license=original.license,
        status=Example.Status.IN_REVIEW,
        group=original.group,
        origin=Example.Origin.WRITTEN,
        origin_detail=dict(origin_detail),
        created_by=by,
        submitted_by=by,
        submitted_at=now,
        waiting_since=now,
        **fields_of(clean),
    )
    add_revision(example, by=by, reason=Revision.Reason.WRITTEN, content=clean, checked=checked)
    record(
        by=by,
        project=original.project,
        action=AnnotationAction.EXAMPLE_DERIVED,
        obj=example,
        origin=str(origin_detail.get("label", "")),
    )
    return example
