"""API keys: created once, shown once, stored as a hash."""

import secrets

from django.db import transaction
from django.utils import timezone

from core.audit import record
from core.authentication import digest_of
from core.errors import Conflict
from core.models import ApiToken, Project, User
from core.services.people import record_everywhere, require_manager


@transaction.atomic
def create_token(*, by: User, name: str, project: Project | None = None) -> tuple[ApiToken, str]:
    """A personal key for `by`, or with `project` an application key. Returns it with its secret, only once.

    Conflict when the person's password or account changed after this request was accepted: such a change ends all keys.
    """
    now = User.objects.select_for_update(no_key=True).get(pk=by.pk)
    if not now.is_active or now.must_change_password or now.password != by.password:
        raise Conflict("Your account changed in the meantime. No key was created.", "Sign in again.")
    kind = ApiToken.Kind.APPLICATION if project else ApiToken.Kind.PERSONAL
    secret = ("gk_" if project else "gh_") + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        kind=kind,
        user=None if project else by,
        project=project,
        name=name.strip() or "unnamed",
        prefix=secret[:9],
        digest=digest_of(secret),
        created_by=by,
    )
    record(by=by, project=project, verb="token.created", obj=token, kind=kind)
    return token, secret


@transaction.atomic
def revoke_token(*, by: User, token: ApiToken) -> None:
    """Revokes a key immediately. Conflict when it was revoked before."""
    if not ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()):
        raise Conflict("This key is already revoked.", "Reload the page.")
    record(by=by, project=token.project, verb="token.revoked", obj=token)


def revoke_token_of(*, by: User, user: User, token: ApiToken) -> None:
    """Revokes another person's key immediately. Refused unless `by` can manage the account."""
    require_manager(by, user)
    with transaction.atomic():
        if not ApiToken.objects.filter(pk=token.pk, user=user, revoked_at=None).update(
            revoked_at=timezone.now()
        ):
            raise Conflict("This key is already revoked.", "Reload the page.")
        record_everywhere(by=by, user=user, verb="token.taken_away", token=token.name)
