"""What a rollback goes back to: the one answer that the engines, the Serve page and the Release page share."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from core.models import Project
from inference.models import Route
from training.models import ModelVersion


@dataclass(frozen=True)
class WayBack:
    """`target` is what a rollback goes back to, None when there is nothing. `rejected` was live since then and is passed
    over, nearest first: a version that was rejected answers nobody."""

    target: ModelVersion | None = None
    rejected: list[ModelVersion] = field(default_factory=list)


def ways_back(routes: Iterable[Route]) -> dict[int, WayBack]:
    """{project id: its way back}. One query beside that for the routes."""
    routes = list(routes)
    ids = {pk for route in routes for pk in route.way_back}
    versions = (
        {
            one.pk: one
            for one in ModelVersion.objects.select_related("base_model", "project").filter(pk__in=ids)
        }
        if ids
        else {}
    )
    return {route.project_id: _way_back(route, versions) for route in routes}


def way_back(project: Project) -> WayBack:
    """Of one project. At most two queries."""
    return ways_back(Route.objects.filter(project=project)).get(project.pk, WayBack())


def _way_back(route: Route, versions: dict[int, ModelVersion]) -> WayBack:
    rejected: list[ModelVersion] = []
    for pk in reversed(route.way_back):
        version = versions.get(pk)
        # The live version stands on its own way back when it went live twice and what came between was rejected.
        if version is None or pk == route.version_id or version in rejected:
            continue
        if version.status != ModelVersion.Status.REJECTED:
            return WayBack(version, rejected)
        rejected.append(version)
    return WayBack(None, rejected)
