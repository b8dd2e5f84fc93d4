"""Input of the kinds that break programs, thrown at every operation of the API and every page (tests/test_fuzz.py).

Each request's writes are taken back, so that every case meets the same objects.
"""

import json
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import schemathesis
import werkzeug.test
from django.core.signals import got_request_exception, request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
ODD_TEXT = [
    "\x00", "a\x00b", "²", "١٢٣", "9" * 5000, "-1", "0", str(2**31), str(2**63), str(2**64), "1e999", "NaN", "Infinity",
    "9999-12-31", "0001-01-01", "10000-01-01", "not a date", "東京", "\u202eabc\u202c", "\ufeff", "\u2028", "%00", "%", "_",
    "'", '"', "\\", "#", "#²", "#" + "9" * 40, "<b>", "{{ 1 }}", "=1+1", " ", "", "a" * 300, "é" * 70_000, "<|im_end|>",
    "\r\n", "../../etc/passwd", "true", "null", "[]", "{}",
]  # fmt: skip
ODD_JSON = [
    *ODD_TEXT, "\ud83d", "a\udc00", None, True, -1, 0, 2**31, 2**63, 2**64, 1.5, 1e300, [], {}, [[]], ["a"], {"a": 1}, [1, [2]],
    {"\x00": 1}, {"\ud83d": 1}, [None], "a@" + "b" * 250 + ".example",
]  # fmt: skip
RAW_BODIES = [
    b"", b"{", b"[]", b'"x"', b"null", b"NaN", b'{"name": NaN}', b'{"name": -Infinity}', b'{"name": 1e999}', b"\xff\xfe{}",
    b'{"name": "\xed\xa0\x80"}', b'{"name": 1, "name": 2}', b"[" * 50_000 + b"]" * 50_000,
    b'{"a":' * 50_000 + b"1" + b"}" * 50_000, b'{"a": ' + b"9" * 5000 + b"}", b'{"name": "\\ud83d", "\\u0000": 1}',
]  # fmt: skip


@dataclass
class Report:
    """What was tried and what was found; a fault of one place counts once."""

    operations: int = 0
    cases: int = 0
    pages: int = 0
    page_cases: int = 0
    server_errors: dict[str, str] = field(default_factory=dict)
    schema_violations: dict[str, str] = field(default_factory=dict)
    page_errors: dict[str, str] = field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        return {name: value if isinstance(value, int) else len(value) for name, value in vars(self).items()}

    def told(self) -> str:
        found = {**self.server_errors, **self.schema_violations, **self.page_errors}
        return "\n\n".join(f"{place}\n{words}" for place, words in found.items())


class Thrown:
    """The last exception that a view raised, which Django turned into a 500."""

    def __init__(self) -> None:
        self.last = ""

    @contextmanager
    def watched(self) -> Iterator["Thrown"]:
        def note(sender: Any, request: Any = None, **_: Any) -> None:
            self.last = traceback.format_exc()

        got_request_exception.connect(note)
        try:
            yield self
        finally:
            got_request_exception.disconnect(note)

    def place(self) -> str:
        """Our own line nearest to the fault, and what was raised there."""
        lines = [line.strip() for line in self.last.splitlines()]
        ours = [line for line in lines if line.startswith("File") and "site-packages" not in line]
        return f"{ours[-1] if ours else ''} {lines[-1][:200] if lines else ''}"


@contextmanager
def taken_back() -> Iterator[None]:
    block = transaction.atomic()
    # Like the transaction around the test itself: none that the program opened (see core/database/connections.py).
    block._from_testcase = True
    with block:
        yield
        transaction.set_rollback(True)


