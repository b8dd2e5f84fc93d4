"""The interface of engines. To add one, write a file in this folder and list it in `BACKENDS`."""

from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from annotation.text.rendering import Message
from core.text import storable

# How long services wait for any engine. Between two pieces of an answer: a CPU that trains at the same time can take long
# for the first one.
STALL_SECONDS = 90.0
# A whole answer; an engine that sends pieces without end is also stuck.
ANSWER_SECONDS = 600.0


class EngineAway(Exception):
    """The engine does not respond, or stopped in the middle of an answer."""

    def __init__(self, message: str) -> None:
        super().__init__(storable(message))  # engine messages are stored and shown


class EngineRefused(Exception):
    """The engine refused; the text has the reason. `status` is its HTTP status."""

    def __init__(self, message: str, status: int = 400) -> None:
        self.message, self.status = storable(message), status
        super().__init__(self.message)


@dataclass(frozen=True)
class EngineSpec:
    """What a local engine serves. `model_path` is read-only and never changes."""

    name: str
    model_path: Path
    served_name: str
    context_length: int
    adapters: bool
    max_lora_rank: int
    gpu: bool = False
    prompt_embeds: bool = False  # for soft prompts


@dataclass(frozen=True)
class Served:
    """A model name that an engine serves. `parent` is the base model's name for an adapter, else ""."""

    name: str
    path: str = ""
    parent: str = ""


@dataclass
class AnswerPiece:
    """A step of a streamed answer: new text, or at the end the finish reason and the token counts."""

    text: str = ""
    finish_reason: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@dataclass(frozen=True)
class TokenStep:
    """One token of a greedy continuation, its log probability (nats), and those of the most likely tokens at its
    place."""

    token: str
    logprob: float
    likeliest: dict[str, float]


@dataclass(frozen=True)
class ChatRequest:
    """`model` is the version's name in the engine; `params` are validated, in OpenAI's names."""

    model: str
    messages: list[Message]
    params: dict[str, Any] = field(default_factory=dict)


class Backend(Protocol):
    """Calls take the engine's base URL, raise EngineAway when it does not respond and EngineRefused when it refuses."""

    # How long a first start usually takes, in seconds, before this host has measured it.
    usual_start_seconds: int

    def command(self, spec: EngineSpec, port: int) -> list[str]:
        """The command line of a local engine that listens on settings.ENGINE_LISTEN:`port`."""

    def environment(self, spec: EngineSpec) -> dict[str, str]:
        """Environment variables for it, besides those of this process."""

    def options(self, spec: EngineSpec) -> dict[str, Any]:
        """The engine's start options, as stored in its row."""

    def rank_to_start_with(self, needed: int) -> int:
        """The adapter rank to start an engine with for adapters up to rank `needed`."""

    def healthy(self, url: str) -> bool:
        """Whether it is ready to answer. Does not raise."""

    def served(self, url: str) -> list[Served]: ...

    def load_adapter(self, url: str, name: str, path: Path, method: str = "") -> None:
        """`method`: the training method that stored it, for an engine that needs to know."""

    def unload_adapter(self, url: str, name: str) -> None: ...

    def tokenize(self, url: str, model: str, messages: list[Message]) -> list[int]:
        """Token ids of the rendered prompt, the opening of the answer included."""

    def adapter_loads(self, spec: EngineSpec) -> int | None:
        """The number of adapters that may be loaded between two starts of an engine, unloaded ones included; None: any
        number."""

    def continuation(self, url: str, model: str, text: str, tokens: int, seconds: float) -> list[TokenStep]:
        """The `tokens` greedy tokens that follow `text`, computed without any cache. Takes at most `seconds`."""

    def keep_writing(self, url: str, model: str, text: str, tokens: int, seconds: float) -> Iterator[None]:
        """Lets the model write `tokens` tokens without a stop token; yields once per token. Closing it stops the
        engine."""

    def chat(self, url: str, request: ChatRequest) -> Iterator[AnswerPiece]:
        """Streams one answer; for workers."""

    def chat_async(self, url: str, request: ChatRequest) -> AsyncGenerator[AnswerPiece, None]:
        """Streams one answer; for the web process."""
