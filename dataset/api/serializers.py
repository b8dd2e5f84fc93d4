"""Serializers of examples, imports and dataset versions."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.api.fields import Body, SeenField, TextField
from core.api.serializers import PersonSerializer, RunSerializer
from dataset.models import DataImport, DatasetRow, DatasetVersion, ImportIssue, WithheldRow
from dataset.queries.comparison import Kind
from dataset.services.versions import MAX_SHARE, SEED
from dataset.splits import DEFAULT_SHARES, TEST, VALIDATION


class ImportKeySerializer(serializers.Serializer[Any]):
    """A key of the file's rows that was not imported under its own name."""

    key = serializers.CharField(help_text="Empty for all keys beyond the first 200.")
    what = serializers.ChoiceField(
        choices=("ignored", "read_as"),
        help_text="ignored: not stored; read_as: stored under the name in `says`",
    )
    count = serializers.IntegerField(help_text="rows")
    line = serializers.IntegerField(help_text="The first line with it.")
    says = serializers.CharField(allow_blank=True)


class ImportSerializer(serializers.ModelSerializer[DataImport]):
    """An uploaded file. The counts are final when `stored_at` is set; `run` shows the progress."""

    run = RunSerializer(read_only=True)
    created_by = PersonSerializer(read_only=True, allow_null=True)
    removed_by = PersonSerializer(read_only=True, allow_null=True)
    size_bytes = serializers.IntegerField(source="upload.size_bytes", read_only=True)
    sha256 = serializers.CharField(source="upload.sha256", read_only=True)
    keys = ImportKeySerializer(many=True, read_only=True)

    class Meta:
        model = DataImport
        fields = (
            "id", "file_name", "size_bytes", "sha256", "destination", "default_source", "default_license", "lines",
            "accepted", "repeated", "rejected", "keys", "stored_at", "removed_at", "removed_by", "created_by", "created_at", "run",
        )  # fmt: skip
        read_only_fields = fields


class NewImportSerializer(Body):
    file = serializers.FileField(help_text="UTF-8 JSON Lines")
    destination = serializers.ChoiceField(
        choices=DataImport.Destination.choices, required=False, default=DataImport.Destination.QUEUE
    )
    default_source = TextField(max_length=120, required=False, default="", allow_blank=True)
    default_license = TextField(max_length=120, required=False, default="", allow_blank=True)


class ImportIssueSerializer(serializers.ModelSerializer[ImportIssue]):
    """A line that was not imported. `repeats` is the example it repeats."""

    class Meta:
        model = ImportIssue
        fields = ("line", "kind", "field", "reason", "excerpt", "repeats")
        read_only_fields = fields


class RemovedSerializer(serializers.Serializer[Any]):
    removed = serializers.IntegerField(help_text="examples")


class DatasetSerializer(serializers.ModelSerializer[DatasetVersion]):
    """A dataset version. `content_hash` is SHA-256 over its rows, splits and settings; `same_as` an earlier number."""

    run = RunSerializer(read_only=True, allow_null=True)
    created_by = PersonSerializer(read_only=True, allow_null=True)
    same_as = serializers.IntegerField(source="same_as.number", default=None, read_only=True, allow_null=True)
    settings = serializers.DictField(read_only=True)
    counts = serializers.DictField(read_only=True)

    class Meta:
        model = DatasetVersion
        fields = (
            "id", "number", "note", "status", "content_hash", "same_as", "settings", "counts", "created_by", "created_at",
            "run",
        )  # fmt: skip
        read_only_fields = fields


class FreezeSettingsSerializer(Body):
    """Which examples a freeze takes and how it divides them. Shares are fractions of one: 0.1 is 10%."""

    validation = serializers.FloatField(
        min_value=0, max_value=MAX_SHARE, required=False, default=DEFAULT_SHARES[VALIDATION]
    )
    test = serializers.FloatField(
        min_value=0, max_value=MAX_SHARE, required=False, default=DEFAULT_SHARES[TEST]
    )
    slices = serializers.ListField(child=TextField(), required=False, default=list, max_length=1000)
    sources = serializers.ListField(child=TextField(), required=False, default=list, max_length=1000)
    seed = serializers.IntegerField(min_value=0, max_value=2**31 - 1, required=False, default=SEED)
    separate_near_duplicates = serializers.BooleanField(
        required=False,
        default=True,
        help_text="Keep nearly equal prompts in one split, and withhold rows that nearly repeat a test row.",
    )