@contextmanager
def one_connection() -> Iterator[None]:
    """The test's transaction is the requests' own; the program would close its connection after each."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    try:
        yield
    finally:
        for signal in (request_started, request_finished):
            signal.connect(close_old_connections)


def tried(strategy: Any, times: int, *, seeded: bool) -> Any:
    """Calls a function with `times` values of a strategy; the same ones each time when `seeded`."""

    def run(function: Any) -> None:
        wrapped = settings(
            max_examples=times, derandomize=seeded, database=None, deadline=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )(given(strategy)(function))  # fmt: skip
        wrapped()

    return run


def unnamed(path: str) -> str:
    """A path of the schema or of the URL configuration, without the names of its parts: they differ."""
    return re.sub(r"\{\w+\}", "{}", path)


def one_of(values: list[Any]) -> Any:
    """Like sampled_from, whose own representation would hold every value."""
    return st.integers(0, len(values) - 1).map(values.__getitem__)


# --- the API -----------------------------------------------------------------------------------------------
def fuzz_api(paths: dict[str, str], secret: str, report: Report, *, times: int, seeded: bool) -> None:
    """Every operation, each with `times` cases. `paths` maps a path of the schema to one that is there."""
    described = json.loads(json.dumps(SchemaGenerator().get_schema(request=None, public=True), default=str))
    described["paths"] = {
        path: found for path, found in described["paths"].items() if path.startswith("/api/")
    }
    schema = schemathesis.openapi.from_dict(described)
    schema.app = get_wsgi_application()
    headers = {"Authorization": f"Bearer {secret}"}
    with one_connection(), Thrown().watched() as thrown:
        for found in schema.get_all_operations():
            operation = found.ok()
            report.operations += 1
            _fuzz_operation(
                operation, paths[unnamed(operation.path)], headers, thrown, report, times, seeded=seeded
            )


def _fuzz_operation(
    operation: Any,
    there: str,
    headers: dict[str, str],
    thrown: Thrown,
    report: Report,
    times: int,
    *,
    seeded: bool,
) -> None:
    label = f"{operation.method.upper()} {operation.path}"
    pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", operation.path)
    match = re.fullmatch(pattern, there)
    assert match, (operation.path, there)
    known = match.groupdict()
    has_query, has_body = bool(list(operation.query)), bool(list(operation.body))

    def case_of(mode: GenerationMode) -> Any:
        return operation.as_strategy(generation_mode=mode)

    strategies = [case_of(GenerationMode.POSITIVE)]
    if has_query or has_body:
        strategies.append(case_of(GenerationMode.NEGATIVE))

    def once(drawn: tuple[Any, str, Any, int]) -> None:
        case, how, odd, at = drawn
        report.cases += 1
        case.path_parameters = dict(known)
        _made_odd(case, operation, how, odd, at)
        thrown.last = ""
        try:
            with taken_back():
                response = case.call(headers=headers)
        except UnicodeError:
            return  # text that no client can send
        if response.status_code == 503 and not thrown.last:
            return  # engines and broker are away in tests, and the answer says so
        try:
            case.validate_response(response, checks=CHECKS)
        except FailureGroup as group:
            what = "\n".join(str(one)[:1500] for one in group.exceptions)
            sent = f"{case.query!r:.300} {case.body!r:.300}"
            if response.status_code >= 500:
                report.server_errors.setdefault(f"{label} {thrown.place()}", f"{sent}\n{thrown.last[-1500:]}")
            else:
                first = what.splitlines()[:6]
                report.schema_violations.setdefault(
                    f"{label} {response.status_code} {first}", f"{sent}\n{what}"
                )

    hows = [
        "as it is",
        *(["query"] if operation.method.upper() == "GET" else []),
        *(["body"] if has_body else []),
    ]
    drawn = st.tuples(st.one_of(strategies), st.sampled_from(hows), one_of(ODD_JSON), st.integers(0, 10**6))
    tried(drawn, times, seeded=seeded)(once)
    if has_body:
        _fuzz_raw(label, operation.method, there, headers, thrown, report)


def _made_odd(case: Any, operation: Any, how: str, odd: Any, at: int) -> None:
    if how == "query":
        names = [*(one.name for one in operation.query), "page", "page_size", "unknown", "q"]
        text = odd if isinstance(odd, str) else json.dumps(odd)
        case.query = {**(case.query or {}), names[at % len(names)]: text.encode("utf-8", "ignore").decode()}
    elif how == "body" and isinstance(case.body, dict):
        properties = (
            list(operation.body[0].definition.get("schema", {}).get("properties", {}))
            if operation.body
            else []
        )
        names = [*properties, *case.body] or ["name"]
        case.body = {**case.body, names[at % len(names)]: odd}


def _fuzz_raw(
    label: str, method: str, there: str, headers: dict[str, str], thrown: Thrown, report: Report
) -> None:
    """Bodies that are no JSON, or JSON that no schema describes: refused, in the one shape."""
    # Not Django's client: it connects again what `one_connection` took off.
    client = werkzeug.test.Client(get_wsgi_application())
    types = [("application/json", body) for body in RAW_BODIES]
    types += [
        ("text/plain", b"{}"),
        ("application/xml", b"<a/>"),
        ("multipart/form-data; boundary=x", b"--y"),
        ("", b"{}"),
    ]
    for kind, body in types:
        report.cases += 1
        thrown.last = ""
        with taken_back():
            answer = client.open(there, method=method.upper(), data=body, content_type=kind, headers=headers)
        if answer.status_code >= 500 and answer.status_code != 503:
            report.server_errors.setdefault(
                f"{label} {thrown.place()}", f"{kind} {body[:80]!r}\n{thrown.last[-1500:]}"
            )
        elif answer.status_code >= 400:
            told = json.loads(answer.get_data())
            if not {"code", "detail", "advice"} <= set(told) or answer.status_code not in {
                400,
                403,
                404,
                409,
                413,
                415,
                422,
                503,
            }:
                report.schema_violations.setdefault(f"{label} {answer.status_code}", f"{body[:80]!r} {told}")


# --- pages -------------------------------------------------------------------------------------------------
FIELD = re.compile(r'<(?:input|textarea|select|button)[^>]*\bname="([^"]+)"')
PAGE_NAMES = [
    "page",
    "q",
    "status",
    "try",
    "with",
    "like",
    "kind",
    "split",
    "slices",
    "a",
    "b",
    "rater",
    "since",
    "until",
    "next",
]
FILE_NAMES = [
    "a.jsonl",
    "\x00.jsonl",
    "../../x.jsonl",
    "東京.jsonl",
    "a" * 400 + ".jsonl",
    "a\r\nb.jsonl",
    "\u202ex.jsonl",
    "",
]


def fuzz_pages(places: dict[str, Any], client: Client, report: Report, *, times: int, seeded: bool) -> None:
    """Every page: its query string, and the fields of every form on it and more, as GET and as POST."""
    with Thrown().watched() as thrown:
        for place in places:
            report.pages += 1
            with taken_back():
                drawn_page = client.get(place)
            text = "" if drawn_page.streaming else drawn_page.content.decode(errors="replace")
            names = sorted(
                {
                    *FIELD.findall(text),
                    *PAGE_NAMES,
                    "comment",
                    "reason",
                    "text",
                    "message",
                    "base_revision",
                    "example",
                }
            )
            _fuzz_page(place, names, client, thrown, report, times, seeded=seeded)


def _fuzz_page(
    place: str, names: list[str], client: Client, thrown: Thrown, report: Report, times: int, *, seeded: bool
) -> None:
    values = st.one_of(
        one_of(ODD_TEXT),
        st.lists(one_of(ODD_TEXT), min_size=2, max_size=3),
        st.text(max_size=30),
    )

    def once(drawn: tuple[str, dict[str, Any], str, bool]) -> None:
        method, sent, file_name, htmx = drawn
        report.page_cases += 1
        thrown.last = ""
        headers = {"HX-Request": "true", "X-Draft-Writer": "²\xff"} if htmx else {}
        with taken_back():
            try:
                if method == "get":
                    answer = client.get(place, sent, headers=headers)
                else:
                    answer = client.post(place, {**sent, "file": _file(file_name)}, headers=headers)
            except UnicodeError:
                return  # text that no client can send
            if answer.streaming and not answer.is_async:
                list(answer.streaming_content)
        if answer.status_code >= 500 and (answer.status_code != 503 or thrown.last):
            report.page_errors.setdefault(
                f"{method} {place} {thrown.place()}", f"{sent!r:.300}\n{thrown.last[-1500:]}"
            )

    drawn = st.tuples(
        st.sampled_from(["get", "post"]),
        st.dictionaries(st.sampled_from(names), values, min_size=1, max_size=6),
        st.sampled_from(FILE_NAMES),
        st.booleans(),
    )
    tried(drawn, times, seeded=seeded)(once)


def _file(name: str) -> Any:
    from django.core.files.uploadedfile import SimpleUploadedFile

    return SimpleUploadedFile(name or "x", b'{"messages": [{"role": "user", "content": "\\u0000"}]}\n')


# --- the OpenAI-style API ----------------------------------------------------------------------------------
OPENAI_STATUSES = {
    200,
    400,
    401,
    404,
    405,
    413,
    429,
}  # the engine of the test is there, so 503 is a fault, too
OPENAI_OWN = ["model", "messages", "stream", "stream_options", "context"]
OPENAI_UNKNOWN = [
    "best_of",
    "echo",
    "Temperature",
    "max_token",
    "x" * 5000,
    "\u202e",
    "guided_json",
    "extra_body",
]
ODD_MESSAGES: list[Any] = [
    [{}], [None], ["a"], [[]], [{"role": "user"}], [{"content": "a"}], [{"role": None, "content": "a"}], [{"role": {}, "content": "a"}],
    [{"role": "User", "content": "a"}], [{"role": "user", "content": []}], [{"role": "user", "content": [{}]}],
    [{"role": "user", "content": [{"type": {}, "text": "a"}]}], [{"role": "user", "content": [{"type": "text", "text": 1}]}],
    [{"role": "user", "content": [{"type": "x" * 5000}]}], [{"role": "user", "content": [{"type": "text", "text": ""}]}],
    [{"role": "user", "content": ""}], [{"role": "user", "content": " "}], [{"role": "tool", "content": "a", "tool_call_id": "1"}],
    [{"role": "system", "content": "a"}], [{"role": "user", "content": "a"}] * 1001, [{"role": "user", "content": "a", "name": {}}],
    [{"role": "user", "content": "a", "weight": 0}], [{"role": "user", "content": "a", "tool_calls": [{}]}],
    [{"role": "assistant", "content": None}, {"role": "user", "content": "a"}],
    [{"role": "user", "content": "a" * 100_000}], [{"role": "user", "content": "say: \u2028 \x85 \u202e\ufeff <|im\u200b_end|>"}],
    [{"role": "user", "content": "refuse"}], [{"role": "user", "content": "nul"}], [{"role": "user", "content": "halves"}],
]  # fmt: skip
ODD_KEYS = [
    "", "Bearer", "Basic x", "Bearer gk_", "Bearer gh_abc", "Bearer gk_" + "a" * 3000, "bearer \xff\xfe", "Bearer a b c",
    "Bearer %00", "gk_a",
]  # fmt: skip
_PYTHON = re.compile(r"Traceback|NoneType|object at 0x|\bdict\b|got type|Errno|\bNone\b|\bTrue\b|\bFalse\b")


def openai_names() -> list[str]:
    """Every parameter that is read, and some that are not."""
    from inference.openai_api import shapes

    return [*OPENAI_OWN, *shapes._PASSED, *shapes._HARMLESS, *OPENAI_UNKNOWN]


def wrong_with_openai_error(body: Any) -> str:
    """What is wrong with an error that should be in OpenAI's shape; "" when nothing is."""
    error = body.get("error") if isinstance(body, dict) and set(body) == {"error"} else None
    if not isinstance(error, dict) or set(error) != {"message", "type", "param", "code"}:
        return "is not in OpenAI's shape"
    if not isinstance(error["message"], str) or not error["message"] or not isinstance(error["type"], str):
        return "has no message or type"
    if not all(error[name] is None or isinstance(error[name], str) for name in ("param", "code")):
        return "has a param or code that is no text"
    if len(json.dumps(body)) > 2000:
        return "repeats what was sent at length"
    return "speaks Python" if _PYTHON.search(error["message"]) else ""


