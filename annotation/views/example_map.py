"""The map of the examples and their intents."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from annotation.links import annotation_subnav
from annotation.queries.map_drawing import COLOURED_BY, HEIGHT, SLICE, WIDTH, drawing_of
from annotation.queries.mapping import examples_with, map_of, points_of, read_facts
from annotation.services.mapping import start_map
from core.access import Access, project_page
from core.lists.paging import cut
from core.lists.params import Params
from core.models import Role
from core.roles import EXAMPLE_DECIDERS, EXAMPLE_READERS


@project_page(*EXAMPLE_READERS)
@require_safe
def example_map(request: HttpRequest, access: Access) -> HttpResponse:
    """The newest map; with `intent` the examples of one intent. `colour` is slice, status, language or mood."""
    given = Params(request.GET)
    made = map_of(access.project)
    facts = read_facts(made) if made is not None else None
    colour = given.choice("colour", COLOURED_BY, SLICE)
    context: dict[str, Any] = {
        "made": made,
        "run": made.run if made is not None else None,
        "facts": facts,
        "colour": colour,
        "colours": COLOURED_BY,
        "size": (WIDTH, HEIGHT),
        "can_make": access.has(*EXAMPLE_DECIDERS),
        "follows": access.follows(made.run if made is not None else None),
        "may_cancel": access.has(Role.ADMIN),
        "subnav": annotation_subnav(access, "quality:findings"),
    }
    if facts is not None:
        number = given.number("intent", most=10_000)
        chosen = next((one for one in facts.intents if one.number == number), None)
        if "intent" in given and chosen is None:
            raise Http404("No such intent.")
        context["chosen"] = chosen
        context["drawing"] = drawing_of(
            points_of(access.project), facts.intents, colour=colour, chosen=chosen.number if chosen else None
        )
        if chosen is not None:
            context["page"] = cut(request, examples_with(access.project, chosen.number), 25)
    return render(request, "annotation/example_map.html", context)


@project_page(*EXAMPLE_DECIDERS)
@require_POST
def make(request: HttpRequest, access: Access) -> HttpResponse:
    start_map(by=access.user, project=access.project)
    messages.success(request, "Guildhall maps the examples now.")
    return redirect("quality:coverage-map", access.project.slug)
