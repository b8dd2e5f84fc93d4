"""The differences of two texts, in readable phrases. Pure functions.

Equal starts and ends are removed first. Between them lines are aligned, then the words of lines that differ. Both use
the longest common subsequence of rapidfuzz, whose cost is the product of the two lengths: a comparison spends at most
CELLS of it, and a part that would cost more is shown as replaced as a whole. So the work is linear in the text
beyond that.
"""

import re
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Literal

from rapidfuzz.distance import LCSseq

from core.text import whole_lines_of

CELLS = 16_000_000  # length times length, for the whole comparison: about 4,000 words against 4,000
SIDES_FROM = 12  # words; shorter texts are shown as one line, for any difference
MOST_CHANGED = 0.5  # share of the letters; above it the two texts are easier to read side by side
_LONGEST_KEPT = 200_000  # letters of both texts; longer ones are not cached

# Scripts written without spaces: each letter is a word.
_LETTERS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_SIGNS = "\u0021-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00bf\u2010-\u2027\u2030-\u205e\u3001-\u3040"
# Text that is neither a space nor a sign is a word, in every script: \w would cut marks off their letters.
_IN_WORD = rf"[^\s{_LETTERS}{_SIGNS}]"
# A word with the signs that join its parts ("1,284.50", "e-mail", "don't"), a letter or a sign, each with the white space after it.
_UNIT = re.compile(rf"({_IN_WORD}+(?:[.,:/'’_-]{_IN_WORD}+)*|\S)(\s*)|(\s+)")

Op = Literal["equal", "change"]


@dataclass(frozen=True)
class DiffPiece:
    """A part of both texts. In an equal part `old` is `new`; in a change one of them can be empty."""

    op: Op
    old: str
    new: str


@dataclass
class DiffBudget:
    """The rest of a comparison's budget, and the used part, in cells."""

    left: int = CELLS
    spent: int = 0

    def spend(self, cells: int) -> bool:
        if cells > self.left:
            return False
        self.left -= cells
        self.spent += cells
        return True


@dataclass(frozen=True)
class Diff:
    """`old` and `new` joined over all pieces are the two texts, letter for letter. `spent` is in cells."""

    pieces: tuple[DiffPiece, ...] = ()
    spent: int = 0
    apart: bool = False  # over half differs

    @property
    def changed(self) -> bool:
        return any(piece.op == "change" for piece in self.pieces)


Block = tuple[Op, int, int, int, int]


def blocks(old: Sequence[Hashable], new: Sequence[Hashable], budget: DiffBudget) -> list[Block]:
    """Aligns two sequences: (op, from and to in `old`, from and to in `new`), in order and without gaps."""
    head = _alike(old, new)
    tail = _alike(old[head:][::-1], new[head:][::-1])
    a_end, b_end = len(old) - tail, len(new) - tail
    parts: list[Block] = [("equal", 0, head, 0, head)]
    parts += _middle(old[head:a_end], new[head:b_end], head, budget)
    parts.append(("equal", a_end, len(old), b_end, len(new)))
    return [block for block in parts if block[1] < block[2] or block[3] < block[4]]


def _alike(old: Sequence[Hashable], new: Sequence[Hashable]) -> int:
    """The number of equal items at the start of both."""
    count = 0
    for part, other in zip(old, new, strict=False):
        if part != other:
            break
        count += 1
    return count


def _middle(old: Sequence[Hashable], new: Sequence[Hashable], at: int, budget: DiffBudget) -> Iterator[Block]:
    if not old or not new or not budget.spend(len(old) * len(new)):
        yield "change", at, at + len(old), at, at + len(new)
        return
    numbers: dict[Hashable, int] = {}
    a = [numbers.setdefault(item, len(numbers)) for item in old]
    b = [numbers.setdefault(item, len(numbers)) for item in new]
    change: list[int] | None = None
    for op in LCSseq.opcodes(a, b):
        bounds = [at + op.src_start, at + op.src_end, at + op.dest_start, at + op.dest_end]
        if op.tag == "equal":
            if change:
                yield "change", change[0], change[1], change[2], change[3]
                change = None
            yield "equal", bounds[0], bounds[1], bounds[2], bounds[3]
        elif change:
            change[1], change[3] = bounds[1], bounds[3]
        else:
            change = bounds
    if change:
        yield "change", change[0], change[1], change[2], change[3]


def _units(text: str) -> tuple[list[str], list[str]]:
    """The words and signs, and each with the white space after it. White space at the start is an empty word."""
    words, whole = [], []
    for match in _UNIT.finditer(text):
        words.append(match[1] or "")
        whole.append(match[0])
    return words, whole


