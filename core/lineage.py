"""One step of the way back from a thing to what it was made from, as every page and the API show it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LineageStep:
    """`kind` says what it is ("Dataset version"), `label` which one; `url` and `detail` may be empty."""

    kind: str
    label: str
    url: str = ""
    detail: str = ""
