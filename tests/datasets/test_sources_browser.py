"""Sources in a real Chromium: from the button that withdraws one to its plan, and what a partner sees."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from annotation.models import Example
from core.models import Membership, Run
from core.tasks import execute_run
from dataset.models import Source, Withdrawal
from dataset.services.sources import create_source, let_partner_see, set_rules
from dataset.services.versions import start_freeze
from tests.support import look
from tests.support.factories import (
    World,
    load_onto,
    make_base_model,
    make_engine,
    make_example,
    make_training,
    make_version,
    make_world,
)

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sent")]
THEMES = (("light", look.WIDE), ("dark", look.PHONE))


def _work(run_id: int) -> None:
    """Does a run as a worker would, in a thread of its own: this one belongs to the browser."""

    def work() -> None:
        try:
            execute_run(run_id)
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


@pytest.fixture
def desk(transactional_db: None) -> World:
    """A source that is in a dataset version and in a served model version, and others."""
    world = make_world()
    source = create_source(
        by=world.admin, project=world.project, name="Transcripts of the Rotterdam desk, 2024",
        description="Chats of the desk, with names removed.\n\n* collected in **2024**\n* by the desk itself",
        license="CC-BY-NC-4.0", consent="contract", consent_note="Contract 17, section 4", owner="Rotterdam desk",
        contact="desk@example.org",
    )  # fmt: skip
    create_source(
        by=world.admin, project=world.project, name="Handbook", license="internal", consent="own",
        expires_on=timezone.localdate(),
    )  # fmt: skip
    Source.objects.create(project=world.project, name="an import of unknown origin")
    for name, count in ((source.name, 14), ("Handbook", 12), ("an import of unknown origin", 3)):
        for _ in range(count):
            make_example(world.project, source=name, status="approved", context=["FD-1 | at sea"])
    make_example(world.project, source=source.name, context=["FD-1 | at sea"])
    execute_run(start_freeze(by=world.admin, project=world.project).run_id or 0)
    dataset = world.project.dataset_versions.get()
    training = make_training(
        world.project, world.admin, dataset=dataset, base_model=make_base_model(), status="succeeded"
    )
    version = make_version(world.project, world.admin, training_run=training, base_model=training.base_model)
    load_onto(version, make_engine(version.base_model))
    set_rules(by=world.admin, project=world.project, rules=["consent", "commercial"])
    partner = Membership.objects.get(project=world.project, user=world.partner)
    let_partner_see(by=world.admin, source=source, membership=partner)
    return world


@pytest.fixture
def tab(browser: Browser, live_server: Any, desk: World) -> Iterator[Page]:
    context = browser.new_context(base_url=live_server.url)
    look.sign_in(context, live_server.url, desk.admin)
    page = context.new_page()
    said = look.watch(page)
    yield page
    context.close()
    assert said == []


def test_from_the_button_to_the_plan_and_back(tab: Page, desk: World):
    source = Source.objects.get(license="CC-BY-NC-4.0")
    tab.goto(reverse("datasets:sources", args=[desk.project.slug]))
    tab.get_by_role("link", name=source.name).click()
    tab.get_by_role("link", name="Withdraw", exact=True).click()
    expect(tab.get_by_text("15 examples are retired")).to_be_visible()
    tab.get_by_label("Reason").fill("The desk ended the contract.")
    tab.get_by_role("button", name="Withdraw the source").click()
    expect(tab.get_by_role("dialog")).to_contain_text("15 examples are retired")
    assert not Withdrawal.objects.exists()
    tab.get_by_role("dialog").get_by_role("button", name="Withdraw it").click()
    expect(tab.get_by_text("2 of 2 points are open.")).to_be_visible()
    _work(Withdrawal.objects.get().run_id or 0)
    # The card asks for itself; when the run has ended the page loads again.
    expect(tab.locator("dl.facts")).to_contain_text("15")
    tab.wait_for_load_state()
    assert set(Example.objects.filter(source=source.name).values_list("status", flat=True)) == {"retired"}
    expect(tab.get_by_text("People can ask it: an engine serves it.")).to_be_visible()
    tab.locator("#model" + str(desk.project.model_versions.get().pk)).get_by_text(
        "Accept it as it is"
    ).click()
    tab.get_by_label("Reason").last.fill("Only two people use it, until Friday.")
    tab.get_by_role("button", name="Accept", exact=True).last.click()
    expect(tab.get_by_text("1 of 2 points is open.")).to_be_visible()
    tab.get_by_role("link", name="Freeze a new version").click()
    expect(tab.get_by_role("heading", name="15 approved examples")).to_be_visible()
    expect(tab.get_by_text("No data whose consent basis is unknown")).to_be_visible()
    tab.get_by_role("button", name="Freeze").click()
    expect(tab.get_by_text("Waiting for a worker.")).to_be_visible()
    _work(Run.objects.filter(kind="freeze").latest("pk").pk)
    expect(tab.get_by_role("link", name="See the rows")).to_be_visible()
    tab.wait_for_load_state()
    tab.goto(reverse("datasets:withdrawal", args=[desk.project.slug, Withdrawal.objects.get().pk]))
    expect(tab.get_by_text("All 2 points are settled.")).to_be_visible()
    tab.get_by_role("link", name="Restore the source").click()
    tab.get_by_label("Reason").fill("A new contract.")
    tab.get_by_role("button", name="Restore the source").click()
    expect(tab.get_by_text("The source was restored")).to_be_visible()
    _work(Withdrawal.objects.get().restore_run_id or 0)
    assert Example.objects.filter(source=source.name, status="approved").count() == 14


@pytest.mark.parametrize(("theme", "size"), THEMES)
def test_pages_are_right_to_look_at(
    theme: Any, size: tuple[int, int], browser: Browser, live_server: Any, desk: World
):
    from dataset.services.withdrawals import withdraw

    context = browser.new_context(color_scheme=theme, viewport={"width": size[0], "height": size[1]})
    look.sign_in(context, live_server.url, desk.admin)
    page = context.new_page()
    said = look.watch(page)
    faults: dict[str, list[str]] = {}

    def visit(name: str, url: str, *args: object) -> None:
        page.goto(live_server.url + reverse(url, args=[desk.project.slug, *args]))
        look.picture(page, f"sources-{name}-{theme}-{size[0]}")
        if found := look.faults(page):
            faults[name] = found

    source = Source.objects.get(license="CC-BY-NC-4.0")
    visit("list", "datasets:sources")
    visit("source", "datasets:source", source.pk)
    visit("change", "datasets:source-change", source.pk)
    visit("examples", "datasets:source-examples", source.pk)
    visit("rules", "datasets:data-rules")
    visit("freeze", "datasets:dataset-new")
    visit("withdraw", "datasets:source-withdraw", source.pk)
    withdrawal = withdraw(by=desk.admin, source=source, reason="The desk ended the contract.")
    visit("plan", "datasets:withdrawal", withdrawal.pk)
    execute_run(withdrawal.run_id or 0)
    visit("plan-later", "datasets:withdrawal", withdrawal.pk)
    visit("withdrawn", "datasets:source", source.pk)
    visit("restore", "datasets:source-restore", source.pk)
    visit("example", "annotation:example", Example.objects.filter(source=source.name).earliest("pk").pk)
    context.close()
    assert faults == {}
    assert said == []


@pytest.mark.parametrize(("theme", "size"), THEMES)
def test_a_partner_sees_their_source_and_no_other_page(
    theme: Any, size: tuple[int, int], browser: Browser, live_server: Any, desk: World
):
    context = browser.new_context(color_scheme=theme, viewport={"width": size[0], "height": size[1]})
    look.sign_in(context, live_server.url, desk.partner)
    page = context.new_page()
    said = look.watch(page)
    page.goto(live_server.url)
    expect(page.get_by_role("heading", name="Sources")).to_be_visible()
    expect(page.get_by_text("Handbook")).to_be_hidden()
    look.picture(page, f"partner-list-{theme}-{size[0]}")
    assert look.faults(page) == []
    page.get_by_role("link", name="Transcripts of the Rotterdam desk, 2024").click()
    expect(page.get_by_text("Contract 17, section 4")).to_be_visible()
    look.picture(page, f"partner-source-{theme}-{size[0]}")
    assert look.faults(page) == []
    page.get_by_role("link", name="Read the examples").click()
    page.locator("details summary").first.click()
    expect(page.get_by_text("FD-1 | at sea").first).to_be_visible()
    look.picture(page, f"partner-examples-{theme}-{size[0]}")
    assert look.faults(page) == []
    names = [person.name for role, person in desk.people().items() if role != "partner"]
    assert [name for name in names if name in page.content()] == []
    context.close()
    assert said == []
