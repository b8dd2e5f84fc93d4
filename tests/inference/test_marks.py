"""Marking the answers of a chat good or bad: one click, undo, what is filed, and rows to train on."""

from collections import Counter
from collections.abc import Callable

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse

from annotation.models import Example
from core.errors import Conflict, Invalid
from core.models import AuditEntry, User
from dataset.models import Judgement
from dataset.preferences import Choice, Take
from dataset.queries.preferences import judged, state_of
from dataset.rows import iter_rows
from inference.marks import AnswerMark
from inference.models import Answer
from inference.services import answer_now, ask, mark_answer, start_conversation, take_back_mark
from tests.inference.conftest import Served
from tests.support.factories import make_preferences

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sent")]
SignIn = Callable[[User | None], Client]
MARKS = Choice(take=(Take.MARKS,))


def answered(served: Served, by: User, text: str = "say: At sea") -> Answer:
    chat = start_conversation(
        by=by, project=served.world.project, version=served.adapter, context="FD-1 | at sea"
    )
    answer_now(ask(by=by, conversation=chat, text=text))
    return Answer.objects.select_related("conversation", "project").get(conversation=chat)


def address(served: Served, answer: Answer, name: str = "inference:mark") -> str:
    return reverse(name, args=[served.world.project.slug, answer.conversation_id, answer.public_id])


def test_a_person_marks_gives_a_reason_changes_their_mind_and_takes_it_back(
    served: Served, as_user: SignIn
) -> None:
    rater = served.world.rater
    answer = answered(served, rater)
    client, here = as_user(rater), address(served, answer)
    page = reverse("inference:conversation", args=[served.world.project.slug, answer.conversation_id])
    assert "Good answer" in client.get(page).content.decode()
    marked = client.post(here, {"mark": "bad"}, headers={"HX-Request": "true"})
    assert marked.status_code == 200 and "You marked it bad" in marked.content.decode()
    bad = AnswerMark.objects.get()
    assert (bad.user, bad.good, bad.reason) == (rater, False, "")
    filed = Example.objects.get(pk=bad.revision.example_id)
    assert (filed.status, filed.origin, filed.completion, filed.rejected) == ("queued", "chat", "", "At sea")
    assert filed.context == ["FD-1 | at sea"] and filed.group == f"chat-{answer.conversation_id}"
    assert client.post(here, {"mark": "bad", "reason": " No date.\n"}).status_code == 302
    bad.refresh_from_db()
    assert bad.reason == "No date."
    assert 'value="No date."' in client.get(page).content.decode()

    client.post(here, {"mark": "good"})
    good = AnswerMark.objects.get()
    assert good.good and good.revision.example_id != filed.pk
    filed.refresh_from_db()
    assert filed.status == "retired"
    proposal = Example.objects.get(pk=good.revision.example_id)
    assert (proposal.completion, proposal.rejected) == ("At sea", "")

    assert (
        "Good answer" in client.post(here, {"mark": "none"}, headers={"HX-Request": "true"}).content.decode()
    )
    assert not AnswerMark.objects.exists()
    proposal.refresh_from_db()
    assert proposal.status == "retired"
    assert client.post(here, {"mark": "none"}).status_code == 302  # nothing to take back
    told = (
        AuditEntry.objects.filter(action__startswith="answer.mark")
        .order_by("pk")
        .values_list("action", flat=True)
    )
    assert list(told) == ["answer.marked"] * 3 + ["answer.mark_taken_back"]


def test_what_cannot_be_marked_is_refused_and_leaves_nothing(served: Served, as_user: SignIn) -> None:
    world = served.world
    answer = answered(served, world.rater)
    client, here = as_user(world.rater), address(served, answer)
    for wrong in ({"mark": "great"}, {}, {"mark": "good", "reason": "x" * 301}):
        refused = client.post(here, wrong, headers={"HX-Request": "true"})
        assert refused.status_code == 422 and "Choose good or bad" in refused.content.decode()
    with pytest.raises(Invalid):
        mark_answer(by=world.rater, answer=answer, good=True, reason="x" * 301)
    assert client.get(here).status_code == 405
    # A chat is its own person's.
    for person in (world.admin, world.neighbour, world.stranger):
        assert as_user(person).post(here, {"mark": "good"}).status_code == 404
    Answer.objects.filter(pk=answer.pk).update(status="streaming")
    with pytest.raises(Conflict):
        mark_answer(by=world.rater, answer=answer, good=True)
    assert client.post(here, {"mark": "good"}, headers={"HX-Request": "true"}).status_code == 422
    assert not AnswerMark.objects.exists() and not Example.objects.filter(origin="chat").exists()


def test_an_example_that_somebody_worked_on_stays(served: Served) -> None:
    rater = served.world.rater
    answer = answered(served, rater)
    mark = mark_answer(by=rater, answer=answer, good=False)
    Example.objects.filter(pk=mark.revision.example_id).update(status="in_review", completion="Monday.")
    take_back_mark(by=rater, answer=answer)
    assert Example.objects.get(pk=mark.revision.example_id).status == "in_review"
    assert not AnswerMark.objects.exists()


def test_the_api_marks_and_takes_back(served: Served, as_user: SignIn) -> None:
    rater = served.world.rater
    answer = answered(served, rater)
    client, here = as_user(rater), address(served, answer, "api-mark")
    told = client.post(here, {"good": True, "reason": "Short"}, content_type="application/json")
    assert told.status_code == 200, told.content
    assert (told.json()["good"], told.json()["reason"]) == (True, "Short")
    chat = reverse("api-conversation", args=[served.world.project.slug, answer.conversation_id])
    assert client.get(chat).json()["turns"][0]["mark"] == "good"
    assert client.post(here, {"good": "no", "x": 1}, content_type="application/json").status_code == 422
    assert client.delete(here).status_code == 204
    assert client.get(chat).json()["turns"][0]["mark"] == ""


def test_marks_become_rows_of_a_preference_version(served: Served) -> None:
    world = served.world
    good, bad, doubted, late = (
        answered(served, world.rater, f"say: {word}") for word in ("Soon", "Never", "Perhaps", "Late")
    )
    mark_answer(by=world.rater, answer=good, good=True)
    mark_answer(by=world.rater, answer=bad, good=False, reason="Rude")
    mark_answer(by=world.rater, answer=doubted, good=True)
    Answer.objects.filter(pk=doubted.pk).update(doubt="Other weights.")
    before = state_of(world.project, MARKS)
    mark_answer(by=world.rater, answer=late, good=True)
    assert state_of(world.project, MARKS) != before
    take_back_mark(by=world.rater, answer=late)
    assert state_of(world.project, MARKS) == before
    assert not list(judged(world.project, Choice(take=(Take.EXAMPLES,)), Counter()))

    with transaction.atomic():
        dataset = make_preferences(world.project, world.admin, choice=MARKS)
    rows = {(row["completion"], row["rejected"]) for row in iter_rows(dataset)}
    assert rows == {("Soon", ""), ("", "Never")}
    assert dataset.counts["preferences"]["outside"] == {"in_doubt": 1}
    said = Judgement.objects.filter(row__dataset=dataset).values_list("source", "said", "by")
    assert set(said) == {("marks", "good", world.rater.pk), ("marks", "bad", world.rater.pk)}
    assert {key.partition(":")[0] for key in Judgement.objects.values_list("key", flat=True)} == {"mark"}
