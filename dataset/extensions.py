"""What this app adds to an example's page, and which revisions can no longer be undone (annotation.registry)."""

from typing import Any

from annotation.models import Example
from dataset.models import DatasetRow, GroupSplit
from dataset.queries.provenance import example_provenance
from dataset.queries.versions import rows_of_example


def in_a_dataset(revision_id: int) -> bool:
    return DatasetRow.objects.filter(revision_id=revision_id).exists()


def of_example(example: Example) -> dict[str, Any]:
    """Names for templates/annotation/example_detail.html. At most six queries."""
    return {
        "known": example_provenance(example),
        "held_in": list(rows_of_example(example)),
        "split": GroupSplit.objects.filter(project=example.project, group=example.group).first(),
    }
