"""Finds prompts that ask nearly the same: word pairs with masked numbers, MinHash for candidates, exact Jaccard to decide.

Near-duplicates of test rows in training make test results too good (Lee et al. 2022, "Deduplicating Training Data Makes Language
Models Better", who use MinHash and a Jaccard similarity of 0.8). The turns are compared: a prompt
that differs only in its numbers counts as the same, and records and completion do not count. docs/decisions/splits.md has the
reasons.
"""

import re
import unicodedata
from array import array
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rensa import RMinHash  # type: ignore[import-untyped]  # it comes without types

from annotation.text.hashes import loosely

SIMILAR = 0.8  # Jaccard similarity from which two prompts are near-duplicates (Lee et al. 2022)
# Fixed, so that the same rows give the same candidates in every process and on every machine.
SEED = 1
# A pair at exactly SIMILAR shares no band with probability (1 - 0.8 ** 5) ** 40 = 1e-7.
BANDS, BAND_ROWS = 40, 5
# In a bucket of more texts than CROWDED only PATIENCE of them are compared with all others before it is divided.
CROWDED, PATIENCE = 128, 16
_CHUNK = 4000
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
# Scripts written without spaces: each letter is a word, so a pair of words is a pair of letters.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"
)
_NUMBER = re.compile(r"0+(?: +0+)*")


class _Plain(dict[int, str]):
    """For str.translate: a digit becomes 0, a character that is not a letter or mark becomes a space."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        kind = unicodedata.category(letter)
        if kind == "Nd":
            plain = "0"
        elif kind[0] in "PSZC":
            plain = " "
        elif _UNSPACED.match(letter):
            plain = f" {letter} "
        else:
            plain = letter
        self[code] = plain
        return plain


_PLAIN = _Plain()
_PLAIN_ASCII = bytes.maketrans(bytes(range(128)), "".join(_PLAIN[code] for code in range(128)).encode())


def words(text: str) -> list[str]:
    """The text's words without case, punctuation and compatibility forms; every number, however long, is "0"."""
    text = loosely(text)
    plain = text.encode().translate(_PLAIN_ASCII).decode() if text.isascii() else text.translate(_PLAIN)
    return _NUMBER.sub("0", plain).split()


def turns_of(messages: Sequence[Mapping[str, str]]) -> list[str]:
    """The texts that are compared. System messages are left out: they are the same in many rows."""
    return [message["content"] for message in messages if message["role"] != "system"]


def shingles(messages: Sequence[Mapping[str, str]]) -> frozenset[str]:
    """Pairs of adjacent words of all turns.

    A prompt of one word is that word; one without words (only signs) is its own text. The result is not empty.
    """
    return frozenset(_pairs_of(turns_of(messages)))


def _pairs_of(turns: Sequence[str]) -> list[str]:
    every = [word for turn in turns for word in words(turn)]
    if len(every) > 1:
        return list(map(" ".join, pairwise(every)))
    return every or [loosely(" ".join(turns))]


def jaccard(first: Collection[Any], second: Collection[Any]) -> float:
    """The share of common members of two sets; 1.0 for equal sets."""
    shared = len(set(first).intersection(second))
    return shared / (len(first) + len(second) - shared)


