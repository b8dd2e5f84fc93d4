"""Limits between the network and Django: the size of a request, its time, and the time of a reader.

Django reads a body to its end before it does anything else. So the limit of a body is checked here, before a byte of it is
on disk, and it depends on the person: without a sign-in it is small. A body that does not arrive, or a reader who does not
read, costs only a network connection, and only for a limited time.
"""

import asyncio
import json
import logging
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from re import Pattern
from typing import Any

from asgiref.sync import ThreadSensitiveContext
from django.conf import settings
from django.contrib.auth import get_user
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, parse_cookie
from django.template.loader import render_to_string

from core.database.connections import in_db
from core.errors import ExpectedError, PartAway, TooLarge
from core.host.disks import storage_error
from core.models import ApiKey
from core.sign_in.attempts import network_of_address
from core.sign_in.authentication import find_api_key

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]

# A sign-in form has some hundred bytes. Larger requests need a sign-in.
ANONYMOUS_BYTES = 64 * 1024
URL_BYTES = 16 * 1024
HEADER_BYTES = 64 * 1024
# The longest pause between two parts of a body, and its slowest pace after the first while.
BODY_PAUSE_SECONDS = 20.0
BODY_GRACE_SECONDS = 30.0
BODY_BYTES_A_SECOND = 8 * 1024
# The longest time that one part of a response (at most 256 kB) waits for its reader: about 4 kB a second.
SEND_SECONDS = 60.0
# Bytes of a refused body that are read and discarded, so that the sender reads the error.
DRAIN_BYTES = 1024 * 1024
DRAIN_SECONDS = 5.0


class AddressTooLong(ExpectedError):
    status = 414
    code = "address_too_long"


class HeadersTooLong(ExpectedError):
    status = 431
    code = "headers_too_long"


class TooSlow(ExpectedError):
    status = 408
    code = "too_slow"


@dataclass(frozen=True)
class Rule:
    """Addresses (`path`, matched from the start) where people who are known may send up to `limit` bytes."""

    path: Pattern[str]
    limit: int


class _Refused(Exception):
    """Leaves the application from within `receive`."""

    def __init__(self, error: ExpectedError) -> None:
        super().__init__(str(error))
        self.error = error


class Limits:
    """The ASGI application around Django's. `rules`: the first that matches an address sets its limit; the default is
    DATA_UPLOAD_MAX_MEMORY_SIZE."""

    def __init__(self, app: App, *, rules: Sequence[Rule] = ()) -> None:
        self.app, self.rules = app, rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send, self._limit(scope["path"]))
        try:
            await exchange.look_at_head()
            await self.app(scope, exchange.receive, exchange.send)
        except _Refused as refused:
            await exchange.refuse(refused.error)
        except OSError as error:
            # The body is kept on disk while it arrives.
            full = storage_error(error)
            if full is None or exchange.answered:
                raise
            log.error("A request could not be stored: %s", error)
            await exchange.refuse(full)

    def _limit(self, path: str) -> int:
        fitting = (rule.limit for rule in self.rules if rule.path.match(path))
        return next(fitting, settings.DATA_UPLOAD_MAX_MEMORY_SIZE)


