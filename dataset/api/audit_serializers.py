"""Serializers of bias audits, lexicons and twins."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from annotation.api.example_serializers import MessageSerializer
from core.api.fields import Body, CountField, IdField, TextField, WrittenField, declared
from core.api.serializers import PersonSerializer, RunSerializer
from dataset.fairness.differences import CORRECTIONS
from dataset.fairness.words import SHIPPED
from dataset.models import AuditDecision, AuditFinding, BiasAudit, Twin
from dataset.queries.audits import findings_in, is_complete, last_hash
from dataset.services.twins import MOST_TWINS


class NewAuditSerializer(Body):
    dataset = CountField(
        min_value=1,
        required=False,
        allow_null=True,
        help_text="The number of a version; without it the approved examples.",
    )
    correction = serializers.ChoiceField(choices=sorted(CORRECTIONS), required=False, default="holm")


class AuditDecisionSerializer(serializers.ModelSerializer[AuditDecision]):
    """`record_hash`: SHA-256 over the decision and the hash before it."""

    by = PersonSerializer(read_only=True, allow_null=True)

    class Meta:
        model = AuditDecision
        fields = ("decision", "reason", "by", "by_name", "at", "carried_from", "record_hash")
        read_only_fields = fields


class AuditFindingSerializer(serializers.ModelSerializer[AuditFinding]):
    """A difference that stands after the correction; its decisions, the newest first."""

    decisions = AuditDecisionSerializer(many=True, read_only=True)

    class Meta:
        model = AuditFinding
        fields = ("id", "characteristic", "group", "outcome", "says", "figures", "status", "decisions")
        read_only_fields = fields


class BiasAuditSerializer(serializers.ModelSerializer[BiasAudit]):
    """`made_at` is null until the audit has ended. `still_open` of `found` findings are open."""

    dataset = serializers.IntegerField(source="dataset.number", allow_null=True, default=None, read_only=True)
    run = RunSerializer(read_only=True, allow_null=True)
    created_by = PersonSerializer(read_only=True, allow_null=True)
    found = serializers.IntegerField(read_only=True)
    still_open = serializers.IntegerField(read_only=True)

    class Meta:
        model = BiasAudit
        fields = (
            "number", "dataset", "settings", "content_hash", "made_at", "created_by", "created_at", "found", "still_open", "run",
        )  # fmt: skip
        read_only_fields = fields


class WholeAuditSerializer(serializers.ModelSerializer[BiasAudit]):
    """With the figures, the lexicons that it used and its findings. `complete`: figures and decisions are what their hashes name;
    `record_hash` is that of the newest decision."""

    dataset = serializers.IntegerField(source="dataset.number", allow_null=True, default=None, read_only=True)
    run = RunSerializer(read_only=True, allow_null=True)
    created_by = PersonSerializer(read_only=True, allow_null=True)
    found = serializers.IntegerField(read_only=True)
    still_open = serializers.IntegerField(read_only=True)
    findings = serializers.SerializerMethodField()
    complete = serializers.SerializerMethodField()
    record_hash = serializers.SerializerMethodField()

    class Meta:
        model = BiasAudit
        fields = (
            "number", "dataset", "settings", "content_hash", "made_at", "created_by", "created_at", "found", "still_open", "run",
            "facts", "lexicons", "findings", "complete", "record_hash",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(AuditFindingSerializer(many=True))
    def get_findings(self, audit: BiasAudit) -> list[dict[str, Any]]:
        return [dict(one) for one in AuditFindingSerializer(findings_in(audit), many=True).data]

    def get_complete(self, audit: BiasAudit) -> bool:
        return audit.made_at is None or is_complete(audit)

    def get_record_hash(self, audit: BiasAudit) -> str:
        return last_hash(audit)


class DecideSerializer(Body):
    decision = serializers.ChoiceField(choices=AuditDecision.Decision.choices)
    reason = TextField(max_length=500)


class LexiconGroupSerializer(Body):
    """Each part is {kind: [word]}. `key` is empty for a new group; `target` is a share of one."""

    key = TextField(required=False, allow_blank=True, default="", max_length=40)
    label = declared(TextField(max_length=80))
    target = serializers.FloatField(required=False, allow_null=True, default=None, min_value=0, max_value=1)
    names = serializers.DictField(child=serializers.ListField(child=TextField(max_length=80)), required=False)
    pronouns = serializers.DictField(
        child=serializers.ListField(child=TextField(max_length=80)), required=False
    )
    terms = serializers.DictField(child=serializers.ListField(child=TextField(max_length=80)), required=False)


class ChangedLexiconSerializer(Body):
    groups = LexiconGroupSerializer(many=True)
    revision = CountField(
        required=False,
        allow_null=True,
        help_text="The `revision` that was read: refused (409) when it is another now.",
    )


class LexiconSerializer(serializers.Serializer[Any]):
    """`revision` is 0 while the project uses the lexicon that comes with Guildhall."""

    characteristic = serializers.CharField()
    label = declared(serializers.CharField())
    revision = serializers.IntegerField()
    groups = LexiconGroupSerializer(many=True)


class NewTwinsSerializer(Body):
    """Swaps the groups `one` and `other` of a characteristic, in chosen examples or in those of a finding."""

    characteristic = serializers.ChoiceField(choices=list(SHIPPED))
    one = TextField(max_length=40)
    other = TextField(max_length=40)
    examples = serializers.ListField(child=IdField(), required=False, max_length=1000)
    finding = IdField(required=False, allow_null=True)
    most = CountField(min_value=1, required=False, default=MOST_TWINS)


class TwinSerializer(serializers.ModelSerializer[Twin]):
    """`example` is the original, `made` the example that an accepted twin became; `swaps` by text, with a `doubt` where a person must
    look."""

    class Meta:
        model = Twin
        fields = (
            "id", "example", "characteristic", "one", "other", "messages", "context", "completion", "swaps", "doubts", "status",
            "finding", "made", "decided_at",
        )  # fmt: skip
        read_only_fields = fields


class AcceptTwinSerializer(Body):
    """Texts that are given replace those of the twin."""

    messages = MessageSerializer(many=True, required=False)
    context = declared(serializers.ListField(child=WrittenField(), required=False))
    completion = WrittenField(required=False)
    reason = TextField(required=False, allow_blank=True, default="", max_length=300)