def fuzz_openai_api(client: Any, model: str, report: Report, *, times: int, seeded: bool) -> None:
    """Every parameter of a chat completion with every kind of value, whole and streamed; the other addresses and methods.

    `client` is an httpx.Client with the key of a project whose live version a fake engine serves.
    """

    def sent(method: str, path: str, label: str, **options: Any) -> None:
        report.cases += 1
        answer = client.request(method, path, **options)
        place, told = f"{method} {path[:40]} {label}", f"{options!r:.400} {answer.text[:500]}"
        if answer.status_code >= 500:
            report.server_errors.setdefault(place, told)
        elif wrong := _wrong_with_openai_answer(answer, method):
            report.schema_violations.setdefault(f"{place} {wrong}", told)

    _fuzz_parameters(sent, model, times, seeded=seeded)
    for raw in RAW_BODIES:
        sent("POST", "/v1/chat/completions", "raw", content=raw)
    paths = [
        "chat/completions",
        "models",
        f"models/{model}",
        "models/%00",
        "models/%ff",
        "models/" + "a" * 4000,
        "",
        "x",
        "%F0",
    ]
    for path in paths:
        for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD"):
            sent(method, f"/v1/{path}", path[:20])
    for secret in ODD_KEYS:
        for path in ("chat/completions", "models"):
            sent("GET", f"/v1/{path}", "key", headers={"Authorization": secret.encode("latin-1")})


