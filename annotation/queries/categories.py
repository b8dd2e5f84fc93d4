"""Reads the project's own lists: slices and kinds of edge cases."""

from dataclasses import dataclass, field

from django.db.models import QuerySet, Sum

from annotation.models import Category, Example, ExampleCount
from core.models import Project

NOT_AN_EDGE = "Not an edge case"
Kind = Category.Kind


@dataclass(frozen=True)
class KnownKeys:
    """{a key that texts may have: the key that examples get}. They differ for old names."""

    slices: dict[str, str] = field(default_factory=dict)
    edges: dict[str, str] = field(default_factory=dict)


def known_categories(project: Project) -> KnownKeys:
    """Every category of the project, also those that cannot be chosen any more. One query."""
    known = KnownKeys()
    for kind, key, now in _final_keys(project):
        (known.slices if kind == Kind.SLICE else known.edges)[key] = now
    return known


def _final_keys(project: Project) -> list[tuple[str, str, str]]:
    rows = Category.objects.filter(project=project).order_by("pk")
    found = {
        pk: (kind, key, into) for pk, kind, key, into in rows.values_list("pk", "kind", "key", "merged_into")
    }
    final = []
    for pk, (kind, key, _) in found.items():
        at = pk
        while (into := found[at][2]) is not None:
            at = into
        final.append((kind, key, found[at][1]))
    return final


def edge_spellings(project: Project) -> dict[str, str]:
    """{a spelling that files may have: the key}: the keys and the names, also old ones. One query."""
    known = known_categories(project).edges
    names = edge_names(project)
    return {spelling(name): known[key] for key, name in names.items()} | known


def spelling(name: str) -> str:
    """A name or key as it is compared: "Angry-customer" is angry_customer."""
    return name.strip().lower().replace(" ", "_").replace("-", "_")


def edge_names(project: Project) -> dict[str, str]:
    """{key: name} of every kind of edge case, also of those that cannot be chosen any more. One query."""
    rows = Category.objects.filter(project=project, kind=Kind.EDGE)
    return dict(rows.values_list("key", "name"))


def edge_choices(project: Project, *, present: str = "") -> list[tuple[str, str]]:
    """The kinds that people can choose, and the `present` one. One query."""
    rows = Category.objects.filter(project=project, kind=Kind.EDGE).order_by("position", "pk")
    values = rows.values_list("key", "name", "active")
    return [("", NOT_AN_EDGE), *((key, name) for key, name, active in values if active or key == present)]


def edge_filter_choices(project: Project) -> list[tuple[str, str]]:
    """The kinds that examples can have, for a filter. One query."""
    rows = Category.objects.filter(project=project, kind=Kind.EDGE, merged_into=None)
    return list(rows.order_by("-active", "position", "pk").values_list("key", "name"))


@dataclass(frozen=True)
class Listed:
    """A category with the numbers of its examples."""

    category: Category
    examples: int
    approved: int


def listed(project: Project, kind: str) -> list[Listed]:
    """The list as admins see it, without old names: what can be chosen first. Two queries, for any number of examples."""
    counts = _counts(project, kind)
    approved = _counts(project, kind, status=Example.Status.APPROVED)
    rows = Category.objects.filter(project=project, kind=kind, merged_into=None)
    return [
        Listed(one, counts.get(one.key, 0), approved.get(one.key, 0))
        for one in rows.order_by("-active", "position", "pk")
    ]


def examples_of(category: Category) -> int:
    """How many examples have this category. One query."""
    return _counts(category.project, category.kind, **{category.kind: category.key}).get(category.key, 0)


def old_names_of(category: Category) -> QuerySet[Category]:
    return Category.objects.filter(merged_into=category).order_by("name")


def not_listed(project: Project) -> list[str]:
    """Slices that examples have and that are not on the list. Two queries."""
    known = set(Category.objects.filter(project=project, kind=Kind.SLICE).values_list("key", flat=True))
    return sorted(
        name for name, n in _counts(project, Kind.SLICE).items() if n and name and name not in known
    )


def _counts(project: Project, kind: str, **properties: str) -> dict[str, int]:
    rows = ExampleCount.objects.filter(project=project, **properties).order_by()
    return dict(rows.values_list(kind).annotate(Sum("n")))
