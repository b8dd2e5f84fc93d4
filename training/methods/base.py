"""The interface of training methods, and the description of their settings.

A recipe is a frozen dataclass. Each field has what people need to choose its value (label, help, unit, range) and the
source of its default; forms, the API and the documentation are generated from that. Nothing here imports torch.
"""

from dataclasses import MISSING, asdict, dataclass, field, fields
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from core.errors import Invalid
from core.json_types import Json
from core.wording import noun
from training.serving import Serving

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


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

    def shown(self, value: Json) -> Json:
        """A value as text. 0 is shown as "all" where 0 means no limit."""
        return "all" if value == 0 and self.least == 0 and "0 takes all" in self.help else value

    def clean(self, value: Json) -> bool | float | str:
        """The value in its type, or ValueError with a sentence for the user. `value` is anything JSON can hold."""
        if self.kind == "bool":
            if not isinstance(value, bool):
                raise ValueError("Choose true or false.")
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
        },
    )


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The settings that all methods share. Lengths are in tokens, batch sizes in rows."""

    epochs: float = setting(
        default=1.0,
        label="Epochs",
        help="How often each row is seen.",
        least=0.01,
        most=100,
        source="one pass over a few hundred examples takes minutes on two cores; a second pass often helps small sets",
    )
    learning_rate: float = setting(
        default=5e-4,
        label="Learning rate",
        help="The size of a step at its largest.",
        least=1e-7,
        most=1e-1,
        source="the middle of published recipes; each method sets its own",
    )
    most_rows: int = setting(
        default=0,
        label="Training rows",
        help="Upper limit. A small number gives a quick trial. The seed decides which rows are drawn. 0 takes all.",
        unit="rows",
        least=0,
        most=100_000_000,
        advanced=True,
        source="people approved all rows for training",
    )
    most_validation_rows: int = setting(
        default=200,
        label="Validation rows to measure on",
        help="Upper limit. Drawn by the seed, the same at every measurement. 0 takes all.",
        unit="rows",
        least=0,
        most=100_000_000,
        advanced=True,
        source="with a spread of about 1 between rows, 200 give the mean loss to within 0.07",
    )
    batch_size: int = setting(
        default=4,
        label="Rows per step",
        help="More rows make steadier steps; fewer rows make more steps.",
        unit="rows",
        least=1,
        most=4096,
        source="a few hundred rows need many small steps; small batches cost LoRA nothing (LoRA Without Regret, 2025)",
    )
    rows_at_once: int = setting(
        default=4,
        label="Rows in memory at once",
        help="A step is computed in portions of this size. Fewer rows need less memory; the result is the same.",
        unit="rows",
        least=1,
        most=1024,
        advanced=True,
        source="fits the demo into 6 GB",
    )
    max_length: int = setting(
        default=1024,
        label="Longest row",
        help="Longer rows lose the end of their completion. The preflight lists them.",
        unit="tokens",
        least=16,
        most=131072,
        advanced=True,
        source="TRL's default for supervised fine-tuning",
    )
    schedule: str = setting(
        default="cosine",
        label="Learning rate over time",
        choices=(
            ("cosine", "Falls slowly, then fast, then slowly"),
            ("linear", "Falls evenly"),
            ("constant", "Constant"),
        ),
        advanced=True,
        source="the usual choice of published recipes for instruction tuning",
    )
    warmup: float = setting(
        default=0.05,
        label="Warm-up",
        help="Share of the steps in which the learning rate rises from zero.",
        least=0.0,
        most=0.5,
        advanced=True,
        source="0.03 to 0.1 in published recipes",
    )
    weight_decay: float = setting(
        default=0.0,
        label="Weight decay",
        least=0.0,
        most=1.0,
        advanced=True,
        source="none, as in the LoRA paper's and QLoRA's instruction-tuning runs",
    )
    max_grad_norm: float = setting(
        default=1.0,
        label="Largest gradient",
        help="Larger gradients are scaled down to this norm.",
        least=0.0,
        most=1000.0,
        advanced=True,
        source="transformers' default",
    )
    evaluations: int = setting(
        default=3,
        label="Evaluations during training",
        help="How often validation loss is measured, besides before the first step.",
        least=1,
        most=100,
        advanced=True,
        source="three show where the curve turns; on small sets each can take as long as the training between two, and "
        "the preflight shows their share of the time",
    )
    save_memory: bool = setting(
        default=False,
        label="Gradient checkpointing",
        help="Computes activations twice to save memory: about a third slower, and needs far less memory for long rows.",
        advanced=True,
        source="off: the demo fits without",
    )
    seed: int = setting(
        default=7,
        label="Seed",
        help="The same seed, data and machine give the same order of rows and the same start.",
        least=0,
        most=2**31 - 1,
        advanced=True,
        source="any number works",
    )

    @property
    def portion(self) -> int:
        """Rows that are in memory at once: an equal part of a step."""
        rows = min(self.rows_at_once, self.batch_size)
        while self.batch_size % rows:
            rows -= 1
        return rows


_KINDS = {float: "float", int: "int", bool: "bool", str: "choice"}


def settings_of(recipe: type[Recipe]) -> list[Setting]:
    """The recipe's fields in the order they are shown."""
    return [
        Setting(name=field.name, kind=_KINDS[type(field.default)], default=field.default, **field.metadata)
        for field in fields(recipe)
        if field.default is not MISSING
    ]


def recipe_from(recipe: type[Recipe], values: dict[str, Any]) -> Recipe:
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


def as_values(recipe: Recipe) -> dict[str, Any]:
    return asdict(recipe)


def epochs_of(recipe: Recipe) -> str:
    """ "1 epoch", "2.5 epochs"."""
    return f"{recipe.epochs:g} {noun(recipe.epochs, 'epoch')}"


class Method(Protocol):
    """One way to train. Class variables are shown to users. `load`, `attach` and `save` run in the worker only and may import
    torch. Everything else also runs in the web process."""

    name: ClassVar[str]
    label: ClassVar[str]
    summary: ClassVar[str]
    recipe: type[Recipe]

    def version_kind(self, recipe: Recipe) -> str:
        """What is stored, of ModelVersion.Kind: an adapter, or full weights."""

    def serving(self, recipe: Recipe) -> Serving:
        """How the result is served."""

    def unavailable(self, architecture: dict[str, Any], device: str) -> str:
        """Why a base model with this config.json cannot be trained so on "cpu" or "cuda", as a sentence; "" when it can."""

    def rank(self, recipe: Recipe) -> int | None:
        """The adapter's rank, for the engine's limit; None when there is no adapter."""

    def trainable(self, architecture: dict[str, Any], parameters: int, recipe: Recipe) -> int:
        """How many parameters are trained, by arithmetic."""

    def bytes_per_weight(self, device: str) -> int:
        """Bytes of one frozen or trained weight in memory on "cpu" or "cuda"."""

    def dropout(self, recipe: Recipe) -> float:
        """The share of each adapter's input that is dropped; the rest is a copy that needs memory."""

    def describe(self, recipe: Recipe) -> str:
        """The recipe in a few words: "r 16, lr 5e-4, 2 epochs"."""

    def load(self, folder: Path, recipe: Recipe, device: str) -> "PreTrainedModel | PeftModel":
        """The model ready to train, on `device`."""

    def attach(self, model: "PreTrainedModel", folder: Path) -> "PreTrainedModel | PeftModel":
        """The loaded base model with the stored adapter of `folder`, for answering. Raises ValueError when the method
        stores no adapter."""

    def save(self, model: "PreTrainedModel | PeftModel", folder: Path) -> None:
        """Writes the result's weights as safetensors into an empty folder."""
