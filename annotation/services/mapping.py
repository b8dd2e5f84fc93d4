"""Starts the map of a project's examples."""

from django.db import transaction

from annotation.models import ExampleMap
from core.errors import Conflict
from core.models import Project, Run, User
from core.runs.control import launch_run


@transaction.atomic
def start_map(*, by: User, project: Project) -> ExampleMap:
    """Launches the run that makes a new map; the earlier one is shown until then. Conflict while one is being made."""
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    made = ExampleMap.objects.select_related("run").filter(project=project).first()
    if made is not None and made.run is not None and made.run.status in Run.ACTIVE:
        raise Conflict("A map is being made already.", "Wait until it is done.")
    run = launch_run(by=by, project=project, kind="map_examples", title="Map of the examples")
    made, _ = ExampleMap.objects.update_or_create(project=project, defaults={"run": run})
    return made


def again(run: Run, by: User) -> None:
    """Called when somebody starts a failed or cancelled map again. Conflict when a later one was started."""
    if not ExampleMap.objects.filter(run=run).exists():
        raise Conflict("A later map was started.", "See the coverage page.")
