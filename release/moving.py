"""What of release belongs to an archive of a project (core.moving)."""

from core.moving.own import register_audit_ids
from core.moving.parts import Part, plain, register_part
from release.actions import ReleaseAction
from release.models import ForgettingBudget, Release


def register_moving() -> None:
    register_part(Part(ForgettingBudget, "project"))
    register_part(Part(Release, "project", json={"gate": plain}))
    for action in ReleaseAction:
        register_audit_ids(action, release="release.Release")
