"""Who did what, when. Rows can only be added: a database trigger (migration 0002) refuses all other writes."""

from django.db import models


class AuditEntry(models.Model):
    """One audited action. It has no foreign keys, so that it is kept when people, projects and objects are deleted."""

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    actor_id = models.BigIntegerField(null=True, blank=True)
    actor = models.CharField(max_length=200)
    project_id = models.BigIntegerField(null=True, blank=True)
    action = models.CharField(
        max_length=60, help_text="noun.past-participle, as in example.approved; see each app's actions.py."
    )
    object_type = models.CharField(max_length=60, blank=True)
    object_id = models.CharField(max_length=60, blank=True)
    object_label = models.CharField(max_length=200, blank=True)
    detail = models.JSONField(default=dict)
    imported = models.BooleanField(
        default=False,
        db_default=False,
        help_text="It came with a project archive: the action was in another installation.",
    )

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(name="audit_by_project", fields=["project_id", "-id"]),
            models.Index(name="audit_by_object", fields=["object_type", "object_id"]),
            models.Index(name="audit_by_actor", fields=["actor_id", "-id"]),
        ]

    def __str__(self) -> str:
        return f"{self.actor} {self.action} {self.object_label}"
