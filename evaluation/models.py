"""Campaigns in which people compare answers blind, and their ratings."""

import uuid
from typing import ClassVar

from django.db import models

from core.models import DraftBase


class Campaign(models.Model):
    """A blind comparison of two model versions on the prompts of one split of a dataset version.

    On test prompts it measures which version is better. On training prompts it collects preferences to train on: test prompts never
    train, so what raters say of them cannot be used for that. Its result measures nothing, since models have learned these prompts, and
    it counts for no release.
    """

    class Split(models.TextChoices):
        TEST = "test", "Test prompts"
        TRAIN = "train", "Training prompts"

    class Status(models.TextChoices):
        PREPARING = "preparing", "Preparing answers"
        OPEN = "open", "Open"
        CLOSED = "closed", "Closed"
        FAILED = "failed", "Failed"

    TRANSITIONS: ClassVar[dict[str, set[str]]] = {
        Status.PREPARING: {Status.OPEN, Status.FAILED},
        Status.OPEN: {Status.CLOSED},
        Status.CLOSED: {Status.OPEN},
        Status.FAILED: {Status.PREPARING},
    }

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="campaigns")
    name = models.CharField(max_length=120)
    dataset = models.ForeignKey("datasets.DatasetVersion", on_delete=models.PROTECT, related_name="campaigns")
    split = models.CharField(
        max_length=5,
        choices=Split.choices,
        default=Split.TEST,
        help_text="Which rows of the dataset version give the prompts.",
    )
    run = models.OneToOneField("core.Run", null=True, on_delete=models.PROTECT, related_name="campaign")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PREPARING)
    ratings_per_prompt = models.PositiveSmallIntegerField(default=3, help_text="By different people.")
    seed = models.PositiveIntegerField(default=0)
    params = models.JSONField(default=dict, help_text="temperature, max_tokens")
    created_by = models.ForeignKey("core.User", on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    opened_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(name="campaign_name", fields=["project", "name"])]

    def __str__(self) -> str:
        return self.name


class PlanStage(models.Model):
    """The number of ratings that a campaign plans from some moment on. A campaign starts with stage 1; adding prompts
    or ratings per prompt starts the next one. Closing and reopening do not start one.
    """

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="plan_stages")
    number = models.PositiveSmallIntegerField(help_text="From 1.")
    ratings_planned = models.PositiveIntegerField(
        help_text="Of the whole campaign: prompts on which the answers differ, times ratings per prompt. Prompts "
        "without answers count as differing."
    )
    rated_before = models.PositiveIntegerField(default=0, help_text="Counted ratings when the stage began.")
    created_by = models.ForeignKey("core.User", on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(name="plan_stage_once", fields=["campaign", "number"]),
            models.CheckConstraint(name="plan_stage_number", condition=models.Q(number__gte=1)),
        ]

    def __str__(self) -> str:
        return f"stage {self.number}: {self.ratings_planned} ratings"


class Entry(models.Model):
    """A model version in a campaign: position 0 is the baseline, 1 the candidate."""

    BASELINE, CANDIDATE = 0, 1

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="entries")
    version = models.ForeignKey(
        "training.ModelVersion",
        on_delete=models.PROTECT,
        related_name="campaign_entries",
    )
    position = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(name="entry_version", fields=["campaign", "version"]),
            models.UniqueConstraint(name="entry_position", fields=["campaign", "position"]),
        ]

    def __str__(self) -> str:
        return f"{self.campaign}: {self.version}"


class PromptQuerySet(models.QuerySet["Prompt"]):
    def current(self) -> "PromptQuerySet":
        """Without those with answers that were made again: a copy with the new answers replaced them."""
        return self.filter(replaced_by__isnull=True)

    def unanswered(self) -> "PromptQuerySet":
        return self.current().filter(same_answer__isnull=True)

    def in_doubt(self) -> "PromptQuerySet":
        """Current prompts with an answer that may come from other weights than its version's."""
        return self.current().filter(models.Exists(_doubtful_answers()))

    def offered(self) -> "PromptQuerySet":
        """Prompts for raters: both answers are made, they differ, and neither is in doubt."""
        return self.current().filter(~models.Exists(_doubtful_answers()), same_answer=False)


