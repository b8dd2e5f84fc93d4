"""What waits for one person, in numbers: for the overview of the queue and for Home."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db import connection
from django.utils import timezone

from annotation.models import Example
from annotation.queries.categories import edge_names
from annotation.queries.queue import OWN_FIRST, held_by
from core.models import Project, User


@dataclass(frozen=True)
class WaitingKind:
    """The number of waiting examples of one kind, for the overview; `key` and `value` are the filter that takes from it."""

    label: str
    count: int
    key: str = ""
    value: str = ""


@dataclass(frozen=True)
class Overview:
    """The queues of one person. Counts leave out all open examples, also those of the person."""

    sent_back: int = 0
    feedback: int = 0
    edge: int = 0
    rest: int = 0
    edge_by_slice: list[WaitingKind] = field(default_factory=list)
    edge_by_kind: list[WaitingKind] = field(default_factory=list)
    to_review: int = 0
    held_by_others: int = 0

    @property
    def to_annotate(self) -> int:
        return self.sent_back + self.feedback + self.edge + self.rest


# The kept counts of all that waits, and then only what is not for everybody: examples sent back to this person or reserved for
# somebody else, the person's own in review, and those that are open. One statement, so that all parts see the same moment.
_WAITING = """
SELECT 'all', 0::bigint, status, rank, CASE edge WHEN '' THEN '' ELSE slice END AS slice, edge, sum(n)::bigint
FROM (
    SELECT status, slice, edge, n,
           CASE WHEN origin IN ('rating', 'chat') THEN 0 WHEN edge <> '' THEN 1 ELSE 2 END AS rank
    FROM annotation_examplecount
    WHERE project_id = %(project)s AND status IN ('queued', 'returned', 'in_review')
) AS kept
GROUP BY status, rank, 5, edge
UNION ALL
SELECT 'own', 0, status, queue_rank, slice, edge, count(*) FROM annotation_example
WHERE project_id = %(project)s AND status IN ('returned', 'in_review') AND submitted_by_id = %(user)s
GROUP BY status, queue_rank, slice, edge
UNION ALL
SELECT 'reserved', 0, status, queue_rank, slice, edge, count(*) FROM annotation_example
WHERE project_id = %(project)s AND status = 'returned' AND waiting_since >= %(since)s AND submitted_by_id <> %(user)s
GROUP BY status, queue_rank, slice, edge
UNION ALL
SELECT CASE WHEN status = 'queued' THEN 'open' WHEN submitted_by_id = %(user)s THEN 'own open'
            WHEN status = 'returned' AND waiting_since >= %(since)s AND submitted_by_id IS NOT NULL THEN 'reserved open'
            ELSE 'open' END, id, status, queue_rank, slice, edge, 1
FROM annotation_example
WHERE id = ANY(%(held)s) AND status IN ('queued', 'returned', 'in_review')
"""


class _Part(NamedTuple):
    """A line of _WAITING. `example` is 0 for numbers of several examples."""

    what: str
    example: int
    status: str
    rank: int
    slice: str
    edge: str
    number: int

    @property
    def kind(self) -> tuple[int, str, str]:
        return self.rank, self.slice if self.edge else "", self.edge


def overview(user: User, project: Project) -> Overview:
    """Three queries, for any size of the queue: only the exceptions are counted here."""
    held = held_by(project)
    names: dict[str, Any] = {
        "project": project.pk,
        "user": user.pk,
        "since": timezone.now() - OWN_FIRST,
        "held": list(held),
    }
    with connection.cursor() as cursor:
        cursor.execute(_WAITING, names)
        parts = [_Part(*row) for row in cursor.fetchall()]
    queue = [part for part in parts if part.status != Example.Status.IN_REVIEW]
    waits, own = _free(queue), _sent_back(queue)
    ranks = [sum(count for kind, count in waits.items() if kind[0] == rank) for rank in (0, 1, 2)]
    others = [part for part in queue if part.what in ("open", "own open") and held[part.example] != user.pk]
    return Overview(
        sent_back=own.total(),
        feedback=ranks[0],
        edge=ranks[1],
        rest=ranks[2],
        **_edges(project, waits + own),
        to_review=_free([part for part in parts if part.status == Example.Status.IN_REVIEW]).total(),
        held_by_others=len(others),
    )


def _free(parts: list[_Part]) -> Counter[tuple[int, str, str]]:
    """What is open with nobody and for everybody: all, without the exceptions. By rank, slice (of edge cases) and edge."""
    free: Counter[tuple[int, str, str]] = Counter()
    for part in parts:
        # An open one of the person's own, and a reserved one, are among those that are not for everybody already.
        if part.what in ("all", "own", "reserved", "open"):
            free[part.kind] += part.number if part.what == "all" else -part.number
    return free


def _sent_back(parts: list[_Part]) -> Counter[tuple[int, str, str]]:
    own: Counter[tuple[int, str, str]] = Counter()
    for part in parts:
        if part.what in ("own", "own open"):
            own[part.kind] += part.number if part.what == "own" else -part.number
    return own


def _edges(project: Project, waits: Counter[tuple[int, str, str]]) -> dict[str, list[WaitingKind]]:
    slices, kinds = Counter[str](), Counter[str]()
    for (_, slice_name, edge), count in waits.items():
        if edge:
            slices[slice_name] += count
            kinds[edge] += count
    by_slice = sorted((+slices).items(), key=lambda row: (-row[1], row[0]))[:12]
    by_kind = sorted((+kinds).items(), key=lambda row: (-row[1], row[0]))
    names = edge_names(project) if by_kind else {}
    return {
        "edge_by_slice": [WaitingKind(name or "no slice", count, "slice", name) for name, count in by_slice],
        "edge_by_kind": [WaitingKind(names.get(edge, edge), count, "edge", edge) for edge, count in by_kind],
    }
