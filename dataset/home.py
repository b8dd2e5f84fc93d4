"""What the data side adds to annotation's stage: an admin's next steps, and the sentences for its actions."""

from django.urls import reverse

from annotation.models import Example
from core.access import Access
from core.home.stages import NextItem
from core.models import Role
from core.wording import counted
from dataset.queries.versions import newest_ready, not_frozen_yet

# Fewer new examples than this change little; with more, a new version is useful.
WORTH_FREEZING = 20


def next_items(access: Access) -> list[NextItem]:
    """Import the first data, or freeze what was approved since the newest dataset. At most four queries."""
    if not access.has(Role.ADMIN):
        return []
    slug = access.project.slug
    newest = newest_ready(access.project)
    waiting = not_frozen_yet(access.project, newest)
    if newest is None and not waiting:
        if Example.objects.filter(project=access.project).exists():
            return []
        return [
            NextItem(
                "Import the first examples",
                "JSON, CSV or Parquet, with a question and its answer in each row. Annotators can also write examples here.",
                reverse("datasets:import-new", args=[slug]),
                "Import",
                order=5,
            )
        ]
    if waiting < WORTH_FREEZING and newest is not None:
        return []
    where = "in no dataset yet" if newest is None else f"not in dataset {newest.number}"
    return [
        NextItem(
            f"{counted(waiting, 'approved example is', 'approved examples are')} {where}",
            "Freeze them to train a model on them.",
            reverse("datasets:dataset-new", args=[slug]),
            "Freeze",
            order=35,
        )
    ]
