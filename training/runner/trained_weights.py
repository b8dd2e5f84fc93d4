"""The weights in a checkpoint: only what is trained, under the names of the training model.

peft's own files hold what serving needs, which is not always enough to go on training (a PiSSA adapter also changes its base), and
not every method is peft's.
"""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import Trainer

FILE = "trained.safetensors"


class SavesWhatIsTrained(Trainer):
    """A Trainer with such checkpoints. Where every weight is trained, it writes and reads complete models as usual."""

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        if all(weight.requires_grad for weight in self.model.parameters()):
            super()._save(output_dir, state_dict)
        else:
            save(self.model, Path(output_dir or self.args.output_dir))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        folder = Path(resume_from_checkpoint)
        # A checkpoint of an earlier release has peft's files.
        if (folder / FILE).is_file():
            load(self.model, folder)
        else:
            super()._load_from_checkpoint(resume_from_checkpoint, model)


def _trained(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: weight.data for name, weight in model.named_parameters() if weight.requires_grad}


def save(model: nn.Module, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: weight.cpu().contiguous() for name, weight in _trained(model).items()}, folder / FILE)


def load(model: nn.Module, folder: Path) -> None:
    """ValueError when the file is of another model."""
    stored, own = load_file(folder / FILE), _trained(model)
    if stored.keys() != own.keys():
        raise ValueError(f"{FILE} does not fit the model: {sorted(stored.keys() ^ own.keys())[:3]}.")
    for name, weight in own.items():
        weight.copy_(stored[name])