class NewDatasetSerializer(FreezeSettingsSerializer):
    """The settings of a freeze, and a note."""

    note = TextField(max_length=300, required=False, default="", allow_blank=True)
    seen = SeenField()


class PreviewSliceSerializer(serializers.Serializer[Any]):
    slice = serializers.CharField()
    approved = serializers.IntegerField()
    new = serializers.IntegerField()


class PreviewSerializer(serializers.Serializer[Any]):
    """What a freeze would take now; `new` counts examples that are not in the newest ready version (`since`).

    `unreviewed` rows were approved without a review. `counts` are the `counts` that the version would have. With many rows
    `whole` is false: prompts were not compared, and near-duplicates can still change the splits. Send `seen` with the
    freeze.
    """

    total = serializers.IntegerField()
    new = serializers.IntegerField()
    unreviewed = serializers.IntegerField()
    since = serializers.IntegerField(allow_null=True)
    counts = serializers.DictField(allow_null=True)
    whole = serializers.BooleanField()
    slices = PreviewSliceSerializer(many=True)
    seen = serializers.CharField()


class DatasetRowSerializer(serializers.ModelSerializer[DatasetRow]):
    """One frozen row, with the text as it was."""

    revision = serializers.IntegerField(source="revision.number", read_only=True)
    content = serializers.SerializerMethodField()

    class Meta:
        model = DatasetRow
        fields = ("position", "example", "revision", "split", "row_hash", "content")
        read_only_fields = fields

    @extend_schema_field(serializers.DictField())
    def get_content(self, row: DatasetRow) -> dict[str, Any]:
        return dict(row.revision.content)


class WithheldRowSerializer(serializers.ModelSerializer[WithheldRow]):
    """An approved example that was left out; `repeats` is the test row it would have leaked, and `similarity` the similarity of
    their turns (0.8 to 1) when it nearly repeats it. With reason `control_mark` its text contains `mark`."""

    revision = serializers.IntegerField(source="revision.number", read_only=True)

    class Meta:
        model = WithheldRow
        fields = ("example", "revision", "split", "reason", "repeats", "similarity", "mark")
        read_only_fields = fields


class DifferenceSerializer(serializers.Serializer[Any]):
    """Rows of each kind in this version against the other. `moved` counts every row in another split, also edited ones;
    `only_moved` those in which nothing else differs."""

    added = serializers.IntegerField()
    removed = serializers.IntegerField()
    edited = serializers.IntegerField()
    metadata = serializers.IntegerField()
    moved = serializers.IntegerField()
    only_moved = serializers.IntegerField()
    unchanged = serializers.IntegerField()


class ComparedRowSerializer(serializers.Serializer[Any]):
    """An example in one or both versions. `row` is its frozen row in this version, `other_row` the one in the other; null where it
    is missing. `withheld` is why the version without it left it out, when it was approved."""

    example = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=Kind.choices)
    moved = serializers.BooleanField(help_text="The two rows are in different splits.")
    row = serializers.DictField(allow_null=True)
    other_row = serializers.DictField(allow_null=True)
    withheld = serializers.CharField(source="withheld.reason", default=None, allow_null=True)


class SettingChangeSerializer(serializers.Serializer[Any]):
    setting = serializers.CharField(source="label")
    old = serializers.CharField()
    new = serializers.CharField()


class VersionComparisonSerializer(serializers.Serializer[Any]):
    """`counts` are of all rows, or of those in the chosen slice; `results` is one page of the rows that differ, or of one kind.
    Without `same_format` a change of group, source or license cannot be seen."""

    count = serializers.IntegerField()
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    counts = DifferenceSerializer()
    settings = SettingChangeSerializer(many=True)
    same_format = serializers.BooleanField()
    results = ComparedRowSerializer(many=True)


class IssueQuerySerializer(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=ImportIssue.Kind.choices, required=False)
