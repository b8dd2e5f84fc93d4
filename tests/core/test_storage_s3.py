"""The same store in a bucket: content-addressed, fetched once to this host, damage noticed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from core.models import Artifact
from core.storage import storage
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
