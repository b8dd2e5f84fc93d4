"""Forms of training in a real browser: what was typed stays, what is closed says so, a cancelled run resumes."""

from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from core.models import Membership, Role, Run
from tests.support import look
from tests.support.factories import World, make_base_model, make_dataset, make_training, make_world
from training.models import TrainingRun

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("sent"),
]


@pytest.fixture
def scene(transactional_db: None) -> World:
    world = make_world()
    world.admin.is_operator = True
    world.admin.save()
    make_base_model()
    make_dataset(world.project, 24)
    return world


@pytest.fixture
def page(scene: World, browser: Any, live_server: Any) -> Any:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, base_url=live_server.url)
    look.sign_in(context, live_server.url, scene.admin)
    page = context.new_page()
    yield page
    context.close()


def test_what_was_typed_survives_another_method_and_a_closed_section_says_so(
    scene: World, page: Page
) -> None:
    said = look.watch(page)
    page.goto(reverse("training:launch", args=[scene.project.slug]))
    section, summary = page.locator("gh-section details"), page.locator("gh-section summary")
    summary.click()
    page.get_by_label("Training rows").fill("16")
    page.get_by_role("spinbutton", name="Rank").fill("8")
    page.get_by_label("Note").fill("a quick trial")
    summary.click()
    expect(section).not_to_have_attribute("open", "")
    expect(summary).to_have_text("More settings 1 changed")
    page.get_by_label("Full: Trains every weight").check()
    expect(page.locator("[name=rank][type=number]")).to_have_count(0)
    expect(section).to_have_attribute("open", "")
    expect(page.get_by_label("Training rows")).to_have_value("16")
    page.get_by_label("LoRA", exact=False).first.check()
    expect(page.get_by_role("spinbutton", name="Rank")).to_have_value("8")
    expect(page.get_by_label("Training rows")).to_have_value("16")
    expect(page.get_by_label("Note")).to_have_value("a quick trial")
    assert said == []


def test_a_wrong_value_in_a_closed_section_opens_it(scene: World, page: Page) -> None:
    page.goto(reverse("training:launch", args=[scene.project.slug]))
    summary = page.locator("gh-section summary")
    summary.click()
    page.get_by_label("Seed").fill("-4")
    summary.click()
    page.get_by_role("button", name="Launch").click()
    expect(page.locator("gh-section details")).to_have_attribute("open", "")
    expect(page.get_by_label("Seed")).to_be_visible()
    assert TrainingRun.objects.count() == 0


def test_only_the_fields_of_the_chosen_kind_show_and_keep_what_was_typed(scene: World, page: Page) -> None:
    page.goto(reverse("training:base-new", args=[scene.project.slug]))
    hub = page.get_by_label("Name on the hub")
    expect(hub).to_be_visible()
    hub.fill("someone/model")
    page.locator("input[name=kind][value=package]").check()
    expect(hub).to_be_hidden()
    expect(page.locator("select[name=package]")).to_be_visible()
    expect(page.locator("select[name=folder]")).to_be_hidden()
    page.locator("input[name=kind][value=hub]").check()
    expect(hub).to_have_value("someone/model")
    page.get_by_label("Name", exact=True).fill("Some model")
    page.get_by_role("button", name="Add and prepare").click()
    expect(page.get_by_text("Enter the commit hash")).to_be_visible()
    expect(hub).to_have_value("someone/model")
    expect(page.locator("select[name=package]")).to_be_hidden()


def test_a_cancelled_run_is_resumed_from_its_page(scene: World, page: Page) -> None:
    training = make_training(scene.project, scene.admin, status=Run.Status.CANCELLED, checkpoint_step=40)
    page.goto(reverse("training:run", args=[scene.project.slug, training.number]))
    expect(page.get_by_text("last checkpoint at step 40")).to_be_visible()
    expect(page.get_by_text("It continues from its last checkpoint")).to_be_visible()
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("#run-status")).to_have_text("Queued")
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    training.run.refresh_from_db()
    assert training.run.status == Run.Status.QUEUED


def test_removing_the_last_admin_says_why_on_the_page(scene: World, page: Page) -> None:
    page.goto(reverse("core:people", args=[scene.project.slug]))
    own = Membership.objects.get(project=scene.project, user=scene.admin)
    assert Role.ADMIN in own.roles
    page.get_by_role("row").filter(has_text=scene.admin.email).get_by_role("button", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_role("alert")).to_contain_text(
        "A project needs an admin. First make another person admin."
    )
    expect(page.get_by_role("heading", level=1)).to_have_text("People")
