"""A part of a list that is too long for one table."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Stretch:
    """Which items of a list a table shows: `at` is the number of its page from 1, of `size` items each, of `total` items."""

    at: int
    size: int
    total: int

    @classmethod
    def of(cls, at: int, size: int, total: int) -> "Stretch":
        """The page `at`, or the last one."""
        return cls(max(1, min(at, math.ceil(total / size))), size, total)

    @property
    def first(self) -> int:
        """The number of the first item, from 1."""
        return (self.at - 1) * self.size + 1

    @property
    def last(self) -> int:
        return min(self.at * self.size, self.total)

    @property
    def is_part(self) -> bool:
        return self.total > self.size

    @property
    def before(self) -> int | None:
        """The page before this one."""
        return self.at - 1 if self.at > 1 else None

    @property
    def after(self) -> int | None:
        return self.at + 1 if self.last < self.total else None

    def cut(self, items: Sequence[T]) -> Sequence[T]:
        return items[self.first - 1 : self.last]
