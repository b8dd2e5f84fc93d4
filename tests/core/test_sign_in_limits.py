"""Wrong passwords and tokens are counted, by whom they cannot hurt, and hashing is done a few at a time."""

import asyncio
import threading
from typing import Any

import pytest
from django.contrib.auth import hashers as django_hashers
from django.core.asgi import get_asgi_application
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.urls import reverse
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from core.errors import Busy
from core.http.limits import Limits
from core.models import User
from core.services.keys import create_api_key
from core.services.people import change_password, create_person, reset_password
from core.services.projects import invite
from core.sign_in import attempts, hashers
from tests.support.factories import PASSWORD, World, make_user

SIGN_IN = "/sign-in/"


def attempt(client: Client, email: str, password: str, ip: str, **headers: str) -> int:
    return client.post(
        SIGN_IN, {"username": email, "password": password}, REMOTE_ADDR=ip, headers=headers
    ).status_code


# --- sign-in -----------------------------------------------------------------------------------------------


def test_nobody_is_locked_out_from_another_address(world: World, settings) -> None:
    settings.SIGN_IN_TRIES = 3
    answers = [attempt(Client(), world.rater.email, "guess", "203.0.113.7") for _ in range(6)]
    assert answers[-1] == 429
    assert attempt(Client(), world.rater.email, PASSWORD, "198.51.100.1") == 302


def test_a_known_browser_is_not_locked_out_even_from_the_same_address(world: World, settings) -> None:
    """Somebody else behind the same office address guesses; the victim's own browser has its own count."""
    settings.SIGN_IN_TRIES = 3
    own = Client()
    assert attempt(own, world.rater.email, PASSWORD, "203.0.113.7") == 302
    own.post(reverse("core:sign-out"))
    for _ in range(4):
        assert attempt(Client(), world.rater.email, "guess", "203.0.113.7") in {422, 429}
    assert attempt(Client(), world.rater.email, PASSWORD, "203.0.113.7") == 429
    assert attempt(own, world.rater.email, PASSWORD, "203.0.113.7") == 302


def test_a_known_browser_has_no_more_tries_than_any_other(world: World, settings) -> None:
    settings.SIGN_IN_TRIES = 3
    own = Client()
    attempt(own, world.rater.email, PASSWORD, "203.0.113.7")
    own.post(reverse("core:sign-out"))
    assert [attempt(own, world.rater.email, "guess", "203.0.113.7") for _ in range(4)][-1] == 429
    # For another address it is a browser like any other.
    assert attempts.DEVICE_COOKIE in own.cookies
    request = type(
        "R", (), {"COOKIES": {attempts.DEVICE_COOKIE: own.cookies[attempts.DEVICE_COOKIE].value}}
    )()
    assert attempts.device_of(request, world.rater.email)
    assert not attempts.device_of(request, world.admin.email)


def test_a_forged_browser_cookie_is_worth_nothing(world: World) -> None:
    forged = Client()
    forged.cookies[attempts.DEVICE_COOKIE] = "eyJkZXZpY2UiOiJhIn0:1:x"
    assert attempt(forged, world.rater.email, "guess", "203.0.113.7") == 422
    assert attempts.counted("network", "203.0.113.7") == 1


def test_many_addresses_tried_from_one_network_slow_down(world: World, settings) -> None:
    settings.SIGN_IN_TRIES_PER_NETWORK = 10
    people = [make_user(f"Sprayed {n}") for n in range(14)]
    answers = [attempt(Client(), person.email, "guess", "203.0.113.7") for person in people]
    assert answers == [422] * 10 + [429] * 4
    refused = Client().post(
        SIGN_IN, {"username": world.rater.email, "password": PASSWORD}, REMOTE_ADDR="203.0.113.7"
    )
    assert refused.status_code == 429
    assert refused["Retry-After"] == str(attempts.WINDOW)
    assert b"from your network" in refused.content
    assert attempt(Client(), world.rater.email, PASSWORD, "198.51.100.1") == 302


def test_one_ipv6_network_is_one_network(world: World, settings) -> None:
    settings.SIGN_IN_TRIES = 3
    answers = [attempt(Client(), world.rater.email, "guess", f"2001:db8:1:2::{n}") for n in range(4)]
    assert answers[-1] == 429
    assert attempt(Client(), world.rater.email, PASSWORD, "2001:db8:1:3::1") == 302


def test_right_passwords_are_not_counted(world: World, settings) -> None:
    settings.SIGN_IN_TRIES_PER_NETWORK = 2
    for _ in range(5):
        assert attempt(Client(), world.rater.email, PASSWORD, "203.0.113.7") == 302
        assert attempt(Client(), "", "", "203.0.113.7") == 422


