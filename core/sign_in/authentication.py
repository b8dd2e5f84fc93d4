"""Keys for the API and the OpenAI-compatible API; a browser's session for the API."""

import hashlib
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone
from rest_framework import authentication, exceptions
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.request import Request

from core.models import ApiKey, User
from core.sign_in import attempts


def digest_of(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def find_api_key(secret: str, *, kind: str, network: str) -> ApiKey | None:
    """The valid key with this secret, or None. Stores its last use at most once a minute, to save writes.

    `network` is the origin of the request (core.sign_in.attempts.network_of). TooMany after many unknown keys from there.
    """
    digest = digest_of(secret)
    attempts.check_api_key_guesses(digest, network)
    api_key = (
        ApiKey.objects.select_related("user", "project")
        .filter(digest=digest, kind=kind, revoked_at=None)
        .first()
    )
    if api_key is None:
        attempts.note_unknown_api_key(network)
        return None
    now = timezone.now()
    if ApiKey.objects.filter(
        Q(last_used_at=None) | Q(last_used_at__lt=now - timedelta(minutes=1)),
        pk=api_key.pk,
    ).update(last_used_at=now):
        attempts.note_good_api_key(digest, network)
    return api_key


class SessionAuthentication(authentication.SessionAuthentication):
    """A browser's session, as on the pages: only after the person has chosen their own password."""

    def authenticate(self, request: Request) -> tuple[User, None] | None:
        signed_in: tuple[User, None] | None = super().authenticate(request)
        if signed_in is not None and signed_in[0].must_change_password:
            raise exceptions.PermissionDenied("First choose your own password on the page /me/password/.")
        return signed_in


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer gh_...` with a personal key."""

    def authenticate(self, request: Request) -> tuple[User, ApiKey] | None:
        parts = get_authorization_header(request).split()
        if not parts or parts[0].lower() != b"bearer":
            return None
        if len(parts) != 2:
            raise exceptions.AuthenticationFailed(
                "The header Authorization has no key, or more than one word after Bearer."
            )
        api_key = find_api_key(
            parts[1].decode(errors="replace"),
            kind=ApiKey.Kind.PERSONAL,
            network=attempts.network_of(request),
        )
        if (
            api_key is None
            or api_key.user is None
            or not api_key.user.is_active
            or api_key.user.must_change_password
        ):
            raise exceptions.AuthenticationFailed(
                "This is an application key. It is only for /v1. Send a personal key (gh_...)."
                if parts[1].startswith(b"gk_")
                else "This key is unknown or was revoked."
            )
        return api_key.user, api_key

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"
