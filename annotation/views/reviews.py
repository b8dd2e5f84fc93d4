"""The reviewers' pages: what is in review, one pair with what changed, and the decisions."""

from functools import partial
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotation import services
from annotation.changes import changes
from annotation.filters import ReviewFilter
from annotation.models import Assignment, Example, Review
from annotation.queries import queue as queries
from annotation.queries.examples import slices_of
from annotation.queries.paging import cut
from annotation.services.examples import content_of
from annotation.views.editing import form_with, go, item_form, live, saved, side, whole_main, writer_of
from annotation.views.pair_forms import PairForm, TakeForm, pair_from, whole_number
from annotation.views.queue import READERS
from core.access import Access, project_page
from core.errors import Conflict, Invalid
from core.models import Role
from core.params import Params

REVIEW = Assignment.Purpose.REVIEW


@project_page(*READERS)
@require_safe
def review_list(request: HttpRequest, access: Access) -> HttpResponse:
    filters = ReviewFilter(request.GET, slices=slices_of(access.project))
    found = filters.shown(queries.review_list(access.project, access.user, filters.wanted()))
    reviews = access.has(Role.REVIEWER)
    context = {
        "filters": filters,
        "page": cut(request, found, 25),
        "reviews": reviews,
        "waiting": queries.waiting_count(access.user, access.project, REVIEW) if reviews else 0,
        "open_review": queries.open_lease(access.user, access.project, REVIEW) if reviews else None,
        "undoable": queries.undoable(access.user, access.project) if reviews else [],
    }
    return render(request, "annotation/review_list.html", context, status=filters.http_status)


@project_page(Role.REVIEWER)
@require_POST
def review_next(request: HttpRequest, access: Access) -> HttpResponse:
    return _onward(request, access)


def _onward(request: HttpRequest, access: Access) -> HttpResponse:
    form = TakeForm(request.POST)
    filters = form.cleaned_data if form.is_valid() else {}
    lease = services.take_next(by=access.user, project=access.project, purpose=REVIEW, filters=filters)
    if lease is None:
        messages.info(request, "Nothing waits for your review now.")
        return go(request, "review-list", access.project.slug)
    return go(request, "review", access.project.slug, lease.example_id)


def _example(access: Access, pk: int) -> Example:
    example = access.get(
        Example.objects.select_related("source", "submitted_by", "created_by").defer("search_text"), pk=pk
    )
    example.project = access.project
    return example


def _frame(access: Access, example: Example) -> dict[str, Any]:
    """What the page that reads and the page that corrects share."""
    lease = queries.lease_of(access.user, example, REVIEW)
    is_live = queries.is_live(lease)
    return {
        "example": example,
        "lease": lease if is_live else None,
        "why_not": "" if is_live else services.why_not_open(by=access.user, example=example, purpose=REVIEW),
        "waiting": queries.waiting_count(access.user, access.project, REVIEW),
        "undo": next(iter(queries.undoable(access.user, access.project, 1)), None),
        "note": queries.submission_note(example),
        "guideline": access.project.guideline,
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
        # Without an earlier revision nothing is marked as new: all of it is, and it is read as it stands.
        "changes": changes(base.content if base else now, now),
        "history": list(queries.reviews_of(example)[:10]),
        "live": live(now, access.project, example, None),
        "comment": comment or (draft.content.get("comment", "") if draft else ""),
        "correction_begun": corrected,
        "error": error,
    }
    return render(request, "annotation/review.html", context, status=error.status if error else 200)


