"""Base models."""

from typing import ClassVar

from django.db import models


class BaseModel(models.Model):
    """A model to start from, registered once for the whole installation and stored as safetensors."""

    class Kind(models.TextChoices):
        PACKAGE = "package", "Python package"
        FOLDER = "folder", "Folder on this host"
        HUB = "hub", "Hub, at a pinned revision"

    class Status(models.TextChoices):
        PREPARING = "preparing", "Preparing"
        READY = "ready", "Ready"
        FAILED = "failed", "Failed"

    TRANSITIONS: ClassVar[dict[str, set[str]]] = {
        Status.PREPARING: {Status.READY, Status.FAILED},
        Status.FAILED: {Status.PREPARING},
        Status.READY: set(),
    }

    name = models.CharField(max_length=120, unique=True)
    slug = models.SlugField(max_length=60, unique=True)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    location = models.CharField(max_length=300, help_text="Package name, folder, or hub name.")
    revision = models.CharField(max_length=64, blank=True, help_text="A commit hash; a hub model needs one.")
    license = models.CharField(max_length=120, blank=True)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PREPARING)
    run = models.OneToOneField("core.Run", null=True, on_delete=models.PROTECT, related_name="base_model")
    artifact = models.ForeignKey("core.Artifact", null=True, on_delete=models.PROTECT, related_name="+")
    parameter_count = models.BigIntegerField(null=True)
    context_length = models.PositiveIntegerField(null=True, help_text="tokens")
    architecture = models.JSONField(default=dict, help_text="The model's config.json, for estimates.")
    chat_template_hash = models.CharField(max_length=64, blank=True)
    stop_token = models.CharField(max_length=60, blank=True)
    control_tokens = models.JSONField(
        default=list,
        help_text="Tokens that begin or end turns in its chat template; user text must not contain them.",
    )
    # Copied to the base model's model version in each project, for the token check.
    parity_prompts = models.JSONField(default=list, help_text="[{messages, token_ids}]")
    created_by = models.ForeignKey("core.User", null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                name="base_hub_is_pinned",
                condition=~models.Q(kind="hub") | ~models.Q(revision=""),
            ),
            models.CheckConstraint(
                name="base_ready_has_artifact",
                condition=~models.Q(status="ready") | models.Q(artifact__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.name
