"""Serializers of examples, imports and dataset versions."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.api.fields import Body, SeenField, TextField
from core.api.serializers import PersonSerializer, RunSerializer
from core.errors import Invalid
from core.lists.numbers import LARGEST_ID
from dataset.mapping import read_mapping
from dataset.models import DataImport, DatasetRow, DatasetVersion, ImportIssue, Upload, WithheldRow
from dataset.queries.comparison import Kind
from dataset.services.uploads import MOST_PIECE
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


class ImportColumnSerializer(serializers.Serializer[Any]):
    """A column of a checked file."""

    name = serializers.CharField()
    count = serializers.IntegerField(help_text="rows with a value")
    example = serializers.CharField(help_text="the start of its first value")


class ImportSerializer(serializers.ModelSerializer[DataImport]):
    """An uploaded file. The counts are final when `stored_at` is set; `run` shows the progress.

    After a check (`is_check`) the counts say what an import would do, and nothing is stored.
    """

    run = RunSerializer(read_only=True)
    created_by = PersonSerializer(read_only=True, allow_null=True)
    removed_by = PersonSerializer(read_only=True, allow_null=True)
    size_bytes = serializers.IntegerField(source="upload.size_bytes", read_only=True)
    sha256 = serializers.CharField(source="upload.sha256", read_only=True)
    keys = ImportKeySerializer(many=True, read_only=True)
    columns = ImportColumnSerializer(many=True, read_only=True)
    is_check = serializers.BooleanField(read_only=True)
    mapping = serializers.DictField(read_only=True)
    preview = serializers.ListField(child=serializers.DictField(), read_only=True)

    class Meta:
        model = DataImport
        fields = (
            "id", "file_name", "size_bytes", "sha256", "file_format", "shape", "destination", "default_source", "default_license",
            "is_check", "checked_at", "mapping", "columns", "preview", "lines", "accepted", "repeated", "rejected", "keys",
            "stored_at", "removed_at", "removed_by", "created_by", "created_at", "run",
        )  # fmt: skip
        read_only_fields = fields


class MappingField(serializers.JSONField):
    """How columns are read: {"columns": {column: field, or "" to leave it out}, "tool_turns": "refuse" or "records"}."""

    def run_validation(self, data: Any = serializers.empty) -> Any:
        """A FieldMapping, or None where the field was left out."""
        try:
            return read_mapping(super().run_validation(data))
        except Invalid as error:
            raise serializers.ValidationError(error.fields["mapping"]) from None


class NewImportSerializer(Body):
    file = serializers.FileField(
        required=False,
        help_text="JSON Lines, JSON, CSV, TSV or Parquet, alone or packed as zip, gzip, bzip2 or xz",
    )
    upload = serializers.UUIDField(
        required=False, help_text="A complete upload in pieces, instead of the file."
    )
    destination = serializers.ChoiceField(
        choices=DataImport.Destination.choices, required=False, default=DataImport.Destination.QUEUE
    )
    default_source = TextField(max_length=120, required=False, default="", allow_blank=True)
    default_license = TextField(max_length=120, required=False, default="", allow_blank=True)
    mapping = MappingField(required=False, binary=True, help_text=MappingField.__doc__)
    check = serializers.BooleanField(
        required=False, default=False, help_text="Only read the file and store nothing: a dry run."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("file" in attrs) == ("upload" in attrs):
            raise serializers.ValidationError({"file": ["Give a file, or the id of an upload."]})
        return attrs


class ImportChoicesSerializer(Body):
    """What can change between a check and the import. What is left out stays as it is."""

    mapping = MappingField(required=False, help_text=MappingField.__doc__)
    destination = serializers.ChoiceField(choices=DataImport.Destination.choices, required=False)
    default_source = TextField(max_length=120, required=False, allow_blank=True)
    default_license = TextField(max_length=120, required=False, allow_blank=True)


class NewUploadSerializer(Body):
    file_name = TextField(max_length=400)
    size_bytes = serializers.IntegerField(min_value=1, max_value=LARGEST_ID)
    fingerprint = TextField(
        max_length=100,
        required=False,
        default="",
        allow_blank=True,
        help_text="What you know the file by; with the same name and size the unfinished upload goes on.",
    )


class UploadSerializer(serializers.ModelSerializer[Upload]):
    """A file that arrives in pieces. `piece_bytes` is the largest piece."""

    id = serializers.UUIDField(source="public_id", read_only=True)
    is_complete = serializers.BooleanField(read_only=True)
    piece_bytes = serializers.SerializerMethodField()

    class Meta:
        model = Upload
        fields = (
            "id", "file_name", "size_bytes", "received_bytes", "is_complete", "piece_bytes", "created_at", "touched_at",
        )  # fmt: skip
        read_only_fields = fields

    def get_piece_bytes(self, upload: Upload) -> int:
        return MOST_PIECE


class ImportIssueSerializer(serializers.ModelSerializer[ImportIssue]):
    """A line that was not imported. `repeats` is the example it repeats."""

    class Meta:
        model = ImportIssue
        fields = ("part", "line", "column", "kind", "field", "reason", "excerpt", "repeats")
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
            "id", "number", "kind", "note", "status", "content_hash", "same_as", "settings", "counts", "created_by", "created_at",
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
    their turns (0.8 to 1) when it nearly repeats it. With reason `control_mark` its text contains `mark`, with `rule` it breaks this data rule."""

    revision = serializers.IntegerField(source="revision.number", read_only=True)

    class Meta:
        model = WithheldRow
        fields = ("example", "revision", "split", "reason", "repeats", "similarity", "mark", "rule")
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
