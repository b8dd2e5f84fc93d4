"""JSON Lines: one JSON object in each line of UTF-8 text."""

from collections.abc import Callable, Iterator
from typing import IO

from dataset.runner.reading.records import EXCERPT, FileLine, clipped

_DRAIN = 1 << 16


def read_lines(
    file: IO[bytes], *, max_bytes: int, position: Callable[[], int] | None = None
) -> Iterator[FileLine]:
    """Yields every line that is not blank. No line longer than `max_bytes` is in memory.

    `position` gives the bytes read of a packed file; without it the bytes of the lines are counted.
    """
    number = end = 0
    while raw := file.readline(max_bytes + 1):
        number += 1
        end += len(raw)
        if number == 1:
            raw = raw.removeprefix(b"\xef\xbb\xbf")
        if len(raw) > max_bytes and not raw.endswith(b"\n"):
            head = raw[: EXCERPT * 4].decode("utf-8", "replace")
            length = len(raw)
            del raw
            while rest := file.readline(_DRAIN):
                end += len(rest)
                length += len(rest)
                if rest.endswith(b"\n"):
                    break
            problem = (
                f"The line is {length / 1e6:.1f} MB long; at most {max_bytes / (1 << 20):.0f} MB are allowed."
            )
            yield FileLine(number, end, None, problem, clipped(head))
            continue
        if raw.isspace():
            continue
        whole = raw.endswith(b"\n")
        at = position() if position else end
        try:
            yield FileLine(number, at, raw.decode("utf-8"), whole=whole)
        except UnicodeDecodeError as error:
            problem = (
                f"Byte {error.start + 1} of the line is not UTF-8 (it is {raw[error.start]:#04x}). "
                "Save the file again as UTF-8."
            )
            excerpt = clipped(raw[: EXCERPT * 4].decode("utf-8", "replace"))
            yield FileLine(number, at, None, problem, excerpt, column=error.start + 1)
