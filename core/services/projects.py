"""Projects and the people in them."""

from typing import Any

from django.db import IntegrityError, transaction
from django.utils.text import slugify

from core.audit import record
from core.errors import Conflict, Invalid
from core.marks import refuse_marks
from core.models import Membership, Project, Role, User
from core.models.people import MOST_TEMPERATURE, MOST_TOKENS
from core.services.people import create_person


@transaction.atomic
def create_project(
    *,
    by: User,
    name: str,
    description: str = "",
    guideline: str = "",
    system_prompt: str = "",
    slug: str = "",
) -> Project:
    """Creates a project with `by` as its first admin. Invalid when the address is taken."""
    slug = slug or slugify(name)[:60]
    if not slug:
        raise Invalid(
            "The name needs at least one letter or digit.",
            fields={"name": ["Give it a name."]},
        )
    refuse_marks(system_prompt=system_prompt)
    if Project.objects.filter(slug=slug).exists():
        raise Invalid(
            "That address is taken.",
            fields={"slug": [f"A project already lives at /p/{slug}/."]},
        )
    project = Project.objects.create(
        name=name.strip(),
        slug=slug,
        description=description,
        guideline=guideline,
        system_prompt=system_prompt,
    )
    Membership.objects.create(project=project, user=by, roles=[Role.ADMIN])
    record(by=by, project=project, verb="project.created", obj=project)
    return project


SETTINGS_FIELDS = (
    "name",
    "description",
    "guideline",
    "system_prompt",
    "lease_minutes",
    "temperature",
    "max_tokens",
)


def _check_sampling(values: dict[str, Any]) -> None:
    fields = {}
    # NaN fails every comparison, so it is asked for what it must be.
    if "temperature" in values and not 0 <= values["temperature"] <= MOST_TEMPERATURE:
        fields["temperature"] = [f"Choose a value from 0 to {MOST_TEMPERATURE}."]
    if "max_tokens" in values and not 1 <= values["max_tokens"] <= MOST_TOKENS:
        fields["max_tokens"] = [f"Choose 1 to {MOST_TOKENS:,} tokens."]
    if fields:
        raise Invalid("These settings were not saved.", fields=fields)


@transaction.atomic
def update_project(*, by: User, project: Project, **values: Any) -> Project:
    """Changes settings; only fields in SETTINGS_FIELDS. The audit entry says which changed, from what.

    Raises Invalid, with the fields, for sampling that no engine takes.
    """
    _check_sampling(values)
    if values.get("system_prompt", project.system_prompt) != project.system_prompt:
        refuse_marks(system_prompt=values["system_prompt"])
    changed = {}
    for name, value in values.items():
        if name not in SETTINGS_FIELDS:
            raise ValueError(f"{name} is not a project setting.")
        old = getattr(project, name)
        if old != value:
            changed[name] = [old, value]
            setattr(project, name, value)
    if changed:
        project.save(update_fields=list(changed))
        record(by=by, project=project, verb="project.changed", obj=project, changed=changed)
    return project


def _known_roles(roles: list[str]) -> list[str]:
    clean = [role for role in Role.values if role in roles]
    if not clean or set(roles) - set(Role.values):
        raise Invalid("Choose at least one role.", fields={"roles": ["Choose at least one role."]})
    return clean


@transaction.atomic
def add_member(*, by: User, project: Project, user: User, roles: list[str]) -> Membership:
    clean = _known_roles(roles)
    try:
        with transaction.atomic():
            membership = Membership.objects.create(project=project, user=user, roles=clean)
    except IntegrityError:
        raise Conflict(
            f"{user.name} is already in this project.",
            "Change the roles in the list instead.",
        ) from None
    record(by=by, project=project, verb="member.added", obj=user, roles=clean)
    return membership


@transaction.atomic
def invite(
    *, by: User, project: Project, email: str, name: str, roles: list[str]
) -> tuple[Membership, str | None]:
    """Adds a person by e-mail address. Somebody new gets an account, and its first password is returned, once."""
    user = User.objects.filter(email=email.strip().lower()).first()
    first = None
    if user is None:
        user, first = create_person(by=by, email=email, name=name, project=project)
    return add_member(by=by, project=project, user=user, roles=roles), first


def _keep_an_admin(project: Project, leaving: Membership) -> None:
    """Locks the project's admins, so that two admins cannot remove each other at the same moment."""
    admins = list(
        Membership.objects.select_for_update()
        .filter(project=project, roles__contains=[Role.ADMIN])
        .order_by("pk")
    )
    if [m.pk for m in admins] == [leaving.pk]:
        raise Conflict("A project needs an admin.", "Make somebody else admin first.")


@transaction.atomic
def change_roles(*, by: User, membership: Membership, roles: list[str]) -> Membership:
    clean = _known_roles(roles)
    if Role.ADMIN not in clean:
        _keep_an_admin(membership.project, membership)
    old = membership.roles
    membership.roles = clean
    membership.save(update_fields=["roles"])
    record(
        by=by,
        project=membership.project,
        verb="member.changed",
        obj=membership.user,
        roles=[old, clean],
    )
    return membership


@transaction.atomic
def remove_member(*, by: User, membership: Membership) -> None:
    _keep_an_admin(membership.project, membership)
    user, project = membership.user, membership.project
    membership.delete()
    record(by=by, project=project, verb="member.removed", obj=user)
