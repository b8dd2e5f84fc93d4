"""Settles clusters of duplicates: keeps some examples and retires the others, or says that all are wanted.

A settlement never touches dataset versions, their rows or the splits of groups: what was held out stays held out.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Count, OuterRef, Subquery, TextChoices
from django.db.models.functions import Coalesce
from django.utils import timezone

from annotation.actions import AnnotationAction
from annotation.models import Example
from annotation.registry import must_stay_retired
from annotation.services.bulk import restore_many, retire_many
from annotation.text.cleaning import clean_text
from core.audit.entries import record
from core.database.transitions import transition
from core.errors import Conflict, Invalid
from core.models import User
from core.seen import must_be_as_seen, stamp
from core.text import one_line
from dataset.actions import DatasetAction
from dataset.models import DuplicateCluster, DuplicateMember
from dataset.queries.duplicates import test_rows_of, worked_on

Status, Outcome = DuplicateCluster.Status, DuplicateCluster.Outcome
LONGEST_REASON = 300


def _standing(cluster: DuplicateCluster) -> list[Any]:
    members = cluster.members.order_by("example").values_list(
        "example", "example__status", "example__revision"
    )
    return [cluster.status, *map(list, members)]


def cluster_stamp(cluster: DuplicateCluster) -> str:
    """The stamp that a page sends when the cluster is settled or opened again."""
    return stamp(*_standing(cluster))


def _locked(cluster: DuplicateCluster) -> tuple[DuplicateCluster, list[int]]:
    """The cluster as it is now, and the ids of all that share a member with it, locked in one order: two people who settle
    overlapping clusters wait for each other and never for ever. Conflict when a new search has removed it."""
    shared = DuplicateMember.objects.filter(
        example__in=DuplicateMember.objects.filter(cluster=cluster.pk).values("example")
    )
    locked = DuplicateCluster.objects.select_for_update(no_key=True, of=("self",)).select_related("project")
    found = {one.pk: one for one in locked.filter(pk__in=shared.values("cluster")).order_by("pk")}
    if cluster.pk not in found:
        raise Conflict(
            "A new search has replaced this cluster.", "Nothing was done. Look at the list of clusters."
        )
    return found[cluster.pk], list(found)


def _recount(clusters: Collection[int]) -> None:
    in_use = (
        DuplicateMember.objects.filter(cluster=OuterRef("pk"))
        .exclude(example__status=Example.Status.RETIRED)
        .order_by()
        .values("cluster")
        .annotate(n=Count("pk"))
        .values("n")
    )
    DuplicateCluster.objects.filter(pk__in=clusters).update(in_use=Coalesce(Subquery(in_use), 0))


def _reason(text: str, *, required: bool) -> str:
    reason = one_line(clean_text(text))
    if required and not reason:
        message = "Say why all are wanted."
    elif len(reason) > LONGEST_REASON:
        message = f"Keep it under {LONGEST_REASON} characters."
    else:
        return reason
    raise Invalid("Nothing was done.", message, fields={"reason": [message]})


class KeepRule(TextChoices):
    """Which one of a cluster's examples in use is kept, for clusters that nobody wants to read through."""

    REVIEWED = (
        "reviewed",
        "The one that people worked on most: a test row, else approved, with the most revisions",
    )
    OLDEST = "oldest", "The oldest"
    NEWEST = "newest", "The newest"


@transaction.atomic
def settle(
    *,
    by: User,
    cluster: DuplicateCluster,
    keep: Collection[int] | KeepRule | None,
    reason: str = "",
    seen: str = "",
) -> DuplicateCluster:
    """Keeps the examples `keep` of an open cluster, or the one that a rule chooses, and retires its others; None says that all are
    wanted, for a reason.

    Raises Invalid when nothing or everything is kept, or for an id that is not a member in use; Conflict when somebody else settled
    it first, or something changed after the person saw it (`seen`, see `cluster_stamp`).
    """
    reason = _reason(reason, required=keep is None)
    cluster, shared = _locked(cluster)
    if cluster.status != Status.OPEN:
        name = cluster.settled_by.name if cluster.settled_by else "Somebody"
        raise Conflict(f"{name} settled this cluster before you.", "Reload the page to see how.")
    must_be_as_seen(seen, *_standing(cluster), label="The cluster")
    members = list(cluster.members.select_related("example").order_by("example"))
    if isinstance(keep, KeepRule):
        keep = _chosen_by(keep, members)
    retired = [] if keep is None else _to_retire(members, set(keep))
    were = retire_many(retired)
    for member in members:
        member.kept = member.example_id not in were and member.example.status != Example.Status.RETIRED
        member.was = were.get(member.example_id, "")
    DuplicateMember.objects.bulk_update(members, ["kept", "was"], batch_size=1000)
    transition(
        cluster,
        Status.SETTLED,
        outcome=Outcome.WANTED if keep is None else Outcome.RETIRED,
        reason=reason,
        settled_by=by,
        settled_at=timezone.now(),
    )
    _recount(shared)
    _record_settled(by, cluster, members, were)
    return cluster


