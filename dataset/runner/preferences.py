"""What people said of answers becomes a preference version, in one transaction.

The splits, what is withheld and the hash are those of dataset.runner.freeze: one planner, the same permanent splits of groups, the same
test rows of every earlier version. The texts wait in a file until their order is known.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils import timezone

from annotation.text.hashes import content_hash
from core.database.statistics import analyze
from core.host.scratch import scratch
from core.models import Artifact
from core.runs.context import RunContext, RunFailed
from core.runs.outside import Report, reporting_outside, still_ours
from core.storage import storage
from dataset.models import DatasetRow, DatasetVersion, GroupSplit, Judgement, WithheldRow
from dataset.planning import FreezePlan, Planner
from dataset.preferences import Choice, Preferred, Said
from dataset.queries.preferences import Collector, PreferenceRow, give, shape_of
from dataset.queries.rules import rules_now
from dataset.queries.versions import add_tested_before, decided_splits
from dataset.rows import ContentHash, line_head, text_hash
from dataset.runner.freeze import finish, wait_for_freezes

# The steps, as shares of the progress bar: reading, deciding, writing.
_READ, _DECIDED, _ALL = 45, 70, 100
_TOLD_EVERY = 500
_PORTION = 1000
_SAID = {Said.A: Judgement.Said.COMPLETION, Said.B: Judgement.Said.REJECTED, Said.TIE: Judgement.Said.TIE, Said.BOTH_BAD: Judgement.Said.BOTH_BAD, Said.GOOD: Judgement.Said.GOOD, Said.BAD: Judgement.Said.BAD}  # fmt: skip


@dataclass(frozen=True)
class _Kept:
    """A row that was read; its body is in the file. `opinions` and the like are in `found`, whose texts are empty."""

    example: int
    revision: int
    number: int
    group: str
    slice: str
    at: int
    size: int
    row_hash: str
    prompt: str
    text_hash: str
    has_rejected: bool
    shape: str
    found: Preferred


def run(ctx: RunContext) -> None:
    """The runner of kind "freeze-preferences"."""
    dataset = DatasetVersion.objects.select_related("project", "created_by").get(run=ctx.run)
    if dataset.status == DatasetVersion.Status.READY:
        return  # a worker died after the commit and before its report
    with reporting_outside(ctx) as report, transaction.atomic():
        wait_for_freezes(dataset, report)
        freeze_preferences(dataset, report=report)
        still_ours(ctx.run)
    analyze(DatasetRow, GroupSplit, Judgement)


def freeze_preferences(dataset: DatasetVersion, *, report: Report) -> None:
    """Freezes what people said until now into `dataset`, inside the caller's transaction. Raises RunFailed when that gives no row."""
    with scratch("freeze-preferences") as folder:
        _freeze(dataset, folder, report)


def _freeze(dataset: DatasetVersion, folder: Path, report: Report) -> None:
    bodies = folder / "bodies"
    rules = rules_now(dataset.project).rules(dataset.settings.get("rules", ()))
    collector = Collector(dataset.project, Choice.of(dataset.settings["preferences"]), rules)
    planner = Planner(dataset.settings)
    report(done=0, total=_ALL, message="Reading what people said of answers.", now=True)
    rows = _read(collector, planner, bodies, report)
    if not len(planner):
        raise RunFailed(
            "no_preferences",
            "What people said gives no row. There is nothing to freeze.",
            "The preview counts what is left out and why. Close campaigns, have answers rated or corrected, or choose more sources.",
        )
    report(done=_READ, message=f"Looking for near-duplicates among {len(planner):,} rows.", now=True)
    add_tested_before(dataset.project, planner)
    plan = planner.plan(
        decided_splits(dataset.project),
        tell=lambda share: report(done=_READ + int((_DECIDED - _READ) * share)),
    )
    report(done=_DECIDED, message=f"Writing {plan.counts['total']:,} rows.", now=True)
    out = {-row.example for row in plan.withheld}
    chosen = [row for number, row in enumerate(rows, 1) if number not in out]
    chosen.sort(key=lambda row: (row.row_hash, row.example))
    plan.counts["preferences"] = _counts(collector, chosen)
    _keep(dataset, plan, rows)
    path = folder / "dataset.jsonl"
    content = _write(dataset, plan, chosen, bodies, path, report)
    artifact = storage().put(path, kind=Artifact.Kind.DATASET, moved=True)
    finish(dataset, plan, content, artifact)


def _read(collector: Collector, planner: Planner, bodies: Path, report: Report) -> list[_Kept]:
    rows: list[_Kept] = []
    with bodies.open("wb") as file:
        for row in collector.rows():
            rows.append(_kept(row, at=file.tell()))
            file.write(row.body)
            give(planner, len(rows), row)
            if len(rows) % _TOLD_EVERY == 0:
                # How many there will be is not known: the bar moves, and never reaches the end of this step.
                share = len(rows) / (len(rows) + 20 * _TOLD_EVERY)
                report(done=int(_READ * share), message=f"Read {len(rows):,} rows.")
    return rows


