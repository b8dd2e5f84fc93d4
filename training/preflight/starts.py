"""Whether a run can start from the version it is to continue from, and what that version has seen."""

from django.db.models import Q

from core.models import Project
from core.wording import counted
from dataset.models import DatasetRow, DatasetVersion, GroupSplit
from dataset.queries.withdrawals import withdrawn_rows, withdrawn_words
from training.chain import datasets_behind
from training.methods import Method, Recipe
from training.models import BaseModel, ModelVersion
from training.preflight.findings import PreflightFinding
from training.queries import system_prompt_of
from training.starts import refusals

TRAIN, TEST = GroupSplit.Split.TRAIN, GroupSplit.Split.TEST


def start_findings(
    project: Project,
    method: Method,
    recipe: Recipe,
    base_model: BaseModel | None,
    version: ModelVersion | None,
) -> list[PreflightFinding]:
    """What stops a run from starting there, whatever its data. At most four queries."""
    if version is None:
        return []
    if version.project_id != project.pk:
        return [
            PreflightFinding(
                "stop", "No such version.", "Choose a version of this project.", "continued_from"
            )
        ]
    found = [
        PreflightFinding("stop", one.message, one.advice, one.setting)
        for one in refusals(method, recipe, base_model, version)
    ]
    withdrawn = withdrawn_rows(dataset.pk for dataset in datasets_behind([version])[version.pk])
    if withdrawn:
        said = withdrawn_words(next(iter(withdrawn.values())))
        found.append(
            PreflightFinding(
                "stop",
                f"{version} has learnt from {said}, and what continues from it has too.",
                "Start from the base model, or from a version that has not.",
                "continued_from",
            )
        )
    return found


def seen_findings(version: ModelVersion | None, dataset: DatasetVersion) -> list[PreflightFinding]:
    """Held-out rows of the dataset that a version of the chain was trained on, and another system prompt. At most four queries.

    Splits are permanent, so a project has no such rows unless examples were taken apart or merged.
    """
    if version is None:
        return []
    found = []
    earlier = [one.pk for one in datasets_behind([version])[version.pk]]
    trained = DatasetRow.objects.filter(dataset__in=earlier, split=TRAIN)
    held_out = DatasetRow.objects.filter(dataset=dataset).exclude(split=TRAIN)
    seen = held_out.filter(
        Q(example__in=trained.values("example")) | Q(prompt_hash__in=trained.values("prompt_hash"))
    )
    by_split = list(seen.order_by().values_list("split", flat=True))
    validation, test = len(by_split) - by_split.count(TEST), by_split.count(TEST)
    if validation:
        found.append(
            PreflightFinding(
                "warn",
                f"{counted(validation, 'validation row')} of {dataset} {'was' if validation == 1 else 'were'} trained on before "
                f"{version}, so validation loss looks better than it is.",
                "Judge by the test rows, which leave out what was trained on.",
                "dataset",
            )
        )
    if test:
        found.append(
            PreflightFinding(
                "warn",
                f"{counted(test, 'test row')} of {dataset} {'was' if test == 1 else 'were'} trained on before {version}.",
                "They are left out when the result is measured.",
                "dataset",
            )
        )
    if system_prompt_of(version) != str(dataset.settings.get("system_prompt", "")):
        found.append(
            PreflightFinding(
                "warn",
                f"{version} learnt with another system prompt than {dataset} has.",
                "The result is served with that of the dataset.",
                "dataset",
            )
        )
    return found
