"""The pages of duplicates in a real Chromium, and a cluster that is settled, undone and called wanted with the keyboard's means."""

from typing import Any

import pytest
from django.db import transaction
from django.urls import reverse
from playwright.sync_api import Browser, expect

from annotation.models import Example
from core.models import Run
from dataset.models import DatasetRow, DuplicateCluster, NearTest
from dataset.runner.duplicates import search_now
from dataset.services.duplicate_searches import start_search
from tests.support import look
from tests.support.factories import World, make_example, make_frozen, make_world, quiet, spelled

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sent")]
ASKED = "Where is the red crate that left Hamburg for Oslo on Monday morning?"
SAID = "The crate is at sea and arrives on 3 December at the port of Oslo. Your next step: none for now."


@pytest.fixture
def desk(transactional_db: None) -> World:
    """Answers that disagree, three copies, a standard reply, and an example near a test row."""
    world = make_world()
    project = world.project
    with transaction.atomic():
        for at in range(12):
            make_example(
                project,
                f"My order has not come. It has {spelled(at * 31)} and {spelled(at * 77)} in it, and {spelled(at * 5)} too.",
                "I am sorry that your order has not come. I have asked the carrier and will write to you today.",
                status="approved",
            )
        make_frozen(project, world.admin, test=0.3, validation=0.1)
        tested = DatasetRow.objects.filter(split="test")[0].example
        make_example(project, f"{tested.question} Thanks", tested.completion)
        record = ['{"reference": "FD-90211", "event": "left Hamburg"}']
        for question, answer in (
            (ASKED, SAID),
            (f"{ASKED} Thanks", SAID.replace("3 December", "9 December")),
        ):
            make_example(project, question, answer, status="approved", context=record)
        for question in (
            "Do you ship dogs to Iceland in winter?",
            "do you ship dogs to Iceland in winter",
        ) * 2:
            make_example(
                project, question, "Yes, we ship dogs. We need their papers two weeks before the ship leaves."
            )
        search = start_search(by=world.admin, project=project)
        search_now(search, tell=quiet)
        Run.objects.filter(pk=search.run_id).update(status="succeeded")
    return world


def pages(world: World) -> dict[str, str]:
    slug = world.project.slug
    clusters = {c.disagreement or c.kind: c.pk for c in DuplicateCluster.objects.order_by("-tested")}
    return {
        "list": reverse("datasets:duplicates", args=[slug]),
        "answers": reverse("datasets:duplicates", args=[slug]) + "?kind=completion",
        "disagree": reverse("datasets:duplicate-cluster", args=[slug, clusters["values"]]),
        "reply": reverse("datasets:duplicate-cluster", args=[slug, clusters["completion"]]),
        "near-test": reverse("datasets:near-test", args=[slug]),
    }


def test_the_pages_are_right_to_look_at_and_a_cluster_is_settled(
    browser: Browser, live_server: Any, desk: World
):
    faults: dict[str, list[str]] = {}
    said: list[str] = []
    for theme, size in (
        ("light", look.WIDE),
        ("dark", look.WIDE),
        ("light", look.PHONE),
        ("dark", look.PHONE),
    ):
        context = browser.new_context(
            color_scheme=theme,  # type: ignore[arg-type]
            viewport={"width": size[0], "height": size[1]},
            base_url=live_server.url,
        )
        look.sign_in(context, live_server.url, desk.admin)
        tab = context.new_page()
        seen = look.watch(tab)
        for name, url in pages(desk).items():
            tab.goto(url)
            look.picture(tab, f"duplicates-{name}-{theme}-{size[0]}")
            if found := look.faults(tab):
                faults[f"{name}-{theme}-{size[0]}"] = found
        if (theme, size) == ("dark", look.PHONE):
            _settles(tab, desk)
            look.picture(tab, "duplicates-settled")
            _settles_by_a_rule(tab, desk)
            look.picture(tab, "duplicates-by-rule")
        if (theme, size) == ("dark", look.WIDE):
            _retires_near_test_rows(tab, desk)
        said += seen
        context.close()
    assert faults == {}
    assert said == []


def _settles(tab: Any, world: World) -> None:
    cluster = DuplicateCluster.objects.get(disagreement="values")
    first, second = cluster.members.values_list("example", flat=True)
    tab.goto(pages(world)["disagree"])
    expect(tab.locator("mark").filter(has_text="9")).to_be_visible()
    expect(tab.get_by_label(f"Keep #{first}")).not_to_be_checked()  # which answer is right, a person must say
    tab.get_by_label(f"Keep #{second}").check()
    tab.get_by_role("button", name="Keep the chosen, retire the others").click()
    tab.get_by_role("dialog").get_by_role("button", name="Settle").click()
    expect(tab.get_by_text("Some kept, the others retired")).to_be_visible()
    assert Example.objects.get(pk=first).status == "retired"
    tab.get_by_role("button", name="Undo").click()
    expect(tab.get_by_role("button", name="All are wanted")).to_be_visible()
    assert Example.objects.get(pk=first).status == "approved"
    tab.get_by_label("Or: all are wanted, because").fill("Two shipments.")
    tab.get_by_role("button", name="All are wanted").click()
    expect(tab.get_by_text("Two shipments.")).to_be_visible()


def _settles_by_a_rule(tab: Any, world: World) -> None:
    cluster = (
        DuplicateCluster.objects.filter(kind="pair", status="open", disagreement="")
        .order_by("-in_use")
        .first()
    )
    assert cluster is not None
    members = list(cluster.members.values_list("example", flat=True))
    tab.goto(reverse("datasets:duplicate-cluster", args=[world.project.slug, cluster.pk]))
    tab.get_by_label("by a rule").select_option("newest")
    tab.get_by_role("button", name="Keep this one").click()
    tab.get_by_role("dialog").get_by_role("button", name="Keep one").click()
    expect(tab.get_by_text("Some kept, the others retired")).to_be_visible()
    assert list(
        Example.objects.filter(pk__in=members).exclude(status="retired").values_list("pk", flat=True)
    ) == [max(members)]


def _retires_near_test_rows(tab: Any, world: World) -> None:
    """With the keyboard: select the first, retire, undo."""
    (near,) = NearTest.objects.select_related("example")
    tab.goto(pages(world)["near-test"])
    tab.keyboard.press("j")
    tab.keyboard.press("x")
    expect(tab.get_by_text("1 selected")).to_be_visible()
    tab.keyboard.press("r")
    expect(tab.get_by_role("heading", name="Retire 1 example?")).to_be_visible()
    look.picture(tab, "near-test-retire")
    tab.get_by_role("dialog").get_by_role("button", name="Retire").click()
    expect(tab.get_by_text("You retired 1 example")).to_be_visible()
    assert Example.objects.get(pk=near.example_id).status == "retired"
    tab.keyboard.press("u")
    expect(tab.get_by_text("1 example brought back")).to_be_visible()
    assert Example.objects.get(pk=near.example_id).status == near.example.status
