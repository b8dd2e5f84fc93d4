"""Lexicons of protected characteristics, and where a text has their words. Pure functions, without the database.

A characteristic has groups; a group has words in three parts (names, pronouns, terms), each part by kind. A kind says what a word
stands for ("possessive", "place", "women"): a twin replaces a word by one of the same kind, at the same place of its list.

Rules: whole words only, in Unicode. A word with a capital letter is found as it is written, or all in capitals; another word in any
case. Words of a longer entry may be joined by a hyphen or a space. The longest entry at a place wins, and a word may belong to several
groups. A word after "non-" is not one of its group, nor one in a phrase that names nobody ("Hey man"). A word of the kind "nationality"
counts only beside a word for a person or after "I am" and the like.
"""

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

PARTS = ("names", "pronouns", "terms")
# In the order of the pages.
SHIPPED = ("gender", "origin", "age", "religion", "disability", "status")
_FOLDER = Path(__file__).with_name("lexicons")
_WORD = re.compile(r"\w+")
_JOINED = re.compile(r"[ \t\u00a0]*[-\u2010\u2011]?[ \t\u00a0]*\n?")
_MOST_JOIN = 3
# Words of people in phrases that name nobody: "Hey man", "Man, I am tired", "oh boy", "a two-man delivery", "our sister firm".
_NOBODY = re.compile(
    r"\b(?:hey|oh|yo|thanks|my) (?:man|boy)\b|(?:^|[.!?]\s+)(?:man|boy|oh boy)[,!]|\b\w+-man\b|\bman (?:and a |& )?van\b|\blady grey\b|"
    r"\bsir ?(?:/|or) ?madam\b|\bdear sirs?\b|\b(?:jack|king|queen) of (?:clubs|spades|hearts|diamonds)\b|"
    r"\b(?:sister|mother|daughter|father) (?:firm|company|companies|ship|vessel|site|plant|board)\b",
    re.IGNORECASE,
)
NATIONALITY = "nationality"  # words of this kind count only for people
_PEOPLE = re.compile(
    r"\s+(?:[\w-]+ )?(?:person|people|man|men|woman|women|lady|guy|girl|boy|child|children|kids?|family|families|friends?|customers?|clients?|"
    r"guests?|patients?|tenants?|citizens?|nationals?|immigrants?|migrants?|refugees?|student|students|worker|workers|driver|drivers|"
    r"employees?|colleagues?|neighbou?rs?|names?|accent|passport|background|origin|descent|wife|husband|mother|father|parents|"
    r"community|speaker|speakers)\b",
    re.IGNORECASE,
)
_SAYS_OF_SOMEBODY = re.compile(
    r"\b(?:(?!(?:it|this|that|there|here|what|which) )(?-i:[A-Z])\w+ is|i am|i['’]m|we are|we['’]re|he is|he['’]s|she is|she['’]s|they are|they['’]re|as|who is|who are|being) (?:an? |the )?(?:[\w-]+ )?$",
    re.IGNORECASE,
)

Words = dict[str, dict[str, list[str]]]  # {part: {kind: [word]}}


@dataclass(frozen=True)
class LexiconGroup:
    key: str
    label: str
    words: Words
    target: float | None = None  # the share that it should have of the rows that name a group

    def every(self) -> list[str]:
        """Its words, each once, in their order."""
        return list(
            dict.fromkeys(word for kinds in self.words.values() for list_ in kinds.values() for word in list_)
        )


@dataclass(frozen=True)
class Characteristic:
    key: str
    label: str
    groups: tuple[LexiconGroup, ...]

    def group(self, key: str) -> LexiconGroup | None:
        return next((group for group in self.groups if group.key == key), None)


def read_characteristic(key: str, content: Mapping[str, Any]) -> Characteristic:
    """From the shape in which it is stored and shipped: {"label", "groups": [{"key", "label", "target", names, pronouns, terms}]}."""
    groups = [
        LexiconGroup(
            one["key"],
            one["label"],
            {
                part: {kind: list(words) for kind, words in one[part].items()}
                for part in PARTS
                if one.get(part)
            },
            one.get("target"),
        )
        for one in content["groups"]
    ]
    return Characteristic(key, content["label"], tuple(groups))


def stored(characteristic: Characteristic) -> dict[str, Any]:
    """The shape that `read_characteristic` reads."""
    groups = [
        {
            "key": group.key,
            "label": group.label,
            "target": group.target,
            **{part: group.words.get(part, {}) for part in PARTS},
        }
        for group in characteristic.groups
    ]
    return {"label": characteristic.label, "groups": groups}


