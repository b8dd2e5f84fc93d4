"""The bytes that a layer keeps for the backward pass, as autograd counts them."""

import contextlib
from typing import TYPE_CHECKING, Any

from training.estimates.memory import Shape

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

TOKENS = 32
# (hidden, inner, heads, head size, key heads, rank): each width differs from the first in one of them.
SHAPES = [
    (128, 256, 4, 32, 2, 8),
    (256, 256, 4, 32, 2, 8),
    (128, 512, 4, 32, 2, 8),
    (128, 256, 8, 32, 2, 8),
    (128, 256, 4, 32, 4, 8),
    (128, 256, 4, 32, 2, 16),
    (192, 320, 6, 32, 2, 16),
]
# Llama 3.1 8B, as a known example: default LoRA, with dropout, all weights, and with activations computed twice.
EIGHT = Shape(hidden=4096, layers=32, queries=4096, keys=1024, inner=14336, heads=32, vocabulary=128_256)


def _model(
    shape: tuple[int, ...], layers: int, *, adapter: bool, bfloat16: bool, dropout: bool, twice: bool
) -> Any:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, LlamaConfig

    hidden, inner, heads, head, keys, rank = shape
    config = LlamaConfig(
        vocab_size=256,
        hidden_size=hidden,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=keys,
        head_dim=head,
        tie_word_embeddings=True,
    )
    dtype = torch.bfloat16 if adapter and bfloat16 else torch.float32  # as the methods load it on a GPU
    model: Any = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").to(dtype)
    if adapter:
        share = 0.05 if dropout else 0.0
        model = get_peft_model(model, LoraConfig(r=rank, lora_dropout=share, target_modules="all-linear"))
    model.train()
    if twice:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.enable_input_require_grads()
    return model


def _saved(model: "PreTrainedModel", tokens: int, *, bfloat16: bool) -> int:
    """Bytes that one forward pass over the layers saves; logits are left out."""
    import torch

    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    kept: dict[int, tuple[int, Any]] = {}

    def pack(tensor: "torch.Tensor") -> "torch.Tensor":
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)  # kept, so that its memory is not reused
        return tensor

    ids = torch.randint(0, 256, (1, tokens))
    products = torch.autocast("cpu", torch.bfloat16) if bfloat16 else contextlib.nullcontext()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor), products:
        model.get_decoder()(input_ids=ids, use_cache=False)
    return sum(size for size, _ in kept.values())


def bytes_per_token(
    shape: tuple[int, ...], *, adapter: bool, bfloat16: bool, dropout: bool, twice: bool = False
) -> float:
    """The bytes that one more layer keeps for one more token."""
    per_layers = []
    for layers in (1, 2):
        model = _model(shape, layers, adapter=adapter, bfloat16=bfloat16, dropout=dropout, twice=twice)
        more = _saved(model, 2 * TOKENS, bfloat16=bfloat16) - _saved(model, TOKENS, bfloat16=bfloat16)
        per_layers.append(more / TOKENS)
    return per_layers[1] - per_layers[0]


def shape_of(shape: tuple[int, ...]) -> Shape:
    hidden, inner, heads, head, keys, _ = shape
    return Shape(
        hidden=hidden,
        layers=1,
        queries=heads * head,
        keys=keys * head,
        inner=inner,
        heads=heads,
        vocabulary=256,
    )
