"""How long the rows are and which of them cannot be trained on."""

from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from training.draws import draw
from training.rows import SPLITS, TRAIN, VALIDATION, EncodedRow, Problem, RowEncoder, RowRef


# --- lengths of all rows -----------------------------------------------------------------------------------
@dataclass(frozen=True)
class DataFacts:
    """Exact counts of the training data; tokens without padding."""

    train_rows: int
    validation_rows: int
    train_tokens: int
    validation_tokens: int
    completion_tokens: int
    longest: int
    shortened: int
    max_length: int

    def as_values(self) -> dict[str, int]:
        return asdict(self)


class Lengths:
    """Whole lengths of rows in tokens, as columns: 200,000 rows take a few megabytes."""

    def __init__(self) -> None:
        self.position, self.example = array("L"), array("Q")
        self.prompt, self.answer = array("L"), array("L")

    def add(self, *, position: int, example: int, prompt: int, answer: int) -> None:
        self.position.append(position)
        self.example.append(example)
        self.prompt.append(prompt)
        self.answer.append(answer)

    def __len__(self) -> int:
        return len(self.prompt)

    def whole(self, at: int, max_length: int) -> int:
        """Tokens of a row in training: cut at `max_length`."""
        return min(self.prompt[at] + self.answer[at], max_length)

    def as_values(self) -> dict[str, list[int]]:
        return {name: list(getattr(self, name)) for name in ("position", "example", "prompt", "answer")}

    @classmethod
    def from_values(cls, values: dict[str, list[int]]) -> "Lengths":
        lengths = cls()
        for name, column in values.items():
            getattr(lengths, name).extend(column)
        return lengths


def measure(rows: Iterable[dict[str, Any]], encoder: RowEncoder) -> dict[str, Lengths]:
    """{split: lengths} of the rows that training uses; their problems are in `encoder.problems`."""
    lengths = {split: Lengths() for split in SPLITS}
    for _ in encoded_rows(rows, encoder, lengths):
        pass
    return lengths


def encoded_rows(
    rows: Iterable[dict[str, Any]], encoder: RowEncoder, lengths: Mapping[str, Lengths]
) -> Iterator[tuple[str, EncodedRow]]:
    """(split, row) of each row that training uses; its length is added to those of its split."""
    for row in rows:
        if row["split"] not in lengths:
            continue
        encoded = encoder.encode(row)
        if encoded is not None:
            lengths[row["split"]].add(
                position=encoded.position,
                example=int(row["example"]),
                prompt=encoded.prompt_length,
                answer=encoded.answer_tokens,
            )
            yield row["split"], encoded


def limit_problems(
    lengths: dict[str, Lengths], *, max_length: int, most_rows: int = 0, seed: int = 0
) -> list[Problem]:
    """The problems of a limit of `max_length` tokens: prompts that fill it, and no complete completion."""
    truncated = Problem("completion_truncated")
    for split in SPLITS:
        part = lengths[split]
        for at, prompt in enumerate(part.prompt):
            if prompt >= max_length:
                truncated.add(RowRef(part.position[at], part.example[at]))
    if truncated.count:
        return [truncated]
    train = lengths[TRAIN]
    drawn = draw(len(train), most_rows, seed)
    cut = sum(train.prompt[at] + train.answer[at] > max_length for at in drawn)
    return [Problem("no_whole_answer", cut)] if cut and cut == len(drawn) else []


def facts_of(
    lengths: dict[str, Lengths], *, max_length: int, most_rows: int, most_validation_rows: int, seed: int
) -> DataFacts:
    """Exact counts of the rows that a recipe draws."""
    train, validation = lengths[TRAIN], lengths[VALIDATION]
    trained = draw(len(train), most_rows, seed)
    held_out = draw(len(validation), most_validation_rows, seed)
    whole = [train.whole(at, max_length) for at in trained]
    held = [validation.whole(at, max_length) for at in held_out]
    cut = sum(
        part.prompt[at] + part.answer[at] > max_length
        for part in (train, validation)
        for at in range(len(part))
    )
    return DataFacts(
        train_rows=len(trained),
        validation_rows=len(held_out),
        train_tokens=sum(whole),
        validation_tokens=sum(held),
        completion_tokens=sum(
            count - min(train.prompt[at], count) for at, count in zip(trained, whole, strict=True)
        ),
        longest=max(whole + held, default=0),
        shortened=cut,
        max_length=max_length,
    )
