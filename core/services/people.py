"""Accounts and passwords."""

import secrets

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from core.audit import record
from core.errors import Invalid, Refused
from core.models import Project, Role, User


def _checked(password: str, user: User, field: str) -> str:
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise Invalid("Choose a stronger password.", fields={field: list(error.messages)}) from None
    return password


@transaction.atomic
def create_person(
    *,
    by: User | None,
    email: str,
    name: str,
    project: Project | None = None,
    password: str | None = None,
    is_operator: bool = False,
) -> tuple[User, str]:
    """Creates an account and returns it with its first password (made up here unless given).

    With a made-up password the person gets no further than the page where they choose their own.
    """
    email = email.strip().lower()
    if User.objects.filter(email=email).exists():
        raise Invalid(
            "This address has an account already.",
            fields={"email": ["This address has an account."]},
        )
    first = password or secrets.token_urlsafe(12)
    user = User.objects.create_user(
        email,
        first,
        name=name.strip() or email,
        must_change_password=password is None,
        is_operator=is_operator,
    )
    record(by=by, project=project, verb="person.created", obj=user)
    return user, first


@transaction.atomic
def change_password(*, by: User, user: User, new: str, old: str | None = None) -> None:
    """Changes a password. A person changing their own gives the `old` one."""
    if by.pk == user.pk and (old is None or not user.check_password(old)):
        raise Invalid(
            "The current password is not right.",
            fields={"old": ["The current password is not right."]},
        )
    user.set_password(_checked(new, user, "new"))
    user.must_change_password = False
    user.save(update_fields=["password", "must_change_password"])
    record(by=by, project=None, verb="password.changed", obj=user)


@transaction.atomic
def reset_password(*, by: User, user: User) -> str:
    """Gives a person who forgot theirs a new first password and returns it, to be handed over in person.

    Accounts reach across projects, so an admin may do this only for somebody all of whose projects the admin
    administers; an operator may do it for everybody.
    """
    mine = set(by.memberships.filter(roles__contains=[Role.ADMIN]).values_list("project_id", flat=True))
    theirs = set(user.memberships.values_list("project_id", flat=True))
    if not by.is_operator and (user.is_operator or not theirs <= mine):
        raise Refused(
            f"{user.name} also belongs to projects that you do not administer.",
            "Ask whoever runs this deployment to reset the password.",
        )
    first = secrets.token_urlsafe(12)
    user.set_password(first)
    user.must_change_password = True
    user.save(update_fields=["password", "must_change_password"])
    record(by=by, project=None, verb="password.reset", obj=user)
    return first


@transaction.atomic
def rename_person(*, by: User, name: str) -> None:
    """Changes one's own name, as colleagues see it."""
    if not name.strip():
        raise Invalid("A name is needed.", fields={"name": ["Give a name."]})
    old, by.name = by.name, name.strip()
    by.save(update_fields=["name"])
    record(by=by, project=None, verb="person.renamed", obj=by, was=old)


@transaction.atomic
def choose_theme(*, by: User, theme: str) -> None:
    if theme not in User.Theme.values:
        raise Invalid("No such theme.", fields={"theme": ["Choose light, dark or as the system."]})
    by.theme = theme
    by.save(update_fields=["theme"])
