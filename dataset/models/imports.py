"""Uploaded files, and which of their lines were not taken."""

from django.db import models


class DataImport(models.Model):
    """One uploaded file and the result of its rows.

    `run` is the run that works on it now: first the one that checks the file and stores nothing, then the one that imports.
    """

    class Destination(models.TextChoices):
        QUEUE = "queued", "Annotation queue"
        REVIEW = "in_review", "Review queue"
        APPROVED = "approved", "Approved without review"

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="imports")
    run = models.OneToOneField("core.Run", on_delete=models.PROTECT, related_name="import_of")
    upload = models.ForeignKey("core.Artifact", on_delete=models.PROTECT, related_name="+")
    file_name = models.CharField(max_length=200)
    destination = models.CharField(max_length=12, choices=Destination.choices, default=Destination.QUEUE)
    default_source = models.CharField(max_length=120, blank=True)
    default_license = models.CharField(max_length=120, blank=True)
    file_format = models.CharField(max_length=60, blank=True, default="", help_text="JSON Lines, gzip")
    shape = models.CharField(max_length=60, blank=True, default="", help_text="What its rows are, in words.")
    mapping = models.JSONField(default=dict, help_text="dataset.mapping.FieldMapping.stored")
    columns = models.JSONField(
        default=list, help_text="Of a checked file: [{name, count (rows with a value), example}]"
    )
    preview = models.JSONField(
        default=list,
        help_text="Of a checked file, its first rows: [{line, part, before, after (or null), issues: [{field, reason}]}]",
    )
    checked_at = models.DateTimeField(
        null=True, blank=True, help_text="When the last check has read all rows."
    )
    lines = models.PositiveIntegerField(default=0)
    accepted = models.PositiveIntegerField(default=0)
    repeated = models.PositiveIntegerField(
        default=0, help_text="Lines whose example the project already had."
    )
    rejected = models.PositiveIntegerField(default=0)
    keys = models.JSONField(
        default=list,
        help_text="Keys of the file that were not imported or were read under another name: "
        "[{key, what (ignored|read_as), count, line (the first), says}]",
    )
    # Set in the transaction that stores the examples: a run that is restarted after that has nothing to do.
    stored_at = models.DateTimeField(null=True, blank=True)
    removed_at = models.DateTimeField(null=True, blank=True)
    removed_by = models.ForeignKey(
        "core.User", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_by = models.ForeignKey("core.User", null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(name="import_by_project", fields=["project", "-id"])]

    def __str__(self) -> str:
        return self.file_name

    @property
    def is_check(self) -> bool:
        """Whether nothing was imported yet: the file is being checked, or waits for a decision."""
        return self.run.kind == "import-check"


class ImportMapping(models.Model):
    """The mapping that a project last used for files with the same columns."""

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="import_mappings")
    fingerprint = models.CharField(max_length=64, help_text="dataset.mapping.fingerprint of the columns")
    mapping = models.JSONField()
    file_name = models.CharField(max_length=200)
    by = models.ForeignKey("core.User", null=True, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()

    class Meta:
        ordering = ["-at"]
        constraints = [models.UniqueConstraint(name="mapping_once", fields=["project", "fingerprint"])]

    def __str__(self) -> str:
        return f"mapping of {self.file_name}"


class ImportIssue(models.Model):
    """A line that was not imported, and why: what is wrong with it, or which example it repeats."""

    class Kind(models.TextChoices):
        REJECTED = "rejected", "Rejected"
        REPEATED = "repeated", "Repeated"

    data_import = models.ForeignKey(DataImport, on_delete=models.CASCADE, related_name="issues")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    part = models.CharField(max_length=200, blank=True, default="", help_text="The file inside an archive.")
    line = models.PositiveIntegerField(
        help_text="In Parquet the number of the row; 0 for a whole file in an archive."
    )
    column = models.PositiveIntegerField(
        default=0, help_text="Of the problem in its line, from 1; 0 for the whole row."
    )
    field = models.CharField(max_length=60, blank=True)
    reason = models.CharField(max_length=300)
    excerpt = models.CharField(max_length=200, blank=True)
    repeats = models.ForeignKey(
        "annotation.Example", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        ordering = ["line", "id"]
        indexes = [models.Index(name="issue_by_import", fields=["data_import", "line"])]

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"
