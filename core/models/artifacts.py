"""Stored files that must not change: dataset versions, checkpoints, model versions, uploads."""

from django.db import models


class Artifact(models.Model):
    """A file or folder in the artifact store, addressed by the hash of its content.

    `sha256` of a folder is the hash of its manifest: sorted lines `<file sha256>  <relative path>`.
    """

    class Kind(models.TextChoices):
        DATASET = "dataset", "Dataset version"
        MODEL = "model", "Model version"
        CHECKPOINT = "checkpoint", "Checkpoint"
        UPLOAD = "upload", "Upload"
        EXPORT = "export", "Export"

    kind = models.CharField(max_length=12, choices=Kind.choices)
    sha256 = models.CharField(max_length=64)
    key = models.CharField(max_length=200, unique=True, help_text="Address in the store; not rewritten.")
    size_bytes = models.BigIntegerField()
    file_count = models.PositiveIntegerField(default=1)
    manifest = models.JSONField(default=list, help_text="[{path, sha256, size}] of every file.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(name="artifact_once", fields=["kind", "sha256"])]

    def __str__(self) -> str:
        return self.key
