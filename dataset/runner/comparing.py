"""Compares prompts in a process of its own, so that a freeze reads and hashes its rows on one core while another compares.

The process gets frames on its standard input and answers on its standard output; a frame is its length in four bytes and a message
in msgpack, [what, value]. It ends when its input ends, so also when the freeze is killed.
"""

import sys
from array import array
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import IO, Any

import msgspec

from core.host.apart import process_apart
from dataset.similarity import Prompts, turns_of

_AT_ONCE = 500  # prompts in a frame
_LENGTH = 4
_encode, _decode = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder().decode


class PromptsElsewhere:
    """Prompts with the same results as `dataset.similarity.Prompts`. Use it as a context manager.

    Every method that asks can raise RuntimeError: the process has ended; its error is in the worker's log.
    """

    def __init__(self) -> None:
        self._waiting: list[list[str]] = []
        self._added = 0
        self._stack = ExitStack()
        self._process = self._stack.enter_context(process_apart("dataset.runner.comparing"))

    def __enter__(self) -> "PromptsElsewhere":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def __len__(self) -> int:
        return self._added

    def add(self, messages: Sequence[Mapping[str, str]]) -> None:
        """Adds a prompt; `numbers` gives its number later."""
        self._waiting.append(turns_of(messages))
        self._added += 1
        if len(self._waiting) == _AT_ONCE:
            self._send_waiting()

    def numbers(self) -> Sequence[int]:
        """The numbers of all prompts, in the order of adding."""
        self._send_waiting()
        return array("l", self._asked("numbers", None, None))

    def clusters(self, tell: Callable[[float], None] | None = None) -> list[int]:
        clusters: list[int] = self._asked("clusters", None, tell)
        return clusters

    def nearest(self, numbers: Collection[int], targets: Collection[int]) -> dict[int, dict[int, float]]:
        near: dict[int, dict[int, float]] = self._asked("nearest", [list(numbers), list(targets)], None)
        return near

    def _send_waiting(self) -> None:
        if self._waiting:
            self._send("add", self._waiting)
            self._waiting = []

    def _asked(self, what: str, value: Any, tell: Callable[[float], None] | None) -> Any:
        self._send(what, value)
        assert self._process.stdout is not None
        for kind, answer in _frames(self._process.stdout):
            if kind == "result":
                return answer
            if tell:
                tell(answer)
        raise RuntimeError(f"The process that compares prompts has ended ({self._process.wait()}).")

    def _send(self, what: str, value: Any) -> None:
        assert self._process.stdin is not None
        try:
            _write(self._process.stdin, what, value)
        except BrokenPipeError as error:
            raise RuntimeError(
                f"The process that compares prompts has ended ({self._process.wait()})."
            ) from error


def _write(file: IO[bytes], what: str, value: Any) -> None:
    body = _encode([what, value])
    file.write(len(body).to_bytes(_LENGTH) + body)
    file.flush()


def _frames(file: IO[bytes]) -> Iterator[tuple[str, Any]]:
    while head := file.read(_LENGTH):
        body = file.read(int.from_bytes(head))
        what, value = _decode(body)
        yield what, value


def _work(asked: IO[bytes], answers: IO[bytes]) -> None:
    """The other process: until its input ends."""
    prompts = Prompts()
    for what, value in _frames(asked):
        result: Any
        if what == "add":
            for turns in value:
                prompts.add_turns(turns)
            continue
        if what == "numbers":
            result = list(prompts.numbers())
        elif what == "clusters":
            result = prompts.clusters(lambda share: _write(answers, "share", share))
        else:
            result = prompts.nearest(*value)
        _write(answers, "result", result)


if __name__ == "__main__":
    _work(sys.stdin.buffer, sys.stdout.buffer)
