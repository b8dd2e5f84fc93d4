"""Checks before a launch: every problem at once, and what the run will need. No torch, no guessing.

Exact token counts follow in the worker's first phase; here lengths are worked out from characters.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from django.conf import settings

from annotation.models import DatasetVersion
from core.models import Project, Run
from training import estimates, queries
from training.estimates import DataFigures, Estimate
from training.machine import Machine, training_machine
from training.methods import METHODS, Method, Recipe
from training.models import BaseModel, ModelVersion

# Ranks an engine can be started for; a rank between two of them is served at the next one.
Level = Literal["stop", "warn"]
# Loss on fewer held-out answers moves more by chance than by training.
FEW_VALIDATION_ROWS = 10
FEW_TRAIN_ROWS = 20
MANY_EPOCHS = 5
# Of the memory that is free now, other programs on the machine may want some back.
MEMORY_MARGIN = 0.9


@dataclass(frozen=True)
class Finding:
    """One thing to know. "stop" keeps the run from being launched; `setting` is the form's field, if it is one."""

    level: Level
    message: str
    advice: str = ""
    setting: str = ""


@dataclass(frozen=True)
class Preflight:
    findings: list[Finding] = field(default_factory=list)
    estimate: Estimate | None = None
    machine: Machine | None = None
    data: DataFigures | None = None

    @property
    def ok(self) -> bool:
        return not any(finding.level == "stop" for finding in self.findings)

    @property
    def stops(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.level == "stop"]

    @property
    def memory_share(self) -> float | None:
        if self.estimate is None or self.machine is None or not self.machine.memory_free:
            return None
        return self.estimate.memory_bytes / self.machine.memory_free


def check(
    *,
    project: Project,
    base_model: BaseModel | None,
    dataset: DatasetVersion | None,
    method: str,
    recipe: Recipe,
) -> Preflight:
    """All problems and the estimate. Makes a constant number of queries."""
    chosen = METHODS[method]
    findings = _base_findings(base_model) + _dataset_findings(project, dataset)
    findings += _rank_findings(chosen, recipe)
    if base_model is None or dataset is None or base_model.status != BaseModel.Status.READY:
        return Preflight(findings)
    if dataset.status != DatasetVersion.Status.READY:
        return Preflight(findings)
    data = queries.data_figures(dataset, base_model, recipe)
    machine = training_machine()
    findings += _data_findings(data, recipe, base_model)
    estimate = _estimate(chosen, recipe, base_model, data, machine)
    findings += _machine_findings(estimate, machine)
    findings += _serving_findings(chosen, data, base_model)
    findings += _queue_findings()
    return Preflight(findings, estimate, machine, data)


def _base_findings(base_model: BaseModel | None) -> list[Finding]:
    if base_model is None:
        return [
            Finding(
                "stop", "No base model is chosen.", "Choose one, or ask an operator to add one.", "base_model"
            )
        ]
    if base_model.status == BaseModel.Status.PREPARING:
        return [
            Finding("stop", f"{base_model} is still being prepared.", "Wait until it is ready.", "base_model")
        ]
    if base_model.status == BaseModel.Status.FAILED:
        return [Finding("stop", f"{base_model} could not be prepared.", "Its page says why.", "base_model")]
    return []


def _dataset_findings(project: Project, dataset: DatasetVersion | None) -> list[Finding]:
    if dataset is None or dataset.project_id != project.pk:
        return [
            Finding(
                "stop", "No dataset version is chosen.", "Freeze approved examples into one first.", "dataset"
            )
        ]
    if dataset.status == DatasetVersion.Status.FREEZING:
        return [Finding("stop", f"{dataset} is still being frozen.", "Wait until it is ready.", "dataset")]
    if dataset.status != DatasetVersion.Status.READY:
        return [Finding("stop", f"{dataset} could not be frozen.", "Choose another one.", "dataset")]
    return []


def _rank_findings(method: Method, recipe: Recipe) -> list[Finding]:
    rank = method.rank(recipe)
    if rank is not None and rank > settings.ENGINE_MAX_LORA_RANK:
        return [
            Finding(
                "stop",
                f"Rank {rank} is more than the engines serve ({settings.ENGINE_MAX_LORA_RANK}).",
                f"Choose at most {settings.ENGINE_MAX_LORA_RANK}, or have GUILDHALL_ENGINE_MAX_LORA_RANK raised.",
                "rank",
            )
        ]
    return []


def _data_findings(data: DataFigures, recipe: Recipe, base_model: BaseModel) -> list[Finding]:
    found = []
    if not data.train_rows:
        found.append(
            Finding(
                "stop",
                "The dataset has no training rows.",
                "Freeze again with more approved examples.",
                "dataset",
            )
        )
    elif data.train_rows < FEW_TRAIN_ROWS:
        found.append(
            Finding(
                "warn",
                f"Only {data.train_rows} training rows: the model may learn them by heart and little else.",
                "Approve more examples first, or use this run as a trial.",
                "dataset",
            )
        )
    if not data.validation_rows:
        found.append(
            Finding(
                "stop",
                "The dataset has no validation rows, so nobody could see whether the model learns or memorises.",
                "Freeze again with a validation share above zero and at least three groups.",
                "dataset",
            )
        )
    elif data.validation_rows < FEW_VALIDATION_ROWS:
        by_recipe = recipe.most_validation_rows == data.validation_rows
        found.append(
            Finding(
                "warn",
                f"Only {data.validation_rows} validation rows: held-out loss will move by chance.",
                "Let the run use more of them."
                if by_recipe
                else "Freeze again with a larger validation share.",
                "most_validation_rows" if by_recipe else "dataset",
            )
        )
    if recipe.epochs > MANY_EPOCHS:
        found.append(
            Finding(
                "warn",
                f"{recipe.epochs:g} epochs: held-out loss usually rises again after three to five.",
                "Watch the held-out curve.",
                "epochs",
            )
        )
    if base_model.context_length and recipe.max_length > base_model.context_length:
        found.append(
            Finding(
                "stop",
                f"Rows of {recipe.max_length:,} tokens do not fit into {base_model}, which reads "
                f"{base_model.context_length:,}.",
                f"Choose at most {base_model.context_length:,}.",
                "max_length",
            )
        )
    if data.longest_row >= recipe.max_length:
        found.append(
            Finding(
                "warn",
                f"Some rows are longer than {recipe.max_length:,} tokens and lose the end of their answer.",
                "Raise “Longest row” if memory allows. A row whose whole answer is lost stops the run.",
                "max_length",
            )
        )
    return found


