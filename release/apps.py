from django.apps import AppConfig


class ReleaseConfig(AppConfig):
    name = "release"
    label = "release"

    def ready(self) -> None:
        from core.sentences import register_wordings
        from core.stages import register_stage
        from release.stages import stage

        register_stage(stage)
        register_wordings(
            {
                "release.made_live": "{actor} made {label} live (gate: {gate})",
                "release.rolled_back": "{actor} rolled back from {replaced} to {label}",
            }
        )
