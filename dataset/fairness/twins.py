"""Counterfactual twins: the words of two groups change places in an example, and everything else stays. Pure functions.

Both directions at once: in a text with a woman and a man, swapping only "she" would leave two men. A word is replaced by the word at
the same place of the list of the same kind, so that equal words become equal ones and different ones stay different.

What a rule cannot know is marked as not sure, for the person who reads the twin.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from dataset.fairness.words import Characteristic, Finder, Hit, LexiconEntry, LexiconGroup

_NEXT = re.compile(r"[ \t\u00a0]+([^\W\d_]+(?:['’][^\W\d_]+)?)")
_BEFORE = re.compile(r"([^\W\d_]+)[ \t\u00a0]+$")
_ARTICLE = re.compile(r"\b([Aa]n?)([ \t\u00a0]+)$")
# After "her" one of these words begins something new, so "her" is an object (him): prepositions, conjunctions, articles, pronouns,
# verbs that help others, and adverbs of time and place. Before anything else "her" is possessive (his).
_NEW_WORDS = (
    "a about above after again against all already an and any are around as at away back be because been before behind below "
    "beside between but by can could did do does down during every for from had has have he her here him his how i if in into is it "
    "its just may me might more my next no not now of off on once or our out over please right she should since so some soon than "
    "that the their them then there these they this those through to today together tomorrow tonight too under until up us very "
    "was we were what when where whether which while who why will with without would yesterday you your"
)
_NEW_PART = frozenset(_NEW_WORDS.split())
# These take an object and then a verb: "let her know", "make her wait". A noun may follow them, too: "make her day".
_TAKES_VERB = frozenset(
    ("let", "lets", "letting", "make", "makes", "made", "help", "helps", "helped", "see", "saw", "hear", "heard", "have", "had")
)  # fmt: skip
# After "her" they may be an adverb or belong to a noun: "gave her right back", "her last order".
_EITHER_WAY = frozenset(("back", "right", "next", "more", "some"))
_POSSESSIVE, _ALONE, _OBJECT = "possessive", "possessive alone", "object"


@dataclass(frozen=True)
class Swap:
    """One word replaced. `at` is its place in the new text; `doubt` says why it is not sure, empty when it is."""

    old: str
    new: str
    at: int
    doubt: str = ""


@dataclass(frozen=True)
class SwappedRow:
    """The swapped texts, and what was swapped: {"messages.0": [swap], "context.1", "completion"}."""

    messages: list[dict[str, str]]
    context: list[str]
    completion: str
    swaps: dict[str, list[Swap]]

    @property
    def changed(self) -> bool:
        return bool(self.swaps)

    @property
    def doubts(self) -> int:
        return sum(bool(swap.doubt) for swaps in self.swaps.values() for swap in swaps)

    def stored_swaps(self) -> dict[str, list[dict[str, Any]]]:
        return {where: [asdict(swap) for swap in swaps] for where, swaps in self.swaps.items()}


class Swapper:
    """Swaps two groups of one characteristic. KeyError when one of them is not in it."""

    def __init__(self, characteristic: Characteristic, one: str, other: str) -> None:
        groups = {group.key: group for group in characteristic.groups}
        self._other: dict[str, LexiconGroup] = {one: groups[other], other: groups[one]}
        self._finder = Finder(
            [Characteristic(characteristic.key, characteristic.label, (groups[one], groups[other]))]
        )

    def twin(self, *, messages: list[dict[str, str]], context: list[str], completion: str) -> SwappedRow:
        """The twin of an example. The system prompt stays as it is."""
        swaps: dict[str, list[Swap]] = {}

        def swapped(where: str, text: str) -> str:
            new, done = self.swap(text)
            if done:
                swaps[where] = done
            return new

        turns = [
            turn
            if turn["role"] == "system"
            else {**turn, "content": swapped(f"messages.{at}", turn["content"])}
            for at, turn in enumerate(messages)
        ]
        records = [swapped(f"context.{at}", record) for at, record in enumerate(context)]
        return SwappedRow(turns, records, swapped("completion", completion), swaps)

    def swap(self, text: str) -> tuple[str, list[Swap]]:
        """The text with every word replaced that has a counterpart, and what was done."""
        pieces: list[str] = []
        swaps: list[Swap] = []
        at = length = 0
        for hit in self._finder.hits(text):
            new, doubt = self._replacement(text, hit)
            before = text[at : hit.start]
            if new != hit.text:
                before, article_doubt = _with_article(before, hit.text, new)
                doubt = doubt or article_doubt
            pieces += [before, new]
            length += len(before)
            if new != hit.text or doubt:
                swaps.append(Swap(hit.text, new, length, doubt))
            length += len(new)
            at = hit.end
        return "".join([*pieces, text[at:]]), swaps

    def _replacement(self, text: str, hit: Hit) -> tuple[str, str]:
        if len({entry.group for entry in hit.entries}) > 1:
            return hit.text, "It is a word of both groups."
        entry, doubt = _meant(text, hit)
        words = self._other[entry.group].words.get(entry.part, {}).get(entry.kind, [])
        if not words:
            return hit.text, "The other group has no word for it."
        if entry.place >= len(words) and entry.part == "terms":
            doubt = doubt or "The other group has fewer words of this kind."
        return _in_case(words[entry.place % len(words)], hit.text, entry.word), doubt


def _meant(text: str, hit: Hit) -> tuple[LexiconEntry, str]:
    """Which of a word's kinds is meant, and a doubt about it."""
    kinds = {entry.kind: entry for entry in reversed(hit.entries)}
    if {_POSSESSIVE, _OBJECT} <= set(kinds):
        kind, doubt = _her(text, hit)
    elif {_POSSESSIVE, _ALONE} <= set(kinds):
        kind, doubt = _his(text, hit)
    else:
        return hit.entries[0], ""
    return kinds[kind], doubt


