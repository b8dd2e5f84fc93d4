"""Projects and the people in them."""

import uuid
from typing import Any, NamedTuple

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.text import slugify

from core.audit.actions import CoreAction
from core.audit.entries import record
from core.errors import Conflict, Invalid
from core.marks import refuse_marks
from core.models import ApiKey, Membership, Project, Role, User
from core.models.people import MOST_TEMPERATURE, MOST_TOKENS
from core.project_start import furnish
from core.seen import must_be_as_seen, stamp
from core.services.people import (
    create_account,
    first_password,
    lock_admins,
    locked,
    reissue_first_password,
)
from core.text import plain_line_ends, storable


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
    """Creates a project with `by` as its first admin.

    Without `slug` the address is made from the name; a name without letters for an address (東京) gets
    p-<number>. Addresses are in lower case. Invalid without a name and when the address is taken.
    """
    name = name.strip()
    if not name:
        raise Invalid("A project needs a name.", fields={"name": ["Give it a name."]})
    guideline, system_prompt = _written(guideline), _written(system_prompt)
    refuse_marks(system_prompt=system_prompt)
    slug = (slug or slugify(name)[:60].strip("-_")).lower()
    try:
        with transaction.atomic():
            project = Project.objects.create(
                name=name,
                slug=slug or f"p-{uuid.uuid4().hex}",
                description=description,
                guideline=guideline,
                system_prompt=system_prompt,
            )
            if not slug:
                slug = project.slug = f"p-{project.pk}"
                project.save(update_fields=["slug"])
    except IntegrityError:
        raise Invalid(
            "This address is in use. Choose another one.",
            fields={"slug": [f"There is already a project at /p/{slug}/."]},
        ) from None
    Membership.objects.create(project=project, user=by, roles=[Role.ADMIN])
    furnish(project)
    record(by=by, project=project, action=CoreAction.PROJECT_CREATED, obj=project)
    return project


def _written(text: str) -> str:
    """As it is stored: browsers send \\r\\n for line ends, and the text for a model must not depend on the sender."""
    return plain_line_ends(storable(text))


SETTINGS_FIELDS = (
    "name",
    "description",
    "guideline",
    "system_prompt",
    "lease_minutes",
    "temperature",
    "max_tokens",
)
# Set on a page of their own, which knows what can be chosen.
CHECK_FIELDS = ("checks_off", "languages", "most_example_tokens")


def _check_sampling(values: dict[str, Any]) -> None:
    fields = {}
    # NaN fails every comparison, so the test is positive.
    if "temperature" in values and not 0 <= values["temperature"] <= MOST_TEMPERATURE:
        fields["temperature"] = [f"Choose a value from 0 to {MOST_TEMPERATURE}."]
    if "max_tokens" in values and not 1 <= values["max_tokens"] <= MOST_TOKENS:
        fields["max_tokens"] = [f"Choose 1 to {MOST_TOKENS:,} tokens."]
    if fields:
        raise Invalid("These settings were not saved.", fields=fields)


def settings_stamp(project: Project, names: tuple[str, ...] = SETTINGS_FIELDS) -> str:
    """The stamp that the page with these settings sends when it saves."""
    return stamp({name: getattr(project, name) for name in names})


@transaction.atomic
def update_project(
    *, by: User, project: Project, seen: str = "", **values: str | float | list[str]
) -> Project:
    """Changes settings; only fields in SETTINGS_FIELDS or only fields in CHECK_FIELDS. The audit entry says which changed, from what.

    Raises Invalid, with the fields, for sampling values that engines refuse, and Conflict when the settings changed since
    `seen`: saving a whole form must not undo another person's change.
    """
    _check_sampling(values)
    values = {name: _written(value) if isinstance(value, str) else value for name, value in values.items()}
    names = CHECK_FIELDS if set(values) <= set(CHECK_FIELDS) else SETTINGS_FIELDS
    project.refresh_from_db(from_queryset=Project.objects.select_for_update(no_key=True))
    if seen and seen != settings_stamp(project, names):
        raise Conflict(
            "Somebody changed the settings after you loaded the page.",
            "Nothing was saved. The audit page shows the change. Saving again overwrites it.",
        )
    if values.get("system_prompt", project.system_prompt) != project.system_prompt:
        refuse_marks(system_prompt=str(values["system_prompt"]))
    changed = {}
    for name, value in values.items():
        if name not in names:
            raise ValueError(f"{name} is not a project setting.")
        old = getattr(project, name)
        if old != value:
            changed[name] = [old, value]
            setattr(project, name, value)
    if changed:
        project.save(update_fields=list(changed))
        record(by=by, project=project, action=CoreAction.PROJECT_CHANGED, obj=project, changed=changed)
    return project


