"""What the functions of a datasheet read, and what they give: plain sentences and, where it helps, one table.

Names of sources, slices and people are users' text: the code that shows facts escapes them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from core.models import Membership, Role
from core.wording import listed, percent
from dataset.models import DatasetVersion
from dataset.queries.provenance import Contributors, ContributorShare, people_behind
from dataset.queries.reports import ReportFacts, facts_of, report_of
from dataset.queries.versions import ready_datasets
from dataset.registry import version_uses

NOT_YET = "Guildhall has not read the rows for this yet."
MOST_ROWS = 60  # of a table; the rest is one line


@dataclass(frozen=True)
class FactTable:
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]

    @property
    def named_rows(self) -> list[list[tuple[str, str]]]:
        """Each cell with the name of its column."""
        return [list(zip(self.columns, row, strict=True)) for row in self.rows]


@dataclass(frozen=True)
class SheetFacts:
    lines: list[str] = field(default_factory=list)
    table: FactTable | None = None


@dataclass(frozen=True)
class KnownVersion:
    """What the functions below read, fetched once. `later` are ready versions with a higher number, the oldest first."""

    dataset: DatasetVersion
    people: Contributors
    report: ReportFacts | None
    later: list[int]
    admins: list[str]
    uses: list[str]

    @property
    def total(self) -> int:
        return int(self.dataset.counts.get("total", 0))

    def share(self, rows: int) -> str:
        return f"{rows:,} ({percent(rows / self.total)})" if self.total else f"{rows:,}"


def known_of(dataset: DatasetVersion) -> KnownVersion:
    admins = Membership.objects.filter(project=dataset.project_id, roles__contains=[Role.ADMIN])
    later = ready_datasets(dataset.project).filter(number__gt=dataset.number)
    return KnownVersion(
        dataset=dataset,
        people=people_behind(dataset),
        report=facts_of(report_of(dataset), dataset),
        later=sorted(later.values_list("number", flat=True)),
        admins=sorted(admins.values_list("user__name", flat=True)),
        uses=version_uses(dataset),
    )


def fact_table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> FactTable:
    if len(rows) > MOST_ROWS:
        more = (f"and {len(rows) - MOST_ROWS:,} more", *("" for _ in columns[1:]))
        rows = [*rows[:MOST_ROWS], more]
    return FactTable(columns, list(rows))


def named(shares: list[ContributorShare], most: int = 20) -> str:
    names = list(dict.fromkeys(share.person.name for share in shares))
    more = [f"{len(names) - most} more"] if len(names) > most else []
    return listed([*names[:most], *more])


def people_lines(known: KnownVersion) -> list[str]:
    people = known.people
    kinds = (
        ("Imported", people.imported),
        ("Written or edited here", people.written),
        ("Approved", people.approved),
        ("Reviewed", people.reviewed),
    )
    return [f"{words} by {named(shares)}." for words, shares in kinds if shares]


KnownFacts = Callable[[KnownVersion], SheetFacts]
