"""Who imported, wrote, approved and reviewed the completions of examples, with the same words on every page.

* imported by: who uploaded the file of an example; its text was written elsewhere.
* written by: everybody who typed words of the completion here that are still in it: its writer, its editors, a reviewer who
  corrected it. An undone correction does not count.
* approved by: who approved it, and how: in review, in bulk (without opening it), or at import ("approved without review").
* reviewed by: a person who accepted it, did not undo that, and did not write the whole completion. Examples without such
  a review are counted as not reviewed.

All of it belongs to one revision: later work on an example does not change it for a frozen dataset version.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from django.db import connection

from annotation.models import Example, Revision
from core.keeping import kept
from core.models import User
from core.wording import noun
from dataset.models import DataImport, DatasetVersion, VersionReport

How = Literal["review", "bulk", "import", ""]
KEEP_SECONDS = 7 * 24 * 3600
HOW = {"review": "in review", "bulk": "in bulk, without opening each", "import": "at import, without review"}

# `picked` is (example_id, revision_id, number). Only revisions that can have typed words are read with texts: the first revision
# of an imported example was written elsewhere.
_FACTS = """
facts AS MATERIALIZED (
    SELECT p.example_id, p.revision_id, p.number, e.origin, e.import_id, e.source,
           CASE WHEN e.origin = 'import' THEN coalesce(b.created_by_id, e.created_by_id) END AS importer_id,
           e.origin = 'import' AND p.number = 1 AND b.destination = 'approved' AS as_they_came,
           e.origin = 'import' AND CASE WHEN e.revision = 1 THEN e.completion <> '' ELSE EXISTS (
               SELECT FROM annotation_revision a
               WHERE a.example_id = p.example_id AND a.number = 1 AND a.content->>'completion' <> ''
           ) END AS elsewhere
    FROM picked p JOIN annotation_example e ON e.id = p.example_id
    LEFT JOIN datasets_dataimport b ON b.id = e.import_id
),
texts AS (
    SELECT v.example_id, v.number, v.by_id, v.reason, f.origin, v.content->>'completion' AS words,
           lag(v.content->>'completion') OVER turns AS words_before, lead(v.reason) OVER turns AS reason_after
    FROM facts f JOIN annotation_revision v ON v.example_id = f.example_id AND v.number <= f.number
    WHERE f.number > 1 OR f.origin <> 'import'
    WINDOW turns AS (PARTITION BY v.example_id ORDER BY v.number)
),
typed AS (
    SELECT example_id, array_agg(DISTINCT by_id ORDER BY by_id) AS writers
    FROM texts
    WHERE by_id IS NOT NULL AND words <> '' AND words IS DISTINCT FROM words_before AND reason <> 'restored'
      AND NOT (reason = 'corrected' AND reason_after IS NOT DISTINCT FROM 'restored')
      AND NOT (reason = 'arrived' AND origin = 'import')
    GROUP BY example_id
),
accepted AS (
    SELECT DISTINCT ON (f.example_id) f.example_id, v.by_id, v.in_bulk, v.at
    FROM facts f JOIN annotation_review v ON v.revision_id = f.revision_id
    WHERE v.verdict = 'accepted' AND v.undone_at IS NULL
    ORDER BY f.example_id, v.id DESC
),
known AS (
    SELECT f.example_id, f.import_id, f.importer_id, f.source, f.elsewhere, coalesce(t.writers, '{}') AS writers,
           coalesce(a.by_id, CASE WHEN f.as_they_came THEN f.importer_id END) AS approver_id,
           CASE WHEN a.in_bulk THEN 'bulk' WHEN a.by_id IS NOT NULL THEN 'review'
                WHEN f.as_they_came THEN 'import' ELSE '' END AS how,
           a.by_id IS NOT NULL AND (f.elsewhere OR coalesce(t.writers, '{}') <> ARRAY[a.by_id]) AS reviewed,
           a.at
    FROM facts f LEFT JOIN typed t USING (example_id) LEFT JOIN accepted a USING (example_id)
)
"""
_ROWS = """
WITH picked AS MATERIALIZED (
    SELECT d.example_id, d.revision_id, v.number
    FROM datasets_datasetrow d JOIN annotation_revision v ON v.id = d.revision_id
    WHERE d.dataset_id = %(dataset)s AND (%(split)s = '' OR d.split = %(split)s)
      AND (%(positions)s::int[] IS NULL OR d.position = ANY(%(positions)s::int[]))
),
"""
_REVISIONS = """
WITH picked AS MATERIALIZED (
    SELECT example_id, id AS revision_id, number FROM annotation_revision WHERE id = ANY(%(revisions)s::bigint[])
),
"""
_GROUPED = """
SELECT importer_id, source, elsewhere, writers, approver_id, how, reviewed, count(*)
FROM known GROUP BY 1, 2, 3, 4, 5, 6, 7
"""
_EACH = """
SELECT example_id, import_id, importer_id, source, elsewhere, writers, approver_id, how, reviewed, at FROM known
"""


def _select(sql: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall()


# --- many rows ---------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class ContributorShare:
    """A person and their number of rows; for approvals also `how` they approved them."""

    person: User
    rows: int
    how: str = ""

    @property
    def how_words(self) -> str:
        return HOW.get(self.how, "")


@dataclass(frozen=True)
class Contributors:
    """The people behind a set of rows, each list by number of rows. Counts are of rows.

    `elsewhere` was imported and its completion not changed here, `edited` was imported and changed here, `here` was
    written here. `sources` is [(name of a source, rows)] of the first two.
    """

    rows: int = 0
    reviewed_rows: int = 0
    elsewhere: int = 0
    edited: int = 0
    here: int = 0
    imported: list[ContributorShare] = field(default_factory=list)
    written: list[ContributorShare] = field(default_factory=list)
    approved: list[ContributorShare] = field(default_factory=list)
    reviewed: list[ContributorShare] = field(default_factory=list)
    sources: list[tuple[str, int]] = field(default_factory=list)

    @property
    def never_reviewed(self) -> int:
        return self.rows - self.reviewed_rows

    @property
    def reviewed_words(self) -> str:
        """ "273 of 312 rows were not reviewed." """
        if not self.rows:
            return "It has no rows."
        if not self.never_reviewed:
            return noun(self.rows, "The one row was reviewed.", f"All {self.rows:,} rows were reviewed.")
        if self.never_reviewed == self.rows:
            return noun(
                self.rows, "The one row was not reviewed.", f"None of the {self.rows:,} rows was reviewed."
            )
        verb = noun(self.never_reviewed, "was", "were")
        return f"{self.never_reviewed:,} of {self.rows:,} rows {verb} not reviewed."

    @property
    def sentence(self) -> str:
        """All of it in one line, for a step of a lineage: at most four names of each kind."""
        parts = [
            f"{words} {_names(shares)}"
            for words, shares in (
                ("imported by", self.imported),
                ("written by", self.written),
                ("approved by", self.approved),
                ("reviewed by", self.reviewed),
            )
            if shares
        ]
        return "; ".join([*parts, self.reviewed_words[:-1]])

    @property
    def approved_how(self) -> dict[str, int]:
        """Rows by how they were approved: {"review" | "bulk" | "import": rows}."""
        rows: Counter[str] = Counter()
        for share in self.approved:
            rows[share.how] += share.rows
        return dict(rows)

    @property
    def names(self) -> list[str]:
        """Everybody once, by name."""
        shares = [*self.imported, *self.written, *self.approved, *self.reviewed]
        return sorted({share.person.name for share in shares})


def _names(shares: Sequence[ContributorShare], most: int = 4) -> str:
    names = list(dict.fromkeys(share.person.name for share in shares))
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def counted_people(
    dataset: int, split: str = "", positions: Sequence[int] | None = None
) -> list[Sequence[Any]]:
    """The rows of a version (its primary key) by what `people_behind` tells of them. One query over all rows."""
    values = {"dataset": dataset, "split": split, "positions": positions}
    return [list(group) for group in _select(_ROWS + _FACTS + _GROUPED, values)]


def _reported(dataset: DatasetVersion) -> list[Sequence[Any]] | None:
    """The same, as a worker counted it for the report."""
    report = VersionReport.objects.filter(dataset=dataset, made_at__isnull=False).first()
    return report.facts.get("people") if report else None


def people_behind(
    dataset: DatasetVersion,
    *,
    split: str = "",
    positions: Iterable[int] | None = None,
) -> Contributors:
    """The people who made a dataset version's rows: of one split, or only of the rows at `positions`.

    Three queries at first, one afterwards: a frozen version does not change, so it is counted once (about a
    second for 100,000 rows) and cached. Those of a whole version are in its report, too.
    """
    chosen = None if positions is None else list(positions)
    named = {"dataset": dataset.pk, "split": split, "positions": chosen}
    key = "provenance." + hashlib.sha256(json.dumps(named).encode()).hexdigest()

    def count() -> list[Sequence[Any]]:
        reported = _reported(dataset) if not split and chosen is None else None
        return reported or counted_people(dataset.pk, split, chosen)

    imported: Counter[int] = Counter()
    written: Counter[int] = Counter()
    approved: Counter[tuple[int, str]] = Counter()
    reviewed: Counter[int] = Counter()
    sources: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for importer, source, elsewhere, writers, approver, how, was_reviewed, rows in kept(
        key, count, seconds=KEEP_SECONDS
    ):
        counts["rows"] += rows
        counts["elsewhere" if elsewhere and not writers else "edited" if elsewhere else "here"] += rows
        if importer is not None:
            imported[importer] += rows
        if elsewhere and source:
            sources[source] += rows
        for writer in writers:
            written[writer] += rows
        if approver is not None:
            approved[approver, how] += rows
        if was_reviewed:
            counts["reviewed_rows"] += rows
            reviewed[approver] += rows
    users = User.objects.in_bulk({*imported, *written, *reviewed, *(pk for pk, _ in approved)})
    return Contributors(
        **counts,
        imported=_shares(imported, users),
        written=_shares(written, users),
        approved=sorted(
            (ContributorShare(users[pk], rows, how) for (pk, how), rows in approved.items()), key=by_rows
        ),
        reviewed=_shares(reviewed, users),
        sources=sources.most_common(),
    )


def by_rows(share: ContributorShare) -> tuple[int, str, str]:
    return -share.rows, share.person.name, share.how


def _shares(counts: Counter[int], users: dict[int, User]) -> list[ContributorShare]:
    return sorted((ContributorShare(users[pk], rows) for pk, rows in counts.items()), key=by_rows)


# --- single examples ---------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Provenance:
    """Who did what with one revision of one example. `elsewhere`: its completion was imported; with empty
    `writers` it did not change after that. `approver` is None when it is not approved, or when the person is not known."""

    elsewhere: bool = False
    source: str = ""
    imported_in: DataImport | None = None
    importer: User | None = None
    writers: list[User] = field(default_factory=list)
    approver: User | None = None
    how: How = ""
    reviewer: User | None = None
    at: datetime | None = None

    @property
    def how_words(self) -> str:
        return (
            HOW.get(self.how, "")
            .replace("they", "it")
            .replace(", without opening each", ", without opening it")
        )

    @property
    def written_words(self) -> str:
        """ "Mo Haddad", "elsewhere (Archive 2024)" or "elsewhere (Archive 2024), edited by Mo Haddad"."""
        names = ", ".join(person.name for person in self.writers)
        if not self.elsewhere:
            return names or "not known"
        where = f"elsewhere ({self.source})" if self.source else "elsewhere"
        return f"{where}, edited by {names}" if names else where


def provenance_of(revisions: Iterable[Revision]) -> dict[int, Provenance]:
    """{example id: its provenance} at each of these revisions, at most one of an example. Three queries."""
    rows = _select(_REVISIONS + _FACTS + _EACH, {"revisions": [revision.pk for revision in revisions]})
    people: set[int] = set()
    for _, _, importer, _, _, writers, approver, _, _, _ in rows:
        people |= {pk for pk in (importer, approver, *writers) if pk is not None}
    users = User.objects.in_bulk(people)
    imports = DataImport.objects.in_bulk({row[1] for row in rows if row[1] is not None})
    return {
        example: Provenance(
            elsewhere=elsewhere,
            source=source or "",
            imported_in=imports.get(import_id),
            importer=users.get(importer),
            writers=[users[pk] for pk in writers],
            approver=users.get(approver),
            how=how,
            reviewer=users.get(approver) if reviewed else None,
            at=at,
        )
        for example, import_id, importer, source, elsewhere, writers, approver, how, reviewed, at in rows
    }


def example_provenance(example: Example) -> Provenance:
    """Of the example as it is now. Four queries."""
    revision = Revision.objects.filter(example=example, number=example.revision).first()
    return provenance_of([revision])[example.pk] if revision else Provenance(source=example.source or "")
