"""How fast a device trains: published figures, rules measured here, and this installation's own runs.

A project's estimate uses its own runs of the same base model and method. Without such runs it uses a published or
measured figure, corrected by all runs of this installation. Runs of other projects are not named.
"""

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from statistics import median

from django.db.models import QuerySet

from core.errors import Invalid
from core.models import Project, Run
from training.distribution import ALONE, Layout
from training.estimates import passes_of_a_step
from training.estimates.memory import Shape
from training.host.machine import Machine
from training.methods import METHODS, Method, Recipe, recipe_from
from training.models import BaseModel, TrainingRun
from training.objectives import OBJECTIVES, SUPERVISED, Objective, recipe_type

# Tokens times parameters a second and thread, float32 LoRA on a CPU: 257 tokens/s with 134.5M parameters on two
# threads; native bfloat16 gave 529, full training 0.8 of each, dropout 0.8 (docs/decisions/training.md).
CPU_LORA_PACE = 1.7e10
CPU_BFLOAT16_GAIN = 2.0
CPU_FULL_SHARE = 0.8
DROPOUT_SHARE = 0.8
# 1,650 against 3,083 tokens a second on a 4090 and 2,579 against 4,699 on an A6000 (torchtune README).
GPU_FULL_SHARE = 0.54
# Activations computed twice: one forward pass more, beside one forward and one backward pass that costs a forward pass for
# LoRA and two for all weights.
RECOMPUTED_SHARE = {"lora": 2 / 3, "full": 3 / 4}
# A GPU is never faster than its host hands it work: seconds for one layer of one portion of rows, activations computed once
# and twice. Medians of the small portions on an H200 (docs/reference/measurements.md, "Training on a GPU").
GPU_LAYER_SECONDS = {"lora": (0.012, 0.020), "full": (0.0065, 0.012)}
PAST_RUNS = 5
CORRECTING_RUNS = 20
_TABLE = Path(__file__).with_name("device_speeds.toml")


@dataclass(frozen=True)
class TrainingSpeed:
    """Tokens per second, and the source of the figure, for users."""

    tokens_per_second: float
    source: str


@dataclass(frozen=True)
class Published:
    name: str
    match: tuple[str, ...]
    tokens_per_second: float
    parameters: float
    recomputed: bool
    source: str

    @property
    def pace(self) -> float:
        """Tokens times parameters a second, activations computed once."""
        share = RECOMPUTED_SHARE["lora"] if self.recomputed else 1.0
        return self.tokens_per_second * self.parameters / share


@lru_cache(maxsize=1)
def published() -> tuple[Published, ...]:
    entries = tomllib.loads(_TABLE.read_text(encoding="utf-8"))["device"]
    return tuple(Published(**{**entry, "match": tuple(entry["match"])}) for entry in entries)


def general_speed(
    *,
    parameters: int,
    full: bool,
    save_memory: bool,
    dropout: bool,
    device: str,
    device_name: str,
    threads: int,
    bfloat16: bool,
    layers: int,
    portion_tokens: float,
    pace: float = 1.0,
) -> TrainingSpeed:
    """Tokens per second if nothing was measured here: by published figures on a GPU, by ours on a CPU.

    `portion_tokens` are the tokens of the rows that are in memory at once, padding excluded; 0 if not known. `pace` is the method's
    share of the speed of plain LoRA, or of full training.
    """
    method = "full" if full else "lora"
    share = pace * (RECOMPUTED_SHARE[method] if save_memory else 1.0)
    share *= DROPOUT_SHARE if dropout else 1.0
    size = max(parameters, 1)
    if device == "cuda":
        known = next(
            (entry for entry in published() if any(part in device_name for part in entry.match)), None
        )
        entry = known or min(published(), key=lambda entry: entry.pace)
        share *= GPU_FULL_SHARE if full else 1.0
        source = f"scaled from a figure for the {entry.name}: {entry.source}"
        if known is None:
            source = f"no figure for this device; the slowest of the list, {source}"
        speed = entry.pace * share / size
        handed_over = pace * portion_tokens / (max(layers, 1) * GPU_LAYER_SECONDS[method][save_memory])
        if 0 < handed_over < speed:
            return TrainingSpeed(
                handed_over,
                "limited by how fast the processor hands work to the GPU, measured on an H200's host",
            )
        return TrainingSpeed(speed, source)
    share *= (CPU_FULL_SHARE if full else 1.0) * (CPU_BFLOAT16_GAIN if bfloat16 else 1.0)
    return TrainingSpeed(
        CPU_LORA_PACE * max(threads, 1) * share / size,
        "scaled from a measurement with 135M parameters on two processors",
    )


def _general(
    base_model: BaseModel,
    machine: Machine,
    method: Method,
    recipe: Recipe,
    *,
    row_tokens: float,
) -> TrainingSpeed:
    """`row_tokens` is the average length of rows, 0 if not known."""
    virtual = method.virtual_tokens(recipe)
    # Trained positions before a row are work too, and are not counted as its tokens.
    share = row_tokens / (row_tokens + virtual) if row_tokens else 1.0
    return general_speed(
        parameters=int(base_model.parameter_count or 0),
        full=method.every_weight,
        save_memory=recipe.save_memory,
        dropout=method.dropout(recipe) > 0,
        device=machine.device,
        device_name=machine.device_name,
        threads=machine.threads,
        bfloat16=machine.bfloat16,
        layers=Shape.of(base_model.architecture).layers,
        portion_tokens=recipe.portion(machine.device) * row_tokens,
        pace=share * method.pace(recipe),
    )


