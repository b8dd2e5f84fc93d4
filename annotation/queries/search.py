"""The newest examples that contain a text, in a project of any size.

PostgreSQL would either walk through all examples, newest first, which is fast for a common word and takes seconds for a rare
one, or collect all matches from the index and sort them, which is the other way round; and it cannot know how common a text is
together with the other filters, or that only old examples have it. So this goes step by step, and each step is bounded:

1. Where the other filters leave few examples, their texts are read.
2. A text that should be rare, by PostgreSQL's statistics, is looked up in the index.
3. For one that should be very common the texts of the newest examples are read.
4. Otherwise, and where the statistics were wrong, the index is searched block by block, the newest first (ExampleSearch.places).

No step goes on after MOST matches: nobody reads a thousand, and the exact number of a common word is not worth seconds.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Max, Min, QuerySet

from annotation.models import BLOCKS, Example, ExampleSearch, place
from annotation.queries.counts import kept_count
from annotation.queries.examples import find_examples, words_of
from core.models import Project

# Matches that are found and counted; above it a list says "more than".
MOST = 1000
# Texts that are read one by one: about 5 microseconds each.
_READ = 4000
# Estimated matches up to which the index is asked at once for a whole project, or for a block: it collects all of them first.
_RARE, _FEW = 2000, 5000

# One example after the other: OFFSET keeps PostgreSQL from reading the texts of all examples for a join.
_READ_NEWEST = """
SELECT s.example_id FROM ({}) AS newest (id) CROSS JOIN LATERAL (
    SELECT example_id FROM annotation_examplesearch WHERE example_id = newest.id AND strpos(text, %s) > 0 OFFSET 0
) AS s ORDER BY newest.id DESC LIMIT %s
"""


@dataclass(frozen=True)
class Found:
    """Ids of matching examples, the newest first, at most MOST; `more`: whether there are others."""

    ids: list[int]
    more: bool


def newest_matches(project: Project, criteria: Mapping[str, Any]) -> Found | None:
    """The examples that `find_examples` finds; None when the criteria have no text ("#12" is a number).

    Two to five queries; for a text that is common and only in old examples a few dozen, each of some milliseconds.
    """
    text = words_of(str(criteria.get("q") or ""))
    if text is None:
        return None
    others = {name: value for name, value in criteria.items() if value and name != "q"}
    search = _Search(project, find_examples(project, others) if others else None, text)
    known = kept_count(project, others)
    ids = search.read() if known is not None and known <= _READ else search.guess()
    if ids is None:
        ids = search.by_block()
    return Found(ids[:MOST], len(ids) > MOST)


class _Search:
    """`rows`: the examples that the other filters leave; None for the whole project."""

    def __init__(self, project: Project, rows: QuerySet[Example] | None, text: str) -> None:
        self.project, self.rows, self.text = project, rows, text

    def read(self) -> list[int]:
        """Matches among the newest _READ examples, until there are more than MOST."""
        rows: QuerySet[Any] = (
            ExampleSearch.objects.filter(project=self.project) if self.rows is None else self.rows
        )
        newest, values = rows.order_by("-pk").values_list("pk")[:_READ].query.sql_with_params()
        with connection.cursor() as cursor:
            cursor.execute(_READ_NEWEST.format(newest), [*values, self.text, MOST + 1])
            return [row[0] for row in cursor.fetchall()]

    def guess(self) -> list[int] | None:
        """Looks a rare text up, and reads for a common one, by PostgreSQL's statistics. None when that did not find enough."""
        table = ExampleSearch.objects.order_by()
        estimated = _rows_of_plan(table.filter(text__contains=self.text))
        self.share = estimated / max(1, _rows_of_plan(table))
        if estimated <= _RARE:
            found = self._in_place(place(self.project.pk))
            return sorted(found, reverse=True) if len(found) <= MOST else None
        if self.share * _READ > MOST / 2:
            found = self.read()
            return found if len(found) > MOST else None
        return None

    def by_block(self) -> list[int]:
        ends = ExampleSearch.objects.filter(project=self.project).aggregate(first=Min("pk"), last=Max("pk"))
        if ends["first"] is None:
            return []
        self._first, self._last = ends["first"], ends["last"]
        return self._in_blocks(1, self._first, self._last, MOST + 1)

    def _in_blocks(self, level: int, first: int, last: int, most: int) -> list[int]:
        """The newest `most` matches among the ids from `first` to `last`, by the blocks of this level."""
        size, found = BLOCKS[level - 1], list[int]()
        for block in range(last // size, first // size - 1, -1):
            if len(found) >= most:
                break
            found += self._in_block(level, block, most - len(found))
        return found

    def _in_block(self, level: int, block: int, most: int) -> list[int]:
        size, where = BLOCKS[level - 1], place(self.project.pk, level, block)
        first, last = max(self._first, block * size), min(self._last, (block + 1) * size - 1)
        if level == len(BLOCKS):
            # With its ends: PostgreSQL may also walk through the block backwards, but not through others.
            return list(self._matches(where).filter(pk__gte=first, pk__lte=last).order_by("-pk")[:most])
        # The index collects all matches of a block before it gives the first.
        if self.share * size <= _FEW:
            found = self._in_place(where)
            if len(found) <= MOST:
                return sorted(found, reverse=True)[:most]
        return self._in_blocks(level + 1, first, last, most)

    def _in_place(self, where: int) -> list[int]:
        """All matches in one place, or any MOST + 1 of them."""
        return list(self._matches(where).order_by()[: MOST + 1])

    def _matches(self, where: int) -> QuerySet[Any]:
        found: QuerySet[Any] = (
            ExampleSearch.objects.filter(text__contains=self.text, places__contains=[where])
            if self.rows is None
            else self.rows.filter(search__text__contains=self.text, search__places__contains=[where])
        )
        return found.values_list("pk", flat=True)


def _rows_of_plan(rows: QuerySet[Any]) -> int:
    """How many rows PostgreSQL expects, from its statistics. It plans and does not read."""
    return int(json.loads(rows.explain(format="json"))[0]["Plan"]["Plan Rows"])
