"""Where a text ends: complete, or in the middle of a sentence."""

import re
from collections.abc import Callable

LEAST_WORDS = 3  # of a sentence; "Cappuccino" and "Of course" are complete without a full stop
_END = re.compile(r"(?<=[^\W\d_][.!?])\s+|(?<=[)\"”’][.!?])\s+|\n+|(?<=[。！？])")
# No English sentence ends with these, but for prepositions after a verb ("What is it for?"), which a question mark follows.
_OPEN_WORDS = frozenset(
    [
        "a",
        "an",
        "the",
        "and",
        "or",
        "but",
        "nor",
        "because",
        "although",
        "unless",
        "whereas",
        "if",
        "whether",
        "your",
        "my",
        "our",
        "their",
        "his",
        "its",
        "every",
        "each",
        "with",
        "from",
        "into",
        "onto",
        "upon",
        "between",
        "during",
        "without",
        "within",
        "through",
        "toward",
        "towards",
        "of",
        "to",
        "at",
        "by",
        "for",
        "than",
        "as",
        "is",
        "are",
        "was",
        "were",
        "be",
        "been",
        "am",
        "will",
        "would",
        "shall",
        "should",
        "can",
        "could",
        "may",
        "might",
        "must",
        "has",
        "have",
        "had",
        "do",
        "does",
        "did",
        "this",
        "these",
        "very",
        "quite",
        "so",
        "such",
        "i",
        "we",
        "they",
        "he",
        "she",
        "who",
        "whom",
        "whose",
        "which",
    ]
)
# Some of these can end an answer ("I think I can", "what it is for", "Let me know what you have"): not with these words before.
_MAY_END = frozenset(
    [
        "is",
        "are",
        "was",
        "were",
        "be",
        "been",
        "am",
        "will",
        "would",
        "shall",
        "should",
        "can",
        "could",
        "may",
        "might",
        "must",
        "has",
        "have",
        "had",
        "do",
        "does",
        "did",
        "to",
        "at",
        "by",
        "for",
        "of",
        "with",
        "from",
        "in",
        "on",
        "this",
        "these",
        "so",
        "such",
        "i",
        "we",
        "they",
        "he",
        "she",
        "who",
        "which",
        "within",
        "without",
        "through",
        "as",
        "than",
        "very",
        "if",
        "each",
    ]
)
_OPEN_MARK = re.compile(r"(?:[,;(\[{–—]|(?<=\s)[-&+/])\s*\Z")


def last_sentence(text: str) -> str:
    return _END.split(text.strip())[-1].strip() if text.strip() else ""


def is_cut_off(text: str, *, english: Callable[[], bool]) -> bool:
    """Whether the text ends in the middle of a sentence: after a comma, an open bracket, or a word that needs another one. Whether it
    is `english` is asked only where its last word decides."""
    stripped = text.rstrip()
    if not stripped:
        return False
    if _OPEN_MARK.search(stripped):
        return True
    if not stripped[-1].isalpha():
        return False
    words = re.findall(r"[\w'’-]+", last_sentence(stripped).casefold())
    if len(words) < LEAST_WORDS or words[-1] not in _OPEN_WORDS or not english():
        return False
    return words[-1] not in _MAY_END or not _may_end(words)


def _may_end(words: list[str]) -> bool:
    """Whether a verb or preposition at the end can be right: "what it is for", "as soon as I can", "if you have to"."""
    before = words[:-1]
    if any(
        word in ("what", "which", "who", "where", "how", "whom", "whose", "that", "when", "why")
        for word in before
    ):
        return True
    return before[-1] in (
        "i",
        "you",
        "we",
        "they",
        "it",
        "he",
        "she",
        "not",
        "can",
        "have",
        "want",
        "like",
        "need",
        "there",
        "had",
        "used",
    )
