"""What people do with examples: leases, drafts, reviews."""

from typing import ClassVar

from django.db import models
from django.utils import timezone

from annotation.models.examples import Example, Revision
from core.models import DraftBase


class Lease(models.Model):
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

    example = models.ForeignKey(Example, on_delete=models.CASCADE, related_name="leases")
    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="leases")
    user = models.ForeignKey("core.User", on_delete=models.PROTECT, related_name="leases")
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
                name="lease_one_holder",
                fields=["example"],
                condition=models.Q(outcome="open"),
            ),
            models.UniqueConstraint(
                name="lease_one_each",
                fields=["project", "user", "purpose"],
                condition=models.Q(outcome="open"),
            ),
        ]
        indexes = [
            models.Index(
                name="lease_expiry",
                fields=["expires_at"],
                condition=models.Q(outcome="open"),
            ),
            models.Index(name="lease_by_user", fields=["user", "-id"]),
            models.Index(
                name="lease_skips",
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
