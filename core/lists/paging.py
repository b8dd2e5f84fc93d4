"""Pages of lists with up to a million rows."""

from functools import cached_property
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest

from core.lists.params import Params


class CountedRows:
    """Rows whose number is known, for a paginator that would count them."""

    def __init__(self, rows: QuerySet[Any], known: int) -> None:
        self.rows, self.known = rows, known

    def count(self) -> int:
        return self.known

    def __getitem__(self, part: slice) -> QuerySet[Any]:
        return self.rows[part]


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


class FoundPaginator(CappedPaginator):
    """Pages of rows whose keys are known, in their order: `ids` of `rows`; `more`: there are others that are not shown."""

    def __init__(self, rows: QuerySet[Any], size: int, ids: list[int], more: bool) -> None:
        super().__init__(rows, size, len(ids))
        self.ids, self.more = ids, more

    @cached_property
    def is_capped(self) -> bool:
        return self.more

    def page(self, number: int | str) -> Page[Any]:
        number = self.validate_number(number)
        ids = self.ids[(number - 1) * self.per_page : number * self.per_page]
        rows = self.object_list.in_bulk(ids) if isinstance(self.object_list, QuerySet) else {}
        # One that was deleted in the meantime is left out.
        return Page([rows[pk] for pk in ids if pk in rows], number, self)


def cut(request: HttpRequest, rows: QuerySet[Any], size: int = 50, *, known: int | None = None) -> Page[Any]:
    """The requested page; an invalid `?page=` gives the first or the last. Two queries; one when their number is `known`."""
    return requested(request, CappedPaginator(rows, size, known))


def requested(request: HttpRequest, paginator: Paginator) -> Page[Any]:
    return paginator.get_page(Params(request.GET).text("page", most=20))
