"""Preference versions in the API."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.api.fields import Body, SeenField, TextField, declared
from core.api.serializers import PersonSerializer
from dataset.models import Judgement
from dataset.preferences import (
    DEFAULT_AGREEMENT,
    DEFAULT_DIFFERENCE,
    MOST_DIFFERENCE,
    MOST_RATERS,
    Choice,
    Take,
)
from dataset.queries.preference_versions import ShownJudgement
from dataset.services.versions import MAX_SHARE, SEED
from dataset.splits import DEFAULT_SHARES, TEST, VALIDATION


class PreferenceSettingsSerializer(Body):
    """What a preference version takes, and how it is divided. Shares are fractions of one: 0.1 is 10%."""

    take = serializers.ListField(
        child=serializers.ChoiceField(choices=[str(name) for name in Take]),
        required=False,
        default=lambda: [str(name) for name in Choice().take],
        min_length=1,
        max_length=len(Take),
    )
    campaigns = serializers.ListField(
        child=TextField(),
        required=False,
        default=list,
        max_length=1000,
        help_text="Names of closed campaigns; empty for all of them.",
    )
    raters = serializers.IntegerField(
        min_value=1,
        max_value=MOST_RATERS,
        required=False,
        default=1,
        help_text="The least number of people who judged a pair.",
    )
    agreement = serializers.FloatField(
        min_value=0,
        max_value=1,
        required=False,
        default=DEFAULT_AGREEMENT,
        help_text="The least share of these people with the same opinion, above 0.5.",
    )
    difference = serializers.FloatField(
        min_value=0,
        max_value=MOST_DIFFERENCE,
        required=False,
        default=DEFAULT_DIFFERENCE,
        help_text="The least difference of two mean scores; used with `scores`.",
    )
    validation = serializers.FloatField(
        min_value=0, max_value=MAX_SHARE, required=False, default=DEFAULT_SHARES[VALIDATION]
    )
    test = serializers.FloatField(
        min_value=0, max_value=MAX_SHARE, required=False, default=DEFAULT_SHARES[TEST]
    )
    seed = serializers.IntegerField(min_value=0, max_value=2**31 - 1, required=False, default=SEED)
    separate_near_duplicates = serializers.BooleanField(required=False, default=True)


class NewPreferencesSerializer(PreferenceSettingsSerializer):
    """The settings of a freeze, and a note."""

    note = TextField(max_length=300, required=False, default="", allow_blank=True)
    seen = SeenField()


class PreferencePreviewSerializer(serializers.Serializer[Any]):
    """What a freeze of preferences would make now. `judged` pairs have `judgements`; `shapes` are rows by what they say (pairs, liked,
    disliked), `taken` by where they come from, `outside` what is left out by its reason. `counts` are the `counts` that the version
    would have; null when there are no rows, or too many to plan here: then `whole` is false. Send `seen` with the freeze.
    """

    judged = serializers.IntegerField()
    judgements = serializers.IntegerField()
    total = serializers.IntegerField()
    shapes = serializers.DictField(child=serializers.IntegerField())
    taken = serializers.DictField(child=serializers.IntegerField())
    outside = serializers.DictField(child=serializers.IntegerField())
    counts = serializers.DictField(allow_null=True)
    whole = serializers.BooleanField()
    seen = serializers.CharField()


class JudgementSerializer(serializers.Serializer[Any]):
    """What one person said, as it was at the freeze. Who, and who answered, is null or empty for people who do not see the results of
    campaigns."""

    source = declared(serializers.ChoiceField(choices=Judgement.Source.choices, source="judgement.source"))
    said = serializers.ChoiceField(choices=Judgement.Said.choices, source="judgement.said")
    at = serializers.DateTimeField(source="judgement.at")
    by = serializers.SerializerMethodField()
    completion_from = serializers.CharField()
    rejected_from = serializers.CharField()
    url = serializers.CharField(help_text="The page of the comparison; empty where there is none.")

    @extend_schema_field(PersonSerializer(allow_null=True))
    def get_by(self, shown: ShownJudgement) -> Any:
        return PersonSerializer(shown.judgement.by).data if shown.by else None


class PreferenceRowSerializer(serializers.Serializer[Any]):
    """One frozen row. With an empty `completion`, `rejected` is an answer that people disliked; with an empty `rejected`, `completion` is
    one that they liked. `example` and `revision` are of the prompt."""

    position = serializers.IntegerField(source="row.position")
    example = serializers.IntegerField(source="row.example_id")
    revision = serializers.IntegerField(source="row.revision.number")
    split = serializers.CharField(source="row.split")
    row_hash = serializers.CharField(source="row.row_hash")
    messages = serializers.ListField(child=serializers.DictField(), source="frozen.messages")
    context = declared(serializers.ListField(child=serializers.CharField(), source="frozen.context"))
    completion = serializers.CharField(source="frozen.completion")
    rejected = serializers.CharField(source="frozen.rejected")
    judgements = JudgementSerializer(many=True, source="said")
