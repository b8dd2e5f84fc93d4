"""From a dataset's rows to token ids and labels: rendered by the base's own chat template, loss on answers only.

Everything that can be wrong with the data is found here, before the first step, and named by row.
"""

import random
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from annotation.rendering import Message, chat_messages
from core.runs import RunFailed
from training.draws import draw, row_stream

IGNORED = -100  # torch's ignore_index for cross entropy
NAMED_ROWS = 5  # how many rows an error names


@dataclass(frozen=True)
class EncodedRow:
    """One training row. `ids` are prompt and answer; the loss counts `ids[prompt_length:]`, end of turn included."""

    position: int
    ids: list[int]
    prompt_length: int
    question: str
    completion: str

    @property
    def answer_tokens(self) -> int:
        return len(self.ids) - self.prompt_length


@dataclass(frozen=True)
class DataFacts:
    """Exact counts of what is trained on; tokens without padding."""

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


@dataclass(frozen=True)
class Encoded:
    train: list[EncodedRow]
    validation: list[EncodedRow]
    facts: DataFacts


def _rows_named(rows: list[str]) -> str:
    named = ", ".join(rows[:NAMED_ROWS])
    more = len(rows) - NAMED_ROWS
    return named + (f" and {more} more" if more > 0 else "")


def _name_of(row: dict[str, Any]) -> str:
    return f"row {row['position']} (example #{row['example']})"


def render_prompt(tokenizer: Any, messages: list[Message]) -> list[int]:
    """Token ids of a conversation up to where the answer begins: what an engine's /tokenize must give as well."""
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def stop_id_of(tokenizer: Any, stop_token: str) -> int:
    """The id of the base's end-of-turn token. RunFailed when this tokenizer does not know it as one token."""
    found = tokenizer.convert_tokens_to_ids(stop_token) if stop_token else None
    if found is None or (found == tokenizer.unk_token_id and stop_token != tokenizer.unk_token):
        raise RunFailed(
            "no_stop_token",
            f"The base model's tokenizer does not know its end-of-turn token {stop_token!r}.",
            "Prepare the base model again, or choose another one.",
        )
    return int(found)


class RowEncoder:
    """Encodes rows one at a time and remembers what was wrong with them; `finish` raises what must be raised."""

    def __init__(self, tokenizer: Any, *, stop_token: str, system_prompt: str, max_length: int) -> None:
        self.tokenizer = tokenizer
        self.stop = stop_id_of(tokenizer, stop_token)
        self.stop_token = stop_token
        self.system_prompt = system_prompt
        self.max_length = max_length
        self.no_stop: list[str] = []
        self.not_prefix: list[str] = []
        self.cut_whole: list[str] = []
        self.stop_inside: list[str] = []
        self.shortened: list[str] = []

    def encode(self, row: dict[str, Any]) -> EncodedRow | None:
        """The row's ids, or None when it cannot be trained on (then `finish` says why)."""
        name = _name_of(row)
        messages = chat_messages(
            messages=row["messages"], context=row["context"], system_prompt=self.system_prompt
        )
        prompt = render_prompt(self.tokenizer, messages)
        text = self.tokenizer.apply_chat_template(
            [*messages, {"role": "assistant", "content": row["completion"]}], tokenize=False
        )
        whole = list(self.tokenizer(text, add_special_tokens=False)["input_ids"])
        if whole[: len(prompt)] != prompt:
            self.not_prefix.append(name)
            return None
        answer = whole[len(prompt) :]
        stops = answer.count(self.stop)
        if stops == 0:
            self.no_stop.append(name)
            return None
        if stops > 1:
            self.stop_inside.append(name)
            return None
        # What the template writes after the turn (a line break) is not the model's to say.
        answer = answer[: answer.index(self.stop) + 1]
        if len(prompt) >= self.max_length:
            self.cut_whole.append(name)
            return None
        if len(prompt) + len(answer) > self.max_length:
            self.shortened.append(name)
        return EncodedRow(
            position=int(row["position"]),
            ids=(prompt + answer)[: self.max_length],
            prompt_length=len(prompt),
            question=row["messages"][-1]["content"],
            completion=row["completion"],
        )

    def finish(self) -> None:
        """Raises RunFailed when any row cannot be trained on as it stands."""
        if self.not_prefix:
            raise RunFailed(
                "prompt_not_prefix",
                f"In {_rows_named(self.not_prefix)} the chat template renders the prompt differently once the answer "
                "follows, so it cannot be told which tokens are the answer.",
                "Choose a base model whose template keeps the conversation as it is.",
            )
        if self.no_stop:
            raise RunFailed(
                "no_stop_token",
                f"In {_rows_named(self.no_stop)} the rendered answer holds no end-of-turn token {self.stop_token!r}, "
                "so a model trained on it would never learn to stop.",
                "Choose a base model whose chat template ends an answer with that token.",
            )
        if self.stop_inside:
            raise RunFailed(
                "stop_token_in_answer",
                f"In {_rows_named(self.stop_inside)} the answer itself contains {self.stop_token!r}, the mark that ends it.",
                "Correct these examples and freeze the dataset again.",
            )
        if self.cut_whole:
            raise RunFailed(
                "completion_truncated",
                f"In {_rows_named(self.cut_whole)} the prompt alone fills {self.max_length} tokens, so nothing of the "
                "answer is left to learn.",
                "Raise “Longest row”, or shorten or retire these examples and freeze again.",
            )


