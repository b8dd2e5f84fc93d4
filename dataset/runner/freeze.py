"""Approved examples become a dataset version, in one transaction and with bounded memory.

What each row needs is kept in some 150 bytes, and the rows themselves in a file until their order is known.
A cancelled, killed or failed freeze leaves no split and no row; another worker starts it again.
"""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import transaction
from django.utils import timezone

from annotation.queries.counts import changes_so_far
from core.audit.entries import record
from core.database.constraints import checked_at_once
from core.database.statistics import analyze
from core.database.transitions import transition
from core.host.scratch import scratch
from core.models import Artifact
from core.runs.context import RunContext, RunFailed
from core.runs.outside import Report, reporting_outside, still_ours, wait_for_turn
from core.services.events import publish
from core.storage import storage
from dataset.actions import DatasetAction
from dataset.models import DatasetRow, DatasetVersion, GroupSplit, WithheldRow
from dataset.planning import FreezePlan, Planner
from dataset.queries.rules import rules_now
from dataset.queries.versions import add_tested_before, approved, decided_splits
from dataset.rows import ContentHash, line_head
from dataset.runner.bulk import CopiesBehind, cell
from dataset.runner.comparing import PromptsElsewhere
from dataset.runner.gathering import GatheredRows, gather

# The steps of a freeze, as shares of the progress bar: reading, deciding, writing.
_READ, _DECIDED, _ALL = 45, 70, 100
# From this number of rows, a second process is worth its start (0.4 s).
_ELSEWHERE_FROM = 5000

_ROW_COLUMNS = (
    "dataset_id", "example_id", "revision_id", "position", "split", "row_hash", "prompt_hash", "text_hash", "slice", "has_rejected",
)  # fmt: skip
_WITHHELD_COLUMNS = (
    "dataset_id", "example_id", "revision_id", "split", "reason", "repeats_id", "similarity", "mark", "rule",
)  # fmt: skip
# Rows that are written by one COPY.
_PORTION = 10_000


def run(ctx: RunContext) -> None:
    """The runner of kind "freeze". Its run belongs to one DatasetVersion, which holds the settings."""
    dataset = DatasetVersion.objects.select_related("project", "created_by").get(run=ctx.run)
    if dataset.status == DatasetVersion.Status.READY:
        return  # a worker died after the commit and before its report
    with reporting_outside(ctx) as report, _without_collector(), transaction.atomic():
        wait_for_freezes(dataset, report)
        freeze(dataset, report=report)
        still_ours(ctx.run)
    analyze(DatasetRow, GroupSplit)


def wait_for_freezes(dataset: DatasetVersion, report: Report) -> None:
    """Two versions of a project, of any kind, decide their splits one after the other."""
    wait_for_turn(
        f"annotation.freeze.{dataset.project_id}",
        report=report,
        message="Waiting for another freeze of this project.",
    )


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
        rows = gather(
            planner,
            examples,
            rules,
            bodies,
            lambda done: report(
                done=_READ * done // max(done, expected), message=f"Read {done:,} of {expected:,} examples."
            ),
        )
        report(
            done=_READ, total=_ALL, message=f"Looking for near-duplicates among {len(rows):,} rows.", now=True
        )
        plan = _plan(dataset, planner, report)
    report(done=_DECIDED, message=f"Writing {plan.counts['total']:,} rows.", now=True)
    path = folder / "dataset.jsonl"
    with checked_at_once(), CopiesBehind() as behind:
        _keep(dataset, plan, rows, behind)
        content = _write(_Frozen(dataset, plan, planner, rows), bodies, path, behind, report)
    artifact = storage().put(path, kind=Artifact.Kind.DATASET, moved=True)
    finish(dataset, plan, content, artifact)


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


def finish(dataset: DatasetVersion, plan: FreezePlan, content: str, artifact: Artifact) -> None:
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


def _keep(dataset: DatasetVersion, plan: FreezePlan, rows: GatheredRows, behind: CopiesBehind) -> None:
    """Stores the plan: new groups' permanent splits and the withheld rows."""
    now = timezone.now().isoformat()
    behind.copy(
        GroupSplit,
        ("project_id", "group", "split", "decided_at"),
        [f"{dataset.project_id}\t{cell(name)}\t{split}\t{now}" for name, split in plan.new.items()],
    )
    revisions = rows.revisions_of({row.example for row in plan.withheld})
    behind.copy(
        WithheldRow,
        _WITHHELD_COLUMNS,
        [
            "\t".join(
                (str(dataset.pk), str(row.example), str(revisions[row.example]), row.split, row.reason, _number(row.repeats),
                 _number(row.similarity), cell(row.mark), row.rule)
            )
            for row in plan.withheld
        ],
    )  # fmt: skip


def _number(value: float | None) -> str:
    return "\\N" if value is None else repr(value)


class _Frozen:
    """The rows of the version in their order, each with what the artifact and the table say of it."""

    def __init__(
        self, dataset: DatasetVersion, plan: FreezePlan, planner: Planner, rows: GatheredRows
    ) -> None:
        self.dataset, self.rows, self.total = dataset, rows, plan.counts["total"]
        self.order = rows.in_order(without={row.example for row in plan.withheld})
        splits = [plan.splits[name] for name in planner.groups.names()]
        self._splits = [splits[group] for group in planner.groups.rows]
        self._slices = list(map(cell, planner.slices.names()))
        self._slice_of = planner.slices.rows

    def head(self, row: int, position: int) -> bytes:
        """The beginning of its line in the artifact: all but what its canonical body says."""
        example, revision = self.rows.examples[row], self.rows.numbers[row]
        return line_head(example=example, position=position, revision=revision, split=self._splits[row])

    def line(self, row: int, position: int, row_sha256: str) -> str:
        rows = self.rows
        return (
            f"{self.dataset.pk}\t{rows.examples[row]}\t{rows.revisions[row]}\t{position}\t{self._splits[row]}\t{row_sha256}\t"
            f"{rows.prompt_hash(row)}\t{rows.text_hash(row)}\t{self._slices[self._slice_of[row]]}\t"
            f"{'t' if rows.have_rejected[row] else 'f'}"
        )

    def split(self, row: int) -> str:
        return self._splits[row]


def _write(frozen: _Frozen, bodies: Path, path: Path, behind: CopiesBehind, report: Report) -> str:
    """Writes the artifact's JSONL and the version's rows; returns the content hash."""
    content = ContentHash(frozen.dataset.settings)
    rows, done = frozen.rows, 0
    with bodies.open("rb") as kept, path.open("wb") as file:
        while done < len(frozen.order):
            portion = frozen.order[done : done + _PORTION]
            lines = []
            for position, row in enumerate(portion, done):
                sha256 = rows.row_hash(row)
                content.add(sha256, frozen.split(row))
                # Both objects are canonical JSON: they are joined without parsing the body again.
                body = os.pread(kept.fileno(), rows.sizes[row], rows.at[row])
                file.write(frozen.head(row, position) + body[1:] + b"\n")
                lines.append(frozen.line(row, position, sha256))
            behind.copy(DatasetRow, _ROW_COLUMNS, lines)
            done += len(portion)
            share = _DECIDED + (_ALL - _DECIDED) * done // max(frozen.total, 1)
            report(done=min(share, _ALL - 1), message=f"Wrote {done:,} of {frozen.total:,} rows.")
    return content.hexdigest()
