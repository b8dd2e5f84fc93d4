"""Text for storage: characters that PostgreSQL accepts, and line ends. Pure functions."""

import re

UNREADABLE = "\ufffd"
_LINE_END = re.compile(r"\r\n|\r|\n")
_BLANK_LINES = re.compile(r"\A(?:[^\S\r\n]*(?:\r\n|\r|\n))+")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


def storable(text: str) -> str:
    """The text with U+FFFD for characters that PostgreSQL refuses: NUL, and halves of surrogate pairs.

    Two halves beside each other, for example from an answer in pieces, become their letter.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text.replace("\x00", UNREADABLE)


def is_storable(text: str) -> bool:
    """Whether PostgreSQL accepts `text`: no NUL, no halves of characters."""
    if "\x00" in text:
        return False
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def plain_line_ends(text: str) -> str:
    """The text with \\n where it has \\r\\n or \\r; nothing else changes."""
    return _LINE_END.sub("\n", text) if "\r" in text else text


def trimmed(text: str) -> str:
    """The text without blank lines before it and white space after it; its first line keeps its indentation."""
    return _BLANK_LINES.sub("", text.rstrip())


def one_line(text: str, *, most: int | None = None) -> str:
    """The text on one line: any white space becomes one space, and nothing is left after `most` characters."""
    return " ".join(text.split())[:most]


def lines_of(text: str) -> list[str]:
    """Its lines without their ends. Only CR, LF and both together end a line: str.splitlines also cuts at U+2028, U+0085, form
    feeds and more, which people's texts can have inside a line."""
    lines = _LINE_END.split(text)
    return lines[:-1] if not lines[-1] else lines


def whole_lines_of(text: str) -> list[str]:
    """Its lines with their ends, by the same rule; joined they are the text."""
    return _LINE.findall(text)
