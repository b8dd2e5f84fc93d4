"""Numbers as the database's columns hold them."""

from typing import Any

from rest_framework import serializers

from core.numbers import LARGEST_COUNT, LARGEST_ID


class IdField(serializers.IntegerField):
    """The id of an object, from 1."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, max_value=LARGEST_ID, **kwargs)


class CountField(serializers.IntegerField):
    """A number of a revision, a run or a version, from 0 unless `min_value` says otherwise."""

    def __init__(self, *, min_value: int = 0, **kwargs: Any) -> None:
        super().__init__(min_value=min_value, max_value=LARGEST_COUNT, **kwargs)
