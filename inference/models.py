"""Engines, deployments, conversations and all answers."""

import uuid
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models.functions import Upper

from core.models import DraftBase
from inference.marks import AnswerMark  # noqa: F401 (Django finds the tables of an app here)


class Engine(models.Model):
    """One serving process: started here, or attached by URL. It serves one set of full weights and, for a base model,
    that model's adapters of the kind that its backend serves. Only the `engines` process changes these rows."""

    class Backend(models.TextChoices):
        VLLM = "vllm", "vLLM"
        TRANSFORMERS = "transformers", "transformers"

    class Status(models.TextChoices):
        WANTED = "wanted", "Starting soon"
        STARTING = "starting", "Starting"
        UP = "up", "Up"
        DOWN = "down", "Down"
        STOPPED = "stopped", "Stopped"

    backend = models.CharField(
        max_length=20,
        choices=Backend.choices,
        default=Backend.VLLM,
        help_text="A key of inference.engines.BACKENDS.",
    )
    name = models.CharField(max_length=120, unique=True)
    base_model = models.ForeignKey("training.BaseModel", on_delete=models.PROTECT, related_name="engines")
    # Set when the engine serves one full model instead of the base model.
    version = models.OneToOneField(
        "training.ModelVersion",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="own_engine",
    )
    attached = models.BooleanField(default=False, help_text="Runs elsewhere, at a URL from settings.")
    url = models.CharField(max_length=200, blank=True)
    port = models.PositiveIntegerField(null=True, blank=True)
    pid = models.IntegerField(null=True, blank=True)
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.WANTED)
    since = models.DateTimeField(null=True, blank=True, help_text="Since when it has this status.")
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    restarts = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True)
    options = models.JSONField(
        default=dict,
        blank=True,
        help_text="Its start options: max_lora_rank, max_loras, adapter_loads (the number of adapters it may load "
        "before a restart; none: any number), prompt_embeds (whether it takes soft prompts), max_model_len; start_seconds once it "
        "was up.",
    )
    # Counted before each load: an adapter keeps its place in the engine's memory after it is unloaded.
    adapter_loads = models.PositiveIntegerField(
        default=0, help_text="Adapters loaded since its process started."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                name="engine_per_base",
                fields=["base_model", "backend"],
                condition=models.Q(version__isnull=True),
            ),
            models.CheckConstraint(
                name="engine_backend", condition=models.Q(backend__in=["vllm", "transformers"])
            ),
            models.UniqueConstraint(
                name="engine_port",
                fields=["port"],
                condition=models.Q(port__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Deployment(models.Model):
    """A model version that should be served, and its state."""

    class Wanted(models.TextChoices):
        LOADED = "loaded", "Loaded"
        UNLOADED = "unloaded", "Unloaded"

    class Status(models.TextChoices):
        WAITING = "waiting", "Waiting for an engine"
        LOADING = "loading", "Loading"
        LOADED = "loaded", "Loaded"
        FAILED = "failed", "Failed"
        UNLOADED = "unloaded", "Not loaded"

    TRANSITIONS: ClassVar[dict[str, set[str]]] = {
        Status.WAITING: {Status.LOADING, Status.UNLOADED, Status.FAILED, Status.LOADED},
        Status.LOADING: {Status.LOADED, Status.FAILED, Status.WAITING, Status.UNLOADED},
        Status.LOADED: {Status.WAITING, Status.UNLOADED, Status.FAILED},
        Status.FAILED: {Status.WAITING, Status.UNLOADED},
        Status.UNLOADED: {Status.WAITING},
    }

    version = models.OneToOneField(
        "training.ModelVersion", on_delete=models.CASCADE, related_name="deployment"
    )
    engine = models.ForeignKey(
        Engine,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="deployments",
    )
    wanted = models.CharField(max_length=8, choices=Wanted.choices, default=Wanted.LOADED)
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.WAITING)
    error = models.TextField(blank=True)
    requested_at = models.DateTimeField(auto_now_add=True)
    loaded_at = models.DateTimeField(null=True, blank=True)
    seconds_to_load = models.FloatField(null=True, help_text="Seconds from the request until it is served.")

    def __str__(self) -> str:
        return f"{self.version} on {self.engine or 'no engine'}"


class WeightCheck(models.Model):
    """A check that asks an engine's models alone and together, and whether each gave the same answers.

    Kept permanently: it shows which answers are reliable. A failed one marks answers (`Answer.doubt`).
    """

    class Outcome(models.TextChoices):
        PASSED = "passed", "Passed"
        FAILED = "failed", "Failed"
        NOT_MADE = "not_made", "Could not be done"

    engine = models.ForeignKey(Engine, on_delete=models.PROTECT, related_name="weight_checks")
    process = models.CharField(max_length=200, help_text="The start of the engine: its process, or its URL.")
    outcome = models.CharField(max_length=8, choices=Outcome.choices)
    reason = models.TextField(blank=True, help_text="What differed, or why it could not be done.")
    models_checked = models.JSONField(default=list, help_text="Names of the models that were asked.")
    report = models.JSONField(
        default=dict,
        help_text="rounds, largest_shift and noise (nats), difference, and the answers of models alone.",
    )
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(help_text="For a failed one: when the engine was taken out of service.")
    # Answers since then may come from other weights: the start of the last passed check.
    doubtful_since = models.DateTimeField(null=True, blank=True)
    marked = models.PositiveIntegerField(
        null=True, blank=True, help_text="The number of answers it marked; none: not marked yet."
    )

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(name="weight_check_by_engine", fields=["engine", "outcome", "-id"]),
        ]
        constraints = [
            models.CheckConstraint(
                name="failed_weight_check_has_reason",
                condition=~models.Q(outcome="failed") | ~models.Q(reason=""),
            ),
            models.CheckConstraint(
                name="weight_check_ends_after_it_began",
                condition=models.Q(ended_at__gte=models.F("began_at")),
            ),
        ]

    def __str__(self) -> str:
        return f"check {self.pk} of {self.engine}"

    @property
    def adapters(self) -> int:
        """The number of adapters asked besides the base model."""
        return max(0, len(self.models_checked) - 1)


