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


# --- examples ----------------------------------------------------------------------------------------------
_PAIR = {
    "messages": [{"role": "user", "content": "Where is FD-104?"}],
    "context": ["FD-104 | left Basel 24 Nov | due in Hamburg 26 Nov"],
    "completion": "FD-104 left Basel on 24 November and is due in Hamburg on 26 November.",
    "slice": "status",
}
# Example bodies of the main operations, by operation id.
_EXAMPLES: dict[str, Any] = {
    "projects_create": {"name": "Freight desk", "slug": "freight-desk"},
    "people_create": {"email": "nia@example.org", "name": "Nia", "roles": ["annotator", "rater"]},
    "examples_create": _PAIR,
    "queue_next_create": {"only": "edge"},
    "queue_submit_create": {**_PAIR, "base_revision": 1},
    "reviews_accept_create": {"comment": "Good.", "revision": 2},
    "reviews_return_create": {"comment": "Name the port.", "revision": 2},
    "datasets_create": {"validation": 0.1, "test": 0.1, "note": "First freeze"},
    "training_preflight_create": {"method": "lora", "base_model": 1, "dataset": 1, "recipe": {"epochs": 2}},
    "training_runs_create": {"method": "lora", "base_model": 1, "dataset": 1, "recipe": {"epochs": 2}},
    "campaigns_create": {
        "name": "v2 against v1", "baseline": 1, "candidate": 2, "dataset": 1, "prompts": 30, "ratings_per_prompt": 3,
    },
    "releases_create": {"version": 2, "replaces": 1, "sign_off": True, "note": "Better on customs."},
}  # fmt: skip


def with_examples(result: dict[str, Any], **_: object) -> dict[str, Any]:
    """A hook of drf-spectacular: adds _EXAMPLES to their operations."""
    for methods in result["paths"].values():
        for operation in methods.values():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if body is not None and operation["operationId"] in _EXAMPLES:
                body["example"] = _EXAMPLES[operation["operationId"]]
    return result


# --- /v1 ---------------------------------------------------------------------------------------------------
def with_applications(result: dict[str, Any], **_: object) -> dict[str, Any]:
    """A hook of drf-spectacular: adds /v1, whose views are not DRF views, and its errors in OpenAI's format."""
    result["tags"] = [{"name": name, "description": words} for name, words in TAGS.items()]
    result["paths"] |= _APPLICATION_PATHS
    parts = result.setdefault("components", {})
    parts.setdefault("schemas", {}).update(_APPLICATION_SCHEMAS)
    parts.setdefault("securitySchemes", {})["key"] = {
        "type": "http",
        "scheme": "bearer",
        "description": "An application key of a project. It starts with gk_.",
    }
    return result


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _answers(good: dict[str, Any], *errors: str) -> dict[str, Any]:
    words = {
        "400": "The request is wrong; `param` names the parameter.",
        "401": "The key is unknown or revoked.",
        "404": "This model does not exist.",
        "413": "The request is larger than 1 MiB.",
        "429": "Too many unknown keys from this network; `Retry-After` says when to try again.",
        "500": "An internal error; the message has an id that is in the log.",
        "503": "No version is live, or the model is offline.",
    }
    error_responses = {
        status: {
            "description": words[status],
            "content": {"application/json": {"schema": _ref("OpenAIError")}},
        }
        for status in errors
    }
    return {"200": good, **error_responses}


def _operation(name: str, words: str, **more: object) -> dict[str, Any]:
    return {"operationId": name, "description": words, "summary": words.split(".", maxsplit=1)[0], "tags": ["Applications"],
            "security": [{"key": []}], **more}  # fmt: skip


