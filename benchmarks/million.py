"""A very large project for benchmarks: rows that lead to the same tables as an import, written by SQL in minutes.

Nothing here is measured. The texts are the given real examples, repeated, each with a unique number, in digits and in letters, so
that the words of the language stay as common as they are and each example can be found by a word that only it has.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg

from annotation.text.hashes import loosely, search_text
from benchmarks import made_rows
from core.text import lines_of

CHUNK = 50_000
# Only the oldest twentieth has it: the newest examples, where a search begins, do not.
OLD_WORD = "oldharbour"
_PAIRS = """
CREATE TEMP TABLE pair (
    n integer PRIMARY KEY, before jsonb, last text, context jsonb, completion text, slice text, words text, question text
)
"""
# Of twenty examples nine are approved, nine wait in the queue, one is in review, one was sent back; every tenth is an edge case.
_EXAMPLES = """
INSERT INTO annotation_example (project_id, source, status, messages, context, completion, slice, edge, tags, "group", license,
    external_id, origin, origin_detail, arrival_hash, content_hash, revision, created_by_id, waiting_since, created_at, changed_at)
SELECT %(project)s, 'source ' || g %% 5,
       CASE WHEN g %% 20 < 9 THEN 'approved' WHEN g %% 20 < 18 THEN 'queued' WHEN g %% 20 = 18 THEN 'in_review' ELSE 'returned' END,
       before || jsonb_build_array(jsonb_build_object('role', 'user', 'content', last || said(g))), context, completion, slice,
       CASE WHEN g %% 10 = 3 THEN 'ambiguous_request' ELSE '' END, '{}', 'case-' || g, '', '', 'import',
       jsonb_build_object('label', 'loaded'), md5(g::text) || md5('a' || g), md5(g::text) || md5('c' || g), 1, %(person)s,
       now() - make_interval(secs => %(rows)s - g), now(), now()
FROM generate_series(%(first)s::int, %(last)s::int) g JOIN pair ON n = g %% (SELECT count(*) FROM pair)
ORDER BY g
"""
_REVISIONS = """
INSERT INTO annotation_revision (example_id, number, reason, content, note, by_id, at)
SELECT id, 1, 'arrived', jsonb_build_object('messages', messages, 'context', context, 'completion', completion, 'slice', slice,
    'edge', edge, 'tags', '[]'::jsonb), '', %(person)s, now()
FROM annotation_example WHERE project_id = %(project)s AND id > %(after)s ORDER BY id
"""
_SEARCH = """
INSERT INTO annotation_examplesearch (example_id, project_id, text, question)
SELECT id, project_id, words || said(substr("group", 6)::int), left(question || said(substr("group", 6)::int), 600)
FROM annotation_example JOIN pair ON n = substr("group", 6)::int %% (SELECT count(*) FROM pair)
WHERE project_id = %(project)s AND id > %(after)s ORDER BY id
"""
SETTINGS = {
    "validation": 0.1, "test": 0.1, "seed": 7, "slices": [], "sources": [], "separate_near_duplicates": True,
}  # fmt: skip
_ARTIFACT_AND_VERSION = """
WITH artifact AS (
    INSERT INTO core_artifact (kind, sha256, key, size_bytes, file_count, manifest, created_at)
    VALUES ('dataset', %(sha256)s::text, 'loaded/' || %(sha256)s::text, 1, 1, '[]', now()) RETURNING id
)
INSERT INTO datasets_datasetversion
    (project_id, number, note, status, settings, content_hash, artifact_id, counts, created_by_id, created_at,
     changes_seen)
SELECT %(project)s, %(number)s, '', 'ready', %(settings)s, %(sha256)s::text, artifact.id, %(counts)s, %(person)s, now(), 0 FROM artifact
RETURNING id
"""
_ROWS = """
INSERT INTO datasets_datasetrow (dataset_id, example_id, revision_id, position, split, row_hash, prompt_hash)
SELECT %(dataset)s, e.id, r.id, row_number() OVER (ORDER BY e.id) - 1,
       CASE WHEN e.id %% 10 = 0 THEN 'validation' WHEN e.id %% 10 = 1 THEN 'test' ELSE 'train' END, e.content_hash, e.content_hash
FROM (SELECT id, content_hash FROM annotation_example WHERE project_id = %(project)s AND status = 'approved'
      ORDER BY id LIMIT %(count)s) e
