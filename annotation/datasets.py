"""What a dataset version is made of: canonical rows, their hashes, the splits, and reading them back.

Everything but `iter_rows` is a pure function of its arguments.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from annotation.content import canonical_json, nfc
from annotation.models import DatasetVersion, GroupSplit

# Part of every content hash: a change to what a canonical row holds is a change of format.
FORMAT = 1
ROW_FIELDS = (
    "messages",
    "context",
    "completion",
    "slice",
    "edge",
    "tags",
    "group",
    "source",
    "license",
)
TRAIN, VALIDATION, TEST = (str(split) for split in GroupSplit.Split.values)
SPLITS = (TRAIN, VALIDATION, TEST)
DEFAULT_SHARES = {VALIDATION: 0.10, TEST: 0.10}
# With fewer groups than this there is nothing to hold out without leaving training empty.
LEAST_GROUPS = 3


# --- rows and hashes ---------------------------------------------------------------------------------------


def canonical_row(fields: Mapping[str, Any]) -> dict[str, Any]:
    """ROW_FIELDS and nothing else, in Unicode form NFC, tags sorted. Raises KeyError when one is missing."""
    row = {name: nfc(fields[name]) for name in ROW_FIELDS}
    row["tags"] = sorted(set(row["tags"]))
    return row


def row_hash(row: Mapping[str, Any]) -> str:
    """SHA-256, in hex, of one canonical row without its split: the row's own name, and its place in the order."""
    return body_hash(canonical_json(row))


def body_hash(body: str) -> str:
    """`row_hash` of a row that is canonical JSON already."""
    return hashlib.sha256(body.encode()).hexdigest()


class ContentHash:
    """SHA-256 over the settings and then every row with its split, each on a line of its own.

    Rows are added in the order of their hash. That order depends on content alone, so the same content gives the
    same hash in any project, whatever the examples are numbered.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._sha = hashlib.sha256(canonical_json({"format": FORMAT, **settings}).encode() + b"\n")
        self._last = ""

    def add(self, row_sha256: str, split: str) -> None:
        if row_sha256 < self._last:
            raise ValueError("Rows must be added in the order of their hash.")
        self._last = row_sha256
        self._sha.update(f"{row_sha256} {split}\n".encode())

    def hexdigest(self) -> str:
        return self._sha.hexdigest()


def content_hash_of(rows: Iterable[tuple[Mapping[str, Any], str]], settings: Mapping[str, Any]) -> str:
    """The content hash of (canonical row, split) pairs in any order, all in memory: the definition in one line each."""
    content = ContentHash(settings)
    for sha256, split in sorted((row_hash(row), split) for row, split in rows):
        content.add(sha256, split)
    return content.hexdigest()


# --- splits ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Group:
    name: str
    rows: int
    split: str | None = None  # decided by an earlier version, and permanent


def draw(seed: str, group: str) -> bytes:
    """The group's place in the draw: as good as random, and always the same."""
    return hashlib.sha256(f"{seed}\x00{group}".encode()).digest()


def assign_splits(groups: Iterable[Group], *, validation: float, test: float, seed: str) -> dict[str, str]:
    """Splits for the groups that have none yet: {group: split}. Groups that have one keep it.

    New groups are drawn in a fixed, seeded order; each goes to test, then to validation, while that brings the split
    closer to its share of all rows, and otherwise to train. With at least three groups a split with a share above
    zero gets at least one group, if one is to be had: the smallest of the new ones, so that little is taken from training.
    """
    everything = list(groups)
    total = sum(group.rows for group in everything)
    held = Counter(dict.fromkeys(SPLITS, 0))
    for group in everything:
        if group.split:
            held[group.split] += group.rows
    new = sorted((group for group in everything if not group.split), key=lambda group: draw(seed, group.name))
    shares = {TEST: test, VALIDATION: validation}
    decided: dict[str, str] = {}
    if len(everything) >= LEAST_GROUPS:
        for split, share in shares.items():
            if share > 0 and not held[split]:
                free = [group for group in new if group.name not in decided]
                if len(free) > 1 or (free and held[TRAIN]):
                    smallest = min(free, key=lambda group: group.rows)
                    decided[smallest.name] = split
                    held[split] += smallest.rows
        for group in new:
            if group.name not in decided:
                decided[group.name] = _closest(held, group.rows, shares, total)
                held[decided[group.name]] += group.rows
        return decided
    return {group.name: TRAIN for group in new}


def _closest(held: Mapping[str, int], rows: int, shares: Mapping[str, float], total: int) -> str:
    for split, share in shares.items():
        # Half of the group past the mark is as far off as half of it short of the mark.
        if held[split] + rows / 2 <= share * total:
            return split
    return TRAIN


# --- reading back ------------------------------------------------------------------------------------------


def iter_rows(dataset: DatasetVersion, split: str | None = None) -> Iterator[dict[str, Any]]:
    """The rows of a frozen version in their order, or those of one split, streamed from its artifact.

    Each is a dict: position (int, from 0), example (primary key), revision (its number within the example), split, slice,
    edge, tags (list), group, source, license, messages ([{role, content}]), context (list of texts), completion.
    Raises ValueError while the version is not ready.
    """
    if dataset.artifact is None:
        raise ValueError(f"{dataset} is not ready: it has no rows to read.")
    from core.storage import storage

    path = storage().local_path(dataset.artifact) / dataset.artifact.manifest[0]["path"]
    with path.open(encoding="utf-8", newline="\n") as lines:
        for line in lines:
            row: dict[str, Any] = json.loads(line)
            if split is None or row["split"] == split:
                yield row


def rows_at(dataset: DatasetVersion, positions: Iterable[int]) -> Iterator[dict[str, Any]]:
    """The rows at these positions, as `iter_rows` gives them, in their order. Only they are parsed; others are skipped over.

    Raises ValueError while the version is not ready.
    """
    if dataset.artifact is None:
        raise ValueError(f"{dataset} is not ready: it has no rows to read.")
    from core.storage import storage

    left = set(positions)
    path = storage().local_path(dataset.artifact) / dataset.artifact.manifest[0]["path"]
    with path.open("rb") as lines:
        for position, line in enumerate(lines):
            if position in left:
                row: dict[str, Any] = json.loads(line)
                yield row
                left.discard(position)
                if not left:
                    return
