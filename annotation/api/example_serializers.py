"""What examples look like in the API."""

from typing import Any

from rest_framework import serializers

from annotation.models import Example, Review
from annotation.services.examples import example_stamp
from core.api.fields import Body, IdField, SeenField, TextField, WrittenField, declared
from core.api.serializers import PersonSerializer


class MessageSerializer(Body):
    role = serializers.ChoiceField(choices=["system", "user", "assistant"])
    content = WrittenField()


class ExampleSerializer(serializers.ModelSerializer[Example]):
    """A prompt and its completion as they are now. Send `seen` when you retire it or put it back into the queue."""

    messages = MessageSerializer(many=True, read_only=True)
    context = declared(serializers.ListField(child=serializers.CharField(), read_only=True))
    tags = serializers.ListField(child=serializers.CharField(), read_only=True)
    language = serializers.CharField(
        read_only=True,
        source="trait.language",
        default=None,
        allow_null=True,
        help_text="Of the conversation, as the checks read it; empty: not clear, null: not read yet.",
    )
    mood = serializers.CharField(
        read_only=True,
        source="trait.mood",
        default=None,
        allow_null=True,
        help_text="Of the customer, in an English conversation; empty: not read.",
    )
    created_by = PersonSerializer(read_only=True, allow_null=True)
    submitted_by = PersonSerializer(read_only=True, allow_null=True)
    seen = serializers.SerializerMethodField()

    class Meta:
        model = Example
        fields = (
            "id", "status", "messages", "context", "completion", "rejected", "slice", "edge", "tags", "language", "mood", "group", "source", "license",
            "external_id", "origin", "origin_detail", "revision", "content_hash", "import_id", "created_by", "submitted_by",
            "submitted_at", "created_at", "changed_at", "seen",
        )  # fmt: skip
        read_only_fields = fields

    def get_seen(self, example: Example) -> str:
        return example_stamp(example)


class NewExampleSerializer(Body):
    """An example written by hand; it goes to the reviewers. `reason` is needed when a check failed."""

    messages = MessageSerializer(many=True)
    context = declared(
        serializers.ListField(child=WrittenField(allow_blank=True), required=False, default=list)
    )
    completion = WrittenField()
    slice = TextField(required=False, default="", allow_blank=True)
    edge = TextField(
        required=False,
        default="",
        allow_blank=True,
        max_length=24,
        help_text="The key of a kind of edge case.",
    )
    tags = serializers.ListField(child=TextField(), required=False, default=list)
    group = TextField(required=False, default="", allow_blank=True, max_length=200)
    reason = TextField(required=False, default="", allow_blank=True, max_length=300)
    task = IdField(required=False, help_text="The open authoring task that it is written for.")


class RevisionReviewSerializer(serializers.ModelSerializer[Review]):
    by = PersonSerializer(read_only=True)

    class Meta:
        model = Review
        fields = ("verdict", "comment", "by", "at", "undone_at")
        read_only_fields = fields


class RevisionSerializer(serializers.Serializer[Any]):
    """One revision with its reviews, newest first."""

    number = serializers.IntegerField(source="revision.number")
    reason = serializers.CharField(source="revision.reason")
    note = serializers.CharField(source="revision.note")
    content = serializers.DictField(source="revision.content")
    by = PersonSerializer(source="revision.by", allow_null=True)
    at = serializers.DateTimeField(source="revision.at")
    reviews = RevisionReviewSerializer(many=True)


class RetireSerializer(Body):
    reason = TextField(max_length=300)
    seen = SeenField()


class RequeueSerializer(Body):
    reason = TextField(max_length=300, required=False, default="", allow_blank=True)
    seen = SeenField()