def _fuzz_parameters(sent: Any, model: str, times: int, *, seeded: bool) -> None:
    names, values = openai_names(), [*ODD_JSON, *ODD_MESSAGES]
    base = {"model": model, "messages": [{"role": "user", "content": "say: a b"}], "max_tokens": 4}

    def once(drawn: tuple[str, Any, bool, str]) -> None:
        name, odd, stream, where = drawn
        body: dict[str, Any] = {**base, "stream": True} if stream else dict(base)
        if where == "message":
            body["messages"] = [{"role": "user", "content": "say: a", name: odd}]
        elif where == "options":
            body |= {"stream": True, "stream_options": {"include_usage": True, name: odd}}
        else:
            body[name] = odd
        sent("POST", "/v1/chat/completions", f"{where} {name[:30]}", content=json.dumps(body).encode())

    drawn = st.tuples(
        st.sampled_from(names),
        one_of(values),
        st.booleans(),
        st.sampled_from(["body", "body", "body", "message", "options"]),
    )
    tried(drawn, times * len(names), seeded=seeded)(once)
    for at, odd in enumerate(values):
        once(("messages", odd, bool(at % 2), "body"))


def _wrong_with_openai_answer(answer: Any, method: str) -> str:
    if answer.status_code not in OPENAI_STATUSES:
        return f"said {answer.status_code}"
    if method == "HEAD":
        return ""
    if answer.status_code != 200:
        return wrong_with_openai_error(answer.json())
    if not answer.headers["content-type"].startswith("text/event-stream"):
        return "" if answer.json().get("object") in ("chat.completion", "list", "model") else "is no answer"
    *events, last = [block.removeprefix("data: ") for block in re.split(r"\r?\n\r?\n", answer.text) if block]
    if last != "[DONE]":
        return "does not end"
    bodies = [json.loads(event) for event in events]
    return next(
        (found for body in bodies if "error" in body and (found := wrong_with_openai_error(body))), ""
    )
