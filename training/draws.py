"""Which rows a run trains on, and in what order: pure functions of the seed, so that the preflight and the pages name
the rows that a worker uses."""

import random
from collections.abc import Hashable, Iterator, Sequence
from itertools import accumulate, islice
from typing import TypeVar

Row = TypeVar("Row")


def draw(count: int, most: int, seed: int) -> list[int]:
    """At most `most` of `count` rows (0: all) in their order, the same ones for the same seed."""
    if not most or count <= most:
        return list(range(count))
    return sorted(random.Random(seed).sample(range(count), most))


def permutations(count: int, seed: int) -> Iterator[list[int]]:
    """One permutation of all rows after another, so the number of times that rows are seen differs by one at most."""
    seen = 0
    while count:
        epoch = list(range(count))
        random.Random(f"{seed}/{seen}").shuffle(epoch)
        seen += count
        yield epoch


def row_stream(count: int, *, places: int, seed: int) -> list[int]:
    """Row numbers for the `places` (steps times rows a step) of a run."""
    return list(islice((row for epoch in permutations(count, seed) for row in epoch), places))


def tokens_seen(lengths: list[int], *, rows: int, seed: int) -> int:
    """Tokens in the first `rows` rows of the order that is trained on: whole passes, and a part of one more."""
    if not lengths:
        return 0
    passes, rest = divmod(rows, len(lengths))
    total = passes * sum(lengths)
    if rest:
        epoch = next(islice(permutations(len(lengths), seed), passes, None))
        total += sum(lengths[row] for row in epoch[:rest])
    return total


def trained_on(rows: list[Row], *, most: int, seed: int, places: int, besides: int = 0) -> list[Row]:
    """The rows that a run saw in its first `places` (steps times rows a step), in their order.

    `rows` is the whole training split in the dataset's order; `most` and `seed` are the recipe's; `besides` is the number of rows that
    it practises besides. A run of less than one epoch does not reach all its drawn rows.
    """
    drawn = [rows[at] for at in draw(len(rows), most, seed)]
    if places >= len(drawn) + besides:
        return drawn
    seen = row_stream(len(drawn) + besides, places=places, seed=seed)
    return [drawn[number] for number in sorted(set(seen)) if number < len(drawn)]


def nested(
    clusters: Sequence[Hashable], shares: Sequence[int], *, most: int, seed: int
) -> dict[int, list[int]]:
    """{share: row numbers in their order}: growing parts of the rows, each inside the next. `shares` are percent, the smallest first.

    `clusters` names the cluster of each row; rows of one cluster are taken together, so that a smaller part is not almost the whole
    of a larger one in other words. Clusters come in an order drawn by `seed`; a part ends where it is nearest to its share of the
    rows (or of `most` of them, 0: all), and has at least one cluster.
    """
    members: dict[Hashable, list[int]] = {}
    for row, cluster in enumerate(clusters):
        members.setdefault(cluster, []).append(row)
    order = list(members.values())
    random.Random(f"{seed}/learning-curve").shuffle(order)
    ends = list(accumulate(map(len, order)))
    total = min(len(clusters), most or len(clusters))
    parts: dict[int, list[int]] = {}
    for share in shares:
        wanted = total * share / 100
        taken = min(range(len(ends)), key=lambda at: abs(ends[at] - wanted)) + 1
        parts[share] = sorted(row for own in order[:taken] for row in own)
    return parts
