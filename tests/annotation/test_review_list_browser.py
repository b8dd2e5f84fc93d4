"""The list of what is in review, in a real Chromium: worked by keyboard, and laid out for the desk and the phone."""

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from annotation import services
from annotation.models import Example, Lease, Review, Revision
from core.models import User
from tests.support import look
from tests.support.factories import World, make_example, make_world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.django_db(transaction=True)]
TABLET = (768, 900)


@pytest.fixture
def desk(transactional_db: None) -> World:
    world = make_world()
    make_example(
        world.project, completion="Your container left Rotterdam on Monday. You can collect it on Thursday."
    )
    example = services.take_next(
        by=world.annotator, project=world.project, purpose=Lease.Purpose.ANNOTATE
    ).example
    changed = {**example.content(), "tags": ["eta"], "slice": example.slice}
    changed["completion"] = "Your container left Rotterdam on Tuesday. You can collect it on Thursday."
    services.submit(by=world.annotator, example=example, content=changed, base_revision=1)
    for words in ("It is held by customs.", "A word. " * 120, "We call you back today."):
        make_example(
            world.project, completion=words, status="in_review", submitted_by=world.annotator,
            submitted_at=timezone.now(), edge="off_topic" if words.startswith("We") else "",
        )  # fmt: skip
    make_example(world.project, status="in_review", submitted_by=world.reviewer, submitted_at=timezone.now())
    return world


def open_list(
    browser: Browser, base: str, world: World, size: tuple[int, int] = look.WIDE, theme: str = "light"
) -> Page:
    User.objects.filter(pk=world.reviewer.pk).update(theme=theme)
    context = browser.new_context(viewport={"width": size[0], "height": size[1]})
    look.sign_in(context, base, world.reviewer)
    page = context.new_page()
    page.goto(base + reverse("annotation:review-list", args=[world.project.slug]))
    return page


def test_rows_are_selected_and_decided_by_keyboard(desk: World, browser: Browser, live_server) -> None:
    page = open_list(browser, live_server.url, desk)
    bar = page.locator("#bulk-bar")
    expect(bar.get_by_text("Nothing selected")).to_be_visible()
    expect(bar.get_by_role("button", name="Accept")).to_be_disabled()
    rows = page.locator("[data-pick]")
    free = rows.locator("input:not(:disabled)")
    page.keyboard.press("j")
    expect(free.first).to_be_focused()
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("Space")
    expect(bar.get_by_text("2 selected")).to_be_visible()
    page.keyboard.press("k")
    expect(free.first).to_be_focused()
    # One of them changes while the list is read: it is left, and named.
    changed = Example.objects.get(pk=int(free.nth(1).input_value().partition(":")[0]))
    Example.objects.filter(pk=changed.pk).update(revision=7, completion="Nobody read this.")
    Revision.objects.create(example=changed, number=7, reason="submitted", content=changed.content())
    page.keyboard.press("a")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Use this only for examples that you have already read.")
    expect(dialog.get_by_role("button", name="Accept 2")).to_be_focused()
    look.follow(page, "Enter")
    expect(page.get_by_text("1 accepted.")).to_be_visible()
    expect(page.get_by_text(f"#{changed.pk} changed after you loaded the list.")).to_be_visible()
    changed.refresh_from_db()
    assert changed.status == "in_review"
    look.follow(page, "u")
    expect(page.get_by_text("1 back in review.")).to_be_visible()
    assert not Example.objects.filter(status="approved").exists()


def test_many_are_sent_back_with_one_comment_and_one_undo(desk: World, browser: Browser, live_server) -> None:
    page = open_list(browser, live_server.url, desk)
    page.get_by_label("Select all on this page").check()
    page.keyboard.press("b")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Comment for all of them")).to_be_focused()
    # Without a comment the question comes again, with the selection kept.
    look.follow(page, "Control+Enter")
    expect(page.get_by_role("dialog").get_by_text("Say what would be right.", exact=True)).to_be_visible()
    expect(page.locator("#bulk-bar").get_by_text("4 selected")).to_be_visible()
    page.keyboard.type("Name the port.")
    look.follow(page, "Control+Enter")
    expect(page.get_by_text("4 sent back.")).to_be_visible()
    assert set(Review.objects.values_list("verdict", "comment")) == {("returned", "Name the port.")}
    page.get_by_role("button", name="Undo all 4").click()
    expect(page.get_by_text("4 back in review.")).to_be_visible()
    assert Example.objects.filter(status="in_review").count() == 5


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [look.WIDE, TABLET, look.PHONE], ids=["desk", "tablet", "phone"])
def test_the_list_is_without_fault(
    size: tuple[int, int], theme: str, desk: World, browser: Browser, live_server
) -> None:
    page = open_list(browser, live_server.url, desk, size, theme)
    complaints = look.watch(page)
    page.locator("[data-pick] input:not(:disabled)").first.check()
    # What is decided with the selection is in reach without scrolling, and the answer is read in its row.
    expect(page.locator("#bulk-bar").get_by_role("button", name="Send back 1")).to_be_in_viewport()
    expect(page.locator("[data-pick] del").first).to_have_text("Monday")
    assert look.faults(page) == []
    page.keyboard.press("b")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert look.faults(page) == []
    assert complaints == []