def _her(text: str, hit: Hit) -> tuple[str, str]:
    """ "her" as an object (him) or a possessive (his)."""
    following = _NEXT.match(text, hit.end)
    if not following:
        return _OBJECT, ""
    word = following[1].lower()
    before = _BEFORE.search(text, max(0, hit.start - 40), hit.start)
    if before and before[1].lower() in _TAKES_VERB and word not in _NEW_PART:
        return _OBJECT, f"“{before[1]} {hit.text} {following[1]}” can be read in two ways."
    if word in _EITHER_WAY or (word.endswith("ly") and word not in ("family", "supply", "assembly", "reply")):
        return _OBJECT, f"“{hit.text} {following[1]}” can be read in two ways."
    return (_OBJECT if word in _NEW_PART else _POSSESSIVE), ""


def _his(text: str, hit: Hit) -> tuple[str, str]:
    """ "his" before a noun (her) or alone (hers)."""
    following = _NEXT.match(text, hit.end)
    word = following[1].lower() if following else ""
    if following and word not in _NEW_PART:
        return _POSSESSIVE, ""
    if following and word in _EITHER_WAY:
        return _POSSESSIVE, f"“{hit.text} {following[1]}” can be read in two ways."
    return _ALONE, ""


def _in_case(new: str, found: str, listed: str) -> str:
    """The new word in the case of the one found: HER -> HIS, Her -> His. A word that is listed with a capital keeps its own."""
    if len(found) > 1 and found.isupper() and found != listed:
        return new.upper()
    if found[:1].isupper() and not listed[:1].isupper():
        return new[:1].upper() + new[1:]
    return new


def _with_article(before: str, old: str, new: str) -> tuple[str, str]:
    """ "a" becomes "an" and back, by the first letter of the new word. Not sure where letter and sound can differ."""
    match = _ARTICLE.search(before)
    if not match or _vowel(old) == _vowel(new):
        return before, ""
    article = "an" if _vowel(new) else "a"
    article = article.capitalize() if match[1][0] == "A" and len(match[1]) > 0 else article
    doubt = "“a” or “an”?" if new[:1].lower() in "uh" or new[:2].lower() in ("eu", "on") else ""
    return f"{before[: match.start()]}{article}{match[2]}", doubt


def _vowel(word: str) -> bool:
    return word[:1].lower() in "aeiou"


def twin_of(characteristic: Characteristic, one: str, other: str, row: Mapping[str, Any]) -> SwappedRow:
    """The twin of a row with messages, context and completion."""
    return Swapper(characteristic, one, other).twin(
        messages=row["messages"], context=row["context"], completion=row["completion"]
    )
