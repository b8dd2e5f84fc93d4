"""The weights a run starts from, and how its result is stored: see `training.starts`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from training.methods import Method, Recipe, complete
from training.models import ModelVersion, TrainingRun
from training.runner.files import check_present
from training.serving import Serving
from training.starts import has_own_weights, result_of

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class StartFolders:
    """Complete weights, and the trained part beside them that the run continues, if it does."""

    weights: Path
    part: Path | None = None


def start_folders(training_run: TrainingRun, base: Path) -> StartFolders:
    """`base` is the folder of the base model. RunFailed when the version's files are not complete in the store."""
    version = training_run.continued_from
    if version is None:
        return StartFolders(base)
    own = check_present(version.artifact, str(version))
    return StartFolders(own, complete.part_of(own)) if has_own_weights(version) else StartFolders(base, own)


def load(method: Method, recipe: Recipe, start: StartFolders, device: str) -> "PreTrainedModel | PeftModel":
    """The model ready to train, on `device`."""
    model = method.load(start.weights, recipe, device)
    if start.part is not None:
        method.fill(model, start.part)
    return model


def save(
    method: Method,
    recipe: Recipe,
    model: "PreTrainedModel | PeftModel",
    folder: Path,
    version: ModelVersion | None,
    start: StartFolders,
) -> None:
    """Writes the result of a run that started from `version` into an empty folder. `model` is not used afterwards."""
    result = result_of(method, recipe, version)
    if result.kind == method.version_kind(recipe):
        method.save(model, folder)
    elif result.serving == Serving.WHOLE:
        complete.save_merged(method, model, start.weights, folder)
    else:
        complete.save(method, model, start.weights, folder)
