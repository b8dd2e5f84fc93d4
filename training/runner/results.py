"""What is stored when a training run has ended: the model version, its tokenizer and its prompts for the token check."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annotation.text.rendering import chat_messages
from core.host.disks import storage_error
from core.host.scratch import scratch
from core.runs.context import RunFailed
from core.storage import storage
from dataset.rows import iter_rows
from training.methods import Method, Recipe
from training.models import ModelVersion, TrainingRun
from training.runner.data import render_prompt
from training.runner.starting import StartFolders, save
from training.services import results
from training.starts import result_of

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

PARITY_PROMPTS = 8
CONTINUES = "“Try again” continues from the last checkpoint."


def store_result(
    training_run: TrainingRun,
    method: Method,
    recipe: Recipe,
    model: "PreTrainedModel | PeftModel",
    tokenizer: "PreTrainedTokenizerBase",
    base_folder: Path,
    start: StartFolders,
    system_prompt: str,
    loss_after: float | None,
) -> None:
    """Stores the weights and registers the version. If storing fails, there is no version and the run fails."""
    own = result_of(method, recipe, training_run.continued_from)
    with scratch("result") as temporary:
        folder = temporary / "model"
        folder.mkdir()
        try:
            save(method, recipe, model, folder, training_run.continued_from, start)
            if own.kind == ModelVersion.Kind.FULL:
                _copy_tokenizer(base_folder, folder)
            artifact = storage().put(folder, kind="model")
        except Exception as error:  # each library has its own errors
            if full := storage_error(error):
                raise RunFailed(
                    full.code, f"The result could not be stored. {full.message}", f"{full.advice} {CONTINUES}"
                ) from error
            if not isinstance(error, OSError):
                raise
            raise RunFailed(
                "store_failed",
                f"The result could not be stored ({error.strerror or type(error).__name__}).",
                f"Check free space and permissions of the artifact store. {CONTINUES}",
            ) from error
    results.register_version(
        training_run=training_run,
        artifact=artifact,
        kind=own.kind,
        serving=own.serving,
        adapter_rank=own.rank,
        parity_prompts=_parity_prompts(training_run, tokenizer, system_prompt),
    )


def _copy_tokenizer(base_folder: Path, folder: Path) -> None:
    """A full model is complete: it has exact copies of its base model's tokenizer and template files."""
    for path in sorted(base_folder.iterdir()):
        if (
            path.name != "config.json"
            and ".safetensors" not in path.name
            and not (folder / path.name).exists()
        ):
            shutil.copyfile(path, folder / path.name)


def _parity_prompts(
    training_run: TrainingRun, tokenizer: "PreTrainedTokenizerBase", system_prompt: str
) -> list[dict[str, Any]]:
    """Rendered validation prompts, the first and longest among them, with the ids that the trainer used."""
    conversations = [
        chat_messages(messages=row["messages"], context=row["context"], system_prompt=system_prompt)
        for row in iter_rows(training_run.dataset, split="validation")
    ]
    step = max(1, len(conversations) // PARITY_PROMPTS)
    chosen = conversations[::step][: PARITY_PROMPTS - 1]
    longest = max(
        conversations, key=lambda conversation: sum(len(message["content"]) for message in conversation)
    )
    if longest not in chosen:
        chosen.append(longest)
    return [
        {"messages": conversation, "token_ids": render_prompt(tokenizer, conversation)}
        for conversation in chosen
    ]
