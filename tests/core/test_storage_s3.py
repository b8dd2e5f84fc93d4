"""The same store in a bucket: content-addressed, fetched once to this host, damage noticed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from core.models import Artifact
from core.storage import Compared, storage
from core.storage.base import manifest_hash, manifest_of
from core.storage.s3 import S3Storage

pytestmark = pytest.mark.django_db


@pytest.fixture
def bucket(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    settings.ARTIFACT_STORE = "s3"
    settings.ARTIFACT_S3_BUCKET = "guild"
    settings.ARTIFACT_CACHE_DIR = tmp_path / "cache"
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket="guild")
        yield client


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "a.txt").write_text("a")
    (source / "deep" / "b.txt").write_text("b")
    return source


def test_settings_choose_the_bucket_and_a_folder_comes_back_whole(bucket: Any, folder: Path) -> None:
    store = storage()
    assert isinstance(store, S3Storage)
    artifact = store.put(folder, kind="model")
    assert artifact.sha256 == manifest_hash(manifest_of(folder))
    path = store.local_path(artifact)
    assert (path / "deep" / "b.txt").read_text() == "b"
    assert store.verify(artifact) == []


def test_the_same_content_is_kept_once(bucket: Any, folder: Path) -> None:
    assert S3Storage().put(folder, kind="model") == S3Storage().put(folder, kind="model")
    assert Artifact.objects.count() == 1


def test_a_file_that_was_changed_in_the_bucket_is_not_handed_out(bucket: Any, folder: Path) -> None:
    store = S3Storage()
    artifact = store.put(folder, kind="model")
    bucket.put_object(Bucket="guild", Key=f"{store.prefix}{artifact.key}/a.txt", Body=b"z")
    with pytest.raises(OSError, match="does not match"):
        store.local_path(artifact)
    assert not (store.cache / artifact.key).exists()


def test_a_missing_file_is_named(bucket: Any, folder: Path) -> None:
    store = S3Storage()
    artifact = store.put(folder, kind="model")
    bucket.delete_object(Bucket="guild", Key=f"{store.prefix}{artifact.key}/deep/b.txt")
    assert store.verify(artifact) == ["deep/b.txt"]


def _key(store: S3Storage, artifact: Artifact, path: str) -> dict[str, str]:
    return {"Bucket": "guild", "Key": f"{store.prefix}{artifact.key}/{path}"}


def test_other_bytes_of_the_same_length_are_found(bucket: Any, folder: Path) -> None:
    """Sizes agree; only hashes tell, the store's own and that of the bytes."""
    store = S3Storage()
    artifact = store.put(folder, kind="model")
    assert store.verify(artifact) == [] and store.verify_unread(artifact).wrong == []
    bucket.put_object(**_key(store, artifact, "a.txt"), Body=b"z", ChecksumAlgorithm="SHA256")
    assert store.verify(artifact) == ["a.txt"]
    assert store.verify_unread(artifact).wrong == ["a.txt"]


def test_what_the_store_keeps_a_hash_of_is_compared_by_it(bucket: Any, folder: Path) -> None:
    store = S3Storage()
    artifact = store.put(folder, kind="model")
    assert store.verify_unread(artifact).compared == Compared.CHECKSUMS
    # Copied in by other means, without a checksum: nothing but its size is known without reading it.
    bucket.put_object(**_key(store, artifact, "a.txt"), Body=b"z")
    check = store.verify_unread(artifact)
    assert (check.wrong, check.compared) == ([], Compared.SIZES)
    assert store.verify(artifact) == ["a.txt"]


def test_a_hash_of_parts_is_not_taken_for_one_of_the_file(
    bucket: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.storage.s3.ONE_REQUEST_BYTES", 1024)
    (folder / "large.bin").write_bytes(bytes(range(256)) * 50_000)  # 12.8 MB: two parts
    store = S3Storage()
    artifact = store.put(folder, kind="model")
    head = bucket.head_object(**_key(store, artifact, "large.bin"), ChecksumMode="ENABLED")
    assert head["ETag"].endswith('-2"') and head["ChecksumSHA256"]
    check = store.verify_unread(artifact)
    assert (check.wrong, check.compared) == ([], Compared.SIZES)
    assert store.verify(artifact) == []


def test_reading_takes_pieces_and_can_be_stopped(bucket: Any, folder: Path) -> None:
    (folder / "large.bin").write_bytes(bytes(3_500_000))
    store = S3Storage()
    artifact = store.put(folder, kind="model")
    pieces: list[int] = []
    assert store.verify(artifact, pieces.append) == []
    assert sum(pieces) == artifact.size_bytes and max(pieces) <= 1024 * 1024

    def stop(count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.verify(artifact, stop)


def test_a_damaged_copy_on_this_host_is_named(bucket: Any, folder: Path) -> None:
    store = S3Storage()
    artifact = store.put(folder, kind="model")
    copy = store.local_path(artifact)
    (copy / "a.txt").write_text("z")
    assert store.verify(artifact) == ["a.txt (this host's copy)"]


def test_a_bucket_that_is_away_is_not_taken_for_missing_files(
    bucket: Any, folder: Path, settings: Any
) -> None:
    artifact = S3Storage().put(folder, kind="model")
    settings.ARTIFACT_S3_BUCKET = "another-one"
    store = S3Storage()
    for check in (store.verify, store.local_path):
        with pytest.raises(OSError, match="could not be read or written"):
            check(artifact)


def test_what_is_removed_is_gone_from_the_bucket_and_from_this_host(bucket: Any, folder: Path) -> None:
    store = S3Storage()
    artifact, other = store.put(folder, kind="export"), store.put(folder / "a.txt", kind="export")
    copy = store.local_path(artifact)
    store.remove(artifact)
    assert not copy.exists()
    assert store.verify_unread(artifact).wrong == ["a.txt", "deep/b.txt"]
    assert store.verify(other) == []
    store.remove(artifact)  # once more is no error