def encode_rows(
    rows: Iterable[dict[str, Any]],
    tokenizer: Any,
    *,
    stop_token: str,
    system_prompt: str,
    max_length: int,
    most_rows: int = 0,
    most_validation_rows: int = 0,
    seed: int = 0,
) -> Encoded:
    """Encodes the rows of splits train and validation. RunFailed names what is wrong, all rows of one kind at once.

    Every row is checked; then at most `most_rows` and `most_validation_rows` (0: all) are drawn by `seed`.
    """
    encoder = RowEncoder(tokenizer, stop_token=stop_token, system_prompt=system_prompt, max_length=max_length)
    found: dict[str, list[EncodedRow]] = {"train": [], "validation": []}
    for row in rows:
        if row["split"] in found:
            encoded = encoder.encode(row)
            if encoded is not None:
                found[row["split"]].append(encoded)
    encoder.finish()
    train = draw(found["train"], most_rows, seed)
    validation = draw(found["validation"], most_validation_rows, seed)
    if not train or not validation:
        missing = "training" if not train else "validation"
        raise RunFailed(
            "no_rows", f"The dataset holds no {missing} rows.", "Freeze it again with more approved examples."
        )
    facts = DataFacts(
        train_rows=len(train),
        validation_rows=len(validation),
        train_tokens=sum(len(row.ids) for row in train),
        validation_tokens=sum(len(row.ids) for row in validation),
        completion_tokens=sum(row.answer_tokens for row in train),
        longest=max(len(row.ids) for row in train + validation),
        shortened=len(encoder.shortened),
        max_length=max_length,
    )
    return Encoded(train, validation, facts)


# Rows of about equal length share a step, so that little is padding; the pool they are sorted in is small, so that
# the order stays random.
POOL_STEPS = 16


def plan_order(lengths: list[int], *, batch_size: int, steps: int, seed: int) -> list[int]:
    """Row numbers in the order they are trained on, `steps * batch_size` of them.

    One permutation of all rows follows another, so that no row is seen twice more often than another; rows of like
    length are brought together inside pools of POOL_STEPS steps. The order follows from its arguments alone, so a
    resumed run goes on exactly where it was.
    """
    wanted = steps * batch_size
    stream = row_stream(len(lengths), wanted=wanted, seed=seed)
    order: list[int] = []
    pool = POOL_STEPS * batch_size
    for start in range(0, wanted, pool):
        part = sorted(stream[start : min(start + pool, wanted)], key=lambda row: lengths[row])
        batches = [part[at : at + batch_size] for at in range(0, len(part), batch_size)]
        random.Random(f"{seed}/pool/{start}").shuffle(batches)
        order += [row for batch in batches for row in batch]
    return order


def collate(rows: list[EncodedRow], pad_id: int) -> dict[str, Any]:
    """A batch padded on the left to its longest row.

    Answers then end at the same place, and scores are needed for the last `keep` positions only: with a vocabulary
    of 50,000 and short answers that saves a fifth of the work and most of the memory. Position ids are given so
    that padding does not shift them.

    input_ids, attention_mask, position_ids, labels: (rows, longest); keep: int.
    """
    import torch

    longest = max(len(row.ids) for row in rows)
    ids = torch.full((len(rows), longest), pad_id, dtype=torch.long)
    labels = torch.full((len(rows), longest), IGNORED, dtype=torch.long)
    mask = torch.zeros((len(rows), longest), dtype=torch.long)
    for at, row in enumerate(rows):
        tokens = torch.tensor(row.ids, dtype=torch.long)
        ids[at, longest - len(tokens) :] = tokens
        mask[at, longest - len(tokens) :] = 1
        labels[at, longest - row.answer_tokens :] = tokens[row.prompt_length :]
    return {
        "input_ids": ids,
        "attention_mask": mask,
        "position_ids": (mask.cumsum(1) - 1).clamp(min=0),
        "labels": labels,
        # One more position than the longest answer: its first token is predicted from the one before it.
        "keep": max(row.answer_tokens for row in rows) + 1,
    }
