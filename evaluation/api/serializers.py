"""Shapes of evaluation's API. Raters get only the `Blind...` ones while a campaign is open."""

from typing import TYPE_CHECKING, Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.api.fields import Body, IdField, SeenField, TextField, declared
from core.api.serializers import PersonSerializer, RunSerializer
from evaluation.models import Campaign, Entry, PlanStage
from evaluation.queries import Results
from evaluation.services.campaigns import MOST_PER_PROMPT, MOST_PROMPTS, MOST_TOKENS
from evaluation.services.doubt import LONGEST_REASON
from evaluation.services.plan import campaign_stamp
from training.models import ModelVersion

if TYPE_CHECKING:
    from evaluation.queries.campaigns import CountedCampaign


class VersionNameSerializer(serializers.ModelSerializer[ModelVersion]):
    label = declared(serializers.CharField(source="__str__", read_only=True))

    class Meta:
        model = ModelVersion
        fields = ("id", "number", "label", "served_name")


class PlanStageSerializer(serializers.ModelSerializer[PlanStage]):
    """The total of planned ratings from some moment on, and the ratings that were in then."""

    class Meta:
        model = PlanStage
        fields = ("number", "ratings_planned", "rated_before", "created_at")


class CampaignSerializer(serializers.ModelSerializer[Campaign]):
    """`wanted` ratings are planned: rateable prompts times ratings per prompt. `ratings` counts without those set
    aside; each growth of the plan is one of `plan_stages`. `seen` is sent with closing, opening again and growing; new
    ratings do not change it."""

    baseline = serializers.SerializerMethodField()
    candidate = serializers.SerializerMethodField()
    dataset = serializers.IntegerField(source="dataset.number", read_only=True)
    prompts = serializers.IntegerField(source="prompt_count", read_only=True)
    ratings = serializers.IntegerField(source="rating_count", read_only=True)
    set_aside = serializers.IntegerField(source="set_aside_count", read_only=True)
    plan_stages = PlanStageSerializer(many=True, read_only=True)
    raters = serializers.IntegerField(source="rater_count", read_only=True)
    corrections = serializers.IntegerField(source="correction_count", read_only=True)
    wanted = serializers.IntegerField(read_only=True)
    run = RunSerializer(read_only=True)
    seen = serializers.SerializerMethodField()

    class Meta:
        model = Campaign
        fields = (
            "id",
            "name",
            "status",
            "baseline",
            "candidate",
            "dataset",
            "split",
            "prompts",
            "ratings_per_prompt",
            "params",
            "ratings",
            "set_aside",
            "wanted",
            "plan_stages",
            "raters",
            "corrections",
            "created_at",
            "opened_at",
            "closed_at",
            "run",
            "seen",
        )

    def get_seen(self, campaign: Campaign) -> str:
        return campaign_stamp(campaign)

    @extend_schema_field(VersionNameSerializer)
    def get_baseline(self, campaign: "CountedCampaign") -> Any:
        return VersionNameSerializer(_version(campaign, Entry.BASELINE)).data

    @extend_schema_field(VersionNameSerializer)
    def get_candidate(self, campaign: "CountedCampaign") -> Any:
        return VersionNameSerializer(_version(campaign, Entry.CANDIDATE)).data


def _version(campaign: "CountedCampaign", position: int) -> ModelVersion:
    entry: Entry = campaign.sides[position]
    return entry.version


class NewCampaignSerializer(Body):
    """`baseline` and `candidate` are ids of model versions, `dataset` the id of a dataset version."""

    name = TextField(max_length=120)
    baseline = IdField()
    candidate = IdField()
    dataset = IdField()
    split = serializers.ChoiceField(
        choices=Campaign.Split.choices,
        default=Campaign.Split.TEST,
        help_text="`train` collects preferences to train on; it measures nothing and counts for no release.",
    )
    prompts = serializers.IntegerField(min_value=1, max_value=MOST_PROMPTS)
    ratings_per_prompt = serializers.IntegerField(min_value=1, max_value=MOST_PER_PROMPT, default=3)
    temperature = serializers.FloatField(
        min_value=0, max_value=2, required=False, help_text="If missing, the project's value."
    )
    max_tokens = serializers.IntegerField(
        min_value=1, max_value=MOST_TOKENS, required=False, help_text="If missing, the project's value."
    )


class AddPromptsSerializer(Body):
    prompts = serializers.IntegerField(min_value=1, max_value=MOST_PROMPTS)
    seen = SeenField()


class AddRatersSerializer(Body):
    """`people` are ids of members who get the role rater; `ratings_per_prompt` cannot become smaller."""

    people = serializers.ListField(child=IdField(), required=False, max_length=200)
    ratings_per_prompt = serializers.IntegerField(min_value=1, max_value=MOST_PER_PROMPT, required=False)
    seen = SeenField()


class SetAsideSerializer(Body):
    """`votes` is the number that was shown (`votes_in_doubt`): refused (409) when it has changed."""

    reason = TextField(max_length=LONGEST_REASON)
    votes = serializers.IntegerField(required=False, allow_null=True, min_value=0, default=None)


