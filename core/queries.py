"""The queries of core's pages and API. Each function says how many queries it makes."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from core.access import Access
from core.audit.actions import CoreAction
from core.lists.numbers import whole_number
from core.lists.params import day_end, day_start
from core.models import ApiKey, AuditEntry, Membership, Project, Run, User
from core.roles import QUEUE_WORKERS
from core.wording import counted

# A free worker takes a run in less than this.
UNTAKEN = timedelta(seconds=15)


def memberships_of(user: User) -> QuerySet[Membership]:
    """The person's projects with their roles there; archived ones are left out. One query."""
    return (
        Membership.objects.filter(user=user, project__archived_at=None)
        .select_related("project")
        .order_by("project__name")
    )


def people_of(project: Project, *, q: str = "", role: str = "") -> QuerySet[Membership]:
    """Members with their accounts. One query."""
    memberships = (
        Membership.objects.filter(project=project).select_related("user").order_by("user__name", "pk")
    )
    if q:
        memberships = memberships.filter(Q(user__name__icontains=q) | Q(user__email__icontains=q))
    if role:
        memberships = memberships.filter(roles__contains=[role])
    return memberships


def accounts(*, q: str = "", state: str = "") -> QuerySet[User]:
    """Every account of the installation, with its number of projects. One query."""
    users = User.objects.annotate(in_projects=Count("memberships")).order_by("name", "pk")
    if q:
        users = users.filter(Q(name__icontains=q) | Q(email__icontains=q))
    if state:
        users = users.filter(
            **{"operator": {"is_operator": True}}.get(state, {"is_active": state == "active"})
        )
    return users


def maker_of(user: User) -> AuditEntry | None:
    """The audit entry of the account's creation. One query."""
    # What an archive says of an account was in another installation.
    entries = AuditEntry.objects.filter(object_type="core.user", object_id=str(user.pk), imported=False)
    return (
        entries.filter(action__in=(CoreAction.PERSON_CREATED, CoreAction.OPERATOR_CREATED))
        .order_by("pk")
        .first()
    )


def application_keys_of(project: Project) -> QuerySet[ApiKey]:
    """Application keys, valid ones first, newest first. One query."""
    return (
        ApiKey.objects.filter(project=project)
        .select_related("created_by")
        .order_by(F("revoked_at").desc(nulls_first=True), "-created_at")
    )


def personal_keys_of(user: User) -> QuerySet[ApiKey]:
    """Personal keys, valid ones first, newest first. One query."""
    return ApiKey.objects.filter(user=user).order_by(F("revoked_at").desc(nulls_first=True), "-created_at")


def runs_of(project: Project, *, status: str = "", kind: str = "", q: str = "") -> QuerySet[Run]:
    """Runs, newest first, with what the run card shows. One query."""
    runs = Run.objects.filter(project=project).select_related("project", "created_by").order_by("-pk")
    if status == "active":
        runs = runs.filter(status__in=Run.ACTIVE)
    elif status:
        runs = runs.filter(status=status)
    if kind:
        runs = runs.filter(kind=kind)
    if q:
        runs = runs.filter(title__icontains=q)
    return runs


def why_it_waits(run: Run) -> str:
    """Why a queued run waits, in words; empty for other runs. Runs of other projects count. At most two queries."""
    if run.status != Run.Status.QUEUED:
        return ""
    queue = Run.objects.filter(queue=run.queue)
    ahead = queue.filter(status=Run.Status.QUEUED, queued_at__lt=run.queued_at).count()
    if ahead:
        return f"{counted(ahead, 'background job is', 'background jobs are')} before it."
    if queue.filter(status__in=(Run.Status.RUNNING, Run.Status.CANCELLING)).exists():
        return "It is next: it starts when a worker is free."
    if timezone.now() - run.queued_at > UNTAKEN:
        return "No worker has taken it yet. See System status for the workers."
    return ""


def visible_audit(access: Access) -> QuerySet[AuditEntry]:
    """The audit entries of the project that this person can read.

    Admins and viewers read all of it. Annotators and reviewers read entries about annotation, and their own actions.
    Others read only their own actions: a rater must not see a result, a version or a model name in an entry of another
    person.
    """
    entries = AuditEntry.objects.filter(project_id=access.project.pk)
    if access.sees_all:
        return entries
    own = Q(actor_id=access.user.pk)
    if access.has(*QUEUE_WORKERS):
        own |= Q(object_type__startswith="annotation.") | Q(object_type__startswith="datasets.")
    return entries.filter(own)


def audit_entries(project: Project, criteria: Mapping[str, Any]) -> QuerySet[AuditEntry]:
    """The project's audit entries, newest first. `criteria`: who (actor id or name), what (part of the action), since and
    until (dates, both included), object (part of its name, or its type and id as "core.run 12")."""
    entries = AuditEntry.objects.filter(project_id=project.pk).order_by("-pk")
    who = str(criteria.get("who") or "")
    if (person := whole_number(who)) is not None:
        entries = entries.filter(actor_id=person)
    elif who:
        entries = entries.filter(actor__icontains=who)
    if action := criteria.get("what"):
        for word in str(action).lower().split():
            entries = entries.filter(action__icontains=word)
    if (since := criteria.get("since")) and (first := day_start(since)):
        entries = entries.filter(at__gte=first)
    if (until := criteria.get("until")) and (end := day_end(until)):
        entries = entries.filter(at__lt=end)
    if name := str(criteria.get("object") or "").strip():
        kind, _, number = name.rpartition(" ")
        match = Q(object_label__icontains=name)
        if kind and (pk := whole_number(number)) is not None:
            match |= Q(object_type=kind, object_id=str(pk))
        entries = entries.filter(match)
    return entries


def left_but_acted(project: Project) -> QuerySet[User]:
    """People with audit entries in the project who are not members now, by name."""
    acted = AuditEntry.objects.filter(project_id=project.pk, actor_id=OuterRef("pk"))
    members = Membership.objects.filter(project=project).values("user_id")
    return User.objects.filter(Exists(acted)).exclude(pk__in=members).order_by("name", "pk")


def own_work(user: User, *, days: int = 30) -> list[tuple[str, int]]:
    """The person's recent actions, as (action, times), most frequent first. One query."""
    since = timezone.now() - timedelta(days=days)
    counted = (
        AuditEntry.objects.filter(actor_id=user.pk, at__gte=since)
        .values("action")
        .annotate(times=Count("pk"))
    )
    return [(row["action"], row["times"]) for row in counted.order_by("-times", "action")]


def own_actions(user: User) -> QuerySet[AuditEntry]:
    """The person's own actions in every project, newest first. One query."""
    return AuditEntry.objects.filter(actor_id=user.pk).order_by("-pk")
