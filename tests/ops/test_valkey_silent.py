"""A Valkey that is there and says nothing (stopped, swapping, behind a dead network) must not hang a page.

A real one of its own is stopped with SIGSTOP under a real web process. What is asserted is that every request is answered
while it is stopped, in words, and that everything works again afterwards; how long it took is only limited, not measured.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from redis import Redis
from redis.exceptions import ConnectionError as Away

from core.host import valkey
from core.models import Run, User
from core.services.keys import create_api_key
from core.sign_in.hashers import BoundedArgon2PasswordHasher
from launcher import embedded
from launcher.servers import Valkey
from tests.support.factories import PASSWORD, make_example, make_world
from tests.support.waiting import wait_for

ROOT = Path(__file__).resolve().parent.parent.parent
SignIn = Callable[[User | None], Client]
# A request asks Valkey several times, and the first of them all may connect twice; without limits none would end.
LONGEST = 45.0


@dataclass
class Web:
    address: str
    valkey: int
    broker: Redis


@pytest.fixture
def web(servers: Path, transactional_db: None) -> Iterator[Web]:
    state = Path(tempfile.mkdtemp(prefix="gh-silent-"))
    server = Valkey(state, durable=False)
    server.prepare()
    url = embedded.redis_url(state)
    database = embedded.database_url(servers).replace("/guildhall?", f"/{connection.settings_dict['NAME']}?")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "GUILDHALL_STATE": str(state),
        "DATABASE_URL": database,
        "REDIS_URL": url,
        "GUILDHALL_SECRET_KEY": settings.SECRET_KEY,
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "uvicorn",
        "config.asgi:application",
        "--port",
        str(port),
    ]
    started = []
    try:
        started.append(subprocess.Popen(server.command(), stdout=subprocess.DEVNULL))
        wait_for(server.answers, what="Valkey")
        with (state / "web.log").open("wb") as log:
            started.append(
                subprocess.Popen(
                    [*command, "--http", "config.http:Http", "--lifespan", "off"],
                    cwd=ROOT, env=environment, stdout=log, stderr=log,
                )
            )  # fmt: skip
        address = f"http://127.0.0.1:{port}"
        wait_for(
            lambda: started[1].poll() is not None or _answers(address), what="the web process", seconds=90
        )
        assert started[1].poll() is None, (state / "web.log").read_text()[-3000:]
        yield Web(address, started[0].pid, Redis.from_url(url, socket_timeout=5))
    finally:
        for one in reversed(started):
            one.kill()
            one.wait(30)
        shutil.rmtree(state, ignore_errors=True)


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/healthz", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def test_everything_is_answered_while_valkey_is_silent(web: Web, as_user: SignIn) -> None:
    world = make_world()
    for _ in range(3):
        make_example(world.project, status="approved")
    _, secret = create_api_key(by=world.admin, name="program")
    client = httpx.Client(
        base_url=web.address, timeout=LONGEST, headers={"Authorization": f"Bearer {secret}"}
    )
    session = as_user(world.admin).cookies[settings.SESSION_COOKIE_NAME].value
    browser = httpx.Client(
        base_url=web.address, timeout=LONGEST, cookies={settings.SESSION_COOKIE_NAME: session}
    )
    api, pages = f"/api/v1/projects/{world.project.slug}", f"/p/{world.project.slug}"

    def freeze() -> httpx.Response:
        return client.post(f"{api}/datasets/", json={})

    def works(waits: int) -> None:
        """Each answer is checked before the next request, so that one that hangs is named."""
        assert client.get(f"{api}/queue/").status_code == 200
        assert (
            client.get(f"{api}/datasets/", headers={"Authorization": "Bearer gh_unknown"}).status_code == 401
        )
        for page in ("/", "/annotate/", "/train/", "/settings/"):
            assert browser.get(f"{pages}{page}").status_code == 200, page
        made = freeze()
        assert made.status_code == 202, made.text
        unsent = Run.objects.filter(kind="freeze", status="queued", sent_at=None).count()
        assert unsent == waits, "the sweep sends what the broker did not take"

    works(0)
    os.kill(web.valkey, signal.SIGSTOP)
    try:
        works(1)
        parts = {part["name"]: part for part in client.get("/readyz").json()["parts"]}
        assert parts["broker"]["up"] is False and parts["broker"]["since"] and parts["postgres"]["up"]
        status = browser.get("/status/").text
        assert "Broker (Valkey)" in status and "Timeout" in status
        # Signing in counts wrong tries in Valkey, and works without it.
        hashed = BoundedArgon2PasswordHasher().encode(PASSWORD, "0123456789abcdef")
        User.objects.filter(pk=world.rater.pk).update(
            password=hashed
        )  # the web process knows no other hasher
        form = httpx.Client(base_url=web.address, timeout=LONGEST)
        token = form.get("/sign-in/").cookies["csrftoken"]
        typed = {"username": world.rater.email, "password": PASSWORD, "csrfmiddlewaretoken": token}
        assert form.post("/sign-in/", data=typed, headers={"Referer": web.address}).status_code == 302
    finally:
        os.kill(web.valkey, signal.SIGCONT)
    wait_for(lambda: _sent(freeze, web.broker), what="the broker taking messages again")
    assert {p["name"]: p["up"] for p in client.get("/readyz").json()["parts"]}["broker"] is True


def _sent(freeze: Callable[[], httpx.Response], broker: Redis) -> bool:
    before = broker.llen("default")
    return freeze().status_code == 202 and broker.llen("default") > before


@pytest.mark.parametrize("error", [Away("gone"), valkey.Silent("silent")])
@pytest.mark.django_db
def test_what_cannot_be_done_without_it_is_told_in_words(
    world, as_user: SignIn, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refused(*args: object, **kwargs: object) -> None:
        raise error

    monkeypatch.setattr("annotation.api.queue.overview", refused)
    monkeypatch.setattr("annotation.views.queue.overview_of", refused)
    client = as_user(world.annotator)
    answer = client.get(f"/api/v1/projects/{world.project.slug}/queue/")
    page = client.get(f"/p/{world.project.slug}/annotate/")
    assert (answer.status_code, page.status_code) == (503, 503)
    assert answer.json()["code"] == "part_away" and "(Valkey) is offline" in answer.json()["detail"]
    assert "(Valkey) is offline" in page.content.decode()


def test_every_client_of_valkey_has_a_time_limit() -> None:
    """Also a new one: nothing but these files may make one."""
    from django.core.cache import cache

    options = cache._cache._client._pool_options
    assert options["socket_timeout"] == options["socket_connect_timeout"] == valkey.ANSWER_SECONDS
    # More than the second for which kombu's BRPOP waits.
    assert 1 < settings.CELERY_BROKER_TRANSPORT_OPTIONS["socket_timeout"] <= 5
    makers = {"core/health.py"}
    for path in ROOT.glob("*/**/*.py"):
        name = path.relative_to(ROOT).as_posix()
        if name.split("/")[0] in {
            "core",
            "annotation",
            "training",
            "inference",
            "evaluation",
            "release",
            "config",
        }:
            text = path.read_text()
            made = "Redis.from_url(" in text or "Redis(" in text or "StrictRedis" in text
            assert not made or name in makers, name
            if made:
                assert "socket_timeout=" in text and "socket_connect_timeout=" in text
