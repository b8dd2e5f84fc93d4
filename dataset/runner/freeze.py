"""Approved examples become a dataset version, in one transaction and with bounded memory.

The rows go through a temporary table, so that PostgreSQL, and not this process, sorts and joins a million of them.
A cancelled, killed or failed freeze leaves no split and no row; another worker starts it again.
"""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path

from django.db import connection, transaction
from django.utils import timezone

from annotation.queries.counts import changes_so_far
from core.audit.entries import record
from core.database.statistics import analyze
from core.database.transitions import transition
from core.host.scratch import scratch
from core.models import Artifact
from core.runs.context import RunContext, RunFailed
from core.runs.outside import Report, reporting_outside, still_ours, wait_for_turn
from core.services.events import publish
from core.storage import storage
from dataset.actions import DatasetAction
from dataset.models import DatasetRow, DatasetVersion, GroupSplit
from dataset.planning import FreezePlan, Planner
from dataset.queries.rules import rules_now
from dataset.queries.versions import add_tested_before, approved, decided_splits
from dataset.rows import ContentHash
from dataset.runner.bulk import cell, copy_text
from dataset.runner.comparing import PromptsElsewhere
from dataset.runner.gathering import BATCH, gather

# The steps of a freeze, as shares of the progress bar: reading, deciding, writing.
_READ, _DECIDED, _ALL = 45, 70, 100
# From this number of rows, a second process is worth its start (0.4 s).
_ELSEWHERE_FROM = 5000

# The canonical rows themselves are in a file, each with its place (`at`, `size`) in the table: PostgreSQL sorts and joins without them.
# Temporary tables are filled and then analysed, so that every join below is planned for the real data; the
# statistics of the permanent tables can be older than the last freeze.
_TABLES = """
DROP TABLE IF EXISTS freeze_row, freeze_split, freeze_withheld;
CREATE TEMPORARY TABLE freeze_row (
    example_id bigint PRIMARY KEY, revision_id bigint, revision integer,
    "group" text, prompt_hash text, row_hash text, at bigint, size integer, text_hash text, slice text, has_rejected boolean
) ON COMMIT DROP;
CREATE TEMPORARY TABLE freeze_split ("group" text PRIMARY KEY, split text) ON COMMIT DROP;
CREATE TEMPORARY TABLE freeze_withheld (
    example_id bigint PRIMARY KEY, split text, reason text, repeats_id bigint, similarity double precision, mark text,
    rule text
) ON COMMIT DROP
"""
_WITHHOLD = """
INSERT INTO datasets_withheldrow
    (dataset_id, example_id, revision_id, split, reason, repeats_id, similarity, mark, rule)
SELECT %s, w.example_id, r.revision_id, w.split, w.reason, w.repeats_id, w.similarity, w.mark, w.rule
FROM freeze_withheld w JOIN freeze_row r USING (example_id)
ORDER BY w.example_id
"""
_KEPT = """
SELECT r.example_id, r.revision_id, r.revision, r.prompt_hash, r.row_hash, r.at, r.size, s.split,
       r.text_hash, r.slice, r.has_rejected
FROM freeze_row r JOIN freeze_split s USING ("group")
WHERE NOT EXISTS (SELECT FROM freeze_withheld w WHERE w.example_id = r.example_id)
ORDER BY r.row_hash COLLATE "C", r.example_id
"""


# Written without instances of the model, which would cost as much as all the rest of writing.
_ROWS = """
COPY datasets_datasetrow (
    dataset_id, example_id, revision_id, position, split, row_hash, prompt_hash, text_hash, slice, has_rejected
) FROM STDIN
"""


def run(ctx: RunContext) -> None:
    """The runner of kind "freeze". Its run belongs to one DatasetVersion, which holds the settings."""
    dataset = DatasetVersion.objects.select_related("project", "created_by").get(run=ctx.run)
    if dataset.status == DatasetVersion.Status.READY:
        return  # a worker died after the commit and before its report
    with reporting_outside(ctx) as report, _without_collector(), transaction.atomic():
        # Two versions of a project decide their splits one after the other.
        wait_for_turn(
            f"annotation.freeze.{dataset.project_id}",
            report=report,
            message="Waiting for another freeze of this project.",
        )
        freeze(dataset, report=report)
        still_ours(ctx.run)
    analyze(DatasetRow, GroupSplit)


