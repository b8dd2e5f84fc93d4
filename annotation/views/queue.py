"""The annotators' pages: the queue, the editor, and its actions."""

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from annotation import services
from annotation.forms import PairForm, TakeForm, pair_from, whole_number
from annotation.links import annotation_subnav
from annotation.models import Draft, Example, Lease
from annotation.queries import queue as queries
from annotation.queries.authoring import progress_of, tasks_for
from annotation.queries.counts import standing
from annotation.queries.overview import overview as overview_of
from annotation.services.examples import content_of
from annotation.text.cleaning import clean_in_bounds
from annotation.views.editing import (
    form_with,
    go,
    is_shown_again,
    item_form,
    live,
    sent_back,
    side,
    whole_main,
)
from annotation.views.undo import last_step
from annotation.views.work import Work, WorkViews, example_of
from core.access import Access, project_page
from core.errors import ExpectedError
from core.models import Role
from core.roles import EXAMPLE_READERS, QUEUE_WORKERS
from core.views.drafts import never_from_memory

ANNOTATE = Lease.Purpose.ANNOTATE
MOST_TASKS = 6


@project_page(*EXAMPLE_READERS)
@require_safe
def overview(request: HttpRequest, access: Access) -> HttpResponse:
    """The queue of this person, the examples they have open, and the results of their work."""
    user, project = access.user, access.project
    annotates = access.has(Role.ANNOTATOR)
    reviews = access.has(Role.REVIEWER)
    context = {
        "waiting": overview_of(user, project),
        "annotates": annotates,
        "reviews": reviews,
        "open_item": queries.open_lease(user, project, ANNOTATE) if annotates else None,
        "open_review": queries.open_lease(user, project, Lease.Purpose.REVIEW) if reviews else None,
        "drafts": list(queries.drafts_of(user, project)[:6]) if annotates or reviews else [],
        "recent": queries.recent_work(user, project),
        "standing": standing(project),
        "undoable": queries.undoable(user, project) if reviews else [],
        "tasks": progress_of(tasks_for(user, project)[:MOST_TASKS]) if annotates else [],
        "skipped": queries.skipped_by(user, project) if annotates or reviews else [],
        "undo": last_step(access, ANNOTATE) if annotates else None,
        "subnav": annotation_subnav(access, "annotation:overview"),
    }
    return render(request, "annotation/overview.html", context)


@project_page(Role.ANNOTATOR)
@require_POST
def take_next(request: HttpRequest, access: Access) -> HttpResponse:
    """Opens the next example. A chosen part of the queue is used until it is empty."""
    request.session[_part(access)] = TakeForm(request.POST).criteria()
    return _onward(request, access)


def _part(access: Access) -> str:
    return f"annotate-part-{access.project.pk}"


def _onward(request: HttpRequest, access: Access) -> HttpResponse:
    """The next example of the chosen part, or the overview with a message that it is empty."""
    chosen = request.session.get(_part(access)) or {}
    lease = services.take_next(by=access.user, project=access.project, purpose=ANNOTATE, filters=chosen)
    if lease is not None:
        return go(request, "item", access.project.slug, lease.example_id)
    request.session.pop(_part(access), None)
    if chosen:
        messages.info(request, "This part of the queue is done. The rest is below.")
    else:
        messages.info(request, "The queue is empty for you now.")
    return go(request, "overview", access.project.slug)


def _item_page(
    request: HttpRequest,
    access: Access,
    example: Example,
    form: PairForm,
    draft: Draft | None,
    status: int = 200,
) -> HttpResponse:
    lease = queries.lease_of(access.user, example, ANNOTATE)
    is_live = queries.is_live(lease)
    stale = bool(form.base_revision and form.base_revision != example.revision)
    context: dict[str, Any] = {
        "example": example,
        "form": form,
        "draft": draft,
        "lease": lease if is_live else None,
        "why_not": ""
        if is_live
        else services.why_not_open(by=access.user, example=example, purpose=ANNOTATE),
        "stale": stale,
        "now": content_of(example) if stale else None,
        "sent_back": sent_back(example, form.content),
        "waiting": queries.waiting_count(access.user, access.project, ANNOTATE),
        "undo": last_step(access, ANNOTATE, besides=example.pk),
        **side(access),
    }
    return never_from_memory(render(request, "annotation/item.html", context, status=status))


@project_page(Role.ANNOTATOR)
@require_safe
def item(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    """The editor, for a person who has the example open or has a draft of it; others see the example's own page."""
    example = example_of(access, pk)
    draft = queries.draft_of(access.user, example)
    lease = queries.lease_of(access.user, example, ANNOTATE)
    if draft is None and (lease is None or lease.outcome == Lease.Outcome.DONE):
        return go(request, "example", access.project.slug, pk)
    return _item_page(request, access, example, item_form(example, draft), draft)


@project_page(Role.ANNOTATOR)
@require_POST
def draft_discard(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    example = example_of(access, pk)
    services.discard_draft(by=access.user, project=access.project, example=example)
    messages.success(request, f"Your draft of #{pk} is discarded.")
    if queries.is_live(queries.lease_of(access.user, example, ANNOTATE)):
        return go(request, "item", access.project.slug, pk)
    return go(request, "overview", access.project.slug)


@project_page(Role.ANNOTATOR)
@require_POST
def submit(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    """Submits the example and opens the next one; a refused text is shown again with the reason."""
    example = example_of(access, pk)
    content = pair_from(request.POST)
    base = whole_number(request.POST.get("base_revision"))
    try:
        services.submit(
            by=access.user, example=example, content=content, base_revision=base, reason=content["reason"]
        )
    except ExpectedError as error:
        if not is_shown_again(error):
            raise
        form = form_with(error, PairForm(access.project, content, base))
        return whole_main(
            _item_page(request, access, example_of(access, pk), form, None, status=error.status)
        )
    return _onward(request, access)


@project_page(Role.ANNOTATOR)
@require_POST
def take_back(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    services.take_back(by=access.user, example=example_of(access, pk))
    messages.success(request, f"#{pk} is back with you. The reviewers do not see it now.")
    return go(request, "item", access.project.slug, pk)


@project_page(*QUEUE_WORKERS)
@require_POST
def check(request: HttpRequest, access: Access) -> HttpResponse:
    """The findings in the present text, as a fragment. `example` is the id of the example, if any."""
    content = clean_in_bounds(pair_from(request.POST))
    pk = whole_number(request.POST.get("example"))
    example = Example.objects.filter(project=access.project, pk=pk).first() if pk else None
    if pk and example is None:
        raise Http404("No such example.")
    base = content_of(example) if example else None
    checked = live(content, access.project, example, base, can_fix=True)
    return render(request, "annotation/_live.html", {"live": checked})


def _save(request: HttpRequest, access: Access, example: Example, tab: Mapping[str, str]) -> Draft:
    return services.save_draft(
        by=access.user,
        example=example,
        content=pair_from(request.POST),
        base_revision=whole_number(request.POST.get("base_revision")),
        **tab,
    )


work = WorkViews(
    Work(
        purpose=ANNOTATE,
        role=Role.ANNOTATOR,
        page="item",
        home="overview",
        onward=_onward,
        save=_save,
        released="is back in the queue. Your text is saved as your draft.",
    )
)
