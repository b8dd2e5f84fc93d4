"""What requests to the API are read with: numbers as the database's columns hold them, text as it was written, and bodies of
which nothing is left out in silence."""

import re
from collections.abc import Mapping
from typing import Any

from django.http import QueryDict
from rest_framework import serializers

from core.lists.filters import unknown_names
from core.lists.numbers import LARGEST_COUNT, LARGEST_ID


class IdField(serializers.IntegerField):
    """The id of an object, from 1."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, max_value=LARGEST_ID, **kwargs)


class CountField(serializers.IntegerField):
    """A number of a revision, a run or a version, from 0 unless `min_value` says otherwise."""

    def __init__(self, *, min_value: int = 0, **kwargs: Any) -> None:
        super().__init__(min_value=min_value, max_value=LARGEST_COUNT, **kwargs)


class TextField(serializers.CharField):
    """A text, without outer spaces. A number is none: as one, 1.10 would become 1.1."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


class WrittenField(TextField):
    """A text as it was written: outer spaces and line breaks are kept."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)


class SeenField(TextField):
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


# A request's body, or an object in one. Names that it does not know are refused: a misspelt one would be lost in silence.
# (Not its docstring: the schema would show that for every body without one.)
class Body(serializers.Serializer[Any]):
    def to_internal_value(self, data: Any) -> Any:
        known = [name for name, field in self.fields.items() if not field.read_only]
        if isinstance(data, Mapping):
            # Of a posted form a part may be named as in messages[0]role.
            posted = isinstance(data, QueryDict)
            names = {re.split(r"[\[.]", str(name))[0] if posted else str(name) for name in data}
            if wrong := unknown_names(sorted(names), known, paged=False, what="field"):
                raise serializers.ValidationError(wrong)
        return super().to_internal_value(data)


class SeenSerializer(Body):
    """For an action that takes nothing else."""

    seen = SeenField()
