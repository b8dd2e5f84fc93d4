"""The pages, the API, the commands and the background jobs of moving a project."""

import os
import signal
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.models import Example
from annotation.text.hashes import content_hash
from core.models import Artifact, AuditEntry, Project, ProjectArchive, ProjectImport, Run, User
from core.moving import reading
from core.moving.services import remove_old_files, start_import
from core.runs.control import request_cancel, start_again
from core.storage import storage
from core.tasks import execute_run, sweep_archives, sweep_runs
from tests.support.factories import World, make_example
from tests.support.moving import archive_of, rich
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sent")]
SignIn = Callable[[User | None], Client]


def made(client: Client, project: Project, weights: str = "without") -> ProjectArchive:
    """An archive, made through the page."""
    assert client.post(reverse("core:move", args=[project.slug]), {"weights": weights}).status_code == 302
    archive = ProjectArchive.objects.latest("pk")
    execute_run(archive.run_id)
    return ProjectArchive.objects.select_related("run", "artifact").get(pk=archive.pk)


def content(response: Any) -> bytes:
    import asyncio

    async def read() -> bytes:
        return b"".join([piece async for piece in response.streaming_content])

    return asyncio.run(read())


def upload(client: Client, path: Path, slug: str = "", url: str = "core:project-import-new") -> Any:
    with path.open("rb") as file:
        return client.post(reverse(url), {"file": file, "slug": slug})


def test_from_one_page_to_the_other(world: World, as_user: SignIn, tmp_path: Path):
    project = rich(world)
    admin, operator = as_user(world.admin), as_user(world.operator)
    archive = made(admin, project, "with")
    assert (archive.run.status, archive.run.percent, archive.with_weights) == ("succeeded", 100, True)
    page = admin.get(reverse("core:move", args=[project.slug])).content.decode()
    assert "Download" in page and "API keys" in page and "With weights, about" not in page
    response = admin.get(reverse("core:move-download", args=[project.slug, archive.pk]))
    path = tmp_path / "a.zip"
    path.write_bytes(content(response))
    assert path.stat().st_size == int(response["Content-Length"])
    assert AuditEntry.objects.filter(action="project_archive.downloaded", project_id=project.pk).exists()

    taken = upload(operator, path)
    assert taken.status_code == 422 and "already a project at" in taken.content.decode()
    response = upload(operator, path, "moved")
    started = ProjectImport.objects.get()
    assert response["Location"] == reverse("core:project-import", args=[started.pk])
    assert started.run is not None
    execute_run(started.run.pk)
    started = ProjectImport.objects.select_related("run", "project", "upload").get()
    assert started.run is not None and started.run.status == "succeeded", started.run.error_message
    assert started.project is not None and started.project.slug == "moved" and started.upload is None
    page = operator.get(response["Location"]).content.decode()
    assert "Open the project" in page and f">{started.result['rows']:,}<" in page.replace("\n", "")
    assert operator.get(reverse("core:home", args=["moved"])).status_code == 200
    assert "moved" in operator.get(reverse("core:project-imports")).content.decode()
    audit = operator.get(reverse("core:audit", args=["moved"])).content.decode()
    assert "imported the project from an archive that" in audit and ">imported</span>" in audit
    assert set(AuditEntry.objects.values_list("action", flat=True)) >= {
        "project.exported", "project_import.started", "project.imported",
    }  # fmt: skip


def test_the_same_archive_again_needs_another_address(world: World, as_user: SignIn, tmp_path: Path):
    archive_of(world.project, tmp_path / "a.zip")
    Project.objects.filter(pk=world.project.pk).update(slug="gone")
    operator = as_user(world.operator)
    upload(operator, tmp_path / "a.zip", "first")
    execute_run(ProjectImport.objects.latest("pk").run_id or 0)
    again = upload(operator, tmp_path / "a.zip")
    assert again.status_code == 422
    assert "imported before" in again.content.decode() and "/p/first/" in again.content.decode()
    assert upload(operator, tmp_path / "a.zip", "second").status_code == 302


