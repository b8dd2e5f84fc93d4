"""The datasheet of a version: read, downloaded, and its questions answered."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from core.access import Access, project_page
from core.errors import ExpectedError
from core.forms import status_of, take_errors
from core.lists.params import Params
from core.models import Role
from core.roles import EXAMPLE_READERS
from dataset.datasheets import as_markdown, as_pdf
from dataset.errors import AnsweredMeanwhile
from dataset.forms import DatasheetForm
from dataset.models import DatasetVersion
from dataset.queries.datasheet import datasheet_of, project_answers, standing_answers
from dataset.questions import REFERENCE
from dataset.services.datasheets import answer_datasheet
from dataset.views.versions import ready_examples

MARKDOWN = "text/markdown; charset=utf-8"
PDF = "application/pdf"


@project_page(*EXAMPLE_READERS)
@require_safe
def datasheet(request: HttpRequest, access: Access, number: int) -> HttpResponse:
    dataset = ready_examples(access, number, "datasheet")
    context = {
        "dataset": dataset,
        "sheet": datasheet_of(dataset),
        "reference": REFERENCE,
        "may_change": access.has(Role.ADMIN),
    }
    return render(request, "datasets/datasheet.html", context)


def datasheet_file(dataset: DatasetVersion, content: bytes, content_type: str, ending: str) -> HttpResponse:
    name = f"{dataset.project.slug}-dataset-{dataset.number}-datasheet.{ending}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return HttpResponse(content, content_type=content_type, headers=headers)


@project_page(*EXAMPLE_READERS)
@require_safe
def datasheet_markdown(request: HttpRequest, access: Access, number: int) -> HttpResponse:
    dataset = ready_examples(access, number, "datasheet")
    return datasheet_file(dataset, as_markdown(datasheet_of(dataset)).encode(), MARKDOWN, "md")


@project_page(*EXAMPLE_READERS)
@require_safe
def datasheet_pdf(request: HttpRequest, access: Access, number: int) -> HttpResponse:
    dataset = ready_examples(access, number, "datasheet")
    return datasheet_file(dataset, as_pdf(datasheet_of(dataset)), PDF, "pdf")


@project_page(Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def version_answers(request: HttpRequest, access: Access, number: int) -> HttpResponse:
    """The answers of one version. `?from=project` fills in the project's answers of today where none stands."""
    return _answers(request, access, ready_examples(access, number, "datasheet"))


@project_page(Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def answers(request: HttpRequest, access: Access) -> HttpResponse:
    """The project's answers, which the versions get that are frozen from now on."""
    return _answers(request, access, None)


def _answers(request: HttpRequest, access: Access, dataset: DatasetVersion | None) -> HttpResponse:
    standing = standing_answers(dataset) if dataset else project_answers(access.project)
    texts = {key: answer.text for key, answer in standing.items()}
    later = {}
    if dataset is not None:
        later = {key: one.text for key, one in project_answers(access.project).items() if key not in texts}
        if Params(request.GET).text("from", most=20) == "project":
            texts |= later
    form = DatasheetForm(
        request.POST if request.method == "POST" else None,
        answers=texts,
        seen={key: answer.pk for key, answer in standing.items()},
        for_version=dataset is not None,
    )
    if form.is_bound and form.is_valid() and _save(request, access, dataset, form):
        return redirect(_back(access, dataset))
    context = {
        "dataset": dataset,
        "form": form,
        "later": len(later),
        "back": _back(access, dataset),
        "reference": REFERENCE,
    }
    return render(request, "datasets/datasheet_answers.html", context, status=status_of(form))


def _save(request: HttpRequest, access: Access, dataset: DatasetVersion | None, form: DatasheetForm) -> bool:
    """Whether the answers were stored; if not, the form has the errors."""
    try:
        changed = answer_datasheet(
            by=access.user,
            project=access.project,
            answers=form.answers(),
            dataset=dataset,
            also_later=form.cleaned_data.get("also_later", False),
            seen=form.seen,
        )
    except ExpectedError as error:
        take_errors(form, error)
        if isinstance(error, AnsweredMeanwhile):
            standing = standing_answers(dataset) if dataset else project_answers(access.project)
            _show_newer(form, error, {key: answer.pk for key, answer in standing.items()})
        return False
    messages.success(request, "The answers are saved." if changed else "Nothing was changed.")
    return True


def _show_newer(form: DatasheetForm, error: AnsweredMeanwhile, standing: dict[str, int]) -> None:
    """The answers that somebody else saved in the meantime, at their questions."""
    for key, text in error.questions.items():
        form.add_error(
            key, f"Now it says: “{text}”. Saving again replaces that." if text else "It was taken back."
        )
        # A person who saves again has seen it.
        form.seen[key] = standing.get(key, 0)


def _back(access: Access, dataset: DatasetVersion | None) -> str:
    if dataset is None:
        return reverse("datasets:datasets", args=[access.project.slug])
    return reverse("datasets:dataset-datasheet", args=[access.project.slug, dataset.number])
