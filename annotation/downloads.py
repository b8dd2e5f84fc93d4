"""Examples as a file, for pages and API."""

import json
from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse

from annotation.models import Example
from core.http.downloads import JSONL, attachment
from core.lists.rows import rows_by_key
from core.models import Project, User


def example_record(example: Example) -> dict[str, Any]:
    """An example in the format that an import reads."""
    return {
        "id": example.external_id or f"example-{example.pk}",
        "messages": example.messages,
        "context": example.context,
        "completion": example.completion,
        "rejected": example.rejected,
        "slice": example.slice,
        "edge": example.edge,
        "tags": example.tags,
        "group": example.group,
        "source": example.source or "",
        "license": example.license,
        "status": example.status,
        "revision": example.revision,
    }


def examples_as_jsonl(
    project: Project, matches: QuerySet[Example], *, by: User, method: str | None
) -> StreamingHttpResponse:
    """The examples in their order, one JSON object per line: an import of the file gives the same examples."""

    def lines() -> Iterator[str]:
        for example in rows_by_key(matches):
            yield json.dumps(example_record(example), ensure_ascii=False) + "\n"

    name = f"examples-{project.slug}.jsonl"
    return attachment(lines, method=method, by=by, name=name, content_type=JSONL)
