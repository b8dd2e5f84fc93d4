"""Learning curves in a real browser: the pages are usable on a wide screen and on a phone."""

from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from tests.support import look
from tests.support.factories import make_base_model, make_dataset, make_learning_curve, make_world

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("sent"),
]


@pytest.mark.parametrize("size", [look.WIDE, look.PHONE])
def test_a_curve_is_read_and_a_new_one_is_checked(
    transactional_db: None, browser: Any, live_server: Any, size: tuple[int, int]
) -> None:
    world = make_world()
    base, dataset = make_base_model(), make_dataset(world.project, 24)
    curve = make_learning_curve(world.project, world.admin, base_model=base, dataset=dataset)
    slug = world.project.slug
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, base_url=live_server.url)
    look.sign_in(context, live_server.url, world.admin)
    page = context.new_page()
    said = look.watch(page)
    page.goto(reverse("training:learning-curve", args=[slug, curve.number]))
    expect(page.get_by_text("500 more examples would lower held-out loss by").first).to_be_visible()
    expect(page.locator("svg:visible").first).to_be_visible()
    assert look.faults(page) == []
    page.goto(reverse("quality:coverage", args=[slug]))
    page.get_by_role("link", name="See the curve").click()
    expect(page).to_have_url(
        f"{live_server.url}{reverse('training:learning-curve', args=[slug, curve.number])}"
    )
    page.goto(reverse("training:learning-curves", args=[slug]))
    assert look.faults(page) == []
    page.get_by_role("link", name="Measure the learning curve").click()
    expect(page.locator("#preflight")).to_contain_text("a learning curve needs at least 80")
    assert look.faults(page) == []
    page.get_by_label("Full: Trains every weight").check()
    expect(page.get_by_role("spinbutton", name="Rank")).to_have_count(0)
    page.get_by_label("Repeats").fill("2")
    expect(page.locator("#preflight")).to_contain_text("8")
    assert said == []  # the refusal below is a 422, which a browser reports
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#work .error").first).to_contain_text("a learning curve needs at least 80")
    expect(page.get_by_label("Repeats")).to_have_value("2")
    context.close()
