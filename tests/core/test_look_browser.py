"""Core's pages in a real Chromium: axe, sideways scrolling, the browser's complaints, both themes, desk and phone."""

import re
from collections.abc import Iterator

import pytest
from django.urls import reverse
from playwright.sync_api import Browser, Page, expect

from core.audit.entries import record
from core.models import Membership, Run
from core.services.keys import create_api_key
from tests.support import look
from tests.support.factories import PASSWORD, World, make_run, make_world

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("plain_stages"),
]


@pytest.fixture
def desk(transactional_db: None) -> World:
    """A project in which things have happened, long names included."""
    world = make_world()
    make_run(
        world.project, title="LoRA on dataset 5", status=Run.Status.RUNNING, done=62, total=100,
        message="Step 62 of 100, second epoch.", created_by=world.admin,
    )  # fmt: skip
    make_run(
        world.project, title="Import " + "averyveryverylongfilename" * 4 + ".jsonl", status=Run.Status.FAILED,
        error_message="Line 17 is not JSON.", error_advice="Correct the line and import the file again.",
    )  # fmt: skip
    make_run(world.project, title="Import carrier FAQ", status=Run.Status.SUCCEEDED, message="Done.")
    create_api_key(by=world.admin, name="help desk widget", project=world.project)
    create_api_key(by=world.admin, name="my notebook")
    create_api_key(by=world.rater, name="evening shift script")
    for verb in ("member.added", "example.approved", "dataset.frozen"):
        record(by=world.admin, project=world.project, action=verb, obj=world.rater, roles=["rater"])
    return world


def _pages(world: World) -> dict[str, str]:
    slug = world.project.slug
    member = Membership.objects.get(project=world.project, user=world.rater).pk
    run = Run.objects.filter(project=world.project, status=Run.Status.RUNNING).get().pk
    names: dict[str, list[object]] = {
        "home": [slug], "runs": [slug], "run": [slug, run], "people": [slug], "person-add": [slug],
        "person-roles": [slug, member], "application-keys": [slug], "settings": [slug], "audit": [slug], "me": [],
        "password": [], "personal-keys": [], "status": [], "project-new": [], "person-account": [slug, member],
        "accounts": [], "account": [world.rater.pk],
    }  # fmt: skip
    return {name: reverse(f"core:{name}", args=args) for name, args in names.items()}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [look.WIDE, look.PHONE], ids=["desk", "phone"])
def test_core_pages_are_without_fault(
    theme: str, size: tuple[int, int], desk: World, browser: Browser, live_server
) -> None:
    desk.admin.is_operator = True
    desk.admin.theme = theme
    desk.admin.save()
    context = browser.new_context(viewport={"width": size[0], "height": size[1]})
    look.sign_in(context, live_server.url, desk.admin)
    page = context.new_page()
    said = look.watch(page)
    found = []
    for name, url in _pages(desk).items():
        page.goto(live_server.url + url)
        page.wait_for_function("customElements.get('gh-time') !== undefined")
        found += [f"{name}: {fault}" for fault in look.faults(page)]
        look.picture(page, f"core-{name}-{theme}-{size[0]}")
    context.close()
    assert found == []
    assert said == []


@pytest.mark.parametrize("size", [look.WIDE, look.PHONE], ids=["desk", "phone"])
def test_pages_of_nobody_are_without_fault(
    size: tuple[int, int], desk: World, browser: Browser, live_server
) -> None:
    context = browser.new_context(viewport={"width": size[0], "height": size[1]})
    page = context.new_page()
    page.goto(live_server.url + reverse("core:sign-in"))
    assert look.faults(page) == []
    look.picture(page, f"core-sign-in-{size[0]}")
    look.sign_in(context, live_server.url, desk.stranger)
    for path in ("/", f"/p/{desk.project.slug}/", "/no/such/page/", "/projects/new/"):
        page.goto(live_server.url + path)
        assert look.faults(page) == [], path
        look.picture(page, f"core-stranger{path.replace('/', '-')}-{size[0]}")
    context.close()


@pytest.mark.parametrize(
    ("theme", "size"), [("light", look.PHONE), ("dark", look.WIDE)], ids=["light-phone", "dark-desk"]
)
def test_the_api_can_be_read_and_tried_in_both_themes(
    theme: str, size: tuple[int, int], desk: World, browser: Browser, live_server
) -> None:
    desk.admin.theme = theme
    desk.admin.save()
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, base_url=live_server.url)
    look.sign_in(context, live_server.url, desk.admin)
    page = context.new_page()
    said = look.watch(page)
    page.goto("/api/")
    page.locator("#operations-tag-Account").click()
    page.locator(".opblock-summary-control").first.click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    expect(page.locator(".live-responses-table .response-col_status").last).to_contain_text("200")
    assert page.evaluate("document.documentElement.classList.contains('dark-mode')") == (theme == "dark")
    # What is inside is Swagger UI's own; whether it can be read and fits is this program's.
    found = [fault for fault in look.faults(page) if "color-contrast" in fault or "sideways" in fault]
    context.close()
    assert found == []
    assert said == []


