"""The bias audit in a real Chromium: how its pages look, a decision, and a twin from finding to review queue."""

from typing import Any

import pytest
from django.db import transaction
from django.urls import reverse
from playwright.sync_api import Browser, expect

from annotation.models import Example
from dataset.models import Twin
from dataset.runner.audit import make_audit
from dataset.services.audits import decide, start_audit
from dataset.services.twins import make_twins
from tests.datasets.bias import audited, biased
from tests.support import look
from tests.support.factories import World, make_example, make_frozen, make_world, quiet

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sent")]
THEMES = (("light", look.WIDE), ("dark", look.PHONE))


@pytest.fixture
def desk(transactional_db: None) -> World:
    """An audit with findings, one decided, of a project with a frozen version and two twins to read."""
    world = make_world()
    with transaction.atomic():
        biased(world.project)
        her = make_example(
            world.project, "She lost her box at the mosque. Let her know.", "Mrs Smith, tell her that an officer has it.",
            status="approved", context=["Emily Smith | box 4 | lost"],
        )  # fmt: skip
        audit = audited(world)
        finding = audit.findings.get(group="women", outcome="granted")
        decide(
            by=world.reviewer,
            finding=finding,
            decision="accepted",
            reason="It is the same as the finding about refusals.",
        )
        dataset = make_frozen(world.project, world.admin)
        make_audit(start_audit(by=None, project=world.project, dataset=dataset), tell=quiet)
        swap = {"characteristic": "gender", "one": "women", "other": "men", "examples": [her.pk]}
        make_twins(by=world.reviewer, project=world.project, **swap)
    return world


def pages(world: World) -> dict[str, str]:
    slug = world.project.slug
    return {
        "bias": reverse("datasets:bias", args=[slug]),
        "audit": reverse("datasets:bias-audit", args=[slug, 1]),
        "lexicons": reverse("datasets:lexicons", args=[slug]),
        "lexicon": reverse("datasets:lexicon", args=[slug, "gender"]),
        "twins": reverse("datasets:twins", args=[slug]),
        "twin": reverse("datasets:twin", args=[slug, Twin.objects.get().pk]),
        "dataset": reverse("datasets:dataset", args=[slug, 1]),
    }


def test_the_pages_are_right_to_look_at_and_a_finding_becomes_a_twin_in_review(
    browser: Browser, live_server: Any, desk: World
):
    wrong: dict[str, list[str]] = {}
    for theme, size in THEMES:
        context = browser.new_context(color_scheme=theme, viewport={"width": size[0], "height": size[1]})  # type: ignore[arg-type]
        look.sign_in(context, live_server.url, desk.admin)
        page = context.new_page()
        said = look.watch(page)
        for name, url in pages(desk).items():
            page.goto(live_server.url + url)
            look.picture(page, f"bias-{name}-{theme}-{size[0]}")
            if found := look.faults(page):
                wrong[f"{name}-{theme}-{size[0]}"] = found
        assert said == []
        context.close()
    assert wrong == {}
    context = browser.new_context(base_url=live_server.url)
    look.sign_in(context, live_server.url, desk.reviewer)
    tab = context.new_page()
    tab.goto(reverse("datasets:bias", args=[desk.project.slug]))
    tab.get_by_role("link", name="Bias audit 1", exact=True).click()
    finding = tab.locator("li", has_text="“Women” refuse").first
    finding.locator("summary", has_text="Decide").click()
    finding.get_by_label("Answered").check()
    finding.get_by_label("Reason").fill("Their rows are about hazardous goods.")
    finding.get_by_role("button", name="Decide").click()
    expect(tab.get_by_text("Your decision is on record.")).to_be_visible()
    finding = tab.locator("li", has_text="“Women” refuse").first
    finding.locator("summary", has_text="Make twins").click()
    finding.get_by_label("At most").fill("1")
    finding.get_by_role("button", name="Make twins").click()
    expect(tab.get_by_role("heading", name="What changes")).to_be_visible()
    tab.get_by_label("Completion").fill("He gets his refund on Friday.")
    tab.get_by_role("button", name="Accept into review").click()
    reason = tab.get_by_label("Keep it anyway? Give a reason")
    look.soon(
        tab,
        lambda: (
            reason.count() or "/twins/" not in tab.url or tab.get_by_text("is in the review queue").count()
        ),
        "an answer",
    )
    if reason.count():
        reason.fill("It is a test.")
        tab.get_by_role("button", name="Accept into review").click()
    expect(tab.get_by_text("is in the review queue as")).to_be_visible()
    assert Example.objects.get(status="in_review").completion == "He gets his refund on Friday."
    context.close()
