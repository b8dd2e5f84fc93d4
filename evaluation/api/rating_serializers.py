"""Comparisons, ratings and corrections in the API."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.api.fields import Body, WrittenField, declared
from core.api.serializers import PersonSerializer
from evaluation.api.serializers import VersionNameSerializer
from evaluation.models import Comparison, Rating, RatingDraft, Score
from evaluation.services.drafts import Scores
from evaluation.sides import SIDES

if TYPE_CHECKING:
    pass


class ScoresSerializer(Body):
    accuracy = serializers.IntegerField(min_value=1, max_value=5)
    tone = serializers.IntegerField(min_value=1, max_value=5)
    conciseness = serializers.IntegerField(min_value=1, max_value=5)


class BothScoresSerializer(Body):
    a = ScoresSerializer()
    b = ScoresSerializer()


class CorrectionsSerializer(Body):
    """Corrected answers; only those that the rater rewrote."""

    a = WrittenField(required=False, allow_blank=True)
    b = WrittenField(required=False, allow_blank=True)


class SayingSerializer(Body):
    """A rating in a request. `scores` is complete, or null to skip the scores."""

    choice = serializers.ChoiceField(choices=Rating.Choice.choices)
    scores = BothScoresSerializer(allow_null=True)
    comment = WrittenField(required=False, default="", allow_blank=True)
    corrections = CorrectionsSerializer(required=False)


class TurnSerializer(serializers.Serializer[Any]):
    role = serializers.CharField()
    content = serializers.CharField()


class BlindAnswerSerializer(serializers.Serializer[Any]):
    text = serializers.CharField()


class SaidSerializer(serializers.Serializer[Any]):
    choice = serializers.CharField()
    scores = BothScoresSerializer(allow_null=True)
    comment = serializers.CharField()


class TypedScoresSerializer(serializers.Serializer[Any]):
    a = serializers.DictField(child=serializers.IntegerField())
    b = serializers.DictField(child=serializers.IntegerField())


class RatingDraftSerializer(serializers.Serializer[Any]):
    """An unsent rating; any field may be missing."""

    choice = serializers.CharField(allow_blank=True)
    scores = TypedScoresSerializer(allow_null=True, help_text="Null when the rater skipped them.")
    comment = serializers.CharField(allow_blank=True)
    corrections = CorrectionsSerializer()
    saved_at = serializers.DateTimeField()


def form_fields_of(body: object) -> dict[str, Any]:
    """A rating as sent, valid or not, under the field names of the page's form. It is kept as a draft in this form."""
    body = _mapping(body)
    scores, corrections = _mapping(body.get("scores")), _mapping(body.get("corrections"))
    fields: dict[str, Any] = {"choice": body.get("choice"), "comment": body.get("comment")}
    if "scores" in body and body["scores"] is None:
        fields["skip_scores"] = "1"
    for side in SIDES:
        side_scores = _mapping(scores.get(side))
        fields |= {f"{criterion}_{side}": side_scores.get(criterion) for criterion in Score.Criterion.values}
        fields[f"correction_{side}"] = corrections.get(side)
    return {name: value for name, value in fields.items() if value and isinstance(value, (str, int))}


