"""The pages of one part of the project, as components/subnav.html shows them."""

from typing import NotRequired, TypedDict


class Subpage(TypedDict):
    label: str
    url: str
    current: bool
    count: NotRequired[int]