def _row_tokens(run: TrainingRun) -> float:
    """Tokens of a row of a past run, on average; 0 when its facts are not there."""
    tokens, counted = run.data_facts.get("train_tokens"), run.data_facts.get("train_rows")
    return float(tokens) / float(counted) if tokens and counted else 0.0


def _layout_of(run: TrainingRun) -> Layout:
    """A run of an earlier release had one process."""
    processes, hosts = (int(run.environment.get(name) or 1) for name in ("processes", "hosts"))
    return Layout(hosts, processes // hosts)


def _recipe_of(run: TrainingRun) -> Recipe | None:
    """None for a recipe of an earlier release that has no place any more."""
    try:
        return recipe_from(recipe_type(run.method, run.objective), run.recipe)
    except (Invalid, KeyError):
        return None


def undisturbed_runs(device_name: str) -> QuerySet[TrainingRun]:
    """Finished, undisturbed runs on this device, newest first."""
    return (
        TrainingRun.objects.filter(
            run__status=Run.Status.SUCCEEDED,
            environment__device_name=device_name,
            undisturbed_speed__gt=0,
        )
        .select_related("base_model")
        .order_by("-id")
    )


def like_runs(
    project: Project,
    base_model: BaseModel,
    method: Method,
    recipe: Recipe,
    machine: Machine,
    objective: Objective = SUPERVISED,
    layout: Layout = ALONE,
) -> list[TrainingRun]:
    """The project's last undisturbed runs with the same work: same base, method, objective and devices, and the same settings that
    change the speed. On a GPU the number of rows at once is one of them."""
    runs = undisturbed_runs(machine.device_name).filter(
        project=project,
        base_model=base_model,
        method=method.name,
        objective=objective.name,
        recipe__save_memory=recipe.save_memory,
    )
    same = [
        run
        for run in runs[: 4 * PAST_RUNS]
        if run.recipe.get("variant", "lora") == getattr(recipe, "variant", "lora")
        and _layout_of(run) == layout
        and (float(run.recipe.get("dropout") or 0) > 0) == (method.dropout(recipe) > 0)
        and _same_portion(run, recipe, machine.device)
    ]
    return same[:PAST_RUNS]


def _same_portion(run: TrainingRun, recipe: Recipe, device: str) -> bool:
    """Whether as many rows were in memory at once, where that changes the speed."""
    past = _recipe_of(run)
    return device == "cpu" or (past is not None and past.portion(device) == recipe.portion(device))


def correction(machine: Machine) -> float | None:
    """The ratio of this installation's speed on the device to the general figure; None without runs."""
    ratios = []
    # The general figure knows no baseline.
    plain = [name for name, objective in OBJECTIVES.items() if not objective.needs_baseline]
    for run in undisturbed_runs(machine.device_name).filter(objective__in=plain)[:CORRECTING_RUNS]:
        recipe = _recipe_of(run)
        if recipe is None or _layout_of(run) != ALONE:
            continue
        general = _general(run.base_model, machine, METHODS[run.method], recipe, row_tokens=_row_tokens(run))
        ratios.append(float(run.undisturbed_speed or 0) / general.tokens_per_second)
    return median(ratios) if ratios else None


def expected_speed(
    *,
    project: Project,
    base_model: BaseModel,
    method: Method,
    recipe: Recipe,
    machine: Machine,
    past: list[TrainingRun],
    row_tokens: float,
    objective: Objective = SUPERVISED,
    layout: Layout = ALONE,
) -> TrainingSpeed:
    """The expected speed of a run; `past` is `like_runs` of it, `row_tokens` the average length of its rows.

    Not measured yet, several devices are taken to be as many times as fast. Processes on one host's processors share them.
    """
    if past:
        newest = f"Run {past[0].number}"
        source = (
            f"measured in {newest} of this project"
            if len(past) == 1
            else f"the median of {len(past)} runs of this project, last {newest}"
        )
        return TrainingSpeed(median(float(run.undisturbed_speed or 0) for run in past), source)
    general = _general(base_model, machine, method, recipe, row_tokens=row_tokens)
    factor = correction(machine)
    together = layout.processes if machine.device == "cuda" else layout.hosts
    share = float(together)
    if objective.needs_baseline:
        passes = passes_of_a_step(full=method.every_weight, recomputed=recipe.save_memory)
        share *= passes / (passes + 1)
    source = general.source
    if factor is not None:
        source += "; corrected by runs of this installation on this device"
    if together > 1:
        source += f"; {together} times that of one device, what they tell each other not counted"
    return TrainingSpeed(general.tokens_per_second * share * (factor or 1.0), source)


def measured_units(past: list[TrainingRun], validation_tokens: int) -> dict[str, float]:
    """Seconds of one unit of work besides training, as measured in the project's own similar runs; missing kinds are
    left out.

    Runs that were slowed for part of their time took longer for this work too, in the same proportion.
    """
    seconds_by_kind: dict[str, list[float]] = {}
    for run in past:
        undisturbed = min(1.0, float(run.tokens_per_second or 0) / float(run.undisturbed_speed or 1))
        for kind in ("evaluate", "sample", "save", "store"):
            seconds, times = run.measured.get(kind), run.counted.get(kind)
            if not seconds or not times:
                continue
            unit_seconds = undisturbed * float(seconds) / float(times)
            if kind == "evaluate":
                held_out = int(run.data_facts.get("validation_tokens") or 0)
                if not held_out:
                    continue
                unit_seconds *= validation_tokens / held_out
            seconds_by_kind.setdefault(kind, []).append(unit_seconds)
        attempts = len(run.resumes) + 1
        if run.measured.get("load"):
            seconds_by_kind.setdefault("load", []).append(float(run.measured["load"]) / attempts)
    return {kind: median(values) for kind, values in seconds_by_kind.items()}
