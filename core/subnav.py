"""The links to the pages of one part, under the heading (components/subnav.html)."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.urls import reverse


@dataclass(frozen=True)
class NavLink:
    """`count` is shown beside the label when it is known."""

    label: str
    url: str
    current: bool
    count: int | None = None


def subnav(pages: Iterable[tuple[str, str]], *args: object, current: str) -> list[NavLink]:
    """A link for each page, given as (URL name, label); all their addresses have the same `args`."""
    return [NavLink(label, reverse(name, args=args), name == current) for name, label in pages]
