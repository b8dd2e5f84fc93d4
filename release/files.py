"""Whether a version's files are what was stored: hashed here when that is quick, else as far as the store says without
reading them. What was compared is part of the answer."""

import logging
from dataclasses import dataclass
from datetime import datetime

from django.core.cache import cache
from redis.exceptions import RedisError

from core.errors import ExpectedError
from core.storage import Compared, Storage, storage
from training.models import ModelVersion

log = logging.getLogger(__name__)
# About half a second of hashing for one version, and some hundredths for each of a list; what is larger is checked by
# a run on the version's page. Sign-off hashes again, so that remembering for a day risks nothing.
QUICK_BYTES = 512_000_000
QUICK_BYTES_IN_LIST = 64_000_000
# Reading over a network at 100 MB a second: as long as a page may wait. In lists nothing is read.
QUICK_BYTES_REMOTE = 64_000_000
KEEP_SECONDS = 24 * 3600
# What the store says without reading is asked again sooner: it is cheap, and tells less.
KEEP_UNREAD_SECONDS = 900


@dataclass(frozen=True)
class Files:
    """`wrong` names missing or changed files. `read_on` is the day of an earlier check that the answer rests on."""

    wrong: list[str]
    compared: Compared
    read_on: datetime | None = None


def files_of(version: ModelVersion, *, fresh: bool = False, in_list: bool = False) -> Files | None:
    """How the stored files compare with their record; None when the store cannot be read now.

    What is small enough is hashed here and the result remembered for a day; `fresh` hashes without asking what is
    remembered. The rest is compared as far as that goes without reading, and by what a run last read.
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
        log.debug("The cache is away; the files are compared again next time")
