"""The API schema: tags, parameters from filters, errors, descriptions; and the OpenAI-compatible API at /v1."""

import re
from typing import Any

from django import forms
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import Direction, OpenApiParameter, OpenApiResponse
from rest_framework import serializers

from core.api.fields import declared
from core.lists.numbers import LARGEST_ID
from core.text import one_line

TAGS = {
    "Account": "Your account: name, password, personal keys, and the state of the system.",
    "Accounts": "Other people's accounts: state, sessions, keys. For admins of a project, and for operators over all.",
    "Projects": "Projects, their settings and their stages.",
    "People": "Members of a project and their roles.",
    "Keys": "Application keys, for /v1.",
    "Record": "Background jobs and the audit.",
    "Examples": "Prompts with their completions.",
    "Queue": "Annotation: take an example, save a draft, submit.",
    "Reviews": "Review: accept examples or send them back.",
    "Lists": "The project's own slices and kinds of edge cases.",
    "Coverage": "What the examples cover and what is missing: numbers, targets, authoring tasks.",
    "Imports": "Files of examples.",
    "Datasets": "Frozen versions of the approved examples.",
    "Training": "Base models, methods, training runs and model versions.",
    "Serving": "Engines, deployments, speeds and answers.",
    "Chat": "Chats with a model version, and corrections of its answers.",
    "Campaigns": "Blind comparisons of two versions, and their results.",
    "Rating": "The comparisons of a rater.",
    "Release": "The live version, the gate and the history.",
    "Applications": "/v1, as OpenAI's clients call it, with an application key.",
}
_MODULES = {
    "core.api.accounts": "Accounts",  # before the next entry, because its name starts with the next one
    "core.api.account": "Account",
    "core.api.projects": "Projects",
    "annotation.api.examples": "Examples",
    "annotation.api.queue": "Queue",
    "annotation.api.reviews": "Reviews",
    "annotation.api.categories": "Lists",
    "annotation.api.coverage": "Coverage",
    "dataset.api.imports": "Imports",
    "dataset.api.versions": "Datasets",
    "training.api": "Training",
    "inference.api.chat": "Chat",
    "inference.api": "Serving",
    "evaluation.api.rating": "Rating",
    "evaluation.api": "Campaigns",
    "release.api": "Release",
}
# Views of core.api.projects by the part of the address after the project.
_PLACES = {"people": "People", "keys": "Keys", "audit": "Record", "runs": "Record"}

_ERRORS = {
    "400": "The body cannot be read, or the request has too many parameters.",
    "401": "You are not signed in, or the key is unknown or revoked.",
    "403": "The role does not allow it.",
    "404": "It does not exist, or you have no access to it.",
    "409": "It changed in the meantime, or its state does not allow it. Nothing was written.",
    "413": "The request is too large.",
    "415": "The content type of the body is not supported.",
    "422": "Some values or parameters are wrong; `fields` lists them.",
    "429": "Too many at once, or too many wrong keys or passwords; `Retry-After`, when sent, says when to try again.",
    "503": "A part of the system is offline.",
    "507": "The disk is full. Nothing was written.",
}


class ErrorSerializer(serializers.Serializer[Any]):
    """Every error has this shape. `code` is for programs, `detail` and `advice` are for people."""

    code = serializers.CharField()
    detail = serializers.CharField()
    advice = serializers.CharField(help_text="What to do; can be empty.")
    fields = declared(
        serializers.DictField(
            child=serializers.ListField(child=serializers.CharField()),
            required=False,
            help_text="Only for wrong values: the problem of each, such as messages.0.content.",
        )
    )


class Schema(AutoSchema):
    def get_tags(self) -> list[str]:
        module = type(self.view).__module__
        if module == "core.api.projects":
            places = re.findall(r"\{slug\}/(\w+)/", self.path)
            return [_PLACES.get(places[0], "Projects") if places else "Projects"]
        return [next((tag for name, tag in _MODULES.items() if module.startswith(name)), "Account")]

    def get_operation_id(self) -> str:
        operation_id = re.sub(r"\W+", "_", super().get_operation_id())
        return {"root_retrieve": "project_retrieve", "root_partial_update": "project_update"}.get(
            operation_id, operation_id
        )

    def get_description(self) -> str:  # type: ignore[override]  # drf-spectacular's own signature
        """The docstring of the handler only: the one of the class is for developers."""
        handler = getattr(self.view, self.method.lower(), None)
        return one_line(getattr(handler, "__doc__", None) or "")

    def get_summary(self) -> str:
        first = re.split(r"(?<=[.;:])\s", self.get_description(), maxsplit=1)[0]
        return first.rstrip(".;:")

    def get_override_parameters(self) -> list[Any]:
        asks = getattr(self.view, "asks", None)
        if self.method != "GET" or asks is None:
            return []
        if issubclass(asks, forms.Form):
            return [_parameter(name, field) for name, field in asks.base_fields.items()]
        return [asks]

    def _get_response_bodies(self, direction: Direction = "response") -> dict[str, Any]:
        responses: dict[str, Any] = super()._get_response_bodies(direction)
        for status in sorted(self._errors()):
            if status not in responses:
                answer = OpenApiResponse(ErrorSerializer, description=_ERRORS[status])
                responses[status] = self._get_response_for_code(
                    answer, status, ["application/json"], direction
                )
        return responses

    def _errors(self) -> set[str]:
        statuses = {"400", "401", "403", "422", "429", "503"}
        if "{" in self.path:
            statuses.add("404")
        if self.method != "GET":
            statuses |= {"409", "413", "415", "507"}
        elif getattr(self.view, "paginator", None) is not None:
            statuses.add("404")  # a page after the last
        else:
            statuses.add("409")
        return statuses


def _parameter(name: str, field: forms.Field) -> OpenApiParameter:
    """A filter's field as a parameter. Choices that depend on the project are described in words."""
    words = str(field.help_text or field.label or name.capitalize())
    if isinstance(field, forms.ChoiceField):
        known: Any = field.choices
        choices = [str(value) for value, _ in known if value not in ("", None)]
        return OpenApiParameter(name, OpenApiTypes.STR, description=words, enum=choices or None)
    if isinstance(field, forms.IntegerField):
        limits = {"minimum": field.min_value or 0, "maximum": field.max_value or LARGEST_ID}
        return OpenApiParameter(name, {"type": "integer", **limits}, description=words)
    if isinstance(field, forms.DateField):
        return OpenApiParameter(name, OpenApiTypes.DATE, description=words)
    most = {"maxLength": field.max_length} if isinstance(field, forms.CharField) and field.max_length else {}
    return OpenApiParameter(name, {"type": "string", **most}, description=words)
