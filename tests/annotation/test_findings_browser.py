"""The page of findings in a real Chromium: selected and settled by keyboard, and laid out for the desk and the phone."""

from collections.abc import Iterator

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from annotation.models import Example, ExampleFinding
from annotation.services.found import check_and_store
from annotation.services.quality import start_check
from core.models import Run, User
from tests.support import look
from tests.support.checks import check_of_spaces
from tests.support.factories import World, make_example, make_world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.django_db(transaction=True)]


@pytest.fixture
def desk(transactional_db: None) -> Iterator[World]:
    world = make_world()
    with check_of_spaces():
        for words, status in (
            ("Your container  left Rotterdam on time.", "queued"),
            ("Please write to jo@acme-freight.de, or call us. " * 3, "approved"),
            ("We paid 412.50 EUR to you  on 3 May 2027. Your reference is FD-20771.", "in_review"),
        ):
            example = make_example(world.project, completion=words, status=status, context=["FD-1 | at sea"])
            check_and_store(example, example.content(), world.project)
        yield world


def open_findings(
    browser: Browser, base: str, world: World, size: tuple[int, int], theme: str = "light"
) -> Page:
    User.objects.filter(pk=world.reviewer.pk).update(theme=theme)
    context = browser.new_context(viewport={"width": size[0], "height": size[1]})
    look.sign_in(context, base, world.reviewer)
    page = context.new_page()
    page.goto(base + reverse("quality:findings", args=[world.project.slug]))
    return page


def test_findings_are_selected_fixed_dismissed_and_undone(desk: World, browser: Browser, live_server) -> None:
    page = open_findings(browser, live_server.url, desk, look.WIDE)
    expect(page.locator("#bulk-bar").get_by_text("Nothing selected")).to_be_visible()
    page.get_by_label("Check", exact=True).select_option("spaces")
    expect(page.locator("[data-pick]")).to_have_count(2)
    page.get_by_label("Select all on this page").check()
    page.keyboard.press("f")
    expect(page.get_by_role("dialog")).to_contain_text("You can undo it for ten minutes.")
    look.follow(page, "Enter")
    expect(page.get_by_text("2 findings fixed, in 2 examples.")).to_be_visible()
    assert not Example.objects.filter(completion__contains="  ").exists()
    look.follow(page, "u")
    assert Example.objects.filter(completion__contains="  ").count() == 2
    expect(page.locator("[data-pick]")).to_have_count(2)
    # A reason is needed, and the browser says so before anything is sent.
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("d")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Dismiss 1").click()
    expect(dialog).to_be_visible()
    page.keyboard.type("As agreed.")
    look.follow(page, "Control+Enter")
    expect(page.get_by_text("1 finding dismissed, in 1 example.")).to_be_visible()
    assert ExampleFinding.objects.get(status="dismissed").reason == "As agreed."


def test_the_bar_follows_the_filters(desk: World, browser: Browser, live_server) -> None:
    page = open_findings(browser, live_server.url, desk, look.WIDE)
    found = page.locator("[data-pick]").first
    found.get_by_text("Dismiss", exact=True).first.click()
    found.get_by_label("Why it needs no change").fill("As agreed.")
    look.follow(page, "Enter")
    status = page.get_by_label("Status", exact=True)
    status.select_option("dismissed")
    expect(page.locator("[data-pick]")).to_have_count(1)
    again = page.locator("#bulk-bar").get_by_role("button", name="Open again")
    expect(again).to_be_disabled()
    status.select_option("fixed")
    expect(page.locator("#pick-foot")).to_be_hidden()
    status.select_option("dismissed")
    page.get_by_label("Select all on this page").check()
    again.click()
    expect(page.get_by_text("1 finding opened again")).to_be_visible()


def test_a_decision_keeps_the_place_in_the_list(desk: World, browser: Browser, live_server) -> None:
    page = open_findings(browser, live_server.url, desk, (1240, 300))
    row = page.locator("[data-pick]").nth(1)
    name = page.locator("[data-pick] input[type=checkbox]").nth(2).get_attribute("aria-label")
    row.get_by_text("Dismiss", exact=True).first.click()
    row.get_by_label("Why it needs no change").fill("As agreed.")
    top = row.bounding_box()
    look.follow(page, "Enter")
    there = page.locator("[data-pick]").nth(1)
    expect(there.locator("input[type=checkbox]")).to_be_focused()
    expect(there.locator("input[type=checkbox]")).to_have_attribute("aria-label", str(name))
    now = there.bounding_box()
    assert top and now and abs(top["y"] - now["y"]) < 2


def test_the_end_of_a_check_does_not_take_what_is_being_typed(
    desk: World, browser: Browser, live_server
) -> None:
    run = start_check(by=desk.reviewer, project=desk.project)
    page = open_findings(browser, live_server.url, desk, look.WIDE)
    expect(page.locator("[data-run-status=queued]")).to_be_visible()
    row = page.locator("[data-pick]").first
    row.get_by_text("Dismiss", exact=True).first.click()
    row.get_by_label("Why it needs no change").fill("As agr")
    Run.objects.filter(pk=run.pk).update(status="succeeded", finished_at=timezone.now())
    expect(page.locator("#toasts").get_by_text("This page stays as it is while you write.")).to_be_visible()
    expect(row.get_by_label("Why it needs no change")).to_have_value("As agr")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [look.WIDE, look.PHONE], ids=["desk", "phone"])
def test_the_pages_are_without_fault(
    size: tuple[int, int], theme: str, desk: World, browser: Browser, live_server
) -> None:
    page = open_findings(browser, live_server.url, desk, size, theme)
    complaints = look.watch(page)
    expect(page.locator("[data-pick]").first).to_be_visible()
    look.picture(page, f"findings-{theme}-{size[0]}")
    assert look.faults(page) == []
    page.locator("[data-pick] input[type=checkbox]").first.check()
    page.keyboard.press("d")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert look.faults(page) == []
    page.keyboard.press("Escape")
    page.locator("[data-pick] header a").first.click()
    expect(page.get_by_role("heading", name="Findings of the checks")).to_be_visible()
    page.locator(".found-dismiss summary").first.click()
    look.picture(page, f"example-findings-{theme}-{size[0]}")
    assert look.faults(page) == []
    assert complaints == []
