"""The queues of a person, and their own work. Reads only."""

import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from django.db.models import Case, Count, Exists, F, Max, OuterRef, Q, QuerySet, Subquery, Value, When
from django.utils import timezone

from annotation.models import Draft, Example, ExampleFinding, Lease, Review, Revision
from annotation.queries.examples import with_text
from annotation.text.changes import Changes, changes
from core.models import Project, User

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    class Waits(TypedDict):
        held: bool
        skipped: bool
        skipped_at: datetime | None

    class Sent(TypedDict):
        takeable_back: bool
        returned_with: str | None

    WaitingExample = WithAnnotations[Example, Waits]
    SentExample = WithAnnotations[Example, Sent]

Purpose = Lease.Purpose
E = TypeVar("E", bound=Example)
OWN_FIRST = timedelta(days=1)  # how long an example that was sent back is reserved for its author
MANY = 1000  # the editor shows the length of the queue up to this number
LIST_DIFF = 8000  # characters of both completions: up to this the list of reviews marks changes
UNDO = timedelta(minutes=10)  # how long a reviewer can undo a decision


def waiting_for(
    user: User, project: Project, purpose: str, filters: Mapping[str, str] | None = None
) -> "QuerySet[WaitingExample]":
    """All examples in the queue of `purpose` that this person can take, open with somebody or not.

    Annotated with `held` (somebody has it open), `skipped` and `skipped_at` (by this person).
    """
    examples = Example.objects.filter(project=project)
    if purpose == Purpose.REVIEW:
        examples = examples.filter(status=Example.Status.IN_REVIEW).filter(
            Q(submitted_by=None) | ~Q(submitted_by=user)
        )
    else:
        examples = examples.filter(status__in=[Example.Status.QUEUED, Example.Status.RETURNED]).filter(
            Q(status=Example.Status.QUEUED)
            | Q(submitted_by=None)
            | Q(submitted_by=user)
            | Q(waiting_since__lt=timezone.now() - OWN_FIRST)
        )
    for name in ("slice", "edge", "origin"):
        if (filters or {}).get(name):
            examples = examples.filter(**{name: (filters or {})[name]})
    if (filters or {}).get("only") == "edge":
        examples = examples.exclude(edge="")
    if (filters or {}).get("only") == "returned":
        examples = examples.filter(status=Example.Status.RETURNED)
    if (filters or {}).get("only") == "feedback":
        examples = examples.filter(queue_rank=0)
    skips = Lease.objects.filter(
        example=OuterRef("pk"), user=user, purpose=purpose, outcome=Lease.Outcome.SKIPPED
    )
    return examples.annotate(
        held=Exists(_holding()),
        skipped=Exists(skips.filter(finished_at__gte=OuterRef("waiting_since"))),
        skipped_at=Subquery(skips.order_by("-finished_at").values("finished_at")[:1]),
    )


def _holding() -> QuerySet[Lease]:
    return Lease.objects.filter(
        example=OuterRef("pk"), outcome=Lease.Outcome.OPEN, expires_at__gt=timezone.now()
    )


def in_order(examples: QuerySet[E]) -> QuerySet[E]:
    """Feedback first, then edge cases, then the rest, each oldest first: in the order of the index `example_queue`."""
    return examples.order_by("queue_rank", "waiting_since", "id")


def held_by(project: Project) -> dict[int, int]:
    """All open examples and their holders: as many as people at work, so they are fetched and not joined."""
    return dict(
        Lease.objects.filter(project=project, outcome=Lease.Outcome.OPEN, expires_at__gt=timezone.now())
        .order_by()
        .values_list("example", "user")
    )


def waiting_count(user: User, project: Project, purpose: str) -> int:
    """The number of free examples for this person, counted up to MANY + 1. Two queries."""
    free = waiting_for(user, project, purpose).exclude(pk__in=list(held_by(project)))
    return free.order_by()[: MANY + 1].count()


