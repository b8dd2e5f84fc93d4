"""Reads searches for duplicates, their clusters, and the examples that are too near to test rows."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.models import QuerySet

from annotation.models import Example, Lease
from core.models import Project, User
from dataset.models import (
    DatasetRow,
    DuplicateCluster,
    DuplicateMember,
    DuplicateSearch,
    GroupSplit,
    NearTest,
)

Kind, Status = DuplicateCluster.Kind, DuplicateCluster.Status
ON_A_PAGE = 200  # members of a cluster


def last_search(project: Project) -> DuplicateSearch | None:
    """The newest search, finished or not."""
    return DuplicateSearch.objects.filter(project=project).select_related("run__project").first()


def last_finished(project: Project) -> DuplicateSearch | None:
    return DuplicateSearch.objects.filter(project=project, found_at__isnull=False).first()


def test_groups(project: Project) -> set[str]:
    """The groups whose split is test: their examples are test rows, and are not withheld because of one."""
    found = GroupSplit.objects.filter(project=project, split=GroupSplit.Split.TEST)
    return set(found.values_list("group", flat=True))


def test_prompts(project: Project) -> Iterator[tuple[int, list[dict[str, str]]]]:
    """(row, messages) of the test rows of all versions, each text once, streamed."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(
            """
            SELECT min(d.id), r.content -> 'messages'
            FROM datasets_datasetversion v JOIN datasets_datasetrow d ON d.dataset_id = v.id
            JOIN annotation_revision r ON r.id = d.revision_id
            WHERE v.project_id = %s AND v.status = 'ready' AND d.split = 'test'
            GROUP BY r.id ORDER BY r.id
            """,
            [project.pk],
        )
        while rows := cursor.fetchmany(2000):
            for row, messages in rows:
                yield row, json.loads(messages)


def clusters_of(
    project: Project, *, kind: str = "", state: str = "", disagreeing: bool = False, tested: bool = False
) -> QuerySet[DuplicateCluster]:
    """Those whose answers disagree first, then the largest. `kind` empty: all but equal answers to different questions, which are
    normal. `state` as in DuplicateFilter."""
    clusters = DuplicateCluster.objects.filter(project=project)
    clusters = clusters.filter(kind=kind) if kind else clusters.exclude(kind=Kind.COMPLETION)
    if state == Status.SETTLED:
        clusters = clusters.filter(status=Status.SETTLED)
    elif state != "any":
        clusters = clusters.filter(status=Status.OPEN, in_use__gte=2)
    if disagreeing:
        clusters = clusters.exclude(disagreement="")
    if tested:
        clusters = clusters.filter(tested=True)
    # The texts in which two answers disagree come before those without; an empty text is the lowest.
    return clusters.select_related("first", "settled_by").order_by("-disagreement", "-in_use", "id")


def open_counts(project: Project) -> dict[str, int]:
    """How many clusters are open, by kind, and how many of them disagree ("disagreeing")."""
    counts = dict.fromkeys([*Kind.values, "disagreeing"], 0)
    clusters = DuplicateCluster.objects.filter(project=project, status=Status.OPEN, in_use__gte=2)
    for kind, disagreement in clusters.order_by().values_list("kind", "disagreement"):
        counts[kind] += 1
        counts["disagreeing"] += bool(disagreement)
    return counts


def next_open(cluster: DuplicateCluster) -> DuplicateCluster | None:
    """The first other open cluster in the list's order."""
    kind = cluster.kind if cluster.kind == Kind.COMPLETION else ""
    return clusters_of(cluster.project, kind=kind).exclude(pk=cluster.pk).first()


def near_test_of(project: Project) -> QuerySet[NearTest]:
    """Examples in use that are too near to a test row, the nearest first."""
    near = NearTest.objects.filter(project=project).exclude(example__status=Example.Status.RETIRED)
    return near.select_related("example", "row__revision", "row__dataset").order_by("-similarity", "example")


