"""Reads sources: their facts, their examples, and who of outside sees them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import Q, QuerySet, Sum
from django.utils import timezone

from annotation.models import Example, ExampleCount
from core.access import Access
from core.models import Membership, Project, Role
from dataset.models import DataImport, DatasetVersion, Source, SourcePartner, Withdrawal
from dataset.queries.withdrawals import rows_by_dataset, withdrawals_of
from dataset.registry import DataUse, uses_of

# An admin sees on Home that a source expires within this time.
SOON = timedelta(days=30)


def sources_seen_by(
    access: Access, *, q: str = "", state: str = "", consent: str = "", partner: int | None = None
) -> QuerySet[Source]:
    """Every source of the project, for a partner only theirs, by name. `state`: usable, expired or withdrawn; `partner`: only those
    that the partner with this membership sees. One query."""
    sources = Source.objects.filter(project=access.project).select_related("project", "withdrawn_by")
    if access.is_partner:
        sources = sources.filter(partners__membership__user=access.user)
    elif partner:
        sources = sources.filter(partners__membership=partner)
    if q:
        sources = sources.filter(Q(name__icontains=q) | Q(owner__icontains=q))
    if consent:
        sources = sources.filter(consent=consent)
    past = Q(expires_on__lt=timezone.localdate())
    if state == "withdrawn":
        sources = sources.filter(withdrawn_at__isnull=False)
    elif state == "expired":
        sources = sources.filter(past, withdrawn_at=None)
    elif state == "usable":
        sources = sources.exclude(past).filter(withdrawn_at=None)
    return sources.order_by("name")


def counts_of(project: Project, names: Iterable[str]) -> dict[str, int]:
    """{name: number of its examples}, retired ones included. One query."""
    counts = ExampleCount.objects.filter(project=project, source__in=list(names)).order_by()
    return dict(counts.values_list("source").annotate(Sum("n")))


def statuses_of(source: Source) -> list[tuple[str, str, int]]:
    """[(status, label, number of examples)] in the order of work, without empty ones. One query."""
    kept = ExampleCount.objects.filter(project=source.project_id, source=source.name).order_by()
    counts = dict(kept.values_list("status").annotate(Sum("n")))
    return [(status.value, status.label, counts[status]) for status in Example.Status if counts.get(status)]


def examples_of(source: Source, *, status: str = "") -> QuerySet[Example]:
    """Its examples, newest first. One query."""
    examples = Example.objects.filter(project=source.project_id, source=source.name).order_by("-pk")
    return examples.filter(status=status) if status else examples


def has_expired(source: Source) -> bool:
    return source.expires_on is not None and source.expires_on < timezone.localdate()


def expiring(project: Project) -> list[Source]:
    """Sources that are not withdrawn and have expired or expire within SOON, the first to expire first. One query."""
    until: date = timezone.localdate() + SOON
    return list(
        Source.objects.filter(project=project, withdrawn_at=None, expires_on__lte=until).order_by(
            "expires_on", "name"
        )
    )


def partners_of(source: Source) -> QuerySet[SourcePartner]:
    """One query."""
    return (
        SourcePartner.objects.filter(source=source)
        .select_related("membership__user", "added_by", "source__project")
        .order_by("membership__user__name")
    )


def possible_partners(source: Source) -> QuerySet[Membership]:
    """Partners of the project who do not see this source. One query."""
    return (
        Membership.objects.filter(project=source.project_id, roles=[Role.PARTNER])
        .exclude(partner_sources__source=source)
        .select_related("user")
        .order_by("user__name")
    )


@dataclass(frozen=True)
class UsedIn:
    """Where the examples of a source came from and where they went. `datasets` is [(version, rows)], newest first."""

    imports: list[DataImport]
    datasets: list[tuple[DatasetVersion, int]]
    uses: list[DataUse]
    withdrawals: list[Withdrawal]


def used_in(source: Source) -> UsedIn:
    """For members, not for partners: it names people, dataset versions and model versions. Five queries, and those of the
    registered uses."""
    rows = rows_by_dataset(source)
    examples = Example.objects.filter(project=source.project_id, source=source.name, import_id__isnull=False)
    imports = DataImport.objects.filter(pk__in=examples.order_by().values("import_id").distinct())
    datasets = DatasetVersion.objects.filter(pk__in=list(rows)).order_by("-number")
    return UsedIn(
        imports=list(imports.select_related("created_by").order_by("-pk")[:50]),
        datasets=[(dataset, rows[dataset.pk].total()) for dataset in datasets],
        uses=uses_of(source, list(rows)),
        withdrawals=list(withdrawals_of(source.project).filter(source=source)),
    )
