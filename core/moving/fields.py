"""Whether a row of an archive fits its table. Pure functions; what they do not see (lengths, references) the database refuses."""

import re
from collections.abc import Callable
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models

from core.moving.parts import Part, Row

Check = Callable[[Any], bool]
# How PostgreSQL writes the floating-point numbers that JSON does not have.
_NOT_FINITE = {"NaN", "Infinity", "-Infinity"}
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_encoder = DjangoJSONEncoder()


def _is_text(value: object) -> bool:
    return isinstance(value, str) and "\x00" not in value


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return (isinstance(value, (int, float)) and not isinstance(value, bool)) or value in _NOT_FINITE


def _is_list(value: object) -> bool:
    return isinstance(value, list)


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _is_anything(value: object) -> bool:
    return True


def _json_check(field: "models.Field[Any, Any]") -> Check:
    shape = {list: _is_list, dict: _is_object}.get(field.default)
    return shape or _is_anything


def _array_check(field: "ArrayField[Any, Any]") -> Check:
    one = _check_of(field.base_field)
    return lambda value: isinstance(value, list) and all(item is not None and one(item) for item in value)


def _is_uuid(value: object) -> bool:
    return isinstance(value, str) and bool(_UUID.match(value))


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


# The first that fits. References are numbers; everything else (texts, times, bytes) is text in JSON.
_TYPES: list[tuple[tuple[type, ...], Check]] = [
    ((models.UUIDField,), _is_uuid),
    ((models.BooleanField,), _is_flag),
    ((models.FloatField, models.DecimalField), _is_number),
    ((models.IntegerField, models.ForeignKey), _is_whole),
    ((models.Field,), _is_text),
]


def _by_type(field: "models.Field[Any, Any]") -> Check:
    if isinstance(field, ArrayField):
        return _array_check(field)
    if isinstance(field, models.JSONField):
        return _json_check(field)
    return next(check for types, check in _TYPES if isinstance(field, types))


def _check_of(field: "models.Field[Any, Any]") -> Check:
    """Whether a value that is not null can be stored in the field: its type, and its choices if it has any."""
    by_type = _by_type(field)
    if not field.choices or isinstance(field, ArrayField):
        return by_type
    allowed = {value for value, _ in field.flatchoices} | ({""} if field.blank else set())
    return lambda value: by_type(value) and value in allowed


class RowCheck:
    """The check of one part's rows, made once and called for each of them."""

    def __init__(self, part: Part, given: set[str]) -> None:
        """`given`: the columns that the archive has. `unknown` and `missing` say what does not fit."""
        self._part = part
        self._checks = [(str(f.column), bool(f.null), _check_of(f)) for f in part.fields]
        self.unknown = sorted(given - set(part.columns))
        absent = [f for f in part.fields if f.column not in given]
        self.missing = [str(f.column) for f in absent if not (f.has_default() or f.null or f.blank)]
        # An archive of an earlier version has fewer columns.
        self._added = {str(f.column): _default_of(f) for f in absent if f.column not in self.missing}
        self._columns = given

    def wrong(self, row: object) -> str:
        """What is wrong with a row, in a few words; empty when nothing is. It completes the row."""
        if not isinstance(row, dict) or row.keys() != self._columns:
            return "it does not have the columns that the list of contents names"
        self.complete(row)
        for column, null, fits in self._checks:
            value = row[column]
            if (value is None and not null) or (value is not None and not fits(value)):
                return f"{column} has a value that is not allowed"
        if (key := row.get("id")) is not None and not 0 < key < 2**63:
            return "id has a value that is not allowed"
        return self._part.check(row) if self._part.check is not None else ""

    def complete(self, row: Row) -> None:
        """Adds the columns that an earlier version did not have, with their defaults."""
        row.update(self._added)


def _default_of(field: "models.Field[Any, Any]") -> Any:
    """A field's default as it is in JSON."""
    value = field.get_default()
    return value if isinstance(value, (list, dict)) or value is None else _plain(value)


def _plain(value: object) -> object:
    return value if isinstance(value, (str, int, float, bool)) else _encoder.default(value)


def is_turns(value: object) -> bool:
    """Whether it is a list of {role, content} with texts."""
    return isinstance(value, list) and all(
        isinstance(turn, dict) and _is_text(turn.get("role")) and _is_text(turn.get("content"))
        for turn in value
    )


def is_texts(value: object) -> bool:
    return isinstance(value, list) and all(_is_text(text) for text in value)
