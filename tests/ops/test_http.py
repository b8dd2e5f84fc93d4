"""The web server on a real socket: clients that read or send slowly, never, or too much.

The server is uvicorn with the program's own protocol and application, as the Procfile starts it, in a thread. The limits
are those of the program but for their seconds, which are shortened; no test asserts how long anything took.
"""

import asyncio
import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest
import uvicorn
from django.test import Client
from uvicorn.server import ServerState

from annotation.models import Example
from config import http
from core.http import downloads, limits
from core.models import User
from tests.core.test_connections import none_held
from tests.support.asgi import session_of
from tests.support.factories import World, make_example, make_world
from tests.support.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)
SignIn = Callable[[User | None], Client]
Serve = Callable[[Any], int]
PLACES = ["/sign-in/", "/api/v1/me/", "/v1/chat/completions"]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """serve(application) gives the port at which it answers."""
    servers: list[tuple[uvicorn.Server, threading.Thread]] = []

    def start(application: Any) -> int:
        config = uvicorn.Config(
            application, host="127.0.0.1", port=0, http="config.http:Http", lifespan="off", proxy_headers=False,
            access_log=False, server_header=False, log_config=None, timeout_graceful_shutdown=1,
        )  # fmt: skip
        server = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
        thread.start()
        servers.append((server, thread))
        wait_for(lambda: server.started, what="uvicorn listening")
        return int(server.servers[0].sockets[0].getsockname()[1])

    yield start
    for server, thread in servers:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


@pytest.fixture
def port(serve: Serve) -> int:
    from config.asgi import application

    return serve(application)


def connect(port: int, *, window: int = 0) -> socket.socket:
    """`window`: the most bytes that are taken without being read."""
    one = socket.socket()
    one.settimeout(30)
    if window:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    one.connect(("127.0.0.1", port))
    return one


def head(method: str, path: str, **headers: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def rest(one: socket.socket) -> bytes:
    """Everything up to the end of the connection, however it ends."""
    taken = b""
    try:
        while part := one.recv(65536):
            taken += part
    except ConnectionError:
        pass
    return taken


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer else 0


def told(path: str, answer: bytes) -> str:
    """What an error says, taken from the shape that its address must have."""
    body = answer.partition(b"\r\n\r\n")[2]
    if path.startswith("/v1/"):
        error = json.loads(body)["error"]
        assert error.keys() == {"message", "type", "param", "code"}
        return str(error["message"])
    if path.startswith("/api/"):
        error = json.loads(body)
        assert error.keys() == {"code", "detail", "advice"}
        return f"{error['detail']} {error['advice']}"
    assert b"content-type: text/html" in answer and b"</html>" in body
    return body.decode()


# --- headers -----------------------------------------------------------------------------------------------
def test_headers_without_end_are_not_kept(port: int) -> None:
    with closing(connect(port)) as one:
        one.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n")
        sent = 0
        try:
            while sent < 50 * http.HEAD_BYTES:
                sent += one.send(b"X-More: " + b"x" * 8000 + b"\r\n")
        except ConnectionError:
            pass
        answer = rest(one)
    # What the sockets of both sides hold was sent, too, and read by nobody.
    assert sent < 50 * http.HEAD_BYTES
    assert status(answer) in (431, 0)  # a sender that goes on may lose the answer
    assert httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200


def test_headers_that_end_too_late_are_told_by_which_limit(port: int) -> None:
    with closing(connect(port)) as one:
        one.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * (http.HEAD_BYTES + 1))
        assert status(rest(one)) == 431


@pytest.mark.parametrize("path", PLACES)
def test_long_headers_are_refused_in_the_words_of_their_address(port: int, path: str) -> None:
    with closing(connect(port)) as one:
        one.sendall(head("GET", path, **{"X-Long": "x" * (limits.HEADER_BYTES + 1)}))
        answer = rest(one)
    assert status(answer) == 431 and "headers of this request are too long" in told(path, answer)


