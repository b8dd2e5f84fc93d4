"""Training runs: the list, launching, watching, comparing. Core starts them again, like every background job."""

from typing import Any, TypedDict

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.safestring import SafeString
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core.access import Access, project_page
from core.charts import line_chart
from core.errors import ExpectedError
from core.forms import status_of, take_errors
from core.lists.numbers import LARGEST_COUNT
from core.lists.paging import cut
from core.lists.params import Params
from core.models import Role, Run
from core.roles import READERS
from training import preflight, queries, services
from training.curves import loss_note, loss_series, preference_charts, preference_note
from training.filters import TrainingRunFilter
from training.forms import COMMON, LaunchForm, continued_values, kept_settings
from training.measuring import words_of
from training.methods import METHODS, recipe_from, settings_of
from training.models import MetricPoint, ModelVersion, TrainingRun
from training.objectives import (
    OBJECTIVES,
    PREFERENCE_FIGURES,
    SUPERVISED,
    Objective,
    known_recipe_type,
)
from training.queries import SampleRow
from training.views.subnav import training_subnav

# A run with an average this far below its own undisturbed speed was slowed noticeably.
SLOWED_SHARE = 0.9


@project_page(*READERS)
@require_safe
def home(request: HttpRequest, access: Access) -> HttpResponse:
    filters = TrainingRunFilter(request.GET)
    page = cut(request, filters.shown(queries.search_runs(access.project, **filters.criteria())), 25)
    places = queries.queue_positions([training_run.run for training_run in page])
    rows = [
        (training_run, places.get(training_run.run_id), METHODS.get(training_run.method))
        for training_run in page
    ]
    context = {
        "filters": filters,
        "page": page,
        "rows": rows,
        "subnav": training_subnav(access, "training:home"),
        "can_launch": access.has(Role.ADMIN),
    }
    return render(request, "training/home.html", context, status=filters.http_status)


# --- launching ---------------------------------------------------------------------------------------------
def _initial(request: HttpRequest, access: Access) -> dict[str, Any]:
    """What the form starts with: the recipe of an earlier run (?like=), or values from the address."""
    params = Params(request.GET)
    values: dict[str, Any] = {name: params.text(name) for name in COMMON if params.text(name)}
    like = params.number("like", most=LARGEST_COUNT)
    if like is not None:
        earlier = TrainingRun.objects.filter(project=access.project, number=like).first()
        if earlier is not None:
            kept = {
                "method": earlier.method,
                "objective": earlier.objective,
                "base_model": earlier.base_model_id,
                "dataset": earlier.dataset_id,
                "continued_from": earlier.continued_from_id or "",
                "was_from": earlier.continued_from_id or "",
            }
            values = {**earlier.recipe, **kept, "note": earlier.note} | values
    objective = str(values.get("objective", "")) or SUPERVISED.name
    values = {"was_from": params.text("was_from")} | values
    continued = continued_values(access.project, values)
    method = str(continued.get("method", values.get("method", "")))
    return kept_settings(request.GET, method, objective) | values | continued


def _check_initial(form: LaunchForm) -> tuple[LaunchForm, preflight.Preflight | None]:
    """The preflight of a new form, so that the page includes it. When a value from the address cannot be used, the form
    shows the reasons."""
    base_model, dataset = form.objects("base_model").first(), form.objects("dataset").first()
    if base_model is None or dataset is None:
        return form, None
    values: dict[str, Any] = dict(form.carried()) | {
        setting.name: form.get_initial_for_field(form.fields[setting.name], setting.name)
        for setting in form.settings
    }
    for name, default in (("base_model", base_model), ("dataset", dataset)):
        values[name] = form.initial.get(name) or default.pk
    values |= {
        "method": form.chosen.name,
        "objective": form.chosen_objective.name,
        "note": form.initial.get("note", ""),
        "continued_from": form.initial.get("continued_from", ""),
    }
    bound = LaunchForm(form.project, form.chosen.name, values)
    if not bound.is_valid():
        wrong = any(name in bound.errors for name in (setting.name for setting in form.settings))
        return (bound if wrong else form), None
    return form, preflight.check(**bound.chosen_values())