JOIN annotation_revision r ON r.example_id = e.id AND r.number = 1
"""


def made_pairs() -> Iterator[dict[str, Any]]:
    for row in made_rows.rows(5000):
        yield {
            "messages": [{"role": "user", "content": row["prompt"]}], "context": [row["record"]],
            "completion": row["completion"], "slice": row["slice"],
        }  # fmt: skip


def pairs_of(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines_of(file.read_text())]


class Loader:
    """Fills the project `project` in the database at `url`; `person` is a user's id, `file` JSON Lines of real examples."""

    def __init__(self, url: str, *, project: int, person: int, file: Path | None, rows: int) -> None:
        self.db = psycopg.connect(url, autocommit=True)
        self.names = {"project": project, "person": person, "rows": rows}
        self.rows = rows
        self._pairs(file)

    def _pairs(self, file: Path | None) -> None:
        self.db.execute(_PAIRS)
        self.db.execute(
            "CREATE FUNCTION pg_temp.said(g int) RETURNS text LANGUAGE sql AS $$ SELECT ' (case ' || g || ', ' || "
            f"translate(g::text, '0123456789', 'abcdefghij') || CASE WHEN g < {self.rows // 20} THEN ' {OLD_WORD})' ELSE ')' END $$"
        )
        self._seen: Counter[str] = Counter()
        with self.db.cursor().copy("COPY pair FROM STDIN") as copy:
            for number, pair in enumerate(pairs_of(file) if file else made_pairs()):
                *before, last = pair["messages"]
                context = pair.get("context") or []
                words = search_text(messages=pair["messages"], context=context, completion=pair["completion"])
                self._seen.update({word for word in words.split() if word.isalpha() and len(word) > 4})
                self._all = number + 1
                copy.write_row((
                    number, json.dumps(before), last["content"], json.dumps(context), pair["completion"],
                    (pair.get("slice") or "")[:120], words, loosely(last["content"]),
                ))  # fmt: skip

    def load(self) -> Iterator[int]:
        """Loads everything and yields the number of rows so far. The indexes of the search are built at the end."""
        self.db.execute(
            "SET search_path = public, pg_temp; SET synchronous_commit = off; SET work_mem = '256MB'"
        )
        self.db.execute("DROP INDEX IF EXISTS example_search, example_question")
        for first in range(0, self.rows, CHUNK):
            last = min(first + CHUNK, self.rows) - 1
            after = self._one("SELECT coalesce(max(id), 0) FROM annotation_example")
            with self.db.transaction():
                for statement in (_EXAMPLES, _REVISIONS, _SEARCH):
                    self.db.execute(
                        statement.replace("said(", "pg_temp.said("),
                        {**self.names, "first": first, "last": last, "after": after},
                    )
            yield last + 1
        self.db.execute("SET maintenance_work_mem = '1GB'")
        for columns, index in (
            ("text gin_trgm_ops, places", "example_search"),
            ("question gin_trgm_ops", "example_question"),
        ):
            self.db.execute(f"CREATE INDEX {index} ON annotation_examplesearch USING gin ({columns})")

    def dataset(self, number: int, rows: int) -> None:
        """A ready dataset version with the `rows` oldest approved examples. It has no file: its download does not work."""
        sha256 = f"{number:064x}"
        counts = {"total": rows, "withheld": 0, "splits": {"train": rows}, "slices": {}, "groups": rows}
        with self.db.transaction():
            dataset = self._one(_ARTIFACT_AND_VERSION, {
                **self.names, "number": number, "sha256": sha256, "counts": json.dumps(counts),
                "settings": json.dumps(SETTINGS),
            })  # fmt: skip
            self.db.execute(_ROWS, {**self.names, "dataset": dataset, "count": rows})

    def finish(self) -> None:
        """What autovacuum does within minutes."""
        self.db.execute("VACUUM ANALYZE")
        self.db.close()

    def words(self) -> tuple[str, str]:
        """A word of about half of the examples, and one of about a twentieth."""
        near = [
            min(self._seen, key=lambda word: (abs(self._seen[word] / self._all - share), word))
            for share in (0.5, 0.05)
        ]
        return near[0], near[1]

    def approved(self) -> int:
        return self._one(
            "SELECT count(*) FROM annotation_example WHERE project_id = %(project)s AND status = 'approved'",
            self.names,
        )

    def _one(self, statement: str, values: Mapping[str, Any] | None = None) -> int:
        row = self.db.execute(statement, values).fetchone()
        assert row is not None
        return int(row[0])
