"""A process that was killed while it wrote an answer holds the conversation for seconds; one that lives keeps it."""

import os
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from core.errors import Conflict
from inference.models import Answer, Conversation
from inference.queries import is_answering
from inference.services import ask, end_abandoned
from inference.services.writing import DEAD_AFTER, SWEPT_AFTER, _beat_of, being_written, prove
from tests.inference.conftest import Served

pytestmark = pytest.mark.django_db


@pytest.fixture
def open_one(served: Served) -> Answer:
    """An answer that is being written."""
    chat = Conversation.objects.create(
        project=served.world.project, user=served.world.rater, version=served.adapter
    )
    return ask(by=served.world.rater, conversation=chat, text="Where is it?").answer


def seen(answer: Answer, ago: timedelta) -> Answer:
    moment = timezone.now() - ago
    Answer.objects.filter(pk=answer.pk).update(alive_at=moment, created_at=moment - timedelta(minutes=5))
    return answer


def chat_of(answer: Answer) -> Conversation:
    assert answer.conversation is not None
    return answer.conversation


def test_a_living_writer_keeps_the_conversation_however_long_it_takes(open_one: Answer, served: Served):
    seen(open_one, timedelta(seconds=1))
    with pytest.raises(Conflict, match="still being written") as refused:
        ask(by=served.world.rater, conversation=chat_of(open_one), text="And now?")
    assert "stop it in the tab" in refused.value.advice


def test_a_silent_writer_is_waited_for_with_the_seconds_named(open_one: Answer, served: Served):
    seen(open_one, timedelta(seconds=5))
    with pytest.raises(Conflict, match="cut off") as refused:
        ask(by=served.world.rater, conversation=chat_of(open_one), text="And now?")
    assert refused.value.advice.startswith("Ask again in ") and "stop" not in refused.value.advice


def test_a_dead_writer_is_ended_by_the_next_question(open_one: Answer, served: Served):
    seen(open_one, DEAD_AFTER + timedelta(seconds=1))
    ask(by=served.world.rater, conversation=chat_of(open_one), text="And now?")
    open_one.refresh_from_db()
    assert (open_one.status, "stopped while" in open_one.error) == ("failed", True)


def test_the_page_and_the_api_show_a_dead_answer_as_cut_off(open_one: Answer, served: Served, as_user: Any):
    seen(open_one, DEAD_AFTER + timedelta(seconds=1))
    chat, slug = chat_of(open_one), served.world.project.slug
    page = as_user(served.world.rater).get(f"/p/{slug}/serve/chat/{chat.pk}/")
    assert page.status_code == 200 and "This answer is not complete" in page.content.decode()
    told = as_user(served.world.rater).get(f"/api/v1/projects/{slug}/conversations/{chat.pk}/").json()
    assert told["turns"][0]["status"] == "failed"


def test_the_sweep_ends_it_too_and_the_engine_counts_it_no_longer(open_one: Answer, served: Served):
    seen(open_one, SWEPT_AFTER - timedelta(seconds=10))
    assert end_abandoned() == 0 and is_answering(served.engine)
    seen(open_one, SWEPT_AFTER + timedelta(seconds=10))
    assert end_abandoned() == 1 and not is_answering(served.engine)


def test_a_sign_of_life_is_one_statement_for_all_answers(open_one: Answer, django_assert_num_queries: Any):
    seen(open_one, DEAD_AFTER)
    with django_assert_num_queries(1):
        prove([open_one.pk, open_one.pk + 1])
    open_one.refresh_from_db()
    assert open_one.alive_at is not None and timezone.now() - open_one.alive_at < DEAD_AFTER


def test_who_writes_is_registered_for_as_long_as_it_writes(open_one: Answer):
    beat = _beat_of(os.getpid())
    with pytest.raises(RuntimeError), being_written(open_one):
        assert open_one.pk in beat.open
        raise RuntimeError
    assert open_one.pk not in beat.open
