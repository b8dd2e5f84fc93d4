"""Answers of a loaded model to prompts given as token ids, several prompts at once. For the runs that ask a model; serving has engines."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


def answers(
    model: "PreTrainedModel | PeftModel",
    prompts: Sequence[Sequence[int]],
    *,
    stop_id: int,
    pad_id: int,
    most_tokens: int,
    samples: int = 0,
    temperature: float = 1.0,
    seed: int = 0,
    watch: Callable[[], None] | None = None,
) -> list[list[list[int]]]:
    """For each prompt its answers as token ids, without the stop token: the greedy one, or with `samples` that many drawn ones.

    The drawn ones are drawn from the whole distribution at `temperature`. They depend on `seed` and on all prompts of the call, and may
    differ between devices. `watch` is called at each token and may raise, which ends the call.
    """
    import torch
    from transformers import StoppingCriteria, StoppingCriteriaList

    class Watched(StoppingCriteria):
        def __call__(self, input_ids: Any, scores: Any, **kwargs: object) -> Any:
            if watch is not None:
                watch()
            return torch.zeros(input_ids.shape[0], dtype=torch.bool, device=input_ids.device)

    if not prompts:
        return []
    longest = max(map(len, prompts))
    # Padding stands on the left, so that all answers begin at one place.
    ids = torch.tensor([[pad_id] * (longest - len(prompt)) + list(prompt) for prompt in prompts])
    mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    drawn: dict[str, Any] = {
        "do_sample": True,
        "num_return_sequences": samples,
        "temperature": temperature,
        "top_p": 1.0,
        "top_k": 0,
    }
    greedy: dict[str, Any] = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
    devices = [model.device] if model.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), torch.inference_mode():
        torch.manual_seed(seed)
        out = model.generate(
            input_ids=ids.to(model.device),
            attention_mask=mask.to(model.device),
            max_new_tokens=most_tokens,
            use_cache=True,
            eos_token_id=stop_id,
            pad_token_id=pad_id,
            stopping_criteria=StoppingCriteriaList([Watched()]),
            **(drawn if samples else greedy),
        )
    each = max(1, samples)
    written = [_until(stop_id, row) for row in out[:, longest:].tolist()]
    return [written[at : at + each] for at in range(0, len(written), each)]


def _until(stop_id: int, ids: list[int]) -> list[int]:
    return ids[: ids.index(stop_id)] if stop_id in ids else ids
