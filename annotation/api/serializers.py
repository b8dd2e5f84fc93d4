"""Serializers of the queue and of reviews."""

from typing import Any

from rest_framework import serializers

from annotation.api.example_serializers import ExampleSerializer
from annotation.models import Draft, Example, Lease, Review
from core.api.fields import Body, CountField, IdField, SeenField, TextField, WrittenField, declared
from core.api.serializers import PersonSerializer
from core.models.people import LEAST_EXAMPLE_TOKENS, MOST_EXAMPLE_TOKENS

ONLY = ("edge", "returned", "feedback")


class LeaseSerializer(serializers.ModelSerializer[Lease]):
    """A lease: this person has the example open until `expires_at`."""

    example = ExampleSerializer(read_only=True)

    class Meta:
        model = Lease
        fields = ("purpose", "outcome", "leased_at", "expires_at", "example")
        read_only_fields = fields


class UntilSerializer(serializers.ModelSerializer[Lease]):
    class Meta:
        model = Lease
        fields = ("expires_at",)
        read_only_fields = fields


class TakeSerializer(Body):
    """Which part of the queue to take from; all fields are optional."""

    slice = TextField(required=False, allow_blank=True, max_length=120)
    edge = TextField(required=False, allow_blank=True, max_length=24)
    origin = serializers.ChoiceField(required=False, allow_blank=True, choices=Example.Origin.choices)
    only = serializers.ChoiceField(required=False, allow_blank=True, choices=ONLY)


def _text(help_text: str | None = None) -> serializers.CharField:
    """Text as it was typed: it can be empty, and spaces at the ends are kept."""
    return WrittenField(required=False, allow_blank=True, default="", help_text=help_text)


class DraftMessageSerializer(Body):
    """A turn that can be empty."""

    role = serializers.ChoiceField(choices=["system", "user", "assistant"], required=False, default="user")
    content = _text()


class DraftContentSerializer(Body):
    """An incomplete example: turns, records and tags can be empty, and texts can be too long."""

    messages = DraftMessageSerializer(many=True, required=False, default=list)
    context = declared(serializers.ListField(child=_text(), required=False, default=list))
    completion = _text()
    slice = _text()
    edge = _text()
    tags = serializers.ListField(child=_text(), required=False, default=list)
    comment = _text(help_text="A reviewer's comment, complete or not.")
    reason = _text(help_text="The reason to keep a text that failed a check, complete or not.")
    base_revision = CountField(required=False, default=0, help_text="The revision it is based on.")


class SubmitSerializer(DraftContentSerializer):
    """A complete example. `reason` is needed when a check failed (code needs_reason). Empty turns, records and tags are removed."""

    messages = DraftMessageSerializer(many=True)
    reason = TextField(required=False, allow_blank=True, default="", max_length=300)


class SavedDraftSerializer(serializers.ModelSerializer[Draft]):
    content = serializers.DictField(read_only=True)

    class Meta:
        model = Draft
        fields = ("example", "content", "base_revision", "saved_at")
        read_only_fields = fields


class SkipSerializer(Body):
    reason = TextField(
        required=False, allow_blank=True, default="", max_length=300, help_text="The reason, for the audit."
    )


class SkippedSerializer(serializers.ModelSerializer[Lease]):
    reason = serializers.CharField(source="note", read_only=True)

    class Meta:
        model = Lease
        fields = ("example", "purpose", "reason", "finished_at")
        read_only_fields = fields


class FixSerializer(serializers.Serializer[Any]):
    """Characters `start` to `end` (not included) of a text become `text`. `field` and `index` say of which text."""

    field = serializers.ChoiceField(choices=("completion", "context", "messages"))
    index = serializers.IntegerField()
    start = serializers.IntegerField()
    end = serializers.IntegerField()
    text = serializers.CharField()


class CheckedSerializer(serializers.Serializer[Any]):
    check = serializers.CharField()
    kind = serializers.CharField(help_text="What the check found, as a short stable name: “email”.")
    level = serializers.ChoiceField(choices=("ok", "warn", "bad"))
    says = serializers.CharField()
    example = serializers.IntegerField(allow_null=True, help_text="The example that the finding is about.")
    fixes = FixSerializer(
        many=True, help_text="Replacements that settle the finding together; none where a person must write."
    )


class ProjectCheckSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    about = serializers.CharField()
    on = serializers.BooleanField()


class CheckSettingsSerializer(serializers.Serializer[Any]):
    """The project's checks. Send `seen` when you change them."""

    checks = ProjectCheckSerializer(many=True)
    languages = serializers.ListField(child=serializers.CharField())
    most_example_tokens = serializers.IntegerField()
    seen = serializers.CharField()


class CheckSettingsChangeSerializer(Body):
    """What is left out stays as it is."""

    off = declared(
        serializers.ListField(
            child=TextField(max_length=20), required=False, help_text="The names of the checks that are off."
        )
    )
    languages = declared(
        serializers.ListField(child=TextField(max_length=3), required=False, help_text="Codes such as “en”.")
    )
    most_example_tokens = serializers.IntegerField(
        min_value=LEAST_EXAMPLE_TOKENS, max_value=MOST_EXAMPLE_TOKENS, required=False
    )
    seen = SeenField()


class CountsSerializer(serializers.Serializer[Any]):
    """Examples that wait for this person, without those that colleagues have open."""

    sent_back = serializers.IntegerField()
    feedback = serializers.IntegerField()
    edge = serializers.IntegerField()
    rest = serializers.IntegerField()
    to_review = serializers.IntegerField()
    held_by_others = serializers.IntegerField()


class InReviewSerializer(ExampleSerializer):
    """An example in review, who has it open, and whether this person submitted it."""

    held_by = serializers.CharField(allow_null=True, read_only=True)
    own = serializers.BooleanField(read_only=True)

    class Meta:
        model = Example
        fields = (*ExampleSerializer.Meta.fields, "held_by", "own")
        read_only_fields = fields


class AcceptSerializer(Body):
    """`content` corrects the example first. `revision` is the one that was read; without it, the one that was opened.

    When the example is at another revision now, nothing is decided (409).
    """

    comment = WrittenField(required=False, allow_blank=True, default="")
    revision = CountField(required=False, default=0)
    content: Body = SubmitSerializer(required=False)


class TypedAcceptSerializer(AcceptSerializer):
    """An incomplete acceptance: the content of a refused one is saved in this shape."""

    content = DraftContentSerializer(required=False)


class SendBackSerializer(Body):
    """`revision` is the one that was read; without it, the one that was opened. Refused (409) when it is not current."""

    comment = WrittenField()
    revision = CountField(required=False, default=0)


class DecisionSerializer(serializers.ModelSerializer[Review]):
    by = PersonSerializer(read_only=True)

    class Meta:
        model = Review
        fields = ("id", "example", "verdict", "comment", "by", "at", "undone_at")
        read_only_fields = fields


class ListedSerializer(Body):
    """An example of a list: it is decided only while it is still at this revision."""

    example = IdField()
    revision = CountField(min_value=1)


class AcceptManySerializer(Body):
    examples = serializers.ListField(child=ListedSerializer(), allow_empty=False, max_length=500)


class ReturnManySerializer(AcceptManySerializer):
    comment = WrittenField(max_length=5000, help_text="What would be right; one comment for all.")


class LeftSerializer(serializers.Serializer[Any]):
    example = serializers.IntegerField()
    why = serializers.CharField()


class DecidedManySerializer(serializers.Serializer[Any]):
    left = LeftSerializer(many=True)
    batch = serializers.UUIDField(
        allow_null=True, help_text="To undo all of it within ten minutes: POST decisions/{batch}/undo/."
    )


class AcceptedManySerializer(DecidedManySerializer):
    accepted = serializers.ListField(child=serializers.IntegerField())


class ReturnedManySerializer(DecidedManySerializer):
    returned = serializers.ListField(child=serializers.IntegerField())


class UndoneManySerializer(serializers.Serializer[Any]):
    undone = serializers.ListField(child=serializers.IntegerField())
    left = LeftSerializer(many=True)


class MyWorkSerializer(serializers.Serializer[Any]):
    """The last seven days."""

    submitted = serializers.IntegerField()
    accepted = serializers.IntegerField()
    sent_back = serializers.IntegerField()
    reviewed = serializers.IntegerField()
    open = serializers.IntegerField()
