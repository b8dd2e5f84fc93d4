"""Writing answers: several at once, one token of one of them at a time.

Each answer has a thread in `generate`, and a turn decides which thread computes. So a long answer does not keep a short one
waiting, threads do not compete for cores (waiting for each other makes them many times slower on a busy CPU), and every answer
is computed alone: none depends on which others are being written.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    StoppingCriteria,
    StoppingCriteriaList,
)

from inference.engines.transformers_server.models import Model, Models
from inference.engines.transformers_server.text import Text

log = logging.getLogger(__name__)

# Memory for keys and values: at most this many contexts.
AT_ONCE = 8
WAITING = 64


class QueueFull(Exception):
    """Too many requests wait already."""


@dataclass(frozen=True)
class Sampling:
    """In OpenAI's names. Temperature 0 takes the most likely token."""

    temperature: float = 1.0
    top_p: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    seed: int | None = None


@dataclass(frozen=True)
class Step:
    """One token: the text that can be shown now, its log probability and the likeliest tokens (nats), by id."""

    token: int
    text: str
    logprob: float | None = None
    likeliest: dict[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class End:
    """`reason` is stop or length; `error` says why there is none."""

    reason: str = ""
    tokens: int = 0
    error: str = ""


@dataclass
class AnswerJob:
    """One answer to write. `tell` is called with each Step and at last with an End, from another thread."""

    model: Model
    prompt: list[int]
    most_tokens: int
    sampling: Sampling
    tell: Callable[[Step | End], None]
    stop: tuple[str, ...] = ()
    ignore_eos: bool = False
    likeliest: int = 0
    cancelled: threading.Event = field(default_factory=threading.Event)


class Turns:
    """A lock that is given in the order of asking."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._held = False
        self._waiting: deque[threading.Event] = deque()

    def take(self) -> None:
        with self._mutex:
            if not self._held:
                self._held = True
                return
            mine = threading.Event()
            self._waiting.append(mine)
        mine.wait()

    def give(self) -> None:
        with self._mutex:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._held = False

    def __enter__(self) -> None:
        self.take()

    def __exit__(self, *_: object) -> None:
        self.give()


class AnswerWriter:
    def __init__(self, models: Models, *, at_once: int = AT_ONCE, waiting: int = WAITING) -> None:
        self.models = models
        self.turns = Turns()
        self._room = threading.BoundedSemaphore(at_once + waiting)
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="answer")
        self._stopping = threading.Event()
        self._counting = threading.Lock()
        self.open = 0  # answers that are written or wait

    def start(self, job: AnswerJob) -> None:
        """Raises QueueFull when the queue is full."""
        if not self._room.acquire(blocking=False):
            raise QueueFull("Too many requests wait for this engine. Try again in a few seconds.")
        with self._counting:
            self.open += 1
        self._threads.submit(self._run, job)

    def close(self) -> None:
        self._stopping.set()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _run(self, job: AnswerJob) -> None:
        try:
            end = self._write(job)
        except Exception as error:  # the libraries have errors of many kinds; the reader gets its text
            log.exception("An answer failed")
            end = End(error=f"{type(error).__name__}: {error}")
        finally:
            with self._counting:
                self.open -= 1
            self._room.release()
        job.tell(end)

    def _write(self, job: AnswerJob) -> End:
        if self.is_over(job):
            return End()
        choice = _Choice(job)
        progress = _Progress(job, choice, self, self.models.tokenizer)
        stops = None if job.ignore_eos else self.models.tokenizer.eos_token_id
        ids = torch.tensor([job.prompt], device=self.models.device)
        with self.turns, torch.inference_mode():
            job.model.module.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                generation_config=GenerationConfig(
                    max_new_tokens=job.most_tokens,
                    do_sample=False,  # _Choice draws
                    eos_token_id=stops,
                    pad_token_id=self.models.tokenizer.pad_token_id,
                    use_cache=True,
                ),
                logits_processor=LogitsProcessorList([choice]),
                stopping_criteria=StoppingCriteriaList([progress]),
            )
        return progress.end()

    def is_over(self, job: AnswerJob) -> bool:
        """Whether nobody waits for it any more."""
        return job.cancelled.is_set() or self._stopping.is_set()


class _Choice(LogitsProcessor):
    """Draws the next token with the job's own random numbers, and leaves only that one for `generate` to take."""

    def __init__(self, job: AnswerJob) -> None:
        self.job, self.sampling = job, job.sampling
        self.logprob: float | None = None
        self.likeliest: dict[int, float] = {}
        self._random = torch.Generator()
        if self.sampling.seed is None:
            self._random.seed()
        else:
            self._random.manual_seed(self.sampling.seed)

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        sampling, job = self.sampling, self.job
        plain = scores[0].float()
        adjusted = plain
        if sampling.presence_penalty or sampling.frequency_penalty:
            written = input_ids[0, len(job.prompt) :]
            counts = torch.bincount(written, minlength=len(plain)).to(plain.dtype)
            adjusted = plain - sampling.frequency_penalty * counts - sampling.presence_penalty * (counts > 0)
        if sampling.temperature > 0:
            chosen = self._draw(adjusted / sampling.temperature)
        else:
            chosen = int(adjusted.argmax())
        if job.likeliest:
            self._note(plain.log_softmax(-1), chosen)
        only = torch.full_like(scores, float("-inf"))
        only[0, chosen] = 0.0
        return only

    def _draw(self, logits: Any) -> int:
        shares = logits.softmax(-1).cpu()
        if self.sampling.top_p < 1:
            ordered, places = shares.sort(descending=True)
            # The smallest set of tokens that reaches top_p; the likeliest one always stays.
            ordered[ordered.cumsum(-1) - ordered >= self.sampling.top_p] = 0.0
            return int(places[torch.multinomial(ordered, 1, generator=self._random)])
        return int(torch.multinomial(shares, 1, generator=self._random))

    def _note(self, logprobs: Any, chosen: int) -> None:
        values, tokens = logprobs.topk(min(self.job.likeliest, len(logprobs)))
        self.likeliest = dict(zip(tokens.tolist(), values.tolist(), strict=True))
        self.logprob = self.likeliest.setdefault(chosen, float(logprobs[chosen]))


class _Progress(StoppingCriteria):
    """Told of each token: passes it on, ends the answer, and gives the turn to the next answer."""

    def __init__(self, job: AnswerJob, choice: _Choice, writer: AnswerWriter, tokenizer: Any) -> None:
        self.job, self.choice, self.writer = job, choice, writer
        self.eos = None if job.ignore_eos else tokenizer.eos_token_id
        self.text = Text(tokenizer, job.stop)
        self.tokens = 0
        self.reason = ""

    def __call__(self, input_ids: Any, scores: Any, **_: object) -> Any:
        token = int(input_ids[0, -1])
        self.tokens += 1
        if token == self.eos:
            self.reason = "stop"
        new = self.text.add(token)
        if self.text.stopped:
            self.reason = "stop"
        if not self.reason and self.tokens >= self.job.most_tokens:
            self.reason = "length"
        if self.reason and not self.text.stopped:
            new += self.text.rest()
        self.job.tell(Step(token, new, self.choice.logprob, self.choice.likeliest))
        done = bool(self.reason) or self.writer.is_over(self.job)
        if not done:
            self.writer.turns.give()
            self.writer.turns.take()
        return torch.full((input_ids.shape[0],), done, dtype=torch.bool, device=input_ids.device)

    def end(self) -> End:
        return End(self.reason, self.tokens, "" if self.reason else "The request was cancelled.")
