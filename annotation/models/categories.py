"""The project's own lists: its slices and its kinds of edge cases."""

from django.db import models
from django.db.models.functions import Lower

LONGEST_EDGE = 24
LONGEST_NAME = 120
# What a new project starts with, and what its lists of edge cases had before they were its own.
START_EDGES = (
    ("angry_customer", "Angry customer"),
    ("ambiguous_request", "Ambiguous request"),
    ("missing_document", "Missing document"),
    ("regulation_question", "Regulation question"),
    ("off_topic", "Off topic"),
    ("two_questions", "Two questions at once"),
    ("other", "Other edge case"),
)


class Category(models.Model):
    """One slice, or one kind of edge case.

    Examples carry the key. The key of an edge case never changes; its name can. The key of a slice is its name, so another name is
    another category: the examples move there, and this one stays as the old name (`merged_into`), for files and drafts that still
    have it.
    """

    class Kind(models.TextChoices):
        SLICE = "slice", "Slice"
        EDGE = "edge", "Edge case"

    class Origin(models.TextChoices):
        START = "start", "in every new project"
        LIST = "list", "added to the list"
        IMPORT = "import", "from an import"
        EXAMPLE = "example", "typed in an example"

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="categories")
    kind = models.CharField(max_length=5, choices=Kind.choices)
    key = models.CharField(max_length=LONGEST_NAME)
    name = models.CharField(max_length=LONGEST_NAME)
    description = models.CharField(max_length=300, blank=True, default="")
    position = models.PositiveIntegerField(default=0)
    active = models.BooleanField(default=True, help_text="Whether people can choose it for an example.")
    origin = models.CharField(max_length=7, choices=Origin.choices, default=Origin.LIST)
    merged_into = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.RESTRICT, related_name="merged"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "categories"
        ordering = ["kind", "position", "id"]
        constraints = [
            models.UniqueConstraint(name="category_once", fields=["project", "kind", "key"]),
            models.UniqueConstraint(
                "project",
                Lower("name"),
                name="category_edge_name",
                condition=models.Q(kind="edge", active=True),
            ),
            models.CheckConstraint(name="category_kind", condition=models.Q(kind__in=["slice", "edge"])),
            models.CheckConstraint(
                name="category_key",
                condition=(
                    models.Q(kind="slice", name=models.F("key")) & ~models.Q(key="")
                    | models.Q(kind="edge", key__regex=r"^[a-z0-9_]{1,24}$") & ~models.Q(name="")
                ),
            ),
            models.CheckConstraint(
                name="category_merged", condition=models.Q(merged_into=None) | models.Q(active=False)
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def noun(self) -> str:
        return "slice" if self.kind == self.Kind.SLICE else "kind of edge case"
