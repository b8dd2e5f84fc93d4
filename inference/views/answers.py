"""The project's answers, and the lineage from one answer to the people behind it."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from core.access import Access, project_page
from core.lists.paging import cut
from core.roles import READERS
from dataset.queries import provenance_of
from inference import queries
from inference.forms import AnswersFilter
from inference.views.subnav import serving_subnav
from training.queries import people_trained_on, trained_rows


@project_page(*READERS)
@require_safe
def answers(request: HttpRequest, access: Access) -> HttpResponse:
    filters = AnswersFilter(request.GET, versions=queries.version_choices(access.project))
    answers = filters.shown(queries.filtered_answers(access.project, filters.criteria()))
    context = {
        "filters": filters,
        "page": cut(request, answers, 25),
        "subnav": serving_subnav(access, "inference:answers"),
    }
    return render(request, "inference/answers.html", context, status=filters.http_status)


@project_page(*READERS)
@require_safe
def answer(request: HttpRequest, access: Access, public_id: UUID) -> HttpResponse:
    """One answer and its lineage: version, run, dataset version, rows, people."""
    answer = access.get(queries.answer_with_lineage(access.project), public_id=public_id)
    version = answer.version
    page = cut(request, trained_rows(version.training_run), 20)
    known = provenance_of(row.revision for row in page)
    context = {
        "answer": answer,
        "steps": queries.lineage(answer),
        "page": page,
        "rows": [(row, known[row.example_id]) for row in page],
        "people": people_trained_on(version.training_run),
        "training_run": version.training_run,
        "version_name": queries.version_label(version),
        "subnav": serving_subnav(access, "inference:answers"),
    }
    return render(request, "inference/answer.html", context)
