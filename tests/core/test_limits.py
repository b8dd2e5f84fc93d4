"""What a request may send and how long a reader may take. Counted in bytes and messages; no test waits for a clock."""

import asyncio
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import resolve, reverse

from core.http import limits
from core.http.limits import ANONYMOUS_BYTES, DRAIN_BYTES, Limits
from core.services.keys import create_api_key
from tests.support.asgi import Exchange, ask, scope, session_of
from tests.support.factories import World

pytestmark = pytest.mark.django_db(transaction=True)

MB = 1 << 20
CHUNK = b"x" * 65536


def endless() -> Iterator[bytes]:
    while True:
        yield CHUNK


def application() -> Any:
    """Limits as the program itself has them, behind what reads a proxy's headers."""
    from config.asgi import application

    return application.app


def rule(path: str) -> int:
    return application()._limit(path)


class Counting:
    """An application that reads the whole body."""

    def __init__(self) -> None:
        self.read = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        more = True
        while more:
            message = await receive()
            self.read += len(message.get("body", b""))
            more = message.get("more_body", False)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})


@pytest.mark.parametrize("path", ["/healthz", "/sign-in/", "/api/v1/me/", "/v1/chat/completions", "/nowhere"])
@pytest.mark.parametrize("announced", [True, False])
def test_a_large_body_of_nobody_is_refused_before_it_is_read(path: str, announced: bool) -> None:
    inner = Counting()
    headers = {"content-length": str(250 * MB)} if announced else {}
    done = ask(Limits(inner), "POST", path, endless(), headers=headers)
    assert done.status == 413
    # Announced: nothing reaches the application. Else what it had before the limit.
    assert inner.read <= (0 if announced else ANONYMOUS_BYTES)
    assert done.taken <= ANONYMOUS_BYTES + DRAIN_BYTES + 2 * len(CHUNK)
    assert done.headers["connection"] == "close"
    assert ("5 MB" if announced else "64 kB") in done.body.decode() or path.startswith("/v1/")


def test_who_asks_before_sending_is_told_without_a_byte() -> None:
    done = ask(
        Limits(Counting()),
        "POST",
        "/sign-in/",
        endless(),
        headers={"content-length": str(MB), "expect": "100-continue"},
    )
    assert (done.status, done.taken) == (413, 0)


def test_each_address_answers_in_its_own_shape() -> None:
    def told(path: str, **headers: str) -> Exchange:
        return ask(Limits(Counting()), "POST", path, headers={"content-length": str(MB), **headers})

    api = json.loads(told("/api/v1/me/").body)
    assert api.keys() == {"code", "detail", "advice"} and api["code"] == "request_too_large"
    error = json.loads(told("/v1/chat/completions").body)["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    page = told("/p/a/annotate/write/")
    assert "<h1>" in page.body.decode() and page.headers["content-type"].startswith("text/html")
    part = told("/p/a/annotate/write/", **{"hx-request": "true"})
    assert part.headers["hx-retarget"] == "#toasts" and "<h1>" not in part.body.decode()


def test_people_who_signed_in_may_send_more_and_an_import_a_whole_file(
    world: World, as_user: Any, settings: Any
) -> None:
    cookie = session_of(as_user(world.admin))
    common = settings.DATA_UPLOAD_MAX_MEMORY_SIZE

    def status(path: str, size: int, **headers: str) -> int:
        app = Limits(Counting(), rules=application().rules)
        # Of a large file only the head is sent; what the application would read is not the question here.
        return ask(app, "POST", path, [b"x" * 10], headers={"content-length": str(size), **headers}).status

    slug = world.project.slug
    for path in (reverse("datasets:import-new", args=[slug]), f"/api/v1/projects/{slug}/imports/"):
        resolve(path)
        assert rule(path) > settings.IMPORT_MAX_BYTES
        assert status(path, settings.IMPORT_MAX_BYTES, **cookie) == 200
        assert status(path, settings.IMPORT_MAX_BYTES + 2 * MB, **cookie) == 413
        assert status(path, settings.IMPORT_MAX_BYTES) == 413
    assert status(f"/p/{slug}/annotate/write/", common, **cookie) == 200
    assert status(f"/p/{slug}/annotate/write/", common + 1, **cookie) == 413
    _, secret = create_api_key(by=world.admin, name="notebook")
    assert status("/api/v1/me/", MB, authorization=f"Bearer {secret}") == 200
    for wrong in (f"Bearer {secret}x", "Bearer", "Basic x"):
        assert status("/api/v1/me/", MB, authorization=wrong) == 413
    _, key = create_api_key(by=world.admin, name="app", project=world.project)
    assert status("/v1/chat/completions", MB, authorization=f"Bearer {key}") == 200
    assert status("/v1/chat/completions", MB + 1, authorization=f"Bearer {key}") == 413
    # Each kind of token counts only where it is one.
    assert status("/api/v1/me/", MB, authorization=f"Bearer {key}") == 413
    as_user(world.admin)
    assert status("/api/v1/me/", MB, cookie="sessionid=" + "a" * 32) == 413
    assert status("/api/v1/me/", MB, cookie="sessionid=\x01;;=;") == 413


def test_an_address_and_headers_have_an_end() -> None:
    assert ask(Limits(Counting()), "GET", "/x", query="q=" + "a" * 20_000).status == 414
    assert ask(Limits(Counting()), "GET", "/" + "a" * 20_000).status == 414
    assert ask(Limits(Counting()), "GET", "/x", headers={"x-a": "a" * 70_000}).status == 431


def test_a_body_that_does_not_arrive_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BODY_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(limits, "DRAIN_SECONDS", 0.0)
    inner = Counting()
    done = ask(Limits(inner), "POST", "/sign-in/", [b"half", None], headers={"content-length": "10"})
    assert done.status == 408
    assert "did not arrive" in done.body.decode()


def test_a_body_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BODY_GRACE_SECONDS", -1000.0)  # as if it had begun that long ago
    done = ask(Limits(Counting()), "POST", "/sign-in/", (b"x" for _ in range(1000)))
    assert done.status == 408
    assert done.taken == 1000 or done.taken < 10  # what follows is read away


def test_a_reader_who_does_not_read_is_left(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(limits, "SEND_SECONDS", 0.0)
    caplog.set_level(logging.WARNING, "core.http.limits")

    async def go() -> Exchange:
        exchange = Exchange(scope("GET", "/healthz"), stop_at_first="http.response.body")
        return await exchange.run(Limits(Counting()))

    done = asyncio.run(go())
    assert done.aborted
    assert "nobody read the answer" in caplog.text


def test_a_disk_that_is_full_while_a_body_arrives_is_told_in_words() -> None:
    async def full(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        raise OSError(28, "No space left on device")

    done = ask(Limits(full), "POST", "/api/v1/me/", [b"a", b"b"])
    assert done.status == 507
    assert json.loads(done.body)["code"] == "storage_full"


def test_what_is_no_http_is_closed() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message["type"])

    asyncio.run(Limits(Counting())({"type": "websocket", "path": "/"}, None, send))  # type: ignore[arg-type]
    assert sent == ["websocket.close"]


def test_too_many_fields_are_refused_in_words(world: World, as_user: Any) -> None:
    client: Client = as_user(world.admin)
    many = {f"f{number}": "1" for number in range(settings.DATA_UPLOAD_MAX_NUMBER_FIELDS + 1)}
    answer = client.post("/me/password/", many)
    assert answer.status_code == 400 and "fields" in answer.content.decode()
    answer = client.post(f"/api/v1/projects/{world.project.slug}/imports/", many)
    assert answer.status_code == 400 and answer.json()["code"] == "too_many_fields"