def open_lease(user: User, project: Project, purpose: str) -> Lease | None:
    return (
        Lease.objects.select_related("example", "example__submitted_by")
        .filter(user=user, project=project, purpose=purpose, outcome=Lease.Outcome.OPEN)
        .filter(expires_at__gt=timezone.now())
        .first()
    )


def lease_of(user: User, example: Example, purpose: str) -> Lease | None:
    """The person's newest lease of the example, with any outcome."""
    return Lease.objects.filter(user=user, example=example, purpose=purpose).order_by("-id").first()


def is_live(lease: Lease | None) -> bool:
    return bool(lease and lease.outcome == Lease.Outcome.OPEN and lease.expires_at > timezone.now())


def held_until(user: User, example: Example, purpose: str) -> datetime | None:
    """The end of this person's lease of the example; None without a valid lease."""
    lease = lease_of(user, example, purpose)
    return lease.expires_at if lease and is_live(lease) else None


def drafts_of(user: User, project: Project) -> QuerySet[Draft]:
    """Drafts, newest first, with their examples loaded."""
    return Draft.objects.select_related("example").filter(user=user, project=project).order_by("-saved_at")


def draft_of(user: User, example: Example) -> Draft | None:
    return Draft.objects.filter(user=user, example=example).first()


def new_draft_of(user: User, project: Project) -> Draft | None:
    return Draft.objects.filter(user=user, project=project, example=None).first()


def recent_work(user: User, project: Project, limit: int = 8) -> "list[SentExample]":
    """The person's last submits, newest first, each with `takeable_back` and its last review's comment.

    `takeable_back` is a hint for the page; the service decides.
    """
    opened = Lease.objects.filter(
        example=OuterRef("pk"), purpose=Purpose.REVIEW, leased_at__gte=OuterRef("submitted_at")
    )
    comment = (
        Review.objects.filter(example=OuterRef("pk"), undone_at=None, verdict=Review.Verdict.RETURNED)
        .order_by("-id")
        .values("comment")[:1]
    )
    return list(
        Example.objects.filter(project=project, submitted_by=user)
        .annotate(
            takeable_back=Case(
                When(Q(status=Example.Status.IN_REVIEW) & ~Exists(opened), then=Value(True)),
                default=Value(False),
            ),
            returned_with=Subquery(comment),
        )
        .order_by("-submitted_at")[:limit]
    )


def skipped_by(user: User, project: Project, limit: int = 8) -> list[Lease]:
    """Skipped examples that still wait, the newest skip first, each with its example."""
    later = Lease.objects.filter(
        example=OuterRef("example"), user=user, purpose=OuterRef("purpose"), id__gt=OuterRef("id")
    )
    waits = Q(
        purpose=Purpose.ANNOTATE, example__status__in=[Example.Status.QUEUED, Example.Status.RETURNED]
    ) | Q(purpose=Purpose.REVIEW, example__status=Example.Status.IN_REVIEW)
    return list(
        Lease.objects.select_related("example")
        .filter(waits, user=user, project=project, outcome=Lease.Outcome.SKIPPED)
        .filter(finished_at__gte=F("example__waiting_since"))
        .exclude(Exists(later))
        .order_by("-finished_at")[:limit]
    )


# --- review ------------------------------------------------------------------------------------------------
def review_list(project: Project, user: User, criteria: Mapping[str, Any] | None = None) -> QuerySet[Example]:
    """Examples in review, in the reviewers' order, with `held_by` (who has it open) and `own` (submitted by the person).

    `criteria`, all optional: q (text or "#12"), edge ("any" for every kind), slice.
    """
    criteria = criteria or {}
    examples = Example.objects.filter(project=project, status=Example.Status.IN_REVIEW)
    if edge := criteria.get("edge"):
        examples = examples.exclude(edge="") if edge == "any" else examples.filter(edge=edge)
    if criteria.get("slice"):
        examples = examples.filter(slice=criteria["slice"])
    examples = with_text(examples, str(criteria.get("q") or ""))
    holder = _holding().values("user__name")[:1]
    return in_order(
        examples.select_related("submitted_by").annotate(
            held_by=Subquery(holder),
            own=Case(When(submitted_by=user, then=Value(True)), default=Value(False)),
        )
    )


