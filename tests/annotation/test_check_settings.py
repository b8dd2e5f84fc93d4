"""The settings of a project's checks, on their page and in the API, and the buttons that make a fix."""

import html
import json
import re
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse

from annotation.checks import CHECKS
from annotation.services.check_settings import checks_stamp, set_checks
from annotation.views.editing import live
from core.errors import Conflict, Invalid
from core.models import AuditEntry, Project
from tests.support.factories import World, make_example
from tests.support.reading import text_of

pytestmark = pytest.mark.django_db


def page(world: World) -> str:
    return reverse("annotation:check-settings", args=[world.project.slug])


def sent(world: World, **other: Any) -> dict[str, Any]:
    on = [name for name in CHECKS if name not in ("spelling", "repeated")]
    return {
        "on": on,
        "languages": ["de", "en"],
        "most_example_tokens": 512,
        "seen": checks_stamp(world.project),
    } | other


def test_an_admin_switches_checks_off_and_the_audit_says_so(world: World, as_user: Any):
    client = as_user(world.admin)
    assert client.post(page(world), sent(world)).status_code == 302
    project = Project.objects.get(pk=world.project.pk)
    assert (project.checks_off, project.languages, project.most_example_tokens) == (
        ["spelling", "repeated"],
        ["de", "en"],
        512,
    )
    entry = AuditEntry.objects.get(action="project.changed")
    assert entry.detail["changed"]["checks_off"] == [[], ["spelling", "repeated"]]
    # A check that is off says nothing in the editor.
    typed = {
        "completion": "We dont have that on the menu today, sorry.",
        "message": "Do you have tea?",
        "role": "user",
    }
    checks = reverse("annotation:checks", args=[world.project.slug])
    assert "misspelt" not in text_of(as_user(world.annotator).post(checks, typed))
    client.post(page(world), sent(world, on=list(CHECKS), seen=checks_stamp(project)))
    assert "misspelt" in text_of(as_user(world.annotator).post(checks, typed))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"on": ["grammar"]}, "not one of the available choices"),
        ({"languages": ["tlh"]}, "not one of the available choices"),
        ({"most_example_tokens": 3}, "greater than or equal to 16"),
        ({"most_example_tokens": "many"}, "whole number"),
    ],
)
def test_wrong_values_are_refused_and_nothing_changes(
    world: World, as_user: Any, wrong: dict[str, Any], says: str
):
    answer = as_user(world.admin).post(page(world), sent(world, **wrong))
    assert answer.status_code == 422 and says in text_of(answer)
    assert Project.objects.get(pk=world.project.pk).checks_off == []


def test_another_persons_change_is_not_overwritten(world: World, as_user: Any):
    old = checks_stamp(world.project)
    set_checks(by=world.admin, project=world.project, off=["length"], languages=[], most_example_tokens=100)
    assert as_user(world.admin).post(page(world), sent(world, seen=old)).status_code == 409
    with pytest.raises(Conflict):
        set_checks(
            by=world.admin, project=world.project, off=[], languages=[], most_example_tokens=100, seen=old
        )
    with pytest.raises(Invalid):
        set_checks(by=world.admin, project=world.project, off=["x"], languages=["??"], most_example_tokens=0)
    with pytest.raises(IntegrityError), transaction.atomic():
        Project.objects.update(most_example_tokens=1)


def test_others_read_and_strangers_see_nothing(world: World, as_user: Any):
    viewer = as_user(world.viewer)
    assert "Admins of the project can change these" in text_of(viewer.get(page(world)))
    assert viewer.post(page(world), sent(world)).status_code == 403
    assert as_user(world.stranger).get(page(world)).status_code == 404
    settings = reverse("core:settings", args=[world.project.slug])
    assert page(world) in viewer.get(settings).content.decode()


def test_programs_read_and_change_them(world: World, as_user: Any):
    client, path = as_user(world.admin), f"/api/v1/projects/{world.project.slug}/checks/"
    told = client.get(path).json()
    assert [one["name"] for one in told["checks"]] == list(CHECKS) and all(
        one["on"] for one in told["checks"]
    )

    def change(**values: Any) -> Any:
        return client.patch(path, json.dumps(values), content_type="application/json")

    assert change(off=["punctuation"], seen=told["seen"]).json()["most_example_tokens"] == 2048
    assert change(languages=["fr"]).json()["languages"] == ["fr"]
    assert Project.objects.get(pk=world.project.pk).checks_off == ["punctuation"]
    assert change(off=[], seen=told["seen"]).status_code == 409
    for wrong in ({"off": ["nothing"]}, {"languages": ["xx"]}, {"most_example_tokens": 1}):
        assert change(**wrong).status_code == 422, wrong
    assert as_user(world.viewer).patch(path, "{}", content_type="application/json").status_code == 403


def test_the_editor_offers_a_button_that_says_what_it_does(world: World, as_user: Any):
    typed = {
        "role": "user", "message": "write to mona@gmail.com please", "record": "mona@gmail.com",
        "completion": "we dont have that, so i ask mona@gmail.com  about it",
    }  # fmt: skip
    answer = as_user(world.annotator).post(reverse("annotation:checks", args=[world.project.slug]), typed)
    buttons = re.findall(r'data-fix="([^"]*)">([^<]*)<', answer.content.decode())
    steps = {html.unescape(label): json.loads(html.unescape(data)) for data, label in buttons}
    assert "Replace with “don't”" in " ".join(steps).replace("&#x27;", "'")
    (mails,) = [one for one in steps.values() if len(one) == 3]
    assert {step["field"] for step in mails} == {"completion", "messages", "context"}
    for one in steps.values():
        for step in one:
            text = {
                "completion": typed["completion"],
                "messages": typed["message"],
                "context": typed["record"],
            }[step["field"]]
            assert step["before"] + step["was"] in text
    assert "Nothing found: " in text_of(answer)


def test_where_a_text_is_only_read_no_button_is_offered(world: World):
    content = {"messages": [], "context": [], "completion": "we dont have that on the menu."}
    assert all(one.button is None for one in live(content, world.project, None, None).shown)
    assert any(one.button for one in live(content, world.project, None, None, can_fix=True).shown)


def test_the_api_gives_kinds_and_fixes(world: World, as_user: Any):
    make_example(world.project)
    body = json.dumps(
        {"messages": [{"role": "user", "content": "Tea?"}], "completion": "we dont have tea on the menu."}
    )
    path = f"/api/v1/projects/{world.project.slug}/queue/checks/"
    told = as_user(world.annotator).post(path, body, content_type="application/json").json()
    (word,) = [one for one in told if one["kind"] == "word"]
    assert word["fixes"] == [{"field": "completion", "index": 0, "start": 3, "end": 7, "text": "don't"}]
