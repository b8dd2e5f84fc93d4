"""The vLLM backend with its command line pointed at the fake; everything else is the real code."""

import sys
from pathlib import Path

from inference.engines import EngineSpec
from inference.engines.vllm import VLLM

ENGINE = Path(__file__).with_name("engine.py")


class FakeVLLM(VLLM):
    def command(self, spec: EngineSpec, port: int) -> list[str]:
        line = super().command(spec, port)
        return [sys.executable, str(ENGINE), *line[3:]]
