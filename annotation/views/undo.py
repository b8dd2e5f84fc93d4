"""The last action of a person, which the page's message can undo."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.urls import reverse
from django.utils import timezone

from annotation.models import Lease, Review
from annotation.queries import queue as queries
from core.access import Access

FRESH = timedelta(minutes=2)  # later it is under "Your recent work", with the same button


@dataclass(frozen=True)
class Undo:
    """One action: what was done, with which example, and the address that undoes it."""

    pk: int
    done: str
    url: str
    at: datetime


def last_step(access: Access, purpose: str, *, besides: int | None = None) -> Undo | None:
    """The newest action of the last two minutes that can still be undone, except one with the example `besides`."""
    user, project = access.user, access.project
    steps = [_skips(access, purpose), *(_decisions(access) if purpose == Lease.Purpose.REVIEW else [])]
    if purpose == Lease.Purpose.ANNOTATE:
        for example in queries.recent_work(user, project, 1):
            if example.takeable_back and example.submitted_at:
                url = reverse("annotation:take-back", args=[project.slug, example.pk])
                steps.append(Undo(example.pk, "submitted", url, example.submitted_at))
    fresh = [step for step in steps if step and step.pk != besides and step.at > timezone.now() - FRESH]
    return max(fresh, key=lambda step: step.at, default=None)


def _skips(access: Access, purpose: str) -> Undo | None:
    slug = access.project.slug
    name = "review-skip-undo" if purpose == Lease.Purpose.REVIEW else "skip-undo"
    for skip in queries.skipped_by(access.user, access.project, 2):
        if skip.purpose == purpose and skip.finished_at:
            return Undo(
                skip.example_id,
                "skipped",
                reverse(f"annotation:{name}", args=[slug, skip.example_id]),
                skip.finished_at,
            )
    return None


def _decisions(access: Access) -> list[Undo]:
    slug = access.project.slug
    return [
        Undo(
            review.example_id,
            "accepted" if review.verdict == Review.Verdict.ACCEPTED else "sent back",
            reverse("annotation:review-undo", args=[slug, review.pk]),
            review.at,
        )
        for review in queries.undoable(access.user, access.project, 1)
    ]