def _doubtful_answers() -> "models.QuerySet[CampaignAnswer]":
    return CampaignAnswer.objects.filter(prompt=models.OuterRef("pk")).exclude(answer__doubt="")


class Prompt(models.Model):
    """A prompt of a campaign, from a row of its dataset version."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="prompts")
    row = models.ForeignKey("datasets.DatasetRow", on_delete=models.PROTECT, related_name="+")
    position = models.PositiveIntegerField()
    messages = models.JSONField()
    context = models.JSONField(default=list)
    slice = models.CharField(max_length=120, blank=True)
    same_answer = models.BooleanField(
        null=True,
        help_text="Both entries gave exactly the same answer, so it is not shown to raters. Empty before both answers are made.",
    )
    replaces = models.OneToOneField(
        "self",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="replaced_by",
        help_text="The same prompt with its earlier answers, before they were made again. Votes on them stay there.",
    )

    objects = PromptQuerySet.as_manager()

    class Meta:
        ordering = ["position", "id"]
        constraints = [
            models.UniqueConstraint(
                name="prompt_row",
                fields=["campaign", "row"],
                condition=models.Q(replaces__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return f"prompt {self.position}"


class CampaignAnswer(models.Model):
    """An entry's answer to a prompt, made before rating so that no side is slower."""

    prompt = models.ForeignKey(Prompt, on_delete=models.CASCADE, related_name="answers")
    entry = models.ForeignKey(Entry, on_delete=models.CASCADE, related_name="answers")
    answer = models.OneToOneField(
        "inference.Answer", on_delete=models.PROTECT, related_name="campaign_answer"
    )

    class Meta:
        constraints = [models.UniqueConstraint(name="answer_once", fields=["prompt", "entry"])]

    def __str__(self) -> str:
        return f"{self.entry_id} on {self.prompt_id}"


class Comparison(models.Model):
    """One prompt for one rater, with the sides shuffled. Raters only see its `public_id`."""

    class Status(models.TextChoices):
        OPEN = "open", "Open"
        RATED = "rated", "Rated"
        SKIPPED = "skipped", "Skipped"
        EXPIRED = "expired", "Expired"

    TRANSITIONS: ClassVar[dict[str, set[str]]] = {
        Status.OPEN: {Status.RATED, Status.SKIPPED, Status.EXPIRED},
        Status.RATED: set(),
        Status.SKIPPED: set(),
        # A late rating is valid work, so an expired comparison can still be rated.
        Status.EXPIRED: {Status.OPEN, Status.RATED},
    }

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="comparisons")
    prompt = models.ForeignKey(Prompt, on_delete=models.CASCADE, related_name="comparisons")
    rater = models.ForeignKey("core.User", on_delete=models.PROTECT, related_name="comparisons")
    a = models.ForeignKey(CampaignAnswer, on_delete=models.PROTECT, related_name="+")
    b = models.ForeignKey(CampaignAnswer, on_delete=models.PROTECT, related_name="+")
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.OPEN)
    shown_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    rated_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(name="comparison_once", fields=["prompt", "rater"]),
            models.UniqueConstraint(
                name="comparison_one_open",
                fields=["campaign", "rater"],
                condition=models.Q(status="open"),
            ),
            models.CheckConstraint(name="comparison_sides", condition=~models.Q(a=models.F("b"))),
        ]
        indexes = [models.Index(name="comparison_by_status", fields=["campaign", "status"])]

    def __str__(self) -> str:
        return f"comparison {self.public_id}"

    @property
    def in_doubt(self) -> bool:
        """Whether one of its answers may come from other weights than its version's."""
        return bool(self.a.answer.doubt or self.b.answer.doubt)


