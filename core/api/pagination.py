"""Pagination of the API. The pages use core.lists.paging."""

from typing import TYPE_CHECKING, Any

from django.core.paginator import Paginator
from rest_framework.exceptions import NotFound
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request

from core.errors import Invalid
from core.lists.filters import number_words
from core.lists.numbers import whole_number
from core.lists.params import Params

if TYPE_CHECKING:
    from rest_framework.views import APIView  # it imports this module

MOST_A_PAGE = 500
LAST_PAGE = 2**31 - 1


class Pages(PageNumberPagination):
    """Invalid page numbers or sizes are refused (422). A page after the last one is not found (404)."""

    page_size_query_param = "page_size"
    max_page_size = MOST_A_PAGE

    def get_page_size(self, request: Request) -> int:
        size = _number(request, self.page_size_query_param, MOST_A_PAGE)
        assert self.page_size is not None
        return self.page_size if size is None else size

    def get_page_number(self, request: Request, paginator: "Paginator[Any]") -> int:
        number = _number(request, self.page_query_param, LAST_PAGE) or 1
        if number > paginator.num_pages:
            raise NotFound(f"There is no page {number:,}: the last is page {paginator.num_pages:,}.")
        return number

    def get_schema_operation_parameters(self, view: "APIView") -> list[dict[str, Any]]:
        limits = {self.page_query_param: LAST_PAGE, self.page_size_query_param: MOST_A_PAGE}
        words = {
            self.page_query_param: "The page, from 1.",
            self.page_size_query_param: f"The number of objects per page; the default is {self.page_size}.",
        }
        return [
            {
                "name": name,
                "required": False,
                "in": "query",
                "description": words[name],
                "schema": {"type": "integer", "minimum": 1, "maximum": most},
            }
            for name, most in limits.items()
        ]


def _number(request: Request, name: str, most: int) -> int | None:
    values = Params(request.query_params).texts(name)
    if not values:
        return None
    number = whole_number(values[0], most=most) if len(values) == 1 else None
    if not number:
        raise Invalid("Some parameters are wrong.", fields={name: [number_words(1, most)]})
    return number
