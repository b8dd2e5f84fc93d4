"""Starts the whole program with its own state folder and uses it over HTTP, like a browser or a client."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from core.host.processes import as_child
from tests.support.waiting import wait_for

ROOT = Path(__file__).resolve().parent.parent.parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Program:
    """`make run` without the set-up: the supervisor and everything it starts. Use it as a context manager."""

    def __init__(self, state: Path, *, environment: dict[str, str] | None = None) -> None:
        self.state = state
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        own = {
            "GUILDHALL_STATE": str(state),
            "GUILDHALL_PORT": str(self.port),
            "GUILDHALL_ENGINE_PORTS_FROM": str(free_port()),
            "GUILDHALL_ENV": "development",
            # Minutes of both cores after each training; a test that wants them says so.
            "GUILDHALL_MEASURE_FORGETTING": "0",
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }
        # The program uses its own embedded servers, with any settings of the caller's shell.
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("GUILDHALL_") and name not in {"DATABASE_URL", "REDIS_URL"}
        }
        self.environment = {**inherited, **own, **(environment or {})}
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Program":
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    @property
    def log(self) -> Path:
        return self.state / "program.log"

    def start(self, *, seconds: float = 180) -> float:
        """Starts everything and returns the seconds until the sign-in page responded."""
        self.state.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "launcher.supervise"],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # Ends everything when the test or benchmark itself is killed.
                preexec_fn=as_child(os.getpid(), death_signal=signal.SIGTERM),
            )
        try:
            wait_for(self._answers, seconds=seconds, what="the sign-in page", every=0.2)
        except BaseException:
            self.stop()
            raise
        return time.monotonic() - began

    def _answers(self) -> bool:
        if self.process is not None and self.process.poll() is not None:
            raise RuntimeError(f"The program ended while starting:\n{self.log.read_text()[-3000:]}")
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/sign-in/").status_code == 200
        return False

    def stop(self) -> None:
        """Ctrl-C, and waits until everything has ended."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    @contextlib.contextmanager
    def signed_in(self, email: str, password: str) -> Iterator["Api"]:
        """An API client with a personal key of that person, made on the page."""
        with httpx.Client(base_url=self.url, timeout=60, follow_redirects=True) as client:
            page = client.get("/sign-in/")
            page.raise_for_status()
            headers = {"X-CSRFToken": client.cookies["csrftoken"], "Referer": self.url}
            answer = client.post("/sign-in/", data={"username": email, "password": password}, headers=headers)
            answer.raise_for_status()
            if "/sign-in/" in str(answer.url):
                raise RuntimeError(f"{email} could not sign in")
            yield Api(client)


class Api:
    """The REST API under /api/v1/, in the signed-in person's name."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def call(self, method: str, path: str, **options: Any) -> Any:
        """Calls /api/v1/<path> and returns the JSON; an error raises with the program's message."""
        headers = {"X-CSRFToken": self.client.cookies["csrftoken"], "Referer": str(self.client.base_url)}
        response = self.client.request(method, f"/api/v1/{path}", headers=headers, **options)
        if response.status_code >= 400:
            raise RuntimeError(f"{method} {path}: {response.status_code} {response.text[:1000]}")
        return response.json() if response.content else None

    def get(self, path: str, **params: Any) -> Any:
        return self.call("GET", path, params=params)

    def post(self, path: str, body: Any = None, **options: Any) -> Any:
        return self.call("POST", path, **({"json": body or {}} if "files" not in options else {}), **options)
