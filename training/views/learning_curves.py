"""Learning curves: the list, starting one, and what it found. Core cancels them and starts them again."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.safestring import SafeString
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core.access import Access, project_page
from core.charts import Series, line_chart
from core.errors import ExpectedError
from core.forms import status_of, take_errors
from core.lists.paging import cut
from core.lists.params import Params
from core.models import Role
from core.roles import READERS
from training import services
from training.extrapolation import Forecast
from training.forms import LearningCurveForm, kept_settings
from training.learning_curves import forecast_of, points_of, sentences
from training.learning_curves import learning_curves as curves_of
from training.methods import METHODS, recipe_from
from training.models import LearningCurve
from training.preflight.learning_curves import CurvePreflight
from training.preflight.learning_curves import check as check_values
from training.views.subnav import training_subnav

CHOSEN = ("method", "base_model", "dataset", "repeats")


@project_page(*READERS)
@require_safe
def learning_curves(request: HttpRequest, access: Access) -> HttpResponse:
    page = cut(request, curves_of(access.project), 25)
    context = {
        "page": page,
        "rows": [(curve, sentences(found)[0] if (found := forecast_of(curve)) else "") for curve in page],
        "subnav": training_subnav(access, "training:learning-curves"),
        "can_start": access.has(Role.ADMIN),
    }
    return render(request, "training/learning_curves.html", context)


# --- starting one ------------------------------------------------------------------------------------------
def _initial(request: HttpRequest) -> dict[str, Any]:
    params = Params(request.GET)
    values: dict[str, Any] = {name: params.text(name) for name in CHOSEN if params.text(name)}
    return kept_settings(request.GET, str(values.get("method", ""))) | values


def _check_initial(form: LearningCurveForm) -> tuple[LearningCurveForm, CurvePreflight | None]:
    """The preflight of a new form. When a value from the address cannot be used, the form shows the reasons."""
    base_model, dataset = form.objects("base_model").first(), form.objects("dataset").first()
    if base_model is None or dataset is None:
        return form, None
    values: dict[str, Any] = dict(form.carried()) | {
        name: form.get_initial_for_field(field, name) for name, field in form.fields.items()
    }
    for name, default in (("base_model", base_model), ("dataset", dataset)):
        values[name] = form.initial.get(name) or default.pk
    bound = LearningCurveForm(form.project, form.chosen.name, values)
    if not bound.is_valid():
        return bound, None
    return form, check_values(**bound.chosen_values())


@project_page(Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest, access: Access) -> HttpResponse:
    result: CurvePreflight | None = None
    if request.method == "POST":
        form = LearningCurveForm(access.project, request.POST.get("method", ""), request.POST)
        if form.is_valid():
            # Errors of the service take values out of the form.
            chosen = form.chosen_values()
            try:
                curve = services.start_curve(by=access.user, **chosen | {"recipe": form.values()})
            except ExpectedError as error:
                take_errors(form, error)
                result = check_values(**chosen)
            else:
                return redirect("training:learning-curve", access.project.slug, curve.number)
    else:
        initial = _initial(request)
        form = LearningCurveForm(access.project, str(initial.get("method", "")), initial=initial)
        form, result = _check_initial(form)
    context = {
        **_check_context(form, result),
        "has_bases": form.objects("base_model").exists(),
        "has_datasets": form.objects("dataset").exists(),
        "subnav": training_subnav(access, "training:learning-curves"),
    }
    status = status_of(form) if request.method == "POST" else 200
    return render(request, "training/learning_curve_new.html", context, status=status)


def _check_context(form: LearningCurveForm, result: CurvePreflight | None) -> Mapping[str, Any]:
    return {"form": form, "check": result, "preflight": result.run if result else None}


@project_page(Role.ADMIN)
@require_POST
def check(request: HttpRequest, access: Access) -> HttpResponse:
    """The preflight of the form's present values, for the side of the page."""
    form = LearningCurveForm(access.project, request.POST.get("method", ""), request.POST)
    result = services.check_curve(by=access.user, **form.chosen_values()) if form.is_valid() else None
    return render(request, "training/_learning_curve_check.html", _check_context(form, result))


# --- one curve ---------------------------------------------------------------------------------------------
@project_page(*READERS)
@require_safe
def learning_curve(request: HttpRequest, access: Access, number: int) -> HttpResponse:
    curve = access.get(curves_of(access.project), number=number)
    found = forecast_of(curve)
    method = METHODS.get(curve.method)
    context = {
        "curve": curve,
        "forecast": found,
        "sentences": sentences(found) if found else [],
        "chart": _chart(curve, found) if found else None,
        "points": points_of(curve),
        "recipe_words": method.describe(recipe_from(method.recipe, curve.recipe)) if method else curve.method,
        "groups": len({row["group"] for row in curve.held_out}),
        "is_admin": access.has(Role.ADMIN),
        "subnav": training_subnav(access, "training:learning-curves"),
    }
    return render(request, "training/learning_curve.html", context)


def _chart(curve: LearningCurve, found: Forecast) -> SafeString:
    series = [Series("measured", [(one.rows, one.loss) for one in found.shares], dotted=True)]
    if found.line:
        series += [
            Series("fitted", [(rows, loss) for rows, loss, _, _ in found.line]),
            Series("95% low", [(rows, low) for rows, _, low, _ in found.line]),
            Series("95% high", [(rows, high) for rows, _, _, high in found.line]),
        ]
    return line_chart(
        series=series,
        label=f"Held-out loss by training rows of {curve}, in nats per completion token",
        x_title="training rows",
        y_title="held-out loss",
    )
