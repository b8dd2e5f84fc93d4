"""What the gate knows of a version's files, and on what it rests."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from django.core.cache import cache
from moto import mock_aws

from core.models import Artifact
from core.storage import Compared, storage
from release import files, queries
from release.files import files_of
from tests.support.factories import make_version

pytestmark = pytest.mark.django_db


@pytest.fixture
def bucket(settings: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
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


def _version(world):
    return queries.version_of(world.project).get(pk=make_version(world.project, world.admin).pk)


def _replace_weights(bucket, version):
    """Other weights of the same length, by somebody who lets the store hash them."""
    key = f"{storage().prefix}{version.artifact.key}/model.safetensors"
    bucket.put_object(Bucket="guild", Key=key, Body=b"Weights", ChecksumAlgorithm="SHA256")


def test_on_an_object_store_the_gate_reads_contents_and_finds_what_was_replaced(world, bucket):
    version = _version(world)
    assert files_of(version) == files.Files([], Compared.CONTENTS)
    _replace_weights(bucket, version)
    assert files_of(version).wrong == []  # remembered
    assert files_of(version, fresh=True).wrong == ["model.safetensors"]


def test_a_list_reads_nothing_over_a_network(world, bucket):
    version = _version(world)
    assert files_of(version, in_list=True) == files.Files([], Compared.CHECKSUMS)
    cache.clear()
    _replace_weights(bucket, version)
    assert files_of(version, in_list=True).wrong == ["model.safetensors"]


def test_what_is_too_large_is_compared_by_size_and_by_what_a_run_read(world):
    version = _version(world)
    Artifact.objects.filter(pk=version.artifact_id).update(size_bytes=20_000_000_000)
    version.artifact.refresh_from_db()
    assert files_of(version) == files.Files([], Compared.SIZES)
    version.files_report = {"at": "2026-11-23T10:00:00+00:00", "wrong": []}
    read = files_of(version)
    assert (read.wrong, read.compared, read.read_on.day) == ([], Compared.CONTENTS, 23)
    path = storage().local_path(version.artifact) / "model.safetensors"
    path.chmod(0o644)
    path.write_bytes(b"longer weights")
    cache.clear()
    assert files_of(version).wrong == ["model.safetensors"]  # changed since that run


def test_a_store_that_is_away_is_not_known(world, bucket, settings):
    version = _version(world)
    settings.ARTIFACT_S3_BUCKET = "another-one"
    assert files_of(version) is None
    checks = queries.candidate(version).gate.checks
    check = next(check for check in checks if check.name == "files_intact")
    assert check.result == "hold" and "could not be read" in check.says
