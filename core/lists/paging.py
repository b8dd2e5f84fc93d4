"""Pages of lists with up to a million rows."""

from functools import cached_property
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest

from core.lists.params import Params


class CappedPaginator(Paginator):
    """Counts and pages only up to CAP, so that the count and the last page do not read a whole table.

    Nobody reads ten thousand rows; to find one of them, people use the filters.
    """

    CAP = 10_000

    def __init__(self, rows: QuerySet[Any], size: int, known: int | None = None) -> None:
        """`known`: the number of rows, where the caller has it already."""
        super().__init__(rows, size)
        self.known = known

    @cached_property
    def _found(self) -> int:
        if self.known is not None:
            return self.known
        rows = self.object_list
        assert isinstance(rows, QuerySet)
        return rows.order_by().values("pk")[: self.CAP + 1].count()

    @cached_property
    def count(self) -> int:
        return min(self._found, self.CAP)

    @cached_property
    def is_capped(self) -> bool:
        """Whether there are more rows than the pages show."""
        return self._found > self.CAP


def cut(request: HttpRequest, rows: QuerySet[Any], size: int = 50, *, known: int | None = None) -> Page[Any]:
    """The requested page; an invalid `?page=` gives the first or the last. Two queries; one when their number is `known`."""
    return CappedPaginator(rows, size, known).get_page(Params(request.GET).text("page", most=20))