@contextmanager
def _without_collector() -> Iterator[None]:
    """A freeze holds a hundred thousand objects and makes no circles of them: looking for circles again and again would be a
    third of its work."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def freeze(dataset: DatasetVersion, *, report: Report) -> None:
    """Freezes what is approved now into `dataset`, inside the caller's transaction.

    Decides splits for new groups, withholds rows that would leak test rows, writes rows and artifact, marks the
    version ready and publishes "dataset.frozen". Raises RunFailed when nothing approved matches.
    """
    with connection.cursor() as cursor:
        cursor.execute(_TABLES)
    with scratch("freeze") as folder:
        _freeze(dataset, folder, report)


def _freeze(dataset: DatasetVersion, folder: Path, report: Report) -> None:
    # Before the examples are read: what changes from now on may be missing in this version.
    dataset.changes_seen = changes_so_far()
    bodies = folder / "bodies"
    examples = approved(
        dataset.project, slices=dataset.settings["slices"], sources=dataset.settings["sources"]
    )
    expected = examples.count()
    if not expected:
        raise RunFailed(
            "nothing_approved",
            "No approved example matches. There is nothing to freeze.",
            "Approve examples first, or freeze without the filters.",
        )
    report(done=0, total=_ALL, message=f"Reading {expected:,} approved examples.", now=True)
    rules = rules_now(dataset.project).rules(dataset.settings.get("rules", ()))
    with _planner(dataset, expected) as planner:
        total = gather(
            planner,
            examples,
            rules,
            bodies,
            lambda done: report(
                done=_READ * done // max(done, expected), message=f"Read {done:,} of {expected:,} examples."
            ),
        )
        report(done=_READ, total=_ALL, message=f"Looking for near-duplicates among {total:,} rows.", now=True)
        plan = _plan(dataset, planner, report)
    _keep(dataset, plan)
    kept = plan.counts["total"]
    report(done=_DECIDED, message=f"Writing {kept:,} rows.", now=True)
    path = folder / "dataset.jsonl"
    content = _write(dataset, bodies, path, kept, report)
    artifact = storage().put(path, kind=Artifact.Kind.DATASET)
    _finish(dataset, plan, content, artifact)


@contextmanager
def _planner(dataset: DatasetVersion, rows: int) -> Iterator[Planner]:
    """Many rows are compared in a process of their own, on another core."""
    if rows < _ELSEWHERE_FROM or not dataset.settings.get("separate_near_duplicates", True):
        yield Planner(dataset.settings)
        return
    with PromptsElsewhere() as prompts:
        yield Planner(dataset.settings, prompts)


def _plan(dataset: DatasetVersion, planner: Planner, report: Report) -> FreezePlan:
    if not len(planner):
        raise RunFailed(
            "nothing_usable",
            "All approved examples that match break a data rule of the project or contain a control mark of chat templates. "
            "There is nothing to freeze.",
            "The preview counts them by rule. Complete the sources, change the rules, or remove the marks. Then freeze again.",
        )
    add_tested_before(dataset.project, planner)
    return planner.plan(
        decided_splits(dataset.project),
        tell=lambda share: report(done=_READ + int((_DECIDED - _READ) * share)),
    )


def _finish(dataset: DatasetVersion, plan: FreezePlan, content: str, artifact: Artifact) -> None:
    """Marks the version ready, names the earlier version with the same content, records and publishes it."""
    same_as = (
        DatasetVersion.objects.filter(
            project=dataset.project_id, status=DatasetVersion.Status.READY, content_hash=content
        )
        .order_by("number")
        .first()
    )
    transition(
        dataset,
        DatasetVersion.Status.READY,
        content_hash=content,
        artifact=artifact,
        same_as=same_as,
        counts=plan.counts,
        changes_seen=dataset.changes_seen,
    )
    record(
        by=dataset.created_by,
        project=dataset.project,
        action=DatasetAction.DATASET_FROZEN,
        obj=dataset,
        content_hash=content,
        rows=plan.counts["total"],
        withheld=plan.counts["withheld"],
    )
    publish(project=dataset.project, kind="dataset.frozen", payload={"dataset": dataset.pk})


def _keep(dataset: DatasetVersion, plan: FreezePlan) -> None:
    """Stores the plan: new groups' permanent splits and the withheld rows, both also as tables for writing the rows."""
    now = timezone.now().isoformat()
    copy_text(
        GroupSplit,
        ("project_id", "group", "split", "decided_at"),
        (f"{dataset.project_id}\t{cell(name)}\t{split}\t{now}" for name, split in plan.new.items()),
    )
    with connection.cursor() as cursor:
        with cursor.copy("COPY freeze_split FROM STDIN") as copy:
            copy.write("".join([f"{cell(name)}\t{split}\n" for name, split in plan.splits.items()]))
        with cursor.copy("COPY freeze_withheld FROM STDIN") as copy:
            for left_out in plan.withheld:
                copy.write_row(astuple(left_out))
        cursor.execute("ANALYZE freeze_split, freeze_withheld")
        cursor.execute(_WITHHOLD, [dataset.pk])


def _write(dataset: DatasetVersion, bodies: Path, path: Path, total: int, report: Report) -> str:
    """Writes the artifact's JSONL and the version's rows; returns the content hash."""
    content = ContentHash(dataset.settings)
    position = 0
    with bodies.open("rb") as kept, path.open("wb") as file, connection.chunked_cursor() as cursor:
        cursor.execute(_KEPT)
        while chunk := cursor.fetchmany(BATCH):
            lines = []
            for example, revision_id, revision, prompt, sha256, at, size, split, *facts in chunk:
                content.add(sha256, split)
                text, slice_name, has_rejected = facts
                # Both objects are canonical JSON: they are joined without parsing the body again.
                head = f'{{"example":{example},"position":{position},"revision":{revision},"split":"{split}",'
                body = os.pread(kept.fileno(), size, at)
                file.write(b"%s%s\n" % (head.encode(), body[1:]))
                lines.append(
                    f"{dataset.pk}\t{example}\t{revision_id}\t{position}\t{split}\t{sha256}\t{prompt}\t{text}\t"
                    f"{cell(slice_name)}\t{'t' if has_rejected else 'f'}\n"
                )
                position += 1
            with connection.cursor() as rows, rows.copy(_ROWS) as copy:
                copy.write("".join(lines))
            done = _DECIDED + (_ALL - _DECIDED) * position // max(total, 1)
            report(done=min(done, _ALL - 1), message=f"Wrote {position:,} of {total:,} rows.")
    return content.hexdigest()
