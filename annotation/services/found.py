"""Stores what the text checks find: one example at each new revision, and many in a run over the project.

Problems and warnings are stored, "ok" is not. A finding that a check no longer makes is kept as gone; a dismissal holds as long
as the check finds the same words in the example.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from annotation.checks import CHECKS, TEXT_CHECKS, Finding, text_findings
from annotation.checks.fingerprint import fingerprints
from annotation.checks.traits import Traits, traits_of
from annotation.models import Example, ExampleFinding
from annotation.registry import finding_sources
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
# Findings of checks that did not run now (they ask the database) stay as they are; those of a check that was removed go. A finding of
# another app stays, as one about an earlier text, while the check of facts still finds one without support.
_GONE = """
UPDATE annotation_examplefinding AS old SET status = 'gone'
WHERE old.example_id = ANY(%(examples)s) AND old.status IN ('open', 'dismissed') AND CASE
    WHEN old.check_name = ANY(%(sources)s) THEN old.example_id <> ALL(%(lacking)s)
    ELSE old.check_name <> ALL(%(not_run)s) AND NOT EXISTS (
        SELECT FROM unnest(%(found)s::bigint[], %(fingerprints)s::text[]) AS n (example, fingerprint)
        WHERE n.example = old.example_id AND n.fingerprint = old.fingerprint)
    END
"""
_LACKING = ("invented", "not-checked")
_TRAITS = """
INSERT INTO annotation_exampletrait AS old (example_id, project_id, status, language, mood)
SELECT e.id, e.project_id, e.status, n.language, n.mood
FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS n (id, language, mood) JOIN annotation_example e USING (id)
ON CONFLICT (example_id) DO UPDATE SET status = EXCLUDED.status, language = EXCLUDED.language, mood = EXCLUDED.mood
WHERE (old.status, old.language, old.mood) IS DISTINCT FROM (EXCLUDED.status, EXCLUDED.language, EXCLUDED.mood)
"""


@dataclass(frozen=True)
class Checked:
    """An example whose text with this hash was checked: `content` has messages, context and completion. `traits`: None where they were
    not read yet."""

    example: int
    content_hash: str
    content: Mapping[str, Any]
    findings: Sequence[Finding]
    traits: Traits | None = None


def worth_storing(findings: Iterable[Finding]) -> list[Finding]:
    """Without those that only inform."""
    return [finding for finding in findings if finding.level in STORED]


def check_and_store(
    example: Example, content: Mapping[str, Any], project: Project, findings: Iterable[Finding] | None = None
) -> None:
    """Runs the text checks on the example's new text, in the caller's transaction; `findings`: they have run already. Five queries."""
    if findings is None:
        findings = text_findings(content, project, example_id=example.pk)
    store_findings(project, [Checked(example.pk, example.content_hash, content, worth_storing(findings))])


def store_findings(project: Project, checked: Sequence[Checked]) -> int:
    """Stores the findings of these examples of one project, and what coverage reads from their texts (ExampleTrait); returns how many
    findings. Doing it again changes nothing.

    An example whose text changed after it was read is left out: its newer text was checked when it was stored.
    """
    # Before the transaction: it locks the examples.
    return _store(project, checked, {one.example: one.traits or traits_of(one.content) for one in checked})


@transaction.atomic
def _store(project: Project, checked: Sequence[Checked], traits: Mapping[int, Traits]) -> int:
    with connection.cursor() as cursor:
        current = _locked_as_read(cursor, project, checked)
        rows = [row for one in current for row in _rows(one)]
        if rows:
            cursor.execute(_STORE, [project.pk, *map(list, zip(*rows, strict=True))])
        cursor.execute(
            _GONE,
            {
                "examples": [one.example for one in current],
                "sources": list(finding_sources()),
                "lacking": [one.example for one in current if _lacks_support(one.findings)],
                "not_run": [name for name in CHECKS if name not in TEXT_CHECKS],
                "found": [row[0] for row in rows],
                "fingerprints": [row[8] for row in rows],
            },
        )
        read = [(one.example, traits[one.example]) for one in current]
        cursor.execute(
            _TRAITS,
            [[pk for pk, _ in read], [each.language for _, each in read], [each.mood for _, each in read]],
        )
    return len(rows)


def _locked_as_read(cursor: CursorWrapper, project: Project, checked: Sequence[Checked]) -> list[Checked]:
    """Those whose text is still the one that was read. The lock waits for somebody who edits one of them now, and keeps others from
    doing so for a moment."""
    cursor.execute(
        "SELECT id, content_hash FROM annotation_example WHERE project_id = %s AND id = ANY(%s) ORDER BY id FOR SHARE",
        [project.pk, sorted(one.example for one in checked)],
    )
    hashes = dict(cursor.fetchall())
    return [one for one in checked if hashes.get(one.example) == one.content_hash]


def _lacks_support(findings: Iterable[Finding]) -> bool:
    return any(finding.check == "facts" and finding.kind in _LACKING for finding in findings)


@transaction.atomic
def store_source_findings(
    project: Project, checked: Sequence[Checked], *, salt: str, earlier: Iterable[int]
) -> dict[int, list[int]]:
    """Stores the findings of one source (annotation.registry.FindingSource) in these examples: {example: ids of its findings}, for
    those whose text is still the one that was read; they stay locked until the transaction ends.

    `earlier` are the ids of the source's findings in these examples: those not found again are gone. `salt` tells findings apart that
    the source makes under other conditions.
    """
    with connection.cursor() as cursor:
        current = _locked_as_read(cursor, project, checked)
        rows = [row for one in current for row in _rows(one, salt)]
        if rows:
            cursor.execute(_STORE, [project.pk, *map(list, zip(*rows, strict=True))])
    ids: dict[int, list[int]] = {one.example: [] for one in current}
    made = {(row[0], row[8]) for row in rows}
    stored = ExampleFinding.objects.filter(example__in=ids, fingerprint__in=[row[8] for row in rows])
    for pk, example, fingerprint in stored.order_by("pk").values_list("pk", "example", "fingerprint"):
        if (example, fingerprint) in made:
            ids[example].append(pk)
    kept = [pk for own in ids.values() for pk in own]
    old = ExampleFinding.objects.filter(pk__in=list(earlier), example__in=ids).exclude(pk__in=kept)
    old.filter(status__in=[ExampleFinding.Status.OPEN, ExampleFinding.Status.DISMISSED]).update(
        status=ExampleFinding.Status.GONE
    )
    return ids


def _rows(one: Checked, salt: str = "") -> Iterable[tuple[Any, ...]]:
    prints = fingerprints(one.findings, one.content, salt=salt)
    for finding, fingerprint in zip(one.findings, prints, strict=True):
        spans = [[s.field, s.index, s.start, s.end, s.tone] for s in finding.spans[:_MOST_PLACES]]
        fixes = [[f.field, f.index, f.start, f.end, f.text] for f in finding.fixes]
        yield (
            one.example, finding.example, finding.check, finding.kind[:40], finding.level, finding.says, json.dumps(spans),
            json.dumps(fixes), fingerprint, one.content_hash,
        )  # fmt: skip
