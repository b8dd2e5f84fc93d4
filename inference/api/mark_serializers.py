"""Serializers of marks of chat answers."""

from rest_framework import serializers

from core.api.fields import Body, TextField, declared
from inference.marks import AnswerMark
from inference.services.marks import MAX_REASON


class NewMarkSerializer(Body):
    good = serializers.BooleanField()
    reason = TextField(max_length=MAX_REASON, required=False, default="", allow_blank=True)


class MarkSerializer(serializers.ModelSerializer[AnswerMark]):
    example = declared(
        serializers.IntegerField(
            source="revision.example_id", help_text="The example that its question became."
        )
    )

    class Meta:
        model = AnswerMark
        fields = ("good", "reason", "example", "marked_at")