@pytest.mark.parametrize("slug", ["a b", "../x", "é", "x" * 61, "-a"])
def test_addresses_that_are_none(world: World, as_user: SignIn, tmp_path: Path, slug: str):
    archive_of(world.project, tmp_path / "a.zip")
    assert upload(as_user(world.operator), tmp_path / "a.zip", slug).status_code == 422
    assert not ProjectImport.objects.exists()


def test_a_file_that_is_not_an_archive_is_refused_at_once(world: World, as_user: SignIn, tmp_path: Path):
    (tmp_path / "x.zip").write_bytes(b"PK not really")
    response = upload(as_user(world.operator), tmp_path / "x.zip", "moved")
    assert response.status_code == 422 and "not a project archive" in response.content.decode()
    assert not ProjectImport.objects.exists() and not Run.objects.exists()


def test_only_operators_import_and_only_admins_export(world: World, as_user: SignIn, tmp_path: Path):
    archive_of(world.project, tmp_path / "a.zip")
    archive = made(as_user(world.admin), world.project)
    for person in (world.admin, world.viewer, world.stranger, world.neighbour):
        client = as_user(person)
        assert upload(client, tmp_path / "a.zip", "moved").status_code == 403
        assert upload(client, tmp_path / "a.zip", "moved", "api-project-imports").status_code == 403
        for name in ("core:project-imports", "core:project-import-new", "api-project-imports"):
            assert client.get(reverse(name)).status_code == 403
    for person, status in (
        (world.viewer, 403),
        (world.reviewer, 403),
        (world.operator, 404),
        (world.neighbour, 404),
    ):
        client = as_user(person)
        assert client.get(reverse("core:move", args=[world.project.slug])).status_code == status
        assert (
            client.post(reverse("core:move", args=[world.project.slug]), {"weights": "with"}).status_code
            == status
        )
        for name in ("core:move-download", "api-archive", "api-archive-file"):
            assert client.get(reverse(name, args=[world.project.slug, archive.pk])).status_code == status
    neighbour = as_user(world.neighbour)
    assert (
        neighbour.get(reverse("core:move-download", args=[world.other.slug, archive.pk])).status_code == 404
    )
    assert ProjectArchive.objects.count() == 1 and Project.objects.count() == 2


def test_removing_and_expiring(world: World, as_user: SignIn):
    client = as_user(world.admin)
    first, second = made(client, world.project), made(client, world.project)
    assert first.artifact is not None and second.artifact is not None
    path = storage().local_path(first.artifact)
    assert path.exists()
    url = reverse("core:move-remove", args=[world.project.slug, first.pk])
    assert client.post(url).status_code == 302
    assert not path.exists() and not Artifact.objects.filter(pk=first.artifact.pk).exists()
    assert client.post(url).status_code == 409
    assert client.get(reverse("core:move-download", args=[world.project.slug, first.pk])).status_code == 409
    sweep_archives()
    assert ProjectArchive.objects.filter(artifact__isnull=False).count() == 1
    ProjectArchive.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    sweep_archives()
    assert not storage().local_path(second.artifact).exists()
    page = client.get(reverse("core:move", args=[world.project.slug])).content.decode()
    assert "removed its file" in page and "removed after 7 days" in page
    assert AuditEntry.objects.get(action="project_archive.expired").actor == "Guildhall"


def test_one_archive_at_a_time(world: World, as_user: SignIn):
    client = as_user(world.admin)
    for status in (302, 409):
        assert (
            client.post(reverse("core:move", args=[world.project.slug]), {"weights": "with"}).status_code
            == status
        )
    assert (
        client.post(reverse("core:move", args=[world.project.slug]), {"weights": "half"}).status_code == 422
    )
    assert ProjectArchive.objects.count() == 1


