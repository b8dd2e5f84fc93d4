"""The live pointer."""

from django.db import transaction

from core.audit.entries import record
from core.errors import Conflict, Refused
from core.models import Project, User
from inference.actions import InferenceAction
from inference.models import Route
from inference.queries import deployment_of, state_of
from training.models import ModelVersion


@transaction.atomic
def point_route(
    *, by: User | None, project: Project, version: ModelVersion, rolling_back: bool = False
) -> Route:
    """Makes `version` the project's live one and updates the way back (Route.way_back).

    After a release, the replaced version is the next rollback target. With `rolling_back` the way back ends below
    `version`, which must be on it. Raises Refused when the version is of another project, not ready, or not served right now, and Conflict
    when it is live already. A second call waits for the first and then uses the new live version.
    """
    # The project's row is the lock, since a new project has no route yet.
    Project.objects.select_for_update(no_key=True, of=("self",)).get(pk=project.pk)
    version = (
        ModelVersion.objects.select_for_update(of=("self",)).select_related("base_model").get(pk=version.pk)
    )
    if version.project_id != project.pk:
        raise Refused("This model version belongs to another project.")
    if version.status != ModelVersion.Status.READY:
        raise Refused(
            f"{version} is not ready: {version.get_status_display().lower()}.",
            "Only a version that passed its token check can be released.",
        )
    state = state_of(deployment_of(version))
    if not state.ready:
        raise Refused(
            f"{version} cannot answer now, so applications would get no answer. {state.sentence}",
            f"Load it on the Serve page, then {'roll back' if rolling_back else 'release it'}.",
        )
    route = Route.objects.select_related("version").filter(project=project).first()
    if route is None:
        if rolling_back:
            raise Conflict("Nothing is live, so you cannot roll back.", "Reload the page.")
        route = Route.objects.create(project=project, version=version)
        before = None
    else:
        if route.version_id == version.pk:
            raise Conflict(f"{version} is live already.", "Reload the page.")
        before = route.version
        route.way_back = (
            _below(route.way_back, version) if rolling_back else [*route.way_back, route.version_id]
        )
        route.version = version
        route.save(update_fields=["version", "way_back", "changed_at"])
    record(
        by=by,
        project=project,
        action=InferenceAction.ROUTE_CHANGED,
        obj=version,
        to=version.served_name,
        before=before.served_name if before else "",
    )
    return route


def _below(way_back: list[int], version: ModelVersion) -> list[int]:
    """The way back at the time when `version` was last live. Conflict when it was not live before."""
    if version.pk not in way_back:
        raise Conflict(f"{version} was not live before.", "Reload the page.")
    at = len(way_back) - 1 - way_back[::-1].index(version.pk)
    return way_back[:at]
