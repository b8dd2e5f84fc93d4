"""Answers as an event stream for the chat page."""

import json
from collections.abc import AsyncIterator

from django.http import HttpRequest, StreamingHttpResponse
from django.template.loader import render_to_string

from core.database.connections import in_db
from core.errors import ExpectedError
from core.json_types import JsonLike
from inference import queries
from inference.forms import CorrectionForm
from inference.models import Conversation
from inference.services import Opened, stream_answer


def wants_stream(request: HttpRequest) -> bool:
    return "text/event-stream" in request.headers.get("Accept", "")


def _event(kind: str, **data: JsonLike) -> bytes:
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode()


def _turn_html(request: HttpRequest, opened: Opened, conversation: Conversation, slices: list[str]) -> str:
    turn = next(turn for turn in queries.turns_of(conversation) if turn.number == opened.answer.turn)
    context = {
        "turn": turn,
        "last": True,
        "conversation": conversation,
        "blind": opened.blind,
        "correction": CorrectionForm(),
        "slices": slices,
    }
    return render_to_string("inference/_turn.html", context, request)


async def _events(
    request: HttpRequest, opened: Opened, conversation: Conversation, slices: list[str]
) -> AsyncIterator[bytes]:
    """start {answer, turn}, text {text}..., then done {html} or failed {message, advice, html}."""
    answer = opened.answer
    pieces = stream_answer(opened)
    try:
        yield _event("start", answer=str(answer.public_id), turn=answer.turn)
        try:
            async for text in pieces:
                yield _event("text", text=text)
        except ExpectedError as error:
            html = await in_db(_turn_html, request, opened, conversation, slices)
            yield _event("failed", message=error.message, advice=error.advice, html=html)
            return
        yield _event("done", html=await in_db(_turn_html, request, opened, conversation, slices))
    finally:
        await pieces.aclose()


def stream_response(
    request: HttpRequest, opened: Opened, conversation: Conversation, slices: list[str]
) -> StreamingHttpResponse:
    response = StreamingHttpResponse(
        _events(request, opened, conversation, slices), content_type="text/event-stream; charset=utf-8"
    )
    response["Cache-Control"] = "no-cache"
    response["X-Accel-Buffering"] = "no"
    return response
