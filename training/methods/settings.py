"""The description of a recipe's settings: what people need to choose a value, and the check of a value from anywhere.

Nothing here imports torch.
"""

from dataclasses import MISSING, dataclass, field, fields
from decimal import Decimal
from math import isfinite
from typing import Any, TypeVar

from core.errors import Invalid
from core.json_types import Json

R = TypeVar("R")


@dataclass(frozen=True)
class Setting:
    """One field of a recipe, as a form shows it. `kind` is "int", "float", "bool" or "choice"."""

    name: str
    kind: str
    label: str
    help: str
    unit: str
    default: bool | float | str
    source: str
    least: float | None
    most: float | None
    choices: tuple[tuple[str, str], ...]
    advanced: bool
    # Why this method has only the default; "" when there is a choice.
    fixed: str

    def shown(self, value: Json) -> Json:
        """A value as text. 0 is shown as "all" where 0 means no limit."""
        return "all" if value == 0 and self.least == 0 and "0 takes all" in self.help else value

    def clean(self, value: Json) -> bool | float | str:
        """The value in its type, or ValueError with a sentence for the user. `value` is anything JSON can hold."""
        if self.kind == "bool":
            if not isinstance(value, bool):
                raise ValueError("Choose true or false.")
            if self.fixed and value != self.default:
                raise ValueError(self.fixed)
            return value
        if self.kind == "choice":
            # A list or an object is not hashable.
            if not isinstance(value, str) or value not in dict(self.choices):
                raise ValueError("Choose one of " + ", ".join(key for key, _ in self.choices) + ".")
            return value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError("Enter a number." if self.kind == "float" else "Enter a whole number.")
        if isinstance(value, float) and not isfinite(value):
            raise ValueError("Enter a number that is not infinite.")
        if self.kind == "int" and value != int(value):
            raise ValueError("Enter a whole number.")
        if self.least is not None and value < self.least:
            raise ValueError(f"At least {plain(self.least)}.")
        if self.most is not None and value > self.most:
            raise ValueError(f"At most {plain(self.most)}.")
        return int(value) if self.kind == "int" else float(value)

    def is_default(self, value: Json) -> bool:
        """Whether a value, from a form or a program, is the default."""
        if self.kind == "bool":
            return (value is True or value == "on") == self.default
        if self.kind == "choice":
            return bool(value == self.default)
        if value is None or isinstance(value, (list, dict)):
            return False
        try:
            return float(value) == float(self.default)
        except (OverflowError, ValueError):
            return False


def plain(number: float) -> str:
    """2147483647 as "2,147,483,647" and 1e-07 as "0.0000001": digits, never powers of ten."""
    if number == int(number):
        return f"{int(number):,}"
    return f"{Decimal(repr(number)):,f}"


def setting(
    *,
    default: bool | float | str,
    label: str,
    source: str,
    help: str = "",  # noqa: A002 (the name forms use)
    unit: str = "",
    least: float | None = None,
    most: float | None = None,
    choices: tuple[tuple[str, str], ...] = (),
    advanced: bool = False,
    fixed: str = "",
) -> Any:
    """A dataclass field with what `settings_of` needs. `source` is the reason for the default."""
    return field(
        default=default,
        metadata={
            "label": label,
            "help": help,
            "unit": unit,
            "source": source,
            "least": least,
            "most": most,
            "choices": choices,
            "advanced": advanced,
            "fixed": fixed,
        },
    )


_KINDS = {float: "float", int: "int", bool: "bool", str: "choice"}


def settings_of(recipe: type[Any]) -> list[Setting]:
    """The recipe's fields in the order they are shown."""
    return [
        Setting(name=field.name, kind=_KINDS[type(field.default)], default=field.default, **field.metadata)
        for field in fields(recipe)
        if field.default is not MISSING
    ]


def recipe_from(recipe: type[R], values: dict[str, Any]) -> R:
    """A recipe from plain values, defaults filled in. Raises Invalid naming every field that is wrong."""
    known = {setting.name: setting for setting in settings_of(recipe)}
    wrong: dict[str, list[str]] = {name: ["No such setting."] for name in values if name not in known}
    clean: dict[str, Any] = {}
    for name, setting in known.items():
        try:
            clean[name] = setting.clean(values.get(name, setting.default))
        except ValueError as error:
            wrong[name] = [str(error)]
    if wrong:
        raise Invalid(_named(wrong, known), fields=wrong)
    return recipe(**clean)


# The sentence names this many wrong settings; `fields` names all.
NAMED = 3


def _named(wrong: dict[str, list[str]], known: dict[str, Setting]) -> str:
    """ "Learning rate: at most 0.1. Rank: at least 1." """
    lines = [
        f"{known[name].label if name in known else f'“{name[:60]}”'}: {words[0][0].lower()}{words[0][1:]}"
        for name, words in wrong.items()
    ]
    more = len(lines) - NAMED
    return " ".join(lines[:NAMED]) + (f" And {more} more." if more > 0 else "")
