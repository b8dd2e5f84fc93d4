"""API keys: created once, shown once, stored as a hash."""

import secrets

from django.db import transaction
from django.utils import timezone

from core.audit.actions import CoreAction
from core.audit.entries import record
from core.errors import Conflict
from core.models import ApiKey, Project, User
from core.services.people import record_everywhere, require_manager
from core.sign_in.authentication import digest_of


@transaction.atomic
def create_api_key(*, by: User, name: str, project: Project | None = None) -> tuple[ApiKey, str]:
    """A personal key for `by`, or with `project` an application key. Returns it with its secret, only once.

    Conflict when the person's password or account changed after this request was accepted: such a change ends all keys.
    """
    now = User.objects.select_for_update(no_key=True).get(pk=by.pk)
    if not now.is_active or now.must_change_password or now.password != by.password:
        raise Conflict("Your account changed in the meantime. No key was created.", "Sign in again.")
    kind = ApiKey.Kind.APPLICATION if project else ApiKey.Kind.PERSONAL
    secret = ("gk_" if project else "gh_") + secrets.token_urlsafe(32)
    api_key = ApiKey.objects.create(
        kind=kind,
        user=None if project else by,
        project=project,
        name=name.strip() or "unnamed",
        prefix=secret[:9],
        digest=digest_of(secret),
        created_by=by,
    )
    record(by=by, project=project, action=CoreAction.API_KEY_CREATED, obj=api_key, kind=kind)
    return api_key, secret


@transaction.atomic
def revoke_api_key(*, by: User, api_key: ApiKey) -> None:
    """Revokes a key immediately. Conflict when it was revoked before."""
    if not ApiKey.objects.filter(pk=api_key.pk, revoked_at=None).update(revoked_at=timezone.now()):
        raise Conflict("This key is already revoked.", "Reload the page.")
    record(by=by, project=api_key.project, action=CoreAction.API_KEY_REVOKED, obj=api_key)


def revoke_api_key_of(*, by: User, user: User, api_key: ApiKey) -> None:
    """Revokes another person's key immediately. Refused unless `by` can manage the account."""
    require_manager(by, user)
    with transaction.atomic():
        if not ApiKey.objects.filter(pk=api_key.pk, user=user, revoked_at=None).update(
            revoked_at=timezone.now()
        ):
            raise Conflict("This key is already revoked.", "Reload the page.")
        record_everywhere(by=by, user=user, action=CoreAction.API_KEY_TAKEN_AWAY, api_key=api_key.name)
