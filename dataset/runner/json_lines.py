"""Reads the JSON of people's files without loss: numbers keep their digits, equal keys are refused, and invalid JSON is
explained in words. Pure functions.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

MAX_DEPTH = 60
_LARGEST = re.compile(r"[-0-9.eE+]{1,400}")


class Number:
    """A number as it is written: 1.10 stays 1.10."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text

    @property
    def value(self) -> float:
        return float(self.text)

    @property
    def is_whole(self) -> bool:
        return self.text.removeprefix("-").isdecimal()


Value = None | bool | Number | str | list["Value"] | dict[str, "Value"]


class NotRead(ValueError):
    """A line that cannot be imported; the message says why, in words for people. `column` is the place in it, from 1; 0
    when it concerns the whole line."""

    def __init__(self, message: str, column: int = 0) -> None:
        super().__init__(message)
        self.column = column


def _number(text: str) -> Number:
    if not _LARGEST.fullmatch(text):
        raise NotRead(
            f"Contains a number of {len(text):,} digits ({text[:12]}…). Write it as a text, in double quotes."
        )
    if float(text) in (float("inf"), float("-inf")):
        raise NotRead(
            f"Contains the number {text[:40]}, which is too large for programs. Write it as a text."
        )
    return Number(text)


def _constant(name: str) -> NoReturn:
    raise NotRead(f"Contains {name}, which is not a JSON value. Use null, or a text in double quotes.")


def _pairs(pairs: list[tuple[str, Value]]) -> dict[str, Value]:
    values = dict(pairs)
    if len(values) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise NotRead(f"The key {shown(key)} is in one object twice. Remove one of them.")
            seen.add(key)
    return values


decoder = json.JSONDecoder(
    parse_float=_number, parse_int=_number, parse_constant=_constant, object_pairs_hook=_pairs
)


def read_json(text: str, *, whole: bool = True) -> Value:
    """The value of one line. Numbers are `Number`s. `whole` is False when the file ends without a line break after the line.

    Raises NotRead with the reason.
    """
    if "\x00" in text:
        raise NotRead(
            f"Contains a NUL character at character {text.index(chr(0)) + 1}. Remove it, or save the file again as UTF-8.",
            text.index(chr(0)) + 1,
        )
    try:
        value: Value = decoder.decode(text)
        if text.count("{") + text.count("[") > MAX_DEPTH:
            check_depth(value)
    except NotRead:
        raise
    except RecursionError:
        raise NotRead(TOO_DEEP) from None
    except json.JSONDecodeError as error:
        raise NotRead(why_not(text, error.pos, error.msg, whole), error.pos + 1) from None
    return value


TOO_DEEP = f"Lists and objects are nested more than {MAX_DEPTH} levels deep. That is too deep for a row."


