"""The attention mask of padded batches, without rows that attend to nothing.

transformers masks padding for the padding itself too. torch's kernels differ in what a row without any key gives: zeros, or NaN in the
forward or the backward pass (pytorch issues 110213 and 178251), which then reaches real tokens as 0 * NaN. transformers repaired
such masks until 5.17. Imports torch, as `training.runner.loop` does.
"""

from typing import Any

import torch
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask


def whole_rows(*args: Any, **kwargs: Any) -> torch.Tensor | None:
    """transformers' mask for scaled dot product attention, (rows, 1, queries, keys), True where a query sees a key: a query that would
    see none, which is padding, sees all. No real token sees padding, so nothing else changes."""
    mask = sdpa_mask(*args, **kwargs)
    return mask if mask is None else mask | ~mask.any(dim=-1, keepdim=True)


def fill_empty_rows() -> None:
    """From now on all models of this process that use scaled dot product attention have such masks. Repeated calls do no harm."""
    ALL_MASK_ATTENTION_FUNCTIONS.register("sdpa", whole_rows)
