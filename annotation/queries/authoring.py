"""Reads authoring tasks and how far they are."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Count, F, Q, QuerySet
from django.utils import timezone

from annotation.models import AuthoringTask, Example
from core.models import Membership, Project, Role, User

Status = AuthoringTask.Status


@dataclass(frozen=True)
class Progress:
    """A task with its examples: approved, and written but not decided yet."""

    task: AuthoringTask
    approved: int
    waiting: int
    edge_name: str = ""

    @property
    def written(self) -> int:
        return self.approved + self.waiting

    @property
    def left(self) -> int:
        """How many examples are still to be written."""
        return max(self.task.quota - self.written, 0)

    @property
    def is_late(self) -> bool:
        due = self.task.due_on
        return self.task.status == Status.OPEN and due is not None and due < timezone.localdate()


def tasks_of(project: Project, *, status: str = "") -> QuerySet[AuthoringTask]:
    """Open ones first, by their due date."""
    tasks = AuthoringTask.objects.filter(project=project).select_related("owner", "created_by", "project")
    if status:
        tasks = tasks.filter(status=status)
    return tasks.order_by(F("ended_at").desc(nulls_first=True), F("due_on").asc(nulls_last=True), "pk")


def tasks_for(user: User, project: Project) -> QuerySet[AuthoringTask]:
    """Open tasks that this person owns, and those that nobody owns."""
    return tasks_of(project, status=Status.OPEN).filter(Q(owner=user) | Q(owner=None))


def progress_of(tasks: Iterable[AuthoringTask]) -> list[Progress]:
    """One query for any number of tasks."""
    listed = list(tasks)
    counts: dict[int, dict[str, int]] = {}
    rows = Example.objects.filter(task__in=listed).order_by().values_list("task", "status")
    for task, status, n in rows.annotate(Count("pk")):
        counts.setdefault(task, {})[status] = n
    return [_progress(task, counts.get(task.pk, {})) for task in listed]


def _progress(task: AuthoringTask, counts: dict[str, int]) -> Progress:
    waiting = (Example.Status.QUEUED, Example.Status.IN_REVIEW, Example.Status.RETURNED)
    return Progress(task, counts.get(Example.Status.APPROVED, 0), sum(counts.get(one, 0) for one in waiting))


def possible_owners(project: Project) -> QuerySet[User]:
    """Those who can write examples in the project."""
    writers = Membership.objects.filter(project=project, roles__contains=[Role.ANNOTATOR]).values("user")
    return User.objects.filter(pk__in=writers, is_active=True).order_by("name")
