"""Chooses the test prompts of a campaign."""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def choose(rows: Sequence[tuple[T, str]], count: int, *, seed: int) -> list[T]:
    """`count` of the rows, each slice in proportion, in a random order. Rows are (key, slice).

    A systematic sample: rows are sorted by slice, inside a slice in an order drawn from `seed`, and every (N/count)-th
    is taken, so each slice gets its share to within one row (Cochran, Sampling Techniques, 3rd ed. 1977, ch. 8).
    Raises ValueError when there are fewer rows.
    """
    if count > len(rows):
        raise ValueError(f"Asked for {count} of {len(rows)} rows.")

    def lot(key: T, purpose: str) -> bytes:
        return hashlib.sha256(f"{purpose}:{seed}:{key}".encode()).digest()

    standing = sorted(rows, key=lambda row: (row[1], lot(row[0], "stand")))
    taken = [standing[(2 * i + 1) * len(standing) // (2 * count)][0] for i in range(count)]
    return sorted(taken, key=lambda key: lot(key, "order"))
