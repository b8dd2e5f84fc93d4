"""The buttons of findings in a real Chromium: one click changes every text that it names, and Control+Z takes it back."""

import os
from pathlib import Path

import pytest
from django.urls import reverse
from playwright.sync_api import Browser, Page, expect

from core.models import User
from tests.support import look
from tests.support.factories import World, make_example, make_world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.django_db(transaction=True)]
COMPLETION = "we dont have Mona\u2019s number, so please write to mona.okafor@gmail.com"


@pytest.fixture
def desk(transactional_db: None) -> World:
    world = make_world()
    make_example(
        world.project,
        completion=COMPLETION,
        context=["\U0001f4e6 contact: mona.okafor@gmail.com | gate 4"],
        messages=[{"role": "user", "content": "Is it mona.okafor@gmail.com?"}],
        slice="contacts",
    )
    return world


def open_page(browser: Browser, base: str, user: User, path: str, size: tuple[int, int]) -> Page:
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme="light")
    look.sign_in(context, base, user)
    page = context.new_page()
    page.goto(base + path)
    return page


def picture(page: Page, name: str) -> None:
    """Kept for people who want to look: PICTURES names a folder."""
    if folder := os.environ.get("PICTURES"):
        page.screenshot(path=Path(folder) / f"{name}.png")


def test_one_click_makes_a_fix_and_can_be_taken_back(desk: World, browser: Browser, live_server) -> None:
    page = open_page(browser, live_server.url, desk.annotator, f"/p/{desk.project.slug}/annotate/", look.WIDE)
    look.follow(page, "s")
    page.locator("#tab-checks").click()
    completion = page.locator("#completion")
    words = page.get_by_role("button", name="Replace with “don't”")
    expect(words).to_be_visible()
    picture(page, "editor-light")
    page.emulate_media(color_scheme="dark")
    picture(page, "editor-dark")
    words.click()
    expect(completion).to_have_value(COMPLETION.replace("dont", "don't"))
    expect(words).to_have_count(0)  # the next check is clean of it
    completion.focus()
    page.keyboard.press("Control+z")
    expect(completion).to_have_value(COMPLETION)
    # One person, one pseudonym: in the question, in the record behind a tab, and in the answer.
    page.get_by_role("button", name="Replace with", exact=False).filter(has_text="in 3 places").click()
    for field in ("completion", "message", "record"):
        expect(page.locator(f"textarea[name={field}]").first).not_to_have_value("mona.okafor@gmail.com")
    values = [
        page.locator(f"textarea[name={field}]").first.input_value()
        for field in ("completion", "message", "record")
    ]
    (name,) = {word.strip("?.|") for value in values for word in value.split() if "@" in word}
    assert name.endswith("@example.com") and all("gmail" not in value for value in values)
    assert values[2] == f"\U0001f4e6 contact: {name} | gate 4"
    expect(page.get_by_text("Nothing found:")).to_contain_text("secrets")
    assert look.faults(page) == []


def test_the_checks_of_a_project_are_chosen_on_a_phone_too(
    desk: World, browser: Browser, live_server
) -> None:
    path = reverse("annotation:check-settings", args=[desk.project.slug])
    page = open_page(browser, live_server.url, desk.admin, path, look.PHONE)
    picture(page, "settings-phone")
    assert look.faults(page) == []
    page.set_viewport_size({"width": look.WIDE[0], "height": look.WIDE[1]})
    picture(page, "settings-wide")
    page.get_by_label("Spelling:").uncheck()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The settings of the checks are saved.")).to_be_visible()
    desk.project.refresh_from_db()
    assert desk.project.checks_off == ["spelling"]
