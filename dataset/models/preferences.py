"""What people said of the answers of a preference version's rows."""

from django.db import models

from dataset.models.versions import DatasetRow


class Judgement(models.Model):
    """What one person said of the answers of a row, as it was at the freeze. It stays when a rating changes later."""

    class Source(models.TextChoices):
        COMPARISONS = "comparisons", "Comparison"
        SCORES = "scores", "Scores"
        CORRECTIONS = "corrections", "Correction"
        EXAMPLES = "examples", "Example with a worse answer"
        MARKS = "marks", "Mark in a chat"

    class Said(models.TextChoices):
        COMPLETION = "completion", "The completion is better"
        REJECTED = "rejected", "The worse answer is better"
        TIE = "tie", "Equal"
        BOTH_BAD = "both_bad", "Both bad"
        GOOD = "good", "Good"
        BAD = "bad", "Bad"

    row = models.ForeignKey(DatasetRow, on_delete=models.CASCADE, related_name="judgements")
    source = models.CharField(max_length=11, choices=Source.choices)
    key = models.CharField(
        max_length=40,
        help_text="What it stands in, by its primary key: “comparison:12” or “example:7”. Not a foreign key: the table of comparisons "
        "belongs to an app above this one.",
    )
    by = models.ForeignKey("core.User", null=True, on_delete=models.PROTECT, related_name="+")
    said = models.CharField(max_length=10, choices=Said.choices)
    at = models.DateTimeField(help_text="When it was said last, before the freeze.")
    completion_from = models.CharField(
        max_length=200, blank=True, help_text="Who gave the completion; empty when it is not known."
    )
    rejected_from = models.CharField(max_length=200, blank=True, help_text="Who gave the worse answer.")

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(name="judgement_once", fields=["row", "key"])]
        indexes = [models.Index(name="judgement_by_key", fields=["key"])]

    def __str__(self) -> str:
        return f"{self.key}: {self.said}"
