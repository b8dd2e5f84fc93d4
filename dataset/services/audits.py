"""Bias audits: started, finished with their findings, and decided by people."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from annotation.text.cleaning import clean_text
from core.audit.entries import record
from core.database.transitions import transition
from core.errors import Conflict, Invalid
from core.models import Project, User
from core.runs.control import launch_run
from core.text import one_line
from dataset.actions import DatasetAction
from dataset.fairness.counting import GroupComparison
from dataset.fairness.differences import CORRECTIONS
from dataset.fairness.sentences import says
from dataset.fairness.words import stored
from dataset.models import AuditDecision, AuditFinding, BiasAudit, DatasetVersion
from dataset.queries.audits import audit_hash, decision_hash, last_hash
from dataset.queries.lexicons import frozen_lexicons, lexicons_of
from dataset.queries.preference_versions import refuse_preferences
from dataset.queries.versions import approved

LONGEST_REASON = 500
# What stays decided in the next audit. A difference that was fixed and is found again is open again.
CARRIED = (AuditFinding.Status.ACCEPTED, AuditFinding.Status.ANSWERED)


@transaction.atomic
def start_audit(
    *, by: User | None, project: Project, dataset: DatasetVersion | None = None, correction: str = "holm"
) -> BiasAudit:
    """Launches an audit of a version's rows, or of the examples that are approved now.

    A version does not change, so it has one audit: if there is one already, it is returned. Raises Invalid for an unknown correction or
    without rows, Conflict while the version is not ready or another audit of the approved examples is under way.
    """
    if correction not in CORRECTIONS:
        message = "Choose holm or benjamini_hochberg."
        raise Invalid("This correction is not known.", message, fields={"correction": [message]})
    # The lock on the project's row gives two audits that start at the same moment two numbers.
    project = Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    if dataset is not None and (made := BiasAudit.objects.filter(dataset=dataset).first()):
        return made
    _refuse_without_rows(project, dataset)
    newest = BiasAudit.objects.filter(project=project).aggregate(newest=Max("number"))["newest"]
    number = (newest or 0) + 1
    run = launch_run(by=by, project=project, kind="bias-audit", title=f"Bias audit {number}")
    audit = BiasAudit.objects.create(
        project=project,
        number=number,
        dataset=dataset,
        run=run,
        settings={"correction": correction, "dataset_hash": dataset.content_hash if dataset else ""},
        lexicons={one.characteristic.key: stored(one.characteristic) for one in lexicons_of(project)},
        created_by=by,
    )
    what = str(dataset).lower() if dataset else "the approved examples"
    record(by=by, project=project, action=DatasetAction.BIAS_AUDIT_STARTED, obj=audit, what=what)
    return audit


def _refuse_without_rows(project: Project, dataset: DatasetVersion | None) -> None:
    if dataset is not None:
        if dataset.status != DatasetVersion.Status.READY:
            raise Conflict("This dataset has no rows.", "Wait until it is frozen.")
        refuse_preferences(dataset, "bias audit")
        return
    if BiasAudit.objects.filter(
        project=project, dataset=None, made_at=None, run__status__in=["queued", "running", "cancelling"]
    ).exists():
        raise Conflict("An audit of the approved examples is under way.", "Wait until it has ended.")
    if not approved(project).exists():
        raise Invalid("There is no approved example to audit.", "Approve examples first.")


@transaction.atomic
def finish_audit(
    *,
    audit: BiasAudit,
    facts: Mapping[str, Any],
    comparisons: Sequence[GroupComparison],
    samples: Mapping[tuple[str, str], list[int]],
) -> BiasAudit:
    """Makes the audit visible: its figures with their hash, a finding for each comparison that stands (of two groups that are each
    other's rest, one), and the decisions about the
    same findings of an earlier audit."""
    audit.facts = json.loads(json.dumps(_plain(facts)))
    audit.content_hash, audit.made_at = audit_hash(audit), timezone.now()
    audit.save(update_fields=["facts", "content_hash", "made_at"])
    labels = {
        (one.key, group.key): (one.label, group.label)
        for one in frozen_lexicons(audit)
        for group in one.groups
    }
    found = [one for one in comparisons if one.found and not one.mirrored]
    for one in found:
        characteristic, group = labels[one.characteristic, one.group]
        finding = AuditFinding.objects.create(
            audit=audit,
            characteristic=one.characteristic,
            group=one.group,
            outcome=one.outcome,
            says=says(one, group=group, characteristic=characteristic),
            figures=_plain(one.stored()),
            examples=samples[one.characteristic, one.group],
        )
        _carry(finding)
    record(
        by=audit.created_by,
        project=audit.project,
        action=DatasetAction.BIAS_AUDIT_MADE,
        obj=audit,
        findings=len(found),
        rows=facts["rows"],
        content_hash=audit.content_hash,
    )
    return audit


def _plain(value: Any) -> Any:
    """Without -0.0, which the database stores as 0.0: the hash would differ."""
    if isinstance(value, float):
        return value + 0.0
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def _carry(finding: AuditFinding) -> None:
    """Takes over the newest decision about the same finding, if the difference has the same direction still."""
    earlier = (
        AuditFinding.objects.filter(
            audit__project=finding.audit.project_id,
            audit__number__lt=finding.audit.number,
            characteristic=finding.characteristic,
            group=finding.group,
            outcome=finding.outcome,
        )
        .select_related("audit")
        .order_by("-audit__number")
        .first()
    )
    if earlier is None or earlier.status not in CARRIED:
        return
    if (earlier.figures["difference"] > 0) != (finding.figures["difference"] > 0):
        return
    last = earlier.decisions.select_related("by").latest("id")
    number = last.carried_from or earlier.audit.number
    _add_decision(
        finding,
        decision=last.decision,
        reason=last.reason,
        by=last.by,
        name=last.by_name,
        carried_from=number,
    )
    AuditFinding.objects.filter(pk=finding.pk).update(status=last.decision)


@transaction.atomic
def decide(*, by: User, finding: AuditFinding, decision: str, reason: str) -> AuditFinding:
    """Marks a finding as accepted (a known difference), fixed (by twins or edits) or answered, with a reason.

    The last decision counts, and all stay on record. Raises Invalid for another decision or without a reason, Conflict when it is
    decided so already.
    """
    reason = one_line(clean_text(reason))
    wrong: dict[str, list[str]] = {}
    if decision not in AuditDecision.Decision.values:
        wrong["decision"] = ["Choose accepted, fixed or answered."]
    if not reason or len(reason) > LONGEST_REASON:
        wrong["reason"] = [
            "Give the reason." if not reason else f"Keep it under {LONGEST_REASON} characters."
        ]
    if wrong:
        raise Invalid(
            "Nothing was decided.", " ".join(text for texts in wrong.values() for text in texts), fields=wrong
        )
    # The lock on the audit puts its decisions into one chain.
    audit = (
        BiasAudit.objects.select_for_update(of=("self",)).select_related("project").get(pk=finding.audit_id)
    )
    finding = AuditFinding.objects.select_related("audit").get(pk=finding.pk)
    transition(finding, decision)
    _add_decision(finding, decision=decision, reason=reason, by=by, name=by.name, carried_from=None)
    record(
        by=by,
        project=audit.project,
        action=DatasetAction.BIAS_FINDING_DECIDED,
        obj=finding,
        audit=str(audit).lower(),
        decision=decision,
        reason=reason,
    )
    return finding


def _add_decision(
    finding: AuditFinding, *, decision: str, reason: str, by: User | None, name: str, carried_from: int | None
) -> AuditDecision:
    one = AuditDecision(
        finding=finding,
        decision=decision,
        reason=reason,
        by=by,
        by_name=name,
        at=timezone.now(),
        carried_from=carried_from,
    )
    one.record_hash = decision_hash(last_hash(finding.audit), one)
    one.save()
    return one
