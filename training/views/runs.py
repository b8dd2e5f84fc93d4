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
from training.curves import NOTE, loss_series
from training.forms import COMMON, CompareForm, LaunchForm, TrainingRunFilter, kept_settings
from training.methods import METHODS, recipe_from, settings_of
from training.models import MetricPoint, ModelVersion, TrainingRun
from training.queries import SampleRow
from training.views.subnav import training_subnav

# A run with an average this far below its own undisturbed speed was slowed noticeably.
SLOWED_SHARE = 0.9


@project_page(*READERS)
@require_safe
def home(request: HttpRequest, access: Access) -> HttpResponse:
    filters = TrainingRunFilter(request.GET)
    page = cut(request, filters.shown(queries.search_runs(access.project, **filters.wanted())), 25)
    places = queries.queue_positions([one.run for one in page])
    rows = [(one, places.get(one.run_id), METHODS.get(one.method)) for one in page]
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
    asked = Params(request.GET)
    found: dict[str, Any] = {name: asked.text(name) for name in COMMON if asked.text(name)}
    like = asked.number("like", most=LARGEST_COUNT)
    if like is not None:
        earlier = TrainingRun.objects.filter(project=access.project, number=like).first()
        if earlier is not None:
            kept = {
                "method": earlier.method,
                "base_model": earlier.base_model_id,
                "dataset": earlier.dataset_id,
            }
            found = {**earlier.recipe, **kept, "note": earlier.note} | found
    return kept_settings(request.GET, str(found.get("method", ""))) | found


def _check_initial(form: LaunchForm) -> tuple[LaunchForm, preflight.Preflight | None]:
    """The preflight of a new form, so that the page includes it. When a value from the address cannot be used, the form
    shows the reasons."""
    base_model, dataset = form.objects("base_model").first(), form.objects("dataset").first()
    if base_model is None or dataset is None:
        return form, None
    values: dict[str, Any] = dict(form.carried()) | {
        one.name: form.get_initial_for_field(form.fields[one.name], one.name) for one in form.settings
    }
    for name, default in (("base_model", base_model), ("dataset", dataset)):
        values[name] = form.initial.get(name) or default.pk
    values |= {"method": form.chosen.name, "note": form.initial.get("note", "")}
    bound = LaunchForm(form.project, form.chosen.name, values)
    if not bound.is_valid():
        wrong = any(name in bound.errors for name in (one.name for one in form.settings))
        return (bound if wrong else form), None
    return form, preflight.check(**bound.chosen_values())


