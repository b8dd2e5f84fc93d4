"""The OpenAI-compatible API as applications use it: with OpenAI's own client, over a real socket."""

import asyncio
import json
from typing import Any

import httpx
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.models import ApiKey, Project
from core.services.keys import create_api_key, revoke_api_key
from inference.models import Answer, Deployment, Engine, Route
from inference.openai_api.shapes import OpenAIError, read_request
from tests.inference.conftest import Served, wait_for
from tests.support.fakes.engine import token_ids
from tests.support.fuzzing import ODD_JSON, ODD_MESSAGES, openai_names, wrong_with_openai_error

pytestmark = pytest.mark.django_db(transaction=True)
HELLO: list[Any] = [{"role": "user", "content": "say: It is at sea"}]


@pytest.fixture
def client(live: str, key: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{live}/v1", api_key=key, max_retries=0)


def test_a_whole_answer(served: Served, client: openai.OpenAI) -> None:
    slug = served.world.project.slug
    answer = client.chat.completions.create(
        model=slug, messages=HELLO, temperature=0, max_tokens=50, seed=3, stop="X"
    )
    assert answer.choices[0].message.content == "It is at sea"
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == slug
    assert answer.object == "chat.completion"
    sent = served.fake.seen[-1]
    assert sent["model"] == served.adapter.served_name
    # The prompt the version was trained with stands in front, exactly as in training.
    prompt = served.adapter.training_run.dataset.settings["system_prompt"]
    assert sent["messages"] == [{"role": "system", "content": prompt}, *HELLO]
    assert (sent["temperature"], sent["max_tokens"], sent["seed"], sent["stop"]) == (0, 50, 3, ["X"])
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == len(token_ids(sent["messages"]))
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 4
    kept = Answer.objects.get()
    assert answer.id == f"chatcmpl-{kept.public_id.hex}"
    assert (kept.purpose, kept.status, kept.text) == ("application", "done", "It is at sea")
    assert kept.api_key is not None
    assert kept.api_key.name == "Help desk"
    assert kept.version == served.adapter
    assert kept.first_token_ms is not None
    assert kept.duration_ms is not None


def test_a_streamed_answer(served: Served, client: openai.OpenAI) -> None:
    slug = served.world.project.slug
    stream = client.chat.completions.create(
        model=slug, messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "It is at sea"
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 4
    assert {c.model for c in chunks} == {slug}
    assert len({c.id for c in chunks}) == 1


def test_the_projects_sampling_holds_unless_the_request_says_otherwise(
    served: Served, client: openai.OpenAI
) -> None:
    project = served.world.project
    Project.objects.filter(pk=project.pk).update(temperature=0.4, max_tokens=77)

    def sent(**params: Any) -> tuple[Any, ...]:
        client.chat.completions.create(model=project.slug, messages=HELLO, **params)
        body = served.fake.seen[-1]
        assert Answer.objects.latest("pk").params == {
            name: body[name]
            for name in ("temperature", "max_tokens", "max_completion_tokens")
            if name in body
        }
        return body.get("temperature"), body.get("max_tokens"), body.get("max_completion_tokens")

    assert sent() == (0.4, 77, None)
    assert sent(temperature=0) == (0, 77, None)
    assert sent(max_tokens=5) == (0.4, 5, None)
    assert sent(max_completion_tokens=6, temperature=1.5) == (1.5, None, 6)
    assert sent(temperature=None, max_tokens=None) == (0.4, 77, None)


def test_the_projects_length_yields_to_the_models_context(served: Served, client: openai.OpenAI) -> None:
    """The fake reads 2,048 tokens. A limit of one's own is refused, the project's gives way to the room there is."""
    project = served.world.project
    Project.objects.filter(pk=project.pk).update(max_tokens=8000)
    answer = client.chat.completions.create(model=project.slug, messages=HELLO)
    assert answer.choices[0].message.content == "It is at sea"
    assert "max_tokens" not in served.fake.seen[-1]
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model=project.slug, messages=HELLO, max_tokens=8000)
    assert refused.value.code == "context_length_exceeded"


def test_the_version_that_answered_is_told(served: Served, live: str, key: str) -> None:
    slug, head = served.world.project.slug, {"Authorization": f"Bearer {key}"}

    def ask(stream: bool) -> httpx.Response:
        body = {"model": slug, "messages": HELLO, "stream": stream, "stream_options": {"include_usage": True}}
        if not stream:
            del body["stream_options"]
        return httpx.post(f"{live}/v1/chat/completions", json=body, headers=head)

    for version, name in ((served.adapter, "v7"), (served.base, "base")):
        Route.objects.update(version=version)
        whole, stream = ask(False), ask(True)
        for answer in (whole, stream):
            assert answer.headers["X-Guildhall-Version"] == name
            assert answer.headers["X-Guildhall-Model"] == version.served_name
        assert whole.json()["system_fingerprint"] == version.served_name
        chunks = [json.loads(line[6:]) for line in stream.text.splitlines() if line.startswith("data: {")]
        assert len(chunks) > 3
        assert {chunk["system_fingerprint"] for chunk in chunks} == {version.served_name}
    refused = httpx.post(f"{live}/v1/chat/completions", json={"model": "elsewhere"}, headers=head)
    assert not [name for name in refused.headers if name.startswith("x-guildhall")]


def test_nothing_of_the_engine_comes_out(served: Served, live: str, key: str) -> None:
    for stream in (False, True):
        body = {"model": served.world.project.slug, "messages": HELLO, "stream": stream}
        told = httpx.post(
            f"{live}/v1/chat/completions", json=body, headers={"Authorization": f"Bearer {key}"}
        )
        assert told.status_code == 200
        # The version's permanent name tells which weights answered, and nowhere else than in the fingerprint.
        fingerprint = f'"system_fingerprint": "{served.adapter.served_name}"'
        assert served.adapter.served_name not in told.text.replace(fingerprint, "")
        assert "smollm2" not in told.text
        assert "vllm" not in told.text.lower()
        if stream:
            assert told.headers["content-type"].startswith("text/event-stream")
            assert told.text.endswith("data: [DONE]\n\n")
            assert '"usage"' not in told.text


def test_context_and_system_messages_are_rendered_as_in_training(
    served: Served, client: openai.OpenAI
) -> None:
    client.chat.completions.create(
        model=served.world.project.slug,
        messages=[{"role": "developer", "content": "Be brief."}, *HELLO],
        extra_body={"context": ["FD-1 | at sea", " "]},
    )
    system = served.fake.seen[-1]["messages"][0]["content"]
    prompt = served.adapter.training_run.dataset.settings["system_prompt"]
    assert system == f"{prompt}\n\nBe brief.\n\nRecords:\n- FD-1 | at sea"


def test_models(served: Served, client: openai.OpenAI) -> None:
    slug = served.world.project.slug
    assert [model.id for model in client.models.list()] == [slug]
    assert client.models.retrieve(slug).owned_by == "guildhall"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve(served.adapter.served_name)
    Route.objects.all().delete()
    assert list(client.models.list()) == []


def test_many_streams_at_once(served: Served, live: str, key: str) -> None:
    client = openai.AsyncOpenAI(base_url=f"{live}/v1", api_key=key, max_retries=0)

    async def one(number: int) -> str:
        messages: list[Any] = [{"role": "user", "content": f"say: number {number} is here"}]
        stream = await client.chat.completions.create(
            model=served.world.project.slug, messages=messages, stream=True
        )
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    async def all_of_them() -> list[str]:
        return await asyncio.gather(*(one(n) for n in range(40)))

    assert asyncio.run(all_of_them()) == [f"number {n} is here" for n in range(40)]
    assert Answer.objects.filter(status="done").count() == 40


def test_slow_streams_do_not_hold_connections(served: Served, live: str, key: str) -> None:
    """Streams that wait for an engine must leave the database to others; here more wait than a pool would hold."""
    from django.db import connection

    client = openai.AsyncOpenAI(base_url=f"{live}/v1", api_key=key, max_retries=0)

    async def run() -> int:
        streams = await asyncio.gather(
            *(
                client.chat.completions.create(
                    model=served.world.project.slug,
                    messages=[{"role": "user", "content": "slow"}],
                    stream=True,
                )
                for _ in range(12)
            )
        )
        with_sync = await asyncio.to_thread(count)
        for stream in streams:
            await stream.close()
        return with_sync

    def count() -> int:
        try:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
                return int(cursor.fetchone()[0])
        finally:
            connection.close()

    assert asyncio.run(run()) <= 3
    wait_for(lambda: not Answer.objects.filter(status="streaming").exists(), "the ends")


def test_hanging_up_ends_the_answer_and_tells_the_engine(served: Served, client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model=served.world.project.slug, messages=[{"role": "user", "content": "slow"}], stream=True
    )
    for chunk in stream:
        if "word3" in (chunk.choices[0].delta.content or ""):
            break
    stream.close()
    wait_for(lambda: Answer.objects.filter(status="stopped").exists(), "the end being noted")
    kept = Answer.objects.get()
    assert kept.text.startswith("word0 word1 word2 word3")
    assert "word60" not in kept.text
    wait_for(lambda: served.fake.hung_up, "the engine being told")


# --- what is refused ---------------------------------------------------------------------------------------
def test_keys(served: Served, live: str, key: str) -> None:
    slug = served.world.project.slug

    def status(secret: str) -> int:
        client = openai.OpenAI(base_url=f"{live}/v1", api_key=secret, max_retries=0)
        try:
            client.chat.completions.create(model=slug, messages=HELLO)
        except openai.APIStatusError as error:
            assert error.body is not None
            assert set(dict(error.body)) == {"message", "type", "param", "code"}  # type: ignore[call-overload]
            return error.status_code
        return 200

    personal = create_api_key(by=served.world.admin, name="mine")[1]
    other = create_api_key(by=served.world.neighbour, name="other", project=served.world.other)[1]
    assert status(key) == 200
    assert status("gk_wrong") == 401
    assert status(personal) == 401
    assert status(other) == 404  # their key does not open our project, and does not learn that it exists
    revoke_api_key(by=served.world.admin, api_key=ApiKey.objects.get(name="Help desk"))
    assert status(key) == 401
    assert httpx.get(f"{live}/v1/models").status_code == 401
    assert not Answer.objects.exclude(api_key__name="Help desk").exists()


def test_a_signed_in_browser_is_no_key(served: Served, as_user: Any) -> None:
    told = as_user(served.world.admin).get("/v1/models")
    assert told.status_code == 401
    assert told.json()["error"]["code"] == "invalid_api_key"


def test_unknown_model_and_nothing_live(served: Served, client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="does not exist") as unknown:
        client.chat.completions.create(model=served.adapter.served_name, messages=HELLO)
    assert unknown.value.code == "model_not_found"
    Route.objects.all().delete()
    with pytest.raises(openai.InternalServerError) as nothing:
        client.chat.completions.create(model=served.world.project.slug, messages=HELLO)
    assert nothing.value.status_code == 503
    assert nothing.value.code == "no_live_version"


def test_an_engine_that_is_away_is_a_503_that_says_to_come_back(
    served: Served, client: openai.OpenAI
) -> None:
    Engine.objects.update(status=Engine.Status.DOWN, error="Out of memory at engine smollm2")
    for stream in (False, True):
        with pytest.raises(openai.InternalServerError) as away:
            client.chat.completions.create(model=served.world.project.slug, messages=HELLO, stream=stream)
        assert away.value.status_code == 503
        assert away.value.response.headers["Retry-After"] == "5"
        assert "smollm2" not in away.value.response.text
    assert not Answer.objects.exists()


def test_an_engine_that_vanished_meanwhile_is_a_503_too(served: Served, client: openai.OpenAI) -> None:
    Engine.objects.update(url="http://127.0.0.1:9")
    for stream in (False, True):
        with pytest.raises(openai.InternalServerError) as away:
            client.chat.completions.create(model=served.world.project.slug, messages=HELLO, stream=stream)
        assert away.value.status_code == 503
    assert list(Answer.objects.values_list("status", flat=True)) == ["failed", "failed"]


def test_a_stream_that_breaks_says_so(served: Served, client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model=served.world.project.slug, messages=[{"role": "user", "content": "error"}], stream=True
    )
    with pytest.raises(openai.APIError):
        list(stream)
    assert Answer.objects.get().status == "failed"


def test_too_long(served: Served, client: openai.OpenAI) -> None:
    slug = served.world.project.slug
    with pytest.raises(openai.BadRequestError) as long:
        client.chat.completions.create(model=slug, messages=[{"role": "user", "content": "x" * 3000}])
    assert long.value.code == "context_length_exceeded"
    with pytest.raises(openai.BadRequestError) as many:
        client.chat.completions.create(model=slug, messages=HELLO, max_tokens=5000)
    assert many.value.code == "context_length_exceeded"


def test_bodies_over_one_mebibyte(served: Served, live: str, key: str) -> None:
    head = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    for size in (1024 * 1024 + 1, 6 * 1024 * 1024):
        told = httpx.post(f"{live}/v1/chat/completions", content=b" " * size, headers=head)
        assert told.status_code == 413
        assert told.json()["error"]["code"] == "request_too_large"

    def pieces() -> Any:
        yield b" " * (1024 * 1024)
        yield b" " * 10

    told = httpx.post(f"{live}/v1/chat/completions", content=pieces(), headers=head)
    assert told.status_code == 413


def test_wrong_methods_and_addresses(served: Served, live: str, key: str) -> None:
    head = {"Authorization": f"Bearer {key}"}
    assert httpx.get(f"{live}/v1/chat/completions", headers=head).status_code == 405
    assert httpx.post(f"{live}/v1/models", headers=head).status_code == 405
    for path in ("/v1/embeddings", "/v1/", "/v1/chat/completions/"):
        told = httpx.post(f"{live}{path}", headers=head)
        assert told.status_code == 404
        assert told.json()["error"]["code"] == "unknown_url"


def test_archived_projects_are_closed(served: Served, client: openai.OpenAI) -> None:
    from django.utils import timezone

    Project.objects.filter(pk=served.world.project.pk).update(archived_at=timezone.now())
    with pytest.raises(openai.AuthenticationError):
        client.models.list()


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0]"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "messages"),
        ({"model": ""}, "model"),
        ({"model": 3}, "model"),
        ({"n": 2}, "n"),
        ({"temperature": 3}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_tokens": 5, "max_completion_tokens": 5}, "max_tokens"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"stop": [1]}, "stop"),
        ({"seed": "x"}, "seed"),
        ({"presence_penalty": 2.1}, "presence_penalty"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"stream": True, "stream_options": 3}, "stream_options"),
        ({"stream": True, "stream_options": {"include_usgae": True}}, "stream_options"),
        ({"messages": [{"role": "user", "content": "x", "weight": 0}]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": "x", "name": ["y"]}]}, "messages[0]"),
        ({"Temperature": 0}, "Temperature"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"logprobs": True}, "logprobs"),
        ({"context": "FD-1"}, "context"),
        ({"best_of": 3}, "best_of"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], param: str) -> None:
    with pytest.raises(OpenAIError) as wrong:
        read_request({"model": "m", "messages": HELLO} | change)
    assert wrong.value.status == 400
    assert wrong.value.param == param
    assert set(wrong.value.body()["error"]) == {"message", "type", "param", "code"}


