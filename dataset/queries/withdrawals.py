"""What a withdrawal concerns: examples, dataset versions and everything made of them, and what is left to do about each.

All of it is read from the rows of dataset versions, so it is true at any time: nothing is marked done that is not.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from django.db.models import Count, Q, QuerySet
from django.urls import reverse

from annotation.models import Example, Lease
from core.models import Project, User
from core.wording import counted, listed
from dataset.models import DatasetRow, DatasetVersion, Source, Withdrawal
from dataset.registry import DataUse, uses_of

State = Literal["open", "done", "accepted"]


# --- rows of a source in dataset versions ------------------------------------------------------------------
def rows_by_dataset(source: Source) -> dict[int, Counter[str]]:
    """{dataset id: {split: rows of this source}} of every version that has some. One query."""
    found: dict[int, Counter[str]] = {}
    rows = (
        DatasetRow.objects.filter(example__project=source.project_id, example__source=source.name)
        .values_list("dataset", "split")
        .annotate(n=Count("pk"))
        .order_by("dataset", "split")
    )
    for dataset, split, n in rows:
        found.setdefault(dataset, Counter())[split] = n
    return found


def withdrawn_rows(datasets: Iterable[int]) -> dict[int, dict[str, int]]:
    """{dataset id: {name of a withdrawn source: its rows}} of those versions that have such rows. One query when no source is
    withdrawn, else two."""
    ids = set(datasets)
    names = (
        Source.objects.filter(project__dataset_versions__in=ids, withdrawn_at__isnull=False)
        .order_by()
        .values_list("project", "name")
        .distinct()
    )
    wanted = Q()
    for project, name in names:
        wanted |= Q(example__project=project, example__source=name)
    if not wanted:
        return {}
    found: dict[int, dict[str, int]] = {}
    rows = DatasetRow.objects.filter(wanted, dataset__in=ids).values_list("dataset", "example__source")
    for dataset, name, n in rows.annotate(n=Count("pk")).order_by("dataset", "example__source"):
        found.setdefault(dataset, {})[name] = n
    return found


def withdrawals_in(dataset: DatasetVersion) -> list[tuple[Withdrawal, int]]:
    """[(withdrawal that was not taken back, rows of its source in this version)]. At most three queries; one when no source is
    withdrawn."""
    rows = withdrawn_rows([dataset.pk]).get(dataset.pk, {})
    if not rows:
        return []
    withdrawals = withdrawals_of(dataset.project).filter(restored_at=None, source__name__in=rows)
    return [(withdrawal, rows[withdrawal.source.name]) for withdrawal in withdrawals.order_by("source__name")]


def withdrawn_words(sources: dict[str, int]) -> str:
    """ "12 rows of the withdrawn source “Desk 2024”"."""
    names = listed([f"“{name}”" for name in sources])
    return f"{counted(sum(sources.values()), 'row')} of the withdrawn source{'' if len(sources) == 1 else 's'} {names}"


def withdrawn_names(project: Project) -> set[str]:
    """The names of the project's withdrawn sources. One query."""
    return set(
        Source.objects.filter(project=project, withdrawn_at__isnull=False).values_list("name", flat=True)
    )


# --- before the withdrawal ---------------------------------------------------------------------------------
@dataclass(frozen=True)
class Consequences:
    """What a withdrawal of a source would do now. `statuses` is [(label, examples)] of those that it would retire."""

    statuses: list[tuple[str, int]]
    open_now: int
    datasets: list[DatasetVersion]
    uses: list[DataUse]

    @property
    def examples(self) -> int:
        return sum(n for _, n in self.statuses)

    @property
    def sentence(self) -> str:
        """For the last question before it is done."""
        parts = [counted(self.examples, "example is", "examples are") + " retired"]
        if self.datasets:
            parts.append(
                f"training on {counted(len(self.datasets), 'dataset version')} is refused from now on"
            )
        return f"{', and '.join(parts)}. You can restore the source later."


def consequences(source: Source) -> Consequences:
    """Four queries, and those of the registered uses."""
    examples = Example.objects.filter(project=source.project_id, source=source.name)
    by_status = dict(
        examples.exclude(status=Example.Status.RETIRED)
        .values_list("status")
        .annotate(n=Count("pk"))
        .order_by("status")
    )
    rows = rows_by_dataset(source)
    return Consequences(
        statuses=[(status.label, by_status[status]) for status in Example.Status if status in by_status],
        open_now=Lease.objects.filter(
            outcome=Lease.Outcome.OPEN, example__project=source.project_id, example__source=source.name
        ).count(),
        datasets=list(_datasets(rows)),
        uses=uses_of(source, list(rows)),
    )


