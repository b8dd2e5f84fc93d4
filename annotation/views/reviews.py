"""The reviewers' pages: the list of examples in review, one example with its changes, and the decisions."""

import uuid
from collections.abc import Collection, Mapping
from typing import TypedDict

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_list_or_404, get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotation import services
from annotation.filters import ReviewFilter
from annotation.forms import PairForm, TakeForm, pair_from, whole_number
from annotation.links import annotation_subnav
from annotation.models import Draft, Example, Lease, Review
from annotation.queries import queue as queries
from annotation.queries.categories import edge_names
from annotation.queries.examples import not_searched_yet
from annotation.services.examples import content_of
from annotation.services.reviewing import Bulk
from annotation.text.changes import changes
from annotation.views.editing import (
    form_with,
    go,
    is_shown_again,
    item_form,
    live,
    side,
    whole_main,
)
from annotation.views.undo import Undo, last_step
from annotation.views.work import Work, WorkViews, example_of
from core.access import Access, project_page
from core.errors import ExpectedError, Invalid
from core.lists.paging import cut
from core.models import Role
from core.roles import EXAMPLE_READERS
from core.views.drafts import never_from_memory
from core.wording import noun

REVIEW = Lease.Purpose.REVIEW
NAMED = 20  # numbers in one message
MOST_SELECTED = 500  # as in the API; a page lists far fewer


@project_page(*EXAMPLE_READERS)
@require_safe
def review_list(request: HttpRequest, access: Access) -> HttpResponse:
    return _list_page(request, access)


def _list_page(
    request: HttpRequest,
    access: Access,
    selected: Collection[tuple[int, int]] = (),
    error: Invalid | None = None,
) -> HttpResponse:
    filters = ReviewFilter(request.GET, project=access.project)
    examples = filters.shown(queries.review_list(access.project, access.user, filters.criteria()))
    reviews = access.has(Role.REVIEWER)
    page = cut(request, examples, 25)
    single = queries.undoable(access.user, access.project) if reviews else []
    bulk = queries.undoable_bulk(access.user, access.project) if reviews else []
    context = {
        "subnav": annotation_subnav(access, "annotation:review-list"),
        "filters": filters,
        "page": page,
        "rows": queries.review_rows(page),
        "not_searched": not_searched_yet(access.project, filters.criteria()),
        "selected": {f"{pk}:{revision}" for pk, revision in selected},
        "error": error,
        "reviews": reviews,
        "waiting": queries.waiting_count(access.user, access.project, REVIEW) if reviews else 0,
        "open_review": queries.open_lease(access.user, access.project, REVIEW) if reviews else None,
        # Only the newest decision can be undone here; the others on their own pages.
        "undo": single[0] if single and not (bulk and bulk[0].newest > single[0].pk) else None,
        "undo_bulk": bulk[0] if bulk and not (single and single[0].pk > bulk[0].newest) else None,
    }
    status = error.status if error else filters.http_status
    return render(request, "annotation/review_list.html", context, status=status)


@project_page(Role.REVIEWER)
@require_POST
def review_next(request: HttpRequest, access: Access) -> HttpResponse:
    return _onward(request, access)


def _onward(request: HttpRequest, access: Access) -> HttpResponse:
    filters = TakeForm(request.POST).criteria()
    lease = services.take_next(by=access.user, project=access.project, purpose=REVIEW, filters=filters)
    if lease is None:
        messages.info(request, "There is nothing for you to review now.")
        return go(request, "review-list", access.project.slug)
    return go(request, "review", access.project.slug, lease.example_id)


class Frame(TypedDict):
    """The context that the review page and the correction page share. `why_not` says why there is no lease."""

    example: Example
    lease: Lease | None
    why_not: str
    waiting: int
    undo: Undo | None
    note: str
    history: list[Review]


def _frame(access: Access, example: Example) -> Frame:
    lease = queries.lease_of(access.user, example, REVIEW)
    is_live = queries.is_live(lease)
    return {
        "example": example,
        "lease": lease if is_live else None,
        "why_not": "" if is_live else services.why_not_open(by=access.user, example=example, purpose=REVIEW),
        "waiting": queries.waiting_count(access.user, access.project, REVIEW),
        "undo": last_step(access, REVIEW, besides=example.pk),
        "note": queries.submission_note(example),
        "history": list(queries.reviews_of(example)[:10]),
    }


