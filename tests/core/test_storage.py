"""Artifacts are addressed by content, written once, whole or not at all."""

import threading

import pytest
from django.db import connection

from core.models import Artifact
from core.storage.base import Compared, FileCheck, manifest_hash, manifest_of
from core.storage.folder import FolderStorage

pytestmark = pytest.mark.django_db


@pytest.fixture
def folder(tmp_path):
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "a.txt").write_text("a")
    (source / "deep" / "b.txt").write_text("b")
    return source


def test_a_folder_keeps_its_files_and_its_hash(tmp_path, folder):
    store = FolderStorage(tmp_path / "store")
    artifact = store.put(folder, kind="model")
    path = store.local_path(artifact)
    assert (path / "deep" / "b.txt").read_text() == "b"
    assert artifact.sha256 == manifest_hash(manifest_of(folder))
    assert artifact.sha256 in artifact.key
    assert (artifact.size_bytes, artifact.file_count) == (2, 2)
    assert store.verify(artifact) == []


def test_a_single_file_has_the_hash_that_sha256sum_prints(tmp_path):
    file = tmp_path / "x.jsonl"
    file.write_text("abc")
    artifact = FolderStorage(tmp_path / "store").put(file, kind="upload")
    assert artifact.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_the_same_content_is_kept_once(tmp_path, folder):
    store = FolderStorage(tmp_path / "store")
    assert store.put(folder, kind="model") == store.put(folder, kind="model")
    assert Artifact.objects.count() == 1


def test_bytes_that_lie_there_under_another_name_are_stored_under_their_own(tmp_path):
    """A process died between the file and its row; then the same bytes come with another name."""
    store = FolderStorage(tmp_path / "store")
    for name in ("first.csv", "second.csv"):
        (tmp_path / name).write_text("abc")
        artifact = store.put(tmp_path / name, kind="upload")
        assert (store.local_path(artifact) / name).read_text() == "abc"
        assert store.verify(artifact) == []
        artifact.delete()


def test_a_changed_or_missing_file_is_found(tmp_path, folder):
    store = FolderStorage(tmp_path / "store")
    artifact = store.put(folder, kind="model")
    path = store.local_path(artifact)
    (path / "a.txt").chmod(0o644)
    (path / "a.txt").write_text("z")
    (path / "deep" / "b.txt").unlink()
    assert store.verify(artifact) == ["a.txt", "deep/b.txt"]


def test_without_reading_only_sizes_are_compared_and_that_is_said(tmp_path, folder):
    store = FolderStorage(tmp_path / "store")
    artifact = store.put(folder, kind="model")
    path = store.local_path(artifact)
    (path / "a.txt").chmod(0o644)
    (path / "a.txt").write_text("z")
    assert store.verify_unread(artifact) == FileCheck([], Compared.SIZES)
    (path / "a.txt").write_text("zz")
    (path / "deep" / "b.txt").unlink()
    assert store.verify_unread(artifact).wrong == ["a.txt", "deep/b.txt"]


def test_hashing_says_how_much_it_has_read(tmp_path, folder):
    store = FolderStorage(tmp_path / "store")
    pieces = []
    assert store.verify(store.put(folder, kind="model"), pieces.append) == []
    assert sum(pieces) == 2


def test_an_empty_folder_is_refused(tmp_path):
    (tmp_path / "nothing").mkdir()
    with pytest.raises(ValueError, match="no files"):
        FolderStorage(tmp_path / "store").put(tmp_path / "nothing", kind="model")
    assert not Artifact.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_eight_writers_of_one_artifact_end_with_one(tmp_path, folder):
    store = FolderStorage(tmp_path / "store")
    errors = []

    def write():
        try:
            store.put(folder, kind="model")
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    artifact = Artifact.objects.get()
    assert store.verify(artifact) == []
    leftovers = [p for p in store.local_path(artifact).parent.iterdir() if p.name.startswith(".")]
    assert leftovers == []


def test_what_is_removed_is_gone_and_nothing_else(tmp_path, folder):
    store = FolderStorage(tmp_path / "store")
    artifact, other = store.put(folder, kind="export"), store.put(folder / "a.txt", kind="export")
    store.remove(artifact)
    assert not store.local_path(artifact).exists()
    assert store.verify_unread(artifact).wrong == ["a.txt", "deep/b.txt"]
    assert store.verify(other) == []
    store.remove(artifact)  # once more is no error


def test_a_moved_file_is_stored_without_a_copy_and_stays_when_its_source_is_deleted(tmp_path):
    store = FolderStorage(tmp_path / "artifacts")
    source = tmp_path / "rows.jsonl"
    source.write_text("{}\n")
    inode = source.stat().st_ino
    artifact = store.put(source, kind="upload", moved=True)
    source.unlink()
    kept = store.local_path(artifact) / "rows.jsonl"
    assert (kept.stat().st_ino, kept.read_text()) == (inode, "{}\n")
    assert store.verify(artifact) == []


def test_a_file_that_is_not_moved_is_copied(tmp_path):
    store = FolderStorage(tmp_path / "artifacts")
    source = tmp_path / "rows.jsonl"
    source.write_text("{}\n")
    artifact = store.put(source, kind="upload")
    source.write_text("changed\n")
    assert store.verify(artifact) == []
