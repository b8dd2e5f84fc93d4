"""What apps above core give to every new project.

Downstream extends upstream: creating a project calls what was registered and knows nothing of it.
"""

from collections.abc import Callable

from core.models import Project

ProjectStart = Callable[[Project], None]
_starts: list[ProjectStart] = []


def register_project_start(start: ProjectStart) -> None:
    """Call from AppConfig.ready. `start` is called with a new project in the transaction that creates it."""
    _starts.append(start)


def furnish(project: Project) -> None:
    """Calls everything that was registered."""
    for start in _starts:
        start(project)
