"""vLLM as a process: its command line. tests/inference/test_real_vllm.py checks it, and the HTTP API, against a real one."""

import json
import os
import sys
from pathlib import Path
from typing import Any

from django.conf import settings

from inference.engines.base import EngineSpec
from inference.engines.client import HTTPEngine

# The only ranks vLLM reserves room for (its --max-lora-rank).
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
# On the CPU vLLM 0.32 marks a request without an adapter by slot -1 and then uses the weights of the last slot for it
# (vllm/lora/ops/torch_ops/lora_ops.py; changes 48421 and 49656 there are open). So the last slot must stay empty. Slots
# are given out from the first one on. An adapter keeps its slot after it was unloaded, since unloading removes only its
# name; loading it again takes another slot. So the number of all adapters loaded since the start counts: as many as may
# be loaded at once, some more for later ones, and one empty slot. A slot of rank 64
# costs 39 MB with a model of 135M parameters. Triton's kernels on a GPU skip -1 (lora_expand_op.py), so there vLLM can
# reuse the slots of unloaded adapters.
SPARE_LOADS = 4
EMPTY_SLOTS = 1
# Serves versions trained by prompt tuning from inside vLLM's web server.
SOFT_PROMPTS = "inference.engines.soft_prompts.SoftPrompts"


def _is_float32(model_path: Path) -> bool:
    """Whether a model's folder has weights in float32, by its config.json."""
    try:
        config = json.loads((model_path / "config.json").read_text())
    except (OSError, ValueError):
        return False
    return "float32" in (config.get("dtype"), config.get("torch_dtype"))


class VLLM(HTTPEngine):
    usual_start_seconds = 40

    # --- start ---------------------------------------------------------------------------------------------
    def command(self, spec: EngineSpec, port: int) -> list[str]:
        # `vllm serve` needs the metadata of a package named vllm, which the CPU build does not have.
        line = [
            sys.executable, "-m", "vllm.entrypoints.openai.api_server",
            "--model", str(spec.model_path),
            "--served-model-name", spec.served_name,
            "--host", settings.ENGINE_LISTEN,
            "--port", str(port),
            "--max-model-len", str(min(settings.ENGINE_MAX_MODEL_LEN, spec.context_length)),
            # Sampling parameters come from the request, not from the model's folder; weights are safetensors only.
            "--generation-config", "vllm",
            "--load-format", "safetensors",
            "--disable-uvicorn-access-log",
        ]  # fmt: skip
        if not spec.gpu and _is_float32(spec.model_path):
            # vLLM would round such weights to 16 bits. They are those of an adapter that was merged into its base, and smaller steps
            # of training would be lost.
            line += ["--dtype", "float32"]
        if spec.gpu:
            line += ["--gpu-memory-utilization", f"{min(settings.ENGINE_GPU_PERCENT, 95) / 100:.2f}"]
        if spec.adapters:
            line += [
                "--enable-lora",
                "--max-loras", str(self._slots(spec)),
                "--max-lora-rank", str(self.rank_to_start_with(spec.max_lora_rank)),
            ]  # fmt: skip
        if spec.prompt_embeds:
            line += ["--enable-prompt-embeds", "--middleware", SOFT_PROMPTS]
        return line

    def environment(self, spec: EngineSpec) -> dict[str, str]:
        variables = {
            "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
            "VLLM_NO_USAGE_STATS": "1",
            "DO_NOT_TRACK": "1",
            "HF_HUB_OFFLINE": "1",
            "PYTHONUNBUFFERED": "1",
        }
        if spec.prompt_embeds:
            variables["PYTHONPATH"] = str(
                settings.BASE_DIR
            )  # of the middleware; it runs in a folder of its own
        if not spec.gpu:
            # Half the cores, unpinned: threads that wait for one another stop when training uses a core.
            # On two busy cores one thread gave 25 tokens/s where two gave 1.
            threads = max(1, (os.cpu_count() or 1) // 2)
            variables |= {
                "VLLM_CPU_KVCACHE_SPACE": str(settings.ENGINE_KV_CACHE_GIB),
                "VLLM_CPU_OMP_THREADS_BIND": "nobind",
                "OMP_NUM_THREADS": str(threads),
            }
        return variables

    def options(self, spec: EngineSpec) -> dict[str, Any]:
        return {
            "max_model_len": min(settings.ENGINE_MAX_MODEL_LEN, spec.context_length),
            "max_loras": self._slots(spec) if spec.adapters else 0,
            "adapter_loads": self.adapter_loads(spec),
            "prompt_embeds": spec.prompt_embeds,
            "max_lora_rank": self.rank_to_start_with(spec.max_lora_rank) if spec.adapters else 0,
        }

    def adapter_loads(self, spec: EngineSpec) -> int | None:
        return None if spec.gpu else settings.ENGINE_MAX_LORAS + SPARE_LOADS

    def _slots(self, spec: EngineSpec) -> int:
        loads = self.adapter_loads(spec)
        return settings.ENGINE_MAX_LORAS if loads is None else loads + EMPTY_SLOTS

    def rank_to_start_with(self, needed: int) -> int:
        """The smallest rank of vLLM that is enough for both the setting and `needed`."""
        least = max(needed, settings.ENGINE_MAX_LORA_RANK)
        return next((rank for rank in RANKS if rank >= least), RANKS[-1])
