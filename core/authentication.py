"""Bearer tokens for the API and the door; a browser's session for the API."""

import hashlib
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone
from rest_framework import authentication, exceptions
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.request import Request

from core import limits
from core.models import ApiToken, User


def digest_of(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def find_token(secret: str, *, kind: str, network: str) -> ApiToken | None:
    """The live token with this secret, or None. Notes its use at most once a minute, to spare the row.

    `network` is where the request comes from (core.limits.network_of). TooMany after many unknown tokens from there.
    """
    digest = digest_of(secret)
    limits.check_token_guesses(digest, network)
    token = (
        ApiToken.objects.select_related("user", "project")
        .filter(digest=digest, kind=kind, revoked_at=None)
        .first()
    )
    if token is None:
        limits.note_unknown_token(network)
        return None
    now = timezone.now()
    if ApiToken.objects.filter(
        Q(last_used_at=None) | Q(last_used_at__lt=now - timedelta(minutes=1)),
        pk=token.pk,
    ).update(last_used_at=now):
        limits.note_good_token(digest, network)
    return token


class SessionAuthentication(authentication.SessionAuthentication):
    """A browser's session, as on the pages: not before the person has a password that nobody else knows."""

    def authenticate(self, request: Request) -> tuple[User, None] | None:
        found: tuple[User, None] | None = super().authenticate(request)
        if found is not None and found[0].must_change_password:
            raise exceptions.PermissionDenied(
                "Choose a password of your own first, on the page /me/password/."
            )
        return found


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer gh_...` with a personal token."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        parts = get_authorization_header(request).split()
        if not parts or parts[0].lower() != b"bearer":
            return None
        if len(parts) != 2:
            raise exceptions.AuthenticationFailed("Send the header as: Authorization: Bearer <token>.")
        token = find_token(
            parts[1].decode(errors="replace"),
            kind=ApiToken.Kind.PERSONAL,
            network=limits.network_of(request),
        )
        if token is None or token.user is None or not token.user.is_active or token.user.must_change_password:
            raise exceptions.AuthenticationFailed("This token is unknown or was revoked.")
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"
