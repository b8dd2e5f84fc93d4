"""Access control. All objects of a project are fetched through this, so other people see only 404."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import TypeVar

from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404

from core.models import Membership, Project, Role, Run, User
from core.roles import MEMBERS, READERS

M = TypeVar("M", bound=Model)


@dataclass(frozen=True)
class Access:
    """A person inside a project. Objects of the project are fetched with `get`, not by primary key alone."""

    user: User
    project: Project
    roles: frozenset[str] = field(default_factory=frozenset)

    def has(self, *roles: str) -> bool:
        """Whether the person holds any of `roles`."""
        return bool(self.roles.intersection(roles))

    @property
    def sees_all(self) -> bool:
        """Admins and viewers see the origin of everything: imports, answers, names of versions."""
        return self.has(*READERS)

    def follows(self, run: Run | None) -> bool:
        """Whether the person may see the progress of a run: who sees all, and who started it."""
        return self.sees_all or (run is not None and run.created_by_id == self.user.pk)

    @property
    def is_partner(self) -> bool:
        """From outside the organisation: sees only the sources that an admin has chosen for them."""
        return self.has(Role.PARTNER)

    def require(self, *roles: str) -> None:
        """Raises PermissionDenied (403) unless the person holds one of `roles`; no roles means any member of the organisation.

        A partner is from outside: they come in only where a view names their role.
        """
        if not self.has(*(roles or MEMBERS)):
            if self.is_partner:
                raise PermissionDenied(f"As a partner you see only your sources in {self.project.name}.")
            names = " or ".join(Role(role).label.lower() for role in roles if role != Role.VIEWER)
            raise PermissionDenied(f"This needs the role {names} in {self.project.name}.")

    def get(self, source: type[M] | QuerySet[M], **lookup: object) -> M:
        """The project's own object, or 404. `source` is a model or queryset with a `project` field."""
        return get_object_or_404(source, project=self.project, **lookup)


def open_project(user: User, slug: str, *roles: str) -> Access:
    """The person's access to a project: 404 when not a member, 403 when none of `roles` is held."""
    membership = (
        Membership.objects.select_related("project")
        .filter(user=user, project__slug=slug, project__archived_at=None)
        .first()
    )
    if membership is None:
        raise Http404("No such project.")
    access = Access(user=user, project=membership.project, roles=frozenset(membership.roles))
    access.require(*roles)
    return access


def signed_in(request: HttpRequest) -> User:
    """The person who sent the request. PermissionDenied (403) without a session or key."""
    if not isinstance(request.user, User):
        raise PermissionDenied("Sign in first.")
    return request.user


View = Callable[..., HttpResponseBase]


def project_page(*roles: str) -> Callable[[View], View]:
    """Decorates a view of /p/<slug>/...: it is called as view(request, access, **rest)."""

    def decorate(view: View) -> View:
        @wraps(view)
        def inner(request: HttpRequest, slug: str, **kwargs: object) -> HttpResponseBase:
            access = open_project(signed_in(request), slug, *roles)
            request.access = access  # type: ignore[attr-defined]
            return view(request, access, **kwargs)

        inner.roles = roles  # type: ignore[attr-defined]
        return inner

    return decorate


def require_operator(user: object) -> User:
    """PermissionDenied (403) for everybody except operators."""
    if not isinstance(user, User) or not user.is_operator:
        raise PermissionDenied("Only an operator of this installation can do this.")
    return user


def operator_page(view: View) -> View:
    """Decorates a view for operators: it is called as view(request, operator, **rest)."""

    @wraps(view)
    def inner(request: HttpRequest, **kwargs: object) -> HttpResponseBase:
        return view(request, require_operator(request.user), **kwargs)

    return inner
