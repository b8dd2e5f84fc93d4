"""From a dataset's rows to token ids and labels: rendered by the base model's own chat template, loss on completions
only.

All problems of the data are found here, before the first step, and reported by row. The problems and their texts are in
`training.rows`, which the preflight uses too.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from annotation.text.rendering import Message
from core.runs.context import RunFailed
from training.chat_template import control_tokens_of
from training.draws import draw, row_stream
from training.objectives import SUPERVISED, Objective
from training.objectives.base import AnswerName
from training.row_facts import DataFacts, Lengths, encoded_rows, facts_of, limit_problems, taken
from training.rows import (
    SPLITS,
    TRAIN,
    VALIDATION,
    EncodedPreference,
    EncodedRow,
    RowEncoder,
    TrainingRow,
    in_words,
)

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["DataFacts", "EncodedRow", "collate", "encode_rows", "plan_order", "render_prompt", "stop_id_of"]

IGNORED = -100  # torch's ignore_index for cross entropy


@dataclass(frozen=True)
class Encoded:
    train: list[TrainingRow]
    validation: list[TrainingRow]
    facts: DataFacts


class TransformersTokenizer:
    """A transformers tokenizer as a training.chat_template.ChatTokenizer."""

    def __init__(self, tokenizer: "PreTrainedTokenizerBase") -> None:
        self.tokenizer = tokenizer
        self.control_tokens = control_tokens_of(
            (token.content, token.special) for token in tokenizer.added_tokens_decoder.values()
        )

    def render(self, messages: list[Message], *, answer_follows: bool) -> str:
        return str(
            self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=answer_follows)
        )

    def ids_of(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def text_of(self, ids: list[int]) -> str:
        return str(self.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))

    def id_of(self, token: str) -> int | None:
        token_id = self.tokenizer.convert_tokens_to_ids(token)
        unknown = token_id is None or (
            token_id == self.tokenizer.unk_token_id and token != self.tokenizer.unk_token
        )
        return None if unknown else int(token_id)


def render_prompt(tokenizer: "PreTrainedTokenizerBase", messages: list[Message]) -> list[int]:
    """Token ids of a conversation up to the start of the answer; an engine's /tokenize must return the same."""
    chat = TransformersTokenizer(tokenizer)
    return chat.ids_of(chat.render(messages, answer_follows=True))


def stop_id_of(tokenizer: "PreTrainedTokenizerBase", stop_token: str) -> int:
    """The id of the base model's end-of-turn token. RunFailed when this tokenizer does not know it as one token."""
    stop = TransformersTokenizer(tokenizer).id_of(stop_token) if stop_token else None
    if stop is None:
        raise RunFailed(
            "no_stop_token",
            f"The base model's tokenizer does not know its end-of-turn token {stop_token!r}.",
            "Prepare the base model again, or choose another one.",
        )
    return stop


def encode_rows(
    rows: Iterable[dict[str, Any]],
    tokenizer: "PreTrainedTokenizerBase",
    *,
    stop_token: str,
    system_prompt: str,
    max_length: int,
    most_rows: int = 0,
    most_validation_rows: int = 0,
    seed: int = 0,
    objective: Objective = SUPERVISED,
) -> Encoded:
    """Encodes the rows of splits train and validation. RunFailed names the problem, with all rows of one kind at once.

    Every row is checked; then at most `most_rows` and `most_validation_rows` (0: all) of the objective's training rows are drawn by
    `seed`.
    """
    encoder = RowEncoder(TransformersTokenizer(tokenizer), stop_token=stop_token, system_prompt=system_prompt)
    stop_id_of(tokenizer, stop_token)
    encoded: dict[str, list[TrainingRow]] = {split: [] for split in SPLITS}
    lengths = {split: Lengths() for split in SPLITS}
    for split, whole in encoded_rows(rows, encoder, lengths, objective.dataset_kind):
        # Cut here, so that long rows do not fill the memory.
        cut = {name: replace(answer, ids=answer.ids[:max_length]) for name, answer in whole.items()}
        encoded[split] += rows_of(cut, objective)
    lengths = {split: taken(part, objective) for split, part in lengths.items()}
    problems = encoder.problems or limit_problems(
        lengths, max_length=max_length, most_rows=most_rows, seed=seed
    )
    for problem in problems:
        raise RunFailed(problem.kind, *in_words(problem, stop_token=stop_token, max_length=max_length))
    train = [encoded[TRAIN][at] for at in draw(len(encoded[TRAIN]), most_rows, seed)]
    held_out = draw(len(encoded[VALIDATION]), most_validation_rows, seed)
    validation = [encoded[VALIDATION][at] for at in held_out]
    if not train or not validation:
        missing = "training" if not train else "validation"
        raise RunFailed(
            "no_rows",
            f"The dataset has no {missing} {objective.unit}s.",
            f"Freeze a new version with more {objective.needs}.",
        )
    if objective.needs_baseline:
        train, validation = with_unrelated(train, max_length), with_unrelated(validation, max_length)
    facts = facts_of(
        lengths,
        max_length=max_length,
        most_rows=most_rows,
        most_validation_rows=most_validation_rows,
        seed=seed,
    )
    return Encoded(train, validation, facts)


