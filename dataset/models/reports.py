"""What is known about a dataset version beyond its rows: the report on its rows, and the datasheet's answers."""

from django.db import models

from dataset.models.versions import DatasetRow, DatasetVersion


class VersionReport(models.Model):
    """What a worker found in the frozen rows of one version: sources, licences, findings of the checks. Made once, after the
    freeze; `made_at` is empty until then."""

    dataset = models.OneToOneField(DatasetVersion, on_delete=models.CASCADE, related_name="report")
    run = models.OneToOneField("core.Run", null=True, on_delete=models.PROTECT, related_name="version_report")
    facts = models.JSONField(
        default=dict,
        help_text="As dataset.queries.reports.ReportFacts reads it, and `people` (dataset.queries.provenance); counts are of rows.",
    )
    made_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"Report on {self.dataset}"


class RowFinding(models.Model):
    """What one check found in the frozen text of one row: its first finding of this level that nobody dismissed (else the first one),
    and how many there are."""

    class Level(models.TextChoices):
        BAD = "bad", "Problem"
        WARN = "warn", "Warning"

    row = models.ForeignKey(DatasetRow, on_delete=models.CASCADE, related_name="findings")
    # Beside the row's own, so that the list of one version is a range of one index.
    dataset = models.ForeignKey(DatasetVersion, on_delete=models.CASCADE, related_name="findings")
    position = models.PositiveIntegerField()
    check_name = models.CharField(max_length=40)
    level = models.CharField(max_length=4, choices=Level.choices)
    says = models.TextField()
    found = models.PositiveIntegerField(help_text="findings of this check and level in this row")
    dismissed = models.PositiveIntegerField(
        default=0, db_default=0, help_text="how many of them people had dismissed when the report was made"
    )
    dismissed_by = models.ForeignKey(
        "core.User", null=True, on_delete=models.PROTECT, related_name="+", help_text="The first one's."
    )
    reason = models.CharField(
        max_length=300, blank=True, default="", db_default="", help_text="Why the first one was dismissed."
    )

    class Meta:
        ordering = ["position", "id"]
        constraints = [
            models.UniqueConstraint(name="row_finding_once", fields=["row", "check_name", "level"]),
            models.CheckConstraint(name="row_finding_level", condition=models.Q(level__in=["bad", "warn"])),
            models.CheckConstraint(
                name="row_finding_dismissed",
                condition=models.Q(dismissed=0, reason="", dismissed_by=None)
                | (models.Q(dismissed__gte=1, dismissed__lte=models.F("found")) & ~models.Q(reason="")),
            ),
        ]
        indexes = [
            models.Index(name="row_finding_list", fields=["dataset", "check_name", "level", "position"]),
        ]

    def __str__(self) -> str:
        return f"{self.check_name}, {self.level}: {self.row}"


class DatasheetAnswer(models.Model):
    """One answer to a question of the datasheet, as one person wrote it. Answers are added, never changed: the newest counts.

    Without `dataset` it is the project's: it is shown in every version that is frozen after it. With `dataset` it is for
    that version only. An empty text takes the answer back.
    """

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="datasheet_answers")
    dataset = models.ForeignKey(
        DatasetVersion, null=True, blank=True, on_delete=models.CASCADE, related_name="datasheet_answers"
    )
    question = models.CharField(max_length=40, help_text="A key of dataset.questions.QUESTIONS.")
    text = models.TextField(blank=True)
    by = models.ForeignKey("core.User", null=True, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(name="datasheet_answer", fields=["project", "dataset", "question", "-id"])]

    def __str__(self) -> str:
        return f"Answer to {self.question}"
