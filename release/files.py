"""Whether a version's files are what was stored, hashed here when that is quick."""

import logging

from django.core.cache import cache
from redis.exceptions import RedisError

from core.errors import ExpectedError
from core.storage import storage
from training.models import ModelVersion

log = logging.getLogger(__name__)
# About half a second of hashing for one version, and some hundredths for each of a list; what is larger is checked by
# a run on the version's page. Sign-off hashes anew, so that remembering for a day risks nothing.
QUICK_BYTES = 512_000_000
QUICK_BYTES_IN_LIST = 64_000_000
KEEP_SECONDS = 24 * 3600


def wrong_files(
    version: ModelVersion, *, fresh: bool = False, at_most: int = QUICK_BYTES
) -> list[str] | None:
    """Names of missing or changed files; None when not known. Remembered for a day unless `fresh`.

    More than `at_most` bytes are not hashed here: what was remembered, or what a run found, has to do.
    """
    artifact = version.artifact
    key = f"release.files.{artifact.pk}.{artifact.sha256}"
    if not fresh:
        try:
            kept: list[str] | None = cache.get(key)
        except RedisError:
            kept = None
        if kept is not None:
            return kept
    if artifact.size_bytes > at_most:
        report = version.files_report
        return list(report["wrong"]) if report.get("at") else None
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
