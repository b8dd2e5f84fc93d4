"""What Guildhall asks of an engine. To add one, write a file beside this one and name it in `BACKENDS`."""

from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from annotation.text.rendering import Message
from core.text import storable

# How long services wait for any engine. Between two pieces of an answer: a CPU that trains at the same time can take long
# for the first one.
STALL_SECONDS = 90.0
# One answer in full; an engine that sends a piece now and then for ever is stuck as well.
ANSWER_SECONDS = 600.0


class EngineAway(Exception):
    """The engine does not answer, or stopped in the middle of an answer."""

    def __init__(self, message: str) -> None:
        super().__init__(storable(message))  # what an engine says is stored and shown


class EngineRefused(Exception):
    """The engine answered that it will not do this; the text says why. `status` is its HTTP status."""

    def __init__(self, message: str, status: int = 400) -> None:
        self.message, self.status = storable(message), status
        super().__init__(self.message)


@dataclass(frozen=True)
class EngineSpec:
    """What a local engine is started for. `model_path` is never written to and never changes."""

    name: str
    model_path: Path
    served_name: str
    context_length: int
    adapters: bool
    max_lora_rank: int
    gpu: bool = False


@dataclass(frozen=True)
class Served:
    """A name that an engine answers to. `parent` is the base model's name for an adapter, else ""."""

    name: str
    path: str = ""
    parent: str = ""


@dataclass
class AnswerPiece:
    """A step of a streamed answer: new text, or at the end why it stopped and what it counted."""

    text: str = ""
    finish_reason: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@dataclass(frozen=True)
class TokenStep:
    """One token of a greedy continuation, its log probability (nats), and those of the likeliest tokens at its place."""

    token: str
    logprob: float
    likeliest: dict[str, float]


@dataclass(frozen=True)
class ChatRequest:
    """`model` is the engine's own name for the version; `params` are checked already, in OpenAI's names."""

    model: str
    messages: list[Message]
    params: dict[str, Any] = field(default_factory=dict)


class Backend(Protocol):
    """Calls take the engine's base URL, raise EngineAway when it does not answer and EngineRefused when it says no."""

    # How long a first start usually takes, in seconds, until this host has measured its own.
    usual_start_seconds: int

    def command(self, spec: EngineSpec, port: int) -> list[str]:
        """The command line of a local engine that listens on settings.ENGINE_LISTEN:`port`."""

    def environment(self, spec: EngineSpec) -> dict[str, str]:
        """Variables set for it, beside those of this process."""

    def options(self, spec: EngineSpec) -> dict[str, Any]:
        """What the engine was started with, as kept in its row."""

    def rank_to_start_with(self, needed: int) -> int:
        """The adapter rank to start an engine with, so that adapters up to rank `needed` fit."""

    def healthy(self, url: str) -> bool:
        """Whether it is ready to answer. Never raises."""

    def served(self, url: str) -> list[Served]: ...

    def load_adapter(self, url: str, name: str, path: Path) -> None: ...

    def unload_adapter(self, url: str, name: str) -> None: ...

    def tokenize(self, url: str, model: str, messages: list[Message]) -> list[int]:
        """Token ids of the rendered prompt, the opening of the answer included."""

    def adapter_loads(self, spec: EngineSpec) -> int | None:
        """How many adapters an engine may be given in its life, unloaded ones counted; None: as many as one likes."""

    def continuation(self, url: str, model: str, text: str, tokens: int, seconds: float) -> list[TokenStep]:
        """The `tokens` greedy tokens that follow `text`, computed from nothing: no answer from a cache. Takes at most
        `seconds`."""

    def keep_writing(self, url: str, model: str, text: str, tokens: int, seconds: float) -> Iterator[None]:
        """Lets the model write `tokens` tokens without an end of its own; yields once a token. Closing it ends that."""

    def chat(self, url: str, request: ChatRequest) -> Iterator[AnswerPiece]:
        """Streams one answer; for workers."""

    def chat_async(self, url: str, request: ChatRequest) -> AsyncGenerator[AnswerPiece, None]:
        """Streams one answer; for the web process."""
