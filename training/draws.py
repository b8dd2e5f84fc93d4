"""Which rows a run trains on: pure functions of the seed, so that a page can name the rows that a worker used."""

import random
from typing import TypeVar

Row = TypeVar("Row")


def draw(rows: list[Row], most: int, seed: int) -> list[Row]:
    """At most `most` of the rows (0: all) in their order, the same ones for the same seed."""
    if not most or len(rows) <= most:
        return rows
    chosen = random.Random(seed).sample(range(len(rows)), most)  # a draw that anyone may repeat
    return [rows[index] for index in sorted(chosen)]


def row_stream(rows: int, *, wanted: int, seed: int) -> list[int]:
    """Row numbers for `wanted` places in a run: one permutation of all rows after another.

    No row is seen twice more often than another.
    """
    stream: list[int] = []
    while len(stream) < wanted:
        epoch = list(range(rows))
        random.Random(f"{seed}/{len(stream)}").shuffle(epoch)
        stream += epoch
    return stream[:wanted]


def trained_on(rows: list[Row], *, most: int, seed: int, places: int) -> list[Row]:
    """The rows that a run saw in its first `places` (steps times rows a step), in their order.

    `rows` is the whole training split in the dataset's order; `most` and `seed` are the recipe's. A run of less than one
    epoch does not come to all the rows it drew.
    """
    drawn = draw(rows, most, seed)
    if places >= len(drawn):
        return drawn
    return [drawn[number] for number in sorted(set(row_stream(len(drawn), wanted=places, seed=seed)))]