def body_of(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A draft's form fields in the shape of a rating in the API."""
    scores = {
        side: {
            criterion: fields[f"{criterion}_{side}"]
            for criterion in Score.Criterion.values
            if f"{criterion}_{side}" in fields
        }
        for side in SIDES
    }
    typed = {side: fields[f"correction_{side}"] for side in SIDES if f"correction_{side}" in fields}
    return {
        "choice": fields.get("choice", ""),
        "scores": None if fields.get("skip_scores") else scores,
        "comment": fields.get("comment", ""),
        "corrections": typed,
    }


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


class BlindComparisonSerializer(serializers.Serializer[Comparison]):
    """One comparison as its rater may see it: a token and two sides, without model names."""

    public_id = serializers.UUIDField()
    status = serializers.CharField()
    expires_at = serializers.DateTimeField()
    messages = TurnSerializer(source="prompt.messages", many=True)
    context = declared(serializers.ListField(source="prompt.context", child=serializers.CharField()))
    slice = serializers.CharField(source="prompt.slice")
    a = BlindAnswerSerializer(source="a.answer")
    b = BlindAnswerSerializer(source="b.answer")
    said = serializers.SerializerMethodField()
    draft = serializers.SerializerMethodField()

    @extend_schema_field(SaidSerializer(allow_null=True))
    def get_said(self, comparison: Comparison) -> Any:
        """The rating, None before it is given."""
        rating = Rating.objects.filter(comparison=comparison).prefetch_related("scores").first()
        if rating is None:
            return None
        return {
            "choice": rating.choice,
            "scores": scores_of(comparison, rating),
            "comment": rating.comment,
        }

    @extend_schema_field(RatingDraftSerializer(allow_null=True))
    def get_draft(self, comparison: Comparison) -> Any:
        """The rater's unsent rating, from the API or the page."""
        draft = RatingDraft.objects.filter(comparison=comparison).first()
        return None if draft is None else {**body_of(draft.content), "saved_at": draft.saved_at}


class ShareSerializer(serializers.Serializer[Any]):
    """A rater's share of an open campaign."""

    campaign = serializers.IntegerField(source="campaign.pk")
    opened_at = serializers.DateTimeField(source="campaign.opened_at")
    rated = serializers.IntegerField()
    left = serializers.IntegerField(help_text="Comparisons still to rate.")


class RatingCorrectionSerializer(serializers.Serializer[Any]):
    version = serializers.CharField(source="answer.entry.version")
    text = serializers.CharField()
    example = serializers.IntegerField(source="example_id")
    by = PersonSerializer()
    at = serializers.DateTimeField()


class NamedAnswerSerializer(serializers.Serializer[Any]):
    version = VersionNameSerializer(source="entry.version")
    answer = serializers.UUIDField(source="answer.public_id")
    text = serializers.CharField(source="answer.text")
    doubt = serializers.CharField(source="answer.doubt")


class SetAsideMarkSerializer(serializers.Serializer[Rating]):
    at = serializers.DateTimeField(source="set_aside_at")
    by = PersonSerializer(source="set_aside_by")
    reason = serializers.CharField(source="set_aside_reason")


class ComparisonSerializer(serializers.ModelSerializer[Comparison]):
    """A rated comparison with model names, for admins and viewers. `doubt` is the reason why an answer may come from
    other weights than its version's; a vote with `set_aside` does not count."""

    rater = PersonSerializer(read_only=True)
    messages = TurnSerializer(source="prompt.messages", many=True, read_only=True)
    context = declared(
        serializers.ListField(source="prompt.context", child=serializers.CharField(), read_only=True)
    )
    slice = serializers.CharField(source="prompt.slice", read_only=True)
    a = NamedAnswerSerializer(read_only=True)
    b = NamedAnswerSerializer(read_only=True)
    choice = serializers.CharField(source="rating.choice", read_only=True)
    preferred = VersionNameSerializer(source="rating.preferred.version", read_only=True, allow_null=True)
    comment = serializers.CharField(source="rating.comment", read_only=True)
    seconds = serializers.FloatField(source="rating.seconds", read_only=True)
    scores = serializers.SerializerMethodField()
    set_aside = serializers.SerializerMethodField()
    corrections = RatingCorrectionSerializer(many=True, read_only=True)

    class Meta:
        model = Comparison
        fields = (
            "public_id",
            "campaign",
            "rater",
            "messages",
            "context",
            "slice",
            "a",
            "b",
            "choice",
            "preferred",
            "comment",
            "seconds",
            "scores",
            "set_aside",
            "corrections",
            "rated_at",
        )

    @extend_schema_field(SetAsideMarkSerializer(allow_null=True))
    def get_set_aside(self, comparison: Comparison) -> Any:
        rating = comparison.rating
        return SetAsideMarkSerializer(rating).data if rating.set_aside_at else None

    @extend_schema_field(BothScoresSerializer(allow_null=True))
    def get_scores(self, comparison: Comparison) -> Any:
        """None when the rater skipped the scores."""
        return scores_of(comparison, comparison.rating)


def scores_of(comparison: Comparison, rating: Rating) -> Scores | None:
    """The rating's scores by side, as in a request."""
    by_entry: dict[int, dict[str, int]] = {}
    for score in rating.scores.all():
        by_entry.setdefault(score.entry_id, {})[score.criterion] = score.value
    if not by_entry:
        return None
    return {side: by_entry[getattr(comparison, side).entry_id] for side in SIDES}
