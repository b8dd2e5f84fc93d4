"""One answer from a model version: requested, streamed, and stored as a row in every case."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

from annotation.text.rendering import chat_messages
from core.database.connections import in_db, without_connection
from core.errors import ExpectedError, PartAway, Refused
from core.models import ApiKey, Project, User
from core.text import storable
from inference.engines import BACKENDS, EngineAway, EngineRefused
from inference.engines.base import AnswerPiece, ChatRequest
from inference.models import Answer, Conversation
from inference.queries import ServedAt
from inference.queries.doubt import doubt_since
from inference.queries.personal import serving_with
from inference.services.writing import being_written
from training.models import ModelVersion, PersonalAdapter
from training.queries import marks_of_base, system_prompt_of

log = logging.getLogger(__name__)
Status = Answer.Status
LIMITS = ("max_tokens", "max_completion_tokens")


def sampling(project: Project, params: Mapping[str, Any]) -> dict[str, Any]:
    """`params`, in OpenAI's names, with the project's temperature and length as defaults."""
    defaults: dict[str, Any] = {"temperature": project.temperature}
    if not any(name in params for name in LIMITS):
        defaults["max_tokens"] = project.max_tokens
    return defaults | dict(params)


@dataclass(frozen=True)
class Opened:
    """An answer that is stored and about to be requested. `blind`: its errors have no engine name. `own_limit`: the
    length limit comes from the request, not from the project."""

    answer: Answer
    serving: ServedAt
    blind: bool = False
    own_limit: bool = False

    @property
    def request(self) -> ChatRequest:
        return ChatRequest(self.serving.model, self.answer.messages, self.answer.params)


@dataclass
class Collected:
    """The answer so far. Times are in milliseconds since the request to the engine."""

    began: float = field(default_factory=time.monotonic)
    text: list[str] = field(default_factory=list)
    half: str = ""
    first_token_ms: int | None = None
    finish_reason: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None

    def _ms(self) -> int:
        return round((time.monotonic() - self.began) * 1000)

    def add(self, piece: AnswerPiece) -> str:
        """Stores a piece and returns its text in a form that can be stored and passed on. Half of a character waits for
        the next piece."""
        text, self.half = self.half + piece.text, ""
        if "\ud800" <= text[-1:] <= "\udbff":
            text, self.half = text[:-1], text[-1]
        self.finish_reason = piece.finish_reason or self.finish_reason
        if piece.prompt_tokens is not None:
            self.prompt_tokens, self.completion_tokens = piece.prompt_tokens, piece.completion_tokens
        return self._keep(text)

    def end(self) -> str:
        """The rest, when nothing follows."""
        text, self.half = self.half, ""
        return self._keep(text)

    def _keep(self, text: str) -> str:
        if not text:
            return ""
        if self.first_token_ms is None:
            self.first_token_ms = self._ms()
        self.text.append(storable(text))
        return self.text[-1]

    def fields(self) -> dict[str, Any]:
        return {
            "text": "".join(self.text),
            "first_token_ms": self.first_token_ms,
            "duration_ms": self._ms(),
            "finish_reason": storable(self.finish_reason)[:20],
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
        }


def open_answer(
    *,
    by: User | None,
    project: Project,
    version: ModelVersion,
    messages: list[Any],
    context: list[str],
    params: dict[str, Any],
    purpose: str,
    conversation: Conversation | None = None,
    turn: int | None = None,
    api_key: ApiKey | None = None,
    adapter: PersonalAdapter | None = None,
    blind: bool = False,
) -> Opened:
    """Stores an answer before it is requested. Raises PartAway when no engine serves the version.

    `adapter`: the asker's own on top of the version (inference.queries.personal decides that). It answers when it is served.

    `messages` is the conversation without the project's prompt; `chat_messages` puts that and the records in front, as
    in training. `params` use OpenAI's names; the project's temperature and length are the defaults.
    """
    where, adapter = serving_with(version, adapter, blind=blind)
    chat = chat_messages(messages=messages, context=context, system_prompt=system_prompt_of(version))
    _refuse_forged_turns(chat, version)
    answer = Answer.objects.create(
        project=project,
        version=version,
        adapter=adapter,
        adapter_number=adapter.number if adapter else None,
        purpose=purpose,
        conversation=conversation,
        turn=turn,
        user=by,
        api_key=api_key,
        messages=chat,
        question=question_of(messages),
        params=sampling(project, params),
    )
    return Opened(answer, where, blind, own_limit=any(name in params for name in LIMITS))


class ForgedTurn(Refused):
    """A text for an engine contains a control token of its chat template."""

    code = "control_mark"


def _refuse_forged_turns(chat: Sequence[Mapping[str, str]], version: ModelVersion) -> None:
    """The last check before an engine: the complete texts, for control tokens of this version's base model.

    Text from users is refused earlier, with the name of the field (core.marks). Here it can be an older row, a system
    prompt, or an earlier answer of the model.
    """
    marks = marks_of_base(version.base_model)
    for message in chat:
        if mark := marks.in_text(message["content"]):
            sources = {"system": "The system prompt or a record", "user": "A question"}
            raise ForgedTurn(
                f"{sources.get(message['role'], 'An earlier answer')} contains “{mark}”, a control token of this model's "
                "chat template. The model would read it as the start or end of a turn.",
                "Start a new conversation without it, or correct the text.",
            )


def question_of(messages: Sequence[Mapping[str, str]]) -> str:
    """The last user message; empty when there is none."""
    return next((m["content"] for m in reversed(messages) if m["role"] == "user"), "")


def _close(opened: Opened, collected: Collected, status: str, error: str) -> None:
    """Ends the row once; an earlier end (by the sweep) is kept."""
    answer = opened.answer
    fields = collected.fields() | {"error": error[:2000]}
    # A check that failed while this was written, also if it marked its answers before this one was stored.
    if doubt := doubt_since(opened.serving.engine_id, opened.serving.last_check):
        fields["doubt"] = doubt
    if Answer.objects.filter(pk=answer.pk, status=Status.STREAMING).update(status=status, **fields):
        answer.status = status
        for name, value in fields.items():
            setattr(answer, name, value)


class TooLong(Refused):
    """The conversation and the requested answer do not fit into the model's context."""

    code = "too_long"


