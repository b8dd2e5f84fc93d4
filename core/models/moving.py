"""Projects that move between installations: archives made here, and archives that were imported here."""

from django.db import models


class ProjectArchive(models.Model):
    """One archive of a project, made by a background job and kept for download until it expires or is removed."""

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="archives")
    run = models.OneToOneField("core.Run", on_delete=models.PROTECT, related_name="project_archive")
    with_weights = models.BooleanField(help_text="Whether the files of models are in it.")
    artifact = models.ForeignKey(
        "core.Artifact",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="The file; empty before it is made and after it is removed.",
    )
    manifest = models.JSONField(default=dict, help_text="core.moving.manifest.Manifest, once it is made.")
    created_by = models.ForeignKey("core.User", null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="When its file is removed.")
    removed_at = models.DateTimeField(null=True, blank=True)
    removed_by = models.ForeignKey(
        "core.User", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(name="archive_by_project", fields=["project", "-id"])]

    def __str__(self) -> str:
        return f"archive {self.pk}"


class ProjectImport(models.Model):
    """One project archive that was given to this installation, and the project it became."""

    run = models.OneToOneField(
        "core.Run", null=True, blank=True, on_delete=models.PROTECT, related_name="project_import"
    )
    upload = models.ForeignKey(
        "core.Artifact",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="The file; empty once it is not needed any more.",
    )
    file_name = models.CharField(max_length=200)
    # Of the manifest: the same archive is not imported twice by mistake.
    archive_id = models.UUIDField()
    slug = models.SlugField(max_length=60, help_text="The address that the project gets.")
    project = models.ForeignKey(
        "core.Project", null=True, blank=True, on_delete=models.SET_NULL, related_name="imported_from"
    )
    manifest = models.JSONField(default=dict, help_text="core.moving.manifest.Manifest, as in the file.")
    result = models.JSONField(
        default=dict,
        help_text="{rows, people: [{name, email}] with new accounts, known: people with accounts, missing: files}",
    )
    created_by = models.ForeignKey("core.User", null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(name="project_import_archive", fields=["archive_id"])]

    def __str__(self) -> str:
        return self.file_name
