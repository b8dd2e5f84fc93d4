"""Text out of tokens, piece by piece: whole characters only, and nothing of a stop sequence."""

from collections.abc import Sequence
from typing import Any

_HALF = "\ufffd"  # what a tokenizer shows for a character whose bytes are not complete


class Text:
    """The text of an answer while it is written. `stopped` once a stop sequence appeared; its text is left out."""

    def __init__(self, tokenizer: Any, stop: Sequence[str] = ()) -> None:
        self._tokenizer, self._stop = tokenizer, tuple(stop)
        self._ids: list[int] = []
        self._start = self._read = 0  # tokens decoded together for context, and those shown already
        self._kept = ""  # may be the beginning of a stop sequence
        self.stopped = False

    def add(self, token: int) -> str:
        """The new text that can be shown."""
        self._ids.append(token)
        return self._release(self._new())

    def rest(self) -> str:
        """What was kept back, when nothing follows."""
        text = self._kept + self._tail()
        self._kept = ""
        return text

    def _decode(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def _new(self) -> str:
        before = self._decode(self._ids[self._start : self._read])
        after = self._decode(self._ids[self._start :])
        if len(after) <= len(before) or after.endswith(_HALF):
            return ""
        self._start, self._read = self._read, len(self._ids)
        return after[len(before) :]

    def _tail(self) -> str:
        before = self._decode(self._ids[self._start : self._read])
        return self._decode(self._ids[self._start :])[len(before) :]

    def _release(self, new: str) -> str:
        text = self._kept + new
        ends = [at for word in self._stop if (at := text.find(word)) >= 0]
        if ends:
            self.stopped, self._kept = True, ""
            return text[: min(ends)]
        keep = max((_overlap(text, word) for word in self._stop), default=0)
        self._kept = text[len(text) - keep :] if keep else ""
        return text[: len(text) - keep] if keep else text


def _overlap(text: str, word: str) -> int:
    """The length of the longest end of `text` that is a beginning of `word`."""
    for length in range(min(len(text), len(word) - 1), 0, -1):
        if text.endswith(word[:length]):
            return length
    return 0
