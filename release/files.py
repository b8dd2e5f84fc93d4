"""Whether a version's files are what was stored: hashed here when that is quick, else checked by what the store reports
without reading. The result includes what was compared."""

import logging
from dataclasses import dataclass
from datetime import datetime

from django.core.cache import cache
from redis.exceptions import RedisError

from core.errors import ExpectedError
from core.storage import Compared, Storage, storage
from training.models import ModelVersion

log = logging.getLogger(__name__)
# About half a second of hashing for one version, and some hundredths for each of a list; larger files are checked by a
# background job on the version's page. Sign-off hashes again, so caching for a day is safe.
QUICK_BYTES = 512_000_000
QUICK_BYTES_IN_LIST = 64_000_000
# Reading over a network at 100 MB a second: the longest acceptable wait for a page. In lists nothing is read.
QUICK_BYTES_REMOTE = 64_000_000
KEEP_SECONDS = 24 * 3600
# Checks without reading are repeated sooner: they are cheap and less certain.
KEEP_UNREAD_SECONDS = 900


@dataclass(frozen=True)
class Files:
    """`wrong` lists missing or changed files. `read_on` is the day of the earlier check that was used."""

    wrong: list[str]
    compared: Compared
    read_on: datetime | None = None


def files_of(version: ModelVersion, *, fresh: bool = False, in_list: bool = False) -> Files | None:
    """Compares the stored files with their record; None when the store cannot be read now.

    Small files are hashed here and the result is cached for a day; `fresh` ignores the cache. Others are compared
    without reading, and by the last check of a background job.
    """
    store, artifact = storage(), version.artifact
    limit = _limit(store, fresh=fresh, in_list=in_list)
    key = f"release.files.2.{artifact.pk}.{artifact.sha256}"
    if not fresh and (kept := _remembered(key)) is not None:
        return kept
    try:
        if artifact.size_bytes <= limit:
            read = Files(store.verify(artifact), Compared.CONTENTS)
            _remember(key, read, KEEP_SECONDS)
            return read
        return _unread(store, version, f"{key}.unread", fresh=fresh)
    except (OSError, ExpectedError) as error:
        log.warning("The files of %s could not be checked: %s", version, error)
        return None


def _limit(store: Storage, *, fresh: bool, in_list: bool) -> int:
    """The most bytes to hash now."""
    if fresh or not store.remote:
        return QUICK_BYTES_IN_LIST if in_list else QUICK_BYTES
    return 0 if in_list else QUICK_BYTES_REMOTE


def _unread(store: Storage, version: ModelVersion, key: str, *, fresh: bool) -> Files:
    now = None if fresh else _remembered(key)
    if now is None:
        check = store.verify_unread(version.artifact)
        now = Files(check.wrong, check.compared)
        _remember(key, now, KEEP_UNREAD_SECONDS)
    report = version.files_report
    if now.wrong or not report.get("at"):
        return now
    return Files(list(report["wrong"]), Compared.CONTENTS, datetime.fromisoformat(report["at"]))


def _remembered(key: str) -> Files | None:
    try:
        kept: Files | None = cache.get(key)
    except RedisError:
        return None
    return kept


def _remember(key: str, files: Files, seconds: int) -> None:
    try:
        cache.set(key, files, seconds)
    except RedisError:
        log.debug("The cache is offline; the files are compared again next time")
