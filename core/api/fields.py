"""Fields of API requests: numbers that fit the database's columns, text as it was written, and bodies in which unknown
names are refused."""

import re
from collections.abc import Mapping
from typing import Any, TypedDict, Unpack

from django.http import QueryDict
from rest_framework import serializers

from core.lists.filters import unknown_names
from core.lists.numbers import LARGEST_COUNT, LARGEST_ID


class NumberOptions(TypedDict, total=False):
    """The options that IdField and CountField take beside their limits."""

    required: bool
    default: int
    allow_null: bool
    help_text: str | None


class TextOptions(TypedDict, total=False):
    """The options that WrittenField and SeenField take."""

    required: bool
    default: str
    allow_blank: bool
    max_length: int
    help_text: str | None


def declared(field: serializers.Field[Any, Any, Any, Any]) -> Any:
    """A field whose name is also an attribute of DRF's serializers: label, context, source, fields.

    DRF takes every field out of its class, so the attribute stays what it was and keeps its type.
    """
    return field


class IdField(serializers.IntegerField):
    """The id of an object, from 1."""

    def __init__(self, **options: Unpack[NumberOptions]) -> None:
        super().__init__(min_value=1, max_value=LARGEST_ID, **options)


class CountField(serializers.IntegerField):
    """A number of a revision, a run or a version, from 0 unless `min_value` says otherwise."""

    def __init__(self, *, min_value: int = 0, **options: Unpack[NumberOptions]) -> None:
        super().__init__(min_value=min_value, max_value=LARGEST_COUNT, **options)


class TextField(serializers.CharField):
    """A text, without outer spaces. Numbers are refused: 1.10 would become 1.1."""

    def to_internal_value(self, data: object) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


class WrittenField(TextField):
    """A text as it was written: outer spaces and line breaks are kept."""

    def __init__(self, **options: Unpack[TextOptions]) -> None:
        super().__init__(trim_whitespace=False, **options)


class SeenField(TextField):
    """The `seen` that was read with the object: the request is refused (409) when the object changed after that. Without it,
    there is no such test."""

    def __init__(self) -> None:
        super().__init__(
            required=False,
            allow_blank=True,
            default="",
            max_length=40,
            help_text="The `seen` that was read: refused (409) when something changed after that. Optional.",
        )


# A request's body, or an object in one. Unknown names are refused: a misspelt one would be ignored without a message.
# (Not its docstring: the schema would show that for every body without one.)
class Body(serializers.Serializer[Any]):
    def to_internal_value(self, data: object) -> Any:
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
