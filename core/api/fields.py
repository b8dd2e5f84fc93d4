"""Fields of API requests: numbers that fit the database's columns, text as it was written, and bodies in which unknown
names are refused."""

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
    """A text, without outer spaces. Numbers are refused: 1.10 would become 1.1."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


class WrittenField(TextField):
    """A text as it was written: outer spaces and line breaks are kept."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)


class SeenField(TextField):
    """The `seen` that was read with the object: the request is refused (409) when the object changed after that. Without it,
    there is no such test."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            required=False,
            allow_blank=True,
            default="",
            max_length=40,
            help_text="The `seen` that was read: refused (409) when something changed after that. Optional.",
            **kwargs,
        )


# A request's body, or an object in one. Unknown names are refused: a misspelt one would be ignored without a message.
# (Not its docstring: the schema would show that for every body without one.)
class Body(serializers.Serializer[Any]):
    def to_internal_value(self, data: Any) -> Any:
        known = [name for name, field in self.fields.items() if not field.read_only]
        if isinstance(data, Mapping):
            # In a posted form a part can have a name such as messages[0]role.
            posted = isinstance(data, QueryDict)
            names = {re.split(r"[\[.]", str(name))[0] if posted else str(name) for name in data}
            if wrong := unknown_names(sorted(names), known, paged=False, noun="field"):
                raise serializers.ValidationError(wrong)
        return super().to_internal_value(data)


class SeenSerializer(Body):
    """For an action without other values."""

    seen = SeenField()
