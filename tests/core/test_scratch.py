"""What killed processes leave in the temporary folder goes; what somebody works in stays."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.files.uploadhandler import FileUploadHandler

from core.host import scratch
from core.host.files import put_in_place
from core.tasks import sweep_scratch
from tests.support.waiting import wait_for

WORK = """
import sys, time
from pathlib import Path
from django.conf import settings
settings.configure(UPLOAD_DIR=Path(sys.argv[1]))
from core.host.scratch import scratch
with scratch("training") as folder:
    (folder / "weights").write_text("half")
    print(folder, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def tmp(tmp_path: Path, settings: object, monkeypatch: pytest.MonkeyPatch) -> Path:
    settings.UPLOAD_DIR = tmp_path / "tmp"  # type: ignore[attr-defined]
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path / "tmp")  # type: ignore[attr-defined]
    settings.ARTIFACT_DIR = tmp_path / "artifacts"  # type: ignore[attr-defined]
    settings.ARTIFACT_CACHE_DIR = tmp_path / "cache"  # type: ignore[attr-defined]
    (tmp_path / "tmp").mkdir()
    return tmp_path / "tmp"


def age(path: Path) -> None:
    os.utime(path, (0, 0))


def test_a_killed_process_leaves_a_folder_that_the_sweep_removes(tmp: Path) -> None:
    worker = subprocess.Popen([sys.executable, "-c", WORK, str(tmp)], stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    folder = Path(worker.stdout.readline().strip())
    age(folder)
    assert scratch.sweep() == []  # it lives
    worker.kill()
    worker.wait()
    worker.stdout.close()
    assert (folder / "weights").exists()
    sweep_scratch()
    assert not folder.exists()


def test_what_is_young_stays_and_what_ended_is_gone(tmp: Path) -> None:
    (tmp / "just-made").mkdir()
    with scratch.scratch("freeze") as folder:
        assert folder.parent == tmp
    assert scratch.sweep() == []
    assert [path.name for path in tmp.iterdir()] == ["just-made"]
    age(tmp / "just-made")
    (tmp / "old.upload").write_text("x")
    age(tmp / "old.upload")
    assert scratch.sweep() == ["just-made", "old.upload"]
    assert list(tmp.iterdir()) == []


def test_an_upload_is_held_while_its_request_lasts(tmp: Path) -> None:
    handler: FileUploadHandler = scratch.HeldUploadHandler()
    handler.new_file("file", "a.jsonl", "text/plain", 1)
    handler.receive_data_chunk(b"x", 0)
    upload = handler.file_complete(1)
    path = Path(upload.temporary_file_path())
    age(path)
    assert scratch.sweep() == []
    upload.close()
    assert not path.exists()


def test_what_was_being_put_into_the_store_goes_and_what_is_being_put_stays(tmp: Path) -> None:
    target = tmp.parent / "artifacts" / "model" / "ab" / "abcd"
    left = target.with_name(".abcd.0123")
    left.mkdir(parents=True)
    age(left)
    with put_in_place(target) as staged:
        (staged / "a").write_text("x")
        age(staged)
        assert scratch.sweep() == [".abcd.0123"]
    assert (target / "a").read_text() == "x"
    wait_for(
        lambda: [path.name for path in target.parent.iterdir()] == ["abcd"], "only the artifact being left", 5
    )
