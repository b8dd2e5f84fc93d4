"""Examples, people's decisions about them, and dataset versions."""

from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models.fields.json import KeyTextTransform, KeyTransform
from django.db.models.functions import MD5, Left, Lower
from django.utils import timezone

from core.models import DraftBase

# Indexed expressions; queries must use exactly these. The start of the last turn, and the words of a completion.
QUESTION_LETTERS = 600
QUESTION = Lower(Left(KeyTextTransform("content", KeyTransform(-1, "messages")), QUESTION_LETTERS))
SAID = MD5(Lower("completion"))


class Source(models.Model):
    """Where examples come from: a transcript archive, a handbook, a rating campaign."""

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="sources")
    name = models.CharField(max_length=120)
    license = models.CharField(max_length=120, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(name="source_once", fields=["project", "name"])]

    def __str__(self) -> str:
        return self.name


class Import(models.Model):
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

    batch = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="issues")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    line = models.PositiveIntegerField()
    field = models.CharField(max_length=60, blank=True)
    reason = models.CharField(max_length=300)
    excerpt = models.CharField(max_length=200, blank=True)
    repeats = models.ForeignKey("Example", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ["line", "id"]
        indexes = [models.Index(name="issue_by_batch", fields=["batch", "line"])]

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


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
        Status.RETIRED: {Status.QUEUED},
    }

    class Edge(models.TextChoices):
        NONE = "", "Not an edge case"
        ANGRY_CUSTOMER = "angry_customer", "Angry customer"
        AMBIGUOUS_REQUEST = "ambiguous_request", "Ambiguous request"
        MISSING_DOCUMENT = "missing_document", "Missing document"
        REGULATION_QUESTION = "regulation_question", "Regulation question"
        OFF_TOPIC = "off_topic", "Off topic"
        TWO_QUESTIONS = "two_questions", "Two questions at once"
        OTHER = "other", "Other edge case"

    class Origin(models.TextChoices):
        IMPORT = "import", "Import"
        WRITTEN = "written", "Written here"
        RATING = "rating", "Corrected in a rating"
        CHAT = "chat", "Corrected in chat"

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="examples")
    source = models.ForeignKey(
        Source, null=True, blank=True, on_delete=models.PROTECT, related_name="examples"
    )
    batch = models.ForeignKey(
        Import,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="examples",
    )
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.QUEUED)
    messages = models.JSONField()
    context = models.JSONField(default=list)
    completion = models.TextField(blank=True)
    slice = models.CharField(max_length=120, blank=True)
    edge = models.CharField(max_length=24, choices=Edge.choices, blank=True, default="")
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
    search_text = models.TextField(
        help_text="All texts joined, in lower case, for search by trigram (annotation.content)."
    )
    revision = models.PositiveIntegerField(default=1)
    created_by = models.ForeignKey("core.User", null=True, on_delete=models.PROTECT, related_name="+")
    submitted_by = models.ForeignKey(
        "core.User",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="submitted_examples",
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
                fields=["project", "arrival_hash"],
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
            models.Index(name="example_slice", fields=["project", "slice"]),
            models.Index(name="example_content", fields=["project", "content_hash"]),
            GinIndex(
                name="example_search",
                fields=["search_text"],
                opclasses=["gin_trgm_ops"],
            ),
            GinIndex(name="example_tags", fields=["tags"]),
            models.Index(name="example_batch", fields=["batch", "id"]),
            # For the check against other examples: which have nearly the same question, and which have the same answer.
            GinIndex(OpClass(QUESTION, "gin_trgm_ops"), name="example_question"),
            models.Index(models.F("project"), SAID, name="example_said"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"

    @property
    def question(self) -> str:
        """The customer's last message."""
        return str(self.messages[-1]["content"]) if self.messages else ""

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

    example = models.ForeignKey(Example, on_delete=models.CASCADE, related_name="revisions")
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
        constraints = [models.UniqueConstraint(name="revision_once", fields=["example", "number"])]

    def __str__(self) -> str:
        return f"#{self.example_id} r{self.number}"


class Assignment(models.Model):
    """A lease: one person has one example open, for annotation or review, until they finish or it expires."""

    class Purpose(models.TextChoices):
        ANNOTATE = "annotate", "Annotate"
        REVIEW = "review", "Review"

    class Outcome(models.TextChoices):
        OPEN = "open", "Open"
        DONE = "done", "Done"
        SKIPPED = "skipped", "Skipped"
        RELEASED = "released", "Given back"
        EXPIRED = "expired", "Expired"

    TRANSITIONS: ClassVar[dict[str, set[str]]] = {
        Outcome.OPEN: {
            Outcome.DONE,
            Outcome.SKIPPED,
            Outcome.RELEASED,
            Outcome.EXPIRED,
        },
        Outcome.DONE: set(),
        Outcome.SKIPPED: {Outcome.RELEASED},  # the person undid the skip
        Outcome.RELEASED: set(),
        # A person can finish an example after their lease, while no one else has taken it.
        Outcome.EXPIRED: {Outcome.DONE, Outcome.SKIPPED, Outcome.RELEASED},
    }

    example = models.ForeignKey(Example, on_delete=models.CASCADE, related_name="assignments")
    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="assignments")
    user = models.ForeignKey("core.User", on_delete=models.PROTECT, related_name="assignments")
    purpose = models.CharField(max_length=8, choices=Purpose.choices)
    outcome = models.CharField(max_length=8, choices=Outcome.choices, default=Outcome.OPEN)
    leased_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    note = models.CharField(
        max_length=300,
        blank=True,
        default="",
        db_default="",
        help_text="Why it was skipped, if the person gave a reason.",
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                name="assignment_one_holder",
                fields=["example"],
                condition=models.Q(outcome="open"),
            ),
            models.UniqueConstraint(
                name="assignment_one_each",
                fields=["project", "user", "purpose"],
                condition=models.Q(outcome="open"),
            ),
        ]
        indexes = [
            models.Index(
                name="assignment_expiry",
                fields=["expires_at"],
                condition=models.Q(outcome="open"),
            ),
            models.Index(name="assignment_by_user", fields=["user", "-id"]),
            models.Index(
                name="assignment_skips",
                fields=["user", "example"],
                condition=models.Q(outcome="skipped"),
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.example_id} leased to {self.user_id}"


class Draft(DraftBase):
    """Text that a person has typed and not submitted. It is kept when the lease ends, so that nothing typed is lost.

    Without an `example` it is the new example that this person writes in the project.
    """

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="drafts")
    example = models.ForeignKey(Example, null=True, on_delete=models.CASCADE, related_name="drafts")
    user = models.ForeignKey("core.User", on_delete=models.CASCADE, related_name="drafts")
    base_revision = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="draft_once", fields=["example", "user"]),
            models.UniqueConstraint(
                name="draft_of_new_once",
                fields=["project", "user"],
                condition=models.Q(example__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"draft of #{self.example_id}" if self.example_id else "draft of a new example"


class Review(models.Model):
    """A reviewer's decision on one revision."""

    class Verdict(models.TextChoices):
        ACCEPTED = "accepted", "Accepted"
        RETURNED = "returned", "Sent back"

    example = models.ForeignKey(Example, on_delete=models.CASCADE, related_name="reviews")
    revision = models.ForeignKey(Revision, on_delete=models.PROTECT, related_name="reviews")
    verdict = models.CharField(max_length=8, choices=Verdict.choices)
    comment = models.TextField(blank=True)
    by = models.ForeignKey("core.User", on_delete=models.PROTECT, related_name="reviews_given")
    at = models.DateTimeField(auto_now_add=True)
    in_bulk = models.BooleanField(
        default=False, db_default=False, help_text="Decided together with others, without opening it."
    )
    batch = models.UUIDField(
        null=True,
        blank=True,
        editable=False,
        help_text="The decisions of one bulk action have the same value: they can be undone together.",
    )
    undone_at = models.DateTimeField(null=True, blank=True, help_text="When the reviewer undid it.")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="review_says_why",
                condition=models.Q(verdict="accepted") | ~models.Q(comment=""),
            ),
            models.CheckConstraint(
                name="review_batch_in_bulk", condition=models.Q(batch=None) | models.Q(in_bulk=True)
            ),
        ]
        indexes = [
            models.Index(name="review_by_batch", fields=["batch"], condition=models.Q(batch__isnull=False))
        ]

    def __str__(self) -> str:
        return f"{self.verdict} #{self.example_id}"


