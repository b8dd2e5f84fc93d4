"""Weights part of the way from a base model to a version of it: in memory to measure, and as files to store. Runs in workers only."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.runs.context import RunFailed
from training.models import ModelVersion
from training.runner.files import check_present
from training.runner.held_out import load_version, load_weights

if TYPE_CHECKING:
    import torch

ADAPTER_FILE = "adapter_model.safetensors"


class Blend:
    """A version in memory whose weights can be set to any share of the way."""

    def __init__(self, version: ModelVersion, *, device: str, precision: str) -> None:
        self.model: Any = load_version(version, device=device, precision=precision)
        self._ends: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
        self._scales: list[tuple[Any, dict[str, float]]] = []
        if version.kind == ModelVersion.Kind.ADAPTER:
            self._scales = [
                (module, dict(module.scaling)) for module in self.model.modules() if hasattr(module, "lora_B")
            ]
            return
        folder = check_present(version.base_model.artifact, str(version.base_model))
        base = dict(load_weights(folder, device=device, precision=precision).named_parameters())
        for name, weight in self.model.named_parameters():
            if name not in base or base[name].shape != weight.shape:
                raise _differs(name)
            self._ends.append((weight, base[name].detach(), weight.detach().clone()))

    def set(self, share: float) -> None:
        """0 is the base model, 1 the version. An adapter adds `share` of what it adds."""
        import torch

        for module, scales in self._scales:
            module.scaling.update({name: share * scale for name, scale in scales.items()})
        with torch.no_grad():
            for weight, base, own in self._ends:
                weight.copy_(torch.lerp(base.float(), own.float(), share))


def _differs(name: str) -> RunFailed:
    return RunFailed(
        "shapes_differ",
        f"The version's weight {name} has no counterpart in its base model.",
        "Choose another version: only weights of one shape have something between them.",
    )


def write_blend(version: ModelVersion, share: float, folder: Path) -> None:
    """Writes the version's files at this share of the way into an empty folder."""
    own = check_present(version.artifact, str(version))
    if version.kind == ModelVersion.Kind.ADAPTER:
        _write_adapter(own, share, folder)
    else:
        base = check_present(version.base_model.artifact, str(version.base_model))
        _write_whole(own, base, share, folder)


def _write_adapter(own: Path, share: float, folder: Path) -> None:
    """What an adapter adds is scale * B A: B times the share is the share of it."""
    from safetensors.torch import load_file, save_file

    _copy_others(own, folder)
    weights = load_file(own / ADAPTER_FILE)
    blended = {
        name: (weight.float() * share).to(weight.dtype) if ".lora_B." in name else weight
        for name, weight in weights.items()
    }
    save_file(blended, folder / ADAPTER_FILE, metadata={"format": "pt"})


def _write_whole(own: Path, base: Path, share: float, folder: Path) -> None:
    """One file after the other, calculated in float32 and stored as the version is."""
    import torch
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    _copy_others(own, folder)
    with ExitStack() as opened:
        tensors: dict[str, safe_open] = {}
        for path in _weights(base):
            file = opened.enter_context(safe_open(path, framework="pt"))
            tensors |= dict.fromkeys(file.keys(), file)
        for path in _weights(own):
            blended = {}
            for name, weight in load_file(path).items():
                start = tensors[name].get_tensor(name) if name in tensors else None
                if start is None or start.shape != weight.shape:
                    raise _differs(name)
                blended[name] = torch.lerp(start.float(), weight.float(), share).to(weight.dtype)
            save_file(blended, folder / path.name, metadata={"format": "pt"})


def _weights(folder: Path) -> Iterator[Path]:
    yield from sorted(folder.glob("*.safetensors"))


def _copy_others(own: Path, folder: Path) -> None:
    for path in own.iterdir():
        if path.is_file() and path.suffix != ".safetensors":
            shutil.copyfile(path, folder / path.name)
