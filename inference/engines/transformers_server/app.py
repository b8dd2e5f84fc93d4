"""The HTTP routes: vLLM's, as far as Guildhall uses them. An answer that nobody reads any more is not written on."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import wraps
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from inference.engines.client import TRANSFORMERS_OWNER
from inference.engines.transformers_server import requests as bodies
from inference.engines.transformers_server.models import Model, Models, NotLoaded, Unknown
from inference.engines.transformers_server.requests import MAX_BODY, BadRequest, Wanted
from inference.engines.transformers_server.writing import AnswerJob, AnswerWriter, End, QueueFull, Step

RETRY_SECONDS = 5
# Between looks at whether the reader of an answer that is not streamed is still there.
LOOK_SECONDS = 0.5

Handler = Callable[["EngineServer", Request], Awaitable[Response]]


def _error(message: str, status: int, param: str | None = None) -> JSONResponse:
    kinds = {404: "NotFoundError", 503: "ServiceUnavailableError", 500: "InternalServerError"}
    error = {"message": message, "type": kinds.get(status, "BadRequestError"), "param": param, "code": status}
    headers = {"Retry-After": str(RETRY_SECONDS)} if status == 503 else None
    return JSONResponse({"error": error}, status, headers)


def _answering(handler: Handler) -> Handler:
    """Errors in OpenAI's shape."""

    @wraps(handler)
    async def handle(server: "EngineServer", request: Request) -> Response:
        try:
            return await handler(server, request)
        except BadRequest as error:
            return _error(error.message, error.status, error.param)
        except Unknown as error:
            return _error(str(error), 404, "model")
        except NotLoaded as error:
            return _error(str(error), error.status)
        except QueueFull as error:
            return _error(str(error), 503)

    return handle


async def _body(request: Request) -> dict[str, Any]:
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > MAX_BODY:
            raise BadRequest(f"The body is larger than {MAX_BODY} bytes.", status=413)
    return bodies.json_body(bytes(data))


