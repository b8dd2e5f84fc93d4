"""Starts the runs of Quality: checking all examples, and decisions about many findings at once."""

import uuid
from collections.abc import Mapping
from typing import Any

from django.db import transaction

from annotation.models import Example, ExampleFinding
from annotation.queries.findings import CHECK_PROJECT, SETTLE, find_findings
from annotation.services.findings import (
    Settled,
    dismiss,
    needed_reason,
    reopen,
    undo_dismissals,
    undoable_batch,
)
from annotation.services.fixing import fix_findings, undo_fixes
from annotation.services.leaving_out import leave_out, undo_leaving_out
from core.errors import Conflict, Invalid
from core.models import Project, Run, User
from core.runs.control import launch_run

FIX, DISMISS, REOPEN, LEAVE_OUT, UNDO_FIXES = "fix", "dismiss", "reopen", "leave-out", "undo"
# Up to this number of findings are decided at once; more of them by a worker.
AT_ONCE = {FIX: 50, DISMISS: 2000, REOPEN: 2000, LEAVE_OUT: 500, UNDO_FIXES: 50}
Status = ExampleFinding.Status


@transaction.atomic
def start_check(*, by: User | None, project: Project, import_id: int | None = None) -> Run:
    """Launches a check of the project's examples, or of those of one import. Conflict while the same check is active."""
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)  # one request after the other
    active = Run.objects.filter(project=project, kind=CHECK_PROJECT, status__in=Run.ACTIVE)
    if active.filter(params__import=import_id).exists():
        raise Conflict("These examples are being checked now.", "Wait until the check has ended.")
    if not Example.objects.filter(project=project).exclude(status=Example.Status.RETIRED).exists():
        raise Conflict("There are no examples to check.", "Import a file or write an example first.")
    title = "Check all examples" if import_id is None else "Check the examples of an import"
    return launch_run(by=by, project=project, kind=CHECK_PROJECT, title=title, params={"import": import_id})


def settle(
    *, by: User, project: Project, action: str, criteria: Mapping[str, Any], reason: str = ""
) -> Settled | Run:
    """Fixes, dismisses or opens again all findings that match (as `find_findings`), or leaves their examples out of the data. A worker
    does it for many: then the run is returned. Invalid without a reason for a dismissal or for leaving out, or with an unknown action."""
    if action not in (FIX, DISMISS, REOPEN, LEAVE_OUT):
        raise Invalid(
            "There is no such action.", fields={"do": ["Choose fix, dismiss, reopen or leave-out."]}
        )
    if action in (DISMISS, LEAVE_OUT):
        reason = needed_reason(reason)
    chosen = {**criteria, "status": Status.DISMISSED if action == REOPEN else Status.OPEN}
    if action == FIX:
        chosen["fixable"] = "yes"
    findings = find_findings(project, chosen)
    if len(findings.order_by().values_list("pk")[: AT_ONCE[action] + 1]) > AT_ONCE[action]:
        words = {
            FIX: "Fix findings",
            DISMISS: "Dismiss findings",
            REOPEN: "Open findings again",
            LEAVE_OUT: "Leave examples out",
        }[action]
        return _launch(
            by,
            project,
            words,
            {"do": action, "criteria": chosen, "reason": reason, "batch": str(uuid.uuid4())},
        )
    return settle_now(by=by, project=project, action=action, findings=findings, reason=reason)


def settle_now(
    *,
    by: User,
    project: Project,
    action: str,
    findings: Any,
    reason: str = "",
    batch: uuid.UUID | None = None,
) -> Settled:
    """The decision itself, for the findings of this queryset."""
    if action == FIX:
        return fix_findings(by=by, project=project, findings=findings, batch=batch)
    if action == DISMISS:
        return dismiss(by=by, project=project, findings=findings, reason=reason, batch=batch)
    if action == LEAVE_OUT:
        return leave_out(by=by, project=project, findings=findings, reason=reason, batch=batch)
    return reopen(by=by, project=project, findings=findings)


def undo(*, by: User, project: Project, batch: uuid.UUID) -> Settled | Run:
    """Undoes what this person decided in one action, within ten minutes. A worker does it for many fixes."""
    mine = undoable_batch(by=by, project=project, batch=batch)
    fixed = mine.filter(status=Status.FIXED)
    if not fixed.exists():
        if mine.exclude(was="").exists():
            return undo_leaving_out(by=by, project=project, findings=mine)
        return undo_dismissals(by=by, project=project, batch=batch)
    if fixed.count() > AT_ONCE[UNDO_FIXES]:
        params = {"do": UNDO_FIXES, "criteria": {}, "reason": "", "batch": str(batch)}
        return _launch(by, project, "Undo fixes", params)
    return undo_fixes(by=by, project=project, findings=fixed)


@transaction.atomic
def _launch(by: User, project: Project, title: str, params: dict[str, Any]) -> Run:
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    if Run.objects.filter(project=project, kind=SETTLE, status__in=Run.ACTIVE).exists():
        raise Conflict("Another bulk action is at work now.", "Wait until it has ended.")
    return launch_run(by=by, project=project, kind=SETTLE, title=title, params=params)
