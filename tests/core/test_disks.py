"""A full or read-only disk is told in words at every write, leaves nothing half-written, and work goes on after it.

On a real small disk where the tests may mount one (as root); else with the error that such a disk gives.
"""

import errno
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError
from django.test import Client

from core.host.disks import storage_error
from core.models import Artifact
from core.runs.messages import EXECUTE_RUN, send
from core.storage.s3 import _store_error
from core.tasks import execute_run
from dataset.models import DataImport
from dataset.services.versions import start_freeze
from launcher.procfile import Process, Supervisor
from tests.support.factories import World, make_example

ROWS = 900


def lines(count: int = ROWS) -> bytes:
    rows = (
        {"messages": [{"role": "user", "content": f"Where is FD-{n}?"}], "completion": "At sea. " + "x" * 300}
        for n in range(count)
    )
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


@dataclass
class Disk:
    folder: Path
    mounted: bool
    inject: Callable[[int | None], None]

    def fill(self) -> None:
        if not self.mounted:
            self.inject(errno.ENOSPC)
            return
        with (self.folder / "filler").open("wb", buffering=0) as filler:
            try:
                while filler.write(b"x" * 4096):
                    pass
            except OSError as error:
                assert error.errno == errno.ENOSPC

    def make_space(self) -> None:
        self.inject(None) if not self.mounted else (self.folder / "filler").unlink()

    def read_only(self, yes: bool) -> None:
        if not self.mounted:
            self.inject(errno.EROFS if yes else None)
            return
        subprocess.run(["mount", "-o", f"remount,{'ro' if yes else 'rw'}", str(self.folder)], check=True)

    def names(self) -> list[str]:
        found = (
            path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file()
        )
        return sorted(name for name in found if name != "filler")


