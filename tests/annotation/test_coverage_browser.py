"""Coverage, a task from a hole, and the map, in a real Chromium: worked by keyboard, in both themes, for the desk and the phone."""

import random

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from annotation.models import AuthoringTask, Category, Example
from annotation.runner.mapping import make_map
from annotation.services.adopting import adopt_slices
from annotation.services.coverage import create_task, set_target
from annotation.services.found import check_and_store
from annotation.services.mapping import start_map
from core.models import Run, User
from dataset.models import Source
from tests.support import look
from tests.support.factories import World, make_example, make_world, quiet

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.django_db(transaction=True)]
SLICES = {"customs and duties": 26, "refunds": 40, "delays at sea": 12, "dangerous goods": 3}
WORDS = {
    "customs and duties": "duties customs tariff broker clearance declaration",
    "refunds": "refund money invoice payment charged credit",
    "delays at sea": "late vessel arrival harbour schedule storm",
    "dangerous goods": "battery hazard label certificate packing acid",
}


@pytest.fixture
def desk(transactional_db: None) -> World:
    world, dice = make_world(), random.Random(1)
    Source.objects.create(project=world.project, name="desk 2025")
    for name, n in SLICES.items():
        for at in range(n):
            words = " ".join(dice.sample(WORDS[name].split(), 3))
            make_example(
                world.project, question=f"When is the {words} of my shipment?", slice=name, source="desk 2025" if at % 3 else None,
                status="approved" if at % 4 else "in_review", completion="It is on its way. " * (1 + 12 * (at % 4)),
                edge="angry_customer" if name == "customs and duties" and at % 2 else "",
                submitted_by=world.annotator, submitted_at=timezone.now(),
            )  # fmt: skip
    adopt_slices(world.project, origin=Category.Origin.IMPORT)
    set_target(
        by=world.admin, project=world.project, slice="dangerous goods", amount=80, owner=world.annotator
    )
    set_target(by=world.admin, project=world.project, edge="angry_customer", amount=20, unit="share")
    set_target(by=world.admin, project=world.project, slice="refunds", edge="angry_customer", amount=15)
    one = create_task(
        by=world.admin, project=world.project, slice="delays at sea", quota=20, owner=world.annotator,
        wanted="Customers who ask twice when a storm delays them", due_on=timezone.localdate(),
    )  # fmt: skip
    Example.objects.filter(slice="delays at sea").update(task=one)
    for at, question in enumerate(
        ("This is ridiculous, I am furious. My shipment is late for the third time.",
         "Wo bleibt meine Sendung? Ich warte seit zwei Wochen auf die Lieferung aus Hamburg.")
    ):  # fmt: skip
        make_example(
            world.project, question=question, slice="refunds", status="approved", completion=f"Sorry {at}."
        )
    for example in Example.objects.filter(project=world.project)[5:]:
        check_and_store(example, example.content(), world.project)
    set_target(by=world.admin, project=world.project, mood="angry", amount=20)
    set_target(by=world.admin, project=world.project, language="fr", amount=10)
    made = start_map(by=world.admin, project=world.project)
    make_map(made, report=quiet)
    Run.objects.filter(pk=made.run_id).update(status="succeeded")
    return world


def open_page(
    browser: Browser, base: str, who: User, path: str, size: tuple[int, int] = look.WIDE, theme: str = "light"
) -> Page:
    User.objects.filter(pk=who.pk).update(theme=theme)
    context = browser.new_context(viewport={"width": size[0], "height": size[1]})
    look.sign_in(context, base, who)
    page = context.new_page()
    page.goto(base + path)
    return page