def _chosen_by(rule: KeepRule, members: Sequence[DuplicateMember]) -> list[int]:
    usable = [member.example for member in members if member.example.status != Example.Status.RETIRED]
    if not usable:
        return []
    if rule == KeepRule.REVIEWED:
        tested = test_rows_of([example.pk for example in usable])
        return [min(usable, key=lambda one: worked_on(one, held_out=one.pk in tested)).pk]
    return [(min if rule == KeepRule.OLDEST else max)(example.pk for example in usable)]


def _to_retire(members: Sequence[DuplicateMember], keep: set[int]) -> list[int]:
    usable = {member.example_id for member in members if member.example.status != Example.Status.RETIRED}
    if strangers := sorted(keep - usable):
        words = f"#{strangers[0]} is not one of the cluster's examples in use."
        raise Invalid("Nothing was done.", words, fields={"keep": [words]})
    if not keep:
        words = "Choose at least one example to keep."
        raise Invalid("Nothing was done.", words, fields={"keep": [words]})
    if keep == usable:
        words = "Every example is chosen. Leave one out, or say that all are wanted."
        raise Invalid("Nothing was done.", words, fields={"keep": [words]})
    return sorted(usable - keep)


def _record_settled(
    by: User, cluster: DuplicateCluster, members: Sequence[DuplicateMember], were: Mapping[int, str]
) -> None:
    kept = [member.example_id for member in members if member.kept]
    for member in members:
        if member.example_id in were:
            record(
                by=by,
                project=cluster.project,
                action=AnnotationAction.EXAMPLE_RETIRED,
                obj=member.example,
                reason=cluster.reason or f"It repeats #{kept[0]}.",
                was=were[member.example_id],
            )
    record(
        by=by,
        project=cluster.project,
        action=DatasetAction.DUPLICATES_SETTLED,
        obj=cluster,
        kept=len(kept),
        retired=len(were),
        reason=cluster.reason,
    )


@transaction.atomic
def undo_settlement(*, by: User, cluster: DuplicateCluster, seen: str = "") -> DuplicateCluster:
    """Opens a settled cluster again; the examples that it retired get the status that they had, unless somebody brought them back
    already.

    Conflict when it is open, changed after the person saw it, an example must stay retired, or a new search found it open again.
    """
    cluster, shared = _locked(cluster)
    if cluster.status != Status.SETTLED:
        raise Conflict("This cluster is open already.", "Reload the page.")
    must_be_as_seen(seen, *_standing(cluster), label="The cluster")
    again = DuplicateCluster.objects.filter(
        project=cluster.project, kind=cluster.kind, first=cluster.first_id, status=Status.OPEN
    ).first()
    if again is not None:
        raise Conflict(
            "A new search found this cluster again, and that one is open.",
            f"Settle cluster {again.pk} instead.",
        )
    members = cluster.members.exclude(was="").select_related("example")
    for member in members:
        if why := must_stay_retired(member.example):
            raise Conflict(f"#{member.example_id} stays retired. {why}", "An admin can restore the source.")
    restored = restore_many({member.example_id: member.was for member in members})
    cluster.members.update(kept=None, was="")
    transition(cluster, Status.OPEN, outcome="", reason="", settled_by=None, settled_at=None)
    _recount(shared)
    record(
        by=by,
        project=cluster.project,
        action=DatasetAction.DUPLICATES_REOPENED,
        obj=cluster,
        restored=restored,
    )
    return cluster
