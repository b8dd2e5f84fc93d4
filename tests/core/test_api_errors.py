"""Every error below /api/ has one shape, and bodies that cannot be used are told so."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError
from django.test import Client

from core.api.parsing import BadJson, load_json, unstorable
from core.models import Project, User
from core.services.keys import create_api_key
from tests.support.factories import World

pytestmark = pytest.mark.usefixtures("plain_stages")
SHAPE = {"code", "detail", "advice"}


def client_of(user: User) -> Client:
    _, secret = create_api_key(by=user, name="test")
    return Client(raise_request_exception=False, headers={"Authorization": f"Bearer {secret}"})


def told(answer: Any, status: int, code: str) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), body
    assert set(body) - {"fields", "since"} == SHAPE
    assert body["detail"]
    return body


def test_every_error_has_one_shape(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    admin, base = client_of(world.admin), f"/api/v1/projects/{world.project.slug}/"
    told(Client().get(base), 401, "not_signed_in")
    told(client_of(world.rater).get(f"{base}audit/"), 403, "forbidden")
    told(client_of(world.stranger).get(base), 404, "not_found")
    for path in ("/api/v1/nothing/", "/api/", "/api/v2/", "/api/v1/projects/%00/", f"{base}examples/x/"):
        if path != "/api/":
            told(admin.get(path), 404, "not_found")
    told(admin.delete(base), 405, "method_not_allowed")
    told(admin.get(base, headers={"Accept": "text/html"}), 406, "not_acceptable")
    told(admin.patch(base, b"<a/>", content_type="application/xml"), 415, "unsupported_media_type")
    told(admin.patch(base, b"{", content_type="application/json"), 400, "unreadable")
    assert told(admin.patch(base, {"temperature": 9}, content_type="application/json"), 422, "invalid")[
        "fields"
    ]
    told(admin.patch(base, b"x" * 6_000_000, content_type="application/json"), 413, "request_too_large")
    for error, status, code in (
        (OperationalError("gone"), 503, "part_away"),
        (IntegrityError("twice"), 409, "conflict"),
        (RuntimeError("secret"), 500, "error"),
    ):

        def broken(*_: Any, error: Exception = error, **__: Any) -> None:
            raise error

        monkeypatch.setattr("core.api.projects.audit_entries", broken)
        body = told(admin.get(f"{base}audit/"), status, code)
        assert "secret" not in str(body)
    number = body["detail"].split()[-1].strip(".")
    assert number in caplog.text


def test_an_address_without_its_slash_is_told(world: World) -> None:
    admin = client_of(world.admin)
    moved = admin.get("/api/v1/me?x=1")
    assert (moved.status_code, moved["Location"]) == (301, "/api/v1/me/?x=1")
    assert (
        "slash"
        in told(admin.patch("/api/v1/me", {}, content_type="application/json"), 404, "not_found")["advice"]
    )


def test_a_bad_key_is_told_the_truth(world: World) -> None:
    _, key = create_api_key(by=world.admin, name="desk", project=world.project)
    for header, words in (
        ("Bearer gh_unknown", "unknown or was revoked"),
        (f"Bearer {key}", "application key"),
        ("Bearer", "no key"),
        ("Bearer a b", "more than one word"),
        ("Bearer \u00e9\u00ff", "unknown"),
    ):
        assert (
            words
            in told(Client().get("/api/v1/me/", headers={"Authorization": header}), 401, "not_signed_in")[
                "detail"
            ]
        )


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "line 1, column 1"),
        (b'{"a": 1, "a": 2}', "“a” is given twice"),
        (b'{"\\ud83d": 1, "\\ud83d": 2}', "given twice"),
        (b"[NaN]", "NaN is not a number"),
        (b"[-Infinity]", "not a number"),
        (b"[1e999]", "too large"),
        (b"[" + b"9" * 5000 + b"]", "5,000 digits"),
        (b"[" * 50_000 + b"]" * 50_000, "nested too deeply"),
        (b"[" * 66 + b"]" * 66, "nested too deeply"),
        (b"\xff", "not UTF-8"),
    ],
)
def test_bodies_that_are_no_json_are_told_in_words(body: bytes, words: str) -> None:
    with pytest.raises(BadJson, match=words):
        load_json(body)


def test_json_is_read_as_it_is() -> None:
    text = '\ufeff{"a": [1, 2.5, true, null, "東京"], "b": {"c": ' + "9" * 19 + "}}"
    assert load_json(text.encode()) == json.loads(text[1:])
    assert unstorable(load_json(rb'{"a": [{"b": "\u0000"}], "\ud83d": 1, "c": "\ud83d\ude00"}')) == [
        "\ufffd",
        "a.0.b",
    ]


@pytest.mark.parametrize(
    "body", [rb'{"description": "\u0000"}', rb'{"description": "a \ud83d b"}', rb'{"x\u0000": 1}']
)
def test_text_that_cannot_be_stored_is_refused_by_name(body: bytes, world: World) -> None:
    answer = client_of(world.admin).patch(
        f"/api/v1/projects/{world.project.slug}/", body, content_type="application/json"
    )
    assert list(told(answer, 422, "invalid")["fields"]) in (["description"], ["x\ufffd"])


def test_projects_of_any_script_get_an_address(world: World, as_user: Callable[[User], Client]) -> None:
    operator = client_of(world.operator)

    def make(**values: str) -> Any:
        return operator.post("/api/v1/projects/", values, content_type="application/json")

    tokyo = make(name="東京")
    assert (tokyo.status_code, tokyo.json()["name"]) == (201, "東京")
    assert tokyo.json()["slug"] == f"p-{Project.objects.get(name='東京').pk}"
    assert make(name="東京").status_code == 201
    assert make(name="One", slug="bug-bench").status_code == 201
    assert list(told(make(name="Other", slug="Bug-Bench"), 422, "invalid")["fields"]) == ["slug"]
    page = as_user(world.operator).post("/projects/new/", {"name": "Other", "slug": "BUG-bench"})
    assert page.status_code == 422


def test_options_and_head_answer_everywhere(world: World) -> None:
    admin = client_of(world.admin)
    answer = admin.options(f"/api/v1/projects/{world.project.slug}/")
    assert answer.json() == {"methods": ["GET", "PATCH", "HEAD", "OPTIONS"]}
    assert admin.head("/api/v1/me/").status_code == 200


def test_the_api_has_a_page_of_its_own(world: World, as_user: Callable[[User], Client]) -> None:
    page = as_user(world.rater).get("/api/")
    assert page.status_code == 200
    assert "swagger-ui-bundle.js" in page.content.decode()
    assert "'unsafe" not in page["Content-Security-Policy"]
    assert Client().get("/api/").status_code == 302


def test_naming_what_is_wrong_takes_work_in_proportion_to_the_body() -> None:
    """A long key above many values: the path of each would be as long as the key."""
    made = []

    class Key(str):
        __slots__ = ()

        def __str__(self) -> str:
            made.append(1)
            return "k"

    value = {Key("a" * 1000): [0] * 50_000 + ["\x00"] * 3}
    assert unstorable(value) == ["k.50002", "k.50001", "k.50000"]
    assert len(made) <= 4
    assert len(unstorable({"a": ["\x00"] * 5000})) == 100
    assert len(unstorable({"a" * 500_000: "\x00"})[0]) <= 200
