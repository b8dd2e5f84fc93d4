"""The backends with their command lines pointed at the fake; everything else is the real code."""

import sys
from dataclasses import replace
from pathlib import Path

from inference.engines import EngineSpec
from inference.engines.client import TRANSFORMERS_OWNER
from inference.engines.transformers import Transformers
from inference.engines.vllm import VLLM

ENGINE = Path(__file__).with_name("engine.py")


class FakeVLLM(VLLM):
    def command(self, spec: EngineSpec, port: int) -> list[str]:
        line = super().command(spec, port)
        return [sys.executable, str(ENGINE), *line[3:]]


class FakeTransformers(Transformers):
    def command(self, spec: EngineSpec, port: int) -> list[str]:
        line = VLLM().command(replace(spec, adapters=False), port)
        return [sys.executable, str(ENGINE), *line[3:], "--owned-by", TRANSFORMERS_OWNER]