def rows_of(answers: dict[AnswerName, EncodedRow], objective: Objective) -> list[TrainingRow]:
    """The training rows that an objective makes of a dataset row with these answers."""
    if objective is SUPERVISED:
        return [answers["completion"]]
    made = objective.takes(completion="completion" in answers, rejected="rejected" in answers)
    return [
        EncodedPreference(tuple(answers[name] for name in names), liked=names[0] == "completion")
        for names in made
    ]


def with_unrelated(rows: list[TrainingRow], max_length: int) -> list[TrainingRow]:
    """The rows, each with its prompt and the answer of the next row of another example, the last with that of the first.

    RunFailed when all answers are of one example.
    """
    if len({row.position for row in rows}) < 2:
        raise RunFailed(
            "one_example",
            "All answers of a split belong to one example, so there is no answer to another question to compare with.",
            "Freeze a new version with answers to more questions, or choose pairs (DPO).",
        )
    made: list[TrainingRow] = []
    for at, row in enumerate(rows):
        assert isinstance(row, EncodedPreference)
        following = (rows[(at + step) % len(rows)] for step in range(1, len(rows)))
        other = next(one for one in following if one.position != row.position).answers[0]
        ids = (row.prompt + other.ids[other.prompt_length :])[:max_length]
        made.append(replace(row, unrelated=replace(row.answers[0], ids=ids)))
    return made


# Rows of similar length share a step to reduce padding. They are sorted within small pools, so that the order stays
# random.
POOL_STEPS = 16


def plan_order(lengths: list[int], *, batch_size: int, steps: int, seed: int) -> list[int]:
    """Row numbers in the order they are trained on, `steps * batch_size` of them.

    One permutation of all rows follows another, so that the number of times that rows are seen differs by one at most.
    Rows of similar length are grouped inside pools of POOL_STEPS steps. The order follows from its arguments alone, so a
    resumed run continues exactly where it stopped.
    """
    places = steps * batch_size
    stream = row_stream(len(lengths), places=places, seed=seed)
    order: list[int] = []
    pool = POOL_STEPS * batch_size
    for start in range(0, places, pool):
        part = sorted(stream[start : min(start + pool, places)], key=lambda row: lengths[row])
        batches = [part[at : at + batch_size] for at in range(0, len(part), batch_size)]
        random.Random(f"{seed}/pool/{start}").shuffle(batches)
        order += [row for batch in batches for row in batch]
    return order


def collate(rows: list[EncodedRow], pad_id: int) -> dict[str, Any]:
    """A batch padded on the left to its longest row.

    Completions then end at the same place, and logits are needed for the last `keep` positions only: with a vocabulary
    of 50,000 and short completions that saves a fifth of the work and most of the memory. Position ids are given so
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
        # One more position than the longest completion: its first token is predicted from the one before it.
        "keep": max(row.answer_tokens for row in rows) + 1,
    }


def collate_rows(rows: Sequence[TrainingRow], pad_id: int) -> dict[str, Any]:
    """A batch of training rows of any objective: that of all their answers, row by row (see `collate`), and

    liked: (rows,); reference: (rows, answers a row), where the rows have it; unrelated: the batch of the unrelated answers, with
    its own reference, where the rows have them.
    """
    import torch

    batch = collate([answer for row in rows for answer in row.answers], pad_id)
    batch["liked"] = torch.tensor([row.liked for row in rows])
    preferences = [row for row in rows if isinstance(row, EncodedPreference)]
    if preferences and preferences[0].reference:
        batch["reference"] = torch.tensor([row.reference for row in preferences])
    unrelated = [row.unrelated for row in preferences if row.unrelated is not None]
    if unrelated:
        batch["unrelated"] = collate(unrelated, pad_id)
        references = [row.unrelated_reference for row in preferences]
        if references[0] is not None:
            batch["unrelated"]["reference"] = torch.tensor(references)
    return batch
