"""A file is checked, mapped, checked again and imported; uploads in pieces go on after a break."""

import json
import threading
import zipfile
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from annotation.models import Example
from core.errors import Conflict, Invalid
from core.models import AuditEntry, Role, Run
from core.tasks import execute_run
from dataset.mapping import FieldMapping, read_mapping
from dataset.models import DataImport, ImportMapping, Upload
from dataset.services.imports import check_again, discard_check, import_checked, start_import
from dataset.services.uploads import (
    MOST_OPEN,
    begin_upload,
    complete_path,
    receive_piece,
    remove_upload,
    sweep_uploads,
)
from tests.datasets.desk import SignIn
from tests.support.factories import World, join, make_user

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sent")]

TABLE = (
    "Frage,Antwort,Sendung,Gut\n"
    "Where is FD-1?,In Oslo.,FD-1 | Oslo,yes\n"
    "Where is FD-2?,No idea.,FD-2 | Bonn,no\n"
    "Where is FD-1?,In Oslo.,FD-1 | Oslo,yes\n"
    ",In Rome.,,yes\n"
)
MAPPING = FieldMapping({"Frage": "prompt", "Antwort": "completion", "Sendung": "context", "Gut": "label"})


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    path.write_text(TABLE)
    return path


def worked(data_import: DataImport) -> DataImport:
    """The import after its present run has worked."""
    execute_run(data_import.run_id)
    return DataImport.objects.select_related("run").get(pk=data_import.pk)


def start(world: World, path: Path, **options: Any) -> DataImport:
    return start_import(by=world.admin, project=world.project, path=path, file_name=path.name, **options)


# --- check, map, import --------------------------------------------------------------------------------------
def test_a_check_stores_nothing_and_shows_what_the_columns_are(world: World, table: Path):
    checked = worked(start(world, table, check=True))
    assert (checked.run.status, checked.run.error_code) == ("failed", "nothing_usable")
    assert checked.is_check
    assert [(column["name"], column["count"]) for column in checked.columns] == [
        ("Frage", 3), ("Antwort", 4), ("Sendung", 3), ("Gut", 4),
    ]  # fmt: skip
    assert checked.preview[0]["before"][0] == ["Frage", "Where is FD-1?"]
    assert checked.preview[0]["after"] is None
    assert not Example.objects.exists()


def test_with_a_mapping_the_same_file_can_be_imported(world: World, table: Path):
    checked = worked(start(world, table, check=True))
    checked = worked(check_again(by=world.admin, data_import=checked, mapping=MAPPING))
    assert checked.run.status == "succeeded"
    assert (checked.file_format, checked.lines, checked.accepted, checked.repeated, checked.rejected) == (
        "CSV",
        4,
        2,
        1,
        1,
    )
    assert checked.preview[0]["after"]["completion"] == "In Oslo."
    assert not Example.objects.exists()
    imported = worked(import_checked(by=world.admin, data_import=checked, default_source="table"))
    assert (imported.is_check, imported.accepted, imported.repeated, imported.rejected) == (False, 2, 1, 1)
    first, second = Example.objects.order_by("pk")
    assert (first.question, first.completion, first.context, first.source) == (
        "Where is FD-1?", "In Oslo.", ["FD-1 | Oslo"], "table",
    )  # fmt: skip
    assert (second.rejected, "marked in the file as a bad answer" in second.origin_detail["label"]) == (
        "No idea.",
        True,
    )
    assert list(Run.objects.order_by("pk").values_list("kind", flat=True)) == [
        "import-check",
        "import-check",
        "import",
        "check-project",
    ]
    actions = ["import.checked", "import.checked", "import.started", "import.stored"]
    entries = AuditEntry.objects.filter(action__startswith="import.").order_by("pk")
    assert list(entries.values_list("action", flat=True)) == actions


