"""What a kind of replay needs, and what it gives."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from training.draws import row_stream
from training.objectives.supervised import MOST_REPEATS
from training.rows import EncodedRow, RowEncoder
from training.runner.base_answers import BaseWriter
from training.runner.data import TransformersTokenizer

NOT_OF_THE_DATASET = -1  # the position of such a row
Item = TypeVar("Item")


@dataclass(frozen=True)
class ReplayWork:
    """One run's replay: `count` rows are wanted, each of at most `max_length` tokens."""

    training_run_id: int
    writer: BaseWriter
    count: int
    max_length: int

    def encoder(self, system_prompt: str = "") -> RowEncoder:
        """General questions have no system prompt of the project: the template's own applies, as when forgetting is measured."""
        return RowEncoder(
            TransformersTokenizer(self.writer.tokenizer),
            stop_token=self.writer.stop_token,
            system_prompt=system_prompt,
        )

    def drawn(self, items: Sequence[Item]) -> list[Item]:
        """`count` of the items, each once before one comes twice, at most MOST_REPEATS times."""
        places = min(self.count, MOST_REPEATS * len(items))
        return [items[at] for at in row_stream(len(items), places=places, seed=self.writer.seed)]


class Replay(Protocol):
    """Gives the rows to practise, the same ones for the same work."""

    def __call__(self, work: ReplayWork) -> list[EncodedRow]: ...


def asked(prompt: str, answer: str) -> dict[str, object]:
    """A question and its answer as a row for an encoder."""
    return {
        "messages": [{"role": "user", "content": prompt}],
        "context": [],
        "completion": answer,
        "position": NOT_OF_THE_DATASET,
        "example": NOT_OF_THE_DATASET,
    }
