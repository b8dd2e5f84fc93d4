"""What the answers of base models about facts without support look like in the API."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.api.fields import Body, IdField
from core.api.serializers import RunSerializer
from training.models import KnowledgeAnswer


class AskSerializer(Body):
    """Which base model to ask."""

    base_model = IdField()


class AskedFactSerializer(serializers.Serializer[Any]):
    """A fact without support at [start, end) of the completion, and how many of the answers have it."""

    text = serializers.CharField()
    start = serializers.IntegerField()
    end = serializers.IntegerField()
    answers = serializers.IntegerField()


class KnowledgeAnswerSerializer(serializers.ModelSerializer[KnowledgeAnswer]):
    """The answers of a base model to an example's prompt: first the greedy one, then drawn ones. `current`: the example still has the
    text that was asked about. `unknown` facts are in none of them; `finding` is about these."""

    facts = AskedFactSerializer(many=True, read_only=True)
    answers = serializers.ListField(child=serializers.CharField(), read_only=True)
    current = serializers.SerializerMethodField()

    class Meta:
        model = KnowledgeAnswer
        fields = (
            "id", "base_model", "example", "content_hash", "current", "facts", "unknown", "answers", "finding", "asked_at",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(serializers.BooleanField)
    def get_current(self, answer: KnowledgeAnswer) -> bool:
        return answer.content_hash == answer.example.content_hash


class AskedModelSerializer(serializers.Serializer[Any]):
    """What one base model was asked: examples, those with unknown facts, those that changed since; its findings by state."""

    base_model = serializers.IntegerField(source="base_model.pk")
    name = serializers.CharField(source="base_model.name")
    examples = serializers.IntegerField()
    known = serializers.IntegerField()
    unknown = serializers.IntegerField()
    outdated = serializers.IntegerField()
    open = serializers.IntegerField()
    dismissed = serializers.IntegerField()


class KnowledgeStateSerializer(serializers.Serializer[Any]):
    """The newest run, with the base model that it asks and what it has done, and all that was asked."""

    run = RunSerializer(allow_null=True)
    base_model = serializers.IntegerField(source="base_model.pk", default=None, allow_null=True)
    counts = serializers.DictField(child=serializers.IntegerField())
    asked = AskedModelSerializer(many=True)