class GapsSerializer(serializers.Serializer[Any]):
    """What a campaign lacks. `unanswered` prompts wait for answers and `prompts_left` can be added. `in_doubt` prompts
    are not shown to raters; the answers of `remakable` ones can be made again. `votes_in_doubt` count; `returnable` of
    those `set_aside` can count again."""

    prompts_left = serializers.IntegerField()
    unanswered = serializers.IntegerField()
    in_doubt = serializers.IntegerField()
    remakable = serializers.IntegerField()
    votes_in_doubt = serializers.IntegerField()
    set_aside = serializers.IntegerField()
    returnable = serializers.IntegerField()


class PlanQuerySerializer(serializers.Serializer[Any]):
    """With `dataset`, the id of a dataset version, at most its number of test prompts."""

    dataset = IdField(required=False)
    prompts = serializers.IntegerField(min_value=1, max_value=MOST_PROMPTS)
    ratings_per_prompt = serializers.IntegerField(min_value=1, max_value=MOST_PER_PROMPT)


class PanelSerializer(serializers.Serializer[Any]):
    """`half_width` of the win rate's 95% interval around an even result, null with fewer than three raters; `finds` is
    the smallest true win rate that the verdict detects with 80% power, null when none."""

    raters = serializers.IntegerField()
    ratings = serializers.IntegerField()
    half_width = serializers.FloatField(allow_null=True)
    finds = serializers.FloatField(allow_null=True)


class PlanSerializer(serializers.Serializer[Any]):
    """As a panel; `larger` are the figures for more raters on the same prompts."""

    prompts = serializers.IntegerField()
    per_prompt = serializers.IntegerField()
    raters = serializers.IntegerField()
    ratings = serializers.IntegerField()
    each = serializers.IntegerField()
    half_width = serializers.FloatField(allow_null=True)
    finds = serializers.FloatField(allow_null=True)
    larger = PanelSerializer(many=True)


class IntervalSerializer(serializers.Serializer[Any]):
    """A mean with its two-sided 95% interval. `method`: none, clustered, assumed or both (see the results page)."""

    value = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    n = serializers.IntegerField()
    clusters = serializers.IntegerField()
    method = serializers.CharField()


class LookSerializer(serializers.Serializer[Any]):
    """A planned look after `at` ratings; `z` is null before it is taken, and with fewer than two raters."""

    at = serializers.IntegerField()
    bound = serializers.FloatField()
    z = serializers.FloatField(allow_null=True)


class VerdictSerializer(serializers.Serializer[Any]):
    """Over all campaigns between the two versions. `settled`: baseline, candidate or null; `counted` of `planned`
    ratings are in; `next_look` is the number of ratings for the next look, null when all planned looks are taken."""

    settled = serializers.CharField(allow_null=True)
    counted = serializers.IntegerField()
    planned = serializers.IntegerField()
    looks = LookSerializer(many=True)
    next_look = serializers.IntegerField(allow_null=True)
    says = serializers.CharField()


class CriterionResultSerializer(serializers.Serializer[Any]):
    criterion = serializers.CharField()
    baseline = IntervalSerializer()
    candidate = IntervalSerializer()
    difference = IntervalSerializer()


class SliceResultSerializer(serializers.Serializer[Any]):
    slice = serializers.CharField()
    n = serializers.IntegerField()
    win_rate = IntervalSerializer()
    both_bad = IntervalSerializer()


class RaterResultSerializer(serializers.Serializer[Any]):
    rater = PersonSerializer()
    n = serializers.IntegerField()
    candidate = serializers.IntegerField()
    baseline = serializers.IntegerField()
    ties = serializers.IntegerField()
    both_bad = serializers.IntegerField()
    median_seconds = serializers.FloatField()
    hasty_votes = serializers.IntegerField()
    hasty = serializers.BooleanField()
    sees_names = serializers.BooleanField()


class ResultsSerializer(serializers.Serializer[Results]):
    """`win_rate` is the candidate's over the baseline without "both bad", `win_rate_among_all` with it as a tie. Intervals
    of slices are joint. `campaigns_together` is the number of campaigns between the two versions that the verdict
    combines.
    `by_rater` is empty for raters."""

    baseline = VersionNameSerializer()
    candidate = VersionNameSerializer()
    n = serializers.IntegerField()
    wanted = serializers.IntegerField()
    wins = serializers.IntegerField()
    losses = serializers.IntegerField()
    ties = serializers.IntegerField()
    both_bad = serializers.IntegerField()
    win_rate = IntervalSerializer()
    win_rate_among_all = IntervalSerializer()
    both_bad_rate = IntervalSerializer()
    a_rate = IntervalSerializer()
    verdict = VerdictSerializer()
    campaigns_together = serializers.IntegerField()
    criteria = CriterionResultSerializer(many=True)
    scored = serializers.IntegerField()
    slices = SliceResultSerializer(many=True)
    by_rater = RaterResultSerializer(source="raters", many=True)
    alpha = serializers.FloatField(allow_null=True)
    repeated_prompts = serializers.IntegerField()
    prompts = serializers.IntegerField()
    same_answers = serializers.IntegerField()
    corrections = serializers.IntegerField()
    median_seconds = serializers.FloatField(allow_null=True)
