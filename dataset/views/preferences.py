"""Preference versions: freeze one, and show its rows with what people said of them."""

from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from core.access import Access, project_page
from core.errors import Conflict, ExpectedError
from core.forms import status_of, take_errors
from core.models import Role
from dataset.models import DatasetVersion, Judgement
from dataset.preference_forms import PreferenceForm
from dataset.preferences import Choice, outside_words
from dataset.queries.preference_preview import WHOLE, preference_preview
from dataset.registry import preference_finders
from dataset.services.preferences import PREFERENCE_DEFAULTS, start_preference_freeze
from dataset.split_tables import split_table


def _form(access: Access, data: QueryDict | None) -> PreferenceForm:
    campaigns = [found for finder in preference_finders() for found in finder.campaigns(access.project)]
    return PreferenceForm(data, campaigns=campaigns)


@project_page(Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def preferences_new(request: HttpRequest, access: Access) -> HttpResponse:
    """The form, and beside it a preview, which reloads when the form changes."""
    form = _form(access, request.POST if request.method == "POST" else None)
    conflict = False
    if request.method == "POST" and form.is_valid():
        try:
            dataset = start_preference_freeze(
                by=access.user,
                project=access.project,
                choice=form.choice(),
                note=form.cleaned_data["note"],
                seen=request.POST.get("seen", ""),
                **form.settings(),
            )
        except ExpectedError as error:
            conflict = isinstance(error, Conflict)
            take_errors(form, error)
        else:
            return redirect("datasets:dataset", access.project.slug, dataset.number)
    usable = form.is_bound and not form.errors
    choice, settings = (form.choice(), form.settings()) if usable else (Choice(), PREFERENCE_DEFAULTS)
    context = {"form": form, "conflict": conflict, **_preview(access, choice, settings)}
    return render(request, "datasets/preferences_new.html", context, status=status_of(form))


@project_page(Role.ADMIN)
@require_safe
def preferences_preview(request: HttpRequest, access: Access) -> HttpResponse:
    """The preview of a freeze with the present values of the form."""
    form = _form(access, request.GET)
    # The note does not count here. Errors of the other fields are shown in the place of the plan.
    shown = _preview(access, form.choice(), form.settings()) if form.is_valid() else {"form": form}
    return render(request, "datasets/_preferences_preview.html", {"access": access, **shown})


def _preview(access: Access, choice: Choice, settings: dict[str, Any]) -> dict[str, Any]:
    shown = preference_preview(access.project, choice, settings)
    return {
        "preview": shown,
        "counts": shown.counts,
        "settings": settings,
        "whole": WHOLE,
        "outside": outside_words(shown.outside),
        "taken": taken_words(shown.taken),
        "shapes": shown.shapes,
        **split_table(shown.counts or {}),
    }


def taken_words(taken: dict[str, int]) -> list[tuple[str, int]]:
    """(where they come from, rows), in the order of the form."""
    return [(source.label, taken[source]) for source in Judgement.Source if taken.get(source)]


def preference_details(dataset: DatasetVersion) -> dict[str, Any]:
    """What the page of a ready preference version shows beside its splits."""
    said: dict[str, Any] = dataset.counts.get("preferences", {})
    return {
        "said": said,
        "shapes": said,
        "taken": taken_words(said.get("taken", {})),
        "outside": outside_words(said.get("outside", {})),
        "choice": dataset.settings.get("preferences", {}),
        "take_labels": [
            Judgement.Source(name).label for name in dataset.settings.get("preferences", {}).get("take", [])
        ],
    }
