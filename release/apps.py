from django.apps import AppConfig


class ReleaseConfig(AppConfig):
    name = "release"
    label = "release"

    def ready(self) -> None:
        from core.events import subscribe
        from core.sentences import register_wordings
        from core.stages import register_stage
        from release import handlers
        from release.links import links_of
        from release.stages import stage
        from training.links import register_version_links

        subscribe("model_version.ready", "release.measure", handlers.measure_ready_version)
        register_stage(stage)
        register_version_links("release", links_of)
        register_wordings(
            {
                "release.made_live": "{actor} released {label} (gate: {gate})",
                "release.rolled_back": "{actor} rolled back from {replaced} to {label}",
            }
        )
