"""The audited actions of evaluation, and how each reads in a sentence."""

from core.audit.actions import AuditAction


class EvaluationAction(AuditAction):
    CAMPAIGN_CREATED = (
        "campaign.created",
        "{actor} planned the campaign {label}: {candidate} against {baseline}, {prompts} prompts",
    )
    CAMPAIGN_OPENED = "campaign.opened", "The campaign {label} opened: its first answers are ready"
    CAMPAIGN_ANSWERED = "campaign.answered", "The campaign {label} has all its answers"
    CAMPAIGN_FAILED = "campaign.failed", "The campaign {label} could not make its answers"
    CAMPAIGN_RETRIED = "campaign.retried", "{actor} retried the answers of the campaign {label}"
    CAMPAIGN_CLOSED = "campaign.closed", "{actor} closed the campaign {label}"
    CAMPAIGN_REOPENED = "campaign.reopened", "{actor} opened the campaign {label} again"
    CAMPAIGN_PROMPTS_ADDED = (
        "campaign.prompts_added",
        "{actor} added {prompts} prompts to the campaign {label}",
    )
    CAMPAIGN_PROMPTS_JOINED = (
        "campaign.prompts_joined",
        "The campaign {label} has all its answers: the new prompts can be rated",
    )
    CAMPAIGN_GROWTH_FAILED = "campaign.growth_failed", "The campaign {label} could not make all its answers"
    CAMPAIGN_PROMPTS_DROPPED = (
        "campaign.prompts_dropped",
        "{actor} dropped {prompts} prompts without answers from the campaign {label}",
    )
    CAMPAIGN_RATINGS_RAISED = (
        "campaign.ratings_raised",
        "{actor} set {ratings_per_prompt} ratings per prompt in the campaign {label}",
    )
    CAMPAIGN_ANSWERS_REMADE = (
        "campaign.answers_remade",
        "{actor} started making the answers to {prompts} prompts of the campaign {label} again",
    )
    RATINGS_SET_ASIDE = (
        "ratings.set_aside",
        "{actor} set {votes} votes of the campaign {label} aside: {reason}",
    )
    RATINGS_SET_ASIDE_UNDONE = (
        "ratings.set_aside_undone",
        "{actor} counted {votes} votes of the campaign {label} again",
    )
    CAMPAIGN_DELETED = "campaign.deleted", "{actor} deleted the campaign {name}"
    COMPARISON_RATED = "comparison.rated", "{actor} compared two answers"
    COMPARISON_SKIPPED = "comparison.skipped", "{actor} skipped a comparison"
    RATING_CHANGED = "rating.changed", "{actor} changed a rating"
    RATING_DRAFT_DISCARDED = "rating.draft_discarded", "{actor} discarded an unsent rating"
