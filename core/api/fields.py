"""Fields of the API: numbers as the database's columns hold them, and text as people wrote it."""

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


class SeenField(serializers.CharField):
    """What was read as `seen` with the object: the request is refused (409) when the object changed since. Without it, it
    counts whatever is there."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            required=False,
            allow_blank=True,
            default="",
            max_length=40,
            help_text="What was read as `seen`: refused (409) when something changed since. May be left out.",
            **kwargs,
        )


class SeenSerializer(serializers.Serializer[Any]):
    """For an action that takes nothing else."""

    seen = SeenField()


class WrittenField(serializers.CharField):
    """A text as it was written: outer spaces and line breaks are kept, and a number is no text (as one, 1.10 would be 1.1)."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))