def test_a_head_that_never_ends_is_not_waited_for(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "HEAD_SECONDS", 0.5)
    with closing(connect(port)) as one:
        assert rest(one) == b""  # not a byte
    with closing(connect(port)) as one:
        one.sendall(b"GET /healthz HT")
        assert rest(one) == b""
    with closing(connect(port)) as one:
        one.sendall(head("GET", "/healthz"))
        first = b""
        while not first.endswith(b'{"status": "ok"}'):
            first += one.recv(65536)
        one.sendall(b"GET /healthz HTTP/1.1\r\nHost:")
        assert status(first) == 200 and rest(one) == b""


def test_the_body_before_does_not_count_for_the_next_head() -> None:
    """On one connection, as a proxy keeps it: a large upload, then a request whose headers come in two parts. How much of
    a body one read brings is the network's business, so the parts are handed over here."""

    class Transport(asyncio.Transport):
        written, closing = b"", False

        def get_extra_info(self, name: str, default: Any = None) -> Any:
            return default

        def is_closing(self) -> bool:
            return self.closing

        def write(self, data: Any) -> None:
            self.written += data

        def close(self) -> None:
            self.closing = True

        def get_write_buffer_size(self) -> int:
            return 0

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    async def go() -> Transport:
        config, transport = uvicorn.Config(application, lifespan="off", log_config=None), Transport()
        config.load()
        protocol = http.Http(config, ServerState(), {})
        protocol.connection_made(transport)
        body = b"x" * (http.HEAD_BYTES - 10)
        for part in (
            head("POST", "/", **{"Content-Length": str(len(body))}), body,
            b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Half: half", b" and half\r\n\r\n",
        ):  # fmt: skip
            protocol.data_received(part)
            await asyncio.sleep(0.01)
        protocol.connection_lost(None)
        return transport

    transport = asyncio.run(go())
    assert transport.written.count(b"HTTP/1.1 200") == 2 and b"431" not in transport.written


# --- bodies ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", PLACES)
@pytest.mark.parametrize("how", ["announced", "chunked", "asks first"])
def test_a_body_over_the_limit_is_refused_before_it_is_read(
    port: int, monkeypatch: pytest.MonkeyPatch, path: str, how: str
) -> None:
    monkeypatch.setattr(limits, "DRAIN_SECONDS", 0.2)
    size = 300 * 1024 * 1024
    lines = {"Content-Type": "application/json"}
    lines |= {"Transfer-Encoding": "chunked"} if how == "chunked" else {"Content-Length": str(size)}
    if how == "asks first":
        lines |= {"Expect": "100-continue"}
    part = b"x" * 65536
    chunk = b"%x\r\n%s\r\n" % (len(part), part) if how == "chunked" else part
    sent = 0
    with closing(connect(port)) as one:
        one.sendall(head("POST", path, **lines))
        if how != "asks first":
            # As much as is read of it at most before the answer; a sender that goes on for ever may lose it.
            while sent < limits.ANONYMOUS_BYTES + 2 * len(part):
                one.sendall(chunk)
                sent += len(part)
        answer = rest(one)
    assert status(answer) == 413 and b"connection: close" in answer.lower()
    words = told(path, answer)
    assert ("is larger than" in words or "are possible" in words) and (
        "Send less" in words or "sign-in" in words
    )


def test_a_sender_that_never_stops_is_cut_off(port: int) -> None:
    size, sent = 300 * 1024 * 1024, 0
    with closing(connect(port)) as one:
        one.sendall(head("POST", "/sign-in/", **{"Content-Length": str(size)}))
        with pytest.raises(ConnectionError):
            while sent < size:
                sent += one.send(b"x" * 65536)
    assert sent < size


