"""Replay of general questions with the answers of this project's authors (`training.general`)."""

from training.general import replay_items
from training.rows import EncodedRow
from training.runner.replay.base import ReplayWork, asked


def rows(work: ReplayWork) -> list[EncodedRow]:
    """Questions that this base model's template cannot render, or that are too long, are left out."""
    encoder = work.encoder()
    encoded = [encoder.encode(asked(item.prompt, item.reference)) for item in replay_items()]
    usable = [row for row in encoded if row is not None and row.tokens <= work.max_length]
    return work.drawn(usable)