@cache
def shipped(key: str) -> Characteristic:
    """The lexicon that comes with Guildhall."""
    return read_characteristic(key, tomllib.loads((_FOLDER / f"{key}.toml").read_text(encoding="utf-8")))


@dataclass(frozen=True)
class LexiconEntry:
    """One word of a lexicon; `place` is its index in the list of its kind."""

    characteristic: str
    group: str
    part: str
    kind: str
    place: int
    word: str


@dataclass(frozen=True)
class Hit:
    """A word of a lexicon in a text. More than one entry: it belongs to several groups or kinds."""

    start: int
    end: int
    text: str
    entries: tuple[LexiconEntry, ...]


class Finder:
    """Finds the words of several characteristics in one pass over a text."""

    def __init__(self, characteristics: Iterable[Characteristic]) -> None:
        self._by_first: dict[str, list[tuple[tuple[str, ...], str, LexiconEntry]]] = defaultdict(list)
        for characteristic in characteristics:
            for group in characteristic.groups:
                self._add(characteristic.key, group)
        for found in self._by_first.values():
            found.sort(key=lambda one: -len(one[0]))

    def _add(self, characteristic: str, group: LexiconGroup) -> None:
        for part, kinds in group.words.items():
            for kind, words in kinds.items():
                for place, word in enumerate(words):
                    tokens = tuple(_WORD.findall(word.lower()))
                    if tokens:
                        written = "" if word == word.lower() else " ".join(_WORD.findall(word))
                        entry = LexiconEntry(characteristic, group.key, part, kind, place, word)
                        self._by_first[tokens[0]].append((tokens, written, entry))

    def hits(self, text: str) -> list[Hit]:
        """In the order of the text. Hits of one characteristic do not overlap; those of two may."""
        tokens = [(match.start(), match.end()) for match in _WORD.finditer(text)]
        lower = [text[start:end].lower() for start, end in tokens]
        taken: dict[str, int] = {}  # {characteristic: where its last hit ends}
        found: list[Hit] = []
        for at, word in enumerate(lower):
            if word in self._by_first:
                found += self._hits_at(text, tokens, lower, at, taken)
        if not found:
            return found
        nobody = [match.span() for match in _NOBODY.finditer(text)]
        named = (_of_people(text, hit) for hit in found if not _within(hit, nobody))
        return [hit for hit in named if hit.entries]

    def _hits_at(
        self, text: str, tokens: list[tuple[int, int]], lower: list[str], at: int, taken: dict[str, int]
    ) -> list[Hit]:
        start = tokens[at][0]
        if start >= 4 and text[start - 4 : start].lower() == "non-":
            return []
        by_end: dict[tuple[str, int], list[LexiconEntry]] = {}
        best: dict[str, int] = {}
        for words, written, entry in self._by_first[lower[at]]:
            last = at + len(words) - 1
            if last >= len(tokens) or tuple(lower[at : last + 1]) != words:
                continue
            end, of = tokens[last][1], entry.characteristic
            if start < taken.get(of, 0) or end < best.get(of, 0) or not _joined(text, tokens[at : last + 1]):
                continue
            if written and not _as_written(" ".join(text[a:b] for a, b in tokens[at : last + 1]), written):
                continue
            best[of] = end  # longer entries come first
            by_end.setdefault((of, end), []).append(entry)
        taken.update(best)
        return [Hit(start, end, text[start:end], tuple(entries)) for (_, end), entries in by_end.items()]


def _within(hit: Hit, spans: Iterable[tuple[int, int]]) -> bool:
    return any(start <= hit.start and hit.end <= end for start, end in spans)


def _of_people(text: str, hit: Hit) -> Hit:
    """Without its entries of kind "nationality" where they describe a thing."""
    if all(entry.kind != NATIONALITY for entry in hit.entries) or _PEOPLE.match(text, hit.end):
        return hit
    if _SAYS_OF_SOMEBODY.search(text, max(0, hit.start - 40), hit.start):
        return hit
    return replace(hit, entries=tuple(entry for entry in hit.entries if entry.kind != NATIONALITY))


def _joined(text: str, tokens: list[tuple[int, int]]) -> bool:
    return all(
        next_[0] - one[1] <= _MOST_JOIN and _JOINED.fullmatch(text, one[1], next_[0])
        for one, next_ in pairwise(tokens)
    )


def _as_written(found: str, written: str) -> bool:
    return found == written or found == written.upper()
