"""From a dataset's rows to token ids and labels: rendered by the base model's own chat template, loss on completions
only.

All problems of the data are found here, before the first step, and reported by row. The problems and their texts are in
`training.rows`, which the preflight uses too.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from annotation.text.rendering import Message
from core.runs.context import RunFailed
from training.chat_template import control_tokens_of
from training.draws import draw, row_stream
from training.row_facts import DataFacts, Lengths, encoded_rows, facts_of, limit_problems
from training.rows import SPLITS, TRAIN, VALIDATION, EncodedRow, RowEncoder, in_words

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["DataFacts", "EncodedRow", "collate", "encode_rows", "plan_order", "render_prompt", "stop_id_of"]

IGNORED = -100  # torch's ignore_index for cross entropy


@dataclass(frozen=True)
class Encoded:
    train: list[EncodedRow]
    validation: list[EncodedRow]
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
) -> Encoded:
    """Encodes the rows of splits train and validation. RunFailed names the problem, with all rows of one kind at once.

    Every row is checked; then at most `most_rows` and `most_validation_rows` (0: all) are drawn by `seed`.
    """
    encoder = RowEncoder(TransformersTokenizer(tokenizer), stop_token=stop_token, system_prompt=system_prompt)
    stop_id_of(tokenizer, stop_token)
    encoded: dict[str, list[EncodedRow]] = {split: [] for split in SPLITS}
    lengths = {split: Lengths() for split in SPLITS}
    for split, whole in encoded_rows(rows, encoder, lengths):
        # Cut here, so that long rows do not fill the memory.
        encoded[split].append(replace(whole, ids=whole.ids[:max_length]))
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
            f"The dataset has no {missing} rows.",
            "Approve more examples and freeze a new version.",
        )
    facts = facts_of(
        lengths,
        max_length=max_length,
        most_rows=most_rows,
        most_validation_rows=most_validation_rows,
        seed=seed,
    )
    return Encoded(train, validation, facts)


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
