"""Fixes of findings: the replacements that a check suggests become a revision of the example, and can be undone.

* An example that somebody has open, or that is retired, is not changed.
* In a queue or in review it stays where it is: an annotator or a reviewer still reads it.
* An approved example stays approved when the person is a reviewer who did not submit it; the review says so. Otherwise it goes back
  to review.
"""

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from annotation.actions import AnnotationAction
from annotation.models import Example, ExampleFinding, Lease, Review, Revision
from annotation.queries.queue import submission_note
from annotation.registry import is_frozen
from annotation.services.examples import add_revision, clean_for, content_of, fields_of, lock
from annotation.services.findings import Settled
from annotation.text.fixes import FixDoesNotFit, apply_fixes
from core.audit.entries import record
from core.errors import Conflict, ExpectedError, Invalid
from core.models import Membership, Project, Role, User

Status = ExampleFinding.Status
_COMMENT_MAX = 1000


def fix_findings(
    *,
    by: User,
    project: Project,
    findings: QuerySet[ExampleFinding],
    batch: uuid.UUID | None = None,
) -> Settled:
    """Applies the fixes of those of the findings that are open and have some, example by example, each in its own transaction.

    Examples that cannot be changed now are left, with the reason.
    """
    outcome = Settled(batch=batch or uuid.uuid4())
    chosen: dict[int, list[int]] = {}
    fixable = findings.filter(project=project, status=Status.OPEN).exclude(fixes=[])
    for pk, example in fixable.order_by("example_id", "pk").values_list("pk", "example_id"):
        chosen.setdefault(example, []).append(pk)
    for example_id, wanted in chosen.items():
        try:
            fixed = _fix(by, Example(pk=example_id), wanted, outcome.batch)
        except ExpectedError as error:
            outcome.left.append((example_id, error.message))
        else:
            outcome.findings += fixed
            outcome.examples += 1
    if not outcome.examples:
        outcome.batch = None
    return outcome


@transaction.atomic
def _fix(by: User, example: Example, wanted: Sequence[int], batch: uuid.UUID | None) -> int:
    example = lock(example)
    refuse_change(example, by)
    findings = [*_of(example, wanted)]
    content, used = _applied(example, findings)
    was = str(example.status)
    approves = was == Example.Status.APPROVED and may_approve(by, example)
    back = was == Example.Status.APPROVED and not approves
    _store(example, content, Example.Status.IN_REVIEW if back else Example.Status(was))
    ExampleFinding.objects.filter(pk__in=[finding.pk for finding in used]).update(
        status=Status.FIXED,
        decided_by=by,
        decided_at=timezone.now(),
        batch=batch,
        revision=example.revision,
        was=was,
    )
    # The reason that was given for other findings still holds.
    note = submission_note(Example(pk=example.pk, revision=example.revision - 1))
    revision = add_revision(example, by=by, reason=Revision.Reason.FIXED, content=content, note=note)
    says = " ".join(finding.says for finding in used)[:_COMMENT_MAX]
    if approves:
        _approve(by, revision, f"Fixed: {says}", batch)
    record(
        by=by, project=example.project, action=AnnotationAction.EXAMPLE_FIXED, obj=example,
        revision=example.revision, checks=sorted({finding.check_name for finding in used}), was=was,
    )  # fmt: skip
    return len(used)


def _of(example: Example, wanted: Sequence[int]) -> Iterable[ExampleFinding]:
    """The findings, locked, of the text that the example has now. Conflict when there are none."""
    findings = list(
        ExampleFinding.objects.select_for_update(no_key=True, of=("self",))
        .filter(pk__in=wanted, example=example, status=Status.OPEN, content_hash=example.content_hash)
        .order_by("pk")
    )
    if not findings:
        raise Conflict("It changed after this was found.", "Check the project again.")
    return findings


def _applied(example: Example, findings: list[ExampleFinding]) -> tuple[dict[str, Any], list[ExampleFinding]]:
    """The content with the fixes of as many of the findings as fit together, and these findings. Conflict when nothing would change."""
    before, content = content_of(example), content_of(example)
    used: list[ExampleFinding] = []
    for finding in findings:
        try:
            content = apply_fixes(before, [tuple(fix) for one in (*used, finding) for fix in one.fixes])
        except FixDoesNotFit:
            continue
        used.append(finding)
    try:
        clean = clean_for(example.project, content, answered=bool(example.completion))
    except Invalid as error:
        problems = " ".join(text for texts in error.fields.values() for text in texts)
        raise Conflict(
            f"The fix cannot be stored. {problems}", "Open the example and change it by hand."
        ) from None
    if not used or clean == before:
        raise Conflict("The fix changes nothing.", "Open the example and change it by hand.")
    return clean, used


