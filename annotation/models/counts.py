"""How many examples there are, kept by the database: triggers on the table of examples write both tables (migration kept_counts).

They count whatever writes examples (services, COPY, bulk deletes), and a rollback takes its counts with it.
"""

from django.db import models


class ExampleCount(models.Model):
    """A part of the number of the project's examples with these properties; the number is the sum of `n` over its rows.

    Each statement that changes examples adds rows and changes none, so people at work do not wait for each other. A sweep
    replaces a project's rows by their sums (`rolled`).
    """

    # Without constraints: a project is deleted after its examples, whose deletion is counted too.
    project = models.ForeignKey(
        "core.Project", on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    status = models.CharField(max_length=10)
    origin = models.CharField(max_length=8)
    edge = models.CharField(max_length=24)
    slice = models.CharField(max_length=120)
    source = models.CharField(max_length=120, help_text="Empty without a source.")
    n = models.IntegerField(help_text="Added, or negative: taken away.")
    rolled = models.BooleanField(default=False)

    class Meta:
        indexes = [
            models.Index(name="example_count", fields=["project", "status"]),
            models.Index(name="example_count_new", fields=["project"], condition=models.Q(rolled=False)),
        ]

    def __str__(self) -> str:
        return f"{self.n:+} {self.status}"


class ApprovedChange(models.Model):
    """An approved example got another status or another text. Its row in a dataset version may not be current any more."""

    project = models.ForeignKey(
        "core.Project", on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    example_id = models.BigIntegerField()

    class Meta:
        indexes = [models.Index(name="approved_change", fields=["project", "id"])]

    def __str__(self) -> str:
        return f"#{self.example_id}"
