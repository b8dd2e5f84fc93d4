"""Moves the examples of a renamed or merged category, in batches: a cancelled or killed job continues where it was."""

from django.db import transaction

from annotation.models import Category, Example
from annotation.services.categories import move_examples
from core.runs.context import RunContext

BATCH = 2000


def run(ctx: RunContext) -> None:
    """The runner of kind "relabel_examples". Its parameter `category` is the old one."""
    old = Category.objects.select_related("merged_into").get(pk=ctx.params["category"])
    left = Example.objects.filter(project=old.project_id, **{str(old.kind): old.key})
    total, done = left.count(), 0
    ctx.report(done=0, total=total, message=f"Moving {total:,} examples.", now=True)
    while ids := list(left.order_by("pk").values_list("pk", flat=True)[:BATCH]):
        with transaction.atomic():
            # The lock keeps another merge waiting until this batch is written.
            old = (
                Category.objects.select_for_update(of=("self",)).select_related("merged_into").get(pk=old.pk)
            )
            if old.merged_into is None:
                return  # it has its name again
            done += move_examples(old, old.merged_into, ids=ids)
        ctx.report(done=done, total=total, message=f"Moved {done:,} of {total:,} examples.")
