"""Rows of customer service in any number, always the same for the same seed: prompt, record, completion.

Words follow Zipf's law, as in real text: some are in most rows, most in few. One row in twenty asks nearly the same as an earlier
one, as customers do. A row of 1.47 kilobytes as JSON; 100,000 of them are a file of 147 MB.
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SLICES = ("tracking", "customs", "claims", "invoices", "booking", "returns", "delays", "dangerous goods")
SOURCES = ("mailbox", "chat", "telephone", "partner desk")
# In about a third of the rows, in one of a hundred, and only in the oldest ones.
COMMON, SELDOM = "shipment", "demurrage"
_ENDS = ("er", "ing", "ed", "ment", "tion", "al", "ly", "ness", "able", "ist", "", "", "", "")
_STARTS = ("b", "br", "c", "ch", "cl", "d", "dr", "f", "fl", "g", "gr", "h", "j", "k", "l", "m", "n", "p", "pr", "qu",
           "r", "s", "sh", "sp", "st", "t", "th", "tr", "v", "w")  # fmt: skip
_MIDDLES = (
    "a",
    "e",
    "i",
    "o",
    "u",
    "ai",
    "ea",
    "ou",
    "an",
    "en",
    "in",
    "on",
    "ar",
    "er",
    "or",
    "al",
    "el",
    "il",
)
_COMMONEST = [
    "the",
    "to",
    "a",
    "and",
    "is",
    "your",
    "it",
    "we",
    "on",
    "in",
    "for",
    "of",
    "you",
    "be",
    "by",
    "at",
    "this",
    "please",
    "when",
    "will",
    "from",
    "with",
    "that",
    "not",
    "are",
    "our",
    "i",
    "has",
    "can",
    "my",
    "was",
    "if",
    "an",
    "have",
    "as",
    "me",
    "or",
    "there",
    "next",
    "so",
]


class Words:
    """A vocabulary of 8,000 made words after the commonest English ones, drawn by Zipf's law."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        made = set[str]()
        while len(made) < 8000:
            syllables = self.random.choice((1, 2, 2, 3))
            start = "".join(
                self.random.choice(_STARTS) + self.random.choice(_MIDDLES) for _ in range(syllables)
            )
            made.add(start + self.random.choice(_ENDS))
        self.all = [*_COMMONEST, *sorted(made, key=lambda word: (len(word), word))]
        weights, total = [], 0.0
        for rank in range(len(self.all)):
            total += 1 / (rank + 3)
            weights.append(total)
        self._weights = weights

    def sentence(self, count: int, *extra: str) -> str:
        chosen = self.random.choices(self.all, cum_weights=self._weights, k=count)
        for word in extra:
            chosen[self.random.randrange(count)] = word
        return " ".join(chosen).capitalize() + self.random.choice("..?")


def rows(count: int, *, seed: int = 7, first: int = 0) -> Iterator[dict[str, Any]]:
    words = Words(seed + first)
    draw = words.random
    asked: list[str] = []
    for number in range(first, first + count):
        extra = [COMMON] * (draw.random() < 0.33) + [SELDOM] * (draw.random() < 0.01)
        if asked and draw.random() < 0.05:
            prompt = f"Hello. {draw.choice(asked)}"
        else:
            prompt = " ".join(words.sentence(draw.randint(8, 16), *extra) for _ in range(3))
            if len(asked) < 1000 or draw.random() < 0.01:
                asked = [*asked[-2000:], prompt]
        record = {
            "reference": f"FD-{number:07d}",
            "weight": draw.randint(1, 30000),
            "events": [
                {"at": f"2026-{draw.randint(1, 12):02d}-{draw.randint(1, 28):02d}", "what": words.sentence(9)}
                for _ in range(7)
            ],
        }
        yield {
            "prompt": f"{prompt} It is about FD-{number:07d}.",
            "record": json.dumps(record),
            "completion": " ".join(words.sentence(draw.randint(8, 14)) for _ in range(8)),
            "slice": draw.choice(SLICES),
            "source": draw.choice(SOURCES),
        }


def write(path: Path, count: int, *, seed: int = 7, first: int = 0) -> int:
    """Writes JSON Lines and returns their size in bytes."""
    with path.open("w", encoding="utf-8") as file:
        for row in rows(count, seed=seed, first=first):
            file.write(json.dumps(row) + "\n")
    return path.stat().st_size
