"""Preview and freeze of preferences, and their rows, in a real Chromium: in both themes, on a phone, with axe."""

from typing import Any

import pytest
from django.db import transaction
from django.urls import reverse
from playwright.sync_api import Browser, expect

from core.tasks import execute_run
from dataset.models import DatasetVersion
from evaluation.services.campaigns import close_campaign
from tests.support import look
from tests.support.factories import (
    World,
    make_campaign,
    make_example,
    make_frozen,
    make_world,
    rate_all,
    spelled,
)

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sent")]
THEMES = (("light", look.WIDE), ("dark", look.WIDE), ("light", look.PHONE), ("dark", look.PHONE))


@pytest.fixture
def desk(transactional_db: None) -> World:
    """Examples with worse answers, a closed campaign on training prompts, and an open one."""
    world = make_world()
    with transaction.atomic():
        for number in range(24):
            make_example(
                world.project,
                f"Where is the crate {spelled(number * 7919)}? We have waited since Monday.",
                "It left the port this morning. Your next step: none for now.",
                status="approved",
                slice=("customs", "delay")[number % 2],
                rejected="We do not know." if number % 4 == 0 else "",
            )
        examples = make_frozen(world.project, world.admin, test=0.2)
        campaigns = [
            make_campaign(world.project, world.admin, dataset=examples, split=split, prompts=4, name=name)
            for split, name in (("train", "Answers to learn from"), ("test", "Still open"))
        ]
        rate_all(campaigns[0], world.rater, ["candidate", "baseline", "both_bad", "tie"])
        rate_all(campaigns[1], world.rater, ["candidate"])
        close_campaign(by=world.admin, campaign=campaigns[0])
    return world


@pytest.mark.parametrize(("theme", "size"), THEMES)
def test_what_people_said_is_previewed_frozen_and_read(
    theme: Any, size: tuple[int, int], browser: Browser, live_server: Any, desk: World
):
    context = browser.new_context(
        base_url=live_server.url, color_scheme=theme, viewport={"width": size[0], "height": size[1]}
    )
    look.sign_in(context, live_server.url, desk.admin)
    tab = context.new_page()
    said = look.watch(tab)
    faults: dict[str, list[str]] = {}

    def looked_at(name: str) -> None:
        look.picture(tab, f"preferences-{name}-{theme}-{size[0]}")
        if found := look.faults(tab):
            faults[name] = found

    tab.goto(reverse("datasets:datasets", args=[desk.project.slug]))
    tab.get_by_role("link", name="Freeze preferences").click()
    preview = tab.locator("#preview")
    expect(preview.get_by_role("heading", name="10 rows")).to_be_visible()
    expect(preview.get_by_text("1 rating of a campaign that is not closed")).to_be_visible()
    expect(preview.get_by_text("1 pair of equally good answers")).to_be_visible()
    looked_at("new")
    tab.get_by_label("Examples that came with a worse answer").uncheck()
    expect(preview.get_by_role("heading", name="4 rows")).to_be_visible()
    tab.get_by_label("Note").fill("First comparisons")
    tab.get_by_role("button", name="Freeze").click()
    expect(tab.get_by_text("First comparisons")).to_be_visible()
    dataset = DatasetVersion.objects.get(kind="preference")
    execute_run(dataset.run_id)
    tab.goto(reverse("datasets:dataset", args=[desk.project.slug, dataset.number]))
    expect(tab.get_by_role("heading", name="What people said")).to_be_visible()
    looked_at("dataset")
    tab.get_by_role("link", name="See the rows").click()
    tab.locator("summary").first.click()
    expect(tab.get_by_text(f"by {desk.rater.name}").first).to_be_visible()
    looked_at("rows")
    context.close()
    assert faults == {}
    assert said == []
