"""What the tests of the pages of annotation share."""

from collections.abc import Callable

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation import services
from annotation.models import Example, Lease
from core.models import Role, User
from tests.support.factories import World, make_example

SignIn = Callable[[User | None], Client]


ANNOTATE, REVIEW = Lease.Purpose.ANNOTATE, Lease.Purpose.REVIEW


READERS = {Role.ANNOTATOR, Role.REVIEWER, Role.ADMIN, Role.VIEWER}


ANNOTATORS, REVIEWERS = {Role.ANNOTATOR}, {Role.REVIEWER}


# name: (roles that may GET, roles that may POST, takes an id)
PAGES: dict[str, tuple[set[str], set[str], bool]] = {
    "overview": (READERS, set(), False),
    "next": (set(), ANNOTATORS, False),
    "checks": (set(), ANNOTATORS | REVIEWERS, False),
    "item": (ANNOTATORS, set(), True),
    "take": (set(), ANNOTATORS, True),
    "heartbeat": (set(), ANNOTATORS, True),
    "draft": (ANNOTATORS, ANNOTATORS, True),
    "draft-discard": (set(), ANNOTATORS, True),
    "submit": (set(), ANNOTATORS, True),
    "skip": (set(), ANNOTATORS, True),
    "skip-undo": (set(), ANNOTATORS, True),
    "release": (set(), ANNOTATORS, True),
    "take-back": (set(), ANNOTATORS, True),
    "write": (ANNOTATORS, ANNOTATORS, False),
    "write-draft": (ANNOTATORS, ANNOTATORS, False),
    "write-discard": (set(), ANNOTATORS, False),
    "review-list": (READERS, set(), False),
    "review-next": (set(), REVIEWERS, False),
    "accept-selected": (set(), REVIEWERS, False),
    "send-back-selected": (set(), REVIEWERS, False),
    "review": (REVIEWERS, set(), True),
    "review-take": (set(), REVIEWERS, True),
    "review-heartbeat": (set(), REVIEWERS, True),
    "review-draft": (REVIEWERS, REVIEWERS, True),
    "accept": (set(), REVIEWERS, True),
    "send-back": (set(), REVIEWERS, True),
    "correct": (REVIEWERS, REVIEWERS, True),
    "review-skip": (set(), REVIEWERS, True),
    "review-skip-undo": (set(), REVIEWERS, True),
    "review-release": (set(), REVIEWERS, True),
    "review-undo": (set(), REVIEWERS, True),
}


def url(world: World, name: str, pk: int | None = None) -> str:
    return reverse(f"annotation:{name}", args=[world.project.slug, *([pk] if pk is not None else [])])


def posted(example: Example, completion: str = "A new answer, written by hand.", **more: str) -> dict:
    return {
        "role": [m["role"] for m in example.messages],
        "message": [m["content"] for m in example.messages],
        "record": example.context,
        "completion": completion,
        "slice": example.slice,
        "edge": example.edge,
        "tags": "eta, delay",
        "base_revision": str(example.revision),
        "example": str(example.pk),
        **more,
    }


def leased(world: World, **fields: object) -> Example:
    make_example(world.project, **fields)
    return services.take_next(by=world.annotator, project=world.project, purpose=ANNOTATE).example


def in_review(world: World, **fields: object) -> Example:
    make_example(
        world.project, status="in_review", submitted_by=world.annotator, submitted_at=timezone.now(), **fields
    )
    return services.take_next(by=world.reviewer, project=world.project, purpose=REVIEW).example
