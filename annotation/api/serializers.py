"""What the queue and reviews look like in the API."""

from typing import Any

from rest_framework import serializers

from annotation.api.example_serializers import ExampleSerializer
from annotation.models import Draft, Example, Lease, Review
from core.api.fields import Body, CountField, IdField, TextField, WrittenField
from core.api.serializers import PersonSerializer

ONLY = ("edge", "returned", "feedback")


class LeaseSerializer(serializers.ModelSerializer[Lease]):
    """An item that is this person's until `expires_at`, and the example in it."""

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
    """Which part of the queue to take from; everything is optional."""

    slice = TextField(required=False, allow_blank=True, max_length=120)
    edge = serializers.ChoiceField(required=False, allow_blank=True, choices=Example.Edge.choices)
    origin = serializers.ChoiceField(required=False, allow_blank=True, choices=Example.Origin.choices)
    only = serializers.ChoiceField(required=False, allow_blank=True, choices=ONLY)


def _text(**more: Any) -> serializers.CharField:
    """Words as they were typed: nothing at all is fine, and spaces at the ends stay."""
    return WrittenField(required=False, allow_blank=True, default="", **more)


class DraftMessageSerializer(Body):
    """A turn that may not be written yet."""

    role = serializers.ChoiceField(choices=["system", "user", "assistant"], required=False, default="user")
    content = _text()


class DraftContentSerializer(Body):
    """A pair in any state of being written: empty turns, records and tags are fine, and so are over-long texts."""

    messages = DraftMessageSerializer(many=True, required=False, default=list)
    context = serializers.ListField(  # type: ignore[assignment]  # a field, not DRF's property of that name
        child=_text(), required=False, default=list
    )
    completion = _text()
    slice = _text()
    edge = _text()
    tags = serializers.ListField(child=_text(), required=False, default=list)
    comment = _text(help_text="A reviewer's comment, as far as it is written.")
    reason = _text(help_text="Why it is right where a check objects, as far as it is written.")
    base_revision = CountField(required=False, default=0, help_text="The revision it was begun from.")


class SubmitSerializer(DraftContentSerializer):
    """A whole pair. `reason` answers a check that objects (code needs_reason). Empty turns, records and tags are left out."""

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
        required=False, allow_blank=True, default="", max_length=300, help_text="Why; for the record."
    )


class SkippedSerializer(serializers.ModelSerializer[Lease]):
    reason = serializers.CharField(source="note", read_only=True)

    class Meta:
        model = Lease
        fields = ("example", "purpose", "reason", "finished_at")
        read_only_fields = fields


class CheckedSerializer(serializers.Serializer[Any]):
    check = serializers.CharField()
    level = serializers.ChoiceField(choices=("ok", "warn", "bad"))
    says = serializers.CharField()
    example = serializers.IntegerField(allow_null=True, help_text="The example it speaks of.")


class CountsSerializer(serializers.Serializer[Any]):
    """What waits for this person; what colleagues have open is left out."""

    sent_back = serializers.IntegerField()
    feedback = serializers.IntegerField()
    edge = serializers.IntegerField()
    rest = serializers.IntegerField()
    to_review = serializers.IntegerField()
    held_by_others = serializers.IntegerField()


class InReviewSerializer(ExampleSerializer):
    """An example in review, who has it open and whether the asking person submitted it."""

    held_by = serializers.CharField(allow_null=True, read_only=True)
    own = serializers.BooleanField(read_only=True)

    class Meta:
        model = Example
        fields = (*ExampleSerializer.Meta.fields, "held_by", "own")
        read_only_fields = fields


class AcceptSerializer(Body):
    """`content` corrects the pair first. `revision` is the one that was read; without it, the one that was opened.

    When the pair is at another one by now, nothing is decided (409).
    """

    comment = WrittenField(required=False, allow_blank=True, default="")
    revision = CountField(required=False, default=0)
    content = SubmitSerializer(required=False)


class TypedAcceptSerializer(AcceptSerializer):
    """An acceptance as far as it is written: what is refused as one is kept as this."""

    content = DraftContentSerializer(required=False)  # type: ignore[assignment]  # takes more


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
    """An example as a list showed it: decided only while it is still at this revision."""

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
        allow_null=True, help_text="Takes all of it back for ten minutes: POST decisions/{batch}/undo/."
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
