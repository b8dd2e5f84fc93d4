"""Stores what the text checks find: one example at each new revision, and many in a run over the project.

Problems and warnings are stored, "ok" is not. A finding that a check no longer makes is kept as gone; a dismissal holds as long
as the check finds the same words in the example.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from annotation.checks import CHECKS, TEXT_CHECKS, Finding, text_findings
from annotation.checks.fingerprint import fingerprints
from annotation.checks.traits import Traits, traits_of
from annotation.models import Example, ExampleFinding
from core.models import Project

STORED = tuple(ExampleFinding.Level.values)
_MOST_PLACES = 100  # marks of one finding
_ROW = [
    "bigint[]",
    "bigint[]",
    "text[]",
    "text[]",
    "text[]",
    "text[]",
    "text[]",
    "text[]",
    "text[]",
    "text[]",
]
_KEPT = "(old.status = 'dismissed' OR (old.status = 'gone' AND old.reason <> ''))"
_STORE = f"""
INSERT INTO annotation_examplefinding AS old
    (project_id, example_id, other_id, check_name, kind, level, says, spans, fixes, fingerprint, content_hash, status, found_at,
     reason, was)
SELECT %s, n.example, n.other, n.check_name, n.kind, n.level, n.says, n.spans::jsonb, n.fixes::jsonb, n.fingerprint, n.hash,
    'open', now(), '', ''
FROM unnest({", ".join(f"%s::{kind}" for kind in _ROW)})
    AS n (example, other, check_name, kind, level, says, spans, fixes, fingerprint, hash)
ON CONFLICT (example_id, fingerprint) DO UPDATE SET
    other_id = EXCLUDED.other_id, level = EXCLUDED.level, says = EXCLUDED.says, spans = EXCLUDED.spans, fixes = EXCLUDED.fixes,
    content_hash = EXCLUDED.content_hash,
    status = CASE WHEN {_KEPT} THEN 'dismissed' ELSE 'open' END,
    reason = CASE WHEN {_KEPT} THEN old.reason ELSE '' END,
    decided_by_id = CASE WHEN {_KEPT} THEN old.decided_by_id END,
    decided_at = CASE WHEN {_KEPT} THEN old.decided_at END,
    batch = CASE WHEN {_KEPT} THEN old.batch END,
    revision = NULL, was = ''
WHERE old.status IN ('fixed', 'gone')
    OR (old.content_hash, old.level, old.says, old.spans, old.fixes)
        IS DISTINCT FROM (EXCLUDED.content_hash, EXCLUDED.level, EXCLUDED.says, EXCLUDED.spans, EXCLUDED.fixes)
"""  # noqa: S608 - no text of people
# Findings of checks that did not run now (they ask the database) stay as they are; those of a check that was removed go.
_GONE = """
UPDATE annotation_examplefinding AS old SET status = 'gone'
WHERE old.example_id = ANY(%s) AND old.status IN ('open', 'dismissed') AND old.check_name <> ALL(%s) AND NOT EXISTS (
    SELECT FROM unnest(%s::bigint[], %s::text[]) AS n (example, fingerprint)
    WHERE n.example = old.example_id AND n.fingerprint = old.fingerprint)
"""
_TRAITS = """
INSERT INTO annotation_exampletrait AS old (example_id, project_id, status, language, mood)
SELECT e.id, e.project_id, e.status, n.language, n.mood
FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS n (id, language, mood) JOIN annotation_example e USING (id)
ON CONFLICT (example_id) DO UPDATE SET status = EXCLUDED.status, language = EXCLUDED.language, mood = EXCLUDED.mood
WHERE (old.status, old.language, old.mood) IS DISTINCT FROM (EXCLUDED.status, EXCLUDED.language, EXCLUDED.mood)
"""


@dataclass(frozen=True)
class Checked:
    """An example whose text with this hash was checked: `content` has messages, context and completion."""

    example: int
    content_hash: str
    content: Mapping[str, Any]
    findings: Sequence[Finding]


def worth_storing(findings: Iterable[Finding]) -> list[Finding]:
    """Without those that only inform."""
    return [finding for finding in findings if finding.level in STORED]


def check_and_store(example: Example, content: Mapping[str, Any], project: Project) -> None:
    """Runs the text checks on the example's new text, in the caller's transaction. Five queries."""
    findings = worth_storing(text_findings(content, project, example_id=example.pk))
    store_findings(project, [Checked(example.pk, example.content_hash, content, findings)])


def store_findings(project: Project, checked: Sequence[Checked]) -> int:
    """Stores the findings of these examples of one project, and what coverage reads from their texts (ExampleTrait); returns how many
    findings. Doing it again changes nothing.

    An example whose text changed after it was read is left out: its newer text was checked when it was stored.
    """
    return _store(project, checked, {one.example: traits_of(one.content) for one in checked})


@transaction.atomic
def _store(project: Project, checked: Sequence[Checked], traits: Mapping[int, Traits]) -> int:
    ids = sorted(one.example for one in checked)
    # A lock that waits for somebody who edits one of them now, and keeps others from doing so for a moment.
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, content_hash FROM annotation_example WHERE project_id = %s AND id = ANY(%s) ORDER BY id FOR SHARE",
            [project.pk, ids],
        )
        hashes = dict(cursor.fetchall())
        current = [one for one in checked if hashes.get(one.example) == one.content_hash]
        rows = [row for one in current for row in _rows(one)]
        if rows:
            cursor.execute(_STORE, [project.pk, *map(list, zip(*rows, strict=True))])
        cursor.execute(
            _GONE,
            [
                [one.example for one in current],
                [name for name in CHECKS if name not in TEXT_CHECKS],
                [row[0] for row in rows],
                [row[8] for row in rows],
            ],
        )
        read = [(one.example, traits[one.example]) for one in current]
        cursor.execute(
            _TRAITS,
            [[pk for pk, _ in read], [each.language for _, each in read], [each.mood for _, each in read]],
        )
    return len(rows)


def _rows(one: Checked) -> Iterable[tuple[Any, ...]]:
    for finding, fingerprint in zip(one.findings, fingerprints(one.findings, one.content), strict=True):
        spans = [[s.field, s.index, s.start, s.end, s.tone] for s in finding.spans[:_MOST_PLACES]]
        fixes = [[f.field, f.index, f.start, f.end, f.text] for f in finding.fixes]
        yield (
            one.example, finding.example, finding.check, finding.kind[:40], finding.level, finding.says, json.dumps(spans),
            json.dumps(fixes), fingerprint, one.content_hash,
        )  # fmt: skip
