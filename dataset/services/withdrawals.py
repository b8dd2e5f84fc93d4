"""Withdraws a source and restores it; keeps what people decided about data that is in use already.

The decision is one short transaction: from its commit a freeze leaves the rows out, a training run on them is refused and the gate
fails. A background job then retires the examples, however many there are.
"""

from django.db import transaction
from django.utils import timezone

from annotation.text.cleaning import clean_text
from core.audit.entries import record
from core.errors import Conflict, Invalid
from core.models import Project, Run, User
from core.runs.control import launch_run
from core.seen import must_be_as_seen, stamp
from core.text import one_line
from dataset.actions import DatasetAction
from dataset.models import Source, Withdrawal, WithdrawalDecision
from dataset.queries.withdrawals import plan_of

LONGEST_REASON = 500


def _reason(text: str, field: str = "reason") -> str:
    reason = one_line(clean_text(text))
    if not reason or len(reason) > LONGEST_REASON:
        message = "Give the reason." if not reason else f"Keep it under {LONGEST_REASON:,} characters."
        raise Invalid("Nothing was done.", message, fields={field: [message]})
    return reason


def withdrawal_stamp(source: Source) -> str:
    """The stamp that the page before a withdrawal sends, and the button that restores."""
    return stamp(source.name, str(source.withdrawn_at))


def _locked(source: Source, seen: str) -> Source:
    locked = Source.objects.select_for_update(of=("self",)).select_related("project").get(pk=source.pk)
    must_be_as_seen(seen, locked.name, str(locked.withdrawn_at), label=locked.name)
    return locked


@transaction.atomic
def withdraw(*, by: User, source: Source, reason: str, seen: str = "") -> Withdrawal:
    """Withdraws the source: its examples are retired by a background job, and its rows are in no later dataset version.

    Raises Invalid without a reason, Conflict when it is withdrawn already or its last restoring has not ended.
    """
    reason = _reason(reason)
    source = _locked(source, seen)
    if source.withdrawn_at:
        raise Conflict(f"{source.name} was withdrawn before.", "Reload the page.")
    last = Withdrawal.objects.filter(source=source).select_related("restore_run").first()
    if last and last.restore_run and last.restore_run.status in Run.ACTIVE:
        raise Conflict(f"{source.name} is being restored.", "Wait until that has ended.")
    source.withdrawn_at, source.withdrawn_by, source.withdrawn_reason = timezone.now(), by, reason
    source.save(update_fields=["withdrawn_at", "withdrawn_by", "withdrawn_reason", "changed_at"])
    run = launch_run(
        by=by, project=source.project, kind="withdraw_source", title=f"Withdraw {source.name}"[:200]
    )
    withdrawal = Withdrawal.objects.create(source=source, reason=reason, run=run, by=by)
    record(by=by, project=source.project, action=DatasetAction.SOURCE_WITHDRAWN, obj=source, reason=reason)
    return withdrawal


@transaction.atomic
def restore(*, by: User, source: Source, reason: str, seen: str = "") -> Withdrawal:
    """The source may be used again: its examples get the status that they had before the withdrawal.

    Raises Invalid without a reason, Conflict when it is not withdrawn or its examples are still being retired.
    """
    reason = _reason(reason)
    source = _locked(source, seen)
    withdrawal = Withdrawal.objects.filter(source=source, restored_at=None).select_related("run").first()
    if source.withdrawn_at is None or withdrawal is None:
        raise Conflict(f"{source.name} is not withdrawn.", "Reload the page.")
    if withdrawal.run and withdrawal.run.status in Run.ACTIVE:
        raise Conflict("Its examples are still being retired.", "Wait until that has ended, or cancel it.")
    source.withdrawn_at, source.withdrawn_by, source.withdrawn_reason = None, None, ""
    source.save(update_fields=["withdrawn_at", "withdrawn_by", "withdrawn_reason", "changed_at"])
    withdrawal.restored_at, withdrawal.restored_by = timezone.now(), by
    withdrawal.restore_run = launch_run(
        by=by, project=source.project, kind="restore_source", title=f"Restore {source.name}"[:200]
    )
    withdrawal.save(update_fields=["restored_at", "restored_by", "restore_run"])
    record(by=by, project=source.project, action=DatasetAction.SOURCE_RESTORED, obj=source, reason=reason)
    return withdrawal


def withdraw_again(run: Run, by: User) -> None:
    """A failed or cancelled retiring continues (core.runs.kinds.RunKind.on_again). Conflict when the source was restored since."""
    withdrawal = Withdrawal.objects.select_for_update().get(run=run)
    if withdrawal.restored_at:
        raise Conflict("The source was restored.", "Withdraw it again, if that is needed.")


def restore_again(run: Run, by: User) -> None:
    """A failed or cancelled restoring continues (core.runs.kinds.RunKind.on_again). Conflict when the source was withdrawn since."""
    withdrawal = Withdrawal.objects.select_for_update().select_related("source").get(restore_run=run)
    if withdrawal.source.withdrawn_at:
        raise Conflict("The source was withdrawn again.", "Its page says by whom.")


# --- the plan ----------------------------------------------------------------------------------------------
@transaction.atomic
def accept_use(*, by: User, withdrawal: Withdrawal, use: str, reason: str) -> WithdrawalDecision:
    """A dataset version or model version stays as it is although it used withdrawn rows, for a reason.

    Raises Invalid without a reason or for something that did not use the rows, Conflict when there is nothing to decide any more.
    """
    reason = _reason(reason)
    withdrawal = (
        Withdrawal.objects.select_for_update(of=("self",))
        .select_related("source__project")
        .get(pk=withdrawal.pk)
    )
    item = next((item for item in plan_of(withdrawal).items if item.key == use), None)
    if item is None:
        raise Invalid(
            "This did not use the source.", "Reload the page.", fields={"use": ["Choose one of the page."]}
        )
    if item.state != "open":
        raise Conflict(f"There is nothing to decide about {item.name} any more.", "Reload the page.")
    decision = WithdrawalDecision.objects.create(withdrawal=withdrawal, use=use, reason=reason, by=by)
    _record(by, withdrawal, DatasetAction.USE_ACCEPTED, item.name, reason)
    return decision


@transaction.atomic
def reopen_use(*, by: User, withdrawal: Withdrawal, use: str) -> None:
    """Takes back that a use was accepted. Conflict when it was not."""
    item = next((item for item in plan_of(withdrawal).items if item.key == use), None)
    deleted, _ = WithdrawalDecision.objects.filter(withdrawal=withdrawal, use=use).delete()
    if not deleted or item is None:
        raise Conflict("It was not accepted.", "Reload the page.")
    _record(by, withdrawal, DatasetAction.USE_REOPENED, item.name, "")


def _record(by: User, withdrawal: Withdrawal, action: DatasetAction, use: str, reason: str) -> None:
    project: Project = withdrawal.source.project
    record(by=by, project=project, action=action, obj=withdrawal.source, use=use, reason=reason)