def _estimate(
    method: Method, recipe: Recipe, base_model: BaseModel, data: DataFigures, machine: Machine
) -> Estimate:
    parameters = int(base_model.parameter_count or 0)
    trainable = method.trainable(base_model.architecture, parameters, recipe)
    full = method.rank(recipe) is None
    measured = queries.measured_speed(
        base_model=base_model, method=method.name, device_name=machine.device_name
    )
    if measured is not None:
        speed, newest = measured
        speed_from = f"measured, last in {newest}" if newest.project_id else "measured"
        save_memory = False  # the measured pace has it in already
    else:
        speed = estimates.default_speed(
            parameters=parameters,
            full=full,
            device=machine.device,
            threads=machine.threads,
            bfloat16=machine.bfloat16,
        )
        speed_from = "a rule of thumb, as nothing was trained here yet"
        save_memory = recipe.save_memory
    return Estimate(
        steps=estimates.steps_of(data.train_rows, recipe.batch_size, recipe.epochs),
        tokens=round(data.train_rows * data.tokens_per_row * recipe.epochs),
        trainable=trainable,
        memory_bytes=estimates.memory_bytes(
            architecture=base_model.architecture,
            parameters=parameters,
            trainable=trainable,
            bytes_per_weight=method.bytes_per_weight(machine.device),
            rows=min(recipe.rows_at_once, recipe.batch_size),
            length=data.longest_row,
            completion=round(2 * data.completion_tokens),
            save_memory=recipe.save_memory,
            device=machine.device,
            bfloat16=machine.bfloat16,
            dropout=method.dropout(recipe) > 0,
        ),
        seconds=estimates.seconds_needed(
            data=data,
            epochs=recipe.epochs,
            evaluations=recipe.evaluations,
            tokens_per_second=speed,
            full=full,
            save_memory=save_memory,
            device=machine.device,
        ),
        tokens_per_second=speed,
        speed_from=speed_from,
        disk_bytes=estimates.disk_bytes(parameters=parameters, trainable=trainable, full=full),
        device=machine.device_name,
        tokens_exact=data.exact,
    )


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB"


def _machine_findings(estimate: Estimate, machine: Machine) -> list[Finding]:
    found = []
    if estimate.memory_bytes > machine.memory_total * MEMORY_MARGIN:
        found.append(
            Finding(
                "stop",
                f"It needs about {_gb(estimate.memory_bytes)} of memory and the machine has "
                f"{_gb(machine.memory_total)} in all.",
                "Lower “Rows in memory at once” or “Longest row”, compute activations twice, or take a smaller base.",
                "rows_at_once",
            )
        )
    elif estimate.memory_bytes > machine.memory_free * MEMORY_MARGIN:
        found.append(
            Finding(
                "warn",
                f"It needs about {_gb(estimate.memory_bytes)} of memory and {_gb(machine.memory_free)} are free now.",
                "It may fit once other work on the machine has ended; fewer “Rows in memory at once” need less.",
                "rows_at_once",
            )
        )
    if estimate.disk_bytes > machine.disk_free * MEMORY_MARGIN:
        found.append(
            Finding(
                "stop",
                f"It needs about {_gb(estimate.disk_bytes)} on disk for checkpoints and the result, and "
                f"{_gb(machine.disk_free)} are free.",
                "Make room in the state folder.",
            )
        )
    return found


def _serving_findings(method: Method, data: DataFigures, base_model: BaseModel) -> list[Finding]:
    found = []
    if method.version_kind == ModelVersion.Kind.FULL and settings.ENGINE_MAX_FULL == 0:
        found.append(
            Finding(
                "warn",
                "No engine may be started for full fine-tunes here, so the result could not be tried.",
                "Have GUILDHALL_ENGINE_MAX_FULL raised, or train an adapter.",
            )
        )
    if data.longest_row > settings.ENGINE_MAX_MODEL_LEN:
        found.append(
            Finding(
                "warn",
                f"The longest row has about {data.longest_row:,} tokens and engines read "
                f"{settings.ENGINE_MAX_MODEL_LEN:,}: such conversations could not be served.",
                "Have GUILDHALL_ENGINE_MAX_MODEL_LEN raised.",
                "max_length",
            )
        )
    return found


def _queue_findings() -> list[Finding]:
    ahead = Run.objects.filter(queue="gpu", status__in=Run.ACTIVE).count()
    if not ahead:
        return []
    noun = "run is" if ahead == 1 else "runs are"
    return [Finding("warn", f"{ahead} {noun} before it on this machine.", "It starts when they have ended.")]


def as_answer(preflight: Preflight) -> dict[str, Any]:
    """For the API: {ok, findings, estimate, machine}."""
    return {
        "ok": preflight.ok,
        "findings": [vars(finding) for finding in preflight.findings],
        "estimate": preflight.estimate.as_values() if preflight.estimate else None,
        "machine": vars(preflight.machine) if preflight.machine else None,
    }
