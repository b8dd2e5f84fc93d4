"""Limits of wrong passwords and keys, by address and network. docs/decisions/sign-in.md has the reasons.

django-axes counts wrong passwords for each pair of address and network, in the database, and asks the functions here for
the names and the limit it uses. What it cannot count (tries from one network over all addresses, guesses at the
current password, unknown tokens) is counted in Valkey in windows of fifteen minutes. Without Valkey only axes counts.
"""

import hashlib
import ipaddress
import logging
import secrets
from typing import Any

from django.conf import settings
from django.core import signing
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from redis.exceptions import RedisError

from core.errors import TooMany

log = logging.getLogger(__name__)

WINDOW = 15 * 60  # seconds
# Wrong attempts for one address from unknown browsers in all networks, before each network gets only one attempt.
ATTACKED_AFTER = 100
DEVICE_COOKIE = "guildhall_device"
DEVICE_AGE = 180 * 24 * 3600  # seconds
_SALT = "core.sign_in.attempts.device"
# Addresses for which one browser can be known; the oldest is removed first.
_MOST_ADDRESSES = 5


# --- where a request comes from ------------------------------------------------------------------------------


def network_of(request: HttpRequest) -> str:
    """The network that a request comes from. REMOTE_ADDR is the connection's other end, or what a trusted proxy said
    (config.asgi)."""
    return network_of_address(request.META.get("REMOTE_ADDR") or "")


def network_of_address(text: str) -> str:
    """An IPv4 address, or the /64 of an IPv6 address, which usually belongs to one person. Something that is not
    an address (a Unix socket) is counted as one network."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return "0.0.0.0"  # noqa: S104 - counted, not bound
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)).network_address)
    return str(address)


# --- counting ------------------------------------------------------------------------------------------------


def _key(kind: str, of: str) -> str:
    return f"limit:{kind}:{hashlib.sha256(of.encode()).hexdigest()[:32]}"


def count(kind: str, of: str, *, seconds: int = WINDOW) -> int:
    """Counts one more and returns the number in this window, with this one. 0 when Valkey is offline."""
    key = _key(kind, of)
    try:
        cache.add(key, 0, seconds)
        return int(cache.incr(key))
    except ValueError:  # the window ended between the two calls
        return 1
    except RedisError:
        log.warning("Valkey does not answer: wrong tries (%s) are not counted", kind)
        return 0


def take_back(kind: str, of: str) -> None:
    """The last counted attempt was not wrong."""
    try:
        cache.decr(_key(kind, of))
    except (ValueError, RedisError):
        return


def counted(kind: str, of: str) -> int:
    try:
        return int(cache.get(_key(kind, of)) or 0)
    except RedisError:
        return 0


# --- sign-in -------------------------------------------------------------------------------------------------


def _digest(email: str) -> str:
    return hashlib.sha256(email.strip().lower().encode()).hexdigest()[:32]


def _device(request: HttpRequest) -> tuple[str, list[str]] | None:
    """The browser's number, and the digests of the addresses that signed in with it."""
    try:
        cookie = signing.loads(request.COOKIES.get(DEVICE_COOKIE, ""), salt=_SALT, max_age=DEVICE_AGE)
        return str(cookie["device"]), [str(digest) for digest in cookie["who"]]
    except (signing.BadSignature, KeyError, TypeError):
        return None


def device_of(request: HttpRequest, email: str) -> str:
    """The number of a browser in which this address has signed in before, else ""."""
    known = _device(request)
    return known[0] if known is not None and _digest(email) in known[1] else ""


def remember_device(request: HttpRequest, response: HttpResponse, email: str) -> None:
    """After a sign-in: this browser's next attempts for the address are counted separately."""
    number, who = _device(request) or (secrets.token_hex(16), [])
    digest = _digest(email)
    who = [*(known for known in who if known != digest), digest][-_MOST_ADDRESSES:]
    response.set_cookie(
        DEVICE_COOKIE,
        signing.dumps({"device": number, "who": who}, salt=_SALT),
        max_age=DEVICE_AGE,
        httponly=True,
        secure=settings.SESSION_COOKIE_SECURE,
        samesite="Lax",
    )


def count_sign_in(request: HttpRequest, email: str) -> None:
    """Counts an attempt before its password is checked, so that parallel attempts are counted too. TooMany over the limit."""
    if device_of(request, email):
        return
    if count("network", network_of(request)) > settings.SIGN_IN_TRIES_PER_NETWORK:
        raise TooMany(
            "There were too many wrong passwords from your network.",
            "Wait 15 minutes, then try again. A browser in which you have signed in before is not affected.",
            retry_after=WINDOW,
        )


def uncount_sign_in(request: HttpRequest, email: str) -> None:
    """The attempt was right, or no password was checked."""
    if not device_of(request, email):
        take_back("network", network_of(request))


def note_wrong_password(request: HttpRequest, email: str) -> None:
    if not device_of(request, email):
        count("address", email, seconds=4 * WINDOW)


# --- functions for django-axes -----------------------------------------------------------------------------------


def axes_network(request: HttpRequest) -> str:
    return network_of(request)


def axes_name(request: HttpRequest, credentials: dict[str, Any] | None = None) -> str | None:
    """The key for counting wrong passwords: the address, or address and browser when the browser is known for it."""
    name = (credentials or request.POST).get("username")
    if name is None:
        return None
    device = device_of(request, str(name))
    return f"{device} {name}"[:255] if device else str(name)[:255]


def axes_limit(request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
    """Attempts for one address from one network; only one while many networks guess at the address."""
    name = str((credentials or request.POST).get("username") or "")
    attacked = counted("address", name) > ATTACKED_AFTER and not device_of(request, name)
    return 1 if attacked else int(settings.SIGN_IN_TRIES)


# --- guesses by signed-in people -----------------------------------------------------------------------------


def count_password_guess(person: int) -> None:
    """Counts an attempt at the current password before it is checked. TooMany over the limit."""
    if count("password", str(person)) > settings.SIGN_IN_TRIES:
        raise TooMany(
            "The current password was wrong too many times.",
            "Wait 15 minutes, then try again. If you forgot it, ask an admin of your project for a new one.",
            retry_after=WINDOW,
        )


def forget_password_guesses(person: int) -> None:
    try:
        cache.delete(_key("password", str(person)))
    except RedisError:
        return


# --- keys --------------------------------------------------------------------------------------------------


def check_api_key_guesses(digest: str, network: str) -> None:
    """Called before a key is looked up. TooMany from a network that sent many unknown ones, except for a key that worked from
    there within a day: another person's guesses must not stop a program."""
    if counted("api_key", network) < settings.API_KEY_TRIES_PER_NETWORK:
        return
    try:
        if cache.get(_key("token-known", f"{network} {digest}")):
            return
    except RedisError:
        return
    raise TooMany(
        "There were too many unknown keys from your network.", "Wait 15 minutes.", retry_after=WINDOW
    )


def note_unknown_api_key(network: str) -> None:
    count("api_key", network)


def note_good_api_key(digest: str, network: str) -> None:
    try:
        cache.set(_key("token-known", f"{network} {digest}"), 1, 24 * 3600)
    except RedisError:
        return
