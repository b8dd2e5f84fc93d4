"""Two runs side by side: their losses in one chart, and the settings that differ."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from core.access import Access, project_page
from core.charts import line_chart
from core.lists.params import Params
from core.roles import READERS
from training import queries
from training.curves import loss_series
from training.filters import CompareForm
from training.methods import METHODS, settings_of
from training.models import TrainingRun
from training.objectives import OBJECTIVES, recipe_type
from training.views.subnav import training_subnav


@project_page(*READERS)
@require_safe
def compare(request: HttpRequest, access: Access) -> HttpResponse:
    runs = queries.comparable_runs(access.project)
    params = Params(request.GET)
    numbers = {name: params.text(name) for name in ("a", "b")}
    if len(runs) > 1:
        # Without a choice: the two newest, the older one first.
        numbers = {"a": numbers["a"] or str(runs[1].number), "b": numbers["b"] or str(runs[0].number)}
    form = CompareForm(runs, numbers)
    chosen = form.criteria()
    context: dict[str, Any] = {
        "form": form,
        "subnav": training_subnav(access, "training:compare"),
        "enough": len(runs) > 1,
    }
    by_number = {str(training_run.number): training_run for training_run in runs}
    a, b = by_number.get(chosen.get("a", "")), by_number.get(chosen.get("b", ""))
    if a is not None and b is not None:
        context |= {"a": a, "b": b, "chart": _both(a, b), "differing": _differences(a, b)}
    return render(request, "training/compare.html", context)


def _both(a: TrainingRun, b: TrainingRun) -> Any:
    series = []
    for training_run in [a] if a.pk == b.pk else [a, b]:
        series += loss_series(queries.points_of(training_run), f"{training_run} ")
    return line_chart(series=series, label=f"Loss of {a} and {b} by step", x_title="step", y_title="loss")


def _differences(a: TrainingRun, b: TrainingRun) -> list[tuple[str, Any, Any]]:
    """(what, in a, in b) for every setting that differs."""
    rows: list[tuple[str, Any, Any]] = [
        ("Base model", a.base_model, b.base_model),
        ("Dataset", a.dataset, b.dataset),
        ("Continues from", a.continued_from or "–", b.continued_from or "–"),
        ("Learns from", OBJECTIVES[a.objective].label, OBJECTIVES[b.objective].label),
        ("Method", METHODS[a.method].label, METHODS[b.method].label),
        ("Code", a.code_version, b.code_version),
    ]
    labels = {
        setting.name: setting.label
        for run in (a, b)
        for setting in settings_of(recipe_type(run.method, run.objective))
    }
    for name, label in labels.items():
        rows.append((label, a.recipe.get(name, "–"), b.recipe.get(name, "–")))
    return [row for row in rows if row[1] != row[2]]
