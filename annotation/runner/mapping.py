"""The map of a project's examples, made in a worker: intents, a place for every example, lengths.

It reads every example once, in batches; what it found replaces the earlier map in one transaction, so an attempt that was killed leaves
the earlier one as it was.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from django.db import connection, transaction
from django.utils import timezone

from annotation.lengths import band_of
from annotation.models import Example, ExampleMap
from annotation.runner.intents import FITTED, LEAST, IntentModel, NoWords
from core.runs.context import RunContext, RunFailed
from core.runs.outside import Report, reporting_outside

BATCH = 5_000
# Letters of a question that are compared.
LETTERS = 1_000
_ROWS = """
SELECT id, left(coalesce(messages -> -1 ->> 'content', ''), %(letters)s), status, slice,
       coalesce(array_length(regexp_split_to_array(nullif(trim(completion), ''), '\\s+'), 1), 0)
FROM annotation_example WHERE project_id = %(project)s AND status <> 'retired' AND id > %(after)s ORDER BY id LIMIT %(batch)s
"""
_SAMPLE = """
SELECT id, left(coalesce(messages -> -1 ->> 'content', ''), %(letters)s) FROM annotation_example
WHERE id IN (
    SELECT id FROM annotation_example WHERE project_id = %(project)s AND status <> 'retired'
    ORDER BY md5(id::text) LIMIT %(most)s
) ORDER BY id
"""
_TABLE = "CREATE TEMPORARY TABLE new_place (example_id bigint, x float8, y float8, intent int2, shown bool) ON COMMIT DROP"
_REPLACE = """
INSERT INTO annotation_exampleplace (example_id, project_id, x, y, intent, shown)
SELECT n.example_id, %(project)s, n.x, n.y, n.intent, n.shown FROM new_place n JOIN annotation_example e ON e.id = n.example_id
"""


class _Row(NamedTuple):
    example: int
    question: str
    status: str
    slice: str
    words: int


def run(ctx: RunContext) -> None:
    """The runner of kind "map_examples"."""
    with reporting_outside(ctx) as report:
        make_map(ExampleMap.objects.get(run=ctx.run), report=report)


def make_map(made: ExampleMap, *, report: Report) -> None:
    project = made.project_id
    total = Example.objects.filter(project=project).exclude(status=Example.Status.RETIRED).count()
    if total < LEAST:
        raise RunFailed(
            "too_few", f"The project has {total:,} examples.", f"A map needs at least {LEAST}. Make it later."
        )
    report(done=0, total=total, message=f"Reading {total:,} examples.", now=True)
    ids, texts = _sample(project)
    try:
        model = IntentModel(texts, step=lambda words: report(message=words, now=True))
    except NoWords:
        raise RunFailed(
            "no_words",
            "The questions have no words in common.",
            "A map compares words that are written with spaces between them.",
        ) from None
    tally = _Tally(len(model.groups))
    drawn = {ids[at] for at in model.landmarks}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS pg_temp.new_place")
        cursor.execute(_TABLE)
        done = 0
        for rows in _batches(project):
            placed = model.place([row.question for row in rows])
            tally.add(rows, placed.groups, placed.points)
            with cursor.copy("COPY new_place FROM STDIN") as copy:
                for row, group, (x, y) in zip(rows, placed.groups, placed.points, strict=True):
                    copy.write_row((row.example, float(x), float(y), int(group), row.example in drawn))
            done += len(rows)
            report(done=done, message=f"Placed {done:,} of {total:,} examples.")
        cursor.execute("DELETE FROM annotation_exampleplace WHERE project_id = %s", [project])
        cursor.execute(_REPLACE, {"project": project})
        facts = tally.facts(model) | {"drawn": len(drawn)}
        ExampleMap.objects.filter(pk=made.pk).update(facts=facts, made_at=timezone.now())


def _sample(project: int) -> tuple[list[int], list[str]]:
    """At most FITTED examples, the same ones each time, from the whole project."""
    with connection.cursor() as cursor:
        cursor.execute(_SAMPLE, {"project": project, "letters": LETTERS, "most": FITTED})
        rows = cursor.fetchall()
    return [row[0] for row in rows], [row[1] for row in rows]


def _batches(project: int) -> Iterator[list[_Row]]:
    after = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(_ROWS, {"project": project, "letters": LETTERS, "after": after, "batch": BATCH})
            rows = [_Row(*row) for row in cursor.fetchall()]
        if not rows:
            return
        yield rows
        after = rows[-1].example


class _Tally:
    """The counts of a map while the batches go by."""

    def __init__(self, groups: int) -> None:
        self._sums = np.zeros((groups, 2))
        self._counts: dict[str, Counter[int]] = {
            name: Counter() for name in ("examples", "approved", "in_work")
        }
        self._lengths: dict[str, list[int]] = {}

    def add(self, rows: list[_Row], groups: Any, points: Any) -> None:
        np.add.at(self._sums, groups, points)
        for row, group in zip(rows, groups, strict=True):
            approved = row.status == Example.Status.APPROVED
            self._counts["examples"][int(group)] += 1
            self._counts["approved" if approved else "in_work"][int(group)] += 1
            if row.words:
                self._lengths.setdefault(band_of(row.words), [0, 0])[0 if approved else 1] += 1

    def facts(self, model: IntentModel) -> dict[str, Any]:
        """As annotation.queries.mapping.MapFacts reads it."""
        examples = self._counts["examples"]
        return {
            "examples": examples.total(),
            "lengths": self._lengths,
            "intents": [
                {
                    "number": number,
                    "name": model.groups[number].name,
                    "words": model.groups[number].words,
                    **{name: counts[number] for name, counts in self._counts.items()},
                    "x": float(self._sums[number, 0] / n),
                    "y": float(self._sums[number, 1] / n),
                }
                for number, n in examples.most_common()
            ],
        }
