"""What was found in the texts that were read last. Several examples in a row often have the same turns and records, because they are of
one conversation, and in an editor only the completion changes. Of the texts of real rows, about half are in one of the rows just before."""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")
_MOST = 256  # texts
_LONGEST = 4000  # letters of a text that is kept; with more, what is kept could become large


class Remembered(Generic[T]):
    """Results by text, the oldest forgotten first. Only for results that depend on the text alone and that nobody changes."""

    def __init__(self) -> None:
        self._results: OrderedDict[str, T] = OrderedDict()
        self._lock = Lock()

    def of(self, text: str, make: Callable[[], T]) -> T:
        """What is remembered of the text, or what `make` returns, which is remembered. What `make` raises is not."""
        with self._lock:
            if text in self._results:
                self._results.move_to_end(text)
                return self._results[text]
        result = make()
        if len(text) <= _LONGEST:
            with self._lock:
                self._results[text] = result
                if len(self._results) > _MOST:
                    self._results.popitem(last=False)
        return result

    def clear(self) -> None:
        with self._lock:
            self._results.clear()
