"""An example as one JSON object, in the shape that an import reads."""

from typing import Any

from annotation.models import Example


def example_record(example: Example) -> dict[str, Any]:
    """For downloads: import this file elsewhere and the pairs are the same. `source` must be loaded."""
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
