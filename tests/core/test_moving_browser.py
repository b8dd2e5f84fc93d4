"""A project moves by hand in a real Chromium: from the page that makes an archive to the project that it became."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.urls import reverse
from playwright.sync_api import Browser, Page, expect

from core.models import Project, ProjectArchive, ProjectImport, Run, User
from core.tasks import execute_run
from tests.support import look
from tests.support.factories import World, join, make_user, make_world
from tests.support.moving import rich

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sent")]
LOOKS = (("light", look.WIDE), ("dark", look.WIDE), ("light", look.PHONE), ("dark", look.PHONE))


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
def page(browser: Browser, live_server: Any, transactional_db: None) -> Iterator[tuple[Page, World]]:
    world = make_world()
    join(world.project, world.operator, "admin")
    join(world.project, make_user("Nia Newcomer", email="nia@example.org"), "annotator")
    rich(world)
    context = browser.new_context(base_url=live_server.url, accept_downloads=True)
    look.sign_in(context, live_server.url, world.operator)
    page = context.new_page()
    said = look.watch(page)
    yield page, world
    context.close()
    # The browser notes the page that shows what is wrong with a file.
    assert [words for words in said if "422" not in words] == []


def looked_at(
    browser: Browser, live_server: Any, person: User, pages: dict[str, str]
) -> dict[str, list[str]]:
    """Pictures of pages in both themes and sizes; gives what is wrong with them."""
    faults: dict[str, list[str]] = {}
    for theme, size in LOOKS:
        context = browser.new_context(color_scheme=theme, viewport={"width": size[0], "height": size[1]})  # type: ignore[arg-type]
        look.sign_in(context, live_server.url, person)
        tab = context.new_page()
        said = look.watch(tab)
        for name, url in pages.items():
            tab.goto(live_server.url + url)
            look.picture(tab, f"core-{name}-{theme}-{size[0]}")
            if found := look.faults(tab) + said:
                faults[f"{name}-{theme}-{size[0]}"] = found
        context.close()
    return faults


def test_a_project_moves(page: tuple[Page, World], browser: Browser, live_server: Any, tmp_path: Path):
    tab, world = page
    slug = world.project.slug
    tab.goto(reverse("core:settings", args=[slug]))
    tab.get_by_role("link", name="Move this project").click()
    tab.get_by_label("Without weights").check()
    tab.get_by_role("button", name="Make an archive").click()
    expect(tab.get_by_text("Waiting for a worker.")).to_be_visible()
    _work(ProjectArchive.objects.latest("pk").run_id)
    with tab.expect_download() as download:
        tab.get_by_role("link", name="Download").click()
    path = tmp_path / "freight.zip"
    download.value.save_as(path)
    seen = {"move": reverse("core:move", args=[slug])}

    # Another installation, as nearly as one database can be.
    Project.objects.filter(slug=slug).update(slug="before")
    User.objects.filter(email="nia@example.org").update(email="other@example.org")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE core_artifact SET sha256 = md5(sha256) || md5(sha256), key = 'x/' || id WHERE kind = 'model'"
        )
    shutil.rmtree(settings.ARTIFACT_DIR / "model")
    seen["move"] = reverse("core:move", args=["before"])
    tab.goto("/?all")
    tab.get_by_role("link", name="Imported projects").click()
    seen["project-imports-none"] = reverse("core:project-imports")
    faults = looked_at(browser, live_server, world.operator, seen)
    tab.get_by_role("link", name="Import a project").first.click()
    (tmp_path / "letter.zip").write_text("Dear Sir")
    tab.get_by_label("Project archive").set_input_files(tmp_path / "letter.zip")
    tab.get_by_role("button", name="Import", exact=True).click()
    expect(tab.get_by_text("not a project archive").first).to_be_visible()
    look.picture(tab, "core-project-import-refused")
    tab.get_by_label("Project archive").set_input_files(path)
    tab.get_by_label("Address").fill("moved-desk")
    tab.get_by_role("button", name="Import", exact=True).click()
    expect(tab.get_by_text("Waiting for a worker.")).to_be_visible()
    started = ProjectImport.objects.get()
    _work(started.run_id or 0)
    expect(tab.get_by_text("nia@example.org")).to_be_visible()
    expect(tab.get_by_text("The files of models are not here.")).to_be_visible()
    tab.get_by_role("link", name="Open the project").click()
    expect(tab.locator(".stage")).to_have_count(5)
    tab.goto(reverse("core:audit", args=["moved-desk"]))
    expect(tab.get_by_text("imported", exact=True).first).to_be_visible()
    assert Run.objects.filter(status="succeeded", kind="project_import").count() == 1

    faults |= looked_at(
        browser,
        live_server,
        world.operator,
        {
            "project-imports": reverse("core:project-imports"),
            "project-import-new": reverse("core:project-import-new"),
            "project-import": reverse("core:project-import", args=[started.pk]),
            "audit-imported": reverse("core:audit", args=["moved-desk"]),
        },
    )
    assert faults == {}
    tab.goto(seen["move"])
    tab.get_by_role("button", name="Remove").click()
    tab.get_by_role("dialog").get_by_role("button", name="Remove it").click()
    expect(tab.get_by_text("removed its file")).to_be_visible()
