"""Reads frozen preference versions: their rows with what people said of them, and the people."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Prefetch, QuerySet

from core.errors import Refused
from core.models import User
from dataset.models import DatasetRow, DatasetVersion, Judgement
from dataset.queries.versions import rows_of
from dataset.registry import preference_finders
from dataset.rows import rows_at


def refuse_preferences(dataset: DatasetVersion, what: str) -> None:
    """Raises Refused for a preference version, which does not have `what` ("a report")."""
    if dataset.kind == DatasetVersion.Kind.PREFERENCE:
        raise Refused(
            f"{dataset} has preferences: pairs of answers, and not examples. There is no {what} of it.",
            "Its page shows its rows, what people said of them, and what was left out.",
        )


def preference_rows_of(
    dataset: DatasetVersion, *, split: str = "", slice_name: str = "", rejected: bool = False
) -> QuerySet[DatasetRow]:
    """The version's rows in their order, with the judgements of each. The texts are in the artifact: see `with_texts`."""
    judgements = Judgement.objects.select_related("by")
    rows = rows_of(dataset, split=split, slice_name=slice_name, rejected=rejected)
    # The reviews are of the example's completion, which a preference row does not have.
    return rows.prefetch_related(None).prefetch_related(Prefetch("judgements", judgements))


@dataclass(frozen=True)
class ShownJudgement:
    """What one person said. Name, page, and who answered only for those who see the results of campaigns."""

    judgement: Judgement
    by: str = ""
    url: str = ""
    completion_from: str = ""
    rejected_from: str = ""


@dataclass(frozen=True)
class ShownPreference:
    """A row, its frozen texts (dataset.rows.iter_rows), and what people said."""

    row: DatasetRow
    frozen: dict[str, Any]
    said: list[ShownJudgement]


def with_texts(dataset: DatasetVersion, rows: Iterable[DatasetRow], *, named: bool) -> list[ShownPreference]:
    """These rows with their texts. `named`: with the names of people and model versions, and the pages of their judgements."""
    found = list(rows)
    frozen = {row["position"]: row for row in rows_at(dataset, [row.position for row in found])}
    pages: dict[str, str] = {}
    if named:
        keys = [judgement.key for row in found for judgement in row.judgements.all()]
        for finder in preference_finders():
            pages |= finder.pages(dataset.project, keys)
    return [
        ShownPreference(
            row,
            frozen[row.position],
            [
                ShownJudgement(
                    judgement,
                    judgement.by.name if judgement.by else "",
                    pages.get(judgement.key, ""),
                    judgement.completion_from,
                    judgement.rejected_from,
                )
                if named
                else ShownJudgement(judgement)
                for judgement in row.judgements.all()
            ],
        )
        for row in found
    ]


def people_who_judged(dataset: DatasetVersion) -> list[tuple[User, int]]:
    """(person, rows that they judged), most first. Two queries."""
    counts = (
        Judgement.objects.filter(row__dataset=dataset, by__isnull=False)
        .order_by()
        .values_list("by")
        .annotate(rows=Count("row", distinct=True))
    )
    rows = {person: count for person, count in counts if person is not None}
    people = User.objects.in_bulk(rows)
    return sorted(((people[pk], count) for pk, count in rows.items()), key=lambda one: (-one[1], one[0].name))


@dataclass(frozen=True)
class ChangedRows:
    """Rows of a preference version against another one."""

    added: int
    removed: int
    kept: int


def changed_rows(dataset: DatasetVersion, other: DatasetVersion) -> ChangedRows:
    """By the hash of a row: another answer, prompt or label is another row. Two queries."""
    rows = DatasetRow.objects.filter(dataset=dataset)
    kept = rows.filter(row_hash__in=DatasetRow.objects.filter(dataset=other).values("row_hash")).count()
    others = DatasetRow.objects.filter(dataset=other)
    gone = others.exclude(row_hash__in=rows.values("row_hash")).count()
    return ChangedRows(rows.count() - kept, gone, kept)