def test_a_hole_becomes_a_task_and_an_example_by_keyboard(desk: World, browser: Browser, live_server) -> None:
    slug = desk.project.slug
    page = open_page(browser, live_server.url, desk.admin, reverse("quality:coverage", args=[slug]))
    expect(page.get_by_text("dangerous goods has 2 of 80 wanted")).to_be_visible()
    ask = page.get_by_role("button", name="more: dangerous goods")
    ask.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="dangerous goods")).to_be_visible()
    task = AuthoringTask.objects.latest("pk")
    assert (task.quota, task.owner) == (78, desk.annotator)
    page = open_page(
        browser, live_server.url, desk.annotator, reverse("annotation:task", args=[slug, task.pk])
    )
    page.get_by_role("link", name="Write for this task").press("Enter")
    expect(page.get_by_label("Slice", exact=True)).to_have_value("dangerous goods")
    expect(page.get_by_label("Task", exact=True)).to_have_value(str(task.pk))
    page.locator("textarea[name=message]").fill("May I send batteries?")
    page.locator("#completion").fill("You may, with a label for dangerous goods.")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("1 of 78 for this task")).to_be_visible()
    assert Example.objects.get(task=task).edge == ""


@pytest.mark.parametrize("size", [look.WIDE, look.PHONE])
def test_a_mood_that_is_missing_becomes_a_task_in_a_slice(
    desk: World, browser: Browser, live_server, size: tuple[int, int]
) -> None:
    """From the bar of a mood to its examples, and to a task for angry questions about refunds."""
    slug = desk.project.slug
    where = reverse("quality:coverage", args=[slug])
    page = open_page(browser, live_server.url, desk.admin, where, size)
    expect(page.get_by_text("Mood “angry” has 1 of 20 wanted")).to_be_visible()
    expect(page.get_by_text("5 examples were not read for language and mood yet")).to_be_visible()
    page.locator("#moods").get_by_role("link", name="Angry", exact=True).click()
    expect(page.get_by_text("This is ridiculous")).to_be_visible()
    expect(page.get_by_text("Wo bleibt meine Sendung")).to_have_count(0)
    page.goto(f"{live_server.url}{where}")
    page.locator("#languages").get_by_role("link", name="German", exact=True).click()
    expect(page.get_by_text("Wo bleibt meine Sendung")).to_be_visible()
    page.goto(live_server.url + reverse("annotation:task-new", args=[slug]))
    page.locator("select[name=slice]").select_option("refunds")
    page.locator("select[name=mood]").select_option("angry")
    page.get_by_role("button", name="Open the task").click()
    expect(page.get_by_role("heading", name="Angry customer, refunds")).to_be_visible()
    page.goto(live_server.url + reverse("quality:coverage-map", args=[slug]))
    page.get_by_role("link", name="mood", exact=True).click()
    expect(page.locator(".map-legend").get_by_text("not read yet")).to_be_visible()
    page.context.close()


def test_the_pages_are_readable_in_every_size_and_theme(desk: World, browser: Browser, live_server) -> None:
    slug = desk.project.slug
    task, kind = AuthoringTask.objects.earliest("pk"), Category.objects.get(key="refunds")
    pages = {
        "coverage": (desk.admin, reverse("quality:coverage", args=[slug])),
        "map": (desk.admin, reverse("quality:coverage-map", args=[slug])),
        "map-by-mood": (desk.admin, reverse("quality:coverage-map", args=[slug]) + "?colour=mood"),
        "angry": (desk.viewer, reverse("annotation:examples", args=[slug]) + "?mood=angry"),
        "target-of-a-mood": (desk.admin, reverse("quality:coverage-target", args=[slug]) + "?mood=angry"),
        "task-new": (desk.admin, reverse("annotation:task-new", args=[slug]) + "?mood=angry&slice=refunds"),
        "lists": (desk.admin, reverse("annotation:categories", args=[slug])),
        "category": (desk.admin, reverse("annotation:category", args=[slug, kind.pk])),
        "target": (desk.admin, reverse("quality:coverage-target", args=[slug]) + "?slice=refunds"),
        "tasks": (desk.annotator, reverse("annotation:tasks", args=[slug])),
        "task": (desk.admin, reverse("annotation:task", args=[slug, task.pk])),
        "desk": (desk.annotator, reverse("annotation:overview", args=[slug])),
        "home": (desk.annotator, reverse("core:home", args=[slug])),
    }
    for name, (who, path) in pages.items():
        for size, theme in ((look.WIDE, "light"), (look.PHONE, "dark")):
            page = open_page(browser, live_server.url, who, path, size, theme)
            problems = look.faults(page)
            look.picture(page, f"{name}-{theme}")
            assert problems == [], f"{name}, {theme}"
            page.context.close()