class RatingQuerySet(models.QuerySet["Rating"]):
    def counted(self) -> "RatingQuerySet":
        return self.filter(set_aside_at__isnull=True)

    def in_doubt(self) -> "RatingQuerySet":
        """Those on an answer that may come from other weights than its version's."""
        return self.exclude(comparison__a__answer__doubt="", comparison__b__answer__doubt="")


class Rating(models.Model):
    """A rater's rating of one comparison. `preferred` is None for a tie or when both are bad.

    A rating that is set aside does not count; it stays readable, with the reason.
    """

    class Choice(models.TextChoices):
        A = "a", "A is better"
        B = "b", "B is better"
        TIE = "tie", "Equal"
        BOTH_BAD = "both_bad", "Both bad"

    comparison = models.OneToOneField(Comparison, on_delete=models.CASCADE, related_name="rating")
    choice = models.CharField(max_length=8, choices=Choice.choices)
    preferred = models.ForeignKey(Entry, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    comment = models.TextField(blank=True)
    seconds = models.FloatField(help_text="From shown to rated.")
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)
    set_aside_at = models.DateTimeField(null=True, blank=True)
    set_aside_by = models.ForeignKey(
        "core.User", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    set_aside_reason = models.TextField(blank=True)

    objects = RatingQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="rating_preferred",
                condition=models.Q(choice__in=["a", "b"], preferred__isnull=False)
                | models.Q(choice__in=["tie", "both_bad"], preferred__isnull=True),
            ),
            models.CheckConstraint(
                name="rating_set_aside",
                condition=models.Q(set_aside_at__isnull=True, set_aside_by__isnull=True, set_aside_reason="")
                | models.Q(set_aside_at__isnull=False, set_aside_by__isnull=False)
                & ~models.Q(set_aside_reason=""),
            ),
        ]

    def __str__(self) -> str:
        return self.choice


class Score(models.Model):
    """How good one answer is by one criterion, 1 (bad) to 5 (good)."""

    class Criterion(models.TextChoices):
        ACCURACY = "accuracy", "Accurate"
        TONE = "tone", "Tone"
        CONCISENESS = "conciseness", "Concise"

    rating = models.ForeignKey(Rating, on_delete=models.CASCADE, related_name="scores")
    entry = models.ForeignKey(Entry, on_delete=models.PROTECT, related_name="scores")
    criterion = models.CharField(max_length=12, choices=Criterion.choices)
    value = models.PositiveSmallIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="score_once", fields=["rating", "entry", "criterion"]),
            models.CheckConstraint(name="score_range", condition=models.Q(value__gte=1, value__lte=5)),
        ]

    def __str__(self) -> str:
        return f"{self.criterion} {self.value}"


class Correction(models.Model):
    """An answer that a rater corrected, and the example it became."""

    comparison = models.ForeignKey(Comparison, on_delete=models.CASCADE, related_name="corrections")
    answer = models.ForeignKey(CampaignAnswer, on_delete=models.PROTECT, related_name="corrections")
    text = models.TextField()
    example = models.OneToOneField("annotation.Example", on_delete=models.PROTECT, related_name="+")
    by = models.ForeignKey("core.User", on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(name="correction_once", fields=["comparison", "answer"])]

    def __str__(self) -> str:
        return f"correction of {self.answer_id}"


class RatingDraft(DraftBase):
    """A rater's unsent rating of one comparison: the form's fields that are not empty.

    Private to the comparison's rater, and deleted when the comparison is rated or skipped.
    """

    comparison = models.OneToOneField(Comparison, on_delete=models.CASCADE, related_name="draft")

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="rating_draft_is_a_form",
                condition=models.Q(content__contains={}),  # jsonb @> '{}' is true for objects only
            )
        ]

    def __str__(self) -> str:
        return f"draft of {self.comparison_id}"