def _kept(row: PreferenceRow, *, at: int) -> _Kept:
    found = row.found
    answered = content_hash(messages=row.messages, context=row.context, completion=found.completion)
    return _Kept(
        example=row.example,
        revision=row.revision,
        number=row.number,
        group=row.group,
        slice=row.slice,
        at=at,
        size=len(row.body),
        row_hash=row.row_hash,
        prompt=row.prompt,
        text_hash=text_hash(answered, found.rejected),
        has_rejected=bool(found.rejected),
        shape=shape_of(found),
        found=Preferred("", "", found.completion_from, found.rejected_from, found.opinions),
    )


def _counts(collector: Collector, chosen: list[_Kept]) -> dict[str, Any]:
    shapes = Counter(row.shape for row in chosen)
    taken = Counter(source for row in chosen for source in {opinion.source for opinion in row.found.opinions})
    return {
        "judged": collector.judged,
        "judgements": collector.judgements,
        **{shape: shapes[shape] for shape in ("pairs", "liked", "disliked")},
        "taken": dict(sorted(taken.items())),
        "outside": dict(sorted(collector.outside.items())),
    }


def _keep(dataset: DatasetVersion, plan: FreezePlan, rows: list[_Kept]) -> None:
    """Stores new groups' permanent splits, and the examples with a withheld row, each with the reason of its first one."""
    now = timezone.now()
    GroupSplit.objects.bulk_create(
        (
            GroupSplit(project=dataset.project, group=name, split=split, decided_at=now)
            for name, split in plan.new.items()
        ),
        batch_size=_PORTION,
    )
    first: dict[int, WithheldRow] = {}
    for row in sorted(plan.withheld, key=lambda row: -row.example):
        of = rows[-row.example - 1]
        repeats = row.repeats
        first.setdefault(
            of.example,
            WithheldRow(
                dataset=dataset,
                example_id=of.example,
                revision_id=of.revision,
                split=row.split,
                reason=row.reason,
                # A test row of this version has its number here, one of an earlier version its example.
                repeats_id=rows[-repeats - 1].example if repeats is not None and repeats < 0 else repeats,
                similarity=row.similarity,
                mark=row.mark,
                rule=row.rule,
            ),
        )
    WithheldRow.objects.bulk_create(first.values(), batch_size=_PORTION)


def _write(
    dataset: DatasetVersion, plan: FreezePlan, chosen: list[_Kept], bodies: Path, path: Path, report: Report
) -> str:
    """Writes the artifact's JSONL, the version's rows and their judgements; returns the content hash."""
    content = ContentHash(dataset.settings)
    variants: dict[int, int] = defaultdict(int)
    done = 0
    with bodies.open("rb") as kept, path.open("wb") as file:
        while done < len(chosen):
            portion = chosen[done : done + _PORTION]
            table: list[DatasetRow] = []
            for position, row in enumerate(portion, done):
                split = plan.splits[row.group]
                content.add(row.row_hash, split)
                body = os.pread(kept.fileno(), row.size, row.at)
                head = line_head(example=row.example, position=position, revision=row.number, split=split)
                # Both objects are canonical JSON: they are joined without parsing the body again.
                file.write(head + body[1:] + b"\n")
                table.append(_table_row(dataset, row, position, split, variants[row.example]))
                variants[row.example] += 1
            stored = DatasetRow.objects.bulk_create(table)
            Judgement.objects.bulk_create(_judgements(stored, portion), batch_size=_PORTION)
            done += len(portion)
            share = _DECIDED + (_ALL - _DECIDED) * done // len(chosen)
            report(done=min(share, _ALL - 1), message=f"Wrote {done:,} of {len(chosen):,} rows.")
    return content.hexdigest()


def _table_row(dataset: DatasetVersion, row: _Kept, position: int, split: str, variant: int) -> DatasetRow:
    return DatasetRow(
        dataset=dataset,
        example_id=row.example,
        revision_id=row.revision,
        position=position,
        split=split,
        row_hash=row.row_hash,
        prompt_hash=row.prompt,
        text_hash=row.text_hash,
        slice=row.slice,
        has_rejected=row.has_rejected,
        variant=variant,
    )


def _judgements(stored: list[DatasetRow], rows: list[_Kept]) -> Iterator[Judgement]:
    for row, kept in zip(stored, rows, strict=True):
        for opinion in kept.found.opinions:
            yield Judgement(
                row=row,
                source=opinion.source,
                key=opinion.key,
                by_id=opinion.by,
                said=_SAID[opinion.said],
                at=opinion.at,
                completion_from=kept.found.completion_from[:200],
                rejected_from=kept.found.rejected_from[:200],
            )
