"""Objectives: one file each, chosen from OBJECTIVES. To add one, write its file and list it here; the launch form, the preflight,
the API and the runner read everything from it."""

from dataclasses import field, fields, make_dataclass
from functools import cache
from typing import Any

from training.methods import METHODS, Recipe, Setting, settings_of
from training.objectives.base import PREFERENCE_FIGURES, Objective, Scores, Whole
from training.objectives.dpo import DPO
from training.objectives.kto import KTO
from training.objectives.orpo import ORPO
from training.objectives.supervised import Supervised

OBJECTIVES: dict[str, Objective] = {
    objective.name: objective for objective in (Supervised(), DPO(), KTO(), ORPO())
}
SUPERVISED = OBJECTIVES["supervised"]


@cache
def recipe_type(method: str, objective: str = SUPERVISED.name) -> type[Recipe]:
    """The settings of a run: the method's, with the objective's own ones added and its default learning rate.

    Raises KeyError for an unknown method or objective.
    """
    recipe, chosen = METHODS[method].recipe, OBJECTIVES[objective]
    if chosen.settings is None:
        return recipe
    rate = next(own for own in fields(recipe) if own.name == "learning_rate")
    own_rate: list[tuple[str, type, Any]] = []
    if chosen.learning_rate_share != 1:
        # Digits as people write them: 0.05 of 0.001 is 5e-05 and not 5.000000000000001e-05.
        assert isinstance(rate.default, float)  # every method has one
        default = float(f"{rate.default * chosen.learning_rate_share:.6g}")
        metadata = {**rate.metadata, "source": chosen.learning_rate_source}
        own_rate = [("learning_rate", float, field(default=default, metadata=metadata))]
    made: type[Recipe] = make_dataclass(
        f"{type(chosen).__name__}{recipe.__name__}",
        own_rate,
        bases=(chosen.settings, recipe),
        frozen=True,
        kw_only=True,
    )
    return made


def known_recipe_type(method: str, objective: str) -> type[Recipe] | None:
    """`recipe_type`, or None for a method or objective that this installation does not have."""
    return recipe_type(method, objective) if method in METHODS and objective in OBJECTIVES else None


@cache
def every_setting() -> tuple[Setting, ...]:
    """The settings of all methods with all objectives, each name once."""
    every = [
        setting
        for method in METHODS
        for objective in OBJECTIVES
        for setting in settings_of(recipe_type(method, objective))
    ]
    return tuple({setting.name: setting for setting in every}.values())


__all__ = [
    "OBJECTIVES",
    "PREFERENCE_FIGURES",
    "SUPERVISED",
    "Objective",
    "Scores",
    "Whole",
    "every_setting",
    "known_recipe_type",
    "recipe_type",
]
