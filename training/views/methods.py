"""The page that compares methods before anything runs, and the same as CSV."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from core.access import Access, project_page
from core.http.downloads import CSV, attachment, csv_line
from core.models import Role
from core.roles import READERS
from dataset.models import DatasetVersion
from training import queries
from training.filters import MethodsForm
from training.objectives import OBJECTIVES
from training.preflight.comparison import MethodRow, compare_methods
from training.views.subnav import training_subnav

COLUMNS = (
    "method", "variant", "label", "seconds", "memory_bytes", "trained_parameters", "stored_bytes", "served",
    "refusal", "earlier_runs", "time_measured_over_estimated", "memory_measured_over_estimated",
    "run", "measured_seconds", "measured_memory_bytes", "measured_stored_bytes", "validation_loss",
)  # fmt: skip


def _form(request: HttpRequest, access: Access) -> MethodsForm:
    ready = DatasetVersion.objects.filter(project=access.project, status=DatasetVersion.Status.READY)
    return MethodsForm(list(queries.ready_bases()), list(ready.order_by("-number")), request.GET)


def _rows(form: MethodsForm, access: Access) -> list[MethodRow]:
    """Empty when a value is wrong, or the project has no base model or dataset."""
    if not form.is_valid() or form.base_model is None or form.dataset is None:
        return []
    return compare_methods(
        project=access.project,
        base_model=form.base_model,
        dataset=form.dataset,
        objective=form.objective,
        sort=form.sort,
    )


@project_page(*READERS)
@require_safe
def methods(request: HttpRequest, access: Access) -> HttpResponse:
    form = _form(request, access)
    rows = _rows(form, access)
    first = rows[0].check if rows else None
    context: dict[str, Any] = {
        "filters": form,
        "rows": rows,
        "machine": first.machine if first else None,
        "waits": bool(first and first.waits_for_count),
        "has_bases": form.base_model is not None,
        "has_datasets": form.dataset is not None,
        "objective": OBJECTIVES[form.objective],
        "can_launch": access.has(Role.ADMIN),
        "subnav": training_subnav(access, "training:methods"),
        "query": urlencode(form.criteria()),
        "choice": _choice(form),
    }
    return render(request, "training/methods.html", context, status=form.http_status)


def _choice(form: MethodsForm) -> str:
    """What is compared, in the names of the launch page."""
    chosen = {"objective": form.objective, "was_for": form.objective}
    if form.base_model is not None and form.dataset is not None:
        chosen |= {"base_model": str(form.base_model.pk), "dataset": str(form.dataset.pk)}
    return urlencode(chosen)


@project_page(*READERS)
@require_safe
def methods_csv(request: HttpRequest, access: Access) -> StreamingHttpResponse:
    form = _form(request, access)
    form.checked()
    lines = [csv_line(COLUMNS), *(csv_line(_cells(row)) for row in _rows(form, access))]
    return attachment(
        lambda: iter(lines), method=request.method, by=access.user, name="methods.csv", content_type=CSV
    )


def _cells(row: MethodRow) -> list[object]:
    estimate, measured = row.check.estimate, row.measured
    return [
        row.method.name,
        row.variant,
        row.label,
        round(estimate.seconds, 1) if estimate else None,
        estimate.memory_bytes if estimate else None,
        estimate.trainable if estimate else None,
        row.stored.stored_bytes if row.stored else None,
        row.check.serving_plan,
        row.refusal,
        row.error.runs,
        row.error.seconds,
        row.error.memory,
        measured.number if measured else None,
        row.spent,
        measured.peak_memory_bytes if measured else None,
        row.stored_size,
        measured.loss_after if measured else None,
    ]
