from django.apps import AppConfig


class EvaluationConfig(AppConfig):
    name = "evaluation"
    label = "evaluation"

    def ready(self) -> None:
        from core.audit.sentences import register_wordings
        from core.home.stages import register_loop_back, register_stage
        from core.runs.kinds import register_kind
        from evaluation.home import corrections_back, stage
        from evaluation.links import links_of
        from evaluation.run_kinds import CAMPAIGN
        from training.links import register_version_links

        register_kind(CAMPAIGN)
        register_stage(stage)
        register_version_links("evaluation", links_of)
        register_loop_back(corrections_back)
        register_wordings(
            {
                "campaign.created": "{actor} planned the campaign {label}: {candidate} against {baseline}, {prompts} prompts",
                "campaign.opened": "The campaign {label} opened: its first answers are ready",
                "campaign.answered": "The campaign {label} has all its answers",
                "campaign.failed": "The campaign {label} could not make its answers",
                "campaign.retried": "{actor} retried the answers of the campaign {label}",
                "campaign.closed": "{actor} closed the campaign {label}",
                "campaign.reopened": "{actor} opened the campaign {label} again",
                "campaign.prompts_added": "{actor} added {prompts} prompts to the campaign {label}",
                "campaign.prompts_joined": "The campaign {label} has all its answers: the new prompts can be rated",
                "campaign.growth_failed": "The campaign {label} could not make all its answers",
                "campaign.prompts_dropped": "{actor} dropped {prompts} prompts without answers from the campaign {label}",
                "campaign.ratings_raised": "{actor} set {ratings_per_prompt} ratings per prompt in the campaign {label}",
                "campaign.answers_remade": "{actor} started making the answers to {prompts} prompts of the campaign {label} again",
                "ratings.set_aside": "{actor} set {votes} votes of the campaign {label} aside: {reason}",
                "ratings.set_aside_undone": "{actor} counted {votes} votes of the campaign {label} again",
                "campaign.deleted": "{actor} deleted the campaign {name}",
                "comparison.rated": "{actor} compared two answers",
                "comparison.skipped": "{actor} skipped a comparison",
                "rating.changed": "{actor} changed a rating",
                "rating.draft_discarded": "{actor} discarded an unsent rating",
            }
        )
