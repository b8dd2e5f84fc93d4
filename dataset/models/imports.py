"""Uploaded files, and which of their lines were not taken."""

from django.db import models


class DataImport(models.Model):
    """One uploaded JSONL file and the result of its lines."""

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


class ImportIssue(models.Model):
    """A line that was not imported, and why: what is wrong with it, or which example it repeats."""

    class Kind(models.TextChoices):
        REJECTED = "rejected", "Rejected"
        REPEATED = "repeated", "Repeated"

    data_import = models.ForeignKey(DataImport, on_delete=models.CASCADE, related_name="issues")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    line = models.PositiveIntegerField()
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
