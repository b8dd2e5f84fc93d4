"""Reads the bodies of API requests, so that no value can break a view or the database."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import IO, Any, NamedTuple, NoReturn

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from core.errors import Invalid
from core.json_types import Json
from core.text import is_storable

MOST_DEPTH = 64  # of nested arrays and objects; nothing here needs more than six
MOST_TOLD = 100  # wrong texts of one body that are listed
MOST_OF_A_KEY = 200  # letters of a key that are shown
MOST_DIGITS = 40  # of a whole number; columns hold 19


class BadJson(ValueError):
    """A body that is not JSON, with a sentence for people."""


def load_json(data: bytes) -> Json:
    """The value of `data`, by RFC 8259: UTF-8, no NaN, no name twice. Raises BadJson."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadJson(f"The body is not UTF-8: byte {error.start + 1:,} is wrong.") from None
    try:
        value: Json = json.loads(
            text, object_pairs_hook=_once, parse_constant=_no_number, parse_int=_whole, parse_float=_finite
        )
    except BadJson:
        raise
    except RecursionError:
        raise BadJson("The body is nested too deeply.") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno:,}, column {error.colno:,}"
        raise BadJson(f"The body is not JSON: there is an error at {place}.") from None
    for depth, _, _ in walk(value):
        if depth > MOST_DEPTH:
            raise BadJson(f"The body is nested too deeply: {MOST_DEPTH} levels are allowed.")
    return value


class Place(NamedTuple):
    """The place of a value: its key or number, and the place of its parent. A path is only built for the values that are
    reported: a long key above many values would otherwise be copied for each of them."""

    key: str | int
    inside: "Place | None"

    def path(self) -> str:
        keys = []
        place: Place | None = self
        while place is not None:
            keys.append(str(place.key)[:MOST_OF_A_KEY])
            place = place.inside
        return ".".join(reversed(keys))


def walk(value: Json) -> Iterator[tuple[int, Place | None, Json]]:
    """(depth, place, value) of `value` and everything in it, keys included. Without recursion."""
    rest: list[tuple[int, Place | None, Json]] = [(0, None, value)]
    while rest:
        depth, place, part = rest.pop()
        yield depth, place, part
        if isinstance(part, dict):
            for key, inner in part.items():
                inside = Place(key, place)
                yield depth + 1, inside, key
                rest.append((depth + 1, inside, inner))
        elif isinstance(part, list):
            rest.extend((depth + 1, Place(at, place), inner) for at, inner in enumerate(part))


def unstorable(value: Json, *, most: int = MOST_TOLD) -> list[str]:
    """Readable paths of the texts in `value` that PostgreSQL refuses: "messages.0.content". At most `most` of them."""
    places = (place for _, place, part in walk(value) if isinstance(part, str) and not is_storable(part))
    return [readable(place.path() if place else "") for place in islice(places, most)]


def readable(text: str) -> str:
    """`text` with a mark for each character that cannot be sent or stored."""
    marked = text.replace("\x00", "\N{REPLACEMENT CHARACTER}")
    return marked.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class JSONParser(BaseParser):
    """JSON for the API. 400 for invalid JSON, 422 for text that cannot be stored."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Json]:
        most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        data = stream.read(most + 1)
        if len(data) > most:
            raise RequestDataTooBig
        try:
            value = load_json(data)
        except BadJson as error:
            raise ParseError(str(error)) from None
        if wrong := unstorable(value):
            raise Invalid(
                "Some texts contain characters that cannot be stored.",
                "Remove NUL characters and halves of characters (a broken \\u escape).",
                fields={path: ["Contains a NUL character or half a character."] for path in wrong},
            )
        if not isinstance(value, dict):
            raise ParseError("Send a JSON object, such as {}.")
        return value


def _once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    values = dict(pairs)
    if len(values) != len(pairs):
        twice = next(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
        raise BadJson(f"“{readable(twice)[:60]}” is given twice in one object.")
    return values


def _no_number(text: str) -> NoReturn:
    raise BadJson(f"{text} is not a number in JSON.")


def _whole(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise BadJson(f"A number with {len(text):,} digits is too large.")
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise BadJson(f"The number {text[:40]} is too large.")
    return number
