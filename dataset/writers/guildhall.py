"""Guildhall's own format: every field under its own name, one JSON object per line."""

from collections.abc import Iterator
from typing import Any

from dataset.writers.base import FIELDS, JsonLines, Row, always


def _records(row: Row) -> Iterator[dict[str, Any]]:
    yield {name: value for name, value in row.items() if name != "split" or value}


GUILDHALL = JsonLines(
    name="guildhall",
    label="Guildhall JSONL",
    says="Everything, for another project of Guildhall or for your own programs.",
    keys={name: name for name in FIELDS},
    records=_records,
    reason=always,
    left_out=(),
    keeps_others=False,
)
