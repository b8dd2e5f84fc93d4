"""What releases look like in the API."""

from typing import Any

from rest_framework import serializers

from core.api.serializers import PersonSerializer
from evaluation.api.serializers import VersionNameSerializer
from release.models import Release
from release.queries import Candidate, Standing


class CheckSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    result = serializers.ChoiceField(choices=["pass", "hold", "fail"])
    says = serializers.CharField()


class GateSerializer(serializers.Serializer[Any]):
    result = serializers.ChoiceField(choices=["pass", "hold", "fail"])
    says = serializers.CharField()
    checks = CheckSerializer(many=True)


class CandidateSerializer(serializers.Serializer[Candidate]):
    version = VersionNameSerializer()
    served = serializers.BooleanField(source="state.ready")
    gate = GateSerializer()


class ReleaseSerializer(serializers.ModelSerializer[Release]):
    """One change of what is live, with the gate as it stood."""

    version = VersionNameSerializer(read_only=True)
    replaced = VersionNameSerializer(read_only=True, allow_null=True)
    signed_off_by = PersonSerializer(read_only=True)
    gate = CheckSerializer(many=True, read_only=True)

    class Meta:
        model = Release
        fields = ("id", "action", "version", "replaced", "gate", "note", "signed_off_by", "at")


class LiveSerializer(serializers.Serializer[Standing]):
    """What is live (null: nothing), by which release, and what a roll-back would bring back."""

    version = VersionNameSerializer(source="route.version", allow_null=True)
    since = serializers.DateTimeField(source="route.changed_at", allow_null=True)
    release = ReleaseSerializer(allow_null=True)
    previous = VersionNameSerializer(allow_null=True, help_text="What a rollback goes back to.")


class MakeLiveSerializer(serializers.Serializer[Any]):
    """`version` goes live; `replaces` is the id of what is live now (null: nothing), so that nobody overwrites unseen."""

    version = serializers.IntegerField()
    replaces = serializers.IntegerField(allow_null=True)
    sign_off = serializers.BooleanField()
    note = serializers.CharField(required=False, default="", allow_blank=True)


class RollBackSerializer(serializers.Serializer[Any]):
    """`away_from` is the id of what is live now; `reason` is kept in the history and in the audit."""

    away_from = serializers.IntegerField()
    reason = serializers.CharField(max_length=2000)


class StepSerializer(serializers.Serializer[Any]):
    kind = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    url = serializers.CharField()
    detail = serializers.CharField()


class LineageSerializer(serializers.Serializer[Any]):
    steps = StepSerializer(many=True)
