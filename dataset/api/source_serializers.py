"""Serializers of sources, data rules and withdrawals."""

from typing import Any

from rest_framework import serializers

from annotation.models import Example
from core.api.fields import Body, IdField, SeenField, TextField, WrittenField
from core.api.serializers import PersonSerializer
from dataset.data_rules import CHOICES
from dataset.licenses import about, license_of
from dataset.models import Source, SourcePartner, Withdrawal
from dataset.queries.withdrawals import PlanItem
from dataset.services.sources import LONGEST_DESCRIPTION, LONGEST_NAME, LONGEST_NOTE, source_stamp
from dataset.services.withdrawals import LONGEST_REASON


class SourceSerializer(serializers.ModelSerializer[Source]):
    """Where examples come from, and whether they may be used. Send `seen` when you change it.

    `known_license` is the identifier of the well-known license that `license` names, empty for an unknown one.
    """

    known_license = serializers.SerializerMethodField()
    license_facts = serializers.SerializerMethodField()
    seen = serializers.SerializerMethodField()

    class Meta:
        model = Source
        fields = (
            "id", "name", "description", "license", "known_license", "license_facts", "consent", "consent_note", "owner",
            "contact", "expires_on", "withdrawn_at", "withdrawn_reason", "created_at", "changed_at", "seen",
        )  # fmt: skip
        read_only_fields = fields

    def get_known_license(self, source: Source) -> str:
        found = license_of(source.license)
        return found.identifier if found else ""

    def get_license_facts(self, source: Source) -> str:
        return about(source.license)

    def get_seen(self, source: Source) -> str:
        return source_stamp(source)


class NewSourceSerializer(Body):
    name = TextField(max_length=LONGEST_NAME)
    description = WrittenField(required=False, default="", allow_blank=True, max_length=LONGEST_DESCRIPTION)
    license = TextField(max_length=LONGEST_NAME, required=False, default="", allow_blank=True)
    consent = serializers.ChoiceField(
        choices=Source.Consent.choices, required=False, default=Source.Consent.UNKNOWN
    )
    consent_note = TextField(max_length=LONGEST_NOTE, required=False, default="", allow_blank=True)
    owner = TextField(max_length=LONGEST_NAME, required=False, default="", allow_blank=True)
    contact = TextField(max_length=200, required=False, default="", allow_blank=True)
    expires_on = serializers.DateField(
        required=False, default=None, allow_null=True, help_text="The last day of use."
    )


class SourceChangeSerializer(Body):
    """What you want to change; fields that are left out stay."""

    name = TextField(max_length=LONGEST_NAME, required=False)
    description = WrittenField(required=False, allow_blank=True, max_length=LONGEST_DESCRIPTION)
    license = TextField(max_length=LONGEST_NAME, required=False, allow_blank=True)
    consent = serializers.ChoiceField(choices=Source.Consent.choices, required=False)
    consent_note = TextField(max_length=LONGEST_NOTE, required=False, allow_blank=True)
    owner = TextField(max_length=LONGEST_NAME, required=False, allow_blank=True)
    contact = TextField(max_length=200, required=False, allow_blank=True)
    expires_on = serializers.DateField(required=False, allow_null=True)
    seen = SeenField()


class SourceExampleSerializer(serializers.ModelSerializer[Example]):
    """An example of a source, without the people who worked on it."""

    class Meta:
        model = Example
        fields = (
            "id", "status", "messages", "context", "completion", "slice", "edge", "tags", "license", "external_id", "changed_at",
        )  # fmt: skip
        read_only_fields = fields


class SourceReasonSerializer(Body):
    reason = TextField(max_length=LONGEST_REASON)
    seen = SeenField()


class SourcePartnerSerializer(serializers.ModelSerializer[SourcePartner]):
    """A partner who sees the source. `membership` is the id of their membership of the project."""

    user = PersonSerializer(source="membership.user", read_only=True)

    class Meta:
        model = SourcePartner
        fields = ("id", "membership", "user", "added_at")
        read_only_fields = fields


class NewPartnerSerializer(Body):
    membership = IdField()


class DataRulesSerializer(serializers.Serializer[Any]):
    rules = serializers.ListField(child=serializers.ChoiceField(choices=[rule.value for rule in CHOICES]))
    seen = serializers.CharField()


class DataRulesChangeSerializer(Body):
    rules = serializers.ListField(
        child=serializers.ChoiceField(choices=[rule.value for rule in CHOICES]), max_length=len(CHOICES)
    )
    seen = SeenField()


class PlanItemSerializer(serializers.Serializer[PlanItem]):
    """A dataset version or something made of it. `use` names it in requests; `rows` are the source's rows by split."""

    use = serializers.CharField(source="key")
    kind = serializers.CharField()
    name = serializers.CharField()
    url = serializers.CharField()
    rows = serializers.DictField(child=serializers.IntegerField())
    advice = serializers.CharField()
    state = serializers.ChoiceField(choices=("open", "done", "accepted"))
    says = serializers.CharField()
    by = PersonSerializer(allow_null=True)
    at = serializers.DateTimeField(allow_null=True)
    notes = serializers.ListField(child=serializers.CharField())


class WithdrawalSerializer(serializers.ModelSerializer[Withdrawal]):
    """A withdrawal of a source. `run` retires its examples, `restore_run` gives them back their status."""

    by = PersonSerializer(read_only=True, allow_null=True)
    restored_by = PersonSerializer(read_only=True, allow_null=True)

    class Meta:
        model = Withdrawal
        fields = ("id", "source", "reason", "by", "at", "restored_by", "restored_at", "run", "restore_run")
        read_only_fields = fields


class WithdrawalPlanSerializer(serializers.Serializer[Any]):
    withdrawal = WithdrawalSerializer()
    retired = serializers.IntegerField(help_text="Examples that are retired because of it now.")
    plan = PlanItemSerializer(many=True)


class AcceptUseSerializer(Body):
    use = TextField(max_length=60, help_text="The `use` of an item of the plan.")
    reason = TextField(max_length=LONGEST_REASON)


class ReopenUseSerializer(Body):
    use = TextField(max_length=60, help_text="The `use` of an item of the plan.")
