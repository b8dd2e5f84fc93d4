"""All rows of a long list, a portion at a time."""

from collections.abc import Iterator
from typing import Any, TypeVar

from django.db.models import Model, Q, QuerySet

M = TypeVar("M", bound=Model)


def rows_by_key(
    queryset: QuerySet[M], *, size: int = 1000, newest_first: bool = False, by: str = ""
) -> Iterator[M]:
    """All rows in the order of their keys (or of the field `by`), `size` at a time, each portion by a separate query.

    A cursor would keep a connection from the first row to the last, for as long as the reader needs. Between two portions
    the connection can be given back. This is not a snapshot: a row is as it was when its portion was read. No row comes
    twice, and rows added after the first portion are not included.
    """
    last = queryset.order_by("-pk").values_list("pk", flat=True).first()
    if last is None:
        return
    order = ["-pk"] if newest_first else [by, "pk"] if by else ["pk"]
    rows: Any = queryset.filter(pk__lte=last).order_by(*order)
    after = Q()
    while portion := list(rows.filter(after)[:size]):
        yield from portion
        end = portion[-1]
        after = Q(pk__lt=end.pk) if newest_first else Q(pk__gt=end.pk)
        if by:
            value = getattr(end, by)
            after = Q(**{f"{by}__gt": value}) | (Q(**{by: value}) & after)