class EngineServer:
    def __init__(self, models: Models, writer: AnswerWriter, context_length: int) -> None:
        self.models, self.writer, self.context_length = models, writer, context_length

    # --- routes --------------------------------------------------------------------------------------------
    @_answering
    async def health(self, request: Request) -> Response:
        return Response()

    @_answering
    async def names(self, request: Request) -> Response:
        cards = [
            {
                "id": model.name,
                "object": "model",
                "owned_by": TRANSFORMERS_OWNER,
                "root": model.path,
                "parent": model.parent,
                "max_model_len": self.context_length - model.virtual_tokens,
            }
            for model in self.models.all()
        ]
        return JSONResponse({"object": "list", "data": cards})

    @_answering
    async def load(self, request: Request) -> Response:
        body = await _body(request)
        name, path = bodies.text_of(body, "lora_name"), bodies.text_of(body, "lora_path")
        method = bodies.text_of(body, "method")
        await run_in_threadpool(self._load, name, Path(path), method)
        return Response(f"Success: adapter '{name}' added successfully.", media_type="text/plain")

    def _load(self, name: str, path: Path, method: str) -> None:
        # Libraries change torch's defaults for a moment while they load; nothing is computed meanwhile.
        with self.writer.turns:
            self.models.load(name, path, method)

    @_answering
    async def unload(self, request: Request) -> Response:
        name = bodies.text_of(await _body(request), "lora_name")
        self.models.unload(name)
        return Response(f"Success: adapter '{name}' removed successfully.", media_type="text/plain")

    @_answering
    async def tokenize(self, request: Request) -> Response:
        body = await _body(request)
        model = self.models.get(bodies.text_of(body, "model"))
        tokens = await run_in_threadpool(self._rendered, bodies.messages_of(body))
        length = self.context_length - model.virtual_tokens
        return JSONResponse({"count": len(tokens), "max_model_len": length, "tokens": tokens})

    @_answering
    async def chat(self, request: Request) -> Response:
        wanted = bodies.chat_of(await _body(request))
        return await self._answer(request, wanted, "chatcmpl", _Chat)

    @_answering
    async def completion(self, request: Request) -> Response:
        wanted = bodies.completion_of(await _body(request))
        return await self._answer(request, wanted, "cmpl", _Completion)

    # --- an answer -----------------------------------------------------------------------------------------
    async def _answer(
        self, request: Request, wanted: Wanted, prefix: str, shape: "type[_Chat | _Completion]"
    ) -> Response:
        model = self.models.get(wanted.model)
        if wanted.messages is None:
            prompt = await run_in_threadpool(self._ids, wanted.text)
        else:
            prompt = await run_in_threadpool(self._rendered, wanted.messages)
        most = self._most_tokens(model, len(prompt), wanted.most_tokens)
        loop = asyncio.get_running_loop()
        told: asyncio.Queue[Step | End] = asyncio.Queue()

        def tell(item: Step | End) -> None:
            # The server's loop has ended when the process stops.
            if not loop.is_closed():
                loop.call_soon_threadsafe(told.put_nowait, item)

        job = AnswerJob(
            model, prompt, most, wanted.sampling, tell, wanted.stop, wanted.ignore_eos, wanted.likeliest
        )
        self.writer.start(job)
        answer = shape(f"{prefix}-{uuid.uuid4().hex}", wanted, len(prompt))
        if wanted.stream:
            return StreamingResponse(_events(job, told, answer), media_type="text/event-stream")
        return await _whole(request, job, told, answer)

    def _rendered(self, messages: list[dict[str, str]]) -> list[int]:
        """The same ids as trainers use (training.runner.data)."""
        try:
            text = self.models.tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True
            )
        except Exception as error:  # a template can refuse roles, or their order, with errors of its own
            raise BadRequest(f"The chat template refused the messages: {error}", "messages") from error
        return self._ids(text)

    def _ids(self, text: str) -> list[int]:
        return list(self.models.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _most_tokens(self, model: Model, prompt: int, most: int | None) -> int:
        limit = self.context_length - model.virtual_tokens
        if prompt + (most or 1) > limit:
            raise BadRequest(
                f"This model's maximum context length is {limit} tokens. The prompt has {prompt}, and "
                f"{most or 'at least 1'} more were requested.",
                "max_tokens" if prompt < limit else "messages",
            )
        if not prompt:
            raise BadRequest("The prompt is empty.", "prompt")
        return most or limit - prompt


async def _whole(
    request: Request, job: AnswerJob, told: "asyncio.Queue[Step | End]", answer: "_Chat | _Completion"
) -> Response:
    steps: list[Step] = []
    try:
        while True:
            try:
                item = await asyncio.wait_for(told.get(), LOOK_SECONDS)
            except TimeoutError:
                if await request.is_disconnected():
                    return Response(status_code=499)
                continue
            if isinstance(item, Step):
                steps.append(item)
            elif item.error:
                return _error(item.error, 500)
            else:
                return JSONResponse(answer.whole(steps, item))
    finally:
        job.cancelled.set()


async def _events(
    job: AnswerJob, told: "asyncio.Queue[Step | End]", answer: "_Chat | _Completion"
) -> AsyncIterator[str]:
    """Ended by the server when the reader leaves."""
    try:
        for event in answer.first():
            yield _event(event)
        while isinstance(item := await told.get(), Step):
            yield _event(answer.piece(item))
        if item.error:
            yield _event({"error": {"message": item.error, "type": "InternalServerError", "code": 500}})
        else:
            for event in answer.last(item):
                yield _event(event)
        yield _event("[DONE]")
    finally:
        job.cancelled.set()


def _event(body: Any) -> str:
    return f"data: {body if isinstance(body, str) else json.dumps(body)}\n\n"


class _Shape:
    kind = ""

    def __init__(self, name: str, wanted: Wanted, prompt_tokens: int) -> None:
        self.wanted, self.prompt_tokens = wanted, prompt_tokens
        self.head = {"id": name, "object": self.kind, "created": int(time.time()), "model": wanted.model}

    def usage(self, end: End) -> dict[str, int]:
        total = self.prompt_tokens + end.tokens
        return {"prompt_tokens": self.prompt_tokens, "completion_tokens": end.tokens, "total_tokens": total}

    def _event(self, choice: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        whole = {"index": 0, **choice, "logprobs": None, "finish_reason": reason}
        return {**self.head, "choices": [whole]}

    def _usage_events(self, end: End) -> list[dict[str, Any]]:
        if not self.wanted.include_usage:
            return []
        return [{**self.head, "choices": [], "usage": self.usage(end)}]


class _Chat(_Shape):
    kind = "chat.completion.chunk"

    def first(self) -> list[dict[str, Any]]:
        return [self._event({"delta": {"role": "assistant", "content": ""}})]

    def piece(self, step: Step) -> dict[str, Any]:
        return self._event({"delta": {"content": step.text}})

    def last(self, end: End) -> list[dict[str, Any]]:
        return [self._event({"delta": {}}, end.reason), *self._usage_events(end)]

    def whole(self, steps: list[Step], end: End) -> dict[str, Any]:
        message = {"role": "assistant", "content": "".join(step.text for step in steps)}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": end.reason}
        return {**self.head, "object": "chat.completion", "choices": [choice], "usage": self.usage(end)}


class _Completion(_Shape):
    kind = "text_completion"

    def first(self) -> list[dict[str, Any]]:
        return []

    def piece(self, step: Step) -> dict[str, Any]:
        return self._event({"text": step.text})

    def last(self, end: End) -> list[dict[str, Any]]:
        return [self._event({"text": ""}, end.reason), *self._usage_events(end)]

    def whole(self, steps: list[Step], end: End) -> dict[str, Any]:
        logprobs = None
        if self.wanted.likeliest:
            logprobs = {
                "tokens": [f"token_id:{step.token}" for step in steps],
                "token_logprobs": [step.logprob for step in steps],
                "top_logprobs": [
                    {f"token_id:{token}": value for token, value in step.likeliest.items()} for step in steps
                ],
            }
        text = "".join(step.text for step in steps)
        choice = {"index": 0, "text": text, "logprobs": logprobs, "finish_reason": end.reason}
        return {**self.head, "choices": [choice], "usage": self.usage(end)}


async def _unexpected(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        return _error(error.detail, error.status_code)
    return _error("An unexpected error occurred. The engine's log has it.", 500)


def application(models: Models, context_length: int) -> Starlette:
    writer = AnswerWriter(models)
    server = EngineServer(models, writer, context_length)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        writer.close()

    app = Starlette(
        routes=[
            Route("/health", server.health, methods=["GET"]),
            Route("/v1/models", server.names, methods=["GET"]),
            Route("/v1/load_lora_adapter", server.load, methods=["POST"]),
            Route("/v1/unload_lora_adapter", server.unload, methods=["POST"]),
            Route("/tokenize", server.tokenize, methods=["POST"]),
            Route("/v1/chat/completions", server.chat, methods=["POST"]),
            Route("/v1/completions", server.completion, methods=["POST"]),
        ],
        exception_handlers={HTTPException: _unexpected, Exception: _unexpected},
        lifespan=lifespan,
    )
    app.state.writer = writer
    return app
