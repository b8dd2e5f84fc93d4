"""Reads every row once, in a worker: who is named in it, and what its completion is like; then compares the groups."""

from collections.abc import Iterator
from typing import Any

from core.runs.context import RunContext, RunFailed
from core.runs.outside import Report
from dataset.fairness.counting import AuditTally, facts_of
from dataset.models import BiasAudit
from dataset.queries.lexicons import frozen_lexicons
from dataset.queries.versions import approved
from dataset.rows import iter_rows
from dataset.services.audits import finish_audit

_TOLD_EVERY = 200
_COLUMNS = ("id", "messages", "context", "completion", "group")


def run(ctx: RunContext) -> None:
    """The runner of kind "bias-audit"."""
    audit = BiasAudit.objects.select_related("project", "dataset__artifact", "created_by").get(run=ctx.run)
    if audit.made_at is not None:
        return  # a worker died after the end and before its report
    make_audit(audit, tell=ctx.report)


def make_audit(audit: BiasAudit, *, tell: Report) -> None:
    """Fills the audit. Nothing is written before the end, so an attempt that ends early leaves nothing."""
    tally = AuditTally(frozen_lexicons(audit))
    total = audit.dataset.counts["total"] if audit.dataset else approved(audit.project).count()
    tell(done=0, total=total, message=f"Reading {total:,} rows.", now=True)
    for row in _rows(audit):
        tally.add(row)
        if tally.read % _TOLD_EVERY == 0:
            tell(done=min(tally.read, total), message=f"Read {tally.read:,} of {total:,} rows.")
    if not tally.read:
        raise RunFailed(
            "nothing_approved", "No approved example is left to audit.", "Approve examples, then try again."
        )
    tell(done=total, message="Comparing the groups.", now=True)
    facts, comparisons = facts_of(tally, audit.settings["correction"])
    finish_audit(audit=audit, facts=facts, comparisons=comparisons, samples=tally.sample)


def _rows(audit: BiasAudit) -> Iterator[dict[str, Any]]:
    if audit.dataset is not None:
        yield from iter_rows(audit.dataset)
        return
    for row in approved(audit.project).order_by("id").values(*_COLUMNS).iterator(chunk_size=1000):
        yield row | {"example": row["id"]}
