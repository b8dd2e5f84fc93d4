"""Rows that are trained on besides the dataset's, so that the model forgets less: one file each, chosen from REPLAYS by the recipe's
`replay`. To add one, write its file, list it here and among the choices in `training.objectives.supervised`."""

from dataclasses import replace

from training.methods import Recipe
from training.objectives.supervised import SupervisedSettings, replayed_rows
from training.runner.base_answers import BaseWriter
from training.runner.data import Encoded
from training.runner.replay import general, project, self_generated
from training.runner.replay.base import Replay, ReplayWork

REPLAYS: dict[str, Replay] = {
    "self": self_generated.rows,
    "general": general.rows,
    "project": project.rows,
}


def with_replay(data: Encoded, recipe: Recipe, writer: BaseWriter, *, training_run_id: int) -> Encoded:
    """The data with what the recipe practises after its own training rows, or as many as there are."""
    count = replayed_rows(recipe, len(data.train))
    if not count:
        return data
    work = ReplayWork(training_run_id, writer, count, recipe.max_length)
    assert isinstance(recipe, SupervisedSettings)  # no other recipe has a count
    added = REPLAYS[recipe.replay](work)
    facts = replace(data.facts, replayed_rows=len(added), replayed_tokens=sum(row.tokens for row in added))
    return Encoded([*data.train, *added], data.validation, facts)


__all__ = ["REPLAYS", "ReplayWork", "with_replay"]
