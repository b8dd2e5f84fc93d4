"""What a model gave before training, on disk beside the run's checkpoints: a run that is taken up again uses the same."""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

T = TypeVar("T")


def digest_of(values: Sequence[Any]) -> str:
    """A name for exactly these values."""
    return hashlib.sha256(json.dumps(list(values)).encode()).hexdigest()


class KeptValues(Generic[T]):
    """As many values as there are so far, in the order in which they are found; `name` is theirs in the file. `digest` names all that
    they depend on: values of anything else are never taken for these."""

    def __init__(self, path: Path, *, name: str, digest: str) -> None:
        self.path, self.name, self.digest = path, name, digest

    def read(self) -> list[T]:
        if not self.path.is_file():
            return []
        values = json.loads(self.path.read_text())
        return list(values[self.name]) if values["of"] == self.digest else []

    def write(self, found: Sequence[T]) -> None:
        """Complete or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        staged = self.path.with_name(f".{self.path.name}")
        with staged.open("w") as file:
            json.dump({"of": self.digest, self.name: found}, file)
            file.flush()
            os.fsync(file.fileno())
        staged.replace(self.path)
