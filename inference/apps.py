from django.apps import AppConfig


class InferenceConfig(AppConfig):
    name = "inference"
    label = "inference"

    def ready(self) -> None:
        from core.audit.sentences import register_actions
        from core.events import subscribe
        from core.health import register_check
        from core.home.stages import register_stage
        from core.runs.kinds import register_kind
        from dataset.registry import register_preferences
        from inference import handlers, health
        from inference.actions import InferenceAction
        from inference.extensions import MARKS, use_notes
        from inference.home import STAGE
        from inference.links import links_of
        from inference.moving import register_moving
        from inference.run_kinds import ALL
        from training.links import register_version_links
        from training.registry import register_use_notes

        for kind in ALL:
            register_kind(kind)
        subscribe("model_version.registered", "inference.serve", handlers.serve_registered_version)
        register_check("engines", health.engines)
        register_actions(InferenceAction)
        register_use_notes(use_notes)
        register_preferences(MARKS)
        register_stage(STAGE)
        register_version_links("inference", links_of)
        register_moving()
