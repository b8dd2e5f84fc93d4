"""JSON that is not JSON Lines: one list of objects, an object that holds the list, or objects over several lines.

Python's own scanner reads one object at a time from a buffer that moves over the file, so a list of any length takes the
memory of its largest object, and every fault has its line and column.
"""

import codecs
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO

from dataset.runner.json_lines import TOO_DEEP, NotRead, Value, check_depth, decoder, why_not
from dataset.runner.reading.records import FileLine, clipped, type_name

_PIECE = 1 << 18
_SPACE = re.compile(r"[ \t\r\n]*")
_BETWEEN = re.compile(r"[ \t\r\n,]*")
_BEHIND_NAME = re.compile(r"[ \t\r\n:]*")
# The next element of the list behind a fault: an object behind an object, or another value that is an error itself.
_NEXT_OBJECT = re.compile(r"\}\s*(?:,\s*(?=[{\[\d\-tfn])|(?=\{))")
# Bytes that are not UTF-8 are read as halves of letters, so that only their own row is refused.
_NOT_UTF8 = re.compile("[\udc80-\udcff]")
_NEAR_THE_END = 64  # letters: an error there can be an object whose rest is not in the buffer


class _Buffer:
    """A moving window of the file's text; `at` is the place in it, `line` and `column` where the window begins."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._decode = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape")
        self.text, self.at, self.ended = "", 0, False
        self._line, self._column = 1, 1

    def more(self) -> bool:
        """Reads a piece more, in proportion to what is there, so that a long object is not scanned again for every piece."""
        if self.ended:
            return False
        raw = self._file.read(max(_PIECE, len(self.text) - self.at))
        self.ended = not raw
        self.text += self._decode.decode(raw, final=self.ended)
        return True

    def forget(self) -> None:
        """Drops the text before `at`."""
        self._line, self._column = self.place(self.at)
        self.text, self.at = self.text[self.at :], 0

    def place(self, at: int) -> tuple[int, int]:
        """(line, column) of a place in the window, both from 1."""
        breaks = self.text.count("\n", 0, at)
        if not breaks:
            return self._line, self._column + at
        return self._line + breaks, at - self.text.rindex("\n", 0, at)

    def skip(self, pattern: re.Pattern[str] = _SPACE) -> str:
        """Moves over spaces; returns the letter after them, "" at the end of the file."""
        while True:
            found = pattern.match(self.text, self.at)
            self.at = found.end() if found else self.at
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.more():
                return ""


@dataclass(frozen=True)
class _Broken:
    """Where reading stopped, and why: in words for people (`explained`), or the scanner's own."""

    at: int
    message: str
    explained: bool = False


def read_objects(
    file: IO[bytes], *, max_bytes: int, position: Callable[[], int], key: str | None = None
) -> Iterator[FileLine]:
    """Yields every object of the list (with `key` the list under this name of the outer object), or of the sequence of objects."""
    buffer = _Buffer(file)
    first = buffer.skip()
    if key is not None:
        yield from _enter(buffer, key, max_bytes, position)
        first = "["
    if first == "[":
        buffer.at += 1
    while True:
        if buffer.at > _PIECE:
            buffer.forget()
        letter = buffer.skip(_BETWEEN)
        if letter == "" or (first == "[" and letter == "]"):
            if not letter and first == "[":
                line, column = buffer.place(buffer.at)
                yield FileLine(line, position(), None, _CUT_OFF, column=column)
            return
        yield _object(buffer, max_bytes, position)


_CUT_OFF = "The file ends before the list is closed. The export or upload was cut off."


def _object(buffer: _Buffer, max_bytes: int, position: Callable[[], int]) -> FileLine:
    """The object at the buffer's place; moves behind it, or behind what cannot be read of it."""
    line, column = buffer.place(buffer.at)
    read = _scan(buffer, max_bytes)
    if isinstance(read, _Broken):
        begin = buffer.at
        text = buffer.text[begin:]
        wrong_line, wrong_column = buffer.place(read.at)
        where = f"in line {wrong_line:,}, column {wrong_column:,}"
        whole = not buffer.ended
        problem = (
            read.message if read.explained else why_not(text, read.at - begin, read.message, whole, where)
        )
        excerpt = clipped(text)
        _go_on(buffer, read.at)
        return FileLine(line, position(), None, problem, excerpt, column=wrong_column)
    value, end = read
    whole_text = buffer.text[buffer.at : end]
    text = whole_text[:400]
    buffer.at = end
    try:
        check_depth(value)
        _refuse_other_bytes(whole_text)
    except NotRead as error:
        return FileLine(line, position(), None, str(error), clipped(text), column=column)
    if not isinstance(value, dict):
        problem = f"A row is a JSON object in braces; this one is {type_name(value)}."
        return FileLine(line, position(), None, problem, clipped(text), column=column)
    return FileLine(line, position(), None, excerpt=clipped(text), data=value)


def _refuse_other_bytes(text: str) -> None:
    if not text.isascii() and _NOT_UTF8.search(text):
        raise NotRead("Contains bytes that are not UTF-8. Save the file again as UTF-8.")


def _scan(buffer: _Buffer, max_bytes: int) -> tuple[Value, int] | _Broken:
    while True:
        try:
            value: Value
            value, end = decoder.raw_decode(buffer.text, buffer.at)
            if end == len(buffer.text) and buffer.more():
                continue  # a number may go on
            return value, end
        except NotRead as error:
            return _Broken(buffer.at, str(error), explained=True)
        except RecursionError:
            return _Broken(buffer.at, TOO_DEEP, explained=True)
        except json.JSONDecodeError as error:
            cut = error.msg.startswith("Unterminated string") or error.pos >= len(buffer.text) - _NEAR_THE_END
            if len(buffer.text) - buffer.at > max_bytes:
                size = max_bytes / (1 << 20)
                problem = f"An object has more than {size:.0f} MB, or its end is missing."
                return _Broken(buffer.at, problem, explained=True)
            if not (cut and buffer.more()):
                return _Broken(error.pos, error.msg)


def _go_on(buffer: _Buffer, at: int) -> None:
    """Moves to the next object behind a fault, or to the end of the file."""
    buffer.at = at
    while True:
        if found := _NEXT_OBJECT.search(buffer.text, buffer.at):
            buffer.at = found.end()
            return
        # What was searched is dropped, except for an end that can belong to the next match.
        buffer.at = max(buffer.at, len(buffer.text) - _NEAR_THE_END)
        buffer.forget()
        if not buffer.more():
            rest = buffer.text.rstrip()
            buffer.at = len(rest) - 1 if rest.endswith("]") else len(buffer.text)
            return


def _enter(buffer: _Buffer, key: str, max_bytes: int, position: Callable[[], int]) -> Iterator[FileLine]:
    """Moves to the list under `key` of the outer object. Other keys before it are passed over; `opening` has named them."""
    buffer.at += 1
    while buffer.skip(_BETWEEN):
        name = _scan(buffer, max_bytes)
        if isinstance(name, _Broken):
            break
        buffer.at = name[1]
        buffer.skip(_BEHIND_NAME)
        if name[0] == key:
            return
        value = _scan(buffer, max_bytes)
        if isinstance(value, _Broken):
            break
        buffer.at = value[1]
    line, column = buffer.place(buffer.at)
    yield FileLine(
        line,
        position(),
        None,
        f"The list “{key}” cannot be reached: the file is not JSON here.",
        column=column,
    )
    buffer.at = len(buffer.text)
