"""Artifacts as folders on this host."""

from pathlib import Path

from core.models import Artifact
from core.runs.context import RunFailed
from core.storage import storage


def check_present(artifact: Artifact | None, label: str) -> Path:
    """The artifact's folder on this host. RunFailed, naming the file, when it is not complete in the store; `label` names it in the error."""
    assert artifact is not None  # every ready object has one
    folder = storage().local_path(artifact)
    missing = [entry["path"] for entry in artifact.manifest if not (folder / entry["path"]).is_file()]
    if missing:
        raise RunFailed(
            "artifact_missing",
            f"{label} is not complete in the artifact store: {missing[0]} is missing.",
            "Restore the store from a backup, then try again.",
        )
    return folder
