"""Answers that a model gave before training, on disk beside the run's checkpoints: a run that is taken up again uses the same ones."""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path


class KeptAnswers:
    """As many answers, as token ids, as there are so far. `of` is all that they depend on: answers of anything else are never taken for
    these."""

    def __init__(self, path: Path, of: Sequence[object]) -> None:
        self.path, self.digest = path, hashlib.sha256(json.dumps(list(of)).encode()).hexdigest()

    def read(self) -> list[list[int]]:
        if not self.path.is_file():
            return []
        values = json.loads(self.path.read_text())
        return list(values["answers"]) if values["of"] == self.digest else []

    def write(self, found: Sequence[Sequence[int]]) -> None:
        """Complete or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        staged = self.path.with_name(f".{self.path.name}")
        with staged.open("w") as file:
            json.dump({"of": self.digest, "answers": found}, file)
            file.flush()
            os.fsync(file.fileno())
        staged.replace(self.path)
