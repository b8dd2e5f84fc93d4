"""ASGI: requests to vLLM inside its own process, and answers to those who asked."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

MAX_BODY = 4 * 1024 * 1024


class NotServed(Exception):
    """The request is refused; the text has the reason. `status` is for the answer."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Inner:
    """A complete answer of vLLM."""

    status: int
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class InnerApp:
    """vLLM's own routes, asked in this process."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def ask(
        self, scope: Message, path: str, body: dict[str, Any] | None, gone: asyncio.Event | None = None
    ) -> Inner:
        status, data = 500, b""
        async with aclosing(self.parts(scope, path, body, gone or asyncio.Event())) as parts:
            async for part in parts:
                status = part.get("status", status)
                data += part.get("body", b"")
        return Inner(status, data)

    async def parts(
        self, scope: Message, path: str, body: dict[str, Any] | None, gone: asyncio.Event
    ) -> AsyncGenerator[Message, None]:
        """The messages of vLLM's response. `gone` tells vLLM that the reader left."""
        data = b"" if body is None else json.dumps(body).encode()
        unread = [data]
        told: asyncio.Queue[Message | None] = asyncio.Queue()

        async def receive() -> Message:
            if unread:
                return {"type": "http.request", "body": unread.pop(), "more_body": False}
            await gone.wait()
            return {"type": "http.disconnect"}

        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(data)).encode())]
        request = {
            **scope,
            "method": "GET" if body is None else "POST",
            "path": path,
            "raw_path": path.encode(),
            "headers": headers,
            "state": dict(scope.get("state", {})),
        }

        async def work() -> None:
            try:
                await self.app(request, receive, told.put)
            finally:
                await told.put(None)

        task = asyncio.create_task(work())
        try:
            while (part := await told.get()) is not None:
                yield part
            await task  # raises what vLLM raised
        finally:
            gone.set()
            task.cancel()


async def read(receive: Receive) -> bytes:
    data = bytearray()
    while True:
        message = await receive()
        data += message.get("body", b"")
        if len(data) > MAX_BODY:
            raise NotServed(f"The body is larger than {MAX_BODY} bytes.", 413)
        if not message.get("more_body"):
            return bytes(data)


def json_object(data: bytes) -> dict[str, Any]:
    """The body, or {} for one that vLLM will refuse itself."""
    try:
        body = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def again(data: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body once more."""
    given = False

    async def once_more() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": data, "more_body": False}

    return once_more


async def watch(receive: Receive, gone: asyncio.Event) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    gone.set()


def event_of(body: Any) -> bytes:
    return f"data: {json.dumps(body)}\n\n".encode()


async def respond(send: Send, status: int, body: bytes | str, kind: str = "text/plain") -> None:
    data = body.encode() if isinstance(body, str) else body
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(data)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": data})


async def pass_on(send: Send, answer: Inner) -> None:
    await respond(send, answer.status, answer.body, "application/json")


async def refuse(send: Send, error: NotServed) -> None:
    told = {"message": str(error), "type": "BadRequestError", "param": None, "code": error.status}
    await respond(send, error.status, json.dumps({"error": told}), "application/json")
