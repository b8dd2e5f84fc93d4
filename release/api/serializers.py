"""Shapes of release's API."""

from typing import Any

from rest_framework import serializers

from core.api.fields import Body, IdField, TextField, declared
from core.api.serializers import PersonSerializer
from evaluation.api.serializers import VersionNameSerializer
from release.models import Release
from release.queries import Candidate, Standing


class CheckSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    label = declared(serializers.CharField())
    result = serializers.ChoiceField(choices=["pass", "hold", "fail"])
    says = serializers.CharField()


class GateSerializer(serializers.Serializer[Any]):
    result = serializers.ChoiceField(choices=["pass", "hold", "fail"])
    says = serializers.CharField()
    checks = CheckSerializer(many=True)


class SliceLossSerializer(serializers.Serializer[Any]):
    """One slice: losses in nats per token of the same rows; `against_opponent` is "unknown" with too few rows."""

    slice = serializers.CharField()
    n = serializers.IntegerField()
    groups = serializers.IntegerField()
    loss = serializers.FloatField()
    opponent_loss = serializers.FloatField(source="other")
    difference = serializers.FloatField()
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    against_opponent = serializers.ChoiceField(
        source="result", choices=["worse", "not worse", "better", "unsure", "unknown"]
    )


class LossSerializer(serializers.Serializer[Candidate]):
    """Its loss and its opponent's on the same test rows, in nats per token; figures are null before they are
    measured."""

    state = serializers.ChoiceField(
        source="held_out.state",
        choices=["no_opponent", "missing", "running", "failed", "outdated", "measured"],
    )
    opponent = serializers.CharField(source="held_out.opponent")
    n = serializers.IntegerField(source="loss.overall.n", allow_null=True, default=None)
    groups = serializers.IntegerField(source="loss.overall.groups", allow_null=True, default=None)
    loss = serializers.FloatField(source="loss.overall.loss", allow_null=True, default=None)
    opponent_loss = serializers.FloatField(source="loss.overall.other", allow_null=True, default=None)
    difference = serializers.FloatField(source="loss.overall.difference", allow_null=True, default=None)
    low = serializers.FloatField(source="loss.overall.low", allow_null=True, default=None)
    high = serializers.FloatField(source="loss.overall.high", allow_null=True, default=None)
    slices = SliceLossSerializer(source="loss.slices", many=True)


class CandidateSerializer(serializers.Serializer[Candidate]):
    version = VersionNameSerializer()
    served = serializers.BooleanField(source="state.ready")
    gate = GateSerializer()
    test_loss = LossSerializer(source="*")


class ReleaseSerializer(serializers.ModelSerializer[Release]):
    """One change of the live version, with the gate at that moment."""

    version = VersionNameSerializer(read_only=True)
    replaced = VersionNameSerializer(read_only=True, allow_null=True)
    signed_off_by = PersonSerializer(read_only=True)
    gate = CheckSerializer(many=True, read_only=True)
    gate_says = serializers.CharField(read_only=True)

    class Meta:
        model = Release
        fields = ("id", "action", "version", "replaced", "gate", "gate_says", "note", "signed_off_by", "at")


class LiveSerializer(serializers.Serializer[Standing]):
    """The live version (null: nothing), its release, and the target of a rollback."""

    version = VersionNameSerializer(source="route.version", allow_null=True)
    since = serializers.DateTimeField(source="route.changed_at", allow_null=True)
    release = ReleaseSerializer(allow_null=True)
    previous = VersionNameSerializer(allow_null=True, help_text="The target of a rollback.")


class MakeLiveSerializer(Body):
    """`version` goes live; `replaces` is the id of the live version (null: nothing), so that nobody replaces a version
    unseen.

    `gate` has the result of each criterion that you read, by its name; if one is worse now, the release is refused
    (409).
    """

    version = IdField()
    replaces = IdField(allow_null=True)
    sign_off = serializers.BooleanField()
    note = TextField(required=False, default="", allow_blank=True)
    gate = serializers.DictField(
        child=serializers.ChoiceField(choices=("pass", "hold", "fail")),
        required=False,
        allow_null=True,
        default=None,
    )


class RollBackSerializer(Body):
    """`away_from` is the id of the live version; `reason` is shown in the history and the audit."""

    away_from = IdField()
    reason = TextField(max_length=2000)


class StepSerializer(serializers.Serializer[Any]):
    kind = serializers.CharField()
    label = declared(serializers.CharField())
    url = serializers.CharField()
    detail = serializers.CharField()


class LineageSerializer(serializers.Serializer[Any]):
    steps = StepSerializer(many=True)


class BudgetSerializer(serializers.Serializer[Any]):
    """The largest forgetting that a release may have: points of right answers and of refusals, nats per token."""

    answers = serializers.FloatField()
    refusals = serializers.FloatField()
    loss = serializers.FloatField()


class SetBudgetSerializer(Body):
    answers = serializers.FloatField(min_value=0, max_value=100)
    refusals = serializers.FloatField(min_value=0, max_value=100)
    loss = serializers.FloatField(min_value=0, max_value=10)