def check_depth(value: Value) -> None:
    """Raises NotRead for lists and objects deeper than MAX_DEPTH."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = list(_children(level))
        if not level:
            return
    raise NotRead(TOO_DEEP)


def _children(level: list[Value]) -> Iterator[Value]:
    for value in level:
        if isinstance(value, dict):
            yield from value.values()
        elif isinstance(value, list):
            yield from value


# --- why a line is not JSON ---------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Fault:
    """A line that is not JSON, and where reading it stopped. `whole` as in `read_json`."""

    text: str
    at: int
    message: str
    whole: bool
    place: str

    @property
    def here(self) -> str:
        return self.text[self.at : self.at + 1]

    @property
    def rest(self) -> str:
        return self.text[self.at :]


def why_not(text: str, at: int, message: str, whole: bool, place: str = "") -> str:
    """What is wrong with a line, from the line itself and the place where reading stopped, with the scanner's message.
    `place` names it for people, where that is not the character in the line."""
    fault = _Fault(text, at, message, whole, place or f"at character {at + 1}")
    return next(filter(None, (judge(fault) for judge in _JUDGES)), "") or _expected(fault)


def _in_a_text(fault: _Fault) -> str:
    if fault.here == "\ufeff":
        return f"Contains a byte order mark (U+FEFF) {fault.place}. Files were joined there. Remove that character."
    if fault.message.startswith("Unterminated string") or (
        fault.message.startswith("Invalid control character") and not fault.rest.strip()
    ):
        return _unended_text(fault)
    if fault.message.startswith("Invalid control character"):
        character = {"\n": "line break", "\r": "line break", "\t": "tab"}.get(fault.here, "control character")
        return f"Contains a raw {character} inside a text {fault.place}. Write it as \\n or \\t, or as \\u and four digits."
    if fault.message.startswith("Invalid \\") and (fault.whole or not _begun(fault.rest)):
        return f"Contains a backslash {fault.place} that starts no known escape. Write \\\\ for a backslash."
    return ""


def _at_the_end(fault: _Fault) -> str:
    stripped = fault.text.rstrip()
    if fault.at >= len(stripped) and not stripped.startswith(("{", "[", '"')):
        return _no_object(stripped)
    if fault.at >= len(stripped) or (not fault.whole and _begun(fault.rest)):
        return _unended(fault)
    return ""


def _behind_the_object(fault: _Fault) -> str:
    if not fault.message.startswith("Extra data"):
        return ""
    after = fault.rest[1:].strip()
    if fault.here == "{":
        return (
            f"Two objects are on this line. The second begins {fault.place}. Put each object on its own line."
        )
    if fault.here == "," and not after:
        return "A comma follows the object. JSON Lines has no commas between lines. Remove it."
    if fault.here == "," and after.startswith("{"):
        return (
            f"Several objects are on this line, with a comma {fault.place}. Put each object on its own line."
        )
    return f"There is text after the object {fault.place}. A line must contain one object only."


def _of_another_notation(fault: _Fault) -> str:
    here, rest, place = fault.here, fault.rest, fault.place
    if re.match(r"u?'|u\"", rest):
        return (
            f"Names and texts are in single quotes {place}, as Python prints them. JSON needs double quotes. Write the file with "
            "a JSON writer (in Python: json.dumps)."
        )
    is_value = fault.message.startswith("Expecting value")
    if is_value and (
        word := re.match(r"(?:none|true|false|null|nil|undefined|nan|inf|yes|no)\b", rest, re.IGNORECASE)
    ):
        return f"Contains {word.group()} {place}, which is not JSON. JSON has null, true and false, in small letters."
    if here in "“”„«»":
        return f'Contains a typographic quotation mark {place}. JSON needs the plain one (").'
    if rest.startswith(("//", "/*", "#")):
        return f"Contains a comment {place}. JSON has no comments. Remove it."
    if not fault.text[: fault.at].strip() and here not in "{[":
        return _no_object(fault.text.strip())
    return ""


def _in_a_number(fault: _Fault) -> str:
    """A number as other notations write it: 01, 1., .5, +1, 0x10, 1_000, １."""
    before = re.search(r"[-0-9.eE]*\Z", fault.text[max(0, fault.at - 40) : fault.at])
    after = re.match(r"[-+.\w]{0,40}", fault.rest)
    begun, goes_on = before.group() if before else "", after.group() if after else ""
    if "','" in fault.message:
        wrong = bool(re.search(r"\d[.eE]?\Z", begun) and goes_on)
    else:
        wrong = fault.message.startswith("Expecting value") and bool(re.match(r"[-+.]*\d", goes_on))
    if not wrong:
        return ""
    number = begun + goes_on
    return (
        f"Contains {shown(number[:40])} {fault.place}, which is not a number in JSON: digits 0 to 9 without a zero, a plus or a point before "
        "them, a point only between digits. Write other values as a text, in double quotes."
    )


_JUDGES = (_in_a_text, _at_the_end, _behind_the_object, _of_another_notation, _in_a_number)


def _expected(fault: _Fault) -> str:
    place, there = fault.place, f"found {shown(fault.here)}"
    if fault.here in "}]" and fault.text[: fault.at].rstrip().endswith(","):
        return f"There is a comma before the closing {fault.here} {place}. Remove it."
    if "property name" in fault.message:
        return f"A name in double quotes is missing {place}, {there}."
    if "':'" in fault.message:
        return f"A colon is missing {place}, {there}. A colon separates a name and its value."
    if "','" in fault.message:
        sentence = f"A comma or the end of the object is missing {place}, {there}."
        after_a_text = fault.text[: fault.at].rstrip().endswith('"')
        return f'{sentence} A double quote inside a text is written as \\".' if after_a_text else sentence
    return f"Not JSON {place}, {there}: a value is missing or not in quotes."


def _begun(rest: str) -> bool:
    """Whether the line stops in an escape or in a word, where nothing else is wrong."""
    return bool(re.fullmatch(r"\\?u?[0-9a-fA-F]{0,3}", rest)) or any(
        word.startswith(rest) for word in ("true", "false", "null", "-")
    )


def _no_object(text: str) -> str:
    return (
        f"The line begins with {shown(text[:1])} and is not a JSON object. Each line is one object in braces. When a text or an object "
        "goes over several lines, write line breaks inside texts as \\n and the object on one line."
    )


_CUT_OFF = "The file ends in the middle of this line. The export or upload was cut off."


def _unended_text(fault: _Fault) -> str:
    """The line stops inside a text: the file was cut off there, or the text continues in the next line."""
    if not fault.whole:
        return _CUT_OFF
    begins = f" that begins {fault.place}" if fault.message.startswith("Unterminated") else ""
    return f'A text{begins} does not end on this line. Write a line break inside a text as \\n, and a double quote as \\".'


def _unended(fault: _Fault) -> str:
    if not fault.whole:
        return _CUT_OFF
    return "The object does not end on this line. Each row is one line: write the file without indentation (JSON Lines)."


def shown(text: str) -> str:
    """A key or letter for people, in quotes, safe to store: no invisible characters, at most 60 letters."""
    if len(text) <= 60 and text.isascii() and text.isprintable():
        return f"“{text}”"
    clean = text.encode("utf-8", "replace").decode("utf-8")
    clean = "".join(letter if letter.isprintable() else "\ufffd" for letter in clean)
    return f"“{clean if len(clean) <= 60 else clean[:59] + '…'}”"


# --- writing a value ---------------------------------------------------------------------------------
_quote = json.JSONEncoder(ensure_ascii=False).encode


def write_json(value: Value) -> str:
    """The value as compact JSON, with the digits of numbers unchanged."""
    if isinstance(value, Number):
        return value.text
    if isinstance(value, dict):
        return "{" + ",".join(f"{_quote(key)}:{write_json(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(write_json, value)) + "]"
    return _quote(value)
