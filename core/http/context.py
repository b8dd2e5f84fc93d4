"""The context of every page's layout: the person's projects, roles and navigation. At most one query per page."""

from typing import Any

from django.http import HttpRequest

from core.home.stages import stages
from core.models import Membership, Role


def furniture(request: HttpRequest) -> dict[str, Any]:
    """`access` and `nav` for templates/base.html; empty when nobody is signed in."""
    access = getattr(request, "access", None)
    if access is None:
        return {"access": None, "nav": [], "is_admin": False}
    nav = [stage for stage in stages() if access.has(*stage.roles)]
    return {
        "access": access,
        "nav": nav,
        "is_admin": access.has(Role.ADMIN),
        "role_labels": Membership(roles=list(access.roles)).role_labels,
    }