class GroupSplit(models.Model):
    """The split that a group got at its first freeze. Permanent: a test group stays test."""

    class Split(models.TextChoices):
        TRAIN = "train", "Train"
        VALIDATION = "validation", "Validation"
        TEST = "test", "Test"

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="group_splits")
    group = models.CharField(max_length=200)
    split = models.CharField(max_length=10, choices=Split.choices)
    decided_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(name="group_split_once", fields=["project", "group"])]

    def __str__(self) -> str:
        return f"{self.group}: {self.split}"


class DatasetVersion(models.Model):
    """Approved examples, frozen. `content_hash` is SHA-256 over canonical rows, splits and settings."""

    class Status(models.TextChoices):
        FREEZING = "freezing", "Freezing"
        READY = "ready", "Ready"
        FAILED = "failed", "Failed"

    TRANSITIONS: ClassVar[dict[str, set[str]]] = {
        Status.FREEZING: {Status.READY, Status.FAILED},
        Status.READY: set(),
        Status.FAILED: {Status.FREEZING},
    }

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="dataset_versions")
    number = models.PositiveIntegerField()
    note = models.CharField(max_length=300, blank=True)
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.FREEZING)
    run = models.OneToOneField(
        "core.Run", null=True, on_delete=models.PROTECT, related_name="dataset_version"
    )
    settings = models.JSONField(
        help_text="validation and test (shares), seed, separate_near_duplicates, slices and sources (filters), "
        "system_prompt"
    )
    content_hash = models.CharField(max_length=64, blank=True)
    same_as = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        help_text="An earlier version with this content.",
    )
    artifact = models.ForeignKey("core.Artifact", null=True, on_delete=models.PROTECT, related_name="+")
    counts = models.JSONField(
        default=dict,
        help_text="total, train, validation, test, slices: {slice: {split: rows}}, withheld, withheld_near, withheld_marked, "
        "untested: {slice: why}, near: {groups, clusters, rows, largest}, validation_near_train",
    )
    created_by = models.ForeignKey("core.User", null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(name="dataset_number", fields=["project", "number"]),
            models.CheckConstraint(
                name="dataset_ready_has_content",
                condition=~models.Q(status="ready")
                | (~models.Q(content_hash="") & models.Q(artifact__isnull=False)),
            ),
        ]

    def __str__(self) -> str:
        return f"Dataset {self.number}"