def baseline(example: Example) -> Revision | None:
    """The revision a reviewer compares with: the last reviewed one, else the imported one.

    None when there is no earlier one: its author wrote all of it.
    """
    reviewed = (
        Revision.objects.filter(example=example, reviews__undone_at=None, number__lt=example.revision)
        .filter(reviews__isnull=False)
        .order_by("-number")
        .first()
    )
    if reviewed:
        return reviewed
    return Revision.objects.filter(
        example=example, number__lt=example.revision, reason=Revision.Reason.ARRIVED
    ).first()


@dataclass(frozen=True)
class ReviewRow:
    """An example in the list of reviews, and its changes since the last review or the import."""

    example: Example
    base: Revision | None
    changes: Changes | None

    @property
    def free(self) -> bool:
        """Whether the person can decide it: not their own, and no one has it open."""
        return not (getattr(self.example, "own", False) or getattr(self.example, "held_by", None))

    @property
    def value(self) -> str:
        """The value of its checkbox: the example and the shown revision."""
        return f"{self.example.pk}:{self.example.revision}"

    @property
    def since(self) -> str:
        if self.base is None:
            return ""
        return (
            "the first revision"
            if self.base.reason == Revision.Reason.ARRIVED
            else f"the review of revision {self.base.number}"
        )

    @property
    def marks(self) -> bool:
        """Whether the list shows the changes of the completion; a long one must be opened for that."""
        if self.changes is None or self.changes.completion.state != "changed":
            return False
        return len(self.changes.completion.old) + len(self.changes.completion.new) <= LIST_DIFF

    @property
    def also_changed(self) -> list[str]:
        if self.changes is None:
            return []
        parts = [("conversation", not self.changes.messages_same), ("records", not self.changes.context_same)]
        return [name for name, changed in parts if changed] + [
            part.label.lower() for part in self.changes.changed_fields
        ]


def review_rows(examples: Iterable[Example]) -> list[ReviewRow]:
    """The examples of one page of the list. One query for any number; see `baseline` for the compared revision."""
    page = list(examples)
    reviewed = Exists(Review.objects.filter(revision=OuterRef("pk"), undone_at=None))
    revisions = (
        Revision.objects.filter(example__in=page, number__lt=F("example__revision"))
        .annotate(reviewed=reviewed)
        .filter(Q(reviewed=True) | Q(reason=Revision.Reason.ARRIVED))
        .order_by("example_id", "-reviewed", "-number")
        .distinct("example_id")
    )
    bases = {revision.example_id: revision for revision in revisions}
    rows = []
    for example in page:
        base = bases.get(example.pk)
        now = {**example.content(), "slice": example.slice, "edge": example.edge, "tags": example.tags}
        rows.append(ReviewRow(example, base, changes(base.content, now) if base else None))
    return rows


def last_review(example: Example) -> Review | None:
    return (
        Review.objects.select_related("by", "revision")
        .filter(example=example, undone_at=None)
        .order_by("-id")
        .first()
    )


def reviews_of(example: Example) -> QuerySet[Review]:
    return Review.objects.select_related("by", "revision").filter(example=example)


def undoable(user: User, project: Project, limit: int = 5) -> list[Review]:
    """The person's latest decisions that can still be undone, newest first."""
    return list(_undoable(user, project).filter(batch=None).select_related("example").order_by("-id")[:limit])


def _undoable(user: User, project: Project) -> QuerySet[Review]:
    # The fix of a finding is undone with its finding, and its text too.
    fixes = ExampleFinding.objects.filter(batch=OuterRef("batch"))
    later = Review.objects.filter(example=OuterRef("example"), id__gt=OuterRef("id"))
    return Review.objects.filter(
        by=user,
        example__project=project,
        undone_at=None,
        at__gt=timezone.now() - UNDO,
        example__revision=F("revision__number"),
        example__status__in=[Example.Status.APPROVED, Example.Status.RETURNED],
    ).exclude(Exists(later) | Exists(fixes))


