"""The preflight: every problem at once, and what the run needs. No torch.

Rows are checked by the worker's own rules (training.rows) on exact token counts, which are made once for a dataset and
a base model (training.counting). Before that, lengths are estimated from characters.
"""

from dataclasses import dataclass, field
from typing import Any

from core.models import Project
from dataset.models import DatasetVersion
from training import counting, estimates, queries, speeds
from training.counting import Counting
from training.distribution import layout_of
from training.estimates import DataFigures, Estimate
from training.estimates.memory import Shape, memory_bytes
from training.host.machine import Machine, training_machine
from training.measuring import MeasuringPlan, within
from training.methods import METHODS, Method, Recipe
from training.models import BaseModel, ModelVersion
from training.objectives import OBJECTIVES, SUPERVISED, Objective
from training.objectives.supervised import divergence_weight
from training.preflight import findings, methods
from training.preflight.devices import device_findings
from training.preflight.findings import PreflightFinding
from training.preflight.objectives import kind_findings, row_kind_findings
from training.preflight.replay import replay_findings, with_replay
from training.preflight.starts import seen_findings, start_findings
from training.starts import result_of, serving_words


@dataclass(frozen=True)
class Preflight:
    """`counting` is set while there are no exact token counts."""

    findings: list[PreflightFinding] = field(default_factory=list)
    estimate: Estimate | None = None
    machine: Machine | None = None
    data: DataFigures | None = None
    counting: Counting | None = None
    serving_plan: str = ""

    @property
    def ok(self) -> bool:
        return not self.stops

    @property
    def stops(self) -> list[PreflightFinding]:
        return [finding for finding in self.findings if finding.level == "stop"]

    @property
    def waits_for_count(self) -> bool:
        """Whether the same check will have more results in a moment."""
        return self.counting is not None and not self.counting.failed


def check(
    *,
    project: Project,
    base_model: BaseModel | None,
    dataset: DatasetVersion | None,
    method: str,
    recipe: Recipe,
    objective: str = SUPERVISED.name,
    continued_from: ModelVersion | None = None,
) -> Preflight:
    """All problems and the estimate. Makes a constant number of queries.

    Counts a small dataset's tokens on the first call; a worker counts a large one
    (training.services.count_tokens).
    """
    chosen, learned = METHODS[method], OBJECTIVES[objective]
    plan = serving_words(chosen, recipe, continued_from)
    all_findings = findings.base_findings(base_model) + findings.dataset_findings(project, dataset)
    all_findings += start_findings(project, chosen, recipe, base_model, continued_from)
    all_findings += methods.rank_findings(chosen, recipe, continued_from)
    all_findings += methods.holding_findings(chosen, recipe)
    machine = training_machine()
    all_findings += methods.method_findings(chosen, base_model, machine)
    if base_model is None or dataset is None or base_model.status != BaseModel.Status.READY:
        return Preflight(all_findings, serving_plan=plan)
    if dataset.status != DatasetVersion.Status.READY or dataset.project_id != project.pk:
        return Preflight(all_findings, serving_plan=plan)
    if wrong_kind := kind_findings(learned, dataset):
        return Preflight(all_findings + wrong_kind, serving_plan=plan)
    counted = counting.counted(dataset, base_model)
    waiting = counted if isinstance(counted, Counting) else None
    if isinstance(counted, Counting) or counted.problems:
        # Rows that cannot be encoded have no count, so there is no total.
        data = queries.estimated_figures(dataset, recipe, learned)
    else:
        data = queries.exact_figures(counted, recipe, learned)
    data = with_replay(data, recipe, dataset)
    all_findings += replay_findings(data, recipe)
    all_findings += findings.row_findings(counted, recipe, base_model, dataset, learned)
    all_findings += row_kind_findings(learned, counted, dataset)
    all_findings += seen_findings(continued_from, dataset)
    estimate = _estimate(project, chosen, learned, recipe, base_model, data, machine, continued_from)
    measured_rows = estimate.measuring["rows"]
    all_findings += findings.data_findings(data, measured_rows, recipe, dataset, learned)
    all_findings += methods.length_findings(chosen, recipe, base_model)
    all_findings += findings.machine_findings(estimate, machine)
    all_findings += device_findings(chosen, estimate, recipe, machine)
    all_findings += methods.serving_findings(chosen, recipe, data, continued_from)
    all_findings += findings.queue_findings()
    return Preflight(all_findings, estimate, machine, data, waiting, plan)


