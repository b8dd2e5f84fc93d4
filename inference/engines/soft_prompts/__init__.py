"""Prompt tuning in vLLM: an ASGI middleware inside vLLM's own web server (its option `--middleware`).

vLLM has no soft prompts, but with `--enable-prompt-embeds` its `/v1/completions` takes the embeddings of a prompt. So a chat for
a version trained by prompt tuning becomes one for the base model: vLLM's own `/tokenize` renders it, the tokens' embeddings come
from the base model's stored weights, the trained vectors are put before them, and the answer is given the chat's form again.
All other requests pass through unchanged. Soft prompts are loaded, unloaded and listed at vLLM's routes for adapters.
"""

from inference.engines.soft_prompts.middleware import SoftPrompts

__all__ = ["SoftPrompts"]
