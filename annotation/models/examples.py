"""Examples and their revisions."""

from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models.functions import MD5, Lower
from django.utils import timezone

# An indexed expression; queries must use exactly this: the words of a completion.
SAID = MD5(Lower("completion"))


class Example(models.Model):
    """A prompt with its completion.

    `messages` is the chat so far, [{"role": "system"|"user"|"assistant", "content": str}], ending with the
    user; `context` contains back-office records as text. The texts here are the current ones; every earlier
    state is a Revision.
    """

    class Status(models.TextChoices):
        QUEUED = "queued", "In the queue"
        IN_REVIEW = "in_review", "In review"
        RETURNED = "returned", "Sent back"
        APPROVED = "approved", "Approved"
        RETIRED = "retired", "Retired"

    TRANSITIONS: ClassVar[dict[str, set[str]]] = {
        Status.QUEUED: {Status.IN_REVIEW, Status.RETIRED},
        Status.IN_REVIEW: {
            Status.APPROVED,
            Status.RETURNED,
            Status.RETIRED,
            Status.QUEUED,
        },
        Status.RETURNED: {Status.IN_REVIEW, Status.RETIRED},
        # Back to review when a reviewer undoes a decision, to the queue when somebody reopens it.
        Status.APPROVED: {Status.IN_REVIEW, Status.QUEUED, Status.RETIRED},
        # To the queue when somebody reopens it; to the status that it had when its source is restored.
        Status.RETIRED: {Status.QUEUED, Status.IN_REVIEW, Status.RETURNED, Status.APPROVED},
    }

    class Origin(models.TextChoices):
        IMPORT = "import", "Import"
        WRITTEN = "written", "Written here"
        RATING = "rating", "Corrected in a rating"
        CHAT = "chat", "Corrected in chat"

    # These three need no index of their own: an import writes every index for each row. Those of Meta serve all queries.
    project = models.ForeignKey(
        "core.Project", on_delete=models.CASCADE, related_name="examples", db_index=False
    )
    # By its name, and the id of an import: both are rows of the app above, which adds the foreign keys (dataset.migrations).
    source = models.CharField(max_length=120, null=True, blank=True)  # noqa: DJ001 - NULL refers to nothing
    import_id = models.BigIntegerField(null=True, blank=True)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.QUEUED)
    messages = models.JSONField()
    context = models.JSONField(default=list)
    completion = models.TextField(blank=True)
    rejected = models.TextField(
        blank=True,
        default="",
        db_default="",
        help_text="A worse answer to the same question, for training on preferences; empty when none is known.",
    )
    slice = models.CharField(max_length=120, blank=True)
    edge = models.CharField(
        max_length=24, blank=True, default="", help_text="The key of a Category; empty for none."
    )
    tags = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    group = models.CharField(
        max_length=200,
        help_text="Conversation or document; a group is in one split only.",
    )
    license = models.CharField(max_length=120, blank=True)
    external_id = models.CharField(max_length=200, blank=True)
    origin = models.CharField(max_length=8, choices=Origin.choices, default=Origin.IMPORT)
    origin_detail = models.JSONField(
        default=dict,
        help_text="Where feedback came from: {label, url, answer, ...}; shown to people, not used in joins.",
    )
    # SHA-256 of the example as it was imported: importing the same file again finds it even after edits.
    arrival_hash = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001 - NULL is not unique
    content_hash = models.CharField(
        max_length=64, help_text="SHA-256 of messages, context and completion now."
    )
    prompt_hash = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        help_text="annotation.text.hashes.prompt_hash of messages and context now; empty where it was not kept.",
    )
    revision = models.PositiveIntegerField(default=1)
    task = models.ForeignKey(
        "annotation.AuthoringTask",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="examples",
        db_index=False,
    )
    created_by = models.ForeignKey(
        "core.User", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    submitted_by = models.ForeignKey(
        "core.User",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="submitted_examples",
        db_index=False,
    )
    submitted_at = models.DateTimeField(null=True, blank=True)
    waiting_since = models.DateTimeField(
        default=timezone.now,
        help_text="When it joined its present queue: the annotators' or the reviewers'.",
    )
    # The order of the queue: feedback from ratings and chat, then edge cases, then the rest.
    queue_rank = models.GeneratedField(
        expression=models.Case(
            models.When(origin__in=["rating", "chat"], then=models.Value(0)),
            models.When(~models.Q(edge=""), then=models.Value(1)),
            default=models.Value(2),
        ),
        output_field=models.SmallIntegerField(),
        db_persist=True,
    )
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                name="example_arrives_once",
                # The hash first: an import searches by it alone (dataset.runner.storing).
                fields=["arrival_hash", "project"],
                condition=models.Q(arrival_hash__isnull=False),
            ),
            models.CheckConstraint(
                name="example_status",
                condition=models.Q(
                    status__in=[
                        "queued",
                        "in_review",
                        "returned",
                        "approved",
                        "retired",
                    ]
                ),
            ),
            models.CheckConstraint(
                name="example_complete",
                condition=models.Q(status__in=["queued", "returned", "retired"]) | ~models.Q(completion=""),
            ),
            models.CheckConstraint(name="example_group", condition=~models.Q(group="")),
        ]
        indexes = [
            models.Index(name="example_by_status", fields=["project", "status", "id"]),
            # The two queues: taking the next example reads one row of these.
            models.Index(
                name="example_queue",
                fields=["project", "queue_rank", "waiting_since", "id"],
                condition=models.Q(status__in=["queued", "returned"]),
            ),
            models.Index(
                name="example_review",
                fields=["project", "queue_rank", "waiting_since", "id"],
                condition=models.Q(status="in_review"),
            ),
            # What of these queues is not for everybody (annotation.queries.overview).
            models.Index(
                name="example_returned",
                fields=["project", "waiting_since"],
                condition=models.Q(status="returned"),
            ),
            models.Index(
                name="example_submitted",
                fields=["project", "submitted_by", "status"],
                condition=models.Q(status__in=["returned", "in_review"]),
            ),
            models.Index(
                name="example_person",
                fields=["submitted_by"],
                condition=models.Q(submitted_by__isnull=False),
            ),
            models.Index(name="example_slice", fields=["project", "slice"]),
            models.Index(name="example_task", fields=["task"], condition=models.Q(task__isnull=False)),
            models.Index(name="example_content", fields=["content_hash", "project"]),
            GinIndex(name="example_tags", fields=["tags"]),
            models.Index(name="example_import", fields=["import_id", "id"]),
            models.Index(name="example_source", fields=["project", "source"]),
            # For the check against other examples: which have the same answer.
            models.Index(models.F("project"), SAID, name="example_said"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"

    @property
    def question(self) -> str:
        """The customer's last message."""
        return str(self.messages[-1]["content"]) if self.messages else ""

    @property
    def worse_answer(self) -> str:
        """The answer that people found worse: from a file, or a model's answer that was corrected."""
        return self.rejected or str(self.origin_detail.get("answer") or "")

    def content(self) -> dict[str, Any]:
        """The example in its canonical shape, as in revisions, hashes and dataset rows."""
        return {
            "messages": self.messages,
            "context": self.context,
            "completion": self.completion,
        }


class Revision(models.Model):
    """One kept state of an example's text. It does not change. Number 1 is the first state."""

    class Reason(models.TextChoices):
        ARRIVED = "arrived", "Arrived"
        WRITTEN = "written", "Written"
        SUBMITTED = "submitted", "Submitted"
        CORRECTED = "corrected", "Corrected in review"
        RESTORED = "restored", "Restored"
        FIXED = "fixed", "A finding fixed"

    # Its index is that of revision_once.
    example = models.ForeignKey(Example, on_delete=models.CASCADE, related_name="revisions", db_index=False)
    number = models.PositiveIntegerField()
    reason = models.CharField(max_length=10, choices=Reason.choices)
    content = models.JSONField(help_text="messages, context, completion, slice, edge, tags")
    note = models.CharField(
        max_length=300,
        blank=True,
        help_text="Why it was submitted although a check failed.",
    )
    by = models.ForeignKey("core.User", null=True, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(name="revision_once", fields=["example", "number"]),
            # Rows of datasets refer to both together: a row's revision is one of its example.
            models.UniqueConstraint(name="revision_of_example", fields=["id", "example"]),
        ]

    def __str__(self) -> str:
        return f"#{self.example_id} r{self.number}"