@pytest.fixture
def admin_page(desk: World, browser: Browser, live_server) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1240, "height": 860}, base_url=live_server.url)
    look.sign_in(context, live_server.url, desk.admin)
    page = context.new_page()
    yield page
    context.close()


def test_signing_in_by_keyboard_alone(desk: World, browser: Browser, live_server) -> None:
    context = browser.new_context(base_url=live_server.url)
    page = context.new_page()
    page.goto("/sign-in/")
    page.keyboard.type(desk.rater.email)  # the first field has the focus
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Freight desk")
    context.close()


def test_removing_somebody_asks_first_and_no_means_no(desk: World, admin_page: Page) -> None:
    admin_page.goto(reverse("core:people", args=[desk.project.slug]))
    row = admin_page.get_by_role("row").filter(has_text=desk.rater.email)
    row.get_by_role("button", name="Remove").click()
    dialog = admin_page.get_by_role("dialog")
    expect(dialog).to_contain_text("Remove Rater Member from this project?")
    assert look.faults(admin_page) == []
    look.picture(admin_page, "core-dialog")
    admin_page.keyboard.press("Enter")  # the focus is on "no"
    expect(dialog).to_have_count(0)
    assert Membership.objects.filter(user=desk.rater).exists()
    row.get_by_role("button", name="Remove").click()
    admin_page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(admin_page.get_by_role("status").first).to_contain_text("no longer in Freight desk")
    assert not Membership.objects.filter(user=desk.rater).exists()


def test_a_running_card_moves_by_itself_and_stops_when_done(desk: World, admin_page: Page) -> None:
    run = Run.objects.get(project=desk.project, status=Run.Status.RUNNING)
    admin_page.goto(reverse("core:runs", args=[desk.project.slug]))
    card = admin_page.locator(f"#run-{run.pk}")
    expect(card).to_contain_text("62%")
    Run.objects.filter(pk=run.pk).update(done=80, message="Step 80 of 100.")
    expect(card).to_contain_text("80%", timeout=6000)
    Run.objects.filter(pk=run.pk).update(status=Run.Status.SUCCEEDED, message="Done.")
    expect(card.locator(".tag")).to_have_text("Done", timeout=6000)
    expect(card).not_to_have_attribute("hx-trigger", re.compile("."))
    expect(admin_page.locator("#announce")).to_have_text("LoRA on dataset 5: Done")


def test_an_error_beside_the_work_leaves_the_page_as_it_is(desk: World, admin_page: Page) -> None:
    run = Run.objects.get(project=desk.project, status=Run.Status.RUNNING)
    admin_page.goto(reverse("core:run", args=[desk.project.slug, run.pk]))
    Run.objects.filter(pk=run.pk).update(status=Run.Status.FAILED)
    admin_page.get_by_role("button", name="Cancel").click()
    admin_page.get_by_role("dialog").get_by_role("button", name="Cancel the job").click()
    expect(admin_page.locator("#toasts")).to_contain_text("This background job has already ended.")


def test_menus_and_theme(desk: World, admin_page: Page) -> None:
    said = look.watch(admin_page)
    admin_page.goto(reverse("core:home", args=[desk.project.slug]))
    admin_page.get_by_role("button", name="Freight desk").click()
    expect(admin_page.get_by_role("link", name="Audit")).to_be_visible()
    assert look.faults(admin_page) == []
    look.picture(admin_page, "core-project-menu")
    admin_page.keyboard.press("Escape")
    admin_page.get_by_role("button", name="Admin Member, your menu").click()
    admin_page.get_by_role("button", name="Dark").click()
    expect(admin_page.locator("html")).to_have_attribute("data-theme", "dark")
    assert look.faults(admin_page) == []
    look.picture(admin_page, "core-me-menu-dark")
    desk.admin.refresh_from_db()
    assert desk.admin.theme == "dark"
    assert said == []


def test_the_stages_are_reached_on_a_phone(desk: World, browser: Browser, live_server) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 780}, base_url=live_server.url)
    look.sign_in(context, live_server.url, desk.admin)
    page = context.new_page()
    page.goto(reverse("core:home", args=[desk.project.slug]))
    link = page.get_by_role("navigation", name="Stages").get_by_role("link", name="Annotate")
    expect(link).to_be_hidden()
    page.get_by_role("button", name="Menu", exact=True).click()
    expect(link).to_be_visible()
    look.picture(page, "core-phone-menu")
    link.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Background jobs")
    context.close()


def test_filters_swap_the_list_and_keep_the_address(desk: World, admin_page: Page) -> None:
    admin_page.goto(reverse("core:people", args=[desk.project.slug]))
    admin_page.get_by_label("Name or e-mail").fill("rater mem")
    expect(admin_page.locator("#list tbody tr")).to_have_count(1)
    expect(admin_page).to_have_url(re.compile(r"\?q=rater(\+|%20)mem&role="))
    admin_page.reload()
    expect(admin_page.locator("#list tbody tr")).to_have_count(1)
