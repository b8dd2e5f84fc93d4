"""Starts searches for duplicates and stores what they find."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from annotation.models import Example
from core.audit.entries import record
from core.errors import Conflict
from core.models import Project, Run, User
from core.runs.control import launch_run
from dataset.actions import DatasetAction
from dataset.duplicates import Cluster, Near
from dataset.models import DatasetRow, DuplicateCluster, DuplicateMember, DuplicateSearch, NearTest

Status = DuplicateCluster.Status


@transaction.atomic
def start_search(*, by: User, project: Project) -> DuplicateSearch:
    """Launches a search over the examples that are not retired. Conflict while one is queued or running."""
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    if DuplicateSearch.objects.filter(project=project, run__status__in=Run.ACTIVE).exists():
        raise Conflict("A search for duplicates is running.", "Wait until it has ended, or cancel it.")
    run = launch_run(by=by, project=project, kind="find-duplicates", title="Find duplicates")
    return DuplicateSearch.objects.create(project=project, run=run)


def search_again(run: Run, by: User) -> None:
    """A failed or cancelled search starts again (core.runs.kinds.RunKind.on_again). Conflict while another one is active."""
    assert run.project is not None
    Project.objects.select_for_update(no_key=True).get(pk=run.project.pk)
    others = DuplicateSearch.objects.filter(project=run.project_id, run__status__in=Run.ACTIVE)
    if others.exclude(run_id=run.pk).exists():
        raise Conflict("Another search for duplicates is running.", "Wait until it has ended.")


@transaction.atomic
def finish_search(
    *,
    search: DuplicateSearch,
    clusters: Sequence[Cluster],
    near: Sequence[Near],
    counts: Mapping[str, int],
    store: Callable[[type[Any], Iterable[Any]], None],
) -> None:
    """Replaces the open clusters and the list of near test rows by what was found, and makes the search visible. `store` writes
    many rows (dataset.runner.bulk).

    A cluster whose members were all kept by one settlement is settled already and not stored again, unless its answers now
    disagree and did not then. One that was open keeps its address.
    """
    project = search.project
    locked = DuplicateCluster.objects.select_for_update(no_key=True).filter(project=project).order_by("pk")
    keys = {(kind, first): pk for pk, kind, first, status in locked.values_list(
        "pk", "kind", "first", "status") if status == Status.OPEN}  # fmt: skip
    DuplicateMember.objects.filter(cluster__in=keys.values()).delete()
    DuplicateCluster.objects.filter(pk__in=keys.values()).delete()
    usable = set(_in_use(project).values_list("pk", flat=True))
    left = _left(clusters, usable, _settled(project))
    now = timezone.now()
    rows = _rows(project, left, keys, _tested(project))
    for row in rows:
        row.found_at = now
    store(DuplicateCluster, [row for row in rows if row.pk])
    new = [row for row in rows if not row.pk]
    DuplicateCluster.objects.bulk_create(new, batch_size=2000)
    store(DuplicateMember, _members(rows, left))
    NearTest.objects.filter(project=project).delete()
    found = [one for one in near if one.example in usable]
    store(
        NearTest,
        (
            NearTest(project=project, example_id=one.example, row_id=one.row, similarity=one.similarity)
            for one in found
        ),
    )
    kinds = {kind: sum(row.kind == kind for row in rows) for kind in DuplicateCluster.Kind.values}
    disagreeing = sum(bool(row.disagreement) for row in rows)
    search.counts = {**counts, "clusters": kinds, "disagreeing": disagreeing, "near_test": len(found)}
    search.found_at = now
    search.save(update_fields=["counts", "found_at"])
    record(
        by=search.run.created_by if search.run else None,
        project=project,
        action=DatasetAction.DUPLICATES_FOUND,
        obj=search,
        clusters=len(rows),
        disagreeing=disagreeing,
        near_test=len(found),
    )


def _in_use(project: Project) -> Any:
    return Example.objects.filter(project=project).exclude(status=Example.Status.RETIRED)


def _tested(project: Project) -> set[int]:
    rows = DatasetRow.objects.filter(dataset__project=project, split="test")
    return set(rows.order_by().values_list("example", flat=True).distinct())


def _settled(project: Project) -> dict[tuple[str, int], list[tuple[set[int], bool]]]:
    """{(kind, example): the settlements that kept it, each with all that it kept and whether the answers disagreed}."""
    kept: dict[int, set[int]] = defaultdict(set)
    facts: dict[int, tuple[str, bool]] = {}
    members = DuplicateMember.objects.filter(
        cluster__project=project, cluster__status=Status.SETTLED, kept=True
    )
    for cluster, example, kind, disagreement in members.order_by().values_list(
        "cluster", "example", "cluster__kind", "cluster__disagreement"
    ):
        kept[cluster].add(example)
        facts[cluster] = kind, bool(disagreement)
    found: dict[tuple[str, int], list[tuple[set[int], bool]]] = defaultdict(list)
    for cluster, examples in kept.items():
        kind, disagreed = facts[cluster]
        for example in examples:
            found[kind, example].append((examples, disagreed))
    return found


def _left(
    clusters: Iterable[Cluster],
    usable: Collection[int],
    settled: Mapping[tuple[str, int], list[tuple[set[int], bool]]],
) -> list[Cluster]:
    """Clusters of at least two examples in use that no settlement covers."""
    left = []
    for cluster in clusters:
        cluster.members = [member for member in cluster.members if member.example in usable]
        if len(cluster.members) < 2:
            continue
        own = set(cluster.examples)
        covered = any(
            own <= kept and (disagreed or not cluster.disagreement)
            for kept, disagreed in settled.get((cluster.kind, cluster.examples[0]), ())
        )
        if not covered:
            left.append(cluster)
    return left


def _rows(
    project: Project, clusters: Iterable[Cluster], keys: Mapping[tuple[str, int], int], tested: set[int]
) -> list[DuplicateCluster]:
    return [
        DuplicateCluster(
            pk=keys.get((cluster.kind, cluster.examples[0])),
            project=project,
            kind=cluster.kind,
            first_id=cluster.examples[0],
            size=len(cluster.members),
            in_use=len(cluster.members),
            exact=cluster.exact,
            tested=not tested.isdisjoint(cluster.examples),
            disagreement=cluster.disagreement,
            says=cluster.says,
            likeness=cluster.likeness,
        )
        for cluster in clusters
    ]


def _members(rows: Sequence[DuplicateCluster], clusters: Sequence[Cluster]) -> Iterator[DuplicateMember]:
    for row, cluster in zip(rows, clusters, strict=True):
        for member in cluster.members:
            yield DuplicateMember(
                cluster=row,
                example_id=member.example,
                similarity=member.similarity,
                part=cluster.parts.get(member.example, 0),
            )


def forget_clusters(examples: QuerySet[Example]) -> None:
    """Before examples are deleted: a later search finds again what it can. What a person settled stays, and so must its examples."""
    NearTest.objects.filter(example__in=examples).delete()
    members = DuplicateMember.objects.filter(example__in=examples, cluster__status=Status.OPEN)
    clusters = list(members.order_by().values_list("cluster", flat=True).distinct())
    DuplicateMember.objects.filter(cluster__in=clusters).delete()
    DuplicateCluster.objects.filter(pk__in=clusters).delete()