@project_page(Role.REVIEWER)
@require_safe
def review(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    """The pair, what changed in it and what the checks say, for whoever has it open for review."""
    example = _example(access, pk)
    if queries.lease_of(access.user, example, REVIEW) is None:
        return go(request, "example", access.project.slug, pk)
    if example.status != Example.Status.IN_REVIEW:
        messages.info(request, f"#{pk} is not in review any more: {example.get_status_display().lower()}.")
        return go(request, "review-list", access.project.slug)
    return _review_page(request, access, example)


@project_page(Role.REVIEWER)
@require_POST
def review_take(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    services.take(by=access.user, example=_example(access, pk), purpose=REVIEW)
    return go(request, "review", access.project.slug, pk)


@project_page(Role.REVIEWER)
@require_POST
def accept(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    services.accept(
        by=access.user,
        example=_example(access, pk),
        comment=request.POST.get("comment", ""),
        revision=whole_number(request.POST.get("base_revision")),
    )
    return _onward(request, access)


@project_page(Role.REVIEWER)
@require_POST
def send_back(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    example = _example(access, pk)
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
    """The pair in the editor, for a reviewer: what they change becomes a revision of theirs, accepted."""
    example = _example(access, pk)
    if request.method != "POST":
        if queries.lease_of(access.user, example, REVIEW) is None:
            return go(request, "example", access.project.slug, pk)
        form = item_form(example, queries.draft_of(access.user, example))
        return _correct_page(request, access, example, form)
    content = pair_from(request.POST)
    base = whole_number(request.POST.get("base_revision"))
    reason = request.POST.get("reason", "")
    keep = partial(
        services.keep_words,
        by=access.user, example=example, content=content, base_revision=base, purpose=REVIEW,
    )  # fmt: skip
    try:
        with services.kept_on_failure(keep):
            services.accept(
                by=access.user, example=example, content=content, revision=base, reason=reason,
                comment=request.POST.get("comment", ""),
            )  # fmt: skip
    except (Invalid, Conflict) as error:
        kept = keep()
        if not kept and isinstance(error, Conflict):
            raise
        form = form_with(error, PairForm(access.project, content, base), reason)
        return whole_main(_correct_page(request, access, _example(access, pk), form, error.status))
    return _onward(request, access)


def _correct_page(
    request: HttpRequest, access: Access, example: Example, form: PairForm, status: int = 200
) -> HttpResponse:
    draft = queries.draft_of(access.user, example)
    context = {**_frame(access, example), "form": form, "draft": draft, **side(access)}
    return render(request, "annotation/review_correct.html", context, status=status)


@project_page(Role.REVIEWER)
@require_POST
def review_draft(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    """Keeps a correction, or only the comment, while it is being written."""
    example = _example(access, pk)
    content = pair_from(request.POST)
    if "message" not in request.POST:  # the page that reads posts the comment alone
        draft = queries.draft_of(access.user, example)
        content = {**(draft.content if draft else content_of(example)), "comment": content["comment"]}
    kept = services.save_draft(
        by=access.user,
        example=example,
        content=content,
        base_revision=whole_number(request.POST.get("base_revision")),
        purpose=REVIEW,
        **writer_of(request),
    )
    return saved(kept, queries.lease_of(access.user, example, REVIEW))


@project_page(Role.REVIEWER)
@require_POST
def review_heartbeat(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    lease = services.heartbeat(by=access.user, example=_example(access, pk), purpose=REVIEW)
    return JsonResponse({"until": lease.expires_at.isoformat()})


@project_page(Role.REVIEWER)
@require_POST
def review_skip(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    services.leave(by=access.user, example=_example(access, pk), purpose=REVIEW, skip=True)
    return _onward(request, access)


@project_page(Role.REVIEWER)
@require_POST
def review_release(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    services.leave(by=access.user, example=_example(access, pk), purpose=REVIEW, skip=False)
    return go(request, "review-list", access.project.slug)


@project_page(Role.REVIEWER)
@require_POST
def review_undo(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    """Takes a decision back; `pk` is the review's."""
    review = get_object_or_404(
        Review.objects.select_related("example"), pk=pk, example__project=access.project
    )
    services.undo(by=access.user, review=review)
    messages.success(request, f"Your decision on #{review.example_id} is taken back.")
    return go(request, "review", access.project.slug, review.example_id)


@project_page(Role.REVIEWER)
@require_POST
def accept_selected(request: HttpRequest, access: Access) -> HttpResponse:
    chosen = Params(request.POST).numbers("example")
    if not chosen:
        messages.warning(request, "Nothing was ticked.")
        return go(request, "review-list", access.project.slug)
    outcome = services.accept_many(by=access.user, project=access.project, examples=chosen)
    if outcome.accepted:
        messages.success(request, f"{len(outcome.accepted):,} accepted.")
    for pk, why in outcome.left[:3]:
        messages.warning(request, f"#{pk} is left as it is. {why}")
    if len(outcome.left) > 3:
        messages.warning(request, f"{len(outcome.left) - 3:,} more are left as they are.")
    return go(request, "review-list", access.project.slug)
