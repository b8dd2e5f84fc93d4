"""Runs the text checks over the examples of a project, in a worker, on two cores, and stores what they find."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from django.db import OperationalError
from django.db.models import QuerySet

from annotation.models import Example, ExampleFinding
from annotation.registry import base_of_lengths
from annotation.runner.side import UncheckedRow, checked_rows
from annotation.services.found import Checked, store_findings
from core.database.races import sqlstate
from core.database.statistics import analyze
from core.models import Project, Run
from core.runs.context import RunContext

CHUNK = 200
_TRIES, _DEADLOCK = 3, "40P01"
_MANY = 20_000  # examples from which PostgreSQL should know the new table's statistics at once


def run(ctx: RunContext) -> None:
    """The runner of kind "check-project". Started again, it goes on behind the last example whose findings are stored."""
    assert ctx.run.project is not None
    check_project(ctx.run.project, ctx)


def check_project(project: Project, ctx: RunContext) -> None:
    examples = _examples(project, ctx.params)
    after, found = int(ctx.params.get("after") or 0), int(ctx.params.get("found") or 0)
    total = examples.count()
    done = examples.filter(pk__lte=after).count() if after else 0
    left = total - done
    ctx.report(done=done, total=total, message=f"Reading {total:,} examples.", now=True)
    base_of_lengths(project)  # asked here: the second process makes no query
    for chunk in checked_rows(project, _chunks(examples.filter(pk__gt=after)), rows=left):
        found += _store(project, chunk)
        done += len(chunk)
        _keep_place(ctx, chunk, found)
        ctx.report(done=done, message=f"Checked {done:,} of {total:,} examples: {found:,} findings.")
    if left > _MANY:
        analyze(ExampleFinding)
    ctx.report(done=total, message=f"Checked {done:,} examples: {found:,} findings.", now=True)


def _store(project: Project, chunk: list[Checked]) -> int:
    """Again when it was stopped for somebody who decided about the same findings in another order (a deadlock)."""
    for _ in range(_TRIES):
        try:
            return store_findings(project, chunk)
        except OperationalError as error:
            if sqlstate(error) != _DEADLOCK:
                raise
    return store_findings(project, chunk)


def _keep_place(ctx: RunContext, chunk: list[Checked], found: int) -> None:
    ctx.params |= {"after": chunk[-1].example, "found": found}
    Run.objects.filter(pk=ctx.run.pk, claim=ctx.run.claim).update(params=ctx.params)


def _examples(project: Project, params: dict[str, Any]) -> QuerySet[Example]:
    examples = Example.objects.filter(project=project).exclude(status=Example.Status.RETIRED)
    if params.get("import"):
        examples = examples.filter(import_id=params["import"])
    return examples.order_by("pk")


def _chunks(examples: QuerySet[Example]) -> Iterator[list[UncheckedRow]]:
    columns = ("pk", "content_hash", "messages", "context", "completion")
    rows = (
        UncheckedRow(pk, content_hash, {"messages": messages, "context": context, "completion": completion})
        for pk, content_hash, messages, context, completion in examples.values_list(*columns).iterator(
            CHUNK * 5
        )
    )
    while chunk := list(islice(rows, CHUNK)):
        yield chunk