@dataclass
class MemberShown:
    """A member as its cluster's page and the API show it. `versions`: numbers of the dataset versions that have it; `held_out`: it
    is a test row of one of them; `opened_by`: who has it open now; `suggested`: the one to keep, if one is kept."""

    member: DuplicateMember
    versions: list[int]
    held_out: bool
    opened_by: User | None
    suggested: bool = False

    @property
    def example(self) -> Example:
        return self.member.example

    @property
    def usable(self) -> bool:
        return self.example.status != Example.Status.RETIRED


def members_in(cluster: DuplicateCluster) -> QuerySet[DuplicateMember]:
    """The members in their order, with their examples."""
    return cluster.members.select_related("example").order_by("example")


def members_of(cluster: DuplicateCluster, members: Iterable[DuplicateMember]) -> list[MemberShown]:
    """These members as they are shown. Two queries."""
    members = list(members)
    ids = [member.example_id for member in members]
    versions: dict[int, list[int]] = defaultdict(list)
    tests: set[int] = set()
    rows = DatasetRow.objects.filter(example__in=ids, dataset__project=cluster.project_id, variant=0)
    for example, number, split in rows.order_by("dataset__number").values_list(
        "example", "dataset__number", "split"
    ):
        versions[example].append(number)
        if split == GroupSplit.Split.TEST:
            tests.add(example)
    leases = Lease.objects.filter(example__in=ids, outcome=Lease.Outcome.OPEN).select_related("user")
    opened = {lease.example_id: lease.user for lease in leases}
    shown = [
        MemberShown(member, versions[pk], pk in tests, opened.get(pk))
        for pk, member in zip(ids, members, strict=True)
    ]
    _suggest(shown)
    return shown


_ORDER = [Example.Status.APPROVED, Example.Status.IN_REVIEW, Example.Status.RETURNED, Example.Status.QUEUED]


def worked_on(example: Example, *, held_out: bool) -> tuple[bool, int, int, int]:
    """Sorts the examples of a cluster: a test row first, since the others would be withheld anyway; then what people have approved and
    worked on most."""
    return not held_out, _ORDER.index(Example.Status(example.status)), -example.revision, example.pk


def test_rows_of(examples: Collection[int]) -> set[int]:
    """Those of the examples that are a test row of a dataset version. One query."""
    rows = DatasetRow.objects.filter(example__in=examples, split=GroupSplit.Split.TEST)
    return set(rows.values_list("example", flat=True))


def clusters_with(example: Example) -> QuerySet[DuplicateCluster]:
    """The clusters that the example is in, open ones first: what a search found for it, and how people settled it. One query."""
    clusters = DuplicateCluster.objects.filter(members__example=example).select_related("settled_by")
    return clusters.order_by("status", "kind", "id")


def _suggest(shown: Sequence[MemberShown]) -> None:
    usable = [one for one in shown if one.usable]
    if usable:
        best = min(usable, key=lambda one: worked_on(one.example, held_out=one.held_out))
        best.suggested = True


def chosen_at_first(cluster: DuplicateCluster, shown: Sequence[MemberShown]) -> list[int]:
    """What the page proposes to keep: one of copies; none where answers disagree, since a person must read them; all of a cluster by
    question or by answer, which is often wanted."""
    if cluster.disagreement:
        return []
    one_of_copies = cluster.kind == Kind.PAIR
    return [one.example.pk for one in shown if one.usable and (one.suggested or not one_of_copies)]


@dataclass(frozen=True)
class ClusterConsequences:
    """What a settlement of the cluster leaves alone, for people to read before it: counts of its members in use."""

    usable: int
    frozen: int
    tested: int
    opened: list[str]


def consequences_of(shown: Sequence[MemberShown]) -> ClusterConsequences:
    usable = [one for one in shown if one.usable]
    return ClusterConsequences(
        usable=len(usable),
        frozen=sum(bool(one.versions) for one in usable),
        tested=sum(one.held_out for one in usable),
        opened=sorted({one.opened_by.name for one in usable if one.opened_by}),
    )
