"""Control marks of chat templates in people's text.

A model reads a conversation as one text in which marks such as `<|im_end|>` begin and end the turns. Engines tokenise the
rendered text, so a mark that a person typed acts like one of the template: it would forge a turn. Such text is
refused at input, with a message; text for training or an engine is checked again.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

from core.errors import Invalid

# Marks of common templates, also those of models that are not in use: ChatML, Llama 3, Phi, Zephyr,
# Command R, DeepSeek, gpt-oss (<|...|>), EXAONE ([|...|]), Gemma (<start_of_turn>), Llama 2 and Mistral ([INST], <<SYS>>).
_SHAPES = (
    r"<\|[^\s<>|]{1,64}\|>",
    r"\[\|[^\s\[\]|]{1,64}\|\]",
    r"<(?:start|end)_of_(?:turn|role|text|image)>",
    r"\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT)\]",
    r"<</?SYS>>",
)
# The first two letters of everything that these find.
_SHAPES_BEGIN = ("<|", "[|", "<s", "<e", "[I", "[S", "[A", "[T", "[/", "<<")
# Some tokenizers drop or ignore these: control and format characters (Unicode's Cc and Cf, but for tab and line
# ends) and what Unicode calls default ignorable.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5"
    "\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U000110bd\U000110cd"
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
# Removing all of these from a text and seeing what is left is ten times as fast as searching for the pattern.
_SEEN_ASCII = bytes(code for code in range(128) if not _UNSEEN.match(chr(code)))
_UNSEEN_ASCII = {chr(code) for code in range(128)} - set(_SEEN_ASCII.decode())

_sources: list[Callable[[], Iterable[str]]] = []


def register_marks(source: Callable[[], Iterable[str]]) -> None:
    """Registers a function that returns more marks: the tokens of the base models in use."""
    if source not in _sources:
        _sources.append(source)


class Marks:
    """A set of marks to find in texts: the patterns of common templates, and `tokens` exactly as written."""

    def __init__(self, tokens: Iterable[str] = (), *, shapes: bool = True) -> None:
        exact = sorted({token for token in tokens if token.strip()}, key=lambda token: (-len(token), token))
        parts = [re.escape(token) for token in exact] + list(_SHAPES if shapes else ())
        self._pattern = re.compile("|".join(parts)) if parts else None
        # {first letter: second letters} of all marks; none of a mark of one letter, which any letter can follow. Letters that
        # a tokenizer ignores can stand between them.
        begins = [token[:2] for token in exact] + list(_SHAPES_BEGIN if shapes else ())
        self._begins = {
            letters[0]: {other[1:] for other in begins if other[0] == letters[0]} | _UNSEEN_ASCII
            for letters in begins
        }

    def in_text(self, text: str) -> str:
        """The first mark in the text, as a tokenizer can read it; "" when there is none.

        Full-width and other compatibility letters count as their plain ones, and invisible letters are ignored.
        """
        if self._pattern is None:
            return ""
        plain = text.isascii()
        if plain and not self._may_begin(text):
            return ""  # nearly every text, and much faster to find out
        match = self._pattern.search(text)
        if match is None and (not plain or text.encode().translate(None, _SEEN_ASCII)):
            match = self._pattern.search(_UNSEEN.sub("", unicodedata.normalize("NFKC", text)))
        return match.group() if match else ""

    def _may_begin(self, text: str) -> bool:
        for first, second in self._begins.items():
            at = text.find(first)
            while at >= 0:
                if "" in second or text[at + 1 : at + 2] in second:
                    return True
                at = text.find(first, at + 1)
        return False

    def places(self, text: str) -> list[tuple[int, int]]:
        """Where the marks are in the text as it is written; those that only a tokenizer can read have no place."""
        return [match.span() for match in self._pattern.finditer(text)] if self._pattern else []


@lru_cache(maxsize=64)
def marks_of(tokens: frozenset[str], *, shapes: bool = True) -> Marks:
    """Marks for a set of tokens, cached."""
    return Marks(tokens, shapes=shapes)


def known_marks() -> Marks:
    """All forbidden marks. One query for each registered source."""
    return marks_of(frozenset(token for source in _sources for token in source()))


def words_for(mark: str) -> str:
    """The message for the author of the text."""
    return (
        f"Contains “{mark}”, a control mark of chat templates. A model would read it as the start or end of a turn. "
        "Remove it or write it in another way."
    )


def marks_in(texts: Mapping[str, str | Iterable[str]], marks: Marks | None = None) -> dict[str, list[str]]:
    """{field: [message]} for each field with a mark. `marks` None: all known marks."""
    marks = known_marks() if marks is None else marks
    wrong = {}
    for name, value in texts.items():
        marks_found = (marks.in_text(text) for text in ([value] if isinstance(value, str) else value))
        if mark := next(filter(None, marks_found), ""):
            wrong[name] = [words_for(mark)]
    return wrong


def refuse_marks(**texts: str | Iterable[str]) -> None:
    """Raises Invalid, with the fields, when one of the texts contains a control mark. Names are those of form fields."""
    if wrong := marks_in(texts):
        raise Invalid(
            "A text contains a control mark of chat templates.", "See the messages below.", fields=wrong
        )
