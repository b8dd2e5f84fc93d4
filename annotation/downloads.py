"""Examples, datasets and the lines of an import as files, for pages and API."""

import json
from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse

from annotation.models import DatasetVersion, Example, Import
from annotation.queries.imports import issues_of
from core.connections import rows_by_key
from core.downloads import CSV, JSONL, attachment, csv_line, pieces_of_file
from core.models import Project, User
from core.storage import storage


def example_record(example: Example) -> dict[str, Any]:
    """An example in the format that an import reads. `source` must be loaded."""
    return {
        "id": example.external_id or f"example-{example.pk}",
        "messages": example.messages,
        "context": example.context,
        "completion": example.completion,
        "slice": example.slice,
        "edge": example.edge,
        "tags": example.tags,
        "group": example.group,
        "source": example.source.name if example.source else "",
        "license": example.license,
        "status": example.status,
        "revision": example.revision,
    }


def examples_as_jsonl(
    project: Project, found: QuerySet[Example], *, by: User, method: str | None
) -> StreamingHttpResponse:
    """The examples in their order, one JSON object per line: an import of the file gives the same examples."""
    examples = found.select_related("source").defer("search_text")

    def lines() -> Iterator[str]:
        for example in rows_by_key(examples):
            yield json.dumps(example_record(example), ensure_ascii=False) + "\n"

    name = f"examples-{project.slug}.jsonl"
    return attachment(lines, method=method, by=by, name=name, content_type=JSONL)


def dataset_as_jsonl(dataset: DatasetVersion, *, by: User, method: str | None) -> StreamingHttpResponse:
    """The artifact of a ready version, as it is in the store."""
    artifact = dataset.artifact
    if artifact is None:
        raise ValueError(f"{dataset} is not ready.")

    def pieces() -> Iterator[bytes]:
        return pieces_of_file(storage().local_path(artifact) / artifact.manifest[0]["path"])

    name, length = f"{dataset.project.slug}-dataset-{dataset.number}.jsonl", artifact.size_bytes
    return attachment(pieces, method=method, by=by, name=name, content_type=JSONL, length=length)


def issues_as_csv(batch: Import, *, by: User, method: str | None) -> StreamingHttpResponse:
    """All bad and repeated lines of an import."""

    def lines() -> Iterator[str]:
        yield csv_line(["line", "kind", "field", "reason", "starts with"])
        for issue in rows_by_key(issues_of(batch), size=2000, by="line"):
            yield csv_line([issue.line, issue.kind, issue.field, issue.reason, issue.excerpt])

    name = f"import-{batch.pk}-lines.csv"
    return attachment(lines, method=method, by=by, name=name, content_type=CSV)
