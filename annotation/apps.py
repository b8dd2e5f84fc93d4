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
        from core.audit.sentences import register_actions
        from core.home.stages import register_stage

        register_stage(STAGE)
        register_actions(AnnotationAction)
        register_moving()