def _estimate(
    project: Project,
    method: Method,
    objective: Objective,
    recipe: Recipe,
    base_model: BaseModel,
    data: DataFigures,
    machine: Machine,
    start: ModelVersion | None = None,
) -> Estimate:
    parameters = int(base_model.parameter_count or 0)
    trainable = method.trainable(base_model.architecture, parameters, recipe)
    stored_bytes = result_of(method, recipe, start, parameters, trainable).stored_bytes
    layout = layout_of(method, recipe.batch_size, hosts=machine.hosts, devices=machine.devices)
    past = speeds.like_runs(project, base_model, method, recipe, machine, objective, layout)
    steps = estimates.steps_of(data.train_rows + data.replayed_rows, recipe.batch_size, recipe.epochs)
    speed = speeds.expected_speed(
        project=project,
        base_model=base_model,
        method=method,
        objective=objective,
        recipe=recipe,
        machine=machine,
        past=past,
        row_tokens=data.tokens_seen / max(1, steps * recipe.batch_size),
        layout=layout,
    )
    units = _units(
        method, objective, recipe, base_model, data, machine, speed, trainable, stored_bytes
    ) | speeds.measured_units(past, data.validation_tokens)
    measuring = _measuring(recipe, units, data)
    units["evaluate"] *= measuring.rows / max(1, data.validation_rows)
    parts = estimates.seconds_by_part(
        units=units, tokens=data.tokens_seen, evaluations=measuring.evaluations + 1, rounds=measuring.rounds
    )
    return Estimate(
        steps=steps,
        tokens=data.tokens_seen,
        trainable=trainable,
        memory_bytes=_memory(
            method, objective, recipe, base_model, data, machine, parameters, trainable, layout.processes
        ),
        seconds=sum(parts.values()),
        parts=parts,
        unit_seconds=units,
        tokens_per_second=speed.tokens_per_second,
        speed_from=speed.source,
        disk_bytes=estimates.disk_bytes(trainable=trainable, stored_bytes=stored_bytes),
        device=machine.device_name,
        tokens_exact=data.exact and not data.replayed_rows,
        processes=layout.processes,
        hosts=layout.hosts,
        measuring=measuring.as_values(),
    )


def _units(
    method: Method,
    objective: Objective,
    recipe: Recipe,
    base_model: BaseModel,
    data: DataFigures,
    machine: Machine,
    speed: speeds.TrainingSpeed,
    trainable: int,
    stored_bytes: int,
) -> dict[str, float]:
    """Seconds of one unit of each kind of work, before what similar runs took is looked at."""
    return estimates.unit_seconds(
        tokens_per_second=speed.tokens_per_second,
        validation_tokens=data.validation_tokens,
        full=method.every_weight,
        recomputed=recipe.save_memory,
        device=machine.device,
        trainable=trainable,
        stored_bytes=stored_bytes,
        layers=Shape.of(base_model.architecture).layers,
        reference_tokens=data.reference_tokens,
        baseline=objective.needs_baseline,
        drawn_tokens=data.drawn_tokens,
        held_to_base=divergence_weight(recipe) > 0,
    )


def _measuring(recipe: Recipe, units: dict[str, float], data: DataFigures) -> MeasuringPlan:
    """What the recipe's share of the time allows; `units` has one evaluation on all rows of `data`."""
    alone = estimates.seconds_by_part(units=units, tokens=data.tokens_seen, evaluations=0, rounds=0)
    return within(
        share=recipe.measuring_share,
        others=sum(alone.values()),
        row=units["evaluate"] / max(1, data.validation_rows),
        round_seconds=units["sample"],
        rows=data.validation_rows,
        evaluations=recipe.evaluations,
    )


def _memory(
    method: Method,
    objective: Objective,
    recipe: Recipe,
    base_model: BaseModel,
    data: DataFigures,
    machine: Machine,
    parameters: int,
    trainable: int,
    processes: int = 1,
) -> int:
    return memory_bytes(
        architecture=base_model.architecture,
        parameters=parameters,
        trainable=trainable,
        rank=method.width(recipe),
        bytes_per_weight=method.bytes_per_weight(machine.device),
        # Both answers of a pair are in memory at once.
        rows=recipe.portion(machine.device, processes=processes) * objective.answers_per_row,
        length=data.longest_row + method.virtual_tokens(recipe),
        completion=round(2 * data.completion_tokens),
        save_memory=recipe.save_memory,
        device=machine.device,
        bfloat16=machine.bfloat16,
        dropout=method.dropout(recipe) > 0,
        fused=machine.device == "cpu" and method.fused(recipe),
        weights_bytes=method.weights_bytes(base_model.architecture, parameters, machine.device),
        processes=processes,
        whole_first=objective.needs_reference,
    )


def as_answer(preflight: Preflight) -> dict[str, Any]:
    """For the API: {ok, counting, findings, estimate, machine, serving_plan}."""
    return {
        "ok": preflight.ok,
        "counting": preflight.waits_for_count,
        "findings": [finding.as_values() for finding in preflight.findings],
        "estimate": preflight.estimate.as_values() if preflight.estimate else None,
        "machine": vars(preflight.machine) if preflight.machine else None,
        "serving_plan": preflight.serving_plan,
    }
