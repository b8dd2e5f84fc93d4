"""The background jobs of a source: retire its examples, give them back their status, give them a new license.

All work in batches, each one transaction, so that a cancelled or killed job continues where it was.
"""

from django.db import transaction

from annotation.models import Example
from annotation.services.bulk import restore_many, retire_many
from core.audit.entries import record
from core.runs.context import RunContext
from core.runs.outside import wait_for_turn
from dataset.actions import DatasetAction
from dataset.models import Source, Withdrawal, WithdrawnExample

BATCH = 2000


def retire(ctx: RunContext) -> None:
    """The runner of kind "withdraw_source". Its run belongs to one Withdrawal."""
    withdrawal = Withdrawal.objects.select_related("source__project", "by").get(run=ctx.run)
    source = withdrawal.source
    with transaction.atomic():
        # An import that began before the withdrawal does not know of it: its examples must be there first. A later one does.
        wait_for_turn(
            f"datasets.dataimport.{source.project_id}",
            report=ctx.report,
            message="Waiting for an import of this project.",
        )
    left = Example.objects.filter(project=source.project_id, source=source.name).exclude(
        status=Example.Status.RETIRED
    )
    done = WithdrawnExample.objects.filter(withdrawal=withdrawal).count()
    total = done + left.count()
    ctx.report(done=done, total=total, message=f"Retiring {total:,} examples.", now=True)
    while ids := list(left.order_by("pk").values_list("pk", flat=True)[:BATCH]):
        with transaction.atomic():
            were = retire_many(ids)
            WithdrawnExample.objects.bulk_create(
                [
                    WithdrawnExample(withdrawal=withdrawal, example_id=pk, status=status)
                    for pk, status in were.items()
                ],
                # A restoring that was cancelled can have left a row.
                update_conflicts=True,
                unique_fields=["example"],
                update_fields=["withdrawal", "status"],
            )
        done += len(were)
        ctx.report(done=done, total=total, message=f"Retired {done:,} of {total:,} examples.")
    record(
        by=withdrawal.by,
        project=source.project,
        action=DatasetAction.SOURCE_RETIRED,
        obj=source,
        examples=WithdrawnExample.objects.filter(withdrawal=withdrawal).count(),
    )


def bring_back(ctx: RunContext) -> None:
    """The runner of kind "restore_source". Its run belongs to one Withdrawal, which was ended."""
    withdrawal = Withdrawal.objects.select_related("source__project", "restored_by").get(restore_run=ctx.run)
    source = withdrawal.source
    # Also those that an earlier restoring did not reach.
    left = WithdrawnExample.objects.filter(withdrawal__source=source)
    total, done = left.count(), 0
    ctx.report(done=0, total=total, message=f"Bringing back {total:,} examples.", now=True)
    while statuses := dict(left.order_by("pk").values_list("example", "status")[:BATCH]):
        with transaction.atomic():
            restore_many(statuses)
            left.filter(example__in=statuses).delete()
        done += len(statuses)
        ctx.report(done=done, total=total, message=f"Brought back {done:,} of {total:,} examples.")
    record(
        by=withdrawal.restored_by,
        project=source.project,
        action=DatasetAction.SOURCE_BROUGHT_BACK,
        obj=source,
        examples=done,
    )


def relicense(ctx: RunContext) -> None:
    """The runner of kind "relicense_source": examples of the source (its id is `source`) with its old license (`old`) get the license
    that it has now, also when that was changed again.
    """
    source, old = Source.objects.get(pk=ctx.params["source"]), ctx.params["old"]
    left = Example.objects.filter(project=source.project_id, source=source.name, license=old)
    total, done = left.count(), 0
    ctx.report(done=0, total=total, message=f"Changing the license of {total:,} examples.", now=True)
    while ids := list(left.order_by("pk").values_list("pk", flat=True)[:BATCH]):
        with transaction.atomic():
            # The lock keeps a change of the source waiting until this batch is written.
            now = Source.objects.select_for_update().get(pk=source.pk).license
            if now == old:
                return  # it was changed back
            left.filter(pk__in=ids).update(license=now)
        done += len(ids)
        ctx.report(done=done, total=total, message=f"Changed {done:,} of {total:,} examples.")
