"""Annotation on a project's Home: how many examples are approved, and what this person can do."""

from django.urls import reverse

from annotation.models import Example
from annotation.queries.authoring import progress_of, tasks_for
from annotation.queries.counts import standing
from annotation.queries.overview import Overview, overview
from core.access import Access
from core.home.stages import Glance, NextItem, Stage, StageCard
from core.models import Role
from core.roles import EXAMPLE_READERS, QUEUE_WORKERS
from core.wording import counted

# Authoring tasks on Home.
MOST_TASKS = 3


def glance(access: Access) -> Glance:
    """The person's own work. Six queries, for any number of examples."""
    works = access.has(*QUEUE_WORKERS)
    waiting = overview(access.user, access.project) if works else None
    own = _own_work(access, waiting) if waiting else []
    return Glance(_card(access, waiting), own)


def _card(access: Access, waiting: Overview | None) -> StageCard:
    """Approved examples, and what waits for the person; for viewers all that waits."""
    url = reverse("annotation:overview", args=[access.project.slug])
    counts = standing(access.project)
    approved = counts[Example.Status.APPROVED]
    if waiting is not None:
        waits = (waiting.to_annotate if access.has(Role.ANNOTATOR) else 0) + (
            waiting.to_review if access.has(Role.REVIEWER) else 0
        )
        line = f"approved; {waits:,} for you" if waits else "approved; nothing for you"
        return StageCard(f"{approved:,}", line, url)
    waits = sum(
        counts[status]
        for status in (Example.Status.QUEUED, Example.Status.RETURNED, Example.Status.IN_REVIEW)
    )
    return StageCard(f"{approved:,}", f"approved; {waits:,} in the queue or in review", url)


def _own_work(access: Access, waiting: Overview) -> list[NextItem]:
    """Examples that were sent back, that are in the queue, and that wait for review."""
    items = _to_annotate(access, waiting) if access.has(Role.ANNOTATOR) else []
    if access.has(Role.REVIEWER) and waiting.to_review:
        items.append(
            NextItem(
                f"{counted(waiting.to_review, 'example waits', 'examples wait')} for review",
                "Changes since the last review are marked.",
                reverse("annotation:review-list", args=[access.project.slug]),
                "Review",
                order=15,
                tone="copper",
            )
        )
    return items


def _to_annotate(access: Access, waiting: Overview) -> list[NextItem]:
    url = reverse("annotation:overview", args=[access.project.slug])
    items = []
    if waiting.sent_back:
        items.append(
            NextItem(
                f"{counted(waiting.sent_back, 'example was', 'examples were')} sent back to you",
                "Each has a reviewer's comment. You get them first.",
                url,
                "Correct",
                order=10,
                tone="copper",
            )
        )
    items += _tasks(access)
    fresh = waiting.to_annotate - waiting.sent_back
    if fresh:
        parts = [
            counted(waiting.feedback, "comes from a rating or a chat", "come from ratings and chats")
            if waiting.feedback
            else "",
            counted(waiting.edge, "is an edge case", "are edge cases") if waiting.edge else "",
        ]
        sentence = ", ".join(part for part in parts if part)
        items.append(
            NextItem(
                f"{counted(fresh, 'example is', 'examples are')} in the queue",
                f"{sentence[:1].upper()}{sentence[1:]}." if sentence else "Oldest first.",
                url,
                "Annotate",
                order=25,
            )
        )
    return items


def _tasks(access: Access) -> list[NextItem]:
    """Authoring tasks of this person that are not written yet, the most urgent first. Two queries."""
    own = [one for one in progress_of(tasks_for(access.user, access.project)[:10]) if one.left]
    url = reverse("annotation:write", args=[access.project.slug])
    return [
        NextItem(
            f"{counted(one.left, 'example', 'examples')} to write: {one.task.wanted}",
            f"{one.written:,} of {one.task.quota:,} written, {one.approved:,} approved."
            + (f" Due on {one.task.due_on:%-d %b %Y}." if one.task.due_on else ""),
            f"{url}?task={one.task.pk}",
            "Write",
            order=18,
            tone="copper" if one.is_late else "accent",
        )
        for one in own[:MOST_TASKS]
    ]


STAGE = Stage(
    "annotate",
    "Annotate",
    1,
    glance,
    EXAMPLE_READERS,
    "annotation:overview",
)
