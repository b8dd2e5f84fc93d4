"""Whether a version's files are what was stored, hashed here when that is quick."""

import logging

from django.core.cache import cache
from redis.exceptions import RedisError

from core.errors import ExpectedError
from core.storage import storage
from training.models import ModelVersion

log = logging.getLogger(__name__)
QUICK_BYTES = (
    512_000_000  # about half a second of hashing; larger weights are checked by a run on the version's page
)
KEEP_SECONDS = 600


def wrong_files(version: ModelVersion, *, fresh: bool = False) -> list[str] | None:
    """Names of missing or changed files; None when not known. Remembered for ten minutes unless `fresh`."""
    artifact = version.artifact
    if artifact.size_bytes > QUICK_BYTES:
        report = version.files_report
        return list(report["wrong"]) if report.get("at") else None
    key = f"release.files.{artifact.pk}.{artifact.sha256}"
    if not fresh:
        try:
            kept: list[str] | None = cache.get(key)
        except RedisError:
            kept = None
        if kept is not None:
            return kept
    try:
        found = storage().verify(artifact)
    except (OSError, ExpectedError) as error:
        log.warning("The files of %s could not be checked: %s", version, error)
        return None
    try:
        cache.set(key, found, KEEP_SECONDS)
    except RedisError:
        log.debug("The cache is away; the files are hashed again next time")
    return found
