"""Accounts and passwords."""

import secrets

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from core.audit import record
from core.errors import Invalid
from core.models import Project, User


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

    The person is asked to change a made-up password at the first sign-in.
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
def choose_theme(*, by: User, theme: str) -> None:
    if theme not in User.Theme.values:
        raise Invalid("No such theme.", fields={"theme": ["Choose light, dark or as the system."]})
    by.theme = theme
    by.save(update_fields=["theme"])