def test_an_address_guessed_at_from_everywhere_leaves_one_try_to_each_network(
    world: World, monkeypatch
) -> None:
    monkeypatch.setattr(attempts, "ATTACKED_AFTER", 5)
    for n in range(7):
        attempt(Client(), world.rater.email, "guess", f"203.0.113.{n + 1}")
    assert attempt(Client(), world.rater.email, "guess", "198.51.100.1") == 429  # the one try, and closed
    assert attempt(Client(), world.rater.email, PASSWORD, "198.51.100.1") == 429
    assert attempt(Client(), world.rater.email, PASSWORD, "198.51.100.2") == 302


# --- proxies -----------------------------------------------------------------------------------------------


def test_only_a_trusted_proxy_says_where_a_request_comes_from() -> None:
    def seen(peer: str, headers: list[tuple[bytes, bytes]], trusted: list[str]) -> tuple[str, str]:
        found: dict[str, Any] = {}

        async def app(scope: Any, receive: Any, send: Any) -> None:
            found.update(scope)

        scope = {"type": "http", "client": (peer, 1), "scheme": "http", "headers": headers}
        asyncio.run(ProxyHeadersMiddleware(app, trusted_hosts=trusted)(scope, None, None))  # type: ignore[arg-type]
        return found["client"][0], found["scheme"]

    told = [(b"x-forwarded-for", b"192.0.2.66, 203.0.113.7, 10.0.0.9"), (b"x-forwarded-proto", b"https")]
    assert seen("127.0.0.1", told, []) == ("127.0.0.1", "http")
    assert seen("10.0.0.5", told, ["10.0.0.0/24"]) == ("203.0.113.7", "https")
    assert seen("198.51.100.1", told, ["10.0.0.0/24"]) == ("198.51.100.1", "http")


def test_the_program_itself_is_behind_that_and_trusts_nobody_unasked() -> None:
    from config import asgi

    assert isinstance(asgi.application, ProxyHeadersMiddleware)
    # What counts by network (core.http.limits) has to be inside, so that it sees who a trusted proxy speaks for.
    assert isinstance(asgi.application.app, Limits)
    assert isinstance(asgi.application.app.app, type(get_asgi_application()))
    assert "127.0.0.1" not in asgi.application.trusted_hosts


@pytest.mark.django_db
def test_a_header_alone_changes_nothing(world: World, settings) -> None:
    settings.SIGN_IN_TRIES = 3
    for n in range(4):
        last = attempt(
            Client(), world.rater.email, "guess", "127.0.0.1", **{"X-Forwarded-For": f"192.0.2.{n}"}
        )
    assert last == 429


# --- guesses at the current password, and at tokens ----------------------------------------------------------


def test_guesses_at_ones_own_password_are_counted(world: World, as_user, settings) -> None:
    settings.SIGN_IN_TRIES = 3
    client, good = as_user(world.rater), "a much longer secret 7"
    given = {"old": "guess", "new": good, "again": good}
    pages = [client.post(reverse("core:password"), given).status_code for _ in range(3)]
    assert pages == [422] * 3
    assert client.post(reverse("core:password"), {**given, "old": PASSWORD}).status_code == 429
    answer = client.post(
        "/api/v1/me/password/", {"old": PASSWORD, "new": good}, content_type="application/json"
    )
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many")
    assert answer["Retry-After"] == str(attempts.WINDOW)
    world.rater.refresh_from_db()
    assert world.rater.check_password(PASSWORD)


def test_unknown_keys_are_counted_and_programs_that_run_go_on(world: World, settings) -> None:
    settings.API_KEY_TRIES_PER_NETWORK = 5
    _, running = create_api_key(by=world.rater, name="runs")
    _, fresh = create_api_key(by=world.rater, name="never used from here")

    def use(secret: str, path: str = "/api/v1/me/", ip: str = "203.0.113.7") -> int:
        return Client().get(path, REMOTE_ADDR=ip, headers={"Authorization": f"Bearer {secret}"}).status_code

    assert use(running) == 200
    assert [use(f"gh_guess{n}") for n in range(7)] == [401] * 5 + [429] * 2
    assert use("gk_guess", "/v1/models") == 429
    assert use(running) == 200
    assert use(fresh) == 429
    assert use(fresh, ip="198.51.100.1") == 200


def test_without_valkey_people_still_sign_in(world: World, monkeypatch) -> None:
    from redis.exceptions import ConnectionError as Away

    def away(*args: object, **kwargs: object) -> None:
        raise Away("gone")

    for name in ("add", "incr", "decr", "get", "set", "delete"):
        monkeypatch.setattr(cache, name, away, raising=False)
    assert attempt(Client(), world.rater.email, PASSWORD, "203.0.113.7") == 302
    _, secret = create_api_key(by=world.rater, name="x")
    assert Client().get("/api/v1/me/", headers={"Authorization": f"Bearer {secret}"}).status_code == 200