def test_by_program(world: World, as_user: SignIn, tmp_path: Path):
    client, slug = as_user(world.admin), world.project.slug
    make_example(world.project)
    answer = client.post(
        reverse("api-archives", args=[slug]), {"with_weights": True}, content_type="application/json"
    )
    assert (answer.status_code, answer.json()["size_bytes"]) == (202, None)
    execute_run(answer.json()["run"]["id"])
    one = client.get(reverse("api-archive", args=[slug, answer.json()["id"]])).json()
    assert one["run"]["status"] == "succeeded" and one["size_bytes"] > 0
    assert client.get(reverse("api-archives", args=[slug])).json()["count"] == 1
    file = client.get(reverse("api-archive-file", args=[slug, one["id"]]))
    (tmp_path / "a.zip").write_bytes(content(file))
    operator = as_user(world.operator)
    started = upload(operator, tmp_path / "a.zip", "moved", "api-project-imports")
    assert started.status_code == 202, started.content
    execute_run(started.json()["run"]["id"])
    done = operator.get(reverse("api-project-import", args=[started.json()["id"]])).json()
    assert (done["project"], done["run"]["status"], done["new_accounts"]) == ("moved", "succeeded", [])
    audit = operator.get(reverse("api-audit", args=["moved"])).json()["results"]
    assert {entry["imported"] for entry in audit} == {True, False}
    assert client.delete(reverse("api-archive", args=[slug, one["id"]])).status_code == 204
    assert client.get(reverse("api-archive-file", args=[slug, one["id"]])).status_code == 409
    refused = client.post(
        reverse("api-archives", args=[slug]), {"weights": True}, content_type="application/json"
    )
    assert refused.status_code == 422


# --- the command line ----------------------------------------------------------------------------------------


def test_the_commands(world: World, tmp_path: Path):
    make_example(world.project)
    file, out = str(tmp_path / "a.zip"), StringIO()
    call_command("export_project", world.project.slug, file, "--with-weights", stdout=out)
    assert "Freight desk, with weights" in out.getvalue()
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]
    with pytest.raises(CommandError, match="exists already"):
        call_command("export_project", world.project.slug, file)
    with pytest.raises(CommandError, match="no project at /p/nothing/"):
        call_command("export_project", "nothing", str(tmp_path / "b.zip"))
    with pytest.raises(CommandError, match="already a project at"):
        call_command("import_project", file)
    with pytest.raises(CommandError, match="not an operator"):
        call_command("import_project", file, "--slug", "moved", "--by", world.admin.email)
    with pytest.raises(CommandError, match="could not be read"):
        call_command("import_project", str(tmp_path / "missing.zip"), "--slug", "moved")
    (tmp_path / "x.zip").write_bytes(b"x")
    with pytest.raises(CommandError, match="not a project archive"):
        call_command("import_project", str(tmp_path / "x.zip"), "--slug", "moved")
    User.objects.filter(pk=world.rater.pk).update(email="away@example.org")
    call_command("import_project", file, "--slug", "moved", "--by", world.operator.email, stdout=out)
    assert "/p/moved/" in out.getvalue() and "has no password yet" in out.getvalue()
    assert Project.objects.get(slug="moved").memberships.filter(user=world.operator).exists()
    with pytest.raises(CommandError, match="already a project at"):
        call_command("import_project", file, "--slug", "moved")


# --- the background job --------------------------------------------------------------------------------------


def _asked(n: int) -> list[dict[str, str]]:
    return [{"role": "user", "content": f"Where is {n}?"}]


@pytest.fixture
def started(world: World, tmp_path: Path) -> ProjectImport:
    """An uploaded archive of many examples; its import is queued."""
    rows = [
        Example(
            project=world.project,
            messages=_asked(n),
            group=f"g{n}",
            content_hash=content_hash(messages=_asked(n), context=[], completion=""),
        )
        for n in range(6000)
    ]
    Example.objects.bulk_create(rows)
    archive_of(world.project, tmp_path / "a.zip")
    return start_import(by=world.operator, path=tmp_path / "a.zip", file_name="a.zip", slug="moved")


def nothing_is_stored() -> bool:
    return Example.objects.count() == 6000 and not Project.objects.filter(slug="moved").exists()


