"""Reads dataset versions, and what the next one would contain."""

import json
from collections.abc import Sequence

from django.db import connection
from django.db.models import Exists, F, FilteredRelation, OuterRef, Prefetch, Q, QuerySet, Subquery

from annotation.models import Example, Review
from annotation.queries.counts import approved_count
from annotation.text.hashes import prompt_hash
from core.models import Project
from dataset.models import DatasetRow, DatasetVersion, GroupSplit, WithheldRow
from dataset.planning import Planner

NO_SLICE = "-"  # the value of a filter for rows without a slice
# A review that counts: accepted and not undone.
ACCEPTANCE = Q(verdict=Review.Verdict.ACCEPTED, undone_at=None)


def approved(
    project: Project, *, slices: Sequence[str] = (), sources: Sequence[str] = ()
) -> QuerySet[Example]:
    """What a freeze would take now."""
    examples = Example.objects.filter(project=project, status=Example.Status.APPROVED)
    if slices:
        examples = examples.filter(slice__in=slices)
    if sources:
        examples = examples.filter(source__in=sources)
    return examples


def versions_of(project: Project) -> QuerySet[DatasetVersion]:
    """Every version, newest first, with what a list shows. One query."""
    return (
        DatasetVersion.objects.filter(project=project)
        .select_related("project", "run__project", "run__created_by", "created_by", "same_as", "artifact")
        .order_by("-number")
    )


def ready_datasets(project: Project, kind: str = "") -> QuerySet[DatasetVersion]:
    """Versions for training, newest first; of one DatasetVersion.Kind, or of any."""
    ready = versions_of(project).filter(status=DatasetVersion.Status.READY)
    return ready.filter(kind=kind) if kind else ready


def newest_ready(project: Project, kind: str = DatasetVersion.Kind.SUPERVISED.value) -> DatasetVersion | None:
    return ready_datasets(project, kind).first()


def version_before(dataset: DatasetVersion) -> DatasetVersion | None:
    """The last ready version of the same kind with a lower number."""
    return ready_datasets(dataset.project, dataset.kind).filter(number__lt=dataset.number).first()


def decided_splits(project: Project) -> dict[str, str]:
    """{group: split} of every group whose split is decided. One query."""
    return dict(GroupSplit.objects.filter(project=project).values_list("group", "split"))


def add_tested_before(project: Project, planner: Planner) -> None:
    """Gives the planner every test row of every version, with its text in that version. One query, streamed."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(
            """
            SELECT DISTINCT ON (r.id) d.example_id, r.content -> 'messages', r.content -> 'context'
            FROM datasets_datasetversion v JOIN datasets_datasetrow d ON d.dataset_id = v.id
            JOIN annotation_revision r ON r.id = d.revision_id
            WHERE v.project_id = %s AND d.split = 'test'
            ORDER BY r.id
            """,
            [project.pk],
        )
        while rows := cursor.fetchmany(2000):
            for example, messages, context in rows:
                turns, records = json.loads(messages), json.loads(context)
                planner.hold_out(
                    example=example, prompt=prompt_hash(messages=turns, context=records), messages=turns
                )


def with_row(examples: QuerySet[Example], version: DatasetVersion) -> QuerySet[Example]:
    """Joins each example to its row in `version`, as `held`: one hash join, for any size."""
    return examples.annotate(
        held=FilteredRelation("dataset_rows", condition=Q(dataset_rows__dataset=version))
    )


def left_out(version: DatasetVersion) -> Exists:
    return Exists(
        WithheldRow.objects.filter(
            dataset=version, example=OuterRef("pk"), revision__number=OuterRef("revision")
        )
    )


# Of the examples in a version, those that are no longer as in the version: not approved, or with another text. Only an example
# with a change that the version may not have seen can be one.
_NOT_AS_FROZEN = """
SELECT count(*)
FROM (SELECT DISTINCT example_id FROM annotation_approvedchange WHERE project_id = %(project)s AND id > %(seen)s) AS changed
JOIN annotation_example e ON e.id = changed.example_id
JOIN LATERAL (
    SELECT revision_id FROM datasets_datasetrow WHERE dataset_id = %(version)s AND example_id = e.id
    UNION ALL
    SELECT revision_id FROM datasets_withheldrow WHERE dataset_id = %(version)s AND example_id = e.id
) AS held ON true
JOIN annotation_revision r ON r.id = held.revision_id
WHERE e.status <> 'approved' OR e.revision <> r.number
"""


def not_frozen_yet(project: Project, newest: DatasetVersion | None) -> int:
    """Approved examples that are not in `newest`, the newest ready version, as they are now. At most three queries; their cost grows
    with the changes of approved examples since then, and not with the examples."""
    approved_now = approved_count(project)
    if newest is None:
        return approved_now
    if newest.changes_seen is None:
        return _not_frozen_one_by_one(project, newest)
    frozen = newest.counts["total"] + WithheldRow.objects.filter(dataset=newest).count()
    with connection.cursor() as cursor:
        cursor.execute(
            _NOT_AS_FROZEN, {"project": project.pk, "seen": newest.changes_seen, "version": newest.pk}
        )
        return max(0, approved_now - int(frozen) + int(cursor.fetchone()[0]))


def _not_frozen_one_by_one(project: Project, newest: DatasetVersion) -> int:
    """The same for a version of before changes were noted: it compares every approved example. Two queries."""
    joined = with_row(approved(project), newest)
    unknown = joined.filter(Q(held=None), ~left_out(newest)).count()
    # Only an example with a second revision can differ from the frozen one.
    edited = joined.filter(Q(revision__gt=1), Q(held__revision__number__lt=F("revision"))).count()
    return unknown + edited


def rows_of(
    dataset: DatasetVersion, *, split: str = "", slice_name: str = "", rejected: bool = False
) -> QuerySet[DatasetRow]:
    """The version's rows with the frozen texts (`revision.content`), in their order, and `revision.acceptances`: the reviews
    that accepted this revision and were not undone; none when it was not reviewed. Two queries."""
    rows = (
        DatasetRow.objects.filter(dataset=dataset)
        .select_related("revision__by", "example__created_by")
        .prefetch_related(
            Prefetch(
                "revision__reviews",
                Review.objects.filter(ACCEPTANCE).select_related("by").order_by("pk"),
                to_attr="acceptances",
            )
        )
        .order_by("position")
    )
    if split:
        rows = rows.filter(split=split)
    if slice_name:
        rows = rows.filter(slice="" if slice_name == NO_SLICE else slice_name)
    if rejected:
        rows = rows.filter(has_rejected=True)
    return rows


def withheld_of(dataset: DatasetVersion) -> QuerySet[WithheldRow]:
    """The withheld rows with their reasons. `tested_messages` are the turns of the test row at its last freeze, in this version or
    an earlier one. One query."""
    tested = DatasetRow.objects.filter(
        dataset__project=dataset.project_id,
        dataset__number__lte=dataset.number,
        example=OuterRef("repeats"),
        split=GroupSplit.Split.TEST,
    ).order_by("-dataset__number")
    return (
        WithheldRow.objects.filter(dataset=dataset)
        .select_related("example", "revision", "repeats")
        .annotate(tested_messages=Subquery(tested.values("revision__content__messages")[:1]))
    )


def rows_of_example(example: Example) -> QuerySet[DatasetRow]:
    """Its first row in each dataset version, newest version first: several pairs of one prompt are in one split. One query."""
    return (
        DatasetRow.objects.filter(example=example, variant=0)
        .select_related("dataset", "revision")
        .order_by("-dataset__number")
    )
