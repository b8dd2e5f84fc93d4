"""Personal adapters in a real browser: a person reads the result, turns it off and deletes it; an admin makes a team and names a caller."""

from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from core.services.keys import create_api_key
from tests.inference.conftest import Served
from tests.support.corrections import correct_answers, make_personal
from tests.support.look import PHONE, WIDE, faults, picture, sign_in, watch
from training.models import ApiCaller, DeletionReceipt, PersonalAdapter

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sent")]


def opened(browser: Any, live: str, user: Any, size: tuple[int, int], scheme: str) -> Any:
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, base_url=live, color_scheme=scheme
    )
    sign_in(context, live, user)
    return context.new_page()


@pytest.mark.parametrize(("size", "scheme"), [(WIDE, "light"), (PHONE, "dark")])
def test_a_person_reads_it_turns_it_off_and_deletes_it(
    served: Served, browser: Any, live: str, size: tuple[int, int], scheme: str
) -> None:
    world, slug = served.world, served.world.project.slug
    adapter = make_personal(served.adapter, world.rater, served.engine, on=True)
    served.fake.adapters[adapter.version.served_name] = "/somewhere"
    correct_answers(world.project, world.rater, 8)
    page = opened(browser, live, world.rater, size, scheme)
    said = watch(page)
    page.goto(reverse("inference:own-adapter", args=[slug]))
    expect(page.get_by_text("12 more")).to_be_visible()
    expect(page.get_by_text("answers", exact=True)).to_be_visible()
    assert faults(page) == []
    picture(page, f"own-adapter-{scheme}-{size[0]}")
    page.get_by_role("button", name="Turn off").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Turn on")).to_be_visible()
    assert not PersonalAdapter.objects.get().on
    page.get_by_role("button", name="Delete my adapters").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete my adapters").click()
    expect(page.get_by_role("heading", name="Deletion receipt")).to_be_visible()
    receipt = DeletionReceipt.objects.get()
    assert receipt.wanted == [adapter.pk]
    assert faults(page) == []
    assert said == []
    page.context.close()


@pytest.mark.parametrize(("size", "scheme"), [(WIDE, "dark"), (PHONE, "light")])
def test_an_admin_makes_a_team_and_names_a_caller(
    served: Served, browser: Any, live: str, size: tuple[int, int], scheme: str
) -> None:
    world, slug = served.world, served.world.project.slug
    make_personal(served.adapter, world.rater)
    create_api_key(by=world.admin, name="Help desk", project=world.project)
    page = opened(browser, live, world.admin, size, scheme)
    said = watch(page)
    page.goto(reverse("inference:adapters", args=[slug]))
    page.get_by_role("link", name="New team").click()
    page.get_by_label("Name").fill("Night shift")
    page.get_by_label(world.rater.name).check()
    assert faults(page) == []
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("20 more")).to_be_visible()
    assert faults(page) == []
    picture(page, f"team-{scheme}-{size[0]}")
    page.goto(reverse("inference:adapters", args=[slug]))
    page.get_by_label("Application key").select_option(index=1)
    page.get_by_label("User field").fill("agent-17")
    page.get_by_label("Answered by the adapter of").select_option(label="Team Night shift")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("td[data-label='User field']")).to_contain_text("agent-17")
    assert ApiCaller.objects.get().team is not None
    assert faults(page) == []
    picture(page, f"adapters-{scheme}-{size[0]}")
    assert said == []
    page.context.close()