def _is_too_long(error: EngineRefused) -> bool:
    return "context length" in error.message or "max_model_len" in error.message


def _shorter(opened: Opened, error: Exception) -> ChatRequest | None:
    """The request without its limit, when only the limit did not fit. The engine then uses the space that is left.

    Applications with a limit of their own get an error instead, as from OpenAI.
    """
    if not isinstance(error, EngineRefused) or not _is_too_long(error):
        return None
    refused = opened.own_limit and opened.answer.purpose == Answer.Purpose.APPLICATION
    if refused or "max_tokens" not in opened.request.params:
        return None
    params = {name: value for name, value in opened.request.params.items() if name != "max_tokens"}
    return replace(opened.request, params=params)


def _expected(opened: Opened, error: Exception) -> ExpectedError:
    """The engine's error as one for users."""
    name = "The engine" if opened.blind else f"The engine {opened.serving.engine_name}"
    log.warning("Engine %s: %s: %s", opened.serving.engine_name, type(error).__name__, error)
    if isinstance(error, EngineRefused):
        if _is_too_long(error):
            return TooLong(
                "This conversation is too long for the model.",
                "Start a new one, or shorten the question and its records.",
            )
        why = "" if opened.blind else f": {error.message}"
        return Refused(f"{name} refused this{why or '.'}", "Try other words, or ask an admin.")
    return PartAway(
        f"{name} stopped responding.{'' if opened.blind else f' {error}'}",
        "The text so far is kept. The engine is started again automatically. Try again in a minute.",
    )


def _ended(collected: Collected) -> None:
    if not collected.finish_reason:
        raise EngineAway("Its answer ended without a reason.")


def _believe(opened: Opened) -> None:
    """Raises PartAway for an answer that is in doubt already: it is stored and marked, but not returned."""
    if opened.answer.doubt:
        name = "The engine" if opened.blind else f"The engine {opened.serving.engine_name}"
        raise PartAway(
            f"{name} was taken out of service while it answered. A check found that it used wrong weights.",
            "The answer is kept and marked. Ask again when the engine is back.",
        )


async def _pieces(opened: Opened) -> AsyncGenerator[AnswerPiece, None]:
    backend, url = BACKENDS[opened.serving.backend], opened.serving.url
    try:
        async with aclosing(backend.chat_async(url, opened.request)) as pieces:
            async for piece in pieces:
                yield piece
        return
    except EngineRefused as error:
        request = _shorter(opened, error)
        if request is None:
            raise
    async with aclosing(backend.chat_async(url, request)) as pieces:
        async for piece in pieces:
            yield piece


def _pieces_now(opened: Opened) -> Iterator[AnswerPiece]:
    backend, url = BACKENDS[opened.serving.backend], opened.serving.url
    try:
        yield from backend.chat(url, opened.request)
        return
    except EngineRefused as error:
        request = _shorter(opened, error)
        if request is None:
            raise
    yield from backend.chat(url, request)


async def stream_answer(opened: Opened) -> AsyncGenerator[str, None]:
    """Asks the engine and yields the answer piece by piece; the row is always ended.

    When the reader leaves (the tab is closed) the engine is stopped and the text so far is kept as stopped. Raises
    PartAway when the engine does not respond, Refused when it refuses.
    """
    collected = Collected()
    status, problem = Status.FAILED, "An unexpected error occurred in Guildhall."
    try:
        with being_written(opened.answer):
            async with aclosing(_pieces(opened)) as pieces:
                async for piece in pieces:
                    if text := collected.add(piece):
                        yield text
            if text := collected.end():
                yield text
        _ended(collected)
        status, problem = Status.DONE, ""
    except (EngineAway, EngineRefused) as error:
        problem = str(error)
        raise _expected(opened, error) from error
    except (asyncio.CancelledError, GeneratorExit):
        status, problem = Status.STOPPED, ""
        raise
    finally:
        # Shielded: the reading task may be cancelled, and the text so far must be kept.
        await asyncio.shield(in_db(_close, opened, collected, status, problem))
    _believe(opened)


def answer_now(opened: Opened) -> Answer:
    """Asks the engine and waits for the whole answer; for workers and pages without script."""
    collected = Collected()
    status, problem = Status.FAILED, "An unexpected error occurred in Guildhall."
    try:
        with without_connection(), being_written(opened.answer):
            for piece in _pieces_now(opened):
                collected.add(piece)
            collected.end()
        _ended(collected)
        status, problem = Status.DONE, ""
    except (EngineAway, EngineRefused) as error:
        problem = str(error)
        raise _expected(opened, error) from error
    finally:
        _close(opened, collected, status, problem)
    _believe(opened)
    return opened.answer


def generate(
    *,
    by: User | None,
    project: Project,
    version: ModelVersion,
    messages: list[Any],
    context: list[str],
    params: dict[str, Any] | None = None,
    purpose: str,
) -> Answer:
    """A finished answer of a version; blocks until it is complete. `params` as in open_answer.

    Raises core.errors.PartAway when no engine serves the version or it goes offline, Refused when it refuses.
    """
    opened = open_answer(
        by=by,
        project=project,
        version=version,
        messages=messages,
        context=context,
        params=params or {},
        purpose=purpose,
    )
    return answer_now(opened)
