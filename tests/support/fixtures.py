"""Fixtures that every app's tests share; conftest.py loads them as a plugin."""

from collections.abc import Iterator

import pytest
from django.test import Client
from playwright.sync_api import Browser

from core.models import User
from tests.support.factories import World, make_world
from tests.support.look import Chromium, chromium, leave


@pytest.fixture(scope="module")
def browser_of_module() -> Iterator[Chromium]:
    with chromium() as one:
        yield one


@pytest.fixture
def browser(browser_of_module: Chromium) -> Browser:
    return browser_of_module.browser()


@pytest.fixture(autouse=True)
def _pages_are_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a test did: its pages are closed, and the server is done with them, before the database is emptied."""
    if not {"browser", "live_server"} <= set(request.fixturenames):
        yield
        return
    request.getfixturevalue("transactional_db")  # asked for here, it ends after this
    one = request.getfixturevalue("browser")
    yield
    leave(one)


@pytest.fixture
def world(db: None) -> World:
    return make_world()


@pytest.fixture
def as_user():
    """as_user(person) is a test client signed in as that person; None is a stranger without an account."""

    def sign_in(user: User | None) -> Client:
        client = Client()
        if user is not None:
            client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return sign_in


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, int]]]:
    """Messages handed to the broker, as (task name, primary key), instead of sending them."""
    from celery import Task

    messages: list[tuple[str, int]] = []

    def note(self: Task, args: tuple = (), kwargs: dict | None = None, **options: object) -> None:
        messages.append((self.name, *args))

    monkeypatch.setattr(Task, "apply_async", note)
    yield messages
