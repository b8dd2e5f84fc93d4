"""The findings of the preflight, one function for each possible problem."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from core.models import Project, Run
from core.wording import counted, gigabytes
from dataset.models import DatasetVersion
from dataset.queries.withdrawals import withdrawn_rows, withdrawn_words
from training import queries
from training.counting import Counted, Counting
from training.estimates import DataFigures, Estimate
from training.host.machine import Machine
from training.methods import Recipe
from training.models import BaseModel
from training.objectives import SUPERVISED, Objective
from training.row_facts import limit_problems, taken
from training.rows import NAMED_ROWS, Problem, RowRef, in_words

Level = Literal["stop", "warn"]
# With fewer validation rows, loss changes more by chance than by training.
FEW_VALIDATION_ROWS = 10
FEW_TRAIN_ROWS = 20
MANY_EPOCHS = 5
# Other programs on the machine may need some of the memory that is free now.
MEMORY_MARGIN = 0.9


@dataclass(frozen=True)
class PreflightFinding:
    """One problem ("stop", the run cannot be launched) or warning ("warn"); `setting` is the form's field, if it is one; `rows`
    are the first rows that it is about."""

    level: Level
    message: str
    advice: str = ""
    setting: str = ""
    rows: list[RowRef] = field(default_factory=list)

    def as_values(self) -> dict[str, Any]:
        return asdict(self)


def base_findings(base_model: BaseModel | None) -> list[PreflightFinding]:
    if base_model is None:
        return [
            PreflightFinding(
                "stop", "No base model is chosen.", "Choose one, or ask an operator to add one.", "base_model"
            )
        ]
    if base_model.status == BaseModel.Status.PREPARING:
        return [
            PreflightFinding(
                "stop", f"{base_model} is still being prepared.", "Wait until it is ready.", "base_model"
            )
        ]
    if base_model.status == BaseModel.Status.FAILED:
        return [
            PreflightFinding(
                "stop", f"{base_model} could not be prepared.", "Its page says why.", "base_model"
            )
        ]
    return []


def dataset_findings(project: Project, dataset: DatasetVersion | None) -> list[PreflightFinding]:
    if dataset is None or dataset.project_id != project.pk:
        return [
            PreflightFinding(
                "stop", "No dataset version is chosen.", "Freeze approved examples into one first.", "dataset"
            )
        ]
    if dataset.status == DatasetVersion.Status.FREEZING:
        return [
            PreflightFinding(
                "stop", f"{dataset} is still being frozen.", "Wait until it is ready.", "dataset"
            )
        ]
    if dataset.status != DatasetVersion.Status.READY:
        return [PreflightFinding("stop", f"{dataset} could not be frozen.", "Choose another one.", "dataset")]
    if withdrawn := withdrawn_rows([dataset.pk]).get(dataset.pk):
        return [
            PreflightFinding(
                "stop",
                f"{dataset} has {withdrawn_words(withdrawn)}.",
                "Freeze a new version, which leaves them out, and train on that.",
                "dataset",
            )
        ]
    return []


def row_findings(
    counted: Counted | Counting,
    recipe: Recipe,
    base_model: BaseModel,
    dataset: DatasetVersion,
    objective: Objective = SUPERVISED,
) -> list[PreflightFinding]:
    """Rows that the worker would refuse, or that the rows are not counted yet."""
    if isinstance(counted, Counting):
        return [_counting_finding(counted, base_model, dataset)]
    problems = counted.problems or limit_problems(
        {split: taken(part, objective) for split, part in counted.lengths.items()},
        max_length=recipe.max_length,
        most_rows=recipe.most_rows,
        seed=recipe.seed,
    )
    return [_problem_finding(problem, recipe, base_model) for problem in problems]


def _problem_finding(problem: Problem, recipe: Recipe, base_model: BaseModel) -> PreflightFinding:
    message, advice = in_words(problem, stop_token=base_model.stop_token, max_length=recipe.max_length)
    by_limit = problem.kind in ("completion_truncated", "no_whole_answer")
    return PreflightFinding(
        "stop", message, advice, "max_length" if by_limit else "dataset", problem.rows[:NAMED_ROWS]
    )


def _counting_finding(counting: Counting, base_model: BaseModel, dataset: DatasetVersion) -> PreflightFinding:
    run = counting.run
    if run is not None and counting.failed:
        return PreflightFinding(
            "warn",
            f"Tokens of {dataset} could not be counted for {base_model}. {run.error_message}".strip(),
            "The run checks every row before its first step and stops if one cannot be trained on.",
            "dataset",
        )
    far = f", {run.percent}% done" if run is not None and run.percent is not None else ""
    return PreflightFinding(
        "stop",
        f"The rows of {dataset} are being checked and their tokens counted for {base_model}{far}.",
        "This is done once. The preflight continues automatically afterwards.",
        "dataset",
    )


def data_findings(
    data: DataFigures,
    measured_rows: int,
    recipe: Recipe,
    dataset: DatasetVersion,
    objective: Objective = SUPERVISED,
) -> list[PreflightFinding]:
    """`measured_rows` of the validation rows are measured, as the share of the time allows."""
    frozen = queries.split_rows(dataset)
    return [
        *_train_row_findings(data, frozen["train"], objective),
        *_validation_row_findings(data, measured_rows, frozen["validation"], recipe, objective),
        *_recipe_findings(recipe),
        *_shortened_findings(data, recipe),
    ]


def _train_row_findings(data: DataFigures, frozen: int, objective: Objective) -> list[PreflightFinding]:
    if not frozen:
        return [
            PreflightFinding(
                "stop",
                "The dataset has no training rows.",
                f"Freeze again with more {objective.needs}.",
                "dataset",
            )
        ]
    if 0 < data.train_rows < FEW_TRAIN_ROWS:
        return [
            PreflightFinding(
                "warn",
                f"Only {counted(data.train_rows, f'training {objective.unit}')}: the model may only memorise them.",
                f"Collect more {objective.needs} first, or use this run as a trial.",
                "dataset",
            )
        ]
    return []


def _validation_row_findings(
    data: DataFigures, measured_rows: int, frozen: int, recipe: Recipe, objective: Objective
) -> list[PreflightFinding]:
    if not frozen:
        return [
            PreflightFinding(
                "stop",
                "The dataset has no validation rows, so you cannot see whether the model learns or memorises.",
                "Freeze a new version with a validation share above zero and at least three groups.",
                "dataset",
            )
        ]
    if 0 < data.validation_rows < FEW_VALIDATION_ROWS:
        by_recipe = recipe.most_validation_rows == data.validation_rows
        return [
            PreflightFinding(
                "warn",
                f"Only {counted(data.validation_rows, f'validation {objective.unit}')}: validation loss will change by chance.",
                "Raise “Validation rows to measure on”."
                if by_recipe
                else "Freeze again with a larger validation share.",
                "most_validation_rows" if by_recipe else "dataset",
            )
        ]
    if 0 < measured_rows < min(FEW_VALIDATION_ROWS, data.validation_rows):
        return [
            PreflightFinding(
                "warn",
                f"Validation loss is measured on only {measured_rows} of "
                f"{counted(data.validation_rows, f'validation {objective.unit}')}, to save time: it will change by chance.",
                "Raise “Largest share of the time for measuring”, or look at the loss on test rows after training.",
                "measuring_share",
            )
        ]
    return []


def _recipe_findings(recipe: Recipe) -> list[PreflightFinding]:
    findings = []
    if recipe.epochs > MANY_EPOCHS:
        findings.append(
            PreflightFinding(
                "warn",
                f"{recipe.epochs:g} epochs: validation loss usually rises again after three to five.",
                "Watch the validation curve.",
                "epochs",
            )
        )
    return findings


def _shortened_findings(data: DataFigures, recipe: Recipe) -> list[PreflightFinding]:
    if data.exact and data.shortened:
        message = counted(data.shortened, "row is", "rows are")
    elif not data.exact and data.longest_row >= recipe.max_length:
        message = "Some rows are"
    else:
        return []
    loses = "loses" if message == "1 row is" else "lose"
    return [
        PreflightFinding(
            "warn",
            f"{message} longer than {recipe.max_length:,} tokens and {loses} the end of the completion.",
            "Raise “Longest row” if memory allows.",
            "max_length",
        )
    ]


def machine_findings(estimate: Estimate, machine: Machine) -> list[PreflightFinding]:
    findings = []
    # Processes on a GPU each have their own memory, those on a host's processors share it.
    sharing = estimate.processes // estimate.hosts if machine.device == "cpu" else 1
    memory = estimate.memory_bytes * sharing
    if memory > machine.memory_total * MEMORY_MARGIN:
        findings.append(
            PreflightFinding(
                "stop",
                f"It needs about {gigabytes(memory)} of memory and the machine has "
                f"{gigabytes(machine.memory_total)} in all.",
                "Lower “Rows in memory at once” or “Longest row”, switch on “Gradient checkpointing”, or take a smaller base.",
                "rows_at_once",
            )
        )
    elif memory > machine.memory_free * MEMORY_MARGIN:
        findings.append(
            PreflightFinding(
                "warn",
                f"It needs about {gigabytes(memory)} of memory and {gigabytes(machine.memory_free)} are free now.",
                "Wait until other work on the machine has ended, or lower “Rows in memory at once”.",
                "rows_at_once",
            )
        )
    if estimate.disk_bytes > machine.disk_free * MEMORY_MARGIN:
        findings.append(
            PreflightFinding(
                "stop",
                f"It needs about {gigabytes(estimate.disk_bytes)} on disk for checkpoints and the result, and "
                f"{gigabytes(machine.disk_free)} are free.",
                "Free some space in the state folder.",
            )
        )
    return findings


def queue_findings() -> list[PreflightFinding]:
    ahead = Run.objects.filter(queue="gpu", status__in=Run.ACTIVE).count()
    if not ahead:
        return []
    return [
        PreflightFinding(
            "warn",
            f"{counted(ahead, 'run is', 'runs are')} ahead of it on this machine.",
            "It starts when they have ended.",
        )
    ]
