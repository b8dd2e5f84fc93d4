"""The editor and the review page in a real Chromium: by keyboard alone, with the server away, in both themes."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from annotation import services
from annotation.models import Draft, Example, Lease, Review
from core.models import Role, User
from tests.support import look
from tests.support.factories import World, join, make_example, make_user, make_world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.django_db(transaction=True)]
ANNOTATE, REVIEW = Lease.Purpose.ANNOTATE, Lease.Purpose.REVIEW


@pytest.fixture
def desk(transactional_db: None) -> World:
    world = make_world()
    world.project.guideline = "# How we answer\n\nName the cause, then the **next step**."
    world.project.save()
    make_example(
        world.project,
        completion="It is held in Rotterdam since 14 November.",
        context=["container GHLU 204418-7 | unloaded 2026-11-14"],
        edge="angry_customer",
        slice="customs documents",
        messages=[
            {"role": "user", "content": "Where is GHLU 204418-7?"},
            {"role": "assistant", "content": "Let me look."},
            {"role": "user", "content": "So?"},
        ],
    )
    make_example(world.project, slice="delivery delay")
    return world


def open_page(browser: Browser, base: str, user: User, path: str, size: tuple[int, int] = look.WIDE) -> Page:
    context = browser.new_context(viewport={"width": size[0], "height": size[1]})
    look.sign_in(context, base, user)
    page = context.new_page()
    page.goto(base + path)
    return page


def url(world: World, name: str, *args: object) -> str:
    return reverse(f"annotation:{name}", args=[world.project.slug, *args])


def test_a_turn_by_keyboard_alone(desk: World, browser: Browser, live_server) -> None:
    page = open_page(browser, live_server.url, desk.annotator, url(desk, "overview"))
    look.follow(page, "s")
    expect(page).to_have_title(re.compile("Customs documents"))
    expect(page.locator("#completion")).to_be_focused()
    # What the records hold is marked on both sides.
    expect(page.locator("gh-marked[data-field=completion] mark.ok")).to_have_text(["14 November"])
    expect(page.locator("gh-marked[data-field=context] mark.ok")).to_have_text(["2026-11-14"])
    page.keyboard.press("Control+a")
    page.keyboard.type("GHLU 204418-7 comes on 3 May.")
    expect(page.locator(".find .tag.bad")).to_contain_text("facts")
    expect(page.locator("gh-marked[data-field=completion] mark.bad")).to_have_text(["3 May"])
    # A turn and a record are added and one is taken away and back, without the mouse.
    page.keyboard.press("Alt+r")
    page.keyboard.type("gate open until 3 May")
    expect(page.locator(".find .tag.bad")).to_have_count(0)
    look.follow(page, "Control+Enter")
    expect(page).to_have_title(re.compile("Delivery delay"))
    example = Example.objects.get(status="in_review")
    assert example.completion == "GHLU 204418-7 comes on 3 May."
    assert example.context[-1] == "gate open until 3 May"
    assert example.submitted_by == desk.annotator
    # Letters are keys only outside of fields.
    page.keyboard.type("j")
    expect(page).to_have_title(re.compile("Delivery delay"))
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    expect(page.get_by_role("complementary", name="Guideline")).to_be_visible()
    page.keyboard.press("Escape")
    look.follow(page, "u")
    expect(page).to_have_title(re.compile("Customs documents"))
    assert Example.objects.get(pk=example.pk).status == "queued"
    look.follow(page, "Alt+j")
    expect(page).to_have_title(re.compile("Delivery delay"))
    assert Lease.objects.filter(outcome="skipped").count() == 1


def test_an_objection_asks_for_a_reason_without_leaving_the_keyboard(
    desk: World, browser: Browser, live_server
) -> None:
    page = open_page(browser, live_server.url, desk.annotator, url(desk, "overview"))
    look.follow(page, "s")
    expect(page.locator("#completion")).to_be_focused()
    page.keyboard.press("Control+a")
    page.keyboard.type("FD-99999 is lost.")
    page.keyboard.press("Control+Enter")  # the form comes back in its place
    expect(page.locator("#reason")).to_be_focused()
    expect(page.locator("#completion")).to_have_value("FD-99999 is lost.")
    expect(page.get_by_text("open in another tab")).to_have_count(
        0
    )  # the form of before is not another tab's
    page.keyboard.type("The carrier told us.")
    look.follow(page, "Control+Enter")
    expect(page).to_have_title(re.compile("Delivery delay"))
    assert Example.objects.get(status="in_review").revisions.get(number=2).note == "The carrier told us."
    # The draft that was on its way when the pair was sent must not come back as a leftover of this browser.
    page.wait_for_load_state("networkidle")
    assert page.evaluate("Object.keys(localStorage).filter((key) => key.startsWith('gh-draft'))") == []


def test_words_survive_leaving_the_page(desk: World, browser: Browser, live_server) -> None:
    page = open_page(browser, live_server.url, desk.annotator, url(desk, "overview"))
    look.follow(page, "s")
    expect(page.locator("#completion")).to_be_focused()
    page.keyboard.press("Control+a")
    page.keyboard.type("Half an answer")
    where = page.url
    # Leaving at once, before the pause in typing that would have saved it.
    page.goto("about:blank")
    again = browser.new_context()
    look.sign_in(again, live_server.url, desk.annotator)
    page = again.new_page()
    for _ in range(20):
        page.goto(where)
        if page.get_by_text("This is your draft of").count():
            break
    expect(page.locator("#completion")).to_have_value("Half an answer")
    expect(page.get_by_text("This is your draft of")).to_be_visible()


def test_words_survive_a_server_that_is_away(desk: World, browser: Browser, live_server) -> None:
    page = open_page(browser, live_server.url, desk.annotator, url(desk, "overview"))
    look.follow(page, "s")
    expect(page.locator("#completion")).to_be_focused()
    page.context.set_offline(True)
    page.keyboard.press("Control+a")
    page.keyboard.type("Typed while away")
    page.keyboard.press("Alt+u")
    page.keyboard.type("And when?")
    expect(page.locator("#keep .saved-state")).to_contain_text(
        "You are offline. Saved on this device. Trying again."
    )
    # Even a reload loses nothing: the browser offers its copy, the added turn included.
    # The server does not take it before the reload either: online again, the page saves at once.
    page.route("**/draft/", lambda route: route.abort())
    page.context.set_offline(False)
    page.reload()
    page.unroute("**/draft/")
    page.get_by_role("button", name="Restore").click()
    expect(page.locator("#completion")).to_have_value("Typed while away")
    expect(page.locator("textarea[name=message]").last).to_have_value("And when?")
    expect(page.locator("#keep .saved-state")).to_contain_text("Draft saved")
    content = Draft.objects.get().content
    assert content["completion"] == "Typed while away"
    assert [m["content"] for m in content["messages"]][-1] == "And when?"


def test_two_tabs_do_not_write_over_each_other(desk: World, browser: Browser, live_server) -> None:
    first = open_page(browser, live_server.url, desk.annotator, url(desk, "overview"))
    look.follow(first, "s")
    second = first.context.new_page()
    second.goto(first.url)
    first.locator("#completion").fill("Written in the first tab.")
    expect(first.locator("#keep .saved-state")).to_contain_text("Draft saved")
    second.locator("#completion").fill("Written in the second tab.")
    expect(second.locator("#keep .saved-state")).to_contain_text("Not saved. Another tab or browser of yours")
    first.locator("#completion").fill("Written in the first tab. And more.")
    look.soon(first, lambda: "And more" in Draft.objects.get().content["completion"], "the first tab's draft")
    # The second tab loses nothing: it sees the newer draft, and its own words are offered.
    second.reload()
    expect(second.locator("#completion")).to_have_value("Written in the first tab. And more.")
    second.get_by_role("button", name="Restore").click()
    expect(second.locator("#completion")).to_have_value("Written in the second tab.")
    look.soon(second, lambda: "second" in Draft.objects.get().content["completion"], "the second tab's draft")


def test_a_lost_lease_is_told_and_the_words_stay(desk: World, browser: Browser, live_server) -> None:
    colleague = make_user("Ines Ferro")
    join(desk.project, colleague, Role.ANNOTATOR)
    page = open_page(browser, live_server.url, desk.annotator, url(desk, "overview"))
    look.follow(page, "s")
    expect(page.locator("#completion")).to_be_focused()
    example = Lease.objects.get().example
    Lease.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    services.take(by=colleague, example=example, purpose=ANNOTATE)
    page.keyboard.press("Control+a")
    page.keyboard.type("Typed too late.")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("alert").first).to_contain_text("Ines Ferro has it open")
    expect(page.locator("#completion")).to_have_value("Typed too late.")
    assert Draft.objects.get(user=desk.annotator).content["completion"] == "Typed too late."


def test_a_removed_turn_can_be_put_back(desk: World, browser: Browser, live_server) -> None:
    page = open_page(browser, live_server.url, desk.annotator, url(desk, "overview"))
    look.follow(page, "s")
    page.get_by_role("button", name="Remove this turn").nth(1).click()
    expect(page.locator("textarea[name=message]")).to_have_count(2)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("textarea[name=message]").nth(1)).to_have_value("Let me look.")


def test_reviewing_by_keyboard_alone(desk: World, browser: Browser, live_server) -> None:
    for _ in range(3):
        make_example(
            desk.project, status="in_review", submitted_by=desk.annotator, submitted_at=timezone.now(),
            edge="off_topic",
        )  # fmt: skip
    page = open_page(browser, live_server.url, desk.reviewer, url(desk, "review-list"))
    look.follow(page, "r")
    expect(page.get_by_role("heading", name="Your decision")).to_be_attached()
    first = page.url
    look.follow(page, "a")
    expect(page.locator("#toasts")).to_contain_text("accepted.")
    assert page.url != first
    look.follow(page, "u")
    assert page.url == first
    assert Review.objects.get().undone_at is not None
    page.keyboard.press("b")
    expect(page.locator("#comment")).to_be_focused()
    page.keyboard.type("Name the port.")
    look.follow(page, "Control+Enter")
    expect(page.locator("#toasts")).to_contain_text("sent back.")
    look.follow(page, "e")
    expect(page.locator("#completion")).to_be_focused()
    page.keyboard.press("Control+a")
    page.keyboard.type("Said better by the reviewer.")
    look.follow(page, "Control+Enter")
    expect(page.locator("#toasts")).to_contain_text("accepted.")
    assert Example.objects.get(status="approved").completion == "Said better by the reviewer."


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [look.WIDE, look.PHONE], ids=["desk", "phone"])
def test_pages_are_without_fault(
    theme: str, size: tuple[int, int], desk: World, browser: Browser, live_server
) -> None:
    everybody = make_user("Everything Member", theme=theme)
    join(desk.project, everybody, Role.ANNOTATOR, Role.REVIEWER)
    services.save_new_draft(by=everybody, project=desk.project, content={"completion": "Begun " * 30})
    item = services.take_next(by=everybody, project=desk.project, purpose=ANNOTATE).example
    services.save_draft(
        by=everybody, example=item, content={**item.content(), "completion": "Averyveryverylongword" * 20}
    )
    pair = make_example(
        desk.project, status="in_review", submitted_by=desk.annotator, submitted_at=timezone.now()
    )
    make_example(desk.project, status="in_review", submitted_by=everybody, submitted_at=timezone.now())
    services.take(by=everybody, example=pair, purpose=REVIEW)
    page = open_page(browser, live_server.url, everybody, url(desk, "overview"), size)
    complaints = look.watch(page)
    found = {}
    for path in (
        url(desk, "overview"), url(desk, "item", item.pk), url(desk, "write"), url(desk, "review-list"),
        url(desk, "review", pair.pk), url(desk, "correct", pair.pk),
    ):  # fmt: skip
        page.goto(live_server.url + path)
        page.wait_for_load_state("networkidle")
        if faults := look.faults(page):
            found[path] = faults
    assert found == {}
    assert complaints == []