class Prompts:
    """Prompts added one by one, each known by the number of its text: equal shingles, equal number, from 0.

    Uses about 1.3 kilobytes for each different text. Its results depend only on the texts, except the numbers, which follow the
    order of adding.
    """

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}
        self._shingles: list[array[int]] = []
        self._added: array[int] = array("l")
        self._keys: list[NDArray[np.uint64]] = []

    def __len__(self) -> int:
        return len(self._shingles)

    def add(self, messages: Sequence[Mapping[str, str]]) -> int:
        """The number of this prompt's text."""
        return self.add_turns(turns_of(messages))

    def add_turns(self, turns: Sequence[str]) -> int:
        """The number of a prompt of these turns."""
        hashes = array("Q", sorted(set(RMinHash.hash_token_sets([_pairs_of(turns)])[0])))
        number = self._numbers.setdefault(blake2b(hashes.tobytes(), digest_size=16).digest(), len(self))
        if number == len(self):
            self._shingles.append(hashes)
            if len(self) % _CHUNK == 0:
                self._digest_next()
        self._added.append(number)
        return number

    def numbers(self) -> Sequence[int]:
        """The numbers of all prompts, in the order of adding."""
        return self._added

    def similarity(self, first: int, second: int) -> float:
        return jaccard(self._shingles[first], self._shingles[second])

    def clusters(self, tell: Callable[[float], None] | None = None) -> list[int]:
        """For each text the lowest number that is connected to it by near-duplicates.

        `tell` gets the progress, as a share of one.
        """
        parent = list(range(len(self)))

        def root(number: int) -> int:
            while parent[number] != number:
                parent[number] = parent[parent[number]]
                number = parent[number]
            return number

        numbers = np.arange(len(self))
        keys = self._band_keys()
        for band in range(BANDS):
            if tell:
                tell(band / BANDS)
            pending = [(numbers, band)]
            while pending:
                members, by = pending.pop()
                pending += [
                    (bucket, by + 1)
                    for bucket in _alike(members, keys[members, by % BANDS])
                    if not self._join(bucket.tolist(), root, parent, thorough=by == band + BAND_ROWS)
                ]
        return [root(number) for number in range(len(self))]

    def _join(
        self, bucket: list[int], root: Callable[[int], int], parent: list[int], *, thorough: bool
    ) -> bool:
        """Joins similar texts in a bucket. False when it has too many texts that are not similar: comparing all of them would
        take hours, so the caller divides it by the next band. Texts that are all similar join at the first comparison."""
        rest, compared = bucket, 0
        while len(rest) > 1:
            if compared == PATIENCE and len(rest) > CROWDED and not thorough:
                return False
            *rest, first = rest
            own = root(first)
            others = [number for number in rest if root(number) != own]
            if not others:
                return True
            compared += 1
            for second, _ in self._similar(first, others):
                lower, other = sorted((root(first), root(second)))
                parent[other] = lower
        return True

    def nearest(self, numbers: Collection[int], targets: Collection[int]) -> dict[int, dict[int, float]]:
        """{number: {target: similarity}} of the targets that are near-duplicates of a number, if any."""
        near: dict[int, dict[int, float]] = {n: {n: 1.0} for n in set(numbers) & set(targets)}
        queried, known = set(numbers), set(targets)
        numbers = np.array(sorted(queried | known), dtype=np.int64)
        keys = self._band_keys()[numbers]
        for band in range(BANDS):
            for members in _alike(np.arange(len(numbers)), keys[:, band]):
                bucket = numbers[members].tolist()
                candidates = [number for number in bucket if number in known]
                for number in bucket if candidates else []:
                    if number in queried:
                        seen = near.setdefault(number, {})
                        seen.update(self._similar(number, [n for n in candidates if n not in seen]))
        return {number: targets for number, targets in near.items() if targets}

    def _similar(self, number: int, others: list[int]) -> Iterator[tuple[int, float]]:
        """Those of `others` that are near-duplicates, by exact comparison."""
        if not others:
            return
        own = set(self._shingles[number])
        for other in others:
            theirs = self._shingles[other]
            # Sets with very different sizes cannot be similar.
            if SIMILAR * len(own) <= len(theirs) <= len(own) / SIMILAR:
                similarity = len(shared := own.intersection(theirs)) / (len(own) + len(theirs) - len(shared))
                if similarity >= SIMILAR:
                    yield other, similarity

    def _band_keys(self) -> NDArray[np.uint64]:
        """(len(self), BANDS): one key for each band of each digest; equal bands have equal keys."""
        while self._digested() < len(self):
            self._digest_next()
        return np.concatenate([np.empty((0, BANDS), dtype=np.uint64), *self._keys])

    def _digested(self) -> int:
        return sum(map(len, self._keys))

    def _digest_next(self) -> None:
        """The keys of the next portion of texts. They are made while texts are added, when another process reads these."""
        start = self._digested()
        sets = self._shingles[start : start + _CHUNK]
        digests = RMinHash.digest_matrix_from_token_hash_sets(sets, BANDS * BAND_ROWS, SEED).to_rows()
        # By way of arrays: NumPy alone takes twice as long to read a list of lists.
        packed = b"".join([array("I", digest).tobytes() for digest in digests])
        rows = np.frombuffer(packed, np.uint32).astype(np.uint64).reshape(len(sets), BANDS, BAND_ROWS)
        keys = np.zeros((len(sets), BANDS), dtype=np.uint64)
        for at in range(BAND_ROWS):
            keys = (keys ^ rows[:, :, at]) * _MULTIPLIER
            keys ^= keys >> np.uint64(29)
        self._keys.append(keys)


def _alike(members: NDArray[np.int64], keys: NDArray[np.uint64]) -> Iterator[NDArray[np.int64]]:
    """The members that share a key with another, by key."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)) + 1
    starts = np.append(0, ends[:-1])
    for start, end in zip(starts[ends - starts > 1], ends[ends - starts > 1], strict=True):
        yield members[order[start:end]]
