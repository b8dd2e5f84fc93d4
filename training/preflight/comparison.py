"""All methods side by side for one dataset and base model on this machine: what each would need, and what earlier runs needed."""

from dataclasses import dataclass, field
from statistics import median
from urllib.parse import urlencode

from core.models import Project, Run
from dataset.models import DatasetVersion
from training import preflight
from training.methods import METHODS, Method, Recipe, recipe_from, settings_of
from training.models import BaseModel, TrainingRun
from training.objectives import recipe_type
from training.starts import StoredResult, result_of

# A project's newest runs: enough for the error of estimates.
NEWEST_RUNS = 200


@dataclass(frozen=True)
class EstimateError:
    """Measured divided by estimated, the median of `runs` finished runs of this project; None without any."""

    seconds: float | None = None
    memory: float | None = None
    runs: int = 0


@dataclass(frozen=True)
class MethodRow:
    """One method, or one variant of it, with its default settings. `measured` is the newest finished run with the same base model,
    dataset, objective, method and variant."""

    method: Method
    variant: str
    label: str
    check: preflight.Preflight
    stored: StoredResult | None
    error: EstimateError = field(default_factory=EstimateError)
    measured: TrainingRun | None = None

    @property
    def refusal(self) -> str:
        """Why it cannot run so; rows that are still being counted are no reason."""
        stops = [
            finding
            for finding in self.check.stops
            if finding.setting != "dataset" or self.check.counting is None
        ]
        return f"{stops[0].message} {stops[0].advice}".strip() if stops else ""

    @property
    def query(self) -> str:
        """Of the launch page's address: the method, and its variant as a setting that a person chose."""
        chosen = {"was": self.method.name, "variant": self.variant} if self.variant else {}
        return urlencode({"method": self.method.name, **chosen})

    @property
    def spent(self) -> float | None:
        """Seconds of the measured run."""
        return sum(self.measured.measured.values()) if self.measured and self.measured.measured else None

    @property
    def stored_size(self) -> int | None:
        """Bytes of what the measured run stored."""
        version = getattr(self.measured, "model_version", None) if self.measured else None
        return version.artifact.size_bytes if version else None


# {name: (heading, what a row is sorted by)}; rows without the figure come last.
SORTS = {
    "method": "Method",
    "time": "Time",
    "memory": "Memory",
    "parameters": "Trained parameters",
    "size": "Size",
}


def compare_methods(
    *, project: Project, base_model: BaseModel, dataset: DatasetVersion, objective: str, sort: str = "method"
) -> list[MethodRow]:
    """A constant number of queries for each method, and two more."""
    runs = _finished(project)
    rows = [
        _row(project, base_model, dataset, objective, METHODS[name], variant, label, runs)
        for name, variant, label in cases(objective)
    ]
    keys = {
        "time": lambda row: row.check.estimate and row.check.estimate.seconds,
        "memory": lambda row: row.check.estimate and row.check.estimate.memory_bytes,
        "parameters": lambda row: row.check.estimate and row.check.estimate.trainable,
        "size": lambda row: row.stored and row.stored.stored_bytes,
    }
    if sort not in keys:
        return rows
    key = keys[sort]
    return sorted(rows, key=lambda row: (bool(row.refusal), key(row) is None, key(row) or 0))


def cases(objective: str) -> list[tuple[str, str, str]]:
    """(method, variant, label): every method, and each of its variants by itself."""
    found = []
    for method in METHODS.values():
        choices = next(
            (
                setting.choices
                for setting in settings_of(recipe_type(method.name, objective))
                if setting.name == "variant"
            ),
            (),
        )
        found += [(method.name, key, label) for key, label in choices] or [(method.name, "", method.label)]
    return found


def _recipe(method: Method, variant: str, objective: str) -> Recipe:
    return recipe_from(recipe_type(method.name, objective), {"variant": variant} if variant else {})


def _row(
    project: Project,
    base_model: BaseModel,
    dataset: DatasetVersion,
    objective: str,
    method: Method,
    variant: str,
    label: str,
    runs: list[TrainingRun],
) -> MethodRow:
    recipe = _recipe(method, variant, objective)
    check = preflight.check(
        project=project,
        base_model=base_model,
        dataset=dataset,
        method=method.name,
        recipe=recipe,
        objective=objective,
    )
    estimate, parameters = check.estimate, int(base_model.parameter_count or 0)
    stored = result_of(method, recipe, None, parameters, estimate.trainable) if estimate else None
    same = [
        run
        for run in runs
        if run.method == method.name and (not variant or run.recipe.get("variant") == variant)
    ]
    measured = next(
        (
            run
            for run in same
            if (run.base_model_id, run.dataset_id, run.objective) == (base_model.pk, dataset.pk, objective)
        ),
        None,
    )
    return MethodRow(method, variant, label, check, stored, _error(same), measured)


def _finished(project: Project) -> list[TrainingRun]:
    runs = TrainingRun.objects.filter(project=project, run__status=Run.Status.SUCCEEDED)
    return list(runs.select_related("run", "model_version__artifact").order_by("-number")[:NEWEST_RUNS])


def _error(runs: list[TrainingRun]) -> EstimateError:
    seconds, memory = [], []
    for run in runs:
        spent, expected = sum(run.measured.values()), float(run.estimate.get("seconds") or 0)
        if spent and expected:
            seconds.append(spent / expected)
        needed = float(run.estimate.get("memory_bytes") or 0)
        if run.peak_memory_bytes and needed:
            memory.append(run.peak_memory_bytes / needed)
    return EstimateError(
        median(seconds) if seconds else None,
        median(memory) if memory else None,
        max(len(seconds), len(memory)),
    )
