"""The people of an archive: accounts are found by e-mail address, and created where there are none.

Only name and address come along. An account that exists keeps everything it has; a new one has no password, no key and no
rights in the installation, so nobody can sign in with it before an admin gives it a first password.
"""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.dateparse import parse_datetime

from core.models import User
from core.moving.errors import BadArchive
from core.text import is_storable

LABEL = "core.User"
COLUMNS = ["id", "email", "name", "is_active", "created_at"]


def row_of(user: User) -> dict[str, Any]:
    """A person as a row of an archive."""
    return {
        "id": user.pk,
        "email": user.email,
        "name": user.name,
        "is_active": user.is_active,
        "created_at": user.created_at.isoformat(),
    }


def checked(rows: Iterable[Any]) -> list[dict[str, Any]]:
    """The rows, if each has an address of its own and nothing but what belongs to a person. BadArchive otherwise."""
    people: list[dict[str, Any]] = []
    seen: set[object] = set()
    for row in rows:
        if not isinstance(row, dict) or sorted(row) != sorted(COLUMNS) or not _is_person(row):
            raise BadArchive("The archive has a person with details that are not allowed.")
        if row["email"] in seen or row["id"] in seen:
            raise BadArchive(f"The archive has {row['email']} or their number twice.")
        seen |= {row["email"], row["id"]}
        people.append(row)
    return people


def _is_person(row: dict[str, Any]) -> bool:
    email, name, number = row["email"], row["name"], row["id"]
    if not (isinstance(email, str) and isinstance(name, str) and isinstance(row["is_active"], bool)):
        return False
    if not isinstance(number, int) or isinstance(number, bool) or not isinstance(row["created_at"], str):
        return False
    try:
        validate_email(email)
        moment = parse_datetime(row["created_at"])
    except (ValidationError, ValueError):
        return False
    return (
        email == email.lower()
        and len(email) <= 254
        and bool(name.strip())
        and len(name) <= 120
        and is_storable(name)
        and moment is not None
        and moment.tzinfo is not None
    )


def bring(people: list[dict[str, Any]]) -> tuple[dict[int, int], list[User]]:
    """Finds or creates the accounts. Gives {number in the archive: primary key here} and the new accounts."""
    known = dict(User.objects.filter(email__in=[row["email"] for row in people]).values_list("email", "pk"))
    created = []
    for row in people:
        if row["email"] not in known:
            user = User.objects.create(
                email=row["email"], name=row["name"], is_active=row["is_active"], password=make_password(None)
            )
            User.objects.filter(pk=user.pk).update(created_at=parse_datetime(row["created_at"]))
            known[row["email"]] = user.pk
            created.append(user)
    return {row["id"]: known[row["email"]] for row in people}, created
