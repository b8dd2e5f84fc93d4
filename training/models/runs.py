"""Training runs, their measurements and the model versions they produce."""

from typing import ClassVar

from django.db import models

from training.models.bases import BaseModel
from training.serving import Serving


class TrainingRun(models.Model):
    """One training run: base model + dataset version + recipe. Its progress is a core Run."""

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="training_runs")
    run = models.OneToOneField("core.Run", on_delete=models.PROTECT, related_name="training_run")
    number = models.PositiveIntegerField()
    base_model = models.ForeignKey(BaseModel, on_delete=models.PROTECT, related_name="training_runs")
    dataset = models.ForeignKey(
        "datasets.DatasetVersion",
        on_delete=models.PROTECT,
        related_name="training_runs",
    )
    # Null: it starts from the base model. Else a version of the same project and base model (foreign key in migration 0007).
    continued_from = models.ForeignKey(
        "training.ModelVersion",
        null=True,
        blank=True,
        db_constraint=False,
        on_delete=models.RESTRICT,
        related_name="continuing_runs",
    )
    percent = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        help_text="Null for a run that trains. Else it only calculates weights so much of the way from the base model to "
        "`continued_from`, and its other fields are those of the run that trained that one.",
    )
    method = models.CharField(max_length=20)
    objective = models.CharField(
        max_length=20, default="supervised", db_default="supervised", help_text="Of training.objectives."
    )
    recipe = models.JSONField(
        help_text="All parameters, defaults included, as the dataclass of method and objective."
    )
    recipe_hash = models.CharField(max_length=64)
    note = models.CharField(max_length=300, blank=True)
    code_version = models.CharField(max_length=80)
    serving_plan = models.CharField(max_length=120, help_text="How the result is served.")
    planned_steps = models.PositiveIntegerField(default=0)
    done_steps = models.PositiveIntegerField(default=0)
    checkpoint_step = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Step of the newest checkpoint; null when there is none to resume from.",
    )
    train_rows = models.PositiveIntegerField(default=0)
    train_tokens = models.BigIntegerField(
        default=0, help_text="Tokens seen in training so far, padding excluded."
    )
    tokens_per_second = models.FloatField(null=True)
    peak_memory_bytes = models.BigIntegerField(null=True)
    loss_before = models.FloatField(null=True, help_text="Mean completion loss on validation before step 1.")
    loss_after = models.FloatField(null=True)
    resumes = models.JSONField(default=list, help_text="[{attempt, from_step, at}]")
    environment = models.JSONField(default=dict, help_text="torch, transformers, peft, device, threads")
    # The estimate at launch, kept beside the measurements so that the two can be compared.
    estimate = models.JSONField(default=dict, help_text="training.estimates.Estimate, as at launch")
    data_facts = models.JSONField(
        default=dict, help_text="training.runner.data.DataFacts, exact, from the worker"
    )
    measured = models.JSONField(
        default=dict,
        help_text="Seconds over all attempts: {load, reference, train, evaluate, sample, save, store}",
    )
    counted = models.JSONField(
        default=dict,
        help_text="The work done in those seconds: {train: tokens, reference, evaluate, sample, save: how often}",
    )
    undisturbed_speed = models.FloatField(
        null=True,
        help_text="Tokens per second while nothing else slowed the run; null when there was no such time.",
    )
    launched_by = models.ForeignKey("core.User", on_delete=models.PROTECT, related_name="training_runs")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(name="training_number", fields=["project", "number"]),
            models.CheckConstraint(
                name="training_percent",
                condition=models.Q(percent=None)
                | models.Q(percent__gt=0, percent__lt=100, continued_from__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"Run {self.number}"


class TokenCount(models.Model):
    """The number of tokens of each row of a frozen dataset for one base model, and the rows that cannot be trained on.

    Rows and tokenizer never change, so this is computed once. Only ids and numbers are kept, no text.
    """

    dataset = models.ForeignKey(
        "datasets.DatasetVersion", on_delete=models.CASCADE, related_name="token_counts"
    )
    base_model = models.ForeignKey(BaseModel, on_delete=models.CASCADE, related_name="token_counts")
    run = models.OneToOneField(
        "core.Run",
        null=True,
        on_delete=models.SET_NULL,
        related_name="token_count",
        help_text="The background job that counted, if there was one.",
    )
    lengths = models.BinaryField(
        null=True, help_text="training.row_facts.Lengths by split, packed; null while it runs."
    )
    problems = models.JSONField(default=list, help_text="[training.rows.Problem]")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(name="tokens_counted_once", fields=["dataset", "base_model"])]

    def __str__(self) -> str:
        return f"Tokens of {self.dataset} for {self.base_model}"


class MetricPoint(models.Model):
    """Loss at one optimiser step: by token in nats, or the loss of a preference objective."""

    class Series(models.TextChoices):
        TRAIN = "train", "Training"
        VALIDATION = "validation", "Validation"

    training_run = models.ForeignKey(TrainingRun, on_delete=models.CASCADE, related_name="points")
    series = models.CharField(max_length=10, choices=Series.choices)
    step = models.PositiveIntegerField()
    epoch = models.FloatField()
    loss = models.FloatField()
    learning_rate = models.FloatField(null=True)
    tokens_per_second = models.FloatField(null=True)
    figures = models.JSONField(
        default=dict,
        db_default=models.Value({}, models.JSONField()),
        help_text="Of held-out preferences: training.objectives.PREFERENCE_FIGURES.",
    )
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["step"]
        constraints = [models.UniqueConstraint(name="point_once", fields=["training_run", "series", "step"])]

    def __str__(self) -> str:
        return f"{self.series} {self.step}: {self.loss:.3f}"


class SampleAnswer(models.Model):
    """The model's answer to one validation question at some step, for people to read beside the loss."""

    training_run = models.ForeignKey(TrainingRun, on_delete=models.CASCADE, related_name="samples")
    step = models.PositiveIntegerField()
    question = models.TextField()
    answer = models.TextField()
    reference = models.TextField(blank=True, help_text="What the expert wrote.")

    class Meta:
        ordering = ["step", "id"]
        constraints = [
            models.UniqueConstraint(name="sample_once", fields=["training_run", "step", "question"])
        ]

    def __str__(self) -> str:
        return f"step {self.step}"


class SharedVersions(models.Manager["ModelVersion"]):
    """Versions of the whole project: without those that belong to one person or team."""

    def get_queryset(self) -> models.QuerySet["ModelVersion"]:
        return super().get_queryset().filter(personal=False)


class ModelVersion(models.Model):
    """A model that can answer: a base model in a project (number 0), an adapter, or full weights.

    `served_name` is what engines call it, permanently; weights at a served name never change.
    """

    class Kind(models.TextChoices):
        BASE = "base", "Base model"
        ADAPTER = "adapter", "Adapter"
        FULL = "full", "Full weights"

    class Status(models.TextChoices):
        REGISTERED = "registered", "Waiting for the token check"
        READY = "ready", "Ready"
        REJECTED = "rejected", "Rejected"

    TRANSITIONS: ClassVar[dict[str, set[str]]] = {
        Status.REGISTERED: {Status.READY, Status.REJECTED},
        Status.READY: {Status.REJECTED},
        Status.REJECTED: {Status.REGISTERED},
    }

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="model_versions")
    number = models.PositiveIntegerField(help_text="0 is the base model of the project.")
    personal = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Belongs to one person or team (PersonalAdapter), and counts its numbers apart.",
    )
    kind = models.CharField(max_length=8, choices=Kind.choices)
    serving = models.CharField(
        max_length=14, choices=Serving.choices, default=Serving.WHOLE, help_text="How engines serve it."
    )
    base_model = models.ForeignKey(BaseModel, on_delete=models.PROTECT, related_name="versions")
    training_run = models.OneToOneField(
        TrainingRun,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="model_version",
    )
    # The version whose weights this one was made from; null: it was made from the base model.
    parent = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        db_constraint=False,
        on_delete=models.RESTRICT,
        related_name="children",
    )
    parent_number = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="The parent's number, smaller than the own one: no version is its own ancestor.",
    )
    artifact = models.ForeignKey("core.Artifact", on_delete=models.PROTECT, related_name="+")
    served_name = models.CharField(max_length=120, unique=True)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.REGISTERED)
    adapter_rank = models.PositiveSmallIntegerField(null=True, blank=True)
    # Rendered by the trainer's tokenizer when the version was made; the engine's /tokenize must agree.
    parity_prompts = models.JSONField(default=list, help_text="[{messages, token_ids}]")
    parity_report = models.JSONField(default=dict, help_text="{checked, differing: [...], at, engine}")
    # The last check of the stored files against their recorded hashes.
    files_check = models.OneToOneField(
        "core.Run", null=True, blank=True, on_delete=models.SET_NULL, related_name="files_check_of"
    )
    files_report = models.JSONField(default=dict, help_text="{at, wrong: [file names]}")
    note = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    ready_at = models.DateTimeField(null=True, blank=True)

    # Every list of versions is made of the first: a person's own version appears in none of them by mistake.
    objects: ClassVar[SharedVersions] = SharedVersions()
    with_personal: ClassVar[models.Manager["ModelVersion"]] = models.Manager()

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(
                name="version_number",
                fields=["project", "number", "base_model"],
                condition=models.Q(personal=False),
            ),
            models.CheckConstraint(
                name="version_lineage",
                condition=models.Q(personal=False, kind="base", number=0, training_run__isnull=True)
                | models.Q(personal=False, number__gt=0, training_run__isnull=False) & ~models.Q(kind="base")
                | models.Q(personal=True, kind="adapter", number__gt=0, training_run__isnull=True),
            ),
            # The foreign keys over project, base model and number (migration 0007) refer to these.
            models.UniqueConstraint(name="version_key", fields=["id", "project", "base_model"]),
            models.UniqueConstraint(
                name="version_numbered_key", fields=["id", "project", "base_model", "number"]
            ),
            models.CheckConstraint(
                name="version_after_parent",
                condition=models.Q(parent__isnull=True, parent_number__isnull=True)
                | models.Q(parent__isnull=False, parent_number__gt=0, parent_number__lt=models.F("number")),
            ),
            # Only an adapter can be served beside its base model; only complete weights have an engine of their own.
            models.CheckConstraint(
                name="version_serving",
                condition=models.Q(kind="adapter", serving__in=["adapter", "prompt_embeds", "transformers"])
                | (~models.Q(kind="adapter") & models.Q(serving__in=["whole", "transformers"])),
            ),
        ]

    def __str__(self) -> str:
        if self.personal:
            return f"personal adapter {self.number}"
        return f"{self.base_model.name} (base)" if self.number == 0 else f"v{self.number}"
