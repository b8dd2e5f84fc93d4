"""The way from the base model to a version: what each share keeps and forgets, and a version of one of them."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from core.access import Access, project_page
from core.charts import Series, line_chart
from core.models import Role
from core.roles import READERS
from training import queries, services
from training.forms import ShareForm
from training.interpolation import BlendFigures, BlendRow, rows_of, why_not
from training.models import Interpolation, ModelVersion, TrainingRun


def _version(access: Access, pk: int) -> ModelVersion:
    return access.get(queries.model_versions(access.project), pk=pk)


@project_page(*READERS)
@require_safe
def shares(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    return render(request, "training/shares.html", _context(access, _version(access, pk)))


def _context(access: Access, version: ModelVersion) -> dict[str, Any]:
    measurement = Interpolation.objects.filter(version=version).select_related("run__project").first()
    figures = [BlendFigures.from_values(values) for values in measurement.figures] if measurement else []
    rows = rows_of(figures)
    made = TrainingRun.objects.filter(continued_from=version, percent__isnull=False)
    return {
        "version": version,
        "why_not": why_not(version.kind, version.training_run.method if version.training_run else ""),
        "measurement": measurement,
        "rows": rows,
        "charts": _charts(version, rows),
        "made": {run.percent: run for run in made.select_related("run__project").order_by("number")},
        "is_admin": access.has(Role.ADMIN),
    }


def _charts(version: ModelVersion, rows: list[BlendRow]) -> list[tuple[str, str]]:
    """(title, chart): both by share, one under the other, since they share an axis and not a scale."""
    if not rows:
        return []
    lines = (
        ("Loss of validation rows", "loss", [(row.figures.percent, row.figures.held_out) for row in rows]),
        ("Forgotten", "nats", [(row.figures.percent, row.forgotten) for row in rows]),
    )
    return [
        (
            title,
            line_chart(
                series=[Series(title.lower(), points, dotted=True)],
                label=f"{title} by percent of the way to {version}",
                x_title="percent of the way",
                y_title=unit,
                x_max=100,
            ),
        )
        for title, unit, points in lines
    ]


@project_page(Role.ADMIN)
@require_POST
def measure(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    version = _version(access, pk)
    services.measure_interpolation(by=access.user, version=version)
    messages.success(request, f"The way to {version} is measured as soon as the training worker is free.")
    return redirect("training:version-shares", access.project.slug, version.pk)


@project_page(Role.ADMIN)
@require_POST
def store(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    version = _version(access, pk)
    form = ShareForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Choose one of the shares.")
        return render(request, "training/shares.html", _context(access, version), status=422)
    training_run = services.store_share(by=access.user, version=version, percent=form.cleaned_data["percent"])
    return redirect("training:run", access.project.slug, training_run.number)
