"""Examples as a file, for pages and API."""

from collections.abc import Iterator
from typing import Any

import msgspec
from django.db.models import QuerySet
from django.http import StreamingHttpResponse

from annotation.models import Example
from core.http.downloads import JSONL, attachment
from core.lists.rows import rows_by_key
from core.models import Project, User

# The columns of a record. The others are not read: a file of 10,000 examples is made in half the time.
_COLUMNS = (
    "external_id", "messages", "context", "completion", "rejected", "slice", "edge", "tags", "group", "source", "license",
    "status", "revision",
)  # fmt: skip
_encode = msgspec.json.Encoder().encode


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

    def lines() -> Iterator[bytes]:
        for example in rows_by_key(matches.select_related(None).only(*_COLUMNS)):
            yield _encode(example_record(example)) + b"\n"

    name = f"examples-{project.slug}.jsonl"
    return attachment(lines, method=method, by=by, name=name, content_type=JSONL)