# --- hashing -----------------------------------------------------------------------------------------------


class Watched(hashers.BoundedArgon2PasswordHasher):
    """Counts how many hash at once, and whether a transaction of the program was open meanwhile."""

    time_cost, memory_cost, parallelism = 1, 8, 1
    in_transaction: list[bool] = []


def _open_transaction() -> bool:
    """A block that the test itself opened does not count."""
    return any(not block._from_testcase for block in connection.atomic_blocks)


@pytest.fixture
def watched(settings, monkeypatch) -> list[bool]:
    seen: list[bool] = []

    class Spy(Watched):
        def encode(self, password: str, salt: str) -> str:
            seen.append(_open_transaction())
            return super().encode(password, salt)

        def verify(self, password: str, encoded: str) -> bool:
            seen.append(_open_transaction())
            return super().verify(password, encoded)

    spy = Spy()
    monkeypatch.setattr(django_hashers, "get_hashers", lambda: [spy])
    monkeypatch.setattr(django_hashers, "get_hasher", lambda algorithm="default": spy)
    monkeypatch.setattr(django_hashers, "get_hashers_by_algorithm", lambda: {"argon2": spy})
    monkeypatch.setattr(django_hashers, "identify_hasher", lambda encoded: spy)
    return seen


def test_no_transaction_is_open_while_a_password_is_hashed(world: World, watched: list[bool]) -> None:
    world.rater.set_password(PASSWORD)
    world.rater.save()
    attempt(Client(), world.rater.email, PASSWORD, "203.0.113.7")
    attempt(Client(), "nobody@example.org", PASSWORD, "203.0.113.7")
    change_password(by=world.rater, old=PASSWORD, new="a much longer secret 7")
    reset_password(by=world.admin, user=world.rater)
    create_person(by=world.admin, email="a@example.org", name="A")
    for project, by in ((world.project, world.admin), (world.other, world.neighbour)):
        invite(by=by, project=project, email="b@example.org", name="B", roles=["rater"])
    assert len(watched) >= 8
    assert not any(watched)


def test_only_so_many_hash_at_once_and_the_others_are_told(monkeypatch) -> None:
    monkeypatch.setattr(hashers, "_turns", threading.BoundedSemaphore(2))
    monkeypatch.setattr(hashers, "PATIENCE", 0.01)
    inside, leave = threading.Barrier(3), threading.Event()

    def hold() -> None:
        with hashers._turn():
            inside.wait(30)
            leave.wait(30)

    holders = [threading.Thread(target=hold) for _ in range(2)]
    for one in holders:
        one.start()
    inside.wait(30)
    with pytest.raises(Busy) as told:
        Watched().encode("x", "0123456789abcdef")
    assert (told.value.status, told.value.retry_after) == (503, 5)
    leave.set()
    for one in holders:
        one.join(30)
    assert Watched().encode("x", "0123456789abcdef").startswith("argon2")


def test_a_busy_sign_in_says_so_and_counts_for_nothing(world: World, settings, monkeypatch) -> None:
    def busy(*args: object, **kwargs: object) -> None:
        raise Busy("Many people are signing in now.", "Try again in a few seconds.", retry_after=5)

    monkeypatch.setattr(User, "check_password", busy)
    answer = Client().post(
        SIGN_IN, {"username": world.rater.email, "password": PASSWORD}, REMOTE_ADDR="203.0.113.7"
    )
    assert answer.status_code == 503
    assert answer["Retry-After"] == "5"
    assert b"Many people are signing in" in answer.content
    assert attempts.counted("network", "203.0.113.7") == 0


# --- nothing is kept by browsers ---------------------------------------------------------------------------


def test_what_django_answers_is_not_stored_and_static_files_are(world: World, as_user) -> None:
    client = as_user(world.admin)
    slug = world.project.slug
    for path in (
        "/",
        f"/p/{slug}/people/",
        "/me/keys/",
        "/api/v1/me/",
        "/api/v1/nothing/",
        "/nothing/",
        SIGN_IN,
    ):
        assert "no-store" in client.get(path)["Cache-Control"], path
    assert "no-store" in Client().get("/v1/models")["Cache-Control"]
    made = client.post("/me/keys/", {"name": "x"})
    assert "no-store" in made["Cache-Control"]
    static = client.get("/static/css/base.css")
    assert static.status_code == 200
    assert "no-store" not in static.get("Cache-Control", "")
