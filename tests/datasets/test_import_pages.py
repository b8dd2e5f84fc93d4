"""Imports."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from annotation.models import Example
from core.http.downloads import csv_line
from core.services.keys import create_api_key
from core.tasks import execute_run
from dataset.models import DataImport
from tests.datasets.desk import SignIn, body, page
from tests.support.factories import World, spelled

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sent")]


def _file(data: bytes, name: str = "pairs.jsonl") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data)


def test_uploading_a_file_starts_its_import(world: World, as_user: SignIn):
    response = as_user(world.admin).post(
        page("import-new", world.project, {}),
        {
            "file": _file(b'{"prompt": "a"}\n', "../../naïve <b>.jsonl"),
            "destination": "queued",
            "default_source": " desk ",
        },
    )
    data_import = DataImport.objects.get()
    assert response.url == page("import", world.project, {"import": data_import.pk})  # type: ignore[attr-defined]
    assert (data_import.file_name, data_import.default_source, data_import.run.status) == (
        "naïve <b>.jsonl",
        "desk",
        "queued",
    )
    shown = as_user(world.admin).get(response.url).content.decode()  # type: ignore[attr-defined]
    assert "naïve &lt;b&gt;.jsonl" in shown
    assert "<b>" not in shown.replace("<b>Im", "")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"destination": "queued"}, "This field is required"),
        ({"destination": "queued", "file": b""}, "empty"),
        ({"destination": "retired", "file": b"x"}, "not one of the available choices"),
        ({"destination": "queued", "file": b"x", "default_source": "s" * 121}, "at most 120"),
    ],
)
def test_a_wrong_upload_shows_the_form_again(world: World, as_user: SignIn, given: dict[str, Any], said: str):
    data = {name: _file(value) if name == "file" else value for name, value in given.items()}
    response = as_user(world.admin).post(page("import-new", world.project, {}), data)
    assert response.status_code == 422
    assert said in response.content.decode()
    assert not DataImport.objects.exists()


def test_a_file_above_the_limit_is_refused_with_advice(world: World, as_user: SignIn, settings: Any):
    settings.IMPORT_MAX_BYTES = 1
    response = as_user(world.admin).post(
        page("import-new", world.project, {}), {"destination": "queued", "file": _file(b"xx")}
    )
    assert response.status_code == 422
    assert "Divide it into several files" in response.content.decode()


@pytest.mark.django_db(transaction=True)
@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume:Warning")
def test_an_import_page_lists_what_was_wrong_and_gives_it_as_csv(
    world: World, as_user: SignIn, upload: Callable[[bytes], DataImport]
):
    data_import = upload(b'{"prompt": "a"}\n=1+1\n{"prompt": "a"}\n{"prompt": "a", "edge": "@x"}\n')
    execute_run(data_import.run_id)
    client = as_user(world.viewer)
    url = page("import", world.project, {"import": data_import.pk})
    shown = client.get(url).content.decode()
    assert "is not a JSON object" in shown
    assert "Remove what this import added" not in shown  # a viewer changes nothing
    repeats = client.get(url, {"kind": "repeated"}).content.decode()
    assert "Repeats line 1 of this file." in repeats
    lines = (
        body(client.get(page("import-issues", world.project, {"import": data_import.pk})))
        .decode()
        .splitlines()
    )
    assert lines[0] == "file,line,column,kind,field,reason,starts with"
    assert lines[1].startswith(',2,1,rejected,,"The line begins with “=” and is not a JSON object.')
    assert lines[1].endswith(",'=1+1")
    assert lines[2].startswith(",3,,repeated,,")
    assert len(lines) == 4
    admin = as_user(world.admin)
    assert "Remove what this import added" in admin.get(url).content.decode()
    assert admin.post(page("import-remove", world.project, {"import": data_import.pk})).status_code == 302
    assert not Example.objects.exists()
    assert admin.post(page("import-remove", world.project, {"import": data_import.pk})).status_code == 409


@pytest.mark.django_db(transaction=True)
def test_a_program_imports_and_freezes_over_the_api(world: World):
    _, secret = create_api_key(by=world.admin, name="nightly", project=None)
    client = Client(headers={"authorization": f"Bearer {secret}"})
    api = f"/api/v1/projects/{world.project.slug}"
    lines = [
        json.dumps({"prompt": f"Where is {spelled(n)}?", "completion": f"In port {n}."}) for n in range(10)
    ]
    data = {
        "file": _file("\n".join([*lines, "bad"]).encode()),
        "destination": "approved",
        "default_source": "desk",
    }
    made = client.post(f"{api}/imports/", data)
    assert made.status_code == 202, made.content
    data_import = made.json()
    assert (data_import["run"]["status"], data_import["stored_at"], data_import["size_bytes"]) == (
        "queued",
        None,
        data["file"].size,
    )
    execute_run(data_import["run"]["id"])
    data_import = client.get(f"{api}/imports/{data_import['id']}/").json()
    assert (data_import["run"]["status"], data_import["accepted"], data_import["rejected"]) == (
        "succeeded",
        10,
        1,
    )
    issues = client.get(f"{api}/imports/{data_import['id']}/issues/", {"kind": "rejected"}).json()
    assert [(issue["line"], issue["kind"]) for issue in issues["results"]] == [(11, "rejected")]
    made = client.post(
        f"{api}/datasets/", {"test": 0.2, "sources": ["desk"]}, content_type="application/json"
    )
    assert made.status_code == 202, made.content
    execute_run(made.json()["run"]["id"])
    frozen = client.get(f"{api}/datasets/1/").json()
    assert (frozen["status"], frozen["counts"]["test"], frozen["same_as"]) == ("ready", 2, None)
    assert len(frozen["content_hash"]) == 64
    assert client.post(f"{api}/imports/{data_import['id']}/remove/").status_code == 409


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"destination": "queued"}, "file"),
        ({"file": b"", "destination": "queued"}, "file"),
        ({"file": b"x", "destination": "retired"}, "destination"),
        ({"file": b"x", "default_source": "s" * 121}, "default_source"),
    ],
)
def test_a_wrong_upload_over_the_api_names_the_field(
    world: World, as_user: SignIn, given: dict[str, Any], field: str
):
    data = {name: _file(value) if name == "file" else value for name, value in given.items()}
    answer = as_user(world.admin).post(f"/api/v1/projects/{world.project.slug}/imports/", data)
    assert answer.status_code == 422
    assert list(answer.json()["fields"]) == [field]
    assert not DataImport.objects.exists()


@pytest.mark.parametrize("cell", ["=cmd|'/C calc'!A0", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\r=1"])
def test_no_cell_of_a_csv_is_a_formula(cell: str):
    assert csv_line([cell]).lstrip('"').startswith("'")


def test_ordinary_cells_stay_as_they_are():
    assert csv_line([5, "a, b", 'say "x"', ""]) == '5,"a, b","say ""x""",\r\n'
