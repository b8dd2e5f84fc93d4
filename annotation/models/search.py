"""The search index of examples, beside them: a bulk load stores its examples first and fills this table afterwards."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Func

from annotation.models.examples import Example

# Letters of a question that are compared with other questions.
QUESTION_LETTERS = 600
# An example is in one place of each level: the project, and ever smaller blocks of it, this many ids long. Each block
# contains a whole number of the next smaller ones.
BLOCKS = (1 << 19, 1 << 16, 1 << 13)
_PROJECT, _LEVEL = 1 << 44, 1 << 40


def place(project: int, level: int = 0, block: int = 0) -> int:
    """The number of a place, as in ExampleSearch.places. Level 0 is the whole project, level 1 the block `id // BLOCKS[0]` of it."""
    return project * _PROJECT + level * _LEVEL + block


_PLACES = Func(
    F("project") * _PROJECT,
    *(F("project") * _PROJECT + level * _LEVEL + F("example") / size for level, size in enumerate(BLOCKS, 1)),
    template="ARRAY[%(expressions)s]",
    output_field=ArrayField(models.BigIntegerField()),
)


class ExampleSearch(models.Model):
    """The texts of one example, as search compares them. Every service that writes texts writes this row too."""

    example = models.OneToOneField(
        Example, primary_key=True, on_delete=models.CASCADE, related_name="search", db_index=False
    )
    project = models.ForeignKey(
        "core.Project", on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    text = models.TextField(help_text="All texts joined and folded (annotation.text.hashes.search_text).")
    question = models.TextField(
        help_text="The start of the last turn without differences that people do not see, for the check of repeats."
    )
    # In the same index as the text, so that it can be searched in a part of a project, the newest first.
    places = models.GeneratedField(
        expression=_PLACES, output_field=ArrayField(models.BigIntegerField()), db_persist=True
    )

    class Meta:
        indexes = [
            # Newest first, without the examples.
            models.Index(name="search_newest", fields=["project", "example"]),
            GinIndex(
                name="example_search", fields=["text", "places"], opclasses=["gin_trgm_ops", "array_ops"]
            ),
            # Nearly the same question.
            GinIndex(name="example_question", fields=["question"], opclasses=["gin_trgm_ops"]),
        ]

    def __str__(self) -> str:
        return f"#{self.example_id}"


class SearchBacklog(models.Model):
    """Examples of one bulk load that search does not find yet: those of the project with ids from `after` (left out) to
    `last`. A worker moves `after` forward and removes the row at the end."""

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="+")
    after = models.BigIntegerField()
    last = models.BigIntegerField()
    left = models.PositiveIntegerField(help_text="How many examples wait; shown to people.")
    claim = models.UUIDField(null=True, blank=True)
    touched_at = models.DateTimeField(
        null=True, blank=True, help_text="When the worker with the claim last stored some."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.left} of {self.project_id}"
