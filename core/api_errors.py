"""One shape for API errors."""

import logging
from typing import Any

from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler as drf_handler

from core.disks import storage_error
from core.errors import ExpectedError, Invalid

log = logging.getLogger(__name__)


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """{"code", "detail", "advice"} and, for wrong values, "fields"."""
    if not isinstance(error, ExpectedError) and (full := storage_error(error)) is not None:
        log.error("The request could not be stored", exc_info=error)
        error = full
    if isinstance(error, ExpectedError):
        body: dict[str, Any] = {
            "code": error.code,
            "detail": error.message,
            "advice": error.advice,
        }
        if isinstance(error, Invalid):
            body["fields"] = error.fields
        headers = {"Retry-After": str(error.retry_after)} if error.retry_after else None
        return Response(body, status=error.status, headers=headers)
    if isinstance(error, exceptions.ValidationError):
        return Response(
            {
                "code": "invalid",
                "detail": "Some values are wrong.",
                "fields": error.detail,
            },
            status=422,
        )
    response = drf_handler(error, context)
    if response is not None and isinstance(error, Http404):
        response.data = {"code": "not_found", "detail": "There is nothing here."}
    return response