def _known_roles(roles: list[str]) -> list[str]:
    clean = [role for role in Role.values if role in roles]
    if not clean or set(roles) - set(Role.values):
        raise Invalid("Choose at least one role.", fields={"roles": ["Choose at least one role."]})
    if Role.PARTNER in clean and len(clean) > 1:
        message = "A partner has no other role: another role would show them the work of everybody."
        raise Invalid(message, fields={"roles": [message]})
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
    record(by=by, project=project, action=CoreAction.MEMBER_ADDED, obj=user, roles=clean)
    return membership


class Invited(NamedTuple):
    """`first_password` is given once, for a new account and for one whose first password was not changed."""

    membership: Membership
    first_password: str | None
    is_new: bool


def invite(*, by: User, project: Project, email: str, name: str, roles: list[str]) -> Invited:
    """Adds a person by e-mail address. A new person gets an account.

    An account with an unchanged first password gets a new one: a person who has the old one, for example an admin of another
    project, must not be able to act through the account here.
    """
    _known_roles(roles)
    user = User.objects.filter(email=email.strip().lower()).first()
    first = hashed = None
    if user is None or user.must_change_password:
        first, hashed = first_password()
    with transaction.atomic():
        is_new = user is None
        if user is None:
            try:
                user = create_account(
                    by=by, email=email, name=name, project=project, hashed=hashed or "", must_change=True
                )
            except Invalid:  # there was none a moment ago
                raise Conflict(
                    "Somebody else created an account for this address at the same moment.",
                    "Send it again to add the person with that account.",
                ) from None
        else:
            user = locked(user)
            if not user.is_active:
                raise Invalid(
                    "This account is deactivated.",
                    fields={"email": ["This account is deactivated. An operator can activate it again."]},
                )
            if user.must_change_password and hashed is None:
                raise Conflict("The account's password was reset at the same moment.", "Try again.")
            if not user.must_change_password:
                first = None
        membership = add_member(by=by, project=project, user=user, roles=roles)
        if not is_new and first is not None and hashed is not None:
            reissue_first_password(by=by, user=user, hashed=hashed)
    return Invited(membership, first, is_new)


def _keep_an_admin(project: Project, leaving: Membership) -> None:
    """Conflict when no active admin would be left."""
    admins = lock_admins(project)
    if Role.ADMIN in leaving.roles and not any(m.pk != leaving.pk for m in admins):
        raise Conflict("A project needs an admin.", "First make another person admin.")


def _end_keys(project: Project, maker: User) -> int:
    """Revokes the application keys that a person created here: they know the secrets and cannot manage them any more."""
    keys = ApiKey.objects.filter(project=project, created_by=maker, revoked_at=None)
    return keys.update(revoked_at=timezone.now())


def roles_stamp(membership: Membership) -> str:
    """The stamp that the page with a person's roles sends when they are changed."""
    return stamp(sorted(membership.roles))


@transaction.atomic
def change_roles(*, by: User, membership: Membership, roles: list[str], seen: str = "") -> Membership:
    """Sets the roles of the person. Conflict when the project would have no admin, or when the roles changed since `seen`."""
    clean = _known_roles(roles)
    if Role.ADMIN not in clean:
        _keep_an_admin(membership.project, membership)
    membership.refresh_from_db(fields=["roles"], from_queryset=Membership.objects.select_for_update())
    must_be_as_seen(seen, sorted(membership.roles), label=f"The roles of {membership.user.name}")
    old = membership.roles
    membership.roles = clean
    membership.save(update_fields=["roles"])
    gave_up = Role.ADMIN in old and Role.ADMIN not in clean
    record(
        by=by,
        project=membership.project,
        action=CoreAction.MEMBER_CHANGED,
        obj=membership.user,
        roles=[old, clean],
        keys=_end_keys(membership.project, membership.user) if gave_up else 0,
    )
    return membership


@transaction.atomic
def remove_member(*, by: User, membership: Membership) -> None:
    _keep_an_admin(membership.project, membership)
    user, project = membership.user, membership.project
    membership.delete()
    record(by=by, project=project, action=CoreAction.MEMBER_REMOVED, obj=user, keys=_end_keys(project, user))
