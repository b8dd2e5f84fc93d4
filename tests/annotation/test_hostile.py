"""No text takes a page down. What was typed is kept, whatever it is; an item that holds it can be given, read, reviewed,
listed, exported, frozen and taught from like any other."""

import json
from typing import Any

import pytest
from django.test import Client

from annotation import checks
from annotation.checks import CHECKS, Finding
from annotation.models import Draft, Example, Revision
from core.roles import MEMBERS
from core.tasks import execute_run
from core.templatetags.guildhall import _cells_at_most, markdown
from dataset.services.versions import start_freeze
from evaluation.models import Prompt
from inference.models import Answer, Conversation
from tests.support.factories import World, join, make_example, make_user, make_world
from tests.test_permission_walk import addresses, samples_of

LONG = 19_000  # a text may have 20,000 characters
HOSTILE = {
    "long digits": "9" * LONG,
    "digits of every script": "٣" * 6000 + " ² ⅔ " + "𝟗" * 5000,
    "brackets": "[(" * (LONG // 2),
    "one character": "x" * LONG,
    "combining marks": "a" + "\u0301" * LONG,
    "spaced ones": "1 " * (LONG // 2),
    "deep JSON": "[" * 9000 + "]" * 9000,
    "deep object": '{"a":' * 3000 + "1" + "}" * 3000,
    "JSON of long numbers": json.dumps({"weight": "7" * 6000, "n": [1e308, -0.0]}) + "9" * 5000,
    "exponent": '{"a": 1e999999, "b": 123e-400000}',
    "dates that are none": "9999-99-99 31.02.0000 24:61 " * 500,
    "markup": "</script>\n```\n| a |\n|" + "-|" * 400 + "\n" + "| |\n" * 400,
    "bidi and joiners": "\u202e\u2066\u200d" * 4000 + "end",
    "emoji": "👩‍👩‍👧‍👦" * 1500,
}
kinds = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())


def every_role(world: World) -> Any:
    person = make_user("Everything")
    join(world.project, person, *MEMBERS)
    return person


def pair(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], "context": [text], "completion": text}


# --- what was typed ------------------------------------------------------------------------------------------------
@pytest.mark.django_db
@kinds
def test_what_was_typed_is_stored_whatever_a_check_makes_of_it(world: World, as_user: Any, text: str):
    api = f"/api/v1/projects/{world.project.slug}/"
    make_example(world.project)
    annotator, reviewer = as_user(world.annotator), as_user(world.reviewer)

    def send(client: Client, method: str, path: str, body: Any) -> Any:
        return getattr(client, method)(api + path, json.dumps(body), content_type="application/json")

    item = send(annotator, "post", "queue/next/", {}).json()["example"]
    typed = pair(text) | {"base_revision": item["revision"], "reason": "as it is"}
    assert send(annotator, "put", f"queue/{item['id']}/draft/", typed).status_code == 200
    assert Draft.objects.get(user=world.annotator).content["completion"].strip() == text.strip()
    assert send(annotator, "post", "queue/checks/", typed).status_code == 200
    page = annotator.post(f"/p/{world.project.slug}/annotate/checks/", {"completion": text, "context": text})
    assert page.status_code < 500
    answer = send(annotator, "post", f"queue/{item['id']}/submit/", typed)
    assert answer.status_code in {200, 422}, answer.content
    kept = Draft.objects.filter(user=world.annotator).values_list("content", flat=True)
    submitted = Revision.objects.filter(example=item["id"]).values_list("content", flat=True)
    assert text.strip() in {content["completion"].strip() for content in (*kept, *submitted)}
    if answer.status_code == 422:
        return
    taken = send(reviewer, "post", "reviews/next/", {})
    assert taken.status_code == 200 and taken.json()["example"]["id"] == item["id"]
    revision = taken.json()["example"]["revision"]
    accepted = send(reviewer, "post", f"reviews/{item['id']}/accept/", {"revision": revision})
    assert accepted.status_code == 200, accepted.content


