"""Accounts and passwords."""

import secrets

from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from core.audit.actions import CoreAction
from core.audit.entries import record
from core.errors import Conflict, Invalid, Refused
from core.json_types import JsonLike
from core.models import ApiKey, Membership, Project, Role, User
from core.sign_in import attempts


def _checked(password: str, user: User, field: str) -> str:
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise Invalid("Choose a stronger password.", fields={field: list(error.messages)}) from None
    return password


def first_password() -> tuple[str, str]:
    """A random password and its hash. Hashing is slow and needs no connection, so this comes before a transaction."""
    first = secrets.token_urlsafe(12)
    return first, make_password(first)


def create_person(
    *,
    by: User | None,
    email: str,
    name: str,
    project: Project | None = None,
    password: str | None = None,
    is_operator: bool = False,
) -> tuple[User, str]:
    """Creates an account and returns it with its first password (random unless given).

    With a random password the person can only open the page where they choose their own.
    """
    _refuse_taken(email)
    first, hashed = (password, make_password(password)) if password else first_password()
    with transaction.atomic():
        user = create_account(
            by=by,
            email=email,
            name=name,
            project=project,
            hashed=hashed,
            must_change=password is None,
            is_operator=is_operator,
        )
    return user, first


def create_operator(*, email: str, name: str, password: str) -> User:
    """Creates an operator's account, from the command line. Invalid for a weak password or a taken address."""
    email = email.strip().lower()
    if not name.strip():
        raise Invalid("A name is needed.", fields={"name": ["Give a name."]})
    try:
        validate_email(email)
    except ValidationError:
        raise Invalid(
            "This is not an e-mail address.", fields={"email": ["This is not an e-mail address."]}
        ) from None
    _refuse_taken(email)
    _checked(password, User(email=email, name=name.strip()), "password")
    return create_person(by=None, email=email, name=name, password=password, is_operator=True)[0]


def _refuse_taken(email: str) -> None:
    if User.objects.filter(email=email.strip().lower()).exists():
        raise _taken()


def _taken() -> Invalid:
    return Invalid(
        "This address has an account already.",
        fields={"email": ["This address has an account."]},
    )


def create_account(
    *,
    by: User | None,
    email: str,
    name: str,
    hashed: str,
    must_change: bool,
    project: Project | None = None,
    is_operator: bool = False,
) -> User:
    """The row of a new account, inside the caller's transaction. Invalid when somebody else created it first."""
    email = email.strip().lower()
    try:
        with transaction.atomic():
            user = User.objects.create(
                email=email,
                name=name.strip() or email,
                password=hashed,
                must_change_password=must_change,
                is_operator=is_operator,
            )
    except IntegrityError:
        raise _taken() from None
    record(
        by=by,
        project=project,
        action=CoreAction.OPERATOR_CREATED if is_operator else CoreAction.PERSON_CREATED,
        obj=user,
    )
    return user


# --- passwords ---------------------------------------------------------------------------------------------


def change_password(*, by: User, new: str, old: str) -> None:
    """Changes the person's own password. All other sessions and all personal keys end.

    Raises Invalid for a wrong `old` or a weak `new`, TooMany after too many wrong ones, Conflict when the password
    was changed in the meantime.
    """
    attempts.count_password_guess(by.pk)
    if not by.check_password(old):
        raise Invalid(
            "The current password is wrong.",
            fields={"old": ["The current password is wrong."]},
        )
    attempts.forget_password_guesses(by.pk)
    hashed, before = make_password(_checked(new, by, "new")), by.password
    with transaction.atomic():
        if not User.objects.filter(pk=by.pk, password=before).update(
            password=hashed, must_change_password=False
        ):
            raise Conflict("The password was changed in the meantime.", "Sign in again with the new one.")
        ended = end_api_keys(by)
        record(by=by, project=None, action=CoreAction.PASSWORD_CHANGED, obj=by, api_keys=ended)
    by.password, by.must_change_password = hashed, False


def set_password(*, user: User, new: str) -> None:
    """Sets a new password from the command line. Sessions and keys end."""
    hashed = make_password(_checked(new, user, "password"))
    with transaction.atomic():
        locked(user)
        _replace_password(
            by=None, user=user, hashed=hashed, must_change=False, action=CoreAction.PASSWORD_SET
        )


def reset_password(*, by: User, user: User) -> str:
    """Gives a person a new first password and returns it, so that the caller can give it to them.

    Sessions and personal keys end. Refused unless `by` can manage the account.
    """
    require_manager(by, user)
    first, hashed = first_password()
    with transaction.atomic():
        locked(user)
        require_manager(by, user)
        _replace_password(by=by, user=user, hashed=hashed, must_change=True, action=CoreAction.PASSWORD_RESET)
    return first


def reissue_first_password(*, by: User, user: User, hashed: str) -> None:
    """A new first password for an account whose owner has not chosen one yet: a person with the old one cannot use it any more.

    Inside the caller's transaction, which has locked the account's row.
    """
    _replace_password(by=by, user=user, hashed=hashed, must_change=True, action=CoreAction.PASSWORD_REISSUED)


def _replace_password(
    *, by: User | None, user: User, hashed: str, must_change: bool, action: CoreAction
) -> None:
    User.objects.filter(pk=user.pk).update(
        password=hashed, must_change_password=must_change, session_round=F("session_round") + 1
    )
    user.password, user.must_change_password = hashed, must_change
    record_everywhere(by=by, user=user, action=action, api_keys=end_api_keys(user))


# --- managing another person's account ---------------------------------------------------------------------------


