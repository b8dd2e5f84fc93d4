"""A decision about many findings, in a worker: batch after batch, each stored before the next one starts."""

import uuid
from typing import Any

from django.db.models import QuerySet

from annotation.models import ExampleFinding
from annotation.queries.findings import find_findings
from annotation.services.findings import Settled
from annotation.services.fixing import undo_fixes
from annotation.services.quality import DISMISS, FIX, LEAVE_OUT, UNDO_FIXES, settle_now
from core.models import Project, Run, User
from core.runs.context import RunContext, RunFailed

_BATCH = {FIX: 20, UNDO_FIXES: 20}
_MANY = 1000


def run(ctx: RunContext) -> None:
    """The runner of kind "settle-findings". Started again, it goes on with what is left: a settled finding does not match any more."""
    project, by = ctx.run.project, ctx.run.created_by
    if project is None or by is None:
        raise RunFailed("no_person", "Nobody started this.", "Start it again on the page of findings.")
    action = str(ctx.params["do"])
    findings = _chosen(project, action, ctx.params)
    ids = list(findings.order_by("example_id", "pk").values_list("pk", flat=True))
    done, left = int(ctx.params.get("settled") or 0), 0
    ctx.report(done=0, total=len(ids), message="Starting.", now=True)
    size = _BATCH.get(action, _MANY)
    for at in range(0, len(ids), size):
        outcome = _settle(project, by, action, ids[at : at + size], ctx.params)
        done, left = done + outcome.findings, left + len(outcome.left)
        ctx.report(done=min(at + size, len(ids)), message=_words(done, left))
        _keep(ctx, done, left)
    ctx.report(done=len(ids), message=_words(done, left), now=True)


def _keep(ctx: RunContext, done: int, left: int) -> None:
    """The page of findings says it after the end."""
    ctx.params |= {"settled": done, "left": left}
    Run.objects.filter(pk=ctx.run.pk, claim=ctx.run.claim).update(params=ctx.params)


def _chosen(project: Project, action: str, params: dict[str, Any]) -> QuerySet[ExampleFinding]:
    if action == UNDO_FIXES:
        return ExampleFinding.objects.filter(
            project=project, batch=params["batch"], status=ExampleFinding.Status.FIXED
        )
    return find_findings(project, params["criteria"])


def _settle(project: Project, by: User, action: str, ids: list[int], params: dict[str, Any]) -> Settled:
    findings = ExampleFinding.objects.filter(pk__in=ids)
    if action == UNDO_FIXES:
        return undo_fixes(by=by, project=project, findings=findings)
    reason = str(params.get("reason") or "") if action in (DISMISS, LEAVE_OUT) else ""
    return settle_now(
        by=by,
        project=project,
        action=action,
        findings=findings,
        reason=reason,
        batch=uuid.UUID(params["batch"]),
    )


def _words(done: int, left: int) -> str:
    words = f"{done:,} findings settled."
    return (
        f"{words} {left:,} examples were left as they are: open, changed or without a fix that fits."
        if left
        else words
    )
