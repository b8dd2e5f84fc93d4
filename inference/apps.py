from django.apps import AppConfig


class InferenceConfig(AppConfig):
    name = "inference"
    label = "inference"

    def ready(self) -> None:
        from core.events import subscribe
        from core.health import register_check
        from core.sentences import register_wordings
        from core.stages import register_stage
        from inference import handlers, health
        from inference.stages import STAGE, WORDINGS

        subscribe("model_version.registered", "inference.serve", handlers.serve_registered_version)
        register_check("engines", health.engines)
        register_wordings(WORDINGS)
        register_stage(STAGE)