def test_what_clients_send_by_habit_is_taken() -> None:
    asked = read_request(
        {
            "model": "m",
            "messages": [
                {
                    "role": "assistant",
                    "content": "c",
                    "refusal": None,
                    "annotations": [],
                    "audio": None,
                    "tool_calls": None,
                },
                {
                    "role": "user",
                    "name": "u",
                    "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
                },
            ],
            "n": 1,
            "user": "u-1",
            "temperature": None,
            "top_p": 1,
            "logit_bias": {},
            "response_format": {"type": "text"},
            "max_completion_tokens": 7,
            "parallel_tool_calls": True,
        }
    )
    assert asked.messages == [{"role": "assistant", "content": "c"}, {"role": "user", "content": "a\nb"}]
    assert asked.params == {"top_p": 1, "max_completion_tokens": 7}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NAMES = [
    "model",
    "messages",
    "stream",
    "stop",
    "n",
    "temperature",
    "max_tokens",
    "stream_options",
    "context",
    "tools",
]


@given(st.dictionaries(st.sampled_from(NAMES), JSON) | JSON)
def test_garbage_is_refused_and_never_breaks(body: Any) -> None:
    try:
        read_request(body)
    except OpenAIError as error:
        json.dumps(error.body())


def test_every_parameter_takes_or_refuses_every_kind_of_value() -> None:
    """Without a socket, so that all of them are tried: each parameter with each odd value, at the top and in a message."""
    tried = 0
    for name in openai_names():
        for odd in [*ODD_JSON, *ODD_MESSAGES]:
            for body in (
                {"model": "m", "messages": HELLO, name: odd},
                {"model": "m", "messages": [HELLO[0] | {name: odd}]},
            ):
                tried += 1
                try:
                    read_request(body)
                except OpenAIError as error:
                    assert wrong_with_openai_error(error.body()) == "", (name, odd)
    assert tried > 4000


def test_unloaded_live_version(served: Served, client: openai.OpenAI) -> None:
    Deployment.objects.filter(version=served.adapter).update(status=Deployment.Status.WAITING)
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(model=served.world.project.slug, messages=HELLO)
