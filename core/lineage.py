"""One step of a lineage, for pages and the API."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LineageStep:
    """`kind` says what it is ("Dataset version"), `label` which one; `url` and `detail` may be empty."""

    kind: str
    label: str
    url: str = ""
    detail: str = ""
