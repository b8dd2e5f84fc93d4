"""Chatting: streams, stops, corrections, and what raters must not learn."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from django.test import Client
from django.urls import reverse

from annotation.models import Example
from core.errors import Conflict, Invalid, PartAway
from core.models import AuditEntry, User
from inference import queries
from inference.models import Answer, Conversation, Deployment, Engine
from inference.services import answer_now, ask, correct, generate, start_conversation
from tests.inference.conftest import Served, wait_for
from tests.support.factories import join, make_user

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sent")]
SignIn = Callable[[User | None], Client]


def url(served: Served, name: str, *args: object) -> str:
    return reverse(f"inference:{name}", args=[served.world.project.slug, *args])


def chat_of(served: Served, by: User, context: str = "") -> Conversation:
    return start_conversation(by=by, project=served.world.project, version=served.adapter, context=context)


def browser(live: str, client: Client) -> httpx.Client:
    """A signed-in client over a real socket, with the CSRF token that pages carry."""
    client.get("/me/")
    cookies = {name: morsel.value for name, morsel in client.cookies.items()}
    page = httpx.get(f"{live}/me/", cookies=cookies)
    token = re.search(r'"X-CSRFToken": "([^"]+)"', page.text)
    assert token is not None
    cookies |= dict(page.cookies)
    return httpx.Client(
        base_url=live,
        cookies=cookies,
        headers={"X-CSRFToken": token.group(1), "Accept": "application/json, text/event-stream"},
        timeout=20,
    )


def events(lines: Iterator[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    kind = ""
    for line in lines:
        if line.startswith("event: "):
            kind = line[7:]
        elif line.startswith("data: "):
            yield kind, json.loads(line[6:])


# --- streaming ---------------------------------------------------------------------------------------------
def test_an_answer_streams_and_is_kept(served: Served, live: str, as_user: SignIn) -> None:
    rater = served.world.rater
    chat = chat_of(served, rater, "FD-1 | at sea\n\nFD-2 | in Basel")
    with (
        browser(live, as_user(rater)) as page,
        page.stream("POST", url(served, "ask", chat.pk), data={"text": "say: **It** is at sea"}) as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        told = list(events(answer.iter_lines()))
    kinds = [kind for kind, _ in told]
    assert kinds == ["start", "text", "text", "text", "text", "done"]
    assert "".join(data["text"] for kind, data in told if kind == "text") == "**It** is at sea"
    assert "<strong>It</strong> is at sea" in told[-1][1]["html"]
    kept = Answer.objects.get()
    assert (kept.status, kept.text, kept.turn, kept.purpose) == ("done", "**It** is at sea", 1, "chat")
    assert kept.first_token_ms is not None
    assert kept.completion_tokens == 4
    assert kept.messages[0]["content"].endswith("Records:\n- FD-1 | at sea\n- FD-2 | in Basel")
    chat.refresh_from_db()
    assert chat.title == "say: **It** is at sea"


def test_the_next_turn_carries_the_conversation(served: Served, world: Any) -> None:
    chat = chat_of(served, world.rater)
    answer_now(ask(by=world.rater, conversation=chat, text="say: At sea"))
    answer_now(ask(by=world.rater, conversation=chat, text="say: Monday"))
    roles = [message["role"] for message in served.fake.seen[-1]["messages"]]
    assert roles == ["system", "user", "assistant", "user"]
    assert served.fake.seen[-1]["messages"][2]["content"] == "At sea"


def test_closing_the_tab_ends_the_answer_and_keeps_what_came(
    served: Served, live: str, as_user: SignIn
) -> None:
    rater = served.world.rater
    chat = chat_of(served, rater)
    with (
        browser(live, as_user(rater)) as page,
        page.stream("POST", url(served, "ask", chat.pk), data={"text": "slow"}) as answer,
    ):
        for kind, data in events(answer.iter_lines()):
            if kind == "text" and "word3" in data["text"]:
                break
    wait_for(lambda: Answer.objects.filter(status="stopped").exists(), "the end being noted")
    kept = Answer.objects.get()
    assert kept.text.startswith("word0 word1 word2 word3")
    assert kept.duration_ms is not None
    wait_for(lambda: served.fake.hung_up, "the engine being told")
    # And the conversation goes on.
    answer_now(ask(by=rater, conversation=chat, text="say: on"))
    assert Answer.objects.filter(status="done").count() == 1


def test_one_answer_at_a_time(served: Served, live: str, as_user: SignIn) -> None:
    rater = served.world.rater
    chat = chat_of(served, rater)
    with (
        browser(live, as_user(rater)) as page,
        browser(live, as_user(rater)) as second,
        page.stream("POST", url(served, "ask", chat.pk), data={"text": "slow"}) as answer,
    ):
        told = events(answer.iter_lines())
        next(told)
        refused = second.post(url(served, "ask", chat.pk), data={"text": "me too"})
        assert refused.status_code == 409
        assert "still being written" in refused.json()["detail"]
    wait_for(lambda: not Answer.objects.filter(status="streaming").exists(), "the end")


def test_eight_at_once_give_one_answer(served: Served) -> None:
    from django.db import connection

    chat = chat_of(served, served.world.rater)
    barrier = threading.Barrier(8)
    outcomes: list[str] = []

    def press() -> None:
        barrier.wait()
        try:
            ask(by=served.world.rater, conversation=chat, text="say: once")
            outcomes.append("opened")
        except Conflict:
            outcomes.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=press) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["opened"] + ["refused"] * 7
    assert Answer.objects.count() == 1


def test_an_engine_that_dies_in_mid_answer(served: Served, live: str, as_user: SignIn) -> None:
    chat = chat_of(served, served.world.admin)
    with (
        browser(live, as_user(served.world.admin)) as page,
        page.stream("POST", url(served, "ask", chat.pk), data={"text": "error"}) as answer,
    ):
        told = list(events(answer.iter_lines()))
    assert [kind for kind, _ in told] == ["start", "text", "failed"]
    kept = Answer.objects.get()
    assert (kept.status, kept.text, kept.error) == ("failed", "You", "It broke.")


def test_a_stuck_stream_times_out(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    from inference.engines import client

    monkeypatch.setattr(client, "STALL_SECONDS", 0.3)
    with pytest.raises(PartAway, match="sent nothing"):
        generate(
            by=None,
            project=served.world.project,
            version=served.adapter,
            messages=[{"role": "user", "content": "stall"}],
            context=[],
            purpose="campaign",
        )
    kept = Answer.objects.get()
    assert (kept.status, kept.text) == ("failed", "You")


def test_an_answer_without_end_is_cut(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    from inference.engines import client

    monkeypatch.setattr(client, "ANSWER_SECONDS", 0.3)
    with pytest.raises(PartAway, match="did not finish"):
        generate(
            by=None,
            project=served.world.project,
            version=served.adapter,
            messages=[{"role": "user", "content": "slow"}],
            context=[],
            purpose="campaign",
        )


def test_a_limit_that_does_not_fit_gives_way_in_chats(served: Served) -> None:
    made = generate(
        by=None,
        project=served.world.project,
        version=served.adapter,
        messages=[{"role": "user", "content": "say: fits"}],
        context=[],
        params={"max_tokens": 5000},
        purpose="campaign",
    )
    assert made.text == "fits"
    assert "max_tokens" not in served.fake.seen[-1]


def test_nul_bytes_of_a_model_do_not_break_the_row(served: Served) -> None:
    made = generate(
        by=None,
        project=served.world.project,
        version=served.base,
        messages=[{"role": "user", "content": "nul"}],
        context=[],
        purpose="campaign",
    )
    assert made.text == "a\ufffdb"
    # The base takes the project's own prompt, and is called by its base model's name.
    assert served.fake.seen[-1]["model"] == "smollm2"
    assert made.messages[0]["content"] == served.world.project.system_prompt


def test_away_says_which_engine_and_since_when(served: Served) -> None:
    from django.utils import timezone

    since = timezone.now().replace(hour=10, minute=31)
    Engine.objects.update(status=Engine.Status.DOWN, since=since, error="Out of memory.")
    arguments: dict[str, Any] = {
        "by": None,
        "project": served.world.project,
        "version": served.adapter,
        "messages": [{"role": "user", "content": "x"}],
        "context": [],
        "purpose": "campaign",
    }
    with pytest.raises(PartAway, match=r"The engine smollm2 is offline since 10:31 UTC\. Out of memory\."):
        generate(**arguments)
    Engine.objects.update(status=Engine.Status.UP, heartbeat_at=since.replace(year=2020))
    with pytest.raises(PartAway, match="has not responded"):
        generate(**arguments)
    assert not queries.is_served(served.adapter)
    Deployment.objects.all().delete()
    with pytest.raises(PartAway, match="not loaded"):
        generate(**arguments)
    assert not Answer.objects.exists()


# --- pages -------------------------------------------------------------------------------------------------
def test_a_new_chat_and_its_first_question(served: Served, as_user: SignIn) -> None:
    client = as_user(served.world.rater)
    page = client.get(url(served, "chat"))
    assert page.status_code == 200
    token = queries.model_code(served.adapter)
    assert token in page.content.decode()
    answer = client.post(
        url(served, "chat"), {"candidate": token, "text": "Where is FD-1?", "context": "FD-1 | sea"}
    )
    chat = Conversation.objects.get()
    assert answer.headers["Location"] == url(served, "conversation", chat.pk)
    assert (chat.user, chat.version, chat.context) == (served.world.rater, served.adapter, ["FD-1 | sea"])
    first = client.get(url(served, "conversation", chat.pk)).content.decode()
    assert "data-first" in first
    assert "Where is FD-1?" in first
    assert "data-first" not in client.get(url(served, "conversation", chat.pk)).content.decode()
    assert AuditEntry.objects.filter(action="conversation.started", actor_id=served.world.rater.pk).exists()


def test_wrong_forms_come_back_with_422(served: Served, as_user: SignIn) -> None:
    client = as_user(served.world.rater)
    page = client.post(url(served, "chat"), {"candidate": str(served.adapter.pk), "text": ""})
    assert page.status_code == 422
    assert "Select a valid choice" in page.content.decode()
    assert not Conversation.objects.exists()


def test_without_script_the_page_comes_back_answered(served: Served, as_user: SignIn) -> None:
    client = as_user(served.world.rater)
    chat = chat_of(served, served.world.rater)
    page = client.post(url(served, "ask", chat.pk), {"text": "say: <b>hi</b>"}, follow=True)
    html = page.content.decode()
    assert "&lt;b&gt;hi&lt;/b&gt;" in html
    assert "<b>hi</b>" not in html
    empty = client.post(url(served, "ask", chat.pk), {"text": " "})
    assert empty.status_code == 422
    assert "Write a question first." in empty.content.decode()
    Engine.objects.update(status=Engine.Status.DOWN)
    away = client.post(url(served, "ask", chat.pk), {"text": "are you there?"})
    assert away.status_code == 503
    assert "are you there?" in away.content.decode()


def test_asking_again_keeps_the_turn(served: Served, as_user: SignIn) -> None:
    client = as_user(served.world.rater)
    chat = chat_of(served, served.world.rater)
    assert client.post(url(served, "ask-again", chat.pk)).status_code == 409
    client.post(url(served, "ask", chat.pk), {"text": "say: one"})
    client.post(url(served, "ask-again", chat.pk))
    assert list(Answer.objects.values_list("turn", flat=True)) == [1, 1]
    html = client.get(url(served, "conversation", chat.pk)).content.decode()
    assert html.count('class="chat-turn" id=') == 1
    assert "answer 2 to this question" in html


def test_states_are_told(served: Served, as_user: SignIn) -> None:
    client = as_user(served.world.rater)
    chat = chat_of(served, served.world.rater)
    state = url(served, "chat-state", chat.pk)
    assert "hx-get" not in client.get(state).content.decode()
    Engine.objects.update(status=Engine.Status.STARTING, options={"start_seconds": 41.2})
    starting = client.get(state).content.decode()
    assert "The engine is starting, usually 41 s." in starting
    assert "every 3s" in starting
    Deployment.objects.update(status=Deployment.Status.FAILED, error="secret reason smollm2")
    assert "secret" not in client.get(state).content.decode()


def test_indentation_alone_is_a_correction_and_line_ends_are_none(served: Served) -> None:
    rater = served.world.rater
    answer_now(ask(by=rater, conversation=chat_of(served, rater), text="say: a:\r\n  b"))
    kept = Answer.objects.get()
    with pytest.raises(Invalid, match="the same answer"):
        correct(by=rater, answer=kept, completion="a:\r\n  b\n")
    assert correct(by=rater, answer=kept, completion="  a:\n    b").completion == "  a:\n    b"


def test_a_correction_becomes_an_annotation_item(served: Served, as_user: SignIn) -> None:
    rater = served.world.rater
    client = as_user(rater)
    chat = chat_of(served, rater, "FD-1 | sea")
    answer_now(ask(by=rater, conversation=chat, text="say: It left."))
    kept = Answer.objects.get()
    address = url(served, "correct", chat.pk, kept.public_id)
    same = client.post(address, {"completion": "It left.", "edge": ""}, headers={"HX-Request": "true"})
    assert same.status_code == 422
    assert "This is the same answer." in same.content.decode()
    assert "The answer it should have given" in same.content.decode()
    told = client.post(
        address,
        {"completion": "FD-1 is at sea.", "topic": "shipment status", "edge": "ambiguous_request"},
        headers={"HX-Request": "true"},
    )
    assert told.status_code == 200
    example = Example.objects.get()
    assert f"#{example.pk}" in told.content.decode()
    assert example.status == Example.Status.QUEUED
    assert example.completion == "FD-1 is at sea."
    assert example.messages == [{"role": "user", "content": "say: It left."}]
    assert example.context == ["FD-1 | sea"]
    assert (example.slice, example.edge, example.origin) == ("shipment status", "ambiguous_request", "chat")
    assert example.origin_detail["url"] == url(served, "answer", kept.public_id)
    assert rater.name in example.origin_detail["label"]
    assert example.origin_detail["answer"] == kept.text
    plain = client.post(address, {"completion": "", "edge": ""})
    assert plain.status_code == 422


def test_the_turn_fragment_after_a_stop(served: Served, as_user: SignIn) -> None:
    client = as_user(served.world.rater)
    chat = chat_of(served, served.world.rater)
    opened = ask(by=served.world.rater, conversation=chat, text="say: x")
    address = url(served, "turn", chat.pk, opened.answer.public_id)
    assert client.get(address).status_code == 204
    answer_now(opened)
    assert "Correct this answer" in client.get(address).content.decode()


# --- who may -----------------------------------------------------------------------------------------------
def test_conversations_are_ones_own(served: Served, as_user: SignIn) -> None:
    chat = chat_of(served, served.world.rater)
    answer_now(ask(by=served.world.rater, conversation=chat, text="say: mine"))
    answer = Answer.objects.get().public_id
    other = make_user("Other Rater")
    join(served.world.project, other, "rater")
    for person in (other, served.world.admin, served.world.neighbour, served.world.stranger):
        client = as_user(person)
        assert client.get(url(served, "conversation", chat.pk)).status_code == 404
        assert client.get(url(served, "turn", chat.pk, answer)).status_code == 404
        assert client.post(url(served, "ask", chat.pk), {"text": "x"}).status_code == 404
        assert client.post(url(served, "correct", chat.pk, answer), {"completion": "x"}).status_code == 404
    assert as_user(None).get(url(served, "conversation", chat.pk)).status_code == 302
    assert as_user(served.world.viewer).get(url(served, "chat")).status_code == 403


@pytest.mark.parametrize("role", ["rater", "annotator", "reviewer"])
def test_nothing_tells_whom_one_talks_to(served: Served, as_user: SignIn, role: str) -> None:
    """Neither pages nor fragments nor streams nor the API name the version, its kind, its number or its engine."""
    person = getattr(served.world, role)
    client = as_user(person)
    chat = chat_of(served, person)
    answer_now(ask(by=person, conversation=chat, text="say: hi", blind=True))
    answer = Answer.objects.get()
    Deployment.objects.filter(version=served.base).update(status="failed", error="reason v7 smollm2")
    pages = [
        url(served, "chat"),
        url(served, "conversation", chat.pk),
        url(served, "chat-state", chat.pk),
        url(served, "turn", chat.pk, answer.public_id),
        "/status/",
        f"/p/{served.world.project.slug}/",
        f"/api/v1/projects/{served.world.project.slug}/chat/candidates/",
        f"/api/v1/projects/{served.world.project.slug}/conversations/",
        f"/api/v1/projects/{served.world.project.slug}/conversations/{chat.pk}/",
    ]
    Engine.objects.update(error="it broke: smollm2 v7")
    for state in (Engine.Status.UP, Engine.Status.STARTING, Engine.Status.DOWN):
        Engine.objects.update(status=state)
        for page in pages:
            told = client.get(page)
            assert told.status_code == 200, page
            assert_blind(told.content.decode(), served, page)
    refused = client.post(
        url(served, "ask", chat.pk), {"text": "x"}, headers={"Accept": "application/json, text/event-stream"}
    )
    assert refused.status_code == 503
    assert_blind(refused.content.decode(), served, "the refusal")
    for name in ("home", "answers"):
        assert client.get(url(served, name)).status_code in (302, 403)


def assert_blind(text: str, served: Served, where: str) -> None:
    text = text.replace(
        "Your adapter", ""
    )  # a link that stands on every page, whichever version one talks to
    for name in [
        *served.names,
        served.adapter.artifact.sha256,
        "LoRA",
        "adapter",
        "Full weights",
        "first token",
    ]:
        assert not re.search(rf"(?<![\w/-]){re.escape(name)}(?![\w-])", text, re.IGNORECASE), (name, where)
    assert served.adapter.served_name not in text
    assert served.base.served_name not in text


def test_an_admin_sees_names(served: Served, as_user: SignIn) -> None:
    text = as_user(served.world.admin).get(url(served, "chat")).content.decode()
    assert "v7 (adapter)" in text
    assert "Small Language 135M (base)" in text


def test_labels_are_steady_and_tell_no_order(served: Served) -> None:
    first = queries.candidate_label(served.base)
    assert first == queries.candidate_label(served.base)
    assert first != queries.candidate_label(served.adapter)
    assert re.fullmatch(r"Candidate [B-Z]{3}", first)


def test_lists_take_a_constant_number_of_queries(
    served: Served, as_user: SignIn, django_assert_max_num_queries: Any
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    def count(client: Client, address: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(address).status_code == 200
        return len(captured)

    rater, admin = as_user(served.world.rater), as_user(served.world.admin)
    chat = chat_of(served, served.world.rater)
    answer_now(ask(by=served.world.rater, conversation=chat, text="say: a"))
    watched = [
        (rater, url(served, "chat")),
        (rater, url(served, "conversation", chat.pk)),
        (admin, url(served, "answers")),
        (admin, url(served, "home")),
    ]
    before = [count(*one) for one in watched]
    for _ in range(6):
        chat_of(served, served.world.rater)
        answer_now(ask(by=served.world.rater, conversation=chat, text="say: b"))
    assert [count(*one) for one in watched] == before
