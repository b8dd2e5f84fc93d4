"""Serializers of datasheets and reports."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.api.fields import Body, CountField, WrittenField, declared
from core.api.serializers import PersonSerializer, RunSerializer
from dataset.models import DatasheetAnswer, RowFinding
from dataset.questions import ASKED, MOST_ANSWER


class DatasheetAnswerSerializer(serializers.ModelSerializer[DatasheetAnswer]):
    """An answer to one question. `for_version`: it was written for this version; else for the project, and stood at the freeze.
    An `id` of null with an empty text: not answered."""

    id = serializers.IntegerField(read_only=True, allow_null=True)
    by = PersonSerializer(read_only=True, allow_null=True)
    at = serializers.DateTimeField(read_only=True, allow_null=True)
    for_version = serializers.SerializerMethodField()

    class Meta:
        model = DatasheetAnswer
        fields = ("id", "question", "text", "by", "at", "for_version")
        read_only_fields = fields

    def get_for_version(self, answer: DatasheetAnswer) -> bool:
        return answer.dataset_id is not None


class FactTableSerializer(serializers.Serializer[Any]):
    columns = serializers.ListField(child=serializers.CharField())
    rows = serializers.ListField(child=serializers.ListField(child=serializers.CharField()))


class SheetEntrySerializer(serializers.Serializer[Any]):
    """A question. `facts` are what the database knows; `asked` says whether people are asked, too."""

    key = serializers.CharField(source="question.key")
    question = serializers.CharField(source="question.words")
    asked = serializers.BooleanField(source="question.asked")
    facts = serializers.ListField(source="facts.lines", child=serializers.CharField())
    table = FactTableSerializer(source="facts.table", allow_null=True)
    answer = DatasheetAnswerSerializer(allow_null=True)


class SectionSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    questions = SheetEntrySerializer(many=True)


class DatasheetSerializer(serializers.Serializer[Any]):
    """Facts about later versions and uses are of `made_at`, all others of the freeze. Without `has_report`, sources, licenses and
    findings are not known yet. `answered` of `asked` questions to people have an answer."""

    title = serializers.CharField()
    number = serializers.IntegerField(source="dataset.number")
    content_hash = serializers.CharField(source="dataset.content_hash")
    frozen_at = serializers.DateTimeField(source="dataset.created_at")
    made_at = serializers.DateTimeField(source="at")
    has_report = serializers.BooleanField()
    answered = serializers.IntegerField()
    asked = serializers.IntegerField()
    sections = serializers.SerializerMethodField()

    @extend_schema_field(SectionSerializer(many=True))
    def get_sections(self, sheet: Any) -> list[dict[str, Any]]:
        named = [{"name": name, "questions": entries} for name, entries in sheet.sections]
        return [dict(one) for one in SectionSerializer(named, many=True).data]


class NewAnswerSerializer(Body):
    question = serializers.ChoiceField(choices=ASKED)
    text = WrittenField(max_length=MOST_ANSWER, allow_blank=True)
    seen = CountField(
        required=False,
        allow_null=True,
        help_text="The `id` of the answer that was read, 0 for none: refused (409) when another one stands. Optional.",
    )


class NewVersionAnswerSerializer(NewAnswerSerializer):
    also_later = serializers.BooleanField(
        required=False, default=False, help_text="Also for the versions that are frozen later."
    )


class SourceRowsSerializer(serializers.Serializer[Any]):
    source = declared(serializers.CharField(source="name"))
    license = serializers.CharField()
    rows = serializers.IntegerField()


class FindingRowsSerializer(serializers.Serializer[Any]):
    check = serializers.CharField()
    level = serializers.ChoiceField(choices=RowFinding.Level.choices)
    rows = serializers.IntegerField()
    dismissed = serializers.IntegerField(help_text="Rows in which people had dismissed all of these.")


class ReportFactsSerializer(serializers.Serializer[Any]):
    """Every number counts rows of the version; `noted` had a reason for a finding, `rejected` have a worse answer."""

    made_at = serializers.DateTimeField()
    rows = serializers.IntegerField()
    groups = serializers.IntegerField()
    sources = SourceRowsSerializer(many=True)
    rejected = serializers.IntegerField()
    records = serializers.IntegerField()
    several_turns = serializers.IntegerField()
    noted = serializers.IntegerField()
    checks = serializers.ListField(child=serializers.CharField())
    with_findings = serializers.IntegerField()
    findings = FindingRowsSerializer(many=True)


class ReportSerializer(serializers.Serializer[Any]):
    run = RunSerializer(allow_null=True)
    facts = ReportFactsSerializer(allow_null=True)


class RowFindingSerializer(serializers.ModelSerializer[RowFinding]):
    """What a check found in one row: its first finding of this level, how many there are, and how many of them people had dismissed when
    the report was made, the first one with its reason."""

    example = serializers.IntegerField(source="row.example_id", read_only=True)
    check = serializers.CharField(source="check_name", read_only=True)

    dismissed_by = PersonSerializer(read_only=True, allow_null=True)

    class Meta:
        model = RowFinding
        fields = (
            "position",
            "example",
            "check",
            "level",
            "says",
            "found",
            "dismissed",
            "dismissed_by",
            "reason",
        )
        read_only_fields = fields
