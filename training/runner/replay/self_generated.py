"""Replay of what the base model itself answers to general questions, drawn before the first step.

An answer that a model draws is what it expects most, so practising it changes the model least where the model is not to change (Huang et
al. 2024, "Mitigating Catastrophic Forgetting in Large Language Models with Self-Synthesized Rehearsal").
"""

from training.general import ReplayItem, replay_items
from training.rows import EncodedRow
from training.runner.data import stop_id_of
from training.runner.replay.base import NOT_OF_THE_DATASET, ReplayWork, asked

FILE = "self-replay.json"
MOST_TOKENS = 64
# The distribution as it is: a higher or lower temperature would teach another one.
TEMPERATURE = 1.0


def rows(work: ReplayWork) -> list[EncodedRow]:
    """Questions to which the base model wrote control tokens are left out."""
    encoder = work.encoder()
    found = [(item, encoder.encode(asked(item.prompt, item.reference))) for item in replay_items()]
    prompts = [
        (item, row.prompt)
        for item, row in found
        if row is not None and row.prompt_length + MOST_TOKENS < work.max_length
    ]
    chosen = work.drawn(prompts)
    written = work.writer.write(
        [prompt for _, prompt in chosen],
        file=FILE,
        most_tokens=MOST_TOKENS,
        temperature=TEMPERATURE,
        words="Asking the base model questions to practise",
    )
    stop_id = stop_id_of(work.writer.tokenizer, work.writer.stop_token)
    control = set(work.writer.tokenizer.all_special_ids)
    return [
        _row(work, item, prompt, answer, stop_id)
        for (item, prompt), answer in zip(chosen, written, strict=True)
        if not control.intersection(answer)
    ]


def _row(
    work: ReplayWork, item: ReplayItem, prompt: list[int], answer: list[int], stop_id: int
) -> EncodedRow:
    # An answer that was cut did not end there.
    ended = [stop_id] if len(answer) < MOST_TOKENS else []
    text = str(work.writer.tokenizer.decode(answer, skip_special_tokens=True)).strip()
    return EncodedRow(NOT_OF_THE_DATASET, [*prompt, *answer, *ended], len(prompt), item.prompt, text)
