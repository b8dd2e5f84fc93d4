"""How long the rows are and which of them cannot be trained on."""

from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from training.draws import draw
from training.objectives import SUPERVISED, Objective
from training.objectives.base import AnswerName
from training.rows import SPLITS, TRAIN, VALIDATION, EncodedRow, Problem, RowEncoder, RowRef

# The answers that are read, by the kind of the dataset version. A worse answer beside an example is not trained on.
ANSWERS: dict[str, tuple[AnswerName, ...]] = {
    "supervised": ("completion",),
    "preference": ("completion", "rejected"),
}


# --- lengths of all rows -----------------------------------------------------------------------------------
@dataclass(frozen=True)
class DataFacts:
    """Exact counts of the training data; tokens without padding. Rows are those of the objective: pairs, or single answers."""

    train_rows: int
    validation_rows: int
    train_tokens: int
    validation_tokens: int
    completion_tokens: int
    longest: int
    shortened: int
    max_length: int
    # Rows that are trained on besides the dataset's (training.runner.replay), not counted above.
    replayed_rows: int = 0
    replayed_tokens: int = 0
    # Training rows that are learnt in the base model's words (training.runner.rewriting).
    rewritten_rows: int = 0

    def as_values(self) -> dict[str, int]:
        return asdict(self)


class Lengths:
    """Whole lengths of rows in tokens, as columns: 200,000 rows take a few megabytes. `answer` and `rejected` are 0 where a row lacks
    that answer."""

    def __init__(self) -> None:
        self.position, self.example = array("L"), array("Q")
        self.prompt, self.answer, self.rejected = array("L"), array("L"), array("L")

    def add(self, *, position: int, example: int, prompt: int, answer: int, rejected: int = 0) -> None:
        self.position.append(position)
        self.example.append(example)
        self.prompt.append(prompt)
        self.answer.append(answer)
        self.rejected.append(rejected)

    def __len__(self) -> int:
        return len(self.prompt)

    def answers(self, at: int, max_length: int) -> list[int]:
        """Tokens of each answer of a row with its prompt, cut at `max_length`."""
        parts = (self.answer[at], self.rejected[at])
        return [min(self.prompt[at] + part, max_length) for part in parts if part]

    def whole(self, at: int, max_length: int) -> int:
        """Tokens of a row in training: of each answer with the prompt, cut at `max_length`."""
        return sum(self.answers(at, max_length))

    def is_cut(self, at: int, max_length: int) -> bool:
        return self.prompt[at] + max(self.answer[at], self.rejected[at]) > max_length

    def as_values(self) -> dict[str, list[int]]:
        names = ("position", "example", "prompt", "answer", "rejected")
        return {name: list(getattr(self, name)) for name in names}

    @classmethod
    def from_values(cls, values: dict[str, list[int]]) -> "Lengths":
        lengths = cls()
        for name, column in values.items():
            getattr(lengths, name).extend(column)
        if "rejected" not in values:  # counted before rows had worse answers
            lengths.rejected.extend([0] * len(lengths))
        return lengths


def taken(lengths: Lengths, objective: Objective) -> Lengths:
    """The lengths of the training rows that an objective makes of a dataset's rows, in their order."""
    if objective is SUPERVISED:
        return lengths
    rows = Lengths()
    for at in range(len(lengths)):
        own = {"completion": lengths.answer[at], "rejected": lengths.rejected[at]}
        for names in objective.takes(completion=bool(own["completion"]), rejected=bool(own["rejected"])):
            first, *others = (own[name] for name in names)
            rows.add(
                position=lengths.position[at],
                example=lengths.example[at],
                prompt=lengths.prompt[at],
                answer=first,
                rejected=sum(others),
            )
    return rows


def positions_taken(rows: Iterable[dict[str, Any]], objective: Objective) -> list[int]:
    """The position of the dataset row of each of the objective's training rows, in their order."""
    return [
        int(row["position"])
        for row in rows
        for _ in objective.takes(completion=bool(row["completion"]), rejected=bool(row.get("rejected", "")))
    ]


def measure(
    rows: Iterable[dict[str, Any]], encoder: RowEncoder, kind: str = "supervised"
) -> dict[str, Lengths]:
    """{split: lengths} of the rows that training uses; their problems are in `encoder.problems`. `kind` is the dataset version's."""
    lengths = {split: Lengths() for split in SPLITS}
    for _ in encoded_rows(rows, encoder, lengths, kind):
        pass
    return lengths


def encoded_rows(
    rows: Iterable[dict[str, Any]],
    encoder: RowEncoder,
    lengths: Mapping[str, Lengths],
    kind: str = "supervised",
) -> Iterator[tuple[str, dict[AnswerName, EncodedRow]]]:
    """(split, answers) of each row that training uses; its lengths are added to those of its split."""
    for row in rows:
        if row["split"] not in lengths:
            continue
        answers = encoder.encode_answers(row, ANSWERS[kind])
        if not answers:
            continue
        tokens = {name: answer.answer_tokens for name, answer in answers.items()}
        first = next(iter(answers.values()))
        lengths[row["split"]].add(
            position=first.position,
            example=int(row["example"]),
            prompt=first.prompt_length,
            answer=tokens.get("completion", 0),
            rejected=tokens.get("rejected", 0),
        )
        yield row["split"], answers


def limit_problems(
    lengths: dict[str, Lengths], *, max_length: int, most_rows: int = 0, seed: int = 0
) -> list[Problem]:
    """The problems of a limit of `max_length` tokens: prompts that fill it, and no complete completion. `lengths` are those of the
    objective (`taken`)."""
    truncated = Problem("completion_truncated")
    for split in SPLITS:
        part = lengths[split]
        for at, prompt in enumerate(part.prompt):
            # A row that makes two training rows is named once.
            if prompt >= max_length and not (at and part.position[at - 1] == part.position[at]):
                truncated.add(RowRef(part.position[at], part.example[at]))
    if truncated.count:
        return [truncated]
    train = lengths[TRAIN]
    drawn = draw(len(train), most_rows, seed)
    cut = sum(train.is_cut(at, max_length) for at in drawn)
    return [Problem("no_whole_answer", cut)] if cut and cut == len(drawn) else []


def facts_of(
    lengths: dict[str, Lengths], *, max_length: int, most_rows: int, most_validation_rows: int, seed: int
) -> DataFacts:
    """Exact counts of the rows that a recipe draws; `lengths` are those of its objective (`taken`)."""
    train, validation = lengths[TRAIN], lengths[VALIDATION]
    trained = draw(len(train), most_rows, seed)
    held_out = draw(len(validation), most_validation_rows, seed)
    whole = [train.whole(at, max_length) for at in trained]
    held = [validation.whole(at, max_length) for at in held_out]
    cut = sum(part.is_cut(at, max_length) for part in (train, validation) for at in range(len(part)))
    sequences = [
        answer
        for part, drawn in ((train, trained), (validation, held_out))
        for at in drawn
        for answer in part.answers(at, max_length)
    ]
    return DataFacts(
        train_rows=len(trained),
        validation_rows=len(held_out),
        train_tokens=sum(whole),
        validation_tokens=sum(held),
        completion_tokens=sum(
            answer - min(train.prompt[at], answer)
            for at in trained
            for answer in train.answers(at, max_length)
        ),
        longest=max(sequences, default=0),
        shortened=cut,
        max_length=max_length,
    )