@project_page(Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def launch(request: HttpRequest, access: Access) -> HttpResponse:
    result: preflight.Preflight | None = None
    if request.method == "POST":
        form = LaunchForm(access.project, request.POST.get("method", ""), request.POST)
        if form.is_valid():
            try:
                training_run = services.launch(
                    by=access.user,
                    **form.chosen_values() | {"recipe": form.values()},
                    note=form.cleaned_data["note"],
                )
            except services.NotLaunchable as error:
                result = error.preflight
                take_errors(form, error)
            except ExpectedError as error:
                take_errors(form, error)
            else:
                messages.success(
                    request, f"{training_run} is queued. You can close this page; the run continues."
                )
                return redirect("training:run", access.project.slug, training_run.number)
    else:
        initial = _initial(request, access)
        form = LaunchForm(access.project, str(initial.get("method", "")), initial=initial)
        form, result = _check_initial(form)
    context = {
        **_preflight_context(form, result),
        "objective": form.chosen_objective,
        "has_bases": form.objects("base_model").exists(),
        "has_datasets": form.objects("dataset").exists(),
    }
    return render(
        request, "training/launch.html", context, status=status_of(form) if request.method == "POST" else 200
    )


class PreflightContext(TypedDict):
    form: LaunchForm
    preflight: preflight.Preflight | None
    serving_plan: str
    parts: list[tuple[str, float]]
    measuring_words: str


def _preflight_context(form: LaunchForm, result: preflight.Preflight | None) -> PreflightContext:
    estimate = result.estimate if result else None
    return {
        "form": form,
        "preflight": result,
        "serving_plan": form.serving_plan(),
        "parts": _parts(estimate.parts, estimate.seconds) if estimate else [],
        "measuring_words": words_of(estimate.measuring) if estimate else "",
    }


_PART_NAMES = {
    "load": "start",
    "reference": "answers before training",
    "replay": "answers to practise",
    "train": "training",
    "evaluate": "validation loss",
    "sample": "sample answers",
    "save": "checkpoints",
    "store": "storing",
}


def _parts(seconds: dict[str, float], total: float) -> list[tuple[str, float]]:
    """(name, share of the total) of each kind of work that takes at least a hundredth."""
    return [
        (name, seconds[kind] / total)
        for kind, name in _PART_NAMES.items()
        if total and seconds.get(kind, 0.0) / total >= 0.01
    ]


@project_page(Role.ADMIN)
@require_POST
def check(request: HttpRequest, access: Access) -> HttpResponse:
    """The preflight of the form's present values, for the side of the launch page."""
    form = LaunchForm(access.project, request.POST.get("method", ""), request.POST)
    result = services.check(by=access.user, **form.chosen_values()) if form.is_valid() else None
    return render(request, "training/_preflight.html", _preflight_context(form, result))


# --- one run -----------------------------------------------------------------------------------------------
def _training_run(access: Access, number: int) -> TrainingRun:
    return access.get(queries.training_runs(access.project), number=number)


class LiveContext(TypedDict):
    """The part of a run's page that is reloaded while it runs. `spent` is in seconds, `spent_parts` are shares of it."""

    training_run: TrainingRun
    run: Run
    chart: SafeString
    chart_note: str
    preference_charts: list[tuple[str, SafeString]]
    preference_note: str
    preference_figures: list[tuple[str, float | None, float | None]]
    objective: Objective | None
    place: int | None
    loss_now: MetricPoint | None
    samples: list[SampleRow]
    spent: float | None
    spent_parts: list[tuple[str, float]]
    slowed: bool
    recipe_words: str
    measuring_words: str
    version: ModelVersion | None


def _live_context(access: Access, training_run: TrainingRun) -> LiveContext:
    points = queries.points_of(training_run)
    objective = OBJECTIVES.get(training_run.objective)
    unit = ", in nats per completion token" if objective is SUPERVISED else ""
    chart = line_chart(
        series=loss_series(points),
        label=f"Loss of {training_run} by step{unit}",
        x_title="step",
        y_title="loss",
        x_max=training_run.planned_steps or None,
    )
    last = points["validation"][-1] if points["validation"] else None
    measured = [point for point in points["validation"] if point.figures]
    spent = sum(training_run.measured.values()) if training_run.measured else None
    return {
        "training_run": training_run,
        "run": training_run.run,
        "chart": chart,
        "chart_note": loss_note(objective),
        "preference_charts": preference_charts(training_run, measured),
        "preference_note": preference_note(objective),
        "preference_figures": [
            (label, measured[0].figures.get(name), measured[-1].figures.get(name))
            for name, label in PREFERENCE_FIGURES
        ]
        if measured
        else [],
        "objective": objective,
        "place": queries.queue_position(training_run.run),
        "loss_now": last,
        "samples": queries.sample_table(training_run),
        "spent": spent,
        "spent_parts": _parts(training_run.measured, spent) if spent else [],
        "slowed": bool(
            training_run.tokens_per_second
            and training_run.undisturbed_speed
            and training_run.tokens_per_second < SLOWED_SHARE * training_run.undisturbed_speed
        ),
        "recipe_words": _recipe_words(training_run),
        "measuring_words": words_of(
            training_run.data_facts.get("measuring") or training_run.estimate.get("measuring") or {}
        ),
        "version": getattr(training_run, "model_version", None),
    }


def _recipe_words(training_run: TrainingRun) -> str:
    """ "r 16, lr 5e-4, 2 epochs"; "" for a run of an unknown method or objective."""
    known = known_recipe_type(training_run.method, training_run.objective)
    return METHODS[training_run.method].describe(recipe_from(known, training_run.recipe)) if known else ""


@project_page(*READERS)
@require_safe
def run(request: HttpRequest, access: Access, number: int) -> HttpResponse:
    training_run = _training_run(access, number)
    known = known_recipe_type(training_run.method, training_run.objective)
    context = {
        **_live_context(access, training_run),
        "method": METHODS.get(training_run.method),
        "settings": [
            (setting, setting.shown(training_run.recipe.get(setting.name))) for setting in settings_of(known)
        ]
        if known
        else [],
        "is_admin": access.has(Role.ADMIN),
    }
    return render(request, "training/run.html", context)


@project_page(*READERS)
@require_safe
def run_live(request: HttpRequest, access: Access, number: int) -> HttpResponse:
    """Chart, figures and samples; the page reloads them while the run is active."""
    return render(request, "training/_run_live.html", _live_context(access, _training_run(access, number)))
