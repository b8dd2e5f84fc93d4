"""Parquet: rows in batches, with the values that JSON would have."""

import datetime
import decimal
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dataset.runner.json_lines import Number, Value
from dataset.runner.reading.records import FileLine, NotReadable

BATCH = 500


class _NoJson(ValueError):
    pass


def read_parquet(path: Path, *, size: int) -> Iterator[FileLine]:
    """Yields every row; `end` is its share of `size` bytes. Raises NotReadable for a damaged or encrypted file."""
    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            total = max(file.metadata.num_rows, 1)
            number = 0
            for batch in file.iter_batches(batch_size=BATCH, use_threads=False):
                for row in batch.to_pylist():
                    number += 1
                    yield _line(row, number, size * number // total)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise NotReadable(
            "damaged",
            "This Parquet file cannot be read: it is damaged, cut off or encrypted.",
            "Write the file again and import that one.",
        ) from error


def _line(row: dict[str, Any], number: int, end: int) -> FileLine:
    data: dict[str, Value] = {}
    for at, (name, value) in enumerate(row.items(), 1):
        try:
            data[str(name)] = _plain(value)
        except _NoJson as error:
            return FileLine(number, end, None, f"Column “{name}”: {error}", column=at)
    return FileLine(number, end, None, data=data)


def _plain(value: Any) -> Value:
    """The value as JSON has it: numbers with their digits, dates and times as texts."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, float, decimal.Decimal)):
        return _number(value)
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, bytes):
        raise _NoJson("Contains binary data. Only text is possible here.")
    # Dates and times as ISO 8601 writes them.
    return value.isoformat() if isinstance(value, (datetime.date, datetime.time)) else str(value)


def _number(value: float | decimal.Decimal) -> Value:
    if isinstance(value, float) and math.isnan(value):
        return None  # pandas writes a missing number as NaN
    if isinstance(value, float) and math.isinf(value):
        raise _NoJson("Contains an infinite number, which is not a JSON value.")
    return Number(format(value, "f") if isinstance(value, decimal.Decimal) else repr(value))
