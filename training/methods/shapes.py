"""Which base models the methods know, by their config.json, and the widths of their linear layers. No torch."""

from typing import Any

# Decoders with self_attn (q_proj, k_proj, v_proj, o_proj) and mlp (gate_proj, up_proj, down_proj) in each layer. A test trains each
# method on a small model of each type.
LLAMA_LIKE = ("gemma", "granite", "llama", "mistral", "olmo2", "qwen2", "qwen3", "smollm3")
# Models whose logits are the output layer's product and nothing else; others scale or cap them afterwards.
PLAIN_HEADS = ("gemma", "llama", "mistral", "olmo2", "qwen2", "qwen3", "smollm3")
ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
MLP = ("gate_proj", "up_proj", "down_proj")


def unlike_llama(architecture: dict[str, Any], method: str) -> str:
    """A sentence when the base model's layers are not those the method knows; "" when they are."""
    kind = str(architecture.get("model_type") or "")
    if kind in LLAMA_LIKE:
        return ""
    return f"{method} knows the layers of {', '.join(LLAMA_LIKE)}, and this base model is of type {kind or 'unknown'}."


def layers_of(architecture: dict[str, Any]) -> int:
    return int(architecture.get("num_hidden_layers") or 0)


def widths_of(architecture: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """{linear layer: (inputs, outputs)} of one decoder layer; empty when the config does not say."""
    hidden = int(architecture.get("hidden_size") or 0)
    if not hidden or not layers_of(architecture):
        return {}
    heads = int(architecture.get("num_attention_heads") or 1)
    head = int(architecture.get("head_dim") or hidden // heads)
    queries = heads * head
    keys = int(architecture.get("num_key_value_heads") or heads) * head
    inner = int(architecture.get("intermediate_size") or 4 * hidden)
    return {
        "q_proj": (hidden, queries),
        "k_proj": (hidden, keys),
        "v_proj": (hidden, keys),
        "o_proj": (queries, hidden),
        "gate_proj": (hidden, inner),
        "up_proj": (hidden, inner),
        "down_proj": (inner, hidden),
    }