@pytest.mark.django_db
@pytest.mark.parametrize("failure", [RecursionError, ValueError, MemoryError, KeyError])
@pytest.mark.parametrize("name", CHECKS)
def test_a_check_that_fails_says_so_and_blocks_nobody(
    world: World, as_user: Any, monkeypatch: pytest.MonkeyPatch, name: str, failure: type[Exception]
):
    class Failing:
        asks_database = CHECKS[name].asks_database
        about = CHECKS[name].about

        def __init__(self) -> None:
            self.name = name

        def run(self, *args: Any) -> list[Finding]:
            raise failure("poison")

    monkeypatch.setitem(checks.CHECKS, name, Failing())
    example = make_example(world.project)
    client = as_user(world.annotator)
    page = client.post(f"/p/{world.project.slug}/annotate/next/", follow=True)
    assert page.status_code == 200 and f"item/{example.pk}" in page.request["PATH_INFO"]
    told = client.post(
        f"/api/v1/projects/{world.project.slug}/queue/checks/",
        json.dumps(pair("It is at sea.")),
        content_type="application/json",
    ).json()
    assert any(one["check"] == name and "Not checked" in one["says"] for one in told)


# --- every page that may show it -----------------------------------------------------------------------------------
def poison(world: World, text: str) -> None:
    """The text wherever people's words are kept, past every form: rows of before a limit existed, too."""
    content = pair(text) | {"slice": text[:100], "edge": "", "tags": [text[:40]]}
    Example.objects.update(**pair(text), slice=text[:100], tags=[text[:40]], group=text[:200])
    Revision.objects.update(content=content, note=text[:300])
    Answer.objects.update(text=text, question=text, messages=[{"role": "user", "content": text}], error=text)
    Conversation.objects.update(title=text[:120], context=[text])
    Prompt.objects.update(messages=[{"role": "user", "content": text}], context=[text], slice=text[:100])
    type(world.project).objects.filter(pk=world.project.pk).update(
        guideline=text, system_prompt=text, description=text[:200]
    )


WALKED = (
    "long digits",
    *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("deep JSON", "markup", "combining marks")),
)


@pytest.mark.django_db
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", WALKED)
def test_every_page_and_address_shows_it(as_user: Any, kind: str):
    world, samples = samples_of(make_world())
    for status in ("queued", "in_review", "approved"):
        make_example(world.project, status=status)
    poison(world, HOSTILE[kind])
    client = as_user(every_role(world))
    failed = []
    for address in addresses():
        if "<slug:slug>" not in address.route:
            continue
        path = address.filled(world.project.slug, samples)
        client.raise_request_exception = False
        status = client.get(path).status_code
        if status >= 500 and status != 503:
            failed.append(f"{path} said {status}")
    assert failed == []


@pytest.mark.django_db(transaction=True)
def test_it_is_frozen_and_read_back(world: World, as_user: Any):
    for text in HOSTILE.values():
        make_example(world.project, status="approved", **pair(text))
    dataset = start_freeze(by=world.admin, project=world.project)
    execute_run(dataset.run_id)
    dataset.refresh_from_db()
    assert dataset.status == "ready", dataset.run and dataset.run.error_message
    client = as_user(world.admin)
    for page in ("", "rows/", "download/"):
        assert client.get(f"/p/{world.project.slug}/data/datasets/{dataset.number}/{page}").status_code == 200


# --- Markdown ------------------------------------------------------------------------------------------------------
def test_a_table_costs_no_more_than_its_text():
    columns = 400
    wide = "|a" * columns + "|\n" + "|-" * columns + "|\n" + "|\n" * 4000
    assert _cells_at_most(wide) > 1_000_000
    assert "<td" not in markdown(wide) and "|a|a" in markdown(wide)
    plain = "| a | b |\n|---|---|\n" + "| 1 | 2 |\n" * 200
    assert str(markdown(plain)).count("<td>") == 400