def locked(user: User) -> User:
    """The account's row, locked: passwords, memberships and deactivation are decided one after the other."""
    return User.objects.select_for_update(no_key=True).get(pk=user.pk)


def may_manage(by: User, user: User) -> bool:
    """Whether `by` can reset the password of `user`, deactivate them, end their sessions and revoke their keys.

    An account can be in several projects, so an admin can do this only when they are admin of all of them: otherwise an admin
    of one project could act in another through the account. An operator can do it for everybody; only an operator can do
    it to an operator.
    """
    if by.is_operator:
        return True
    mine = set(by.memberships.filter(roles__contains=[Role.ADMIN]).values_list("project_id", flat=True))
    theirs = set(user.memberships.values_list("project_id", flat=True))
    return not user.is_operator and bool(theirs) and theirs <= mine


def require_manager(by: User, user: User) -> None:
    if may_manage(by, user):
        return
    if user.is_operator:
        raise Refused(
            f"{user.name} is an operator of this installation.", "Only another operator can do this."
        )
    raise Refused(
        f"{user.name} is also in projects where you are not an admin.",
        "Ask an operator of this installation.",
    )


def record_everywhere(*, by: User | None, user: User, action: CoreAction, **detail: JsonLike) -> None:
    """Writes an audit entry in each project of the account."""
    projects: list[Project | None] = [
        membership.project for membership in user.memberships.select_related("project")
    ]
    for project in projects or [None]:
        record(by=by, project=project, action=action, obj=user, **detail)


def end_api_keys(user: User) -> int:
    """Revokes every personal key of the account and returns their number."""
    return ApiKey.objects.filter(user=user, revoked_at=None).update(revoked_at=timezone.now())


def end_sessions(*, by: User, user: User) -> None:
    """Signs a person out of every browser. Their password and keys stay valid."""
    with transaction.atomic():
        locked(user)
        require_manager(by, user)
        User.objects.filter(pk=user.pk).update(session_round=F("session_round") + 1)
        record_everywhere(by=by, user=user, action=CoreAction.SESSIONS_ENDED)


def deactivate_person(*, by: User, user: User) -> None:
    """Deactivates an account: no sign-in, no session, no key, and the application keys they created end.

    Their audit entries stay. Conflict for your own account, for the last operator, for the last admin of a project, and for
    an account that is already deactivated.
    """
    if by.pk == user.pk:
        raise Conflict("You cannot deactivate your own account.", "Ask another admin or an operator.")
    with transaction.atomic():
        # All operators first: two of them must not deactivate each other at the same moment.
        operators = list(User.objects.select_for_update(no_key=True).filter(is_operator=True).order_by("pk"))
        locked(user)
        require_manager(by, user)
        if user.is_operator and not any(
            operator.is_active and operator.pk != user.pk for operator in operators
        ):
            raise Conflict(
                "An installation needs an operator.", "First create another one: manage.py create_operator."
            )
        _keep_admins(user)
        if not User.objects.filter(pk=user.pk, is_active=True).update(
            is_active=False, session_round=F("session_round") + 1
        ):
            raise Conflict(f"{user.name} is already deactivated.", "Reload the page.")
        user.is_active = False
        keys = ApiKey.objects.filter(created_by=user, user=None, revoked_at=None)
        ended = keys.update(revoked_at=timezone.now())
        record_everywhere(
            by=by, user=user, action=CoreAction.PERSON_DEACTIVATED, api_keys=end_api_keys(user), keys=ended
        )


def _keep_admins(user: User) -> None:
    """Conflict when the account is the only active admin of a project that is in use."""
    administered = Project.objects.filter(
        memberships__user=user, memberships__roles__contains=[Role.ADMIN], archived_at=None
    ).order_by("pk")
    for project in administered:
        admins = lock_admins(project)
        if not any(admin.user_id != user.pk for admin in admins):
            raise Conflict(
                f"{user.name} is the only admin of {project.name}.", "First make another person admin there."
            )


def lock_admins(project: Project) -> list[Membership]:
    """The memberships of the project's active admins, locked, so that two admins cannot remove each other at once."""
    return list(
        Membership.objects.select_for_update(of=("self",))
        .filter(project=project, roles__contains=[Role.ADMIN], user__is_active=True)
        .order_by("pk")
    )


def reactivate_person(*, by: User, user: User) -> None:
    """Activates an account again. Its password is as before; ended sessions and keys stay ended."""
    with transaction.atomic():
        locked(user)
        require_manager(by, user)
        if not User.objects.filter(pk=user.pk, is_active=False).update(is_active=True):
            raise Conflict(f"{user.name} is already active.", "Reload the page.")
        user.is_active = True
        record_everywhere(by=by, user=user, action=CoreAction.PERSON_REACTIVATED)


# --- your own name and theme ------------------------------------------------------------------------------


@transaction.atomic
def rename_person(*, by: User, name: str) -> None:
    """Changes the person's own name, as colleagues see it."""
    if not name.strip():
        raise Invalid("A name is needed.", fields={"name": ["Give a name."]})
    old, by.name = by.name, name.strip()
    by.save(update_fields=["name"])
    record(by=by, project=None, action=CoreAction.PERSON_RENAMED, obj=by, was=old)


@transaction.atomic
def choose_theme(*, by: User, theme: str) -> None:
    if theme not in User.Theme.values:
        raise Invalid(
            "This theme does not exist.", fields={"theme": ["Choose light, dark or as the system."]}
        )
    by.theme = theme
    by.save(update_fields=["theme"])
