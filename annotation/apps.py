"""What annotation brings to the rest: its stage on a project's first screen, and how its actions are described."""

from django.apps import AppConfig


class AnnotationConfig(AppConfig):
    name = "annotation"
    label = "annotation"

    def ready(self) -> None:
        from annotation import tasks  # noqa: F401 - core.runs.messages finds them by name
        from annotation.actions import AnnotationAction
        from annotation.home import STAGE
        from annotation.moving import register_moving
        from annotation.run_kinds import BULK, CHECK, MAP, RELABEL
        from annotation.services.adopting import start_lists
        from core.audit.sentences import register_actions
        from core.home.stages import register_stage
        from core.project_start import register_project_start
        from core.runs.kinds import register_kind

        register_stage(STAGE)
        register_actions(AnnotationAction)
        register_kind(CHECK)
        register_kind(BULK)
        register_moving()
        register_kind(MAP)
        register_kind(RELABEL)
        register_project_start(start_lists)
