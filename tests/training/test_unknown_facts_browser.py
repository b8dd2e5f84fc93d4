"""Unknown facts in a real Chromium: the page, the finding with its answers, leaving an example out and undoing it, and the editor."""

from collections.abc import Iterator

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from annotation.models import Example
from core.models import Membership, Run, User
from tests.support import look
from tests.support.factories import World, make_base_model, make_example, make_run, make_world
from training.knowledge import ASK
from training.services.knowledge import AskedExample, AskedFact, note_asked

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.django_db(transaction=True)]
TEXT = "FD-41007 arrives on 25 Nov, and the storage costs EUR 4,380 a day until you collect it."
ANSWERS = [
    "I'm sorry for any confusion, but I do not see a price.",
    "The storage costs EUR 12.",
    "",
    "It is free.",
    "Ask the port.",
]


@pytest.fixture
def desk(transactional_db: None) -> Iterator[World]:
    world = make_world()
    Membership.objects.filter(project=world.project, user=world.reviewer).update(
        roles=["annotator", "reviewer"]
    )
    base = make_base_model(name="SmolLM2 135M", slug="smollm2-135m")
    counts = {
        "read": 2,
        "rows": 2,
        "asked": 2,
        "unknown": 2,
        "known": 0,
        "changed": 0,
        "no_prompt": 0,
        "too_long": 1,
    }
    make_run(
        world.project,
        kind=ASK,
        status=Run.Status.SUCCEEDED,
        finished_at=timezone.now(),
        title="Ask",
        params={"base_model": base.pk, "counts": counts},
    )
    at = TEXT.index("EUR")
    for status in ("queued", "approved"):
        example = make_example(
            world.project,
            "Where are my tiles?",
            TEXT,
            context=["FD-41007 | at sea | ETA 25 Nov"],
            status=status,
        )
        facts = [AskedFact("EUR 4,380", at, at + 9, 0)]
        asked = AskedExample(example.pk, example.content_hash, example.content(), "d" * 64, facts, ANSWERS)
        note_asked(project=world.project, base_model=base, asked=[asked])
    yield world


def opened(
    browser: Browser,
    base: str,
    world: World,
    name: str,
    size: tuple[int, int] = look.WIDE,
    theme: str = "light",
) -> Page:
    User.objects.filter(pk=world.reviewer.pk).update(theme=theme)
    context = browser.new_context(viewport={"width": size[0], "height": size[1]})
    look.sign_in(context, base, world.reviewer)
    page = context.new_page()
    page.goto(base + reverse(name, args=[world.project.slug]))
    return page


@pytest.mark.parametrize("name", ["training:knowledge", "quality:findings"])
@pytest.mark.parametrize(("size", "theme"), [(look.WIDE, "light"), (look.PHONE, "dark")])
def test_the_pages_are_laid_out_well(desk, browser: Browser, live_server, name, size, theme) -> None:
    page = opened(browser, live_server.url, desk, name, size, theme)
    if name == "quality:findings":
        page.get_by_text("What SmolLM2 135M answered").first.click()
        expect(page.get_by_text("(an empty answer)").first).to_be_visible()
    look.picture(page, f"{name.replace(':', '-')}-{size[0]}-{theme}")
    assert look.faults(page) == []


def test_an_example_is_left_out_and_that_is_undone(desk, browser: Browser, live_server) -> None:
    page = opened(browser, live_server.url, desk, "quality:findings")
    row = page.locator("[data-pick]").first
    row.get_by_role("button", name="Leave").click()
    expect(page.get_by_role("dialog")).to_contain_text("You can undo this for ten minutes.")
    look.picture(page, "unknown-facts-leave-out")
    page.get_by_role("dialog").get_by_role("button", name="Leave it out").click()
    expect(
        page.get_by_text("1 finding settled by leaving out what they are about, in 1 example.")
    ).to_be_visible()
    assert Example.objects.filter(status="retired").count() == 1
    expect(page.locator("[data-pick]")).to_have_count(1)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("[data-pick]")).to_have_count(2)
    assert not Example.objects.filter(status="retired").exists()


def test_add_the_record_opens_the_records(desk, browser: Browser, live_server) -> None:
    page = opened(browser, live_server.url, desk, "quality:findings")
    approved = page.locator("[data-pick]").filter(has_text="approved")
    approved.get_by_role("button", name="Add the record").click()
    expect(page.get_by_role("dialog")).to_contain_text("a reviewer reads it again")
    page.get_by_role("dialog").get_by_role("button", name="Add the record").click()
    expect(page.get_by_role("button", name="Add a record")).to_be_visible()
    look.picture(page, "unknown-facts-editor")
    assert Example.objects.filter(status="approved").count() == 0
