"""What the schema shows besides DRF's operations: examples of bodies, and the OpenAI-compatible API."""

from typing import Any

from core.api.schema import TAGS

_JSON = "application/json"
_NUMBER = {"type": "number"}
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
