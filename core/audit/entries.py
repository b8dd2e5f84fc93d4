"""The only way to write an audit entry."""

from django.db.models import Model

from core.audit.actions import AuditAction
from core.json_types import JsonLike
from core.models import AuditEntry, Project, User

SYSTEM = "Guildhall"


def record(
    *,
    by: User | None,
    project: Project | None,
    action: AuditAction,
    obj: Model | None = None,
    **detail: JsonLike,
) -> AuditEntry:
    """Adds one entry inside the caller's transaction, so that the action and its entry are stored together or not at all.

    `by` is None when the system itself acted (a sweep, the engine reconciler). `detail` must be JSON.
    """
    return AuditEntry.objects.create(
        actor_id=by.pk if by else None,
        actor=f"{by.name} <{by.email}>"[:200] if by else SYSTEM,
        project_id=project.pk if project else None,
        action=action,
        object_type=obj._meta.label_lower if obj is not None else "",
        object_id=str(obj.pk) if obj is not None else "",
        object_label=str(obj)[:200] if obj is not None else "",
        detail=detail,
    )
