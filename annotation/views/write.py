"""Writing a new example from nothing."""

from functools import partial

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_POST

from annotation import services
from annotation.models import Draft
from annotation.queries import queue as queries
from annotation.views.editing import form_with, go, saved, side, whole_main, writer_of
from annotation.views.pair_forms import PairForm, pair_from
from core.access import Access, project_page
from core.errors import Invalid
from core.models import Role


def _page(
    request: HttpRequest, access: Access, form: PairForm, draft: Draft | None, status: int = 200
) -> HttpResponse:
    context = {"form": form, "draft": draft, "begin": not form.content, **side(access)}
    return render(request, "annotation/write.html", context, status=status)


@project_page(Role.ANNOTATOR)
@require_http_methods(["GET", "HEAD", "POST"])
def write(request: HttpRequest, access: Access) -> HttpResponse:
    """A blank editor, or the new example one has begun. A POST hands it to the reviewers."""
    if request.method != "POST":
        draft = queries.new_draft_of(access.user, access.project)
        return _page(request, access, PairForm(access.project, draft.content if draft else {}), draft)
    content = pair_from(request.POST)
    reason = request.POST.get("reason", "")
    keep = partial(services.save_new_draft, by=access.user, project=access.project, content=content)
    try:
        with services.kept_on_failure(keep):
            example = services.write_example(
                by=access.user, project=access.project, content=content, group=content["group"], reason=reason
            )
    except Invalid as error:
        form = form_with(error, PairForm(access.project, content), reason)
        return whole_main(_page(request, access, form, None, status=error.status))
    messages.success(request, f"#{example.pk} submitted.")
    return go(request, "overview", access.project.slug)


@project_page(Role.ANNOTATOR)
@require_POST
def write_draft(request: HttpRequest, access: Access) -> HttpResponse:
    kept = services.save_new_draft(
        by=access.user, project=access.project, content=pair_from(request.POST), **writer_of(request)
    )
    return saved(kept, None)


@project_page(Role.ANNOTATOR)
@require_POST
def write_discard(request: HttpRequest, access: Access) -> HttpResponse:
    services.discard_draft(by=access.user, project=access.project, example=None)
    return go(request, "write", access.project.slug)