class Route(models.Model):
    """The project's live pointer. Only `inference.services` changes it, in one UPDATE."""

    project = models.OneToOneField("core.Project", on_delete=models.CASCADE, related_name="route")
    version = models.ForeignKey("training.ModelVersion", on_delete=models.PROTECT, related_name="live_routes")
    # Each release pushes the version it replaced. Each rollback pops down to its target, so that two rollbacks go back
    # two steps. Only inference.queries.way_back reads it.
    way_back = ArrayField(
        models.BigIntegerField(),
        default=list,
        blank=True,
        help_text="Ids of the model versions that a rollback can return to, the nearest last.",
    )
    changed_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.project}: {self.version}"


class Conversation(models.Model):
    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="conversations")
    user = models.ForeignKey("core.User", on_delete=models.PROTECT, related_name="conversations")
    version = models.ForeignKey(
        "training.ModelVersion", on_delete=models.PROTECT, related_name="conversations"
    )
    title = models.CharField(max_length=120, blank=True)
    context = models.JSONField(default=list, help_text="Records for the conversation.")
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-changed_at"]

    def __str__(self) -> str:
        return self.title or f"Conversation {self.pk}"


class Answer(models.Model):
    """One answer: its question, version, settings, text and speed."""

    class Purpose(models.TextChoices):
        CHAT = "chat", "Chat"
        CAMPAIGN = "campaign", "Campaign"
        APPLICATION = "application", "Application"

    class Status(models.TextChoices):
        STREAMING = "streaming", "Streaming"
        DONE = "done", "Done"
        STOPPED = "stopped", "Stopped by the user"
        FAILED = "failed", "Failed"

    TRANSITIONS: ClassVar[dict[str, set[str]]] = {
        Status.STREAMING: {Status.DONE, Status.STOPPED, Status.FAILED},
        Status.DONE: set(),
        Status.STOPPED: set(),
        Status.FAILED: set(),
    }

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="answers")
    version = models.ForeignKey("training.ModelVersion", on_delete=models.PROTECT, related_name="answers")
    purpose = models.CharField(max_length=12, choices=Purpose.choices)
    conversation = models.ForeignKey(
        Conversation,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="answers",
    )
    user = models.ForeignKey(
        "core.User",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="answers",
    )
    api_key = models.ForeignKey(
        "core.ApiKey",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    adapter = models.ForeignKey(
        "training.PersonalAdapter",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="answers",
        help_text="The asker's own adapter on top of the version, when it answered.",
    )
    adapter_number = models.PositiveIntegerField(
        null=True, blank=True, help_text="Of that adapter; it stays when the adapter is deleted."
    )
    turn = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="The turn of the conversation, from 1. A new answer to the same question has the same turn; the newest counts.",
    )
    messages = models.JSONField(
        help_text="Everything sent to the engine, system prompt and records included."
    )
    question = models.TextField(
        blank=True, default="", db_default="", help_text="The last message of the user."
    )
    params = models.JSONField(default=dict)
    text = models.TextField(blank=True)
    status = models.CharField(max_length=9, choices=Status.choices, default=Status.STREAMING)
    finish_reason = models.CharField(max_length=20, blank=True)
    error = models.TextField(blank=True)
    doubt = models.TextField(
        blank=True,
        help_text="Why this answer may come from other weights than the version's. Empty: no doubt.",
    )
    prompt_tokens = models.PositiveIntegerField(null=True)
    completion_tokens = models.PositiveIntegerField(null=True)
    first_token_ms = models.PositiveIntegerField(null=True)
    duration_ms = models.PositiveIntegerField(null=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    alive_at = models.DateTimeField(
        null=True, blank=True, help_text="The last heartbeat of the process that writes it."
    )

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(name="answer_by_version", fields=["version", "-id"]),
            models.Index(name="answer_by_project", fields=["project", "-id"]),
            models.Index(name="answer_in_doubt", fields=["project", "-id"], condition=~models.Q(doubt="")),
            # `icontains` compares in upper case.
            GinIndex(OpClass(Upper("question"), name="gin_trgm_ops"), name="answer_question"),
            GinIndex(OpClass(Upper("text"), name="gin_trgm_ops"), name="answer_text"),
        ]

    def __str__(self) -> str:
        return f"answer {self.public_id}"


class CorrectionDraft(DraftBase):
    """A correction of a chat answer that its writer has not sent yet: {completion, topic, edge}.

    Private to its writer, and deleted when the correction is filed.
    """

    answer = models.ForeignKey(Answer, on_delete=models.CASCADE, related_name="correction_drafts")
    user = models.ForeignKey("core.User", on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(name="correction_draft_once", fields=["answer", "user"]),
            models.CheckConstraint(
                name="correction_draft_is_a_form",
                condition=models.Q(content__contains={}),  # jsonb @> '{}' is true for objects only
            ),
        ]

    def __str__(self) -> str:
        return f"draft of a correction of {self.answer_id}"
