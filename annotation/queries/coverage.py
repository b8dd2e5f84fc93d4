"""How the examples are spread over the project's lists, against its targets. From the kept counts: fast for any number of examples."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlencode

from django.db.models import QuerySet, Sum

from annotation.checks.languages import LANGUAGES
from annotation.lengths import BANDS
from annotation.models import AuthoringTask, Category, CoverageTarget, Example, ExampleCount
from annotation.moods import MOODS
from annotation.queries.mapping import facts_of
from annotation.queries.stretch import Stretch
from annotation.queries.traits import TraitCounts, trait_counts
from core.models import Project

IN_WORK = (Example.Status.QUEUED, Example.Status.IN_REVIEW, Example.Status.RETURNED)
# Of the table of slices by edge cases at a time; larger ones cannot be read.
MOST_SLICES, MOST_EDGES = 30, 12
MOST_SOURCES = 20
Key = tuple[str, str]  # (slice, edge)


@dataclass(frozen=True)
class CoveragePart:
    """A part of the data: how many approved examples it has, how many are in work, and how many are wanted."""

    name: str
    approved: int
    in_work: int
    slice: str = ""
    edge: str = ""
    length: str = ""
    source: str = ""
    language: str = ""
    mood: str = ""
    target: CoverageTarget | None = None
    wanted: int = 0
    listed: bool = True
    task: AuthoringTask | None = None
    most: int = 0  # of all parts of its list: bars without a target are compared with it

    @property
    def missing(self) -> int:
        return max(self.wanted - self.approved, 0)

    @property
    def full(self) -> int:
        """The end of the bar."""
        return max(self.wanted or self.most, self.approved, 1)

    @property
    def query(self) -> str:
        """The filter of the list of examples that shows the part; empty where there is none."""
        given = self._given("slice", "edge", "source", "language", "mood")
        return f"?{urlencode(given)}" if given else ""

    @property
    def key(self) -> str:
        """The part in addresses of its target."""
        return urlencode(self._given("slice", "edge", "length", "language", "mood"))

    def _given(self, *names: str) -> dict[str, str]:
        return {name: value for name in names if (value := getattr(self, name))}


@dataclass(frozen=True)
class Counts:
    """Examples by (slice, edge): approved and in work."""

    approved: Counter[Key] = field(default_factory=Counter)
    in_work: Counter[Key] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        return self.approved.total()

    def by(self, at: int) -> tuple[Counter[str], Counter[str]]:
        """Approved and in work by slice (`at` 0) or edge (1)."""
        sums: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
        for into, counts in zip(sums, (self.approved, self.in_work), strict=True):
            for key, n in counts.items():
                into[key[at]] += n
        return sums


@dataclass(frozen=True)
class Coverage:
    """Everything that the page of the coverage shows, in ten queries for any number of examples."""

    approved: int
    in_work: int
    slices: list[CoveragePart]
    edges: list[CoveragePart]
    columns: list[tuple[str, str]]
    grid: list[tuple[CoveragePart, list[CoveragePart]]]
    grid_slices: Stretch
    grid_edges: Stretch
    cells: list[CoveragePart]
    sources: list[CoveragePart]
    lengths: list[CoveragePart]
    no_slice: CoveragePart
    no_edge: CoveragePart
    languages: list[CoveragePart]
    moods: list[CoveragePart]
    no_language: CoveragePart
    no_mood: CoveragePart
    unread: int  # approved or in work, and not read for language and mood yet


def counts_of(project: Project) -> Counts:
    """One query."""
    counts = Counts()
    rows = ExampleCount.objects.filter(project=project).order_by()
    for slice_name, edge, status, n in rows.values_list("slice", "edge", "status").annotate(Sum("n")):
        if status == Example.Status.APPROVED:
            counts.approved[slice_name, edge] += n
        elif status in IN_WORK:
            counts.in_work[slice_name, edge] += n
    return counts


def targets_of(project: Project) -> QuerySet[CoverageTarget]:
    return CoverageTarget.objects.filter(project=project).select_related("owner")


def wanted_of(target: CoverageTarget | None, approved: int, total: int) -> int:
    """How many approved examples the target asks for. For a share: as many as the part must have, when nothing else is added, to
    reach it."""
    if target is None:
        return 0
    if target.unit == CoverageTarget.Unit.NUMBER:
        return target.amount
    if total == 0:
        return 1
    share = target.amount / 100
    short = share * total - approved
    if short <= 0:
        return math.ceil(share * total)
    if share == 1:
        return total
    # (approved + more) / (total + more) = share; the small term keeps 5.000000001 from becoming 6.
    return approved + math.ceil(short / (1 - share) - 1e-9)


def coverage(project: Project, *, slices_at: int = 1, edges_at: int = 1) -> Coverage:
    """`slices_at` and `edges_at`: which pages of the lists the table of both shows."""
    counts = counts_of(project)
    lists = _lists(project)
    plans = _Plans(project, counts.total)
    traits = trait_counts(project)
    slices = _parts(counts, 0, lists[Category.Kind.SLICE], plans)
    edges = _parts(counts, 1, lists[Category.Kind.EDGE], plans)
    named = [part for part in slices if part.slice], [part for part in edges if part.edge]
    rows = Stretch.of(slices_at, MOST_SLICES, len(named[0]))
    across = Stretch.of(edges_at, MOST_EDGES, len(named[1]))
    columns = across.cut(named[1])
    grid = [(row, [_cell(counts, row, column, plans) for column in columns]) for row in rows.cut(named[0])]
    return Coverage(
        approved=counts.total,
        in_work=counts.in_work.total(),
        slices=_scaled(named[0]),
        edges=_scaled(named[1]),
        columns=[(part.edge, part.name) for part in columns],
        grid=grid,
        grid_slices=rows,
        grid_edges=across,
        cells=[
            _cell(counts, row, column, plans)
            for row in slices
            for column in edges
            if row.slice and column.edge and (row.slice, column.edge, "", "", "") in plans.targets
        ],
        sources=_scaled(_sources(project)),
        lengths=_scaled(_lengths(project, plans)),
        no_slice=_none(counts, 0, "No slice"),
        no_edge=_none(counts, 1, "Not an edge case"),
        languages=_scaled(_languages(project, traits, plans)),
        moods=_scaled(_moods(traits, plans)),
        no_language=CoveragePart("Not clear", *traits.languages.get("", (0, 0))),
        no_mood=CoveragePart("Not read: not clearly English", *traits.moods.get("", (0, 0))),
        unread=max(counts.total + counts.in_work.total() - traits.total, 0),
    )


def _scaled(parts: list[CoveragePart]) -> list[CoveragePart]:
    most = max((part.approved for part in parts), default=0)
    return [replace(part, most=most) for part in parts]


def _lists(project: Project) -> dict[str, list[Category]]:
    lists: dict[str, list[Category]] = {kind: [] for kind in Category.Kind.values}
    rows = Category.objects.filter(project=project, merged_into=None)
    for one in rows.order_by("-active", "position", "pk"):
        lists[one.kind].append(one)
    return lists


class _Plans:
    """The targets and the open tasks, by part."""

    def __init__(self, project: Project, total: int) -> None:
        self.total = total
        self.targets = {
            (one.slice, one.edge, one.length, one.language, one.mood): one for one in targets_of(project)
        }
        tasks = AuthoringTask.objects.filter(project=project, status=AuthoringTask.Status.OPEN)
        self.tasks = {(one.slice, one.edge, one.language, one.mood): one for one in tasks.order_by("pk")}

    def part(self, part: CoveragePart) -> CoveragePart:
        """The part with its target and its open task."""
        target = self.targets.get((part.slice, part.edge, part.length, part.language, part.mood))
        return replace(
            part,
            target=target,
            wanted=wanted_of(target, part.approved, self.total),
            task=None if part.length else self.tasks.get((part.slice, part.edge, part.language, part.mood)),
        )


def _parts(counts: Counts, at: int, categories: list[Category], plans: _Plans) -> list[CoveragePart]:
    """The parts of one list in its order, then what examples have besides; retired ones only with examples."""
    approved, in_work = counts.by(at)
    known = {one.key for one in categories}
    named = [(one.key, one.name, one.active) for one in categories]
    named += [(key, key, False) for key in sorted((approved + in_work).keys() - known - {""})]
    return [
        plans.part(
            CoveragePart(
                name=name,
                approved=approved[key],
                in_work=in_work[key],
                slice="" if at else key,
                edge=key if at else "",
                listed=listed,
            )
        )
        for key, name, listed in named
        if listed or approved[key] or in_work[key]
    ]


def _cell(counts: Counts, row: CoveragePart, column: CoveragePart, plans: _Plans) -> CoveragePart:
    key = (row.slice, column.edge)
    cell = CoveragePart(
        name=f"{column.name} in {row.name}",
        approved=counts.approved[key],
        in_work=counts.in_work[key],
        slice=row.slice,
        edge=column.edge,
        listed=row.listed and column.listed,
    )
    return plans.part(cell)


def _none(counts: Counts, at: int, name: str) -> CoveragePart:
    approved, in_work = counts.by(at)
    return CoveragePart(name=name, approved=approved[""], in_work=in_work[""])


def _sources(project: Project) -> list[CoveragePart]:
    """The largest sources; examples without one are "Written here" and feedback. One query."""
    approved: Counter[str] = Counter()
    in_work: Counter[str] = Counter()
    rows = ExampleCount.objects.filter(project=project).order_by()
    for source, status, n in rows.values_list("source", "status").annotate(Sum("n")):
        if status == Example.Status.APPROVED:
            approved[source] += n
        elif status in IN_WORK:
            in_work[source] += n
    names = sorted((approved + in_work).keys(), key=lambda name: (-approved[name], -in_work[name], name))
    return [
        CoveragePart(name=name or "No source", approved=approved[name], in_work=in_work[name], source=name)
        for name in names[:MOST_SOURCES]
    ]


def _lengths(project: Project, plans: _Plans) -> list[CoveragePart]:
    """The bands of lengths as the newest map counted them; empty without one."""
    facts = facts_of(project)
    if facts is None:
        return []
    counted: Mapping[str, tuple[int, int]] = facts.lengths
    none = (0, 0)
    return [
        plans.part(
            CoveragePart(
                name=name,
                approved=counted.get(key, none)[0],
                in_work=counted.get(key, none)[1],
                length=key,
            )
        )
        for key, (name, _) in BANDS.items()
    ]


def _languages(project: Project, traits: TraitCounts, plans: _Plans) -> list[CoveragePart]:
    """The languages of the project, those with a target, and those in use, the commonest first."""
    wanted = {key[3] for key in plans.targets if key[3]} | {
        code for code in project.languages if code in LANGUAGES
    }
    in_use = {code for code, (approved, in_work) in traits.languages.items() if code and approved + in_work}
    none = (0, 0)
    parts = [
        CoveragePart(LANGUAGES.get(code, code), *traits.languages.get(code, none), language=code)
        for code in wanted | in_use
    ]
    return [
        plans.part(part) for part in sorted(parts, key=lambda one: (-one.approved, -one.in_work, one.name))
    ]


def _moods(traits: TraitCounts, plans: _Plans) -> list[CoveragePart]:
    """All moods, also those without an example; empty while no example was read and no mood has a target."""
    if not any(traits.moods.get(key) for key in MOODS) and not any(key[4] for key in plans.targets):
        return []
    none = (0, 0)
    return [
        plans.part(CoveragePart(name, *traits.moods.get(key, none), mood=key)) for key, name in MOODS.items()
    ]
