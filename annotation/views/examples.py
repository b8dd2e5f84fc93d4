"""Examples: the list, one example with its whole history, retiring it."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from annotation.downloads import examples_as_jsonl
from annotation.filters import ExampleFilter
from annotation.forms import RetireForm
from annotation.links import annotation_subnav
from annotation.models import Example
from annotation.queries.counts import kept_count
from annotation.queries.examples import find_examples, history_of, not_searched_yet
from annotation.queries.findings import findings_in
from annotation.queries.search import Found, newest_matches
from annotation.registry import page_details
from annotation.services.examples import example_stamp, requeue, retire
from core.access import Access, project_page
from core.errors import ExpectedError
from core.forms import status_of, take_errors
from core.lists.paging import FoundPaginator, cut, requested
from core.models import Role
from core.roles import EXAMPLE_DECIDERS, EXAMPLE_READERS

NEWEST = 30  # revisions on the page: each is compared with the one before, word by word


@project_page(*EXAMPLE_READERS)
@require_safe
def examples(request: HttpRequest, access: Access) -> HttpResponse:
    filters = ExampleFilter(request.GET, project=access.project)
    criteria = filters.criteria()
    examples = filters.shown(find_examples(access.project, criteria)).select_related("submitted_by", "trait")
    found = newest_matches(access.project, criteria) if filters.is_valid() else Found([], False)
    if found is not None:
        page = requested(request, FoundPaginator(examples, 25, found.ids, found.more))
    else:
        page = cut(request, examples, 25, known=kept_count(access.project, criteria))
    context = {
        "filters": filters,
        "criteria": criteria,
        "page": page,
        "not_searched": not_searched_yet(access.project, criteria),
        "can_import": access.has(Role.ADMIN),
        "subnav": annotation_subnav(access, "annotation:examples"),
    }
    return render(request, "annotation/example_list.html", context, status=filters.http_status)


@project_page(*EXAMPLE_READERS)
@require_safe
def examples_download(request: HttpRequest, access: Access) -> StreamingHttpResponse:
    """All examples that match the filters, in the format that an import reads."""
    criteria = ExampleFilter(request.GET, project=access.project).checked()
    examples = find_examples(access.project, criteria)
    return examples_as_jsonl(access.project, examples, by=access.user, method=request.method)


def _example(access: Access, pk: int) -> Example:
    return access.get(
        Example.objects.select_related("created_by", "submitted_by", "project", "trait"),
        pk=pk,
    )


def _page(
    request: HttpRequest, access: Access, example: Example, form: RetireForm, status: int = 200
) -> HttpResponse:
    context = {
        "example": example,
        "history": history_of(example, NEWEST),
        "older": max(0, example.revision - NEWEST),
        **page_details(example),
        "found": findings_in(example),
        "form": form,
        "may_change": access.has(*EXAMPLE_DECIDERS),
        "seen": example_stamp(example),
    }
    return render(request, "annotation/example_detail.html", context, status=status)


@project_page(*EXAMPLE_READERS)
@require_safe
def example(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    return _page(request, access, _example(access, pk), RetireForm())


@project_page(*EXAMPLE_DECIDERS)
@require_POST
def example_retire(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    """Retires an example. It needs a reason for people who ask later."""
    example = _example(access, pk)
    form = RetireForm(request.POST)
    if not form.is_valid():
        return _page(request, access, example, form, 422)
    try:
        retire(
            by=access.user,
            example=example,
            reason=form.cleaned_data["reason"],
            seen=request.POST.get("seen", ""),
        )
    except ExpectedError as error:
        take_errors(form, error)
        return _page(request, access, _example(access, pk), form, status_of(form))
    messages.success(request, f"Example #{example.pk} is retired. Datasets that have it keep it.")
    return redirect("annotation:example", access.project.slug, example.pk)


@project_page(*EXAMPLE_DECIDERS)
@require_POST
def example_requeue(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    """Puts a retired or approved example back into the queue."""
    example = _example(access, pk)
    requeue(by=access.user, example=example, seen=request.POST.get("seen", ""))
    messages.success(request, f"Example #{example.pk} is back in the queue.")
    return redirect("annotation:example", access.project.slug, example.pk)
