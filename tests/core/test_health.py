"""Machines hear which part is away and since when; one part away does not hide the others."""

import pytest
from django.test import Client

from core import health

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def forget():
    health._away_since.clear()
    yield
    health._away_since.clear()


def test_alive_needs_no_database(client: Client, django_assert_num_queries):
    with django_assert_num_queries(0):
        response = client.get("/healthz")
    assert response.json() == {"status": "ok"}


def test_ready_names_every_part(client: Client):
    body = client.get("/readyz").json()
    parts = {part["name"]: part for part in body["parts"]}
    assert parts["postgres"]["up"] and parts["broker"]["up"]
    assert parts["worker"]["up"] is False  # no beat in a test
    assert parts["worker"]["since"]


def test_a_broker_that_is_away_is_named_with_its_time(client: Client, settings):
    settings.REDIS_URL = "redis://127.0.0.1:9"
    first = client.get("/readyz")
    since = {p["name"]: p["since"] for p in first.json()["parts"]}["broker"]
    again = {p["name"]: p["since"] for p in client.get("/readyz").json()["parts"]}["broker"]
    assert first.status_code == 200  # pages are served all the same
    assert since and since == again


def test_a_database_that_is_away_makes_the_process_unready(client: Client, monkeypatch):
    away = health._part("postgres", "PostgreSQL", False, "connection refused", "every page")
    monkeypatch.setattr(health, "postgres", lambda: away)
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["status"] == "away"
