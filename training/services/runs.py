"""Launching, cancelling and resuming training runs."""

import hashlib
import json
from typing import Any

from django.db import transaction
from django.db.models import Max

from core.audit.entries import record
from core.errors import Conflict, Invalid
from core.models import Project, Run, User
from core.runs.control import launch_run, request_cancel, start_again
from core.text import one_line
from dataset.models import DatasetRow, DatasetVersion
from dataset.queries.withdrawals import withdrawn_rows, withdrawn_words
from training import checkpoints, preflight
from training.actions import TrainingAction
from training.chain import runs_behind
from training.estimates import Estimate
from training.host.code_version import code_version
from training.methods import METHODS, Method, Recipe, recipe_from
from training.methods.base import as_values
from training.models import BaseModel, ModelVersion, ReplayedRow, TokenCount, TrainingRun
from training.objectives import OBJECTIVES, SUPERVISED, recipe_type
from training.objectives.supervised import PROJECT_REPLAY, SupervisedSettings, replayed_rows
from training.replayed import drawn_rows, withdrawn_replays
from training.services.results import make_base_version
from training.starts import serving_words


class NotLaunchable(Invalid):
    """The preflight found a problem. `preflight` is its result, so that it need not run twice."""

    def __init__(self, result: preflight.Preflight) -> None:
        fields: dict[str, list[str]] = {}
        for finding in result.stops:
            fields.setdefault(finding.setting or "__all__", []).append(
                f"{finding.message} {finding.advice}".strip()
            )
        super().__init__("This run cannot be launched with these values.", fields=fields)
        self.preflight = result


