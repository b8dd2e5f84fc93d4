"""The interface of training methods, and the settings that all of them share.

A recipe is a frozen dataclass. Each field has what people need to choose its value (label, help, unit, range) and the
source of its default; forms, the API and the documentation are generated from that. Nothing here imports torch.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from core.wording import noun
from training.methods.settings import setting
from training.serving import Serving

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


# Where the recipe leaves it to the device. A GPU waits for its host between small portions.
ROWS_AT_ONCE = {"cpu": 1, "cuda": 4}


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
        help="Upper limit; fewer where measuring would take too much of the time. Drawn by the seed, the same at every measurement. 0 takes all.",
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
        default=0,
        label="Rows in memory at once",
        help="A step is computed in portions of this size. Fewer rows need less memory; the result is the same. 0 lets the device "
        "decide: one row on a processor, four on a GPU.",
        unit="rows",
        least=0,
        most=1024,
        advanced=True,
        source="a processor is not faster with more rows at once, and one row needs no padding; a GPU is",
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
        help="Upper limit. How often validation loss is measured, besides before the first step. The last is after the last step.",
        least=1,
        most=100,
        advanced=True,
        source="three show where the curve turns",
    )
    measuring_share: float = setting(
        default=0.15,
        label="Largest share of the time for measuring",
        help="Evaluations and sample answers take at most this share of the run's time: on small sets validation loss is measured "
        "less often and on fewer rows. 1 measures everything.",
        least=0.01,
        most=1.0,
        advanced=True,
        source="without a limit they took 59% of a run on 80 rows",
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

    def portion(self, device: str, *, processes: int = 1) -> int:
        """Rows that are in memory at once on "cpu" or "cuda": an equal part of a step, or of what each of `processes` does of it."""
        rows = self.batch_size // processes
        portion = min(self.rows_at_once or ROWS_AT_ONCE[device], rows)
        while rows % portion:
            portion -= 1
        return portion


def as_values(recipe: Recipe) -> dict[str, Any]:
    return asdict(recipe)


def epochs_of(recipe: Recipe) -> str:
    """ "1 epoch", "2.5 epochs"."""
    return f"{recipe.epochs:g} {noun(recipe.epochs, 'epoch')}"


class Method(Protocol):
    """One way to train. Class variables are shown to users. `load`, `fill`, `save` and `attach` run in workers and engines only and may
    import torch. Everything else also runs in the web process."""

    name: ClassVar[str]
    label: ClassVar[str]
    summary: ClassVar[str]
    # The heading under which forms list it.
    group: ClassVar[str]
    # Whether every weight of the base model is trained, so that each needs a gradient.
    every_weight: ClassVar[bool]
    # Whether several processes can train it together, each with a part of the weights.
    divisible: ClassVar[bool]
    # A Python package that only this method needs, of training.host.machine.OPTIONAL_PACKAGES; "" for none.
    package: ClassVar[str]
    recipe: type[Recipe]

    def version_kind(self, recipe: Recipe) -> str:
        """What is stored, of ModelVersion.Kind: an adapter, or full weights."""

    def serving(self, recipe: Recipe) -> Serving:
        """How the result is served."""

    def unavailable(self, architecture: dict[str, Any], device: str) -> str:
        """Why a base model with this config.json cannot be trained so on "cpu" or "cuda", as a sentence; "" when it can."""

    def rank(self, recipe: Recipe) -> int | None:
        """The rank of the adapter that vLLM loads, for the engine's limit; None when it loads none."""

    def virtual_tokens(self, recipe: Recipe) -> int:
        """Trained positions before each row: they count towards the context and the memory of a row."""

    def trainable(self, architecture: dict[str, Any], parameters: int, recipe: Recipe) -> int:
        """How many parameters are trained, by arithmetic."""

    def stored_bytes(self, parameters: int, trainable: int, recipe: Recipe) -> int:
        """About the size of the stored result."""

    def bytes_per_weight(self, device: str) -> int:
        """Bytes of one number of the model's precision on "cpu" or "cuda": of weights, unless `weights_bytes` says otherwise, and of
        what passes between layers."""

    def weights_bytes(self, architecture: dict[str, Any], parameters: int, device: str) -> int:
        """Bytes of the base model's weights in memory."""

    def dropout(self, recipe: Recipe) -> float:
        """The share of each adapter's input that is dropped; the rest is a copy that needs memory."""

    def width(self, recipe: Recipe) -> int:
        """Numbers that each adapted linear layer keeps per token for the backward pass besides its input: an adapter's rank."""

    def fused(self, recipe: Recipe) -> bool:
        """Whether a processor computes its layers by training.methods.fused_lora, which keeps less for the backward pass."""

    def pace(self, recipe: Recipe) -> float:
        """Tokens a second, as a share of plain LoRA's or, where every weight is trained, of full training's."""

    def describe(self, recipe: Recipe) -> str:
        """The recipe in a few words: "r 16, lr 5e-4, 2 epochs"."""

    def load(self, folder: Path, recipe: Recipe, device: str) -> "PreTrainedModel | PeftModel":
        """The model ready to train, on `device`."""

    def continuing(self, recipe: Recipe) -> dict[str, Any]:
        """The settings that a run must have to continue from what a run with `recipe` stored beside its base model: {name: value}.
        Empty for complete weights."""

    def fill(self, model: "PreTrainedModel | PeftModel", folder: Path) -> None:
        """Gives a new model of `load` the trained values that `save` wrote into `folder`, beside the same base model: training
        continues from them. ValueError when they are of another shape, and for methods that store complete weights."""

    def save(self, model: "PreTrainedModel | PeftModel", folder: Path) -> None:
        """Writes the result's weights as safetensors into an empty folder. `model` is not used afterwards."""

    def attach(self, model: "PreTrainedModel", folder: Path) -> "PreTrainedModel | PeftModel":
        """What `save` wrote into `folder`, beside the loaded base model on its device: ready to answer. Complete weights take the
        base model's place."""
