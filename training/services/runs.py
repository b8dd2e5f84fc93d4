"""Launching, cancelling and retrying fine-tunes."""

import hashlib
import json
from typing import Any

from django.db import transaction
from django.db.models import Max

from annotation.models import DatasetVersion
from core.audit import record
from core.errors import Conflict, Invalid
from core.models import Project, Run, User
from core.services.runs import launch_run, request_cancel
from core.tasks import send_run
from training import preflight
from training.code_version import code_version
from training.methods import METHODS, recipe_from
from training.methods.base import as_values
from training.models import BaseModel, TrainingRun
from training.records import make_base_version


def recipe_hash(method: str, values: dict[str, Any]) -> str:
    """SHA-256 over method and settings in canonical JSON: equal recipes have equal hashes."""
    text = json.dumps({"method": method, "recipe": values}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


@transaction.atomic
def launch(
    *,
    by: User,
    project: Project,
    base_model: BaseModel,
    dataset: DatasetVersion,
    method: str,
    recipe: dict[str, Any] | None = None,
    note: str = "",
) -> TrainingRun:
    """Queues a fine-tune. Invalid, with every problem at once, when the preflight finds something that stops it.

    `recipe` holds settings that differ from the method's defaults.
    """
    if method not in METHODS:
        raise Invalid("No such method.", fields={"method": ["Choose one of " + ", ".join(METHODS) + "."]})
    chosen = METHODS[method]
    settings = recipe_from(chosen.recipe, recipe or {})
    found = preflight.check(
        project=project, base_model=base_model, dataset=dataset, method=method, recipe=settings
    )
    if not found.ok:
        fields: dict[str, list[str]] = {}
        for finding in found.stops:
            fields.setdefault(finding.setting or "__all__", []).append(
                f"{finding.message} {finding.advice}".strip()
            )
        raise Invalid("This run cannot be launched as it stands.", fields=fields)
    # Numbers are given out one at a time per project.
    Project.objects.select_for_update().get(pk=project.pk)
    highest = TrainingRun.objects.filter(project=project).aggregate(highest=Max("number"))["highest"]
    number = (highest or 0) + 1
    run = launch_run(
        by=by,
        project=project,
        kind="training",
        title=f"Run {number}: {chosen.label} on {str(dataset)[:1].lower()}{str(dataset)[1:]}",
    )
    values = as_values(settings)
    training = TrainingRun.objects.create(
        project=project,
        run=run,
        number=number,
        base_model=base_model,
        dataset=dataset,
        method=method,
        recipe=values,
        recipe_hash=recipe_hash(method, values),
        note=" ".join(note.split())[:300],
        code_version=code_version(),
        serving_plan=chosen.serving_plan(settings),
        planned_steps=found.estimate.steps if found.estimate else 0,
        estimate=found.estimate.as_values() if found.estimate else {},
        launched_by=by,
    )
    make_base_version(by=by, project=project, base_model=base_model)
    # The message leaves when the transaction commits, so the worker finds both rows complete.
    run.params = {"training": training.pk}
    run.save(update_fields=["params"])
    record(
        by=by,
        project=project,
        verb="training.launched",
        obj=training,
        base_model=base_model.name,
        dataset=dataset.number,
        recipe_hash=training.recipe_hash,
    )
    return training


def cancel(*, by: User, training: TrainingRun) -> TrainingRun:
    """Cancels a waiting run at once, a running one after its current step."""
    training.run = request_cancel(by=by, run=training.run)
    return training


@transaction.atomic
def queue_again(*, by: User, run: Run) -> Run:
    """Puts a failed run back into its queue with fresh attempts. Conflict when it has not failed."""
    changed = Run.objects.filter(pk=run.pk, status=Run.Status.FAILED).update(
        status=Run.Status.QUEUED,
        attempt=0,
        claim=None,
        error_code="",
        error_message="",
        error_advice="",
        message="Waiting for a worker.",
        sent_at=None,
        finished_at=None,
        cancel_requested_by=None,
    )
    if not changed:
        raise Conflict("Only a failed run can be tried again.", "Reload the page to see how it stands.")
    run.refresh_from_db()
    record(by=by, project=run.project, verb="run.retried", obj=run)
    transaction.on_commit(lambda: send_run(run.pk, run.queue))
    return run


def retry(*, by: User, training: TrainingRun) -> TrainingRun:
    """Tries a failed run again; it goes on from its last complete checkpoint if it has one."""
    training.run = queue_again(by=by, run=training.run)
    return training
