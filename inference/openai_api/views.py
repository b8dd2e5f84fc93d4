"""/v1/chat/completions and /v1/models for applications, with an application key instead of a sign-in."""

import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.http.request import UnreadablePostError
from django.views.decorators.csrf import csrf_exempt

from core.api.errors import server_error_body
from core.api.parsing import BadJson, load_json
from core.database.connections import in_db
from core.errors import ExpectedError, TooMany
from core.lists.numbers import whole_number
from core.marks import known_marks
from core.models import ApiKey
from core.sign_in.attempts import network_of
from core.sign_in.authentication import find_api_key
from inference.models import Answer
from inference.openai_api import shapes
from inference.openai_api.shapes import CompletionRequest, OpenAIError
from inference.queries import route_of
from inference.queries.personal import adapter_of_caller
from inference.services import Opened, TooLong, open_answer, stream_answer

log = logging.getLogger(__name__)
EndpointView = Callable[..., Awaitable[HttpResponseBase]]


def _error(error: OpenAIError) -> JsonResponse:
    response = JsonResponse(error.body(), status=error.status)
    if error.retry is not None:
        response["Retry-After"] = str(error.retry)
    if error.status == 401:
        response["WWW-Authenticate"] = "Bearer"
    return response


def _as_openai_error(error: ExpectedError) -> OpenAIError:
    """An expected error in OpenAI's shape. Messages for applications contain no engine and no version."""
    if error.status == 503:
        return OpenAIError(
            "The model is not available at the moment. Try again in a few seconds.",
            503,
            kind="server_error",
            code="engine_unavailable",
            retry=5,
        )
    if isinstance(error, TooMany):
        return OpenAIError(
            f"{error.message} {error.advice}",
            429,
            kind="rate_limit_error",
            code="rate_limit_exceeded",
            retry=error.retry_after,
        )
    if isinstance(error, TooLong):
        return OpenAIError(
            "The messages and the requested answer do not fit into the model's context length.",
            400,
            param="messages",
            code="context_length_exceeded",
        )
    return OpenAIError("The model refused the request. Check its parameters.", 400)


def _key_of(request: HttpRequest) -> ApiKey:
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    api_key = None
    if kind.lower() == "bearer":
        api_key = find_api_key(secret.strip(), kind=ApiKey.Kind.APPLICATION, network=network_of(request))
    if api_key is None or api_key.project is None or api_key.project.archived_at is not None:
        raise OpenAIError(
            _why_no_key(kind, secret.strip()), 401, kind="authentication_error", code="invalid_api_key"
        )
    return api_key


def _why_no_key(kind: str, secret: str) -> str:
    if kind.lower() != "bearer" or not secret:
        return "No API key provided. Send a key of the project as: Authorization: Bearer gk_..."
    if secret.startswith("gh_"):
        return "Incorrect API key provided: this is a personal key, for /api/. /v1 needs an application key (gk_...)."
    return "Incorrect API key provided: it is unknown or was revoked."


def endpoint(method: str) -> Callable[[EndpointView], Any]:
    """Decorates view(request, token, **rest): authenticates by key, not by session. Every error is in OpenAI's
    shape."""

    def decorate(view: EndpointView) -> Any:
        @csrf_exempt
        @login_not_required
        @wraps(view)
        async def inner(request: HttpRequest, **rest: object) -> HttpResponseBase:
            try:
                api_key = await in_db(_key_of, request)
                if request.method != method:
                    refused = OpenAIError(
                        f"Not allowed here; use {method}.", 405, code="method_not_supported"
                    )
                    response = _error(refused)
                    response["Allow"] = method
                    return response
                return await view(request, api_key, **rest)
            except OpenAIError as error:
                return _error(error)
            except ExpectedError as error:
                return _error(_as_openai_error(error))
            except (OperationalError, InterfaceError):
                log.warning("The database does not respond to the OpenAI-compatible API", exc_info=True)
                return _error(
                    OpenAIError(
                        "The service is offline for a moment. Try again in a few seconds.",
                        503,
                        kind="server_error",
                        code="unavailable",
                        retry=5,
                    )
                )

            except Exception as error:  # noqa: BLE001 (OpenAI clients understand only this shape)
                body = server_error_body(error)
                return _error(OpenAIError(body["detail"], 500, kind="server_error", code="internal_error"))

        return inner

    return decorate