def test_an_import_whose_worker_is_killed_leaves_nothing_and_is_done_again(
    started: ProjectImport, monkeypatch: pytest.MonkeyPatch
):
    connections.close_all()
    worker = os.fork()
    if not worker:
        store = reading._Reader._store

        def slowly(self: Any, part: Any, rows: Any) -> None:
            store(self, part, rows)
            if part.label == "annotation.Example":
                import time

                self._report(message="In the middle.", now=True)
                time.sleep(60)

        reading._Reader._store = slowly  # type: ignore[method-assign]
        execute_run(started.run_id or 0)
        os._exit(0)

    def in_the_middle() -> bool:
        assert os.waitpid(worker, os.WNOHANG) == (0, 0), "it ended before it could be killed"
        return Run.objects.get(pk=started.run_id).message == "In the middle."

    wait_for(in_the_middle, "the rows being stored", 60)
    os.kill(worker, signal.SIGKILL)
    os.waitpid(worker, 0)
    assert nothing_is_stored()
    Run.objects.filter(pk=started.run_id).update(heartbeat_at=timezone.now() - timedelta(hours=1))
    sweep_runs()
    execute_run(started.run_id or 0)
    run = Run.objects.get(pk=started.run_id)
    assert (run.status, run.attempt) == ("succeeded", 2)
    assert Example.objects.filter(project__slug="moved").count() == 6000


def test_a_cancelled_import_leaves_nothing_and_can_be_resumed(
    started: ProjectImport, world: World, monkeypatch: pytest.MonkeyPatch
):
    insert = reading._insert

    def cancel(part: Any, rows: Any) -> None:
        insert(part, rows)
        if part.label == "annotation.Example":
            from threading import Thread

            from django.db import connection

            def ask() -> None:
                request_cancel(by=world.operator, run=Run.objects.get(pk=started.run_id))
                connection.close()

            thread = Thread(target=ask)
            thread.start()
            thread.join()
            monkeypatch.setattr(reading, "_insert", insert)

    monkeypatch.setattr(reading, "_insert", cancel)
    execute_run(started.run_id or 0)
    run = Run.objects.get(pk=started.run_id)
    assert run.status == "cancelled" and nothing_is_stored()
    start_again(by=world.operator, run=run)
    execute_run(run.pk)
    run.refresh_from_db()
    assert run.status == "succeeded" and not nothing_is_stored()


def test_the_address_is_taken_while_it_waits(started: ProjectImport, as_user: SignIn, world: World):
    from tests.support.factories import make_project

    make_project(slug="moved")
    execute_run(started.run_id or 0)
    run = Run.objects.get(pk=started.run_id)
    assert (run.status, run.error_code) == ("failed", "conflict") and "/p/moved/" in run.error_message
    page = as_user(world.operator).get(reverse("core:project-import", args=[started.pk])).content.decode()
    assert "already a project at" in page and "Try again" in page


def test_uploads_do_not_stay(started: ProjectImport):
    assert started.upload is not None
    path = storage().local_path(started.upload)
    remove_old_files()
    assert path.exists()
    Run.objects.filter(pk=started.run_id).update(status="failed")
    remove_old_files()
    assert path.exists()  # it can be tried again
    ProjectImport.objects.update(created_at=timezone.now() - timedelta(days=8))
    remove_old_files()
    assert not path.exists()
    with pytest.raises(Exception, match="Upload it again"):
        start_again(by=User.objects.get(is_operator=True), run=Run.objects.get(pk=started.run_id))


def test_a_damaged_store_stops_the_archive(world: World, as_user: SignIn):
    from dataset.models import DatasetVersion

    project = rich(world)
    artifact = DatasetVersion.objects.filter(project=project).earliest("pk").artifact
    assert artifact is not None
    path = storage().local_path(artifact) / artifact.manifest[0]["path"]
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-5] + b"wrong")
    archive = made(as_user(world.admin), project)
    assert (archive.run.status, archive.run.error_code, archive.artifact) == ("failed", "file_damaged", None)
    path.unlink()
    start_again(by=world.admin, run=archive.run)
    execute_run(archive.run_id)
    archive.run.refresh_from_db()
    assert archive.run.error_code == "file_damaged"
