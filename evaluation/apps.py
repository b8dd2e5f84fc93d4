from django.apps import AppConfig


class EvaluationConfig(AppConfig):
    name = "evaluation"
    label = "evaluation"

    def ready(self) -> None:
        from core.audit.sentences import register_actions
        from core.home.stages import register_loop_back, register_stage
        from core.runs.kinds import register_kind
        from dataset.registry import register_preferences, register_uses
        from evaluation.actions import EvaluationAction
        from evaluation.extensions import PREFERENCES, uses
        from evaluation.home import corrections_back, stage
        from evaluation.links import links_of
        from evaluation.moving import register_moving
        from evaluation.run_kinds import CAMPAIGN
        from training.links import register_version_links

        register_kind(CAMPAIGN)
        register_uses(uses, campaign="evaluation.Campaign")
        register_preferences(PREFERENCES)
        register_stage(stage)
        register_version_links("evaluation", links_of)
        register_loop_back(corrections_back)
        register_actions(EvaluationAction)
        register_moving()
