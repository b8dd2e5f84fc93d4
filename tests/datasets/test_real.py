"""A freeze of real customer service: no leak by brute force, every slice tested, shares as asked."""

import json
import re
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

import pytest

from annotation.models import Example
from dataset.models import WithheldRow
from dataset.rows import iter_rows
from dataset.splits import LEAST_TEST, SPLITS, TESTED_FROM
from tests.support.factories import World, make_example, make_frozen

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "service_pairs.jsonl"
ROWS, MORE = 2000, 300
pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("sent"),
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.is_file(), reason="../shared/data/service_pairs.jsonl is not there"),
]


def pairs_of_words(row: dict[str, list[dict[str, str]]]) -> frozenset[tuple[str, str]]:
    """Written down a second time, by another rule for what a word is, so that a mistake in one is seen."""
    text = " ".join(message["content"] for message in row["messages"] if message["role"] != "system").lower()
    words = re.findall(r"[^\W_]+", re.sub(r"\d+(?:[^\w]+\d+)*", "0", text))
    return frozenset(pairwise(words)) or frozenset({(text, "")})


def leaks(rows: list[dict[str, object]], held_out: list[dict[str, object]]) -> list[tuple[int, int]]:
    """(row, test row) of similarity 0.8 and more, by an inverted index over everything."""
    tested = [(row["example"], pairs_of_words(row)) for row in held_out]  # type: ignore[arg-type]
    by_pair: dict[tuple[str, str], list[int]] = defaultdict(list)
    for at, (_, pairs) in enumerate(tested):
        for pair in pairs:
            by_pair[pair].append(at)
    found = []
    for row in rows:
        pairs = pairs_of_words(row)  # type: ignore[arg-type]
        shared = Counter(at for pair in pairs for at in by_pair[pair])
        found += [
            (row["example"], tested[at][0])
            for at, n in shared.items()
            if n / (len(pairs) + len(tested[at][1]) - n) >= 0.8
        ]
    return found  # type: ignore[return-value]


def test_nothing_that_trains_nearly_repeats_a_test_row_of_this_or_an_earlier_version(world: World):
    lines = [json.loads(line) for line in DATA.read_text().splitlines()[: ROWS + MORE]]
    for line in lines[:ROWS]:
        add(world, line)
    first = make_frozen(world.project, world.admin)
    tested_before = list(iter_rows(first, "test"))
    assert leaks([row for row in iter_rows(first) if row["split"] != "test"], tested_before) == []
    # The second version: half of the test rows gone, and new rows, some of which repeat them.
    Example.objects.filter(pk__in=[row["example"] for row in tested_before[::2]]).update(status="retired")
    for line in lines[ROWS:]:
        add(world, line)
    second = make_frozen(world.project, world.admin)
    learnt = [row for row in iter_rows(second) if row["split"] != "test"]
    assert leaks(learnt, [*tested_before, *iter_rows(second, "test")]) == []
    withheld = WithheldRow.objects.filter(dataset=second)
    assert withheld.count() == second.counts["withheld"] > 0
    for dataset in (first, second):
        counts = dataset.counts
        assert sum(counts[split] for split in SPLITS) == counts["total"]
        assert abs(counts["test"] / counts["total"] - 0.1) < 0.01
        assert abs(counts["validation"] / counts["total"] - 0.1) < 0.01
        assert counts["untested"] == {}
        for name, row in counts["slices"].items():
            assert sum(row.values()) < TESTED_FROM or row["test"] >= LEAST_TEST, name


def add(world: World, line: dict[str, object]) -> None:
    make_example(
        world.project, messages=line["messages"], completion=line["completion"], context=line["context"],
        slice=line["slice"], group=line["conversation_id"], status="approved",
    )  # fmt: skip