def refuse_change(example: Example, by: User) -> None:
    """Conflict when the (locked) example is retired, or somebody has it open."""
    if example.status == Example.Status.RETIRED:
        raise Conflict("It is retired.", "Bring it back first.")
    open_now = Lease.objects.select_related("user").filter(
        example=example, outcome=Lease.Outcome.OPEN, expires_at__gt=timezone.now()
    )
    if holder := open_now.first():
        who = "You have it" if holder.user_id == by.pk else f"{holder.user.name} has it"
        raise Conflict(f"{who} open now.", "Wait until it is given back.")


def may_approve(by: User, example: Example) -> bool:
    """Whether the person's change of an approved example counts as reviewed: as in a review, not of their own text."""
    reviews = Membership.objects.filter(
        project=example.project_id, user=by, roles__contains=[Role.REVIEWER.value]
    )
    return example.submitted_by_id != by.pk and reviews.exists()


def _store(example: Example, content: dict[str, Any], status: Example.Status) -> None:
    """Stores the next text of the (locked) example, and its status. A move to another queue starts the wait there."""
    now = timezone.now()
    updates: dict[str, Any] = {
        **fields_of(content),
        "revision": example.revision + 1,
        "changed_at": now,
        "status": status,
    }
    if status != example.status:
        updates["waiting_since"] = now
    same = Example.objects.filter(pk=example.pk, status=example.status, revision=example.revision)
    if not same.update(**updates):
        raise Conflict("Somebody changed it before you.", "Reload the page.")
    for name, value in updates.items():
        setattr(example, name, value)


def _undecided(by: User, example: Example, made: Revision, was: str) -> QuerySet[Review]:
    """The fix's own review, if it approved the example. Conflict when somebody has decided about the fixed text since then."""
    reviews = Review.objects.filter(revision=made, undone_at=None)
    own = reviews.filter(by=by, in_bulk=True)
    expected = was
    if was == Example.Status.APPROVED and not own.exists():
        expected = Example.Status.IN_REVIEW  # where it stays: it is read there
    if example.status != expected or reviews.exclude(pk__in=own.values("pk")).exists():
        raise Conflict("Somebody has decided about it since then.", "Open it and change it by hand.")
    return own


def _approve(by: User, revision: Revision, comment: str, batch: uuid.UUID | None) -> None:
    Review.objects.create(
        example=revision.example, revision=revision, verdict=Review.Verdict.ACCEPTED, comment=comment, by=by,
        in_bulk=True, batch=batch,
    )  # fmt: skip


# --- undoing -----------------------------------------------------------------------------------------------
def undo_fixes(*, by: User, project: Project, findings: QuerySet[ExampleFinding]) -> Settled:
    """Gives examples their text from before a fix back, as another revision. Examples with later work are left, with the reason."""
    outcome = Settled()
    fixed = findings.filter(project=project, status=Status.FIXED)
    for example_id in fixed.order_by("example_id").values_list("example_id", flat=True).distinct():
        try:
            outcome.findings += _undo(by, Example(pk=example_id), fixed.filter(example=example_id))
        except ExpectedError as error:
            outcome.left.append((example_id, error.message))
        else:
            outcome.examples += 1
    return outcome


@transaction.atomic
def _undo(by: User, example: Example, fixed: QuerySet[ExampleFinding]) -> int:
    example = lock(example)
    refuse_change(example, by)
    finding = fixed.first()
    made = Revision.objects.filter(example=example, number=example.revision).first()
    if finding is None or made is None or finding.revision != example.revision:
        raise Conflict("It changed after the fix.", "Open it and change it by hand.")
    if is_frozen(made.pk):
        raise Conflict("It is in a dataset version already.", "Open it and change it by hand.")
    before = Revision.objects.get(example=example, number=example.revision - 1)
    count = fixed.count()
    of_fix = _undecided(by, example, made, finding.was)
    _store(example, dict(before.content), Example.Status(example.status))
    restored = add_revision(
        example, by=by, reason=Revision.Reason.RESTORED, content=before.content, note=before.note
    )
    accepted = Review.objects.filter(revision=before, verdict=Review.Verdict.ACCEPTED, undone_at=None)
    if of_fix.update(undone_at=timezone.now()) and accepted.exists():
        _approve(by, restored, "A fix was undone: the text that was approved before.", None)
    # What the checks do not find in the earlier text (another version of them made the fix) is gone.
    fixed.update(status=Status.GONE, decided_by=None, decided_at=None, batch=None, revision=None, was="")
    record(
        by=by, project=example.project, action=AnnotationAction.EXAMPLE_FIX_UNDONE, obj=example,
        revision=example.revision,
    )  # fmt: skip
    return count
