"""Counterfactual twins: made for a finding or for chosen examples, then read one by one."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotation.links import annotation_subnav
from core.access import Access, project_page
from core.errors import ExpectedError, Invalid
from core.lists.paging import cut
from core.lists.params import Params, ids_of
from core.roles import EXAMPLE_DECIDERS, EXAMPLE_READERS
from core.wording import counted
from dataset.models import Twin
from dataset.queries.lexicons import lexicons_of
from dataset.queries.twins import next_waiting, parts_of, twins_of
from dataset.services.twins import MOST_TWINS, accept_twin, bring_back_twin, discard_twin, make_twins
from dataset.views.audits import finding_at


@project_page(*EXAMPLE_READERS)
@require_safe
def twins(request: HttpRequest, access: Access) -> HttpResponse:
    """The twins by status, and a form that makes some of chosen examples."""
    return _list(request, access)


def _list(request: HttpRequest, access: Access, error: Invalid | None = None) -> HttpResponse:
    """`error` says why the form that was posted made no twin; what was typed is kept."""
    params = Params(request.GET)
    status = params.choice("status", Twin.Status.values, Twin.Status.WAITING)
    counts = {name: twins_of(access.project, status=name).count() for name in Twin.Status.values}
    context = {
        "subnav": annotation_subnav(access, "quality:findings"),
        "page": cut(
            request, twins_of(access.project, status=status, finding=params.number("finding") or 0), 25
        ),
        "status": status,
        "tabs": [(one.value, one.label, counts[one.value]) for one in Twin.Status],
        "lexicons": [one.characteristic for one in lexicons_of(access.project)],
        "most": MOST_TWINS,
        "may_decide": access.has(*EXAMPLE_DECIDERS),
        "error": error,
        "typed": {name: Params(request.POST).text(name, most=5000) for name in ("groups", "examples")},
    }
    return render(request, "datasets/twins.html", context, status=error.status if error else 200)


@project_page(*EXAMPLE_DECIDERS)
@require_POST
def twins_of_finding(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    """Makes twins of examples that name the finding's group."""
    finding, params = finding_at(access, pk), Params(request.POST)
    made = make_twins(
        by=access.user,
        project=access.project,
        characteristic=finding.characteristic,
        one=finding.group,
        other=params.text("other", most=40),
        examples=finding.examples,
        finding=finding,
        most=params.number("most", least=1, most=MOST_TWINS) or MOST_TWINS,
    )
    messages.success(request, f"Made {counted(len(made), 'twin')}. Read each before it is added.")
    return redirect("datasets:twin", access.project.slug, made[0].pk)


@project_page(*EXAMPLE_DECIDERS)
@require_POST
def twins_new(request: HttpRequest, access: Access) -> HttpResponse:
    """Makes twins of chosen examples. `groups` is "characteristic one other", `examples` their numbers."""
    params = Params(request.POST)
    names = [*params.text("groups", most=200).split(), "", "", ""]
    numbers = ids_of(params.text("examples", most=5000).replace("#", " ").replace(",", " ").split())
    try:
        if not numbers:
            message = "Write the numbers of examples, for example 12, 15."
            raise Invalid("No twin was made.", message, fields={"examples": [message]})
        made = make_twins(
            by=access.user,
            project=access.project,
            characteristic=names[0],
            one=names[1],
            other=names[2],
            examples=numbers,
        )
    except Invalid as error:
        return _list(request, access, error)
    messages.success(
        request,
        f"Made {counted(len(made), 'twin')} of {counted(len(numbers), 'example')}. Read each before it is added.",
    )
    return redirect("datasets:twin", access.project.slug, made[0].pk)


@project_page(*EXAMPLE_READERS)
@require_http_methods(["GET", "HEAD"])
def twin(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    return _page(request, access, get_object_or_404(twins_of(access.project), pk=pk))


def _page(
    request: HttpRequest,
    access: Access,
    twin: Twin,
    *,
    typed: dict[str, Any] | None = None,
    error: ExpectedError | None = None,
) -> HttpResponse:
    """The twin beside its original. `typed` is what a refused form had."""
    if typed:
        twin.messages, twin.context, twin.completion = (
            typed["messages"],
            typed["context"],
            typed["completion"],
        )
    parts = parts_of(twin)
    context = {
        "twin": twin,
        "parts": [part for part in parts if part.changed],
        "fields": parts,
        "swapped": sum(len(swaps) for swaps in twin.swaps.values()),
        "error": error,
        "needs_reason": isinstance(error, Invalid) and "reason" in error.fields,
        "may_decide": access.has(*EXAMPLE_DECIDERS),
        "following": next_waiting(twin),
        "changed_since": twin.example.revision != twin.revision,
    }
    return render(request, "datasets/twin.html", context, status=error.status if error else 200)


@project_page(*EXAMPLE_DECIDERS)
@require_POST
def twin_accept(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    """Adds the twin, as it stands in the form, to the review queue."""
    found, params = get_object_or_404(twins_of(access.project), pk=pk), Params(request.POST)
    typed = {
        "messages": [
            turn | {"content": params.text(f"messages.{at}", turn["content"])}
            for at, turn in enumerate(found.messages)
        ],
        "context": [params.text(f"context.{at}", record) for at, record in enumerate(found.context)],
        "completion": params.text("completion", found.completion),
    }
    try:
        example = accept_twin(
            by=access.user, twin=found, content=typed, reason=params.text("reason", most=300)
        )
    except Invalid as error:
        return _page(request, access, found, typed=typed, error=error)
    messages.success(request, f"The twin is in the review queue as #{example.pk}.")
    return _on(access, found)


@project_page(*EXAMPLE_DECIDERS)
@require_POST
def twin_discard(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    found = get_object_or_404(twins_of(access.project), pk=pk)
    discard_twin(by=access.user, twin=found)
    messages.success(request, f"{found} was discarded. It is under “Discarded”, where you can bring it back.")
    return _on(access, found)


@project_page(*EXAMPLE_DECIDERS)
@require_POST
def twin_bring_back(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    found = get_object_or_404(twins_of(access.project), pk=pk)
    bring_back_twin(by=access.user, twin=found)
    return redirect("datasets:twin", access.project.slug, found.pk)


def _on(access: Access, decided: Twin) -> HttpResponse:
    """To the next one to read, else to the list."""
    following = next_waiting(decided)
    if following is None:
        return redirect("datasets:twins", access.project.slug)
    return redirect("datasets:twin", access.project.slug, following.pk)
