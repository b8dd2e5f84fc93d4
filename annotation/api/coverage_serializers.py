"""Serializers of coverage, targets and authoring tasks."""

from typing import Any

from rest_framework import serializers

from annotation.checks.languages import LANGUAGES
from annotation.lengths import BANDS
from annotation.models import AuthoringTask, CoverageTarget
from annotation.moods import MOODS
from annotation.queries.authoring import Progress
from annotation.services.coverage import LONGEST_WANTED, MOST_NUMBER, MOST_QUOTA, task_stamp
from core.api.fields import Body, CountField, IdField, SeenField, TextField
from core.api.serializers import PersonSerializer


class TargetSerializer(serializers.ModelSerializer[CoverageTarget]):
    owner = PersonSerializer(read_only=True, allow_null=True)

    class Meta:
        model = CoverageTarget
        fields = ("id", "slice", "edge", "length", "language", "mood", "amount", "unit", "owner", "set_at")
        read_only_fields = fields


class CoveragePartSerializer(serializers.Serializer[Any]):
    """A part of the data. `wanted` is 0 without a target."""

    name = serializers.CharField()
    slice = serializers.CharField()
    edge = serializers.CharField()
    length = serializers.CharField()
    language = serializers.CharField(help_text="Its code: de.")
    mood = serializers.CharField()
    approved = serializers.IntegerField()
    in_work = serializers.IntegerField()
    wanted = serializers.IntegerField()
    missing = serializers.IntegerField()


class SourcePartSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    approved = serializers.IntegerField()
    in_work = serializers.IntegerField()


class HoleSerializer(serializers.Serializer[Any]):
    words = serializers.CharField()
    missing = serializers.IntegerField(help_text="How many examples to ask for.")
    slice = serializers.CharField(source="part.slice")
    edge = serializers.CharField(source="part.edge")
    length = serializers.CharField(source="part.length")
    language = serializers.CharField(source="part.language")
    mood = serializers.CharField(source="part.mood")


class CoverageSerializer(serializers.Serializer[Any]):
    approved = serializers.IntegerField()
    in_work = serializers.IntegerField()
    slices = CoveragePartSerializer(many=True)
    edges = CoveragePartSerializer(many=True)
    cells = CoveragePartSerializer(many=True)
    sources = SourcePartSerializer(many=True)
    lengths = CoveragePartSerializer(
        many=True, help_text="As the newest map counted them; empty before the first."
    )
    languages = CoveragePartSerializer(many=True, help_text="Of the conversations, as the checks read them.")
    moods = CoveragePartSerializer(many=True, help_text="Of the customers, in English conversations.")
    not_read = serializers.IntegerField(help_text="Examples whose language and mood no check has read yet.")
    missing = HoleSerializer(many=True)
    more_than_needed = serializers.ListField(child=serializers.CharField())


class SetTargetSerializer(Body):
    slice = TextField(max_length=120, required=False, default="", allow_blank=True)
    edge = TextField(max_length=24, required=False, default="", allow_blank=True)
    length = serializers.ChoiceField(choices=list(BANDS), required=False, default="", allow_blank=True)
    language = serializers.ChoiceField(choices=list(LANGUAGES), required=False, default="", allow_blank=True)
    mood = serializers.ChoiceField(choices=list(MOODS), required=False, default="", allow_blank=True)
    amount = serializers.IntegerField(min_value=1, max_value=MOST_NUMBER)
    unit = serializers.ChoiceField(choices=CoverageTarget.Unit.choices, required=False, default="number")
    owner = IdField(required=False, allow_null=True)


class TaskSerializer(serializers.Serializer[Any]):
    """A task with its progress: examples that were written for it and are approved, and those in work."""

    id = serializers.IntegerField(source="task.pk")
    slice = serializers.CharField(source="task.slice")
    edge = serializers.CharField(source="task.edge")
    language = serializers.CharField(source="task.language")
    mood = serializers.CharField(source="task.mood")
    wanted = serializers.CharField(source="task.wanted")
    quota = serializers.IntegerField(source="task.quota")
    owner = PersonSerializer(source="task.owner", allow_null=True)
    due_on = serializers.DateField(source="task.due_on", allow_null=True)
    status = serializers.ChoiceField(source="task.status", choices=AuthoringTask.Status.choices)
    approved = serializers.IntegerField()
    waiting = serializers.IntegerField()
    created_at = serializers.DateTimeField(source="task.created_at")
    ended_at = serializers.DateTimeField(source="task.ended_at", allow_null=True)
    seen = serializers.SerializerMethodField()

    def get_seen(self, progress: Progress) -> str:
        return task_stamp(progress.task)


class TaskFilterSerializer(Body):
    status = serializers.ChoiceField(choices=AuthoringTask.Status.choices, required=False)


class NewTaskSerializer(Body):
    slice = TextField(max_length=120, required=False, default="", allow_blank=True)
    edge = TextField(max_length=24, required=False, default="", allow_blank=True)
    language = serializers.ChoiceField(choices=list(LANGUAGES), required=False, default="", allow_blank=True)
    mood = serializers.ChoiceField(choices=list(MOODS), required=False, default="", allow_blank=True)
    wanted = TextField(max_length=LONGEST_WANTED, required=False, default="", allow_blank=True)
    quota = CountField(min_value=1, help_text=f"At most {MOST_QUOTA}.")
    owner = IdField(
        required=False, allow_null=True, help_text="An annotator; without one it is for every annotator."
    )
    due_on = serializers.DateField(required=False, allow_null=True)


class TaskChangeSerializer(Body):
    wanted = TextField(max_length=LONGEST_WANTED, required=False)
    quota = CountField(min_value=1, required=False)
    owner = IdField(required=False, allow_null=True)
    due_on = serializers.DateField(required=False, allow_null=True)
    seen = SeenField()
