"""Which parts of a text are prose: code, addresses and calls inside a text follow other rules."""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

Place = tuple[int, int]
_OTHER = re.compile(
    r"""```.*?(?:```|\Z) | `[^`\n]{1,200}` | (?:https?://|www\.)\S{1,2000} | \S{1,64}@\S{1,200} | \{[^{}]{0,2000}\}
      | [\w.-]{0,60}[_/\\][\w/\\.:-]{0,200} | <[^<>\n]{1,200}>""",
    re.VERBOSE | re.DOTALL,
)
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_SIGNS = frozenset("`@{_/\\<") | {"www."}


@lru_cache(maxsize=512)
def other_places(text: str) -> tuple[Place, ...]:
    """Where the text is code, an address, a path or a call."""
    if not holds_any(text, _SIGNS):
        return ()
    return tuple(match.span() for match in _OTHER.finditer(text))


def inside(start: int, end: int, places: tuple[Place, ...]) -> bool:
    """Whether [start, end) touches one of the places."""
    return any(start < there and at < end for at, there in places)


def has_any(text: str, words: tuple[str, ...]) -> bool:
    """Whether one of the words, in small letters, stands anywhere in the text, in any case. What a pattern that ignores case needs is
    searched with this first: it is ten times as fast."""
    folded = text.casefold()
    if not text.isascii():
        # A pattern takes U+0130 and U+0131 for an "i", too; casefold makes the first one "i" and a dot.
        folded = folded.replace("\u0307", "").replace("\u0131", "i")
    return holds_any(folded, words)


def holds_any(text: str, words: Iterable[str]) -> bool:
    """Whether one of the words stands anywhere in the text, just so. Twice as fast as any(...), and every check asks it of every text."""
    for word in words:  # noqa: SIM110
        if word in text:
            return True
    return False


def words_in(text: str) -> Iterator[str]:
    """The words of the text in lower case, without numbers."""
    return (match.group().casefold() for match in _WORD.finditer(text))
