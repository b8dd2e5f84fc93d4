"""Downloads of any length, for pages and API. Nothing is held in memory but the piece that is being sent."""

import asyncio
import csv
import json
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse

from annotation.models import DatasetVersion, Example, Import
from annotation.queries.imports import issues_of
from core.models import Project
from core.storage import storage

_PIECE = 1 << 18
_JSONL = "application/jsonl; charset=utf-8"


def _attachment(pieces: AsyncIterator[Any], *, name: str, content_type: str) -> StreamingHttpResponse:
    return StreamingHttpResponse(
        pieces,
        content_type=content_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


def example_record(example: Example) -> dict[str, Any]:
    """An example in the shape that an import reads. `source` must be loaded."""
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


def examples_as_jsonl(project: Project, found: QuerySet[Example]) -> StreamingHttpResponse:
    """The examples in the order they came, one JSON object a line: import the file elsewhere and they are the same."""
    examples = found.order_by("pk").select_related("source").defer("search_text")

    async def lines() -> AsyncIterator[str]:
        async for example in examples.aiterator(chunk_size=500):
            yield json.dumps(example_record(example), ensure_ascii=False) + "\n"

    return _attachment(lines(), name=f"examples-{project.slug}.jsonl", content_type=_JSONL)


def dataset_as_jsonl(dataset: DatasetVersion) -> StreamingHttpResponse:
    """A ready version's artifact as it lies in the store."""
    artifact = dataset.artifact
    if artifact is None:
        raise ValueError(f"{dataset} is not ready.")
    path = storage().local_path(artifact) / artifact.manifest[0]["path"]
    name = f"{dataset.project.slug}-dataset-{dataset.number}.jsonl"
    response = _attachment(_file_pieces(path), name=name, content_type=_JSONL)
    response["Content-Length"] = str(artifact.size_bytes)
    return response


async def _file_pieces(path: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(path.open, "rb") as file:
        while piece := await asyncio.to_thread(file.read, _PIECE):
            yield piece


def issues_as_csv(batch: Import) -> StreamingHttpResponse:
    """Every bad and repeated line of an import."""

    async def lines() -> AsyncIterator[str]:
        yield csv_line(["line", "kind", "field", "reason", "starts with"])
        async for issue in issues_of(batch).aiterator(chunk_size=2000):
            yield csv_line([issue.line, issue.kind, issue.field, issue.reason, issue.excerpt])

    return _attachment(lines(), name=f"import-{batch.pk}-lines.csv", content_type="text/csv; charset=utf-8")


class _Line:
    """A file for csv.writer that hands each line straight on."""

    def write(self, line: str) -> str:
        return line


_writer: Any = csv.writer(_Line())


def csv_line(cells: Iterable[Any]) -> str:
    """One line of CSV. Spreadsheets run cells that begin like a formula; an apostrophe keeps them text."""
    return str(_writer.writerow([_no_formula(str(cell)) for cell in cells]))


def _no_formula(text: str) -> str:
    return f"'{text}" if text.lstrip()[:1] in {"=", "+", "-", "@"} or text[:1] in {"\t", "\r"} else text
