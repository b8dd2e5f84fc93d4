"""An export in a real Chromium: from the filtered list to the downloaded file, in both themes and on a phone."""

import csv
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Browser, Page, expect

from core.tasks import execute_run
from dataset.services.versions import start_freeze
from tests.support import look
from tests.support.factories import World, make_example, make_world

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sent")]


@pytest.fixture
def desk(transactional_db: None) -> World:
    """A project with examples that some shapes leave out, and a dataset version."""
    world = make_world()
    for number in range(12):
        make_example(
            world.project,
            f"Where is container {number}? We have waited since Monday, and nobody could tell us on the phone.",
            status="approved",
            slice=("shipment status", "customs documents")[number % 2],
            rejected="I do not know." if number % 3 == 0 else "",
            context=[f"FD-{42000 + number} | left Rotterdam 09:10"],
            license="CC BY 4.0",
        )
    execute_run(start_freeze(by=world.admin, project=world.project).run_id or 0)
    talk = [{"role": "user", "content": "Hello?"}, {"role": "user", "content": "Where is FD-1?"}]
    make_example(world.project, messages=talk, slice="customs documents", status="approved")
    make_example(world.project, "=1+1?", slice="customs documents")
    return world


def address(name: str, world: World, *more: object) -> str:
    return reverse(name, args=[world.project.slug, *more])


@pytest.mark.parametrize(
    ("theme", "size"),
    [("light", look.WIDE), ("dark", look.PHONE), ("light", look.PHONE), ("dark", look.WIDE)],
)
def test_pages_are_right_to_look_at(
    theme: Any, size: tuple[int, int], browser: Browser, live_server: Any, desk: World
) -> None:
    context = browser.new_context(color_scheme=theme, viewport={"width": size[0], "height": size[1]})
    look.sign_in(context, live_server.url, desk.admin)
    page = context.new_page()
    said = look.watch(page)
    faults: dict[str, list[str]] = {}
    export, version = address("datasets:export", desk), address("datasets:dataset-export", desk, 1)
    pages = {
        "list": address("annotation:examples", desk),
        "all": export,
        "alpaca": f"{export}?slice=customs+documents&shape=alpaca",
        "standard": f"{export}?shape=openai&keys=standard",
        "csv": f"{export}?shape=csv",
        "none": f"{export}?status=retired&shape=kto",
        "version": f"{version}?shape=preference",
        "folder": f"{version}?shape=huggingface&split=train",
        "dataset": address("datasets:dataset", desk, 1),
    }
    for name, url in pages.items():
        page.goto(live_server.url + url)
        look.picture(page, f"export-{name}-{theme}-{size[0]}")
        if found := look.faults(page):
            faults[name] = found
    page.goto(live_server.url + f"{export}?shape=docx", wait_until="load")
    expect(page.get_by_text("“docx” is not one of")).to_be_visible()
    look.picture(page, f"export-wrong-{theme}-{size[0]}")
    context.close()
    assert faults == {}
    assert [line for line in said if "422" not in line] == []


@pytest.fixture
def tab(browser: Browser, live_server: Any, desk: World) -> Iterator[Page]:
    context = browser.new_context(base_url=live_server.url)
    look.sign_in(context, live_server.url, desk.viewer)
    page = context.new_page()
    said = look.watch(page)
    yield page
    context.close()
    assert said == []


def _downloaded(tab: Page) -> bytes:
    with tab.expect_download() as download:
        tab.get_by_role("link", name="Download", exact=True).click()
    return Path(download.value.path()).read_bytes()


def test_a_filtered_list_is_exported_in_a_chosen_shape(tab: Page, desk: World) -> None:
    tab.goto(address("annotation:examples", desk))
    tab.get_by_label("Slice").select_option("customs documents")
    tab.get_by_role("link", name="Export these").click()
    expect(tab.get_by_role("heading", name="Export examples")).to_be_visible()
    expect(tab.get_by_text("Slice: customs documents")).to_be_visible()
    tab.get_by_role("radio", name="Alpaca JSONL").check()
    expect(
        tab.get_by_text("1 example in which questions and answers do not alternate is left out")
    ).to_be_visible()
    tab.get_by_role("radio", name="Only the standard keys,").check()
    expect(tab.get_by_text("part of the system message")).to_be_visible()
    rows = [json.loads(line) for line in _downloaded(tab).decode().splitlines()]
    assert len(rows) == 7
    assert {tuple(row) for row in rows} == {("instruction", "input", "output", "system", "history")}
    # The address keeps the choice, and the shape is chosen with the arrow keys too.
    assert "shape=alpaca" in tab.url and "slice=customs%20documents" in tab.url
    tab.get_by_role("radio", name="Alpaca JSONL").focus()
    tab.keyboard.press("ArrowDown")
    expect(tab.get_by_role("heading", name="ShareGPT JSONL")).to_be_visible()
    expect(tab.get_by_role("radio", name="ShareGPT JSONL")).to_be_focused()
    tab.get_by_role("radio", name="CSV for Excel").check()
    expect(tab.get_by_role("heading", name="CSV for Excel")).to_be_visible()
    cells = list(csv.DictReader(io.StringIO(_downloaded(tab).decode("utf-8-sig"), newline="")))
    assert len(cells) == 8
    assert cells[-1]["prompt"] == "'=1+1?"


def test_a_split_of_a_dataset_is_exported_as_a_folder(tab: Page, desk: World) -> None:
    tab.goto(address("datasets:dataset", desk, 1))
    tab.get_by_role("button", name="Download").click()
    tab.get_by_role("link", name="Rows in another shape").click()
    tab.get_by_role("combobox", name="Split").select_option("train")
    expect(tab).to_have_url(re.compile("split=train"))
    tab.get_by_role("radio", name="Hugging Face dataset folder").check()
    expect(tab.get_by_role("heading", name="Hugging Face dataset folder")).to_be_visible()
    with zipfile.ZipFile(io.BytesIO(_downloaded(tab))) as archive:
        assert sorted(archive.namelist()) == ["README.md", "croissant.json", "data/train-00000.parquet"]


def test_counts_of_many_rows_come_after_the_page(
    tab: Page, desk: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dataset.views.exports.AT_ONCE", 3)
    for url in (address("datasets:export", desk), address("datasets:dataset-export", desk, 1)):
        first = tab.request.get(f"{url}?shape=kto").text()
        assert "Counting the rows" in first and "Rows in the file" not in first
        tab.goto(f"{url}?shape=kto")
        expect(tab.get_by_text("Rows in the file")).to_be_visible()
        expect(tab.get_by_text("Counting the rows")).to_be_hidden()
        expect(tab.get_by_role("region", name="First rows of the file")).to_contain_text("label")
