"""Reading dataset versions, and what the next one would hold."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db import connection
from django.db.models import Count, Exists, F, FilteredRelation, OuterRef, Q, QuerySet

from annotation.models import DatasetRow, DatasetVersion, Example, WithheldRow
from core.models import Project


def approved(
    project: Project, *, slices: Sequence[str] = (), sources: Sequence[str] = ()
) -> QuerySet[Example]:
    """What a freeze would take now."""
    examples = Example.objects.filter(project=project, status=Example.Status.APPROVED)
    if slices:
        examples = examples.filter(slice__in=slices)
    if sources:
        examples = examples.filter(source__name__in=sources)
    return examples


def versions_of(project: Project) -> QuerySet[DatasetVersion]:
    """Every version, newest first, with what a list shows. One query."""
    return (
        DatasetVersion.objects.filter(project=project)
        .select_related("project", "run__project", "run__created_by", "created_by", "same_as", "artifact")
        .order_by("-number")
    )


def ready_datasets(project: Project) -> QuerySet[DatasetVersion]:
    """Versions that can be trained on, newest first."""
    return versions_of(project).filter(status=DatasetVersion.Status.READY)


def newest_ready(project: Project) -> DatasetVersion | None:
    return ready_datasets(project).first()


def version_before(dataset: DatasetVersion) -> DatasetVersion | None:
    """The last ready version with a lower number."""
    return ready_datasets(dataset.project).filter(number__lt=dataset.number).first()


@dataclass(frozen=True)
class Preview:
    """What a freeze would take now. `slices` is [(slice, approved, of them new to the newest ready version)]."""

    total: int = 0
    new: int = 0
    since: DatasetVersion | None = None
    slices: list[tuple[str, int, int]] = field(default_factory=list)


def _with_row(examples: QuerySet[Example], version: DatasetVersion) -> QuerySet[Example]:
    """Joins each example to its row in `version`, as `held`: one hash join, whatever the size."""
    return examples.annotate(
        held=FilteredRelation("dataset_rows", condition=Q(dataset_rows__dataset=version))
    )


def _left_out(version: DatasetVersion) -> Exists:
    return Exists(
        WithheldRow.objects.filter(
            dataset=version, example=OuterRef("pk"), revision__number=OuterRef("revision")
        )
    )


def preview(project: Project, *, slices: Sequence[str] = (), sources: Sequence[str] = ()) -> Preview:
    """Counts of approved examples against the newest ready version. Two queries."""
    since = newest_ready(project)
    examples = approved(project, slices=slices, sources=sources).order_by()
    new: Count = Count("pk")
    if since:
        examples = _with_row(examples, since)
        new = Count("pk", filter=Q(held=None) & Q(~_left_out(since)))
    counted = examples.values("slice").annotate(n=Count("pk"), new=new).order_by("slice")
    rows = [(row["slice"], row["n"], row["new"]) for row in counted]
    return Preview(
        total=sum(n for _, n, _ in rows),
        new=sum(new for _, _, new in rows),
        since=since,
        slices=rows,
    )


def not_frozen_yet(project: Project, newest: DatasetVersion | None) -> int:
    """Approved examples that `newest`, the newest ready version, does not hold as they are now. Two queries."""
    waiting = approved(project)
    if newest is None:
        return waiting.count()
    joined = _with_row(waiting, newest)
    unknown = joined.filter(Q(held=None), ~_left_out(newest)).count()
    # Only an example with a second revision can be another than the one that was frozen.
    edited = joined.filter(Q(revision__gt=1), Q(held__revision__number__lt=F("revision"))).count()
    return unknown + edited


@dataclass(frozen=True)
class Comparison:
    """One version against another: rows only here, only there, and in both with another text."""

    other: DatasetVersion
    added: int
    gone: int
    changed: int
    same: int


def compare(dataset: DatasetVersion, other: DatasetVersion) -> Comparison:
    """Counts by example. One query."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT count(*) FILTER (WHERE b.example_id IS NULL), count(*) FILTER (WHERE a.example_id IS NULL),
                   count(*) FILTER (WHERE a.row_hash <> b.row_hash), count(*) FILTER (WHERE a.row_hash = b.row_hash)
            FROM (SELECT example_id, row_hash FROM annotation_datasetrow WHERE dataset_id = %s) a
            FULL JOIN (SELECT example_id, row_hash FROM annotation_datasetrow WHERE dataset_id = %s) b
                USING (example_id)
            """,
            [dataset.pk, other.pk],
        )
        added, gone, changed, same = cursor.fetchone()
    return Comparison(other, added, gone, changed, same)


def rows_of(dataset: DatasetVersion, *, split: str = "", slice_name: str = "") -> QuerySet[DatasetRow]:
    """The version's rows with the frozen texts (`revision.content`), in their order. One query."""
    rows = (
        DatasetRow.objects.filter(dataset=dataset).select_related("revision", "example").order_by("position")
    )
    if split:
        rows = rows.filter(split=split)
    if slice_name:
        rows = rows.filter(revision__content__slice="" if slice_name == "-" else slice_name)
    return rows


def withheld_of(dataset: DatasetVersion) -> QuerySet[WithheldRow]:
    """What was left out, with its reason. One query."""
    return WithheldRow.objects.filter(dataset=dataset).select_related("example", "revision", "repeats")