def _by_words(old: str, new: str, budget: DiffBudget) -> Iterator[Block]:
    old_words, old_whole = _units(old)
    new_words, new_whole = _units(new)
    a, b = _starts(old_whole), _starts(new_whole)
    for op, a1, a2, b1, b2 in blocks(old_words, new_words, budget):
        if op == "change":
            # The space after the last word belongs to neither when both have it.
            gone, come = "".join(old_whole[a1:a2]), "".join(new_whole[b1:b2])
            space = gone[len(gone.rstrip()) :]
            cut = len(space) if gone and space and come.endswith(space) else 0
            yield op, a[a1], a[a2] - cut, b[b1], b[b2] - cut
            yield "equal", a[a2] - cut, a[a2], b[b2] - cut, b[b2]
            continue
        # The same words, but white space after them can differ.
        for i, j in zip(range(a1, a2), range(b1, b2), strict=True):
            word = len(old_words[i])
            if old_whole[i] == new_whole[j]:
                word = len(old_whole[i])
            yield "equal", a[i], a[i] + word, b[j], b[j] + word
            yield "change", a[i] + word, a[i + 1], b[j] + word, b[j + 1]


def _starts(parts: Sequence[str]) -> list[int]:
    """Where each part begins in the joined text, and where the last one ends."""
    return list(accumulate(map(len, parts), initial=0))


def _by_lines(old: str, new: str, budget: DiffBudget) -> Iterator[Block]:
    old_lines, new_lines = whole_lines_of(old), whole_lines_of(new)
    a, b = _starts(old_lines), _starts(new_lines)
    for op, a1, a2, b1, b2 in blocks(old_lines, new_lines, budget):
        if op == "equal" or a1 == a2 or b1 == b2:
            yield op, a[a1], a[a2], b[b1], b[b2]
            continue
        for inner, c1, c2, d1, d2 in _by_words(old[a[a1] : a[a2]], new[b[b1] : b[b2]], budget):
            yield inner, a[a1] + c1, a[a1] + c2, b[b1] + d1, b[b1] + d2


@dataclass
class _Stretch:
    """Letters from `a1` to `a2` of the old text and from `b1` to `b2` of the new one."""

    op: Op
    a1: int
    a2: int
    b1: int
    b2: int
    blank: bool
    breaks: bool

    @property
    def length(self) -> int:
        return max(self.a2 - self.a1, self.b2 - self.b1)

    def take(self, other: "_Stretch") -> None:
        """Adds the next part to it."""
        self.a2, self.b2 = other.a2, other.b2
        self.blank, self.breaks = self.blank and other.blank, self.breaks or other.breaks


def _phrases(old: str, parts: Iterator[Block]) -> list[_Stretch]:
    """Joins parts, and merges an equal part into the changes around it when it is too short to help.

    Too short means: white space only, or not longer than the change on each side of it (the rule of Fraser's
    diff-match-patch, "semantic cleanup"). Words with a line break stay separate, so that lines remain lines.
    Every part is added once and merged once, so the cost is linear.
    """
    kept: list[_Stretch] = []
    for op, a1, a2, b1, b2 in parts:
        if a1 == a2 and b1 == b2:
            continue
        text = old[a1:a2] if op == "equal" else ""
        stretch = _Stretch(op, a1, a2, b1, b2, not text.strip(), "\n" in text)
        if kept and kept[-1].op == op:
            kept[-1].take(stretch)
        else:
            kept.append(stretch)
        while len(kept) > 2 and kept[-1].op == "change" and _is_short(*kept[-3:]):
            last, island = kept.pop(), kept.pop()
            kept[-1].take(island)
            kept[-1].take(last)
    return kept


def _is_short(before: _Stretch, island: _Stretch, after: _Stretch) -> bool:
    if island.blank:
        return True
    return not island.breaks and island.length <= min(before.length, after.length)


def _compare(old: str, new: str, most: int) -> Diff:
    budget = DiffBudget(left=most)
    stretches = _phrases(old, _by_lines(old, new, budget))
    pieces = [DiffPiece(s.op, old[s.a1 : s.a2], new[s.b1 : s.b2]) for s in stretches]
    differs = sum(len(piece.old) + len(piece.new) for piece in pieces if piece.op == "change")
    long = max(old.count(" "), new.count(" ")) + 1 >= SIDES_FROM
    apart = bool(old and new and long and differs > MOST_CHANGED * (len(old) + len(new)))
    return Diff(tuple(pieces), budget.spent, apart)


_remembered = lru_cache(maxsize=64)(_compare)


def compare(old: str, new: str, *, most: int = CELLS) -> Diff:
    """The differences of the texts. It uses at most `most` cells; the last comparisons of short texts are cached."""
    if len(old) + len(new) > _LONGEST_KEPT:
        return _compare(old, new, most)
    return _remembered(old, new, most)
