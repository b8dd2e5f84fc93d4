"""The pages of this room in a real browser: streaming, stopping, correcting by keyboard; both themes, both widths."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from annotation.models import Example
from core.models import User
from inference.marks import AnswerMark
from inference.models import Answer, Deployment, Engine, WeightCheck
from inference.services import answer_now, ask, start_conversation
from tests.inference.conftest import Served, wait_for
from tests.support.factories import join, make_answer_row, make_version
from tests.support.look import PHONE, WIDE, faults, picture, sign_in, watch

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sent")]
Open = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser, live: str) -> Iterator[Open]:
    contexts = []

    def go(
        user: User, path: str, size: tuple[int, int] = WIDE, scheme: Any = "light", script: bool = True
    ) -> Page:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, java_script_enabled=script
        )
        contexts.append(context)
        sign_in(context, live, user)
        page = context.new_page()
        page.goto(f"{live}{path}")
        return page

    yield go
    for context in contexts:
        context.close()


def room(served: Served) -> str:
    return f"/p/{served.world.project.slug}/serve/"


def test_chat_by_keyboard(served: Served, open_page: Open) -> None:
    rater = served.world.rater
    page = open_page(rater, f"{room(served)}chat/")
    said = watch(page)
    page.locator("input[name=candidate]").first.focus()
    page.keyboard.press("Tab")
    page.keyboard.type("say: **FD-1** is at sea.")
    page.keyboard.press("Tab")
    page.keyboard.type("FD-1 | at sea")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".turn.bot strong")).to_have_text("FD-1")
    expect(page.locator("gh-chat textarea[name=text]")).to_be_focused()
    page.keyboard.type("say: <img src=x onerror=alert(1)>")
    page.keyboard.press("Enter")
    expect(page.locator(".turn.bot").nth(1)).to_contain_text("<img src=x onerror=alert(1)>")
    assert page.locator(".turn img").count() == 0

    # Stopped with Escape: what came is kept and the page goes on.
    page.keyboard.type("slow")
    page.keyboard.press("Enter")
    expect(page.locator(".turn.bot").nth(2)).to_contain_text("word3")
    page.keyboard.press("Escape")
    expect(page.locator(".turn.bot").nth(2).locator(".under")).to_contain_text("stopped")
    expect(page.get_by_role("button", name="Send")).to_be_visible()
    # Only the last answer can be asked for again.
    expect(page.locator("form.again")).to_have_count(1)

    third = page.locator(".turn.bot").nth(2)
    third.get_by_text("Correct this answer").click()
    third.get_by_role("textbox", name="The answer it should have given").fill("FD-1 is in Basel.")
    third.get_by_role("button", name="Send to annotation").click()
    expect(third).to_contain_text("is in the annotation queue")
    assert Example.objects.get().completion == "FD-1 is in Basel."
    assert said == []


def test_a_question_sent_too_early_goes_out_next(served: Served, open_page: Open) -> None:
    rater = served.world.rater
    chat = start_conversation(by=rater, project=served.world.project, version=served.adapter)
    page = open_page(rater, f"{room(served)}chat/{chat.pk}/")
    field = page.locator("gh-chat textarea[name=text]")
    field.fill("slow")
    page.keyboard.press("Enter")
    expect(page.locator(".turn.bot")).to_contain_text("word2")
    field.fill("say: and then this")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Your question is sent when this answer is complete.")).to_be_visible()
    expect(page.locator(".turn.bot").nth(1)).to_contain_text("and then this", timeout=60_000)
    expect(page.locator(".turn.bot").first).to_contain_text("word99")
    expect(field).to_have_value("")


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["desk", "phone"])
def test_the_form_to_correct_an_answer_opens_above_the_composer(
    size: tuple[int, int], served: Served, open_page: Open
) -> None:
    rater = served.world.rater
    chat = start_conversation(by=rater, project=served.world.project, version=served.adapter)
    for number in range(1, 4):
        make_answer_row(
            served.adapter, conversation=chat, user=rater, turn=number, text="A long answer. " * 30
        )
    page = open_page(rater, f"{room(served)}chat/{chat.pk}/", size=size)
    last = page.locator(".turn.bot").last
    last.locator("details.correct > summary").click()
    field = last.get_by_role("textbox", name="The answer it should have given")
    expect(field).to_be_focused()
    assert field.evaluate("one => one.selectionStart === one.value.length")
    box, composer = field.bounding_box(), page.locator(".composer").bounding_box()
    assert box and composer and 0 <= box["y"] and box["y"] + box["height"] <= composer["y"] + 1
    # Closed again, it leaves the focus where it is put.
    last.locator("details.correct > summary").click()
    expect(field).to_be_hidden()


@pytest.mark.parametrize("size", [WIDE, (768, 900), PHONE], ids=["desk", "tablet", "phone"])
def test_the_composer_stays_at_the_foot(size: tuple[int, int], served: Served, open_page: Open) -> None:
    rater = served.world.rater
    chat = start_conversation(by=rater, project=served.world.project, version=served.adapter)
    for number in range(1, 7):
        make_answer_row(
            served.adapter, conversation=chat, user=rater, turn=number, text="A long answer. " * 60
        )
    page = open_page(rater, f"{room(served)}chat/{chat.pk}/", size=size)
    field, send = (
        page.locator("gh-chat textarea[name=text]"),
        page.get_by_role("button", name="Send", exact=True),
    )
    for place in ("0", "document.body.scrollHeight / 2", "document.body.scrollHeight"):
        page.evaluate(f"window.scrollTo(0, {place})")
        expect(field).to_be_in_viewport(ratio=1)
        expect(send).to_be_in_viewport(ratio=1)
    # What gets the focus is not under it.
    page.locator("gh-copy button").first.focus()
    for _ in range(8):
        page.keyboard.press("Tab")
        hidden = page.evaluate(
            """() => {
                const at = document.activeElement.getBoundingClientRect();
                const foot = document.querySelector(".composer").getBoundingClientRect();
                const own = document.activeElement.matches("body, .composer *, .keys *");
                return !own && at.bottom > foot.top + 1 && at.top < foot.bottom;
            }"""
        )
        assert not hidden
    assert faults(page) == []


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_answer_is_marked_and_unmarked_by_keyboard(
    size: tuple[int, int], scheme: str, served: Served, open_page: Open
) -> None:
    rater, project = served.world.rater, served.world.project
    chat = start_conversation(by=rater, project=project, version=served.adapter)
    answer_now(ask(by=rater, conversation=chat, text="say: It is at sea."))
    page = open_page(rater, f"{room(served)}chat/{chat.pk}/", size, scheme)
    said = watch(page)
    page.get_by_role("button", name="Bad answer").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("You marked it bad")).to_be_visible()
    expect(page.get_by_label("Reason, optional")).to_be_focused()
    page.keyboard.type("It names no date.")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Reason, optional")).to_have_value("It names no date.")
    wait_for(lambda: AnswerMark.objects.filter(reason="It names no date.").exists(), "the reason")
    assert said == []  # a picture brings styles of its own
    picture(page, f"mark-{scheme}-{size[0]}")
    assert faults(page) == []
    page.get_by_role("button", name="Undo").press("Enter")
    expect(page.get_by_role("button", name="Good answer")).to_be_focused()
    assert not AnswerMark.objects.exists()


def test_asking_again_replaces_the_answer(served: Served, open_page: Open) -> None:
    rater = served.world.rater
    chat = start_conversation(by=rater, project=served.world.project, version=served.adapter)
    answer_now(ask(by=rater, conversation=chat, text="say: once"))
    page = open_page(rater, f"{room(served)}chat/{chat.pk}/")
    page.get_by_role("button", name="Ask again").click()
    expect(page.locator(".turn.bot .under")).to_contain_text("answer 2")
    expect(page.locator(".turn.bot")).to_have_count(1)
    assert Answer.objects.filter(turn=1).count() == 2


def test_closing_the_tab_stores_what_came(served: Served, open_page: Open) -> None:
    rater = served.world.rater
    chat = start_conversation(by=rater, project=served.world.project, version=served.adapter)
    page = open_page(rater, f"{room(served)}chat/{chat.pk}/")
    page.locator("gh-chat textarea[name=text]").fill("slow")
    page.keyboard.press("Enter")
    expect(page.locator(".turn.bot")).to_contain_text("word4")
    page.close()
    wait_for(lambda: Answer.objects.filter(status="stopped").exists(), "the end being noted")
    assert Answer.objects.get().text.startswith("word0 word1 word2 word3 word4")


def test_an_engine_that_is_away_gives_the_words_back(served: Served, open_page: Open) -> None:
    rater = served.world.rater
    chat = start_conversation(by=rater, project=served.world.project, version=served.adapter)
    page = open_page(rater, f"{room(served)}chat/{chat.pk}/")
    Engine.objects.update(status=Engine.Status.STARTING)
    page.locator("gh-chat textarea[name=text]").fill("say: hello")
    page.keyboard.press("Enter")
    expect(page.locator(".chat-form .refusal .error")).to_contain_text(
        "The engine is starting, usually 40 s."
    )
    expect(page.locator("gh-chat textarea[name=text]")).to_have_value("say: hello")
    Engine.objects.update(status=Engine.Status.UP)
    page.keyboard.press("Enter")
    expect(page.locator(".turn.bot")).to_contain_text("hello")


def test_without_script(served: Served, open_page: Open) -> None:
    rater = served.world.rater
    chat = start_conversation(by=rater, project=served.world.project, version=served.adapter)
    page = open_page(rater, f"{room(served)}chat/{chat.pk}/", script=False)
    page.locator("textarea[name=text]").first.fill("say: plain")
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".turn.bot")).to_contain_text("plain")


def fill(served: Served) -> tuple[Any, Answer]:
    """A conversation, answers of all kinds, and a version of each state."""
    from dataset.models import DatasetRow, DatasetVersion
    from tests.support.factories import make_example

    world = served.world
    chat = start_conversation(
        by=world.admin,
        project=world.project,
        version=served.adapter,
        context="FD-40218 | MV Aurelia | Hamburg > Chennai | ETA 19 Nov | status: transhipment Colombo",
    )
    answer_now(
        ask(
            by=world.admin,
            conversation=chat,
            text="say: FD-40218 is in Colombo, waiting to change vessels, and the planned arrival in Chennai is 19 Nov. "
            "Your next step: none for now.\n\n- You hear from us when the container is loaded.",
        )
    )
    made = Answer.objects.get()
    for number in range(30):
        make_answer_row(served.adapter, f"Answer number {number} about a shipment.", user=world.admin)
    make_answer_row(served.base, "It broke", status="failed", error="It stopped in the middle of the answer.")
    waiting = make_version(world.project, world.admin, base_model=served.base.base_model, number=8)
    Deployment.objects.create(
        version=waiting, status="failed", error="The engine refused it: DoRA is not yet supported."
    )
    make_version(world.project, world.admin, base_model=served.base.base_model, number=9, status="ready")
    dataset: DatasetVersion = served.adapter.training_run.dataset
    for position in range(25):
        example = make_example(
            world.project, f"Where is FD-{position}?", "At sea.", submitted_by=world.annotator
        )
        DatasetRow.objects.create(
            dataset=dataset,
            example=example,
            revision=example.revisions.get(),
            position=position,
            split="train",
            row_hash="0",
        )
    return chat, made


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_pages_are_in_order(served: Served, open_page: Open, scheme: str, size: tuple[int, int]) -> None:
    chat, made = fill(served)
    now = timezone.now()
    for outcome, reason, marked in (
        ("passed", "", None),
        ("failed", "Beside an adapter, the base differs.", 3),
    ):
        WeightCheck.objects.create(
            engine=served.engine, outcome=outcome, reason=reason, marked=marked, process="x", began_at=now, ended_at=now,
            models_checked=["smollm2", "one"],
        )  # fmt: skip
    Answer.objects.filter(pk=made.pk).update(doubt="These words may come from other weights.")
    Answer.objects.filter(conversation=chat).update(doubt="These words may come from other weights.")
    join(served.world.project, served.world.stranger, "rater")
    found = []
    pages = {
        "serve": (served.world.admin, ""),
        "checks": (served.world.admin, f"engines/{served.engine.pk}/checks/"),
        "chat": (served.world.admin, "chat/"),
        "conversation": (served.world.admin, f"chat/{chat.pk}/"),
        "answers": (served.world.admin, "answers/"),
        "answer": (served.world.admin, f"answers/{made.public_id}/"),
        "chat-blind": (served.world.rater, "chat/"),
    }
    for name, (person, path) in pages.items():
        page = open_page(person, f"{room(served)}{path}", size, scheme)
        said = watch(page)
        page.reload()
        page.wait_for_load_state("networkidle" if name != "serve" else "load")
        if name == "conversation":
            page.get_by_text("Correct this answer").click()
        picture(page, f"inference-{name}-{scheme}-{size[0]}")
        found += [f"{name}: {fault}" for fault in [*said, *faults(page)]]
        page.close()
    assert found == []


def test_serve_page_loads_and_unloads(served: Served, open_page: Open) -> None:
    page = open_page(served.world.admin, room(served))
    row = page.get_by_role("row", name=re.compile("Small Language"))
    row.get_by_role("button", name="Unload").click()
    page.get_by_role("dialog").get_by_role("button", name="Unload").click()
    expect(row).to_contain_text("unloading")
    expect(page.get_by_text("is being unloaded")).to_be_visible()
    Deployment.objects.filter(version=served.base).update(status="unloaded")
    expect(row.get_by_role("button", name="Load")).to_be_visible(timeout=9000)
    assert page.get_by_role("row", name=re.compile("v7")).get_by_role("button", name="Unload").count() == 0
