"""What is read from each example for coverage, beside the examples: a bulk load stores its examples first, a check fills this table."""

from django.db import models

from annotation.models.examples import Example


class ExampleTrait(models.Model):
    """The language of one example's conversation and the customer's mood, as their present text says. Whatever stores findings of an
    example writes this row, too (annotation.services.found)."""

    example = models.OneToOneField(
        Example, primary_key=True, on_delete=models.CASCADE, related_name="trait", db_index=False
    )
    project = models.ForeignKey(
        "core.Project", on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    status = models.CharField(
        max_length=10, help_text="The example's: a trigger on examples keeps it, so that one index counts."
    )
    language = models.CharField(
        max_length=8, blank=True, help_text="A code of annotation.checks.languages; empty: not clear."
    )
    mood = models.CharField(max_length=8, blank=True, help_text="A key of annotation.moods; empty: not read.")

    class Meta:
        indexes = [
            models.Index(name="trait_count", fields=["project", "status", "language", "mood"]),
            models.Index(name="trait_language", fields=["project", "language", "-example"]),
            models.Index(name="trait_mood", fields=["project", "mood", "-example"]),
        ]

    def __str__(self) -> str:
        return f"#{self.example_id}: {self.language or '-'}, {self.mood or '-'}"
