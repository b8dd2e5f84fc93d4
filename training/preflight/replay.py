"""What a recipe practises besides the dataset's rows: how many there are, and what they cost."""

from dataclasses import replace

from dataset.models import DatasetVersion
from training.estimates import DataFigures
from training.general import replay_items
from training.methods import Recipe
from training.objectives.supervised import (
    MOST_REPEATS,
    PROJECT_REPLAY,
    SELF_REPLAY,
    SupervisedSettings,
    learns_own_words,
    replayed_rows,
)
from training.preflight.findings import PreflightFinding
from training.replayed import replayable

# A general question with its answer, rendered by SmolLM2's template with its own system prompt: 61 tokens on average.
GENERAL_ROW_TOKENS = 61
# An answer that the base model draws, cut at 64 tokens.
DRAWN_TOKENS = 40


def with_replay(data: DataFigures, recipe: Recipe, dataset: DatasetVersion) -> DataFigures:
    """The figures with the rows that are practised besides. One query for earlier rows of the project, else none."""
    rewritten = round(data.train_rows * data.completion_tokens) if learns_own_words(recipe) else 0
    data = replace(data, drawn_tokens=rewritten)
    wanted = replayed_rows(recipe, data.train_rows)
    if not wanted:
        return data
    assert isinstance(recipe, SupervisedSettings)  # no other recipe wants any
    own_tokens = data.tokens_seen / recipe.epochs / max(1, data.train_rows)
    if recipe.replay == PROJECT_REPLAY:
        rows, tokens = min(wanted, replayable(dataset).count()), own_tokens
    else:
        rows, tokens = min(wanted, MOST_REPEATS * len(replay_items())), float(GENERAL_ROW_TOKENS)
    return replace(
        data,
        tokens_seen=data.tokens_seen + round(rows * tokens * recipe.epochs),
        replayed_rows=rows,
        drawn_tokens=rewritten + (rows * DRAWN_TOKENS if recipe.replay == SELF_REPLAY else 0),
    )


def replay_findings(data: DataFigures, recipe: Recipe) -> list[PreflightFinding]:
    wanted = replayed_rows(recipe, data.train_rows)
    if data.replayed_rows >= wanted or not isinstance(recipe, SupervisedSettings):
        return []
    if recipe.replay != PROJECT_REPLAY:
        return [
            PreflightFinding(
                "warn",
                f"There are {data.replayed_rows:,} general rows to practise, fewer than the share asks for ({wanted:,}).",
                "The model may forget more than with fewer rows of its own.",
                "replay_share",
            )
        ]
    if not data.replayed_rows:
        return [
            PreflightFinding(
                "stop",
                "There are no earlier rows to practise: this dataset has all training rows of the earlier ones that can still be used.",
                "Choose another kind of rows to practise.",
                "replay",
            )
        ]
    return [
        PreflightFinding(
            "warn",
            f"There are {data.replayed_rows:,} earlier rows to practise, fewer than the share asks for ({wanted:,}).",
            "All of them are taken.",
            "replay_share",
        )
    ]
