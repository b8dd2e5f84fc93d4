"""Event streams end their lines at CR and LF only: what a model says may hold every other separator that Unicode knows."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.text import lines_of, storable
from inference.engines.base import ChatRequest, EngineAway
from inference.engines.vllm import VLLM
from inference.services import generate
from tests.inference.conftest import Served

SEPARATORS = "\u2028\u2029\x85\x0b\x0c\x1c\x1d\x1e"
ODD = [f"a{letter}b" for letter in SEPARATORS] + ["é😀漢" * 3, "a\r\nb\rc", "data: x", "[DONE]", "\ufeffa"]
ROOT = Path(__file__).parents[2]


def said(served: Served, question: str) -> str:
    made = generate(
        by=None,
        project=served.world.project,
        version=served.base,
        messages=[{"role": "user", "content": question}],
        context=[],
        purpose="campaign",
    )
    return made.text


@pytest.mark.django_db
@pytest.mark.parametrize("byte_by_byte", [False, True])
def test_every_letter_of_an_answer_arrives(
    served: Served, control: Callable[..., None], byte_by_byte: bool
) -> None:
    control(byte_by_byte=byte_by_byte)
    for words in ODD:
        assert said(served, f"say: {words}") == words


@pytest.mark.django_db
def test_an_answer_that_no_database_takes_is_kept_with_a_mark_in_its_place(served: Served) -> None:
    assert said(served, "nul") == "a\ufffdb"
    assert said(served, "half") == "a\ufffd"
    assert said(served, "halves") == "a😀b"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("stream", [False, True])
def test_the_application_gets_every_letter_too(served: Served, live: str, key: str, stream: bool) -> None:
    import openai

    client = openai.OpenAI(base_url=f"{live}/v1", api_key=key, max_retries=0)
    words = f"a{SEPARATORS}b"
    asked: dict[str, Any] = {
        "model": served.world.project.slug,
        "messages": [{"role": "user", "content": f"say: {words}"}],
    }
    if stream:
        chunks = client.chat.completions.create(**asked, stream=True)
        told = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    else:
        told = client.chat.completions.create(**asked).choices[0].message.content
    assert told == words


@pytest.mark.parametrize("body", [b"data: {\n\n", b"data: 7\n\n", b"data: " + b"[" * 100_000 + b"\n\n"])
def test_what_is_no_event_is_said_to_be_none(monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    answer = httpx.Response(200, content=body, headers={"Content-Type": "text/event-stream"})
    client = httpx.Client(transport=httpx.MockTransport(lambda request: answer))
    monkeypatch.setattr("inference.engines.client._client", lambda: client)
    with pytest.raises(EngineAway, match="not an event"):
        list(VLLM().chat("http://engine", ChatRequest("m", [], {})))


def test_only_cr_and_lf_end_a_line() -> None:
    assert lines_of("a\r\nb\nc\rd") == ["a", "b", "c", "d"]
    assert lines_of("a\n\nb\n") == ["a", "", "b"]
    assert lines_of("") == []
    assert lines_of(f"a{SEPARATORS}b") == [f"a{SEPARATORS}b"]


def test_text_is_kept_but_for_what_postgresql_refuses() -> None:
    assert storable("a\x00\ud800b\udc00 \ud83d\ude00😀") == "a\ufffd\ufffdb\ufffd 😀😀"


def test_nothing_splits_lines_by_another_rule() -> None:
    """httpx's iter_lines and str.splitlines also cut at U+2028 and its like. core.text and httpx_sse do not."""
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for app in (
            *["core", "annotation", "training", "inference", "evaluation", "release", "benchmarks"],
            "tests/fakes",
        )
        for path in sorted((ROOT / app).rglob("*.py"))
        for number, line in enumerate(path.read_text().split("\n"), 1)
        if re.search(r"\b(a?iter_lines|splitlines)\(", line) and "str.splitlines" not in line
    ]
    assert found == []
