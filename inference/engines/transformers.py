"""transformers as a process, for versions that vLLM refuses. One process per base model holds its weights once and all
versions of it that need this engine (transformers_server).

It answers several requests at once, but computes one token of one of them at a time: many times slower than vLLM under
load. tests/inference/test_transformers_engine.py runs it.
"""

import os
import sys
from pathlib import Path
from typing import Any

from django.conf import settings

from inference.engines.base import EngineSpec
from inference.engines.client import HTTPEngine


class Transformers(HTTPEngine):
    usual_start_seconds = 15
    by_transformers = True

    def command(self, spec: EngineSpec, port: int) -> list[str]:
        return [
            sys.executable, "-m", "inference.engines.transformers_server",
            "--model", str(spec.model_path),
            "--served-model-name", spec.served_name,
            "--host", settings.ENGINE_LISTEN,
            "--port", str(port),
            "--max-model-len", str(_context_length(spec)),
            "--max-adapters", str(settings.ENGINE_MAX_LORAS if spec.adapters else 0),
            "--device", "cuda" if spec.gpu else "cpu",
            # Half the cores, as for vLLM: threads that wait for one another stop when training uses a core.
            "--threads", "0" if spec.gpu else str(max(1, (os.cpu_count() or 1) // 2)),
        ]  # fmt: skip

    def environment(self, spec: EngineSpec) -> dict[str, str]:
        return {
            # It runs in a folder of its own; this program's code is there.
            "PYTHONPATH": str(settings.BASE_DIR),
            "HF_HUB_OFFLINE": "1",
            "DO_NOT_TRACK": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "PYTHONUNBUFFERED": "1",
        }

    def options(self, spec: EngineSpec) -> dict[str, Any]:
        return {
            "max_model_len": _context_length(spec),
            "max_loras": settings.ENGINE_MAX_LORAS if spec.adapters else 0,
            "adapter_loads": self.adapter_loads(spec),
        }

    def adapter_loads(self, spec: EngineSpec) -> int | None:
        return None

    def rank_to_start_with(self, needed: int) -> int:
        return 0  # an adapter of any size fits

    def load_adapter(self, url: str, name: str, path: Path, method: str = "") -> None:
        """`method` is a key of training.methods.METHODS: it says how the adapter in `path` is attached."""
        body = {"lora_name": name, "lora_path": str(path), "method": method}
        self._call("POST", f"{url}/v1/load_lora_adapter", seconds=120, body=body)


def _context_length(spec: EngineSpec) -> int:
    return min(settings.ENGINE_MAX_MODEL_LEN, spec.context_length)