def _datasets(ids: Iterable[int]) -> QuerySet[DatasetVersion]:
    return (
        DatasetVersion.objects.filter(pk__in=list(ids))
        .select_related("project", "created_by")
        .order_by("-number")
    )


# --- the plan ----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class PlanItem:
    """One dataset version, or one thing made of it: what to do, and whether it is done.

    `says` is why the state is as it is; `by` and `at` who brought it there, where that is known. `rows` are those of the source in
    the dataset version, by split.
    """

    key: str
    kind: str
    name: str
    url: str
    rows: Counter[str]
    advice: str
    state: State
    says: str = ""
    by: User | None = None
    at: datetime | None = None
    notes: Sequence[str] = ()
    actions: Sequence[tuple[str, str]] = ()

    @property
    def rows_words(self) -> str:
        """ "12 rows: 10 train, 2 test"."""
        splits = ", ".join(
            f"{n:,} {split}" for split, n in sorted(self.rows.items(), key=lambda row: -row[1])
        )
        return f"{counted(self.rows.total(), 'row')}: {splits}" if self.rows else ""


@dataclass(frozen=True)
class Plan:
    withdrawal: Withdrawal
    items: list[PlanItem] = field(default_factory=list)

    @property
    def open(self) -> list[PlanItem]:
        return [item for item in self.items if item.state == "open"]

    @property
    def says(self) -> str:
        """ "2 of 5 points are open." """
        if not self.items:
            return "No dataset version used this source, so nothing is left to do."
        if not self.open:
            return (
                f"All {counted(len(self.items), 'point')} are settled."
                if len(self.items) > 1
                else "The one point is settled."
            )
        return f"{len(self.open)} of {counted(len(self.items), 'point')} {'is' if len(self.open) == 1 else 'are'} open."


def withdrawals_of(project: Project) -> QuerySet[Withdrawal]:
    """Newest first, with what a page shows. One query."""
    return Withdrawal.objects.filter(source__project=project).select_related(
        "source__project", "run__project", "restore_run__project", "by", "restored_by"
    )


def plan_of(withdrawal: Withdrawal) -> Plan:
    """Every dataset version with rows of the source, newest first, each followed by what was made of it.

    Four queries, and those of the registered uses.
    """
    source = withdrawal.source
    rows = rows_by_dataset(source)
    decisions = {decision.use: decision for decision in withdrawal.decisions.select_related("by")}
    clean = _newest_without(source, rows)
    uses: dict[int, list[DataUse]] = {}
    for use in uses_of(source, list(rows)):
        uses.setdefault(use.dataset, []).append(use)
    items = []
    for dataset in _datasets(rows):
        for use in (_use_of(dataset, clean), *uses.get(dataset.pk, [])):
            decision = decisions.get(use.key)
            state: State = "done" if use.done else "accepted" if decision else "open"
            items.append(
                PlanItem(
                    key=use.key,
                    kind=use.kind,
                    name=use.name,
                    url=use.url,
                    rows=rows[dataset.pk],
                    advice=use.advice,
                    state=state,
                    says=use.done or (decision.reason if decision else ""),
                    by=use.by if use.done else decision.by if decision else None,
                    at=use.at if use.done else decision.at if decision else None,
                    notes=use.notes,
                    actions=use.actions,
                )
            )
    return Plan(withdrawal, items)


def _newest_without(source: Source, rows: dict[int, Counter[str]]) -> DatasetVersion | None:
    """The newest ready version without rows of the source."""
    return (
        DatasetVersion.objects.filter(project=source.project_id, status=DatasetVersion.Status.READY)
        .exclude(pk__in=list(rows))
        .select_related("created_by")
        .order_by("-number")
        .first()
    )


def _use_of(dataset: DatasetVersion, clean: DatasetVersion | None) -> DataUse:
    slug = dataset.project.slug
    replaced = clean if clean is not None and clean.number > dataset.number else None
    return DataUse(
        key=f"dataset:{dataset.pk}",
        kind="Dataset version",
        name=str(dataset),
        url=reverse("datasets:dataset", args=[slug, dataset.number]),
        dataset=dataset.pk,
        advice="Freeze a new version without these rows. Training on this one is refused.",
        done=f"Dataset {replaced.number} was frozen without these rows." if replaced else "",
        by=replaced.created_by if replaced else None,
        at=replaced.created_at if replaced else None,
        actions=[("Freeze a new version", reverse("datasets:dataset-new", args=[slug]))],
    )