def test_what_a_check_promises_is_what_the_import_does(world: World, table: Path):
    """Also when the project has some of the rows already."""
    worked(start(world, table, mapping=MAPPING))
    more = table.with_name("more.csv")
    more.write_text(TABLE + "Where is FD-3?,In Kiel.,FD-3,yes\n")
    checked = worked(start(world, more, check=True, mapping=MAPPING))
    promised = (checked.lines, checked.accepted, checked.repeated, checked.rejected)
    imported = worked(import_checked(by=world.admin, data_import=checked))
    assert (
        (imported.lines, imported.accepted, imported.repeated, imported.rejected) == promised == (5, 1, 3, 1)
    )


def test_a_mapping_is_remembered_for_the_same_columns_of_this_project_only(world: World, table: Path):
    checked = worked(start(world, table, check=True))
    worked(import_checked(by=world.admin, data_import=checked, mapping=MAPPING))
    again = table.with_name("next.csv")
    again.write_text(TABLE.replace("FD-", "FE-"))
    checked = worked(start(world, again, check=True))
    assert checked.run.status == "succeeded"
    assert (read_mapping(checked.mapping), checked.accepted) == (MAPPING, 2)
    join(world.other, world.admin, Role.ADMIN)
    other = start_import(by=world.admin, project=world.other, path=again, file_name="x.csv", check=True)
    assert worked(other).run.error_code == "nothing_usable"
    worked(import_checked(by=world.admin, data_import=checked, mapping=FieldMapping()))
    assert not ImportMapping.objects.exists()


def test_a_checked_file_is_imported_once_even_by_two_people(world: World, table: Path):
    checked = worked(start(world, table, check=True, mapping=MAPPING))
    results: list[str] = []

    def press() -> None:
        try:
            import_checked(by=world.admin, data_import=checked)
            results.append("started")
        except Conflict:
            results.append("conflict")
        finally:
            connection.close()

    threads = [threading.Thread(target=press) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["conflict", "started"]
    assert Run.objects.filter(kind="import").count() == 1


def test_what_does_not_fit_its_state_is_refused(world: World, table: Path):
    active = start(world, table, check=True, mapping=MAPPING)
    for refused in (check_again, import_checked):
        with pytest.raises(Conflict, match="being checked"):
            refused(by=world.admin, data_import=active, mapping=MAPPING)
    checked = worked(active)
    discard_check(by=world.admin, data_import=checked)
    with pytest.raises(Conflict, match="discarded"):
        import_checked(by=world.admin, data_import=checked)
    done = worked(start(world, table, mapping=MAPPING))
    with pytest.raises(Conflict, match="imported already"):
        discard_check(by=world.admin, data_import=done)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([], "object"), ({"colums": {}}, "no colums"), ({"columns": {"a": "promt"}}, "no field promt"),
        ({"columns": ["a"]}, "object with at most"), ({"tool_turns": "drop"}, "one of"), ({"columns": {"a" * 201: ""}}, "200 letters"),
    ],
)  # fmt: skip
def test_a_wrong_mapping_is_refused_in_words(value: Any, said: str):
    with pytest.raises(Invalid) as error:
        read_mapping(value)
    assert any(said in problem for problem in error.value.fields["mapping"])


