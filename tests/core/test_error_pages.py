"""Error pages: they say what happened and what to do, ask no database, and show no trace."""

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import OperationalError, connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from core import health
from core.errors import Conflict, PartAway, StorageFull, TooLarge
from core.http.middleware import away_response
from core.models import User
from tests.support.factories import World

pytestmark = pytest.mark.usefixtures("plain_stages")
SignIn = Callable[[User | None], Client]


def test_an_unknown_address_is_told_to_anybody(db: None) -> None:
    answer = Client().get("/no/such/page/")
    assert answer.status_code == 404
    assert b"Page not found" in answer.content
    assert b"data-error-message" in answer.content


def test_the_address_of_a_button_is_a_page_that_says_so(world: World, as_user: SignIn) -> None:
    """Django's own response is empty, and browsers then show an error of theirs."""
    action = reverse("quality:check", args=[world.project.slug])
    answer = as_user(world.admin).get(action)
    assert (answer.status_code, answer["Allow"]) == (405, "POST")
    assert int(answer["Content-Length"]) == len(answer.content) > 0
    assert b"There is no page at this address" in answer.content
    assert as_user(world.admin).head(action).status_code == 405
    api = as_user(world.admin).delete(f"/api/v1/projects/{world.project.slug}/findings/")
    assert (api.status_code, api["Content-Type"]) == (405, "application/json")


@pytest.mark.parametrize(
    ("referer", "behind"),
    [
        (
            "http://testserver/p/freight-desk/data/quality/?status=open",
            "/p/freight-desk/data/quality/?status=open",
        ),
        ("http://elsewhere.example/p/freight-desk/", "/"),
        ("", "/"),
    ],
)
def test_after_a_button_without_a_session_the_sign_in_leads_to_its_page(
    referer: str, behind: str, world: World, as_user: SignIn
) -> None:
    answer = as_user(None).post(reverse("quality:check", args=["freight-desk"]), headers={"referer": referer})
    assert answer.status_code == 302
    address = urlsplit(answer["Location"])
    assert (address.path, parse_qs(address.query)) == ("/sign-in/", {"next": [behind]})


def test_a_missing_role_is_named(world: World, as_user: SignIn) -> None:
    answer = as_user(world.rater).get(reverse("core:audit", args=[world.project.slug]))
    assert answer.status_code == 403
    assert b"This needs the role admin in Freight desk." in answer.content


def test_an_unexpected_error_shows_no_trace(
    world: World, as_user: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **kwargs: object) -> object:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("core.views.audit.audit_entries", broken)
    client = as_user(world.admin)
    client.raise_request_exception = False
    answer = client.get(reverse("core:audit", args=[world.project.slug]))
    assert answer.status_code == 500
    assert b"Something went wrong" in answer.content
    assert b"secret detail" not in answer.content
    assert b"Traceback" not in answer.content


@pytest.mark.parametrize(
    ("error", "status", "heading"),
    [
        (Conflict("It has changed.", "Reload it."), 409, b"This is not possible now"),
        (PartAway("The engine does not answer.", "Try later."), 503, b"A part of the system is offline"),
        (StorageFull("The disk is full.", "Free some space."), 507, b"The storage is not available"),
        (TooLarge("More than 64 kB.", "Send less."), 413, b"This is too large"),
    ],
)
def test_an_expected_error_is_a_page_a_toast_or_json(
    error: Exception,
    status: int,
    heading: bytes,
    world: World,
    as_user: SignIn,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(*args: object, **kwargs: object) -> object:
        raise error

    monkeypatch.setattr("core.views.audit.audit_entries", refused)
    client, url = as_user(world.admin), reverse("core:audit", args=[world.project.slug])
    page = client.get(url)
    assert page.status_code == status
    assert heading in page.content
    toast = client.get(url, headers={"HX-Request": "true"})
    assert (toast.status_code, toast["HX-Retarget"]) == (status, "#toasts")
    assert b"<html" not in toast.content
    assert str(error.args[0]).encode() in toast.content
    told = client.get(url, headers={"Accept": "application/json"})
    assert told.json()["detail"] == error.args[0]


def test_a_database_that_is_away_is_told_without_asking_it(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_away_since", {})
    with CaptureQueriesContext(connection) as queries:
        answer = away_response(RequestFactory().get("/p/x/"), OperationalError("gone"))
    assert len(queries) == 0
    assert answer.status_code == 503
    assert b"The database is offline." in answer.content
    assert b"It has been offline since" in answer.content
    assert answer["Retry-After"]


def test_pages_carry_a_strict_policy_and_no_inline_code(world: World, as_user: SignIn) -> None:
    import re

    client = as_user(world.admin)
    for name in ("home", "people", "application-keys", "settings", "audit", "runs"):
        answer = client.get(reverse(f"core:{name}", args=[world.project.slug]))
        policy = answer["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        text = answer.content.decode()
        assert not re.search(r"<[^>]+\sstyle\s*=", text), name
        assert not re.search(r"<script(?![^>]*\bsrc=)", text), name
        assert not re.search(r"\son\w+\s*=\s*[\"']", text), name
        assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", text), name