class _Exchange:
    """One request and its response."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        self.scope, self.limit = scope, limit
        self._receive, self._send = receive, send
        self.answered = False
        self._known = False
        self._received = 0
        self._whole = False
        self._began = time.monotonic()

    def _header(self, name: bytes) -> str:
        return next(
            (value.decode("latin-1") for key, value in self.scope["headers"] if key.lower() == name), ""
        )

    async def look_at_head(self) -> None:
        """Refuses a request before its body is read, if possible."""
        if len(self.scope.get("raw_path") or b"") + len(self.scope["query_string"]) > URL_BYTES:
            raise _Refused(
                AddressTooLong(
                    "The address of this request is too long.",
                    f"At most {URL_BYTES // 1024} kB are possible. Send long values in the body.",
                )
            )
        if sum(len(name) + len(value) for name, value in self.scope["headers"]) > HEADER_BYTES:
            raise _Refused(
                HeadersTooLong(
                    "The headers of this request are too long.",
                    f"At most {HEADER_BYTES // 1024} kB are possible. If a browser sent them, delete this site's cookies.",
                )
            )
        announced = self._header(b"content-length")
        if re.fullmatch(r"[0-9]+", announced):
            # Longer than any number that matters: int() would refuse thousands of digits.
            await self._allow(int(announced[:18]))

    async def _allow(self, size: int) -> None:
        if size > self.limit:
            raise _Refused(
                TooLarge(
                    f"This request is larger than {_size(self.limit)}.",
                    "Send less at once.",
                )
            )
        if size > ANONYMOUS_BYTES and not self._known:
            self._known = await self._is_known()
            if not self._known:
                raise _Refused(
                    TooLarge(
                        f"Without a sign-in at most {_size(ANONYMOUS_BYTES)} are possible.",
                        "Sign in, or send a valid key, then send it again.",
                    )
                )

    async def _is_known(self) -> bool:
        try:
            # A separate thread, as for the request.
            async with ThreadSensitiveContext():
                network = network_of_address(str((self.scope.get("client") or ("",))[0]))
                return await in_db(_is_known, self.scope["path"], self._header, network)
        except ExpectedError as error:  # too many unknown tokens from there
            raise _Refused(error) from None
        except (OperationalError, InterfaceError) as error:
            log.warning("PostgreSQL did not answer: %s", error)
            raise _Refused(
                PartAway("The database is offline.", "Nothing was stored. Send it again in a minute.")
            ) from None

    async def receive(self) -> Message:
        if self._whole:
            return await self._receive()
        try:
            async with asyncio.timeout(BODY_PAUSE_SECONDS):
                message = await self._receive()
        except TimeoutError:
            raise self._too_slow() from None
        if message["type"] != "http.request":
            return message
        self._received += len(message.get("body", b""))
        self._whole = not message.get("more_body", False)
        await self._allow(self._received)
        over = time.monotonic() - self._began - BODY_GRACE_SECONDS
        if not self._whole and over > 0 and self._received < over * BODY_BYTES_A_SECOND:
            raise self._too_slow()
        return message

    def _too_slow(self) -> _Refused:
        log.warning("%s %s: the body did not arrive", self.scope["method"], self.scope["path"])
        return _Refused(
            TooSlow("The request did not arrive in time.", "Check the network, then send it again.")
        )

    async def send(self, message: Message) -> None:
        self.answered = True
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self._send(message)
        except TimeoutError:
            log.warning(
                "%s %s: nobody read the answer for %.0f s; it was ended",
                self.scope["method"],
                self.scope["path"],
                SEND_SECONDS,
            )
            self._hang_up()

    def _hang_up(self) -> None:
        """Ends the connection without waiting for its reader; the application then gets a disconnect."""
        transport = getattr(getattr(self._send, "__self__", None), "transport", None)
        if transport is None:  # another server than uvicorn; it ends the answer of an application that failed
            raise OSError("The reader of this answer does not read it.")
        transport.abort()

    async def refuse(self, error: ExpectedError) -> None:
        """The response in the format of its address. The connection ends with it: the rest of the body is not read."""
        if self.answered:
            self._hang_up()
            return
        kind, body, more = _answer(self.scope["path"], self._header, error)
        headers = [
            (b"content-type", kind),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
            (b"connection", b"close"),
            *more,
        ]
        await self.send({"type": "http.response.start", "status": error.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body, "more_body": True})
        # A client that sent "Expect: 100-continue" has its answer.
        if not self._whole and not self._header(b"expect"):
            await self._drain()
        await self.send({"type": "http.response.body", "body": b""})

    async def _drain(self) -> None:
        """A socket that is closed with unread bytes resets the connection, and many clients then lose the response."""
        read = 0
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                while read < DRAIN_BYTES:
                    message = await self._receive()
                    if message["type"] != "http.request" or not message.get("more_body", False):
                        return
                    read += len(message.get("body", b""))
        except TimeoutError:
            return


def _size(count: int) -> str:
    return f"{count // (1 << 20):,} MB" if count >= 1 << 20 else f"{count // 1024:,} kB"


def _is_known(path: str, header: Callable[[bytes], str], network: str) -> bool:
    """Whether the session or the token of a request is valid. Its view checks
    again when the body is there: that can take minutes, and sessions, keys and accounts can end in that time."""
    kind, _, secret = header(b"authorization").partition(" ")
    if kind.lower() == "bearer":
        key_kind = ApiKey.Kind.APPLICATION if path.startswith("/v1/") else ApiKey.Kind.PERSONAL
        api_key = find_api_key(secret.strip(), kind=key_kind, network=network)
        return api_key is not None and (api_key.user is None or api_key.user.is_active)
    key = parse_cookie(header(b"cookie")).get(settings.SESSION_COOKIE_NAME, "")
    if not key.isalnum():
        return False
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(key)
    return bool(get_user(request).is_authenticated)


def _answer(
    path: str, header: Callable[[bytes], str], error: ExpectedError
) -> tuple[bytes, bytes, list[tuple[bytes, bytes]]]:
    """Content type, body and further headers."""
    if path.startswith("/v1/"):
        failure = {
            "message": f"{error.message} {error.advice}".strip(),
            "type": "invalid_request_error" if error.status < 500 else "server_error",
            "param": None,
            "code": error.code,
        }
        return b"application/json", json.dumps({"error": failure}).encode(), []
    if path.startswith("/api/") or header(b"accept").startswith("application/json"):
        body = {"code": error.code, "detail": error.message, "advice": error.advice}
        return b"application/json", json.dumps(body).encode(), []
    html = b"text/html; charset=utf-8"
    if header(b"hx-request"):
        toast = render_to_string("components/error_toast.html", {"error": error})
        return html, toast.encode(), [(b"hx-retarget", b"#toasts"), (b"hx-reswap", b"beforeend")]
    return html, render_to_string("errors/expected.html", {"error": error}).encode(), []
