from core.models.artifacts import Artifact
from core.models.audit import AuditEntry
from core.models.drafts import DraftBase
from core.models.events import Delivery, Event
from core.models.moving import ProjectArchive, ProjectImport
from core.models.people import ApiKey, Membership, Project, Role, User
from core.models.runs import Run

__all__ = [
    "ApiKey",
    "Artifact",
    "AuditEntry",
    "Delivery",
    "DraftBase",
    "Event",
    "Membership",
    "Project",
    "ProjectArchive",
    "ProjectImport",
    "Role",
    "Run",
    "User",
]
