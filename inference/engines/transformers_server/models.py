"""The models of one process: a base model, and versions of it with adapters of any method.

Every version is a module tree of its own that shares the base model's weights, so these are in memory once, and an adapter
cannot change what the base model or another version answers: adapters add modules to their own tree only.
"""

import copy
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from training.methods import METHODS, complete


class Unknown(Exception):
    """No model has this name."""


class NotLoaded(Exception):
    """The adapter cannot be loaded; the text has the reason. `status` is for the answer."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Model:
    """`module` has `generate`. `virtual_tokens` stand before every prompt and count towards the context."""

    name: str
    path: str
    parent: str | None
    module: Any
    virtual_tokens: int = 0


class Models:
    def __init__(self, folder: Path, name: str, *, most_adapters: int, device: str, threads: int = 0) -> None:
        """Loads the base model, or complete weights with a part beside them: in float32 on a CPU and bfloat16 on a GPU, as trainers do, so that answers are equal."""
        if threads:
            torch.set_num_threads(threads)
        self.tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        module = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=torch.bfloat16 if device == "cuda" else torch.float32,
            trust_remote_code=False,
            use_safetensors=True,
        )
        module = module.to(device).eval().requires_grad_(False)
        # Sampling parameters come from the request, not from the model's folder.
        module.generation_config = GenerationConfig()
        module = complete.with_part(module, Path(folder)).to(device).eval().requires_grad_(False)
        self.device = device
        answering, virtual_tokens = _generating(module)
        self.base = Model(name, str(folder), None, answering, virtual_tokens)
        self.most_adapters = most_adapters
        self._adapters: dict[str, Model] = {}
        self._changing = threading.Lock()

    def all(self) -> list[Model]:
        return [self.base, *self._adapters.values()]

    def get(self, name: str) -> Model:
        if name == self.base.name:
            return self.base
        try:
            return self._adapters[name]
        except KeyError:
            raise Unknown(f"The model `{name}` does not exist.") from None

    def load(self, name: str, folder: Path, method: str) -> None:
        """Attaches the adapter that `method` of training.methods stored in `folder`. Never over another one."""
        with self._changing:
            if name == self.base.name or name in self._adapters:
                raise NotLoaded(f"The adapter '{name}' has already been loaded.")
            if method not in METHODS:
                raise NotLoaded(f"No training method is called '{method}'.")
            if not folder.is_dir():
                raise NotLoaded(f"No adapter found at {folder}.", 404)
            if (folder / "config.json").exists():
                # They would take the memory of a second base model.
                raise NotLoaded(f"{folder} has complete weights, not an adapter.")
            if len(self._adapters) >= self.most_adapters:
                raise NotLoaded(f"This engine has room for {self.most_adapters} adapters.", 409)
            self._adapters[name] = self._attached(name, folder, method)

    def unload(self, name: str) -> None:
        """Answers that are being written end as they began; their memory is free after that."""
        with self._changing:
            if self._adapters.pop(name, None) is None:
                raise Unknown(f"The adapter '{name}' cannot be found.")

    def _attached(self, name: str, folder: Path, method: str) -> Model:
        try:
            adapted = METHODS[method].attach(shared_copy(self.base.module), folder)
        except Exception as error:  # each library has its own errors for a folder that does not fit
            raise NotLoaded(f"Loading {name} failed: {type(error).__name__}: {error}", 500) from error
        adapted = adapted.to(self.device).eval().requires_grad_(False)
        module, virtual_tokens = _generating(adapted)
        return Model(name, str(folder), self.base.name, module, virtual_tokens)


def shared_copy(module: torch.nn.Module) -> torch.nn.Module:
    """A copy of the module tree with the same tensors."""
    tensors = [*module.parameters(), *module.buffers()]
    return copy.deepcopy(module, {id(tensor): tensor for tensor in tensors})


def _generating(adapted: Any) -> tuple[Any, int]:
    """The module whose `generate` answers, and the number of virtual tokens.

    PeftModel.generate puts its `prepare_inputs_for_generation` into the base model and takes it out at the end, so two
    answers at once would break each other. Here it stays: the tree belongs to this adapter.
    """
    from peft import PeftModel

    if not isinstance(adapted, PeftModel):
        return adapted, 0
    config = adapted.active_peft_config
    if not config.is_prompt_learning:
        return adapted.get_base_model(), 0
    base = adapted.get_base_model()
    base.prepare_inputs_for_generation = adapted.prepare_inputs_for_generation
    return base, int(config.num_virtual_tokens)