@pytest.fixture
def disk(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """Artifacts and uploads lie on it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = (
        shutil.which("mount") is not None
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], capture_output=True, check=False
        ).returncode
    )
    copy = shutil.copyfile

    def inject(number: int | None) -> None:
        def fail(*args: Any, **more: Any) -> Any:
            raise OSError(number, "as a disk says it")

        monkeypatch.setattr(shutil, "copyfile", copy if number is None else fail)

    settings.ARTIFACT_DIR = folder / "artifacts"
    settings.STATE_DIR = folder
    settings.ARTIFACT_DIR.mkdir()
    try:
        yield Disk(folder, mounted, inject)
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=False)


def upload(client: Client, address: str) -> Any:
    return client.post(address, {"file": SimpleUploadedFile("a.jsonl", lines()), "destination": "approved"})


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("spoil", "mend", "status", "code", "says"),
    [
        (Disk.fill, Disk.make_space, 507, "storage_full", "disk is full"),
        (
            lambda d: d.read_only(True),
            lambda d: d.read_only(False),
            503,
            "storage_read_only",
            "storage is read-only",
        ),
    ],
    ids=["full", "read-only"],
)
def test_an_import_that_cannot_be_stored_says_so_and_can_be_sent_again(
    world: World,
    as_user: Any,
    disk: Disk,
    sent: Any,
    spoil: Any,
    mend: Any,
    status: int,
    code: str,
    says: str,
):
    client = as_user(world.admin)
    page = f"/p/{world.project.slug}/data/imports/new/"
    api = f"/api/v1/projects/{world.project.slug}/imports/"
    spoil(disk)
    answer = upload(client, page)
    assert answer.status_code == status
    assert says in answer.content.decode() and "try again" in answer.content.decode()
    told = upload(client, api)
    assert told.status_code == status
    assert told.json()["code"] == code and says in told.json()["detail"] and told.json()["advice"]
    assert not DataImport.objects.exists() and not Artifact.objects.exists()
    assert disk.names() == []
    mend(disk)
    assert upload(client, page).status_code == 302
    assert len(disk.names()) == 1


@pytest.mark.django_db
def test_a_file_that_finds_no_space_while_it_arrives_is_told_in_words(
    world: World, as_user: Any, disk: Disk, settings: Any, sent: Any
):
    if not disk.mounted:
        pytest.skip("Only a real disk can be full below Django's own upload handler.")
    settings.FILE_UPLOAD_TEMP_DIR = str(disk.folder)
    disk.fill()
    client = as_user(world.admin)
    answer = upload(client, f"/p/{world.project.slug}/data/imports/new/")
    assert answer.status_code == 507 and "disk is full" in answer.content.decode()
    told = upload(client, f"/api/v1/projects/{world.project.slug}/imports/")
    assert (told.status_code, told.json()["code"]) == (507, "storage_full")
    assert disk.names() == []


@pytest.mark.django_db(transaction=True)
def test_a_freeze_without_space_says_so_and_works_after_space_was_made(world: World, disk: Disk, sent: Any):
    for _ in range(6):
        make_example(world.project, status="approved")
    disk.fill()
    dataset = start_freeze(by=world.admin, project=world.project)
    execute_run(dataset.run_id)
    dataset.refresh_from_db()
    assert dataset.run is not None
    assert (dataset.status, dataset.run.error_code) == ("failed", "storage_full")
    assert "disk is full" in dataset.run.error_message and "try again" in dataset.run.error_advice
    assert disk.names() == []
    disk.make_space()
    again = start_freeze(by=world.admin, project=world.project)
    execute_run(again.run_id)
    again.refresh_from_db()
    assert again.status == "ready"


def test_weights_that_find_no_space(disk: Disk):
    from numpy import zeros
    from safetensors.numpy import save_file

    if not disk.mounted:
        pytest.skip("Only a real disk can be full below safetensors.")
    disk.fill()
    with pytest.raises(Exception) as caught:
        save_file({"a": zeros(2_000_000)}, disk.folder / "model.safetensors")
    found = storage_error(caught.value)
    assert found is not None and found.code == "storage_full"


class DiskFull(psycopg.errors.DiskFull):
    """As PostgreSQL reports it."""


def wrapped() -> OperationalError:
    error = OperationalError("could not extend file")
    error.__cause__ = DiskFull("could not extend file")
    return error


def client_error(code: str, status: int) -> Exception:
    response = {
        "Error": {"Code": code, "Message": "said the store"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return _store_error(ClientError(response, "PutObject"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(errno.ENOSPC, "x"), "storage_full"),
        (OSError(errno.EDQUOT, "x"), "storage_full"),
        (OSError(errno.EROFS, "x"), "storage_read_only"),
        (RuntimeError("[enforce fail] PytorchStreamWriter failed: No space left on device"), "storage_full"),
        (
            Exception('Error while serializing: IoError(Os { code: 28, kind: StorageFull, message: "x" })'),
            "storage_full",
        ),
        (wrapped(), "storage_full"),
        (client_error("XMinioStorageFull", 507), "storage_full"),
        (client_error("AccessDenied", 403), "storage_read_only"),
        (client_error("InternalError", 500), "storage_away"),
        (_store_error(EndpointConnectionError(endpoint_url="http://127.0.0.1:9")), "storage_away"),
    ],
)
def test_each_library_s_way_of_saying_it_is_understood(error: Exception, code: str):
    found = storage_error(error)
    assert found is not None and found.code == code
    outer = ValueError("as something else")
    outer.__context__ = error
    assert storage_error(outer) is not None


@pytest.mark.parametrize(
    "error",
    [
        ValueError("wrong"),
        PermissionError(errno.EACCES, "x", "/etc/shadow"),
        FileNotFoundError(2, "x"),
        OperationalError("away"),
    ],
)
def test_other_errors_stay_what_they_are(error: Exception):
    assert storage_error(error) is None


def test_a_full_disk_for_logs_does_not_end_the_supervisor(capsys: pytest.CaptureFixture[str]):
    process = Process("web", "true", Path("/dev/full"))
    supervisor = Supervisor(Path("/nowhere"), {}, [process], "")
    for _ in range(3):
        supervisor._print(process, b"a line\n")
    told = capsys.readouterr().out
    assert told.count("cannot be written") == 1 and told.count("web | a line") == 3


@pytest.mark.django_db
def test_a_broker_that_refuses_writes_is_as_good_as_away(monkeypatch: pytest.MonkeyPatch):
    from redis.exceptions import ResponseError

    def refuse(*args: Any, **more: Any) -> None:
        raise ResponseError("MISCONF Errors writing to the AOF file: No space left on device")

    monkeypatch.setattr(execute_run, "apply_async", refuse)
    assert send(EXECUTE_RUN, 1) is False