@pytest.mark.parametrize("path", PLACES)
@pytest.mark.parametrize("how", ["stops", "drips"])
def test_a_body_that_does_not_arrive_is_given_up(
    port: int, monkeypatch: pytest.MonkeyPatch, path: str, how: str
) -> None:
    monkeypatch.setattr(limits, "BODY_PAUSE_SECONDS", 0.5 if how == "stops" else 30.0)
    monkeypatch.setattr(limits, "BODY_GRACE_SECONDS", 0.5)
    monkeypatch.setattr(limits, "DRAIN_SECONDS", 0.2)
    with closing(connect(port)) as one:
        one.sendall(head("POST", path, **{"Content-Length": "60000", "Content-Type": "application/json"}))
        one.sendall(b"{")
        if how == "drips":
            stop = threading.Event()

            def drip() -> None:
                while not stop.wait(0.05):
                    try:
                        one.send(b" ")
                    except OSError:
                        return

            thread = threading.Thread(target=drip)
            thread.start()
            answer = rest(one)
            stop.set()
            thread.join()
        else:
            assert none_held(), "a request without its body needs no database connection"
            answer = rest(one)
    assert status(answer) == 408 and "did not arrive in time" in told(path, answer)


# --- readers -----------------------------------------------------------------------------------------------
def test_a_download_that_nobody_reads_ends_and_gives_back_what_it_held(
    port: int, as_user: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SEND_SECONDS", 1.0)
    world = make_world()
    large(world)
    client = as_user(world.admin)
    path = f"/api/v1/projects/{world.project.slug}/examples/download/"
    with closing(connect(port, window=4096)) as one:
        one.sendall(head("GET", path, **session_of(client)))
        wait_for(lambda: world.admin.pk in downloads._open, what="the download being open")
        assert none_held(), "a reader holds no database connection"
        wait_for(lambda: world.admin.pk not in downloads._open, what="the download's place being given back")
        taken = rest(one)
    assert status(taken) == 200 and not taken.endswith(b"0\r\n\r\n"), "the reader must see that it is cut off"
    # One who reads, slowly too, gets all of it.
    with closing(connect(port, window=4096)) as one:
        one.sendall(head("GET", path, Connection="close", **session_of(client)))
        taken = b""
        while part := one.recv(1 << 20):
            taken += part
    assert taken.endswith(b"0\r\n\r\n") and taken.count(b'"example-') == Example.objects.count()


def large(world: World) -> None:
    """More than the sockets of both sides and a portion hold."""
    one = make_example(world.project)
    fields = {
        name: getattr(one, name) for name in ("project", "messages", "context", "slice", "status", "revision")
    }
    Example.objects.bulk_create(
        Example(**fields, completion="word " * 4000, group=f"g{n}", content_hash=f"{n:064x}")
        for n in range(500)
    )


@pytest.mark.parametrize("connection", ["keep-alive", "close"])
def test_an_answer_in_one_part_that_nobody_reads_is_not_kept(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, connection: str
) -> None:
    """Nearly every page and API answer is one part, and uvicorn takes it whole without waiting for its reader."""
    monkeypatch.setattr(http, "READ_SECONDS", 0.5)
    lost, body = threading.Event(), b"x" * (32 << 20)
    gone = http.Http.connection_lost

    def noted(self: http.Http, error: Exception | None) -> None:
        gone(self, error)
        lost.set()

    monkeypatch.setattr(http.Http, "connection_lost", noted)

    async def application(scope: Any, receive: Any, send: Any) -> None:
        length = str(len(body)).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        await send({"type": "http.response.body", "body": body})

    number = serve(application)
    with closing(connect(number, window=4096)) as one, caplog.at_level(logging.WARNING):
        one.sendall(head("GET", "/", Connection=connection))
        assert lost.wait(30), "the connection stays for ever"
        assert len(rest(one)) < len(body)
    assert "The client did not read the rest of a response" in caplog.text
    lost.clear()
    with closing(connect(number)) as one:
        one.sendall(head("GET", "/", Connection="close"))
        assert len(rest(one)) > len(body)
