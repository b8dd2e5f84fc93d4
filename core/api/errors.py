"""One shape for every error below /api/: {"code", "detail", "advice"}, and "fields" for wrong values."""

import logging
import re
import uuid
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.exceptions import (
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    TooManyFieldsSent,
    TooManyFilesSent,
)
from django.http import Http404, HttpRequest, JsonResponse
from django.http.request import UnreadablePostError
from kombu.exceptions import OperationalError as BrokerAway
from redis.exceptions import RedisError
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler as drf_handler
from rest_framework.views import set_rollback

from core.database.races import conflict_of
from core.errors import ExpectedError, Invalid, PartAway, TooLarge, TooManyFields
from core.host.disks import storage_error

log = logging.getLogger(__name__)
_CODES = {
    "not_authenticated": "not_signed_in",
    "authentication_failed": "not_signed_in",
    "permission_denied": "forbidden",
    "parse_error": "unreadable",
}
_ADVICE = {
    "not_signed_in": "Send a personal key as: Authorization: Bearer gh_... Create one on the page /me/keys/.",
    "method_not_allowed": "The header Allow lists the methods of this address.",
    "not_acceptable": "Ask for application/json.",
    "unsupported_media_type": "Send a content type of the schema at /api/schema/, usually application/json.",
    "throttled": "Wait for the time in the header Retry-After.",
}


def json_error(request: HttpRequest, status: int, body: dict[str, Any], **headers: str) -> JsonResponse:
    """`body` as a response, below /v1 in OpenAI's format."""
    if is_below(request.path, "/v1"):
        kind = "server_error" if status >= 500 else "invalid_request_error"
        body = {"error": {"message": body["detail"], "type": kind, "param": None, "code": body["code"]}}
    return JsonResponse(body, status=status, headers=headers)


def is_below(path: str, *places: str) -> bool:
    return any(path == place or path.startswith(f"{place}/") for place in places)


def error_body(
    code: str, detail: str, advice: str = "", fields: dict[str, list[str]] | None = None
) -> dict[str, Any]:
    body: dict[str, Any] = {"code": code, "detail": detail, "advice": advice or _ADVICE.get(code, "")}
    return body if fields is None else body | {"fields": fields}


def expected_body(error: ExpectedError) -> dict[str, Any]:
    fields = error.fields if isinstance(error, Invalid) else None
    return error_body(error.code, error.message, error.advice, fields)


def retry_header(error: BaseException) -> dict[str, str]:
    """Retry-After, when the error says after how many seconds to try again."""
    seconds = error.retry_after if isinstance(error, ExpectedError) else 0
    return {"Retry-After": str(seconds)} if seconds else {}


def server_error_body(error: BaseException | None) -> dict[str, Any]:
    """For an unexpected error; its traceback goes to the log with the id that the caller gets."""
    number = uuid.uuid4().hex[:12]
    log.error("Error %s", number, exc_info=error)
    return error_body(
        "error",
        f"Something went wrong. It is in the log as {number}.",
        "Try again in a moment. If it happens again, give this id to the operator.",
    )


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's hook. An error without a response (None) is a bug: Django logs it, and core.views.errors answers."""
    if not isinstance(error, ExpectedError) and (full := storage_error(error)) is not None:
        log.error("The request could not be stored", exc_info=error)
        error = full
    error = conflict_of(error) or valkey_away(error) or error
    if (own := _own_answer(error)) is not None:
        set_rollback()
        status, body = own
        return Response(body, status=status, headers=retry_header(error))
    response = drf_handler(error, context)
    if response is None:
        return None
    if isinstance(error, Http404):
        response.data = error_body("not_found", "Not found.")
    elif isinstance(error, PermissionDenied):
        response.data = error_body("forbidden", str(error) or "Your role does not allow this.")
    elif isinstance(error, exceptions.APIException):
        codes = error.get_codes()
        code = codes if isinstance(codes, str) else "refused"
        response.data = error_body(_CODES.get(code, code), str(error.detail))
    return response


def _own_answer(error: Exception) -> tuple[int, dict[str, Any]] | None:
    """(status, body) of errors that DRF does not know, or shows in another format."""
    if isinstance(error, ExpectedError):
        return error.status, expected_body(error)
    if isinstance(error, exceptions.ValidationError):
        fields: dict[str, list[str]] = {}
        for name, words in _flat(error.detail):
            fields.setdefault(name, []).append(words)
        return 422, error_body("invalid", "Some values are wrong.", fields=fields)
    if (over := over_limit(error)) is not None:
        return over.status, expected_body(over)
    if isinstance(error, (SuspiciousOperation, UnreadablePostError)):
        return 400, error_body("unreadable", "The request is not valid.")
    return None


def valkey_away(error: BaseException) -> PartAway | None:
    """The error when something is not possible without Valkey."""
    if not isinstance(error, (RedisError, BrokerAway)):
        return None
    log.warning("Valkey did not answer", exc_info=error)
    return PartAway(
        "A part of the system (Valkey) is offline, and this is not possible without it.",
        "Try again in a minute. The page System status says since when it is offline.",
        retry_after=10,
    )


def over_limit(error: Exception) -> ExpectedError | None:
    """A request that Django refuses to read because it is too large, as our error; else None."""
    if isinstance(error, (TooManyFieldsSent, TooManyFilesSent)):
        fields, files = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS, settings.DATA_UPLOAD_MAX_NUMBER_FILES
        return TooManyFields(
            "The request has too many fields.",
            f"At most {fields:,} fields and {files} files are possible at a time. Send less.",
        )
    if isinstance(error, RequestDataTooBig):
        return TooLarge("The request is too large.", "Send less data at a time.")
    return None


def _flat(detail: object, path: str = "") -> Iterator[tuple[str, str]]:
    """(field, message) of DRF's nested errors: "messages.0.content". An error without a field is "body"."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            inside = path if name == "non_field_errors" else f"{path}.{name}" if path else str(name)
            yield from _flat(inner, inside)
    elif isinstance(detail, list):
        for at, inner in enumerate(detail):
            nested = isinstance(inner, (dict, list))
            yield from _flat(inner, f"{path}.{at}" if path and nested else path)
    else:
        yield path or "body", _worded(str(detail), getattr(detail, "code", ""))


# DRF's messages with Python's names of types and values, replaced by plain words.
_OTHER_WORDS = {"not_a_list": "Give a list.", "not_a_dict": "Give an object."}
_PYTHON_VALUE = re.compile(r'"(?:[\[{(].*|None|True|False)" is not a valid choice\.', re.DOTALL)


def _worded(words: str, code: str) -> str:
    if words.startswith("Invalid data. Expected a dictionary"):
        return "Give an object."
    if code == "invalid_choice" and _PYTHON_VALUE.fullmatch(words):
        return "Give one of the choices, as a text."
    return _OTHER_WORDS.get(code, words)
