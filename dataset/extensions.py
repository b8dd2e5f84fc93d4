"""What this app adds to an example's page, and which revisions can no longer be undone (annotation.registry)."""

from typing import Any

from annotation.models import Example
from dataset.models import DatasetRow, GroupSplit, NearTest, Source
from dataset.queries.duplicates import clusters_with
from dataset.queries.provenance import example_provenance
from dataset.queries.versions import rows_of_example


def in_a_dataset(revision_id: int) -> bool:
    # By the example too: rows are found by it.
    rows = DatasetRow.objects.filter(example__revisions=revision_id, revision_id=revision_id)
    return rows.exists()


def source_withdrawn(example: Example) -> str:
    """Why a retired example stays retired: its source is withdrawn. At most one query."""
    if not example.source:
        return ""
    source = Source.objects.filter(
        project=example.project_id, name=example.source, withdrawn_at__isnull=False
    ).first()
    if source is None or source.withdrawn_at is None:
        return ""
    return f"Its source “{source.name}” was withdrawn on {source.withdrawn_at:%-d %b %Y}: {source.withdrawn_reason}"


def of_example(example: Example) -> dict[str, Any]:
    """Names for templates/annotation/example_detail.html. At most nine queries."""
    return {
        "known": example_provenance(example),
        "source_withdrawn": source_withdrawn(example),
        "clusters": list(clusters_with(example)),
        "near": NearTest.objects.select_related("row__dataset").filter(example=example).first(),
        "held_in": list(rows_of_example(example)),
        "split": GroupSplit.objects.filter(project=example.project, group=example.group).first(),
    }
