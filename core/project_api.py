"""The base of every API view inside a project: /api/v1/projects/<slug>/..."""

from typing import Any, ClassVar

from rest_framework.generics import GenericAPIView
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request

from core.access import Access, open_project


class ProjectAPIView(GenericAPIView):
    """Opens the project before the handler runs: 404 for strangers, 403 without the role.

    `read_roles` hold for GET, `write_roles` for everything else; no roles means any member. Handlers use
    `self.access`, and fetch objects with `self.access.get(...)`.
    """

    read_roles: ClassVar[tuple[str, ...]] = ()
    write_roles: ClassVar[tuple[str, ...]] = ()
    access: Access

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        roles = self.read_roles if request.method in SAFE_METHODS else self.write_roles
        self.access = open_project(request.user, kwargs["slug"], *roles)  # type: ignore[arg-type]
