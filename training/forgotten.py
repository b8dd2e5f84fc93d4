"""Reads what versions forgot: the measurement of a version, what it says, and the items that changed."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db.models import QuerySet

from training.forgetting import TaskFigures, TaskVerdict, verdicts
from training.general import general_set
from training.models import ForgettingItem, ForgettingMeasurement, ModelVersion


def previous_of(version: ModelVersion) -> ModelVersion | None:
    """The version it continues from, else the newest earlier version of the project on the same base model that was not rejected. One
    query."""
    chosen = {"pk": version.parent_id} if version.parent_id else {}
    return (
        ModelVersion.objects.filter(
            project=version.project_id,
            base_model=version.base_model_id,
            number__lt=version.number,
            number__gt=0,
            **chosen,
        )
        .exclude(status=ModelVersion.Status.REJECTED)
        .select_related("project", "artifact", "base_model__artifact", "training_run__dataset__artifact")
        .order_by("-number")
        .first()
    )


@dataclass(frozen=True)
class Forgotten:
    """What a version's page shows. `outdated`: the general set has changed since. `lost` counts items that only the base model got
    right."""

    measurement: ForgettingMeasurement | None = None
    tasks: list[TaskVerdict] = field(default_factory=list)
    lost: int = 0

    @property
    def outdated(self) -> bool:
        measured = self.measurement
        return bool(measured and measured.measured_at and measured.set_version != general_set().version)

    @property
    def can_measure(self) -> bool:
        """Measuring again under the same conditions would give the same figures."""
        measured = self.measurement
        return measured is None or (not measured.run.is_active and (not self.tasks or self.outdated))


def measurements_of(versions: Iterable[ModelVersion]) -> dict[int, ForgettingMeasurement]:
    """{version id: its measurement}, with its run. One query."""
    found = ForgettingMeasurement.objects.filter(version__in=[version.pk for version in versions])
    return {one.version_id: one for one in found.select_related("run__project", "previous__base_model")}


def figures_in(measurement: ForgettingMeasurement) -> list[TaskFigures]:
    return [TaskFigures.from_values(values) for values in measurement.figures]


def forgotten_of(version: ModelVersion) -> Forgotten:
    """Two queries."""
    measurement = measurements_of([version]).get(version.pk)
    if measurement is None:
        return Forgotten()
    tasks = verdicts(figures_in(measurement))
    return Forgotten(measurement, tasks, sum(one.figures.lost for one in tasks))


# How an answer changed, and what it is called in filters.
CHANGES = {
    "lost": "lost",
    "gained": "gained",
    "right": "right before and after",
    "wrong": "wrong before and after",
}
_SIDES = {"lost": (True, False), "gained": (False, True), "right": (True, True), "wrong": (False, False)}


def items_of(version: ModelVersion, *, change: str = "", task: str = "") -> QuerySet[ForgettingItem]:
    """The items with a check, in the set's order: all, those of a task, those with one of CHANGES."""
    found = ForgettingItem.objects.filter(measurement__version=version, correct__isnull=False)
    if task:
        found = found.filter(task=task)
    if change:
        before, after = _SIDES[change]
        found = found.filter(base_correct=before, correct=after)
    return found.order_by("item")
