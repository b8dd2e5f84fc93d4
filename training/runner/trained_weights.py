"""The weights in a checkpoint: only what is trained, under the names of the training model.

peft's own files hold what serving needs, which is not always enough to go on training (a PiSSA adapter also changes its base), and
not every method is peft's.
"""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.distributed.fsdp import FSDPModule
from transformers import Trainer

from training.runner import ranks

FILE = "trained.safetensors"


class SavesWhatIsTrained(Trainer):
    """A Trainer with such checkpoints."""

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        save_tensors(trained_tensors(self.model), Path(output_dir or self.args.output_dir))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        folder = Path(resume_from_checkpoint)
        # A checkpoint of an earlier release has complete weights, or peft's files.
        if (folder / FILE).is_file():
            load(self.model, folder)
        else:
            super()._load_from_checkpoint(resume_from_checkpoint, model)


def trained_tensors(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: weight.data for name, weight in model.named_parameters() if weight.requires_grad}


def reshard(model: nn.Module) -> None:
    """After an answer or an evaluation some weights are still whole in every process; divides them again."""
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


def save_tensors(tensors: dict[str, torch.Tensor], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.cpu().contiguous() for name, tensor in tensors.items()}, folder / FILE)


def load(model: nn.Module, folder: Path) -> None:
    """ValueError when the file is of another model."""
    fill(model, load_file(folder / FILE))


def fill(model: nn.Module, stored: dict[str, torch.Tensor]) -> None:
    """Puts the trained weights of another process or time into `model`. ValueError when they are of another model."""
    reshard(model)
    own = trained_tensors(model)
    if stored.keys() != own.keys():
        raise ValueError(f"{FILE} does not fit the model: {sorted(stored.keys() ^ own.keys())[:3]}.")
    for name, weight in own.items():
        weight.copy_(ranks.like(stored[name], weight))
