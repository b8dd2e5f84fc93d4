from django.apps import AppConfig


class ReleaseConfig(AppConfig):
    name = "release"
    label = "release"

    def ready(self) -> None:
        from core.audit.sentences import register_actions
        from core.events import subscribe
        from core.home.stages import register_stage
        from release import handlers
        from release.actions import ReleaseAction
        from release.extensions import live_versions, use_notes
        from release.home import stage
        from release.links import links_of
        from release.moving import register_moving
        from training.links import register_version_links
        from training.registry import register_live, register_use_notes

        subscribe("model_version.ready", "release.measure", handlers.measure_ready_version)
        register_use_notes(use_notes)
        register_live(live_versions)
        register_stage(stage)
        register_version_links("release", links_of)
        register_actions(ReleaseAction)
        register_moving()
