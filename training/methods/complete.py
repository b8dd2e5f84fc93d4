"""Complete weights on disk, alone or with a part that a method trained beside them. Runs in workers and engines only.

    config.json, *.safetensors, tokenizer       a complete model
    beside/                                     a file with {"method"}: a key of METHODS, and what that method stores

A run that continues from complete weights, with a method whose result cannot be merged into them, stores both: nothing else has
to be there to serve it, or to continue from it.
"""

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.methods import METHODS, Method, stored

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PreTrainedModel

BESIDE, NAMED = "beside", "method.json"


def part_of(folder: Path) -> Path | None:
    """The folder of the part beside complete weights; None when they are alone."""
    part = folder / BESIDE
    return part if part.is_dir() else None


def load(folder: Path, *, dtype: "torch.dtype", device: str) -> Any:
    """The model that answers from complete weights, with the part beside them if there is one."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=dtype, trust_remote_code=False, use_safetensors=True
    )
    return with_part(model.to(device).eval(), folder)


def with_part(model: "PreTrainedModel", folder: Path) -> Any:
    """The loaded complete weights of `folder` with the part beside them, if there is one."""
    part = part_of(folder)
    if part is None:
        return model
    method = json.loads((part / NAMED).read_text())["method"]
    return METHODS[method].attach(model, part)


def save_merged(method: Method, model: "PreTrainedModel | PeftModel", weights: Path, folder: Path) -> None:
    """Writes the complete weights of the folder `weights` with the LoRA adapter that `method` trained beside them merged into them, in
    float32, into an empty folder. They are loaded again, since the training model may hold them in 16 or 4 bits. `model` is not used
    afterwards."""
    import torch
    from transformers import AutoModelForCausalLM

    with tempfile.TemporaryDirectory(dir=folder.parent) as adapter:
        method.save(model, Path(adapter))
        whole = AutoModelForCausalLM.from_pretrained(
            weights, dtype=torch.float32, trust_remote_code=False, use_safetensors=True
        )
        stored.save_merged(method.attach(whole, Path(adapter)), folder)


def save(method: Method, model: "PreTrainedModel | PeftModel", weights: Path, folder: Path) -> None:
    """Writes what `method` trained beside the complete weights of the folder `weights` into an empty folder, both together.
    `model` is not used afterwards."""
    for path in weights.iterdir():
        if path.name == "config.json" or ".safetensors" in path.name:
            shutil.copyfile(path, folder / path.name)
    part = folder / BESIDE
    part.mkdir()
    method.save(model, part)
    (part / NAMED).write_text(json.dumps({"method": method.name}) + "\n")