_JSON = "application/json"
_NUMBER = {"type": "number"}
_APPLICATION_SCHEMAS: dict[str, Any] = {
    "OpenAIError": {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["message", "type", "param", "code"],
                "properties": {
                    "message": {"type": "string"},
                    "type": {"type": "string"},
                    "param": {"type": "string", "nullable": True},
                    "code": {"type": "string", "nullable": True},
                },
            }
        },
    },
    "ChatRequest": {
        "type": "object",
        "required": ["model", "messages"],
        "properties": {
            "model": {"type": "string", "description": "The project's address."},
            "messages": {
                "type": "array",
                "minItems": 1,
                "maxItems": 1000,
                "items": {
                    "type": "object",
                    "required": ["role", "content"],
                    "properties": {
                        "role": {"type": "string", "enum": ["system", "developer", "user", "assistant"]},
                        "content": {"type": "string"},
                    },
                },
                "description": "The last one is from the user.",
            },
            "context": {
                "type": "array",
                "items": {"type": "string"},
                "description": "Records that the answer can use, one text each. An addition of Guildhall.",
            },
            "stream": {"type": "boolean"},
            "stream_options": {"type": "object", "properties": {"include_usage": {"type": "boolean"}}},
            "temperature": {**_NUMBER, "minimum": 0, "maximum": 2},
            "top_p": {**_NUMBER, "minimum": 0, "exclusiveMinimum": True, "maximum": 1},
            "presence_penalty": {**_NUMBER, "minimum": -2, "maximum": 2},
            "frequency_penalty": {**_NUMBER, "minimum": -2, "maximum": 2},
            "seed": {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
            "max_tokens": {"type": "integer", "minimum": 1, "maximum": 1_000_000},
            "max_completion_tokens": {"type": "integer", "minimum": 1, "maximum": 1_000_000},
            "stop": {
                "oneOf": [
                    {"type": "string", "minLength": 1},
                    {"type": "array", "maxItems": 4, "items": {"type": "string", "minLength": 1}},
                ]
            },
        },
    },
    "ChatAnswer": {
        "type": "object",
        "required": ["id", "object", "created", "model", "system_fingerprint", "choices", "usage"],
        "properties": {
            "id": {"type": "string"},
            "object": {"type": "string"},
            "created": {"type": "integer"},
            "model": {"type": "string"},
            "system_fingerprint": {"type": "string", "description": "The permanent name of the version that answered."},
            "choices": {"type": "array", "items": {"type": "object"}},
            "usage": {"type": "object", "additionalProperties": {"type": "integer"}},
        },
    },
    "ModelCard": {
        "type": "object",
        "required": ["id", "object", "created", "owned_by"],
        "properties": {
            "id": {"type": "string"},
            "object": {"type": "string"},
            "created": {"type": "integer"},
            "owned_by": {"type": "string"},
        },
    },
    "ModelCards": {
        "type": "object",
        "required": ["object", "data"],
        "properties": {"object": {"type": "string"}, "data": {"type": "array", "items": _ref("ModelCard")}},
    },
}  # fmt: skip
_APPLICATION_PATHS: dict[str, Any] = {
    "/v1/chat/completions": {
        "post": _operation(
            "chat_completions",
            "An answer of the live version, complete or as a stream of events.",
            requestBody={
                "required": True,
                "content": {
                    _JSON: {
                        "schema": _ref("ChatRequest"),
                        "example": {
                            "model": "freight-desk",
                            "context": ["Shipment FD-104: left Basel on 24 Nov, due in Hamburg on 26 Nov"],
                            "messages": [{"role": "user", "content": "Where is FD-104?"}],
                        },
                    }
                },
            },
            responses=_answers(
                {
                    "description": "The answer.",
                    "content": {
                        _JSON: {"schema": _ref("ChatAnswer")},
                        "text/event-stream": {"schema": {"type": "string"}},
                    },
                },
                "400", "401", "404", "413", "429", "500", "503",
            ),
        )
    },
    "/v1/models": {
        "get": _operation(
            "models_list",
            "The model that this key can use, when a version is live.",
            responses=_answers(
                {"description": "The models.", "content": {_JSON: {"schema": _ref("ModelCards")}}},
                "401", "429", "500", "503",
            ),
        )
    },
    "/v1/models/{name}": {
        "get": _operation(
            "models_retrieve",
            "The model of this name.",
            parameters=[{"in": "path", "name": "name", "required": True, "schema": {"type": "string"}}],
            responses=_answers(
                {"description": "The model.", "content": {_JSON: {"schema": _ref("ModelCard")}}},
                "401", "404", "429", "500", "503",
            ),
        )
    },
}  # fmt: skip
