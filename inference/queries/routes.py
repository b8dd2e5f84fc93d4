"""The target of a rollback, shared by the engines, the Serve page and the Release page."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from core.models import Project
from inference.models import Route
from training.models import ModelVersion


@dataclass(frozen=True)
class WayBack:
    """`target` is the version that a rollback returns to, or None. `rejected` are versions that were live since then
    and are skipped, nearest first: a rejected version must not answer."""

    target: ModelVersion | None = None
    rejected: list[ModelVersion] = field(default_factory=list)


def ways_back(routes: Iterable[Route]) -> dict[int, WayBack]:
    """{project id: its way back}. One query besides that for the routes."""
    routes = list(routes)
    ids = {pk for route in routes for pk in route.way_back}
    versions = (
        {
            version.pk: version
            for version in ModelVersion.objects.select_related("base_model", "project").filter(pk__in=ids)
        }
        if ids
        else {}
    )
    return {route.project_id: _way_back(route, versions) for route in routes}


def way_back(project: Project) -> WayBack:
    """The way back of one project. At most two queries."""
    return ways_back(Route.objects.filter(project=project)).get(project.pk, WayBack())


def _way_back(route: Route, versions: dict[int, ModelVersion]) -> WayBack:
    rejected: list[ModelVersion] = []
    for pk in reversed(route.way_back):
        version = versions.get(pk)
        # The live version is on its own way back when it went live twice and the versions between were rejected.
        if version is None or pk == route.version_id or version in rejected:
            continue
        if version.status != ModelVersion.Status.REJECTED:
            return WayBack(version, rejected)
        rejected.append(version)
    return WayBack(None, rejected)