def test_a_file_with_hostile_names_and_values_is_checked(world: World, tmp_path: Path):
    """Names and texts that PostgreSQL cannot store, in columns, values and files of an archive."""
    path = tmp_path / "hostile.zip"
    rows = [
        {"\x00": "a", "prompt": "q \x00", "completion": "a"},
        {"\ud800": "b", "prompt": "q\udfff"},
        {"<script>": "<b>x</b>", "prompt": "q", "completion": "a", "\u202e": "turned"},
    ]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("b\x07\u202ead.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        archive.writestr("../../etc/passwd", "no rows")
    checked = worked(start(world, path, check=True))
    assert (checked.run.status, checked.accepted, checked.rejected) == ("succeeded", 1, 3)
    imported = worked(import_checked(by=world.admin, data_import=checked))
    assert (imported.run.status, imported.accepted) == ("succeeded", 1)


# --- pages and API -------------------------------------------------------------------------------------------
def test_the_page_maps_and_imports(world: World, as_user: SignIn, table: Path):
    client = as_user(world.admin)
    with table.open("rb") as file:
        data = {"file": file, "destination": "queued", "do": "check"}
        there = client.post(reverse("datasets:import-new", args=[world.project.slug]), data)
    checked = DataImport.objects.get()
    assert there.url == reverse("datasets:import", args=[world.project.slug, checked.pk])  # type: ignore[attr-defined]
    worked(checked)
    page = client.get(there.url).content.decode()  # type: ignore[attr-defined]
    assert "What the columns become" in page
    fields = {"column-0": "prompt", "column-1": "completion", "column-2": "context", "column-3": "label"}
    choices = {"destination": "queued", "tool_turns": "refuse", **fields}
    url = reverse("datasets:import-check", args=[world.project.slug, checked.pk])
    wrong = client.post(url, choices | {"column-0": "promt"})
    assert wrong.status_code == 422
    assert client.post(url, choices).status_code == 302
    worked(DataImport.objects.get())
    page = client.get(there.url).content.decode()  # type: ignore[attr-defined]
    assert "Import 2 examples" in page
    start_url = reverse("datasets:import-start", args=[world.project.slug, checked.pk])
    assert client.post(start_url, choices).status_code == 302
    worked(DataImport.objects.get())
    assert Example.objects.count() == 2
    assert "What the columns become" not in client.get(there.url).content.decode()  # type: ignore[attr-defined]


def test_the_api_uploads_in_pieces_checks_and_imports(world: World, as_user: SignIn, table: Path):
    client, data = as_user(world.admin), table.read_bytes()
    at = f"/api/v1/projects/{world.project.slug}/"
    upload = client.post(
        f"{at}uploads/", {"file_name": "t.csv", "size_bytes": len(data)}, "application/json"
    ).json()
    for offset in range(0, len(data), 50):
        answer = _put(client, f"{at}uploads/{upload['id']}/", data[offset : offset + 50], offset)
    assert answer.json()["is_complete"]
    sent = {"upload": upload["id"], "check": True, "mapping": json.dumps(MAPPING.stored())}
    made = client.post(f"{at}imports/", sent)
    assert made.status_code == 202, made.content
    assert not Upload.objects.exists()
    checked = worked(DataImport.objects.get())
    assert (checked.accepted, checked.file_name) == (2, "t.csv")
    answer = client.post(f"{at}imports/{checked.pk}/start/", {"destination": "in_review"}, "application/json")
    assert answer.status_code == 202
    assert worked(DataImport.objects.get()).rejected == 2  # the bad answer cannot go to review
    assert client.post(f"{at}imports/{checked.pk}/start/", {}, "application/json").status_code == 409


def _put(client: Client, url: str, piece: bytes, offset: object) -> Any:
    return client.put(url, piece, "application/octet-stream", headers={"Upload-Offset": str(offset)})


# --- uploads in pieces ---------------------------------------------------------------------------------------
def begin(world: World, size: int = 10, **options: Any) -> Upload:
    return begin_upload(by=world.admin, project=world.project, file_name="a.csv", size_bytes=size, **options)


def test_an_upload_goes_on_where_it_stopped(world: World):
    upload = receive_piece(by=world.admin, upload=begin(world), offset=0, piece=b"01234")
    with pytest.raises(Conflict, match="not complete"):
        complete_path(upload)
    same = begin(world)
    assert (same.pk, same.received_bytes) == (upload.pk, 5)
    assert begin(world, fingerprint="changed since").pk != upload.pk
    whole = receive_piece(by=world.admin, upload=same, offset=5, piece=b"56789")
    assert complete_path(whole).read_bytes() == b"0123456789"


def test_a_piece_at_another_place_or_too_long_changes_nothing(world: World):
    upload = receive_piece(by=world.admin, upload=begin(world), offset=0, piece=b"01234")
    with pytest.raises(Conflict, match="begin at byte 5"):
        receive_piece(by=world.admin, upload=upload, offset=0, piece=b"01234")
    with pytest.raises(Invalid):
        receive_piece(by=world.admin, upload=upload, offset=5, piece=b"x" * 6)
    assert Upload.objects.get().received_bytes == 5


def test_bytes_of_a_killed_request_are_overwritten(world: World):
    upload = receive_piece(by=world.admin, upload=begin(world), offset=0, piece=b"01234")
    with upload.path.open("ab") as file:
        file.write(b"half a piece")
    whole = receive_piece(by=world.admin, upload=upload, offset=5, piece=b"56789")
    assert complete_path(whole).read_bytes() == b"0123456789"


def test_two_tabs_cannot_both_write_one_piece(world: World):
    upload = begin(world)
    results: list[str] = []

    def send() -> None:
        try:
            receive_piece(by=world.admin, upload=upload, offset=0, piece=b"01234")
            results.append("written")
        except Conflict:
            results.append("conflict")
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["conflict"] * 3 + ["written"]
    assert upload.path.read_bytes() == b"01234"


def test_sizes_and_numbers_of_uploads_are_bounded(world: World, settings: Any):
    settings.IMPORT_MAX_BYTES = 100
    for size in (0, 101):
        with pytest.raises(Invalid, match="1 byte"):
            begin(world, size)
    for n in range(MOST_OPEN):
        begin(world, fingerprint=str(n))
    with pytest.raises(Invalid, match="unfinished uploads"):
        begin(world, fingerprint="one more")


def test_nobody_else_sees_or_continues_an_upload(world: World, as_user: SignIn):
    upload = begin(world)
    second = make_user("Second admin")
    join(world.project, second, Role.ADMIN)
    url = f"/api/v1/projects/{world.project.slug}/uploads/{upload.public_id}/"
    client = as_user(second)
    assert client.get(url).status_code == 404
    assert _put(client, url, b"x", 0).status_code == 404
    assert client.delete(url).status_code == 404
    stolen = {"upload": str(upload.public_id)}
    assert client.post(f"/api/v1/projects/{world.project.slug}/imports/", stolen).status_code == 404
    assert as_user(world.annotator).get(url).status_code == 403


@pytest.mark.parametrize("offset", ["", "-1", "x", "²", "9" * 30])
def test_a_wrong_offset_is_refused(world: World, as_user: SignIn, offset: str):
    url = f"/api/v1/projects/{world.project.slug}/uploads/{begin(world).public_id}/"
    assert _put(as_user(world.admin), url, b"x", offset).status_code == 422


def test_an_unknown_upload_is_not_found(world: World, as_user: SignIn):
    url = f"/api/v1/projects/{world.project.slug}/imports/"
    client = as_user(world.admin)
    assert client.post(url, {"upload": str(uuid4())}).status_code == 404
    assert client.post(url, {}).status_code == 422
    page = reverse("datasets:import-new", args=[world.project.slug])
    assert client.post(page, {"upload": str(uuid4()), "destination": "queued"}).status_code == 404


def test_old_uploads_and_their_bytes_are_swept(world: World):
    old = receive_piece(by=world.admin, upload=begin(world), offset=0, piece=b"01234")
    Upload.objects.filter(pk=old.pk).update(touched_at="2020-01-01T00:00:00Z")
    kept = receive_piece(by=world.admin, upload=begin(world, 7), offset=0, piece=b"0")
    assert sweep_uploads() == 1
    assert not old.path.exists()
    assert kept.path.exists()
    remove_upload(by=world.admin, upload=kept)
    assert not kept.path.exists()
