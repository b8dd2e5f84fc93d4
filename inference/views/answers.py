"""Every answer of the project, and the walk from one to the people behind it."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from core.access import Access, project_page
from core.forms import cut
from core.models import Role
from inference import queries
from inference.forms import AnswersFilter
from inference.views.room import subnav


@project_page(Role.ADMIN, Role.VIEWER)
@require_safe
def answers(request: HttpRequest, access: Access) -> HttpResponse:
    versions = [
        (str(one.pk), queries.version_label(one)) for one in queries.answered_versions(access.project)
    ]
    filters = AnswersFilter(request.GET, versions=versions)
    found = queries.filtered_answers(access.project, filters.wanted())
    context = {"filters": filters, "page": cut(request, found, 25), "subnav": subnav(access, "answers")}
    return render(request, "inference/answers.html", context)


@project_page(Role.ADMIN, Role.VIEWER)
@require_safe
def answer(request: HttpRequest, access: Access, public_id: UUID) -> HttpResponse:
    """One answer and where it came from: version, run, dataset version, rows, people."""
    one = access.get(queries.answer_with_lineage(access.project), public_id=public_id)
    version = one.version
    context = {
        "answer": one,
        "steps": queries.lineage(one),
        "page": cut(request, queries.trained_rows(version), 20),
        "people": queries.people_behind(version),
        "training": version.training,
        "version_name": queries.version_label(version),
        "subnav": subnav(access, "answers"),
    }
    return render(request, "inference/answer.html", context)
