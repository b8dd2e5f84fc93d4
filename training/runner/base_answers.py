"""What the base model itself writes before training, portion by portion, kept so that a resumed run has the same texts."""

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from training.methods.stored import frozen_base
from training.runner.answers import answers
from training.runner.data import stop_id_of
from training.runner.kept_values import KeptValues, digest_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

AT_ONCE = 16  # prompts


@dataclass(frozen=True)
class BaseWriter:
    """A base model that is asked before a run's first step. `keep` is the run's folder; `tell` reports a sentence and may raise, which
    ends the work."""

    base_folder: Path
    tokenizer: "PreTrainedTokenizerBase"
    stop_token: str
    device: str
    seed: int
    keep: Path
    tell: Callable[[str], None]

    def write(
        self,
        prompts: Sequence[list[int]],
        *,
        file: str,
        most_tokens: int,
        temperature: float,
        words: str,
    ) -> list[list[int]]:
        """One answer to each prompt as token ids, without the stop token: drawn at `temperature`, or with 0 the greedy one."""
        digest = digest_of([self.seed, most_tokens, temperature, *map(list, prompts)])
        kept: KeptValues[list[int]] = KeptValues(self.keep / file, name="answers", digest=digest)
        found = kept.read()
        if len(found) == len(prompts):
            return found
        model = frozen_base(self.base_folder, self.device).to(self.device).eval()
        stop_id = stop_id_of(self.tokenizer, self.stop_token)
        pad_id = self.tokenizer.pad_token_id
        while len(found) < len(prompts):
            number = len(found)
            drawn = answers(
                model,
                prompts[number : number + AT_ONCE],
                stop_id=stop_id,
                pad_id=stop_id if pad_id is None else pad_id,
                most_tokens=most_tokens,
                samples=1 if temperature else 0,
                temperature=temperature or 1.0,
                seed=self.seed + number,
                watch=partial(self.tell, f"{words}, {number + 1:,} of {len(prompts):,}."),
            )
            found += [one for (one,) in drawn]
            kept.write(found)
        del model
        gc.collect()  # the model to train needs its memory
        return found
