"""Engines that serve models: one file each, chosen from one dict. None of them is imported as a library; each one is a
process."""

from inference.engines.base import Backend, EngineAway, EngineRefused, EngineSpec, Served, TokenStep
from inference.engines.transformers import Transformers
from inference.engines.vllm import VLLM

BACKENDS: dict[str, Backend] = {"vllm": VLLM(), "transformers": Transformers()}

__all__ = ["BACKENDS", "Backend", "EngineAway", "EngineRefused", "EngineSpec", "Served", "TokenStep"]
