"""What is known of versions' forgetting, and how much of it their projects allow."""

from collections.abc import Sequence

from core.models import Project, Run
from release.forgetting import Budget, Forgetting
from release.models import ForgettingBudget
from training.forgotten import figures_in, measurements_of
from training.general import general_set
from training.models import ForgettingMeasurement, ModelVersion


def budget_of(project: Project) -> Budget:
    """The project's own, or the defaults. One query."""
    stored = ForgettingBudget.objects.filter(project=project).first()
    return Budget(stored.answers, stored.refusals, stored.loss) if stored else Budget()


def forgetting_of(versions: Sequence[ModelVersion]) -> dict[int, Forgetting]:
    """{version id: facts of its forgetting}, for versions of one project. Two queries."""
    if not versions:
        return {}
    budget = budget_of(versions[0].project)
    measured = measurements_of(versions)
    return {version.pk: _facts(version, measured.get(version.pk), budget) for version in versions}


def _facts(version: ModelVersion, measurement: ForgettingMeasurement | None, budget: Budget) -> Forgetting:
    if version.kind == ModelVersion.Kind.BASE:
        return Forgetting("base", budget=budget)
    if measurement is None or measurement.run.status == Run.Status.CANCELLED:
        return Forgetting("missing", budget=budget)
    if measurement.run.is_active:
        return Forgetting("running", budget=budget)
    if measurement.run.status == Run.Status.FAILED:
        return Forgetting("failed", budget=budget, says=measurement.run.error_message)
    if measurement.set_version != general_set().version:
        return Forgetting("outdated", budget=budget)
    return Forgetting("measured", figures_in(measurement), budget)