class DatasetRow(models.Model):
    """One row of a dataset version and its revision."""

    dataset = models.ForeignKey(DatasetVersion, on_delete=models.CASCADE, related_name="rows")
    example = models.ForeignKey(Example, on_delete=models.PROTECT, related_name="dataset_rows")
    revision = models.ForeignKey(Revision, on_delete=models.PROTECT, related_name="+")
    position = models.PositiveIntegerField()
    split = models.CharField(max_length=10, choices=GroupSplit.Split.choices)
    row_hash = models.CharField(max_length=64)
    # Of its prompt and records, normalised (annotation.content): it identifies test prompts permanently.
    prompt_hash = models.CharField(max_length=64)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(name="row_position", fields=["dataset", "position"]),
            models.UniqueConstraint(name="row_example", fields=["dataset", "example"]),
        ]
        indexes = [
            models.Index(name="row_by_split", fields=["dataset", "split", "position"]),
            models.Index(name="row_test_prompt", fields=["prompt_hash"], condition=models.Q(split="test")),
        ]

    def __str__(self) -> str:
        return f"{self.dataset_id}/{self.position}"


class WithheldRow(models.Model):
    """An approved example that a dataset version left out: it would leak a test row, or its text contains a control mark."""

    class Reason(models.TextChoices):
        REPEATS_TEST = "repeats_test", "Asks the same as a test row"
        NEAR_TEST = "near_test", "Asks nearly the same as a test row"
        CONTROL_MARK = "control_mark", "Contains a control mark of chat templates"

    dataset = models.ForeignKey(DatasetVersion, on_delete=models.CASCADE, related_name="withheld")
    example = models.ForeignKey(Example, on_delete=models.PROTECT, related_name="+")
    revision = models.ForeignKey(Revision, on_delete=models.PROTECT, related_name="+")
    split = models.CharField(
        max_length=10,
        choices=GroupSplit.Split.choices,
        blank=True,
        help_text="The split it would have; empty where that was not decided.",
    )
    reason = models.CharField(max_length=12, choices=Reason.choices)
    repeats = models.ForeignKey(Example, null=True, on_delete=models.PROTECT, related_name="+")
    mark = models.CharField(max_length=80, blank=True, default="", help_text="The control mark in its text.")
    similarity = models.FloatField(
        null=True,
        help_text="Jaccard similarity of the turns, 0.8 to 1, for a near-duplicate.",
    )

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(name="withheld_once", fields=["dataset", "example"]),
            models.CheckConstraint(
                name="withheld_similarity",
                condition=models.Q(reason__in=["repeats_test", "control_mark"], similarity__isnull=True)
                | models.Q(reason="near_test", similarity__gt=0, similarity__lte=1),
            ),
            models.CheckConstraint(
                name="withheld_because_of",
                condition=models.Q(reason="control_mark", repeats__isnull=True) & ~models.Q(mark="")
                | models.Q(reason__in=["repeats_test", "near_test"], repeats__isnull=False, mark=""),
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.example_id} withheld from {self.dataset_id}"
