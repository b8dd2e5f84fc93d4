"""The project's own kinds of edge cases in templates: `{% load categories %}`. One query for a page, however many it shows."""

from typing import Any

from django import template
from django.template.context import Context

from annotation.models import Category
from annotation.queries.categories import NOT_AN_EDGE
from core.models import Project

register = template.Library()
_KEPT = "edge cases of project"


def _edges(context: Context, project: Project) -> list[tuple[str, str, bool]]:
    # The lowest level: the templates that a page includes share it.
    kept: dict[Any, Any] = context.render_context.dicts[0]
    key = (_KEPT, project.pk)
    if key not in kept:
        rows = Category.objects.filter(project=project, kind=Category.Kind.EDGE).order_by("position", "pk")
        kept[key] = list(rows.values_list("key", "name", "active"))
    found: list[tuple[str, str, bool]] = kept[key]
    return found


@register.simple_tag(takes_context=True)
def edge_name(context: Context, project: Project, key: str) -> str:
    """The name of a kind of edge case; an unknown key as it is."""
    if not key:
        return NOT_AN_EDGE
    return next((name for known, name, _ in _edges(context, project) if known == key), key)


@register.simple_tag(takes_context=True)
def edge_choices(context: Context, project: Project, present: str = "") -> list[tuple[str, str]]:
    """[(key, name)] for a select: those that people can choose, and the present one."""
    edges = _edges(context, project)
    return [("", NOT_AN_EDGE), *((key, name) for key, name, active in edges if active or key == present)]
