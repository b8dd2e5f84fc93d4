"""What findings of the checks look like in the API."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from annotation.api.serializers import LeftSerializer
from annotation.models import ExampleFinding
from annotation.services.quality import DISMISS, FIX, LEAVE_OUT, REOPEN
from core.api.fields import Body, IdField, TextField, declared
from core.api.serializers import PersonSerializer, RunSerializer

_FIELDS = ("completion", "context", "messages")


class SpanSerializer(serializers.Serializer[Any]):
    """Characters [start, end) of one text: `field`, and `index` which of its texts."""

    field = serializers.ChoiceField(choices=_FIELDS)
    index = serializers.IntegerField()
    start = serializers.IntegerField()
    end = serializers.IntegerField()
    tone = serializers.ChoiceField(choices=("ok", "warn", "bad"))


class ReplacementSerializer(serializers.Serializer[Any]):
    """Characters [start, end) of one text become `text`."""

    field = serializers.ChoiceField(choices=_FIELDS)
    index = serializers.IntegerField()
    start = serializers.IntegerField()
    end = serializers.IntegerField()
    text = serializers.CharField()


class ExampleFindingSerializer(serializers.ModelSerializer[ExampleFinding]):
    """A finding of a check. `spans` and `fixes` are places in the text with `content_hash`; `fixes` are made together."""

    check_name = serializers.CharField(read_only=True)
    spans = serializers.SerializerMethodField()
    fixes = serializers.SerializerMethodField()
    decided_by = PersonSerializer(read_only=True, allow_null=True)

    class Meta:
        model = ExampleFinding
        fields = (
            "id", "example", "other", "check_name", "kind", "level", "says", "spans", "fixes", "content_hash", "status", "found_at",
            "decided_by", "decided_at", "reason", "batch", "revision",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(SpanSerializer(many=True))
    def get_spans(self, finding: ExampleFinding) -> list[dict[str, Any]]:
        return [
            dict(zip(("field", "index", "start", "end", "tone"), span, strict=True)) for span in finding.spans
        ]

    @extend_schema_field(ReplacementSerializer(many=True))
    def get_fixes(self, finding: ExampleFinding) -> list[dict[str, Any]]:
        return [
            dict(zip(("field", "index", "start", "end", "text"), fix, strict=True)) for fix in finding.fixes
        ]


class KindCountSerializer(serializers.Serializer[Any]):
    """The findings of one check and kind: open problems and warnings, dismissed and fixed ones."""

    check_name = serializers.CharField(source="check")
    kind = serializers.CharField()
    bad = serializers.IntegerField()
    warn = serializers.IntegerField()
    dismissed = serializers.IntegerField()
    fixed = serializers.IntegerField()


class MatchingSerializer(Body):
    """The filters of the list of findings; all fields are optional but `upto`, the newest id that you have seen."""

    upto = IdField()
    check_name = TextField(required=False, max_length=40)
    kind = TextField(required=False, max_length=40)
    level = serializers.ChoiceField(required=False, choices=ExampleFinding.Level.choices)
    slice = TextField(required=False, max_length=120, help_text="“-” for examples without a slice.")
    source = declared(TextField(required=False, max_length=120))
    import_id = IdField(required=False)
    example = IdField(required=False)


class SettleSerializer(Body):
    """What to do with findings: those listed, or all that match. A dismissal needs `reason`, and so does `leave-out`, which retires the
    examples; a fix is made only where the finding has one."""

    do = serializers.ChoiceField(choices=(FIX, DISMISS, REOPEN, LEAVE_OUT))
    findings = serializers.ListField(child=IdField(), required=False, allow_empty=False, max_length=500)
    matching: Body = MatchingSerializer(required=False)
    reason = TextField(required=False, allow_blank=True, default="", max_length=300)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("findings" in attrs) == ("matching" in attrs):
            raise serializers.ValidationError({"findings": ["Give either `findings` or `matching`."]})
        return attrs


class SettledSerializer(serializers.Serializer[Any]):
    """What was done. `run` when there are many and a background job does it. `batch` undoes it within ten minutes."""

    findings = serializers.IntegerField()
    examples = serializers.IntegerField()
    left = LeftSerializer(many=True)
    batch = serializers.UUIDField(allow_null=True)
    run = RunSerializer(allow_null=True)


class CheckStateSerializer(serializers.Serializer[Any]):
    """When all examples were last checked, how many, and the background job that is active or failed."""

    checked_at = serializers.DateTimeField(allow_null=True)
    rows = serializers.IntegerField()
    run = RunSerializer(allow_null=True)