def _review_page(
    request: HttpRequest, access: Access, example: Example, comment: str = "", error: Invalid | None = None
) -> HttpResponse:
    base = queries.baseline(example)
    now = content_of(example)
    draft = queries.draft_of(access.user, example)
    corrected = draft is not None and any(draft.content.get(name) != value for name, value in now.items())
    context = {
        **_frame(access, example),
        "draft": draft,
        "base": base,
        # Without an earlier revision nothing is marked as new, because everything is new.
        "changes": changes(base.content if base else now, now, edges=edge_names(access.project)),
        "live": live(now, access.project, example, None),
        "comment": comment or (draft.content.get("comment", "") if draft else ""),
        "correction_begun": corrected,
        "error": error,
    }
    response = render(request, "annotation/review.html", context, status=error.status if error else 200)
    return never_from_memory(response)


@project_page(Role.REVIEWER)
@require_safe
def review(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    """The example with its changes and findings, for the person who has it open for review."""
    example = example_of(access, pk)
    if queries.lease_of(access.user, example, REVIEW) is None:
        return go(request, "example", access.project.slug, pk)
    if example.status != Example.Status.IN_REVIEW:
        return _not_in_review(request, access, example)
    return _review_page(request, access, example)


def _not_in_review(request: HttpRequest, access: Access, example: Example) -> HttpResponse:
    status = example.get_status_display().lower()
    messages.info(request, f"#{example.pk} is not in review now: {status}.")
    return go(request, "review-list", access.project.slug)


@project_page(Role.REVIEWER)
@require_POST
def accept(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    services.accept(
        by=access.user,
        example=example_of(access, pk),
        comment=request.POST.get("comment", ""),
        revision=whole_number(request.POST.get("base_revision")),
    )
    return _onward(request, access)


@project_page(Role.REVIEWER)
@require_POST
def send_back(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    example = example_of(access, pk)
    comment = request.POST.get("comment", "")
    try:
        services.send_back(
            by=access.user,
            example=example,
            comment=comment,
            revision=whole_number(request.POST.get("base_revision")),
        )
    except Invalid as error:
        return _review_page(request, access, example, comment, error)
    return _onward(request, access)


@project_page(Role.REVIEWER)
@require_http_methods(["GET", "HEAD", "POST"])
def correct(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    """The example in the editor, for a reviewer: their changes become an accepted revision."""
    example = example_of(access, pk)
    if request.method != "POST":
        if queries.lease_of(access.user, example, REVIEW) is None:
            return go(request, "example", access.project.slug, pk)
        if example.status != Example.Status.IN_REVIEW:
            return _not_in_review(request, access, example)
        form = item_form(example, queries.draft_of(access.user, example))
        return _correct_page(request, access, example, form)
    content = pair_from(request.POST)
    base = whole_number(request.POST.get("base_revision"))
    try:
        services.accept(
            by=access.user, example=example, content=content, revision=base, reason=content["reason"],
            comment=request.POST.get("comment", ""),
        )  # fmt: skip
    except ExpectedError as error:
        if not is_shown_again(error):
            raise
        form = form_with(error, PairForm(access.project, content, base))
        return whole_main(_correct_page(request, access, example_of(access, pk), form, error.status))
    return _onward(request, access)


def _correct_page(
    request: HttpRequest, access: Access, example: Example, form: PairForm, status: int = 200
) -> HttpResponse:
    draft = queries.draft_of(access.user, example)
    context = {**_frame(access, example), "form": form, "draft": draft, **side(access)}
    return never_from_memory(render(request, "annotation/review_correct.html", context, status=status))


@project_page(Role.REVIEWER)
@require_POST
def review_undo(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    """Undoes a decision; `pk` is the review's."""
    review = get_object_or_404(
        Review.objects.select_related("example"), pk=pk, example__project=access.project
    )
    services.undo(by=access.user, review=review)
    messages.success(request, f"Your decision on #{review.example_id} is undone.")
    return go(request, "review", access.project.slug, review.example_id)


def _listed(request: HttpRequest) -> list[tuple[int, int]]:
    """The selected examples, each with the revision of the list: "12:3" is example 12 at revision 3."""
    selected = []
    for value in request.POST.getlist("example")[:MOST_SELECTED]:
        pk, _, revision = value.partition(":")
        if whole_number(pk) and whole_number(revision):
            selected.append((whole_number(pk), whole_number(revision)))
    return selected


def _back_to_list(request: HttpRequest, access: Access) -> HttpResponse:
    """Redirects to the list with the same filters."""
    address = reverse("annotation:review-list", args=[access.project.slug])
    query = urlencode(request.GET, doseq=True)
    return redirect(f"{address}?{query}" if query else address)


def _tell(request: HttpRequest, outcome: Bulk, done: str) -> None:
    """Shows the result of a bulk decision: how many were decided, and which were not, with reasons."""
    if outcome.done:
        messages.success(request, f"{len(outcome.done):,} {done}.")
    reasons: dict[str, list[int]] = {}
    for pk, why in outcome.left:
        reasons.setdefault(why, []).append(pk)
    for why, left in reasons.items():
        numbers = ", ".join(f"#{pk}" for pk in left[:NAMED])
        if len(left) > NAMED:
            numbers += f" and {len(left) - NAMED:,} more"
        if why.startswith("It changed"):
            words = f"{numbers} changed after you loaded the list. Read {noun(len(left), 'it', 'them')} again, then decide."
        else:
            words = f"{numbers}: not changed. {why}"
        messages.warning(request, words)


@project_page(Role.REVIEWER)
@require_POST
def accept_selected(request: HttpRequest, access: Access) -> HttpResponse:
    """Accepts the selected examples, each at the listed revision."""
    listed = _listed(request)
    if not listed:
        messages.warning(request, "Nothing was selected.")
        return _back_to_list(request, access)
    outcome = services.accept_many(by=access.user, project=access.project, listed=listed)
    _tell(request, outcome, "accepted")
    return _back_to_list(request, access)


@project_page(Role.REVIEWER)
@require_POST
def send_back_selected(request: HttpRequest, access: Access) -> HttpResponse:
    """Sends the selected examples back with one comment; without a comment the list is shown again with the same selection."""
    listed = _listed(request)
    if not listed:
        messages.warning(request, "Nothing was selected.")
        return _back_to_list(request, access)
    comment = request.POST.get("comment", "")
    try:
        outcome = services.send_back_many(
            by=access.user, project=access.project, listed=listed, comment=comment
        )
    except Invalid as error:
        return _list_page(request, access, selected=listed, error=error)
    _tell(request, outcome, "sent back")
    return _back_to_list(request, access)


@project_page(Role.REVIEWER)
@require_POST
def undo_selected(request: HttpRequest, access: Access, batch: uuid.UUID) -> HttpResponse:
    get_list_or_404(Review.objects.only("pk"), batch=batch, example__project=access.project)
    outcome = services.undo_many(by=access.user, project=access.project, batch=batch)
    _tell(request, outcome, "back in review")
    return _back_to_list(request, access)


def _save(request: HttpRequest, access: Access, example: Example, tab: Mapping[str, str]) -> Draft:
    """A correction, or only the comment: that is what the review page posts."""
    base = whole_number(request.POST.get("base_revision"))
    if "message" in request.POST:
        return services.save_draft(
            by=access.user,
            example=example,
            content=pair_from(request.POST),
            base_revision=base,
            purpose=REVIEW,
            **tab,
        )
    return services.save_comment(
        by=access.user,
        example=example,
        comment=request.POST.get("comment", ""),
        content=content_of(example),
        base_revision=base,
        **tab,
    )


work = WorkViews(
    Work(
        purpose=REVIEW,
        role=Role.REVIEWER,
        page="review",
        home="review-list",
        onward=_onward,
        save=_save,
    )
)