@dataclass(frozen=True)
class BulkDecision:
    """A bulk decision that the person can still undo."""

    batch: uuid.UUID
    verdict: str
    count: int
    at: datetime
    newest: int  # the highest id of its reviews


def undoable_bulk(user: User, project: Project, limit: int = 3) -> list[BulkDecision]:
    """The person's latest bulk decisions that can still be undone, newest first. One query."""
    reviews = _undoable(user, project).exclude(batch=None).order_by()
    rows = reviews.values("batch", "verdict").annotate(count=Count("id"), made=Max("at"), newest=Max("id"))
    return [
        BulkDecision(row["batch"], row["verdict"], row["count"], row["made"], row["newest"])
        for row in rows.order_by("-newest")[:limit]
        if row["batch"] is not None
    ]


def submission_note(example: Example) -> str:
    """The reason why the current revision was submitted although a check failed; empty when none failed."""
    return str(
        Revision.objects.filter(example=example, number=example.revision)
        .values_list("note", flat=True)
        .first()
        or ""
    )


# --- for the page "my work" --------------------------------------------------------------------------------
NO_WORK = dict.fromkeys(("submitted", "accepted", "sent_back", "reviewed", "open"), 0)


class WorkRow(TypedDict):
    """`accepted` and `sent_back` count reviews of the person's submits."""

    project: Project
    submitted: int
    accepted: int
    sent_back: int
    reviewed: int
    open: int


def my_work(user: User) -> list[WorkRow]:
    """The person's work of the last seven days, by project. Four queries."""
    since = timezone.now() - timedelta(days=7)
    rows: dict[int, Counter[str]] = {}

    def add(name: str, counts: Iterable[tuple[int, int]]) -> None:
        for project_id, n in counts:
            rows.setdefault(project_id, Counter())[name] = n

    submitted = Revision.objects.filter(
        by=user, at__gte=since, reason__in=[Revision.Reason.SUBMITTED, Revision.Reason.WRITTEN]
    ).filter(example__submitted_by__isnull=False)
    add("submitted", submitted.values_list("example__project").annotate(Count("id")))
    received = Review.objects.filter(example__submitted_by=user, at__gte=since, undone_at=None)
    for name, verdict in (
        ("accepted", Review.Verdict.ACCEPTED),
        ("sent_back", Review.Verdict.RETURNED),
    ):
        add(
            name,
            received.filter(verdict=verdict)
            .order_by()
            .values_list("example__project")
            .annotate(Count("example", distinct=True)),
        )
    own_reviews = Review.objects.filter(by=user, at__gte=since, undone_at=None).order_by()
    add("reviewed", own_reviews.values_list("example__project").annotate(Count("id")))
    held = Lease.objects.filter(
        user=user, outcome=Lease.Outcome.OPEN, expires_at__gt=timezone.now()
    ).order_by()
    add("open", held.values_list("project").annotate(Count("id")))
    projects = Project.objects.in_bulk(rows)
    return [
        {
            "project": projects[pk],
            "submitted": numbers["submitted"],
            "accepted": numbers["accepted"],
            "sent_back": numbers["sent_back"],
            "reviewed": numbers["reviewed"],
            "open": numbers["open"],
        }
        for pk, numbers in sorted(rows.items(), key=lambda row: projects[row[0]].name)
    ]


def tags_of(project: Project, limit: int = 60) -> list[str]:
    """Tags in use, most frequent first, as suggestions. One query over the newest examples."""
    newest = Example.objects.filter(project=project).order_by("-id").values("tags")[:2000]
    counts: dict[str, int] = {}
    for row in newest:
        for tag in row["tags"]:
            counts[tag] = counts.get(tag, 0) + 1
    return sorted(counts, key=lambda tag: (-counts[tag], tag))[:limit]