def recipe_hash(method: str, values: dict[str, Any], objective: str = SUPERVISED.name) -> str:
    """SHA-256 over method, objective and settings in canonical JSON: equal recipes have equal hashes."""
    named = {"method": method, "recipe": values}
    # Left out for supervised runs, so that their hashes are those of runs before there were objectives.
    if objective != SUPERVISED.name:
        named["objective"] = objective
    text = json.dumps(named, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def check(
    *,
    by: User,
    project: Project,
    base_model: BaseModel,
    dataset: DatasetVersion,
    method: str,
    recipe: Recipe,
    objective: str = SUPERVISED.name,
    continued_from: ModelVersion | None = None,
) -> preflight.Preflight:
    """The preflight. If rows are not counted yet, a worker starts to count them."""
    result = preflight.check(
        project=project,
        base_model=base_model,
        dataset=dataset,
        method=method,
        recipe=recipe,
        objective=objective,
        continued_from=continued_from,
    )
    if result.counting is not None and result.counting.run is None:
        count_tokens(by=by, project=project, base_model=base_model, dataset=dataset)
    return result


def launch(
    *,
    by: User,
    project: Project,
    base_model: BaseModel,
    dataset: DatasetVersion,
    method: str,
    recipe: dict[str, Any] | None = None,
    objective: str = SUPERVISED.name,
    continued_from: ModelVersion | None = None,
    note: str = "",
) -> TrainingRun:
    """Queues a training run, from the base model or `continued_from`. NotLaunchable, with every problem at once, when the preflight
    finds problems.

    `recipe` holds settings that differ from the defaults of method and objective.
    """
    if method not in METHODS:
        raise Invalid("No such method.", fields={"method": ["Choose one of " + ", ".join(METHODS) + "."]})
    if objective not in OBJECTIVES:
        names = ", ".join(OBJECTIVES)
        raise Invalid("No such objective.", fields={"objective": [f"Choose one of {names}."]})
    settings = recipe_from(recipe_type(method, objective), recipe or {})
    result = check(
        by=by,
        project=project,
        base_model=base_model,
        dataset=dataset,
        method=method,
        recipe=settings,
        objective=objective,
        continued_from=continued_from,
    )
    if not result.ok:
        raise NotLaunchable(result)
    return _queue(
        by=by,
        project=project,
        base_model=base_model,
        dataset=dataset,
        method=METHODS[method],
        objective=objective,
        recipe=settings,
        continued_from=continued_from,
        estimate=result.estimate,
        replayed=_replayed(dataset, settings, result),
        note=note,
    )


def _replayed(dataset: DatasetVersion, recipe: Recipe, result: preflight.Preflight) -> list[DatasetRow]:
    """The earlier rows of the project that the recipe practises."""
    if not isinstance(recipe, SupervisedSettings) or recipe.replay != PROJECT_REPLAY or result.data is None:
        return []
    return drawn_rows(dataset, count=replayed_rows(recipe, result.data.train_rows), seed=recipe.seed)


@transaction.atomic
def _queue(
    *,
    by: User,
    project: Project,
    base_model: BaseModel,
    dataset: DatasetVersion,
    method: Method,
    objective: str,
    recipe: Recipe,
    continued_from: ModelVersion | None,
    estimate: Estimate | None,
    replayed: list[DatasetRow],
    note: str,
) -> TrainingRun:
    # The lock gives out numbers one at a time per project.
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    highest = TrainingRun.objects.filter(project=project).aggregate(highest=Max("number"))["highest"]
    number = (highest or 0) + 1
    after = f", from {continued_from}" if continued_from else ""
    run = launch_run(
        by=by,
        project=project,
        kind="training",
        title=f"Run {number}: {method.label} on {str(dataset)[:1].lower()}{str(dataset)[1:]}{after}",
    )
    values = as_values(recipe)
    training_run = TrainingRun.objects.create(
        project=project,
        run=run,
        number=number,
        base_model=base_model,
        dataset=dataset,
        continued_from=continued_from,
        method=method.name,
        objective=objective,
        recipe=values,
        recipe_hash=recipe_hash(method.name, values, objective),
        note=one_line(note, most=300),
        code_version=code_version(),
        serving_plan=serving_words(method, recipe, continued_from),
        planned_steps=estimate.steps if estimate else 0,
        estimate=estimate.as_values() if estimate else {},
        launched_by=by,
    )
    ReplayedRow.objects.bulk_create(ReplayedRow(training_run=training_run, row=row) for row in replayed)
    make_base_version(by=by, project=project, base_model=base_model)
    record(
        by=by,
        project=project,
        action=TrainingAction.TRAINING_LAUNCHED,
        obj=training_run,
        base_model=base_model.name,
        dataset=dataset.number,
        recipe_hash=training_run.recipe_hash,
        **({"continued_from": str(continued_from)} if continued_from else {}),
    )
    return training_run


@transaction.atomic
def count_tokens(
    *, by: User | None, project: Project, base_model: BaseModel, dataset: DatasetVersion
) -> TokenCount:
    """Lets a worker count the dataset's tokens for the base model, once. Repeated calls return the existing count and
    start a failed one again."""
    # Two requests at the same moment start one run.
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    count, _ = TokenCount.objects.select_related("run").get_or_create(dataset=dataset, base_model=base_model)
    if count.lengths is None and (count.run is None or not count.run.is_active):
        count.run = launch_run(
            by=by,
            project=project,
            kind="token_count",
            title=f"Count tokens of {dataset} for {base_model}",
            params={"dataset": dataset.pk, "base_model": base_model.pk},
        )
        count.save(update_fields=["run"])
    return count


def cancel(*, by: User, training_run: TrainingRun) -> TrainingRun:
    """Cancels a queued run at once, a running one after its current step."""
    training_run.run = request_cancel(by=by, run=training_run.run)
    return training_run


def retry(*, by: User, training_run: TrainingRun) -> TrainingRun:
    """Starts a failed or cancelled run again; it continues from its last complete checkpoint if it has one."""
    training_run.run = start_again(by=by, run=training_run.run)
    return training_run


def training_ended(run: Run) -> None:
    """A run that succeeded needs no checkpoints any more (core.runs.kinds.RunKind.on_end).

    No other process writes then: only the claim's holder ends a run.
    """
    training_run = TrainingRun.objects.filter(run=run).first()
    if training_run is None:
        raise Conflict("This run has no training.")
    # A failed or cancelled run keeps its checkpoints: it can be started again and continues from them.
    if run.status == Run.Status.SUCCEEDED:
        TrainingRun.objects.filter(pk=training_run.pk).update(checkpoint_step=None)
        transaction.on_commit(lambda: checkpoints.remove(training_run.pk))


def again(run: Run, by: User) -> None:
    """A run that made its version is complete, even when it ended as cancelled (core.runs.kinds.RunKind.on_again)."""
    if ModelVersion.objects.filter(training_run__run=run).exists():
        raise Conflict("This run has made its model version already.", "Launch a new run to make another.")
    training_run = TrainingRun.objects.select_related("dataset").get(run=run)
    if withdrawn := withdrawn_replays([training_run.pk]).get(training_run.pk):
        raise Conflict(
            f"It practises {withdrawn_words(withdrawn)}.", "Launch a new run, which leaves them out."
        )
    datasets = {one.dataset_id: one.dataset for one in runs_behind(training_run)}
    for pk, withdrawn in withdrawn_rows(datasets).items():
        raise Conflict(
            f"{datasets[pk]} has {withdrawn_words(withdrawn)}.",
            "Freeze a new version, which leaves them out, and launch a new run on that.",
        )


def count_again(run: Run, by: User) -> None:
    """The same count continues (core.runs.kinds.RunKind.on_again)."""
    if run.project_id is not None:
        # A new request for the count holds this lock.
        Project.objects.select_for_update(no_key=True).get(pk=run.project_id)
    if not TokenCount.objects.filter(run=run, lengths=None).exists():
        raise Conflict("These tokens were counted by a later run.", "You do not need to do anything.")