@project_page(Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def launch(request: HttpRequest, access: Access) -> HttpResponse:
    found: preflight.Preflight | None = None
    if request.method == "POST":
        form = LaunchForm(access.project, request.POST.get("method", ""), request.POST)
        if form.is_valid():
            try:
                training = services.launch(
                    by=access.user,
                    **form.chosen_values() | {"recipe": form.values()},
                    note=form.cleaned_data["note"],
                )
            except services.NotLaunchable as error:
                found = error.preflight
                take_errors(form, error)
            except ExpectedError as error:
                take_errors(form, error)
            else:
                messages.success(
                    request, f"{training} is queued. You can close this page; the run continues."
                )
                return redirect("training:run", access.project.slug, training.number)
    else:
        initial = _initial(request, access)
        form = LaunchForm(access.project, str(initial.get("method", "")), initial=initial)
        form, found = _check_initial(form)
    context = {
        **_preflight_context(form, found),
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


def _preflight_context(form: LaunchForm, found: preflight.Preflight | None) -> PreflightContext:
    return {
        "form": form,
        "preflight": found,
        "serving_plan": form.chosen.serving_plan(form.chosen.recipe()),
        "parts": _parts(found.estimate.parts, found.estimate.seconds) if found and found.estimate else [],
    }


_PART_NAMES = {
    "load": "start",
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
    found = services.check(by=access.user, **form.chosen_values()) if form.is_valid() else None
    return render(request, "training/_preflight.html", _preflight_context(form, found))


# --- one run -----------------------------------------------------------------------------------------------
def _training(access: Access, number: int) -> TrainingRun:
    return access.get(queries.training_runs(access.project), number=number)


class LiveContext(TypedDict):
    """The part of a run's page that is reloaded while it runs. `spent` is in seconds, `spent_parts` are shares of it."""

    training: TrainingRun
    run: Run
    chart: SafeString
    chart_note: str
    place: int | None
    loss_now: MetricPoint | None
    samples: list[SampleRow]
    spent: float | None
    spent_parts: list[tuple[str, float]]
    slowed: bool
    recipe_words: str
    version: ModelVersion | None


def _live_context(access: Access, training: TrainingRun) -> LiveContext:
    points = queries.points_of(training)
    chart = line_chart(
        series=loss_series(points),
        label=f"Loss of {training} by step, in nats per completion token",
        x_title="step",
        y_title="loss",
        x_max=training.planned_steps or None,
    )
    last = points["validation"][-1] if points["validation"] else None
    method = METHODS.get(training.method)
    spent = sum(training.measured.values()) if training.measured else None
    return {
        "training": training,
        "run": training.run,
        "chart": chart,
        "chart_note": NOTE,
        "place": queries.queue_position(training.run),
        "loss_now": last,
        "samples": queries.sample_table(training),
        "spent": spent,
        "spent_parts": _parts(training.measured, spent) if spent else [],
        "slowed": bool(
            training.tokens_per_second
            and training.undisturbed_speed
            and training.tokens_per_second < SLOWED_SHARE * training.undisturbed_speed
        ),
        "recipe_words": method.describe(recipe_from(method.recipe, training.recipe)) if method else "",
        "version": getattr(training, "model_version", None),
    }


@project_page(*READERS)
@require_safe
def run(request: HttpRequest, access: Access, number: int) -> HttpResponse:
    training = _training(access, number)
    method = METHODS.get(training.method)
    context = {
        **_live_context(access, training),
        "method": method,
        "settings": [(one, one.shown(training.recipe.get(one.name))) for one in settings_of(method.recipe)]
        if method
        else [],
        "is_admin": access.has(Role.ADMIN),
    }
    return render(request, "training/run.html", context)


@project_page(*READERS)
@require_safe
def run_live(request: HttpRequest, access: Access, number: int) -> HttpResponse:
    """Chart, figures and samples; the page reloads them while the run is active."""
    return render(request, "training/_run_live.html", _live_context(access, _training(access, number)))


# --- two runs side by side ---------------------------------------------------------------------------------
@project_page(*READERS)
@require_safe
def compare(request: HttpRequest, access: Access) -> HttpResponse:
    runs = queries.comparable_runs(access.project)
    asked = Params(request.GET)
    given = {name: asked.text(name) for name in ("a", "b")}
    if len(runs) > 1:
        # Without a choice: the two newest, the older one first.
        given = {"a": given["a"] or str(runs[1].number), "b": given["b"] or str(runs[0].number)}
    form = CompareForm(runs, given)
    wanted = form.wanted()
    context: dict[str, Any] = {
        "form": form,
        "subnav": training_subnav(access, "training:compare"),
        "enough": len(runs) > 1,
    }
    by_number = {str(one.number): one for one in runs}
    a, b = by_number.get(wanted.get("a", "")), by_number.get(wanted.get("b", ""))
    if a is not None and b is not None:
        context |= {"a": a, "b": b, "chart": _both(a, b), "differing": _differences(a, b)}
    return render(request, "training/compare.html", context)


def _both(a: TrainingRun, b: TrainingRun) -> Any:
    series = []
    for one in [a] if a.pk == b.pk else [a, b]:
        series += loss_series(queries.points_of(one), f"{one} ")
    return line_chart(series=series, label=f"Loss of {a} and {b} by step", x_title="step", y_title="loss")


def _differences(a: TrainingRun, b: TrainingRun) -> list[tuple[str, Any, Any]]:
    """(what, in a, in b) for every setting that differs."""
    found: list[tuple[str, Any, Any]] = [
        ("Base model", a.base_model, b.base_model),
        ("Dataset", a.dataset, b.dataset),
        ("Method", METHODS[a.method].label, METHODS[b.method].label),
        ("Code", a.code_version, b.code_version),
    ]
    labels = {
        one.name: one.label for name in (a.method, b.method) for one in settings_of(METHODS[name].recipe)
    }
    for name, label in labels.items():
        found.append((label, a.recipe.get(name, "–"), b.recipe.get(name, "–")))
    return [row for row in found if row[1] != row[2]]