def _read(request: HttpRequest) -> CompletionRequest:
    too_big = OpenAIError("The request is larger than 1 MiB.", 413, code="request_too_large")
    try:
        if (whole_number(request.headers.get("Content-Length")) or 0) > shapes.MAX_BODY:
            raise too_big
        body = request.body
    except RequestDataTooBig:
        raise too_big from None
    except UnreadablePostError:
        raise OpenAIError("The body could not be read.") from None
    if len(body) > shapes.MAX_BODY:
        raise too_big
    try:
        decoded = load_json(body)
    except BadJson as error:
        raise OpenAIError(f"We could not parse the JSON body of your request. {error}") from None
    return shapes.read_request(decoded)


def _unknown(name: str) -> OpenAIError:
    return OpenAIError(
        f"The model '{name}' does not exist or this key has no access to it. Its name is the short name of the project in its address.",
        404,
        param="model",
        code="model_not_found",
    )


def _open(api_key: ApiKey, chat_request: CompletionRequest) -> Opened:
    project = api_key.project
    if project is None or chat_request.model != project.slug:
        raise _unknown(chat_request.model)
    shapes.refuse_marks(chat_request, known_marks())
    route = route_of(project)
    if route is None:
        raise OpenAIError(
            f"No model version of '{project.slug}' is live yet. An admin of the project must release one.",
            503,
            kind="server_error",
            code="no_live_version",
            retry=60,
        )
    return open_answer(
        by=None,
        project=project,
        version=route.version,
        messages=chat_request.messages,
        context=chat_request.context,
        params=chat_request.params,
        purpose=Answer.Purpose.APPLICATION,
        api_key=api_key,
        adapter=adapter_of_caller(project, route.version, api_key, chat_request.user),
        blind=True,
    )


def _event(body: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(body)}\n\n".encode()


async def _events(
    opened: Opened, chat_request: CompletionRequest, pieces: AsyncGenerator[str, None], first: str
) -> AsyncIterator[bytes]:
    answer, model = opened.answer, chat_request.model
    more: dict[str, Any] = {"include_usage": chat_request.include_usage}
    try:
        yield _event(shapes.chunk(answer, model, {"role": "assistant", "content": ""}, **more))
        if first:
            yield _event(shapes.chunk(answer, model, {"content": first}, **more))
        async for text in pieces:
            yield _event(shapes.chunk(answer, model, {"content": text}, **more))
        finish = answer.finish_reason or "stop"
        yield _event(shapes.chunk(answer, model, {}, finish=finish, **more))
        if chat_request.include_usage:
            yield _event(shapes.chunk(answer, model, None, include_usage=True, last=True))
    except ExpectedError as error:
        yield _event(_as_openai_error(error).body())
    finally:
        await pieces.aclose()
    yield b"data: [DONE]\n\n"


@endpoint("POST")
async def chat_completions(request: HttpRequest, api_key: ApiKey) -> HttpResponseBase:
    """An answer of the project's live version, streamed or whole."""
    chat_request = _read(request)
    opened = await in_db(_open, api_key, chat_request)
    pieces = stream_answer(opened)
    if not chat_request.stream:
        async for _ in pieces:
            pass
        return JsonResponse(
            shapes.whole(opened.answer, chat_request.model), headers=shapes.version_headers(opened.answer)
        )
    # Waits for the first piece here, so that an offline engine gives a 503 and not a broken stream.
    first = await anext(pieces, "")
    response = StreamingHttpResponse(
        _events(opened, chat_request, pieces, first),
        content_type="text/event-stream",
        headers=shapes.version_headers(opened.answer),
    )
    response["Cache-Control"] = "no-cache"
    response["X-Accel-Buffering"] = "no"
    return response


@endpoint("GET")
async def models(request: HttpRequest, api_key: ApiKey) -> HttpResponseBase:
    """The one model this key may use: its project, when a version is live."""
    return JsonResponse({"object": "list", "data": await in_db(_cards, api_key)})


@endpoint("GET")
async def model(request: HttpRequest, api_key: ApiKey, name: str) -> HttpResponseBase:
    for card in await in_db(_cards, api_key):
        if card["id"] == name:
            return JsonResponse(card)
    raise _unknown(name)


def _cards(api_key: ApiKey) -> list[dict[str, Any]]:
    assert api_key.project is not None  # an application key belongs to a project (database constraint)
    route = route_of(api_key.project)
    return [shapes.model_card(api_key.project.slug, int(route.changed_at.timestamp()))] if route else []


@csrf_exempt
@login_not_required
async def nothing(request: HttpRequest, rest: str = "") -> HttpResponseBase:
    """Any other URL below /v1/, with an error in OpenAI's shape."""
    return _error(OpenAIError(f"Invalid URL ({request.method} {request.path})", 404, code="unknown_url"))
