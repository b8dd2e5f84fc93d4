"""The kinds of runs of personal adapters, and their pages."""

from django.urls import reverse

from core.models import Run
from core.runs.kinds import RunKind
from training.models import DeletionReceipt, PersonalAdapter
from training.personal import DELETION, KIND


def of_adapter(run: Run) -> tuple[str, str] | None:
    adapter = PersonalAdapter.objects.filter(run=run).select_related("project").first()
    if adapter is None:
        return None
    return str(adapter).capitalize(), reverse("inference:own-adapter", args=[adapter.project.slug])


def of_deletion(run: Run) -> tuple[str, str] | None:
    receipt = DeletionReceipt.objects.filter(run=run).select_related("project").first()
    if receipt is None:
        return None
    return str(receipt).capitalize(), reverse("inference:receipt", args=[receipt.project.slug, receipt.pk])


PERSONAL_ADAPTER = RunKind(
    KIND,
    "Personal adapter",
    queue="gpu",
    runner="training.runner.personal:run",
    on_again="training.services.personal:again",
    again_words="It is trained again from the same corrections.",
    subject="inference.run_kinds:of_adapter",
    max_attempts=5,
)
ADAPTER_DELETION = RunKind(
    DELETION,
    "Deletion of adapters",
    queue="default",
    runner="inference.runner.deleting:run",
    on_again="inference.services.personal:delete_again",
    again_words="What is deleted already stays deleted.",
    subject="inference.run_kinds:of_deletion",
    max_attempts=5,
)
ALL = (PERSONAL_ADAPTER, ADAPTER_DELETION)
