"""The way back to the base model in a real browser: the slider works with the keyboard, on a wide screen and on a phone."""

from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from core.models import Run
from tests.support import look
from tests.support.factories import make_version, make_world
from training import services
from training.interpolation import PERCENTS
from training.models import Interpolation

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("sent"),
]
FIGURES = [
    {"percent": percent, "held_out": 2 - percent / 100, "tasks": {"facts": 1 + (percent / 100) ** 2}}
    for percent in PERCENTS
]


@pytest.mark.parametrize("size", [look.WIDE, look.PHONE])
def test_a_share_is_found_by_the_slider_and_made_a_version(
    transactional_db: None, browser: Any, live_server: Any, size: tuple[int, int]
) -> None:
    world = make_world()
    version = make_version(world.project, world.admin)
    found = services.measure_interpolation(by=world.admin, version=version)
    Run.objects.filter(pk=found.run_id).update(status=Run.Status.SUCCEEDED)
    Interpolation.objects.filter(pk=found.pk).update(figures=FIGURES, rows=12)
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, base_url=live_server.url)
    look.sign_in(context, live_server.url, world.admin)
    page = context.new_page()
    said = look.watch(page)
    page.goto(reverse("training:version-shares", args=[world.project.slug, version.pk]))
    slider = page.get_by_role("slider")
    expect(slider).to_have_attribute("aria-valuetext", "100%")
    expect(page.get_by_text(f"This is {version} itself.")).to_be_visible()
    slider.press("ArrowLeft")
    slider.press("ArrowLeft")
    expect(slider).to_have_attribute("aria-valuetext", "75%")
    expect(page.get_by_text("75% of what was learnt is kept")).to_be_visible()
    expect(page.get_by_text("50% of what was learnt is kept")).to_be_hidden()
    assert look.faults(page) == []
    assert said == []
    page.get_by_role("button", name="Make 75% a new model version").click()
    expect(page.get_by_role("heading", name="75% of the way")).to_be_visible()
    context.close()
