"""The program as its server calls it, without a socket: what is read and sent is counted, and a reader may stop reading."""

import asyncio
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.test import Client


def scope(
    method: str, path: str, *, headers: dict[str, str] | None = None, query: str = ""
) -> dict[str, Any]:
    given = {"host": "localhost", **(headers or {})}
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in given.items()],
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 80),
    }


def session_of(client: Client) -> dict[str, str]:
    """The header that a browser with this client's session sends."""
    return {"cookie": f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"}


class Exchange:
    """One request. `parts` is its body; None in it stands for a sender that stops sending.

    `stop_at_first`: the reader reads nothing beyond the first message of the kind named.
    """

    def __init__(
        self, scope: dict[str, Any], parts: Iterable[bytes | None] = (b"",), *, stop_at_first: str = ""
    ) -> None:
        self.scope, self.stop_at_first = scope, stop_at_first
        self._parts = iter(parts)
        self._next = next(self._parts, b"")
        self._sent_all = False
        self.taken = 0
        self.messages: list[dict[str, Any]] = []
        self.stuck = asyncio.Event()
        self.gone = asyncio.Event()
        self.aborted = False
        # As uvicorn's: core.http.limits ends the connection through it.
        self.transport = self

    def abort(self) -> None:
        self.aborted = True
        self.gone.set()

    async def receive(self) -> dict[str, Any]:
        if self._sent_all:
            await self.gone.wait()
            return {"type": "http.disconnect"}
        part = self._next
        if part is None:
            await self.gone.wait()
            return {"type": "http.disconnect"}
        self._next = next(self._parts, b"")
        self.taken += len(part)
        self._sent_all = self._next == b""
        return {"type": "http.request", "body": part, "more_body": not self._sent_all}

    async def send(self, message: dict[str, Any]) -> None:
        if self.gone.is_set():
            return
        self.messages.append(message)
        if message["type"] == self.stop_at_first:
            self.stuck.set()
            await self.gone.wait()

    async def run(self, app: Any) -> "Exchange":
        await app(self.scope, self.receive, self.send)
        return self

    @property
    def status(self) -> int:
        return next(int(each["status"]) for each in self.messages if each["type"] == "http.response.start")

    @property
    def headers(self) -> dict[str, str]:
        start = next(each for each in self.messages if each["type"] == "http.response.start")
        return {name.decode().lower(): value.decode() for name, value in start["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(
            each.get("body", b"") for each in self.messages if each["type"] == "http.response.body"
        )


def ask(app: Any, method: str, path: str, parts: Iterable[bytes | None] = (b"",), **more: Any) -> Exchange:
    """The whole exchange, in an event loop of its own."""

    async def go() -> Exchange:
        return await Exchange(scope(method, path, **more), parts).run(app)

    return asyncio.run(go())
