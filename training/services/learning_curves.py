"""Starting learning curves, and starting them again."""

from typing import Any

from django.db import transaction
from django.db.models import Max

from core.audit.entries import record
from core.errors import Conflict, Invalid
from core.models import Project, Run, User
from core.runs.control import launch_run
from core.wording import counted
from dataset.models import DatasetVersion
from dataset.queries.withdrawals import withdrawn_rows, withdrawn_words
from training.actions import TrainingAction
from training.host.code_version import code_version
from training.methods import METHODS, Recipe, recipe_from
from training.methods.base import as_values
from training.models import BaseModel, LearningCurve
from training.preflight import learning_curves as preflight
from training.preflight.learning_curves import CurvePreflight
from training.services.runs import NotLaunchable, count_tokens, recipe_hash


def check_curve(
    *,
    by: User,
    project: Project,
    base_model: BaseModel,
    dataset: DatasetVersion,
    method: str,
    recipe: Recipe,
    repeats: int,
) -> CurvePreflight:
    """The preflight. If rows are not counted yet, a worker starts to count them."""
    result = preflight.check(
        project=project, base_model=base_model, dataset=dataset, method=method, recipe=recipe, repeats=repeats
    )
    if result.run.counting is not None and result.run.counting.run is None:
        count_tokens(by=by, project=project, base_model=base_model, dataset=dataset)
    return result


def start_curve(
    *,
    by: User,
    project: Project,
    base_model: BaseModel,
    dataset: DatasetVersion,
    method: str,
    recipe: dict[str, Any] | None = None,
    repeats: int = 1,
) -> LearningCurve:
    """Queues a learning curve. NotLaunchable, with every problem at once, when the preflight finds problems.

    `recipe` holds settings that differ from the method's defaults. Each share of the rows is drawn and trained `repeats` times.
    """
    if method not in METHODS:
        raise Invalid("No such method.", fields={"method": ["Choose one of " + ", ".join(METHODS) + "."]})
    if not 1 <= repeats <= LearningCurve.MOST_REPEATS:
        raise Invalid(
            "Choose another number of repeats.",
            fields={"repeats": [f"At least 1 and at most {LearningCurve.MOST_REPEATS}."]},
        )
    settings = recipe_from(METHODS[method].recipe, recipe or {})
    result = check_curve(
        by=by,
        project=project,
        base_model=base_model,
        dataset=dataset,
        method=method,
        recipe=settings,
        repeats=repeats,
    )
    if not result.run.ok:
        raise NotLaunchable(result.run)
    return _queue(
        by=by,
        project=project,
        base_model=base_model,
        dataset=dataset,
        method=method,
        recipe=settings,
        repeats=repeats,
        seconds=result.seconds,
    )


@transaction.atomic
def _queue(
    *,
    by: User,
    project: Project,
    base_model: BaseModel,
    dataset: DatasetVersion,
    method: str,
    recipe: Recipe,
    repeats: int,
    seconds: float | None,
) -> LearningCurve:
    # The lock gives out numbers one at a time per project.
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    highest = LearningCurve.objects.filter(project=project).aggregate(highest=Max("number"))["highest"]
    number = (highest or 0) + 1
    values = as_values(recipe)
    curve = LearningCurve.objects.create(
        project=project,
        run=launch_run(
            by=by,
            project=project,
            kind="learning_curve",
            title=f"Learning curve {number}: {METHODS[method].label} on {str(dataset)[:1].lower()}{str(dataset)[1:]}",
        ),
        number=number,
        base_model=base_model,
        dataset=dataset,
        method=method,
        recipe=values,
        recipe_hash=recipe_hash(method, values),
        repeats=repeats,
        code_version=code_version(),
        estimated_seconds=seconds,
        launched_by=by,
    )
    record(
        by=by,
        project=project,
        action=TrainingAction.LEARNING_CURVE_STARTED,
        obj=curve,
        base_model=base_model.name,
        dataset=dataset.number,
        repeats=counted(repeats, "repeat"),
    )
    return curve


def again(run: Run, by: User) -> None:
    """Finished points are kept (core.runs.kinds.RunKind.on_again). Conflict when rows of its version were withdrawn since."""
    dataset = LearningCurve.objects.select_related("dataset").get(run=run).dataset
    if withdrawn := withdrawn_rows([dataset.pk]).get(dataset.pk):
        raise Conflict(
            f"{dataset} has {withdrawn_words(withdrawn)}.",
            "Freeze a new version, which leaves them out, and measure that.",
        )
