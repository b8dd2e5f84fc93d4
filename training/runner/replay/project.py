"""Replay of earlier rows of the project: training rows of earlier dataset versions that this one lacks, drawn at launch
(`training.replayed`)."""

from itertools import groupby

from dataset.rows import rows_at
from training.models import TrainingRun
from training.replayed import replayed_rows_of
from training.rows import EncodedRow
from training.runner.replay.base import NOT_OF_THE_DATASET, ReplayWork


def rows(work: ReplayWork) -> list[EncodedRow]:
    """Under the system prompt of the run's dataset, which is the one that the model will be served with. Rows that this base model's
    template cannot render, or that are too long, are left out."""
    training_run = TrainingRun.objects.select_related("dataset").get(pk=work.training_run_id)
    encoder = work.encoder(str(training_run.dataset.settings.get("system_prompt", "")))
    chosen = sorted(replayed_rows_of(training_run), key=lambda row: (row.dataset_id, row.position))
    found: list[EncodedRow] = []
    for _, part in groupby(chosen, key=lambda row: row.dataset_id):
        own = list(part)
        for content in rows_at(own[0].dataset, [row.position for row in own]):
            row = encoder.encode({**content, "position": NOT_OF_THE_DATASET})
            if row is not None and row.tokens <= work.max_length:
                found.append(row)
    return found
