"""Imports, examples and datasets in a real Chromium: both themes, desk and phone, and a file walked through by hand."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.urls import reverse
from playwright.sync_api import Browser, Page, Route, expect

from annotation.models import Example, Review, Revision
from core.models import Run
from core.tasks import execute_run
from dataset.mapping import FieldMapping
from dataset.models import DataImport, DatasetVersion, Upload
from dataset.services.imports import start_import
from dataset.services.uploads import begin_upload
from dataset.services.versions import start_freeze
from tests.support import look
from tests.support.factories import World, make_example, make_world, spelled

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sent")]
THEMES = (("light", look.WIDE), ("dark", look.PHONE))


TABLE = (
    "Frage,Antwort,Sendung,Bearbeiter,Notiz\n"
    '"Where is FD-1? We have waited\nsince Monday.",In Oslo.,FD-1 | Oslo | held by customs,7,\n'
    "Where is FD-2?,,FD-2 | Bonn,7,a note that is rather long for the column of a table\n"
    ",In Rome.,,8,\n"
)


def rows(count: int, **fields: Any) -> list[dict[str, Any]]:
    return [
        {
            "prompt": f"Where is shipment {spelled(40000 + n)}? {'We have waited since Monday. ' * (n % 5)}",
            "completion": f"It left port {n} this morning. Your next step: none for now.",
            "context": [f"FD-{40000 + n} | left port {n}"],
            "slice": ("shipment status", "customs documents", "pickup and delivery appointments")[n % 3],
            "edge": "angry_customer" if n % 7 == 0 else "",
            "tags": ["eta"],
        }
        | fields
        for n in range(count)
    ]


def jsonl(path: Path, lines: list[Any]) -> Path:
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


@pytest.fixture
def desk(transactional_db: None, tmp_path: Path) -> World:
    """A project with imports that went well and badly, two versions, and an example with a history."""
    world = make_world()
    table = tmp_path / "table.csv"
    table.write_text(TABLE)
    checked = start_import(
        by=world.admin, project=world.project, path=table, file_name="Kundenfragen.csv", check=True,
        mapping=FieldMapping({"Frage": "prompt", "Antwort": "completion", "Sendung": "context"}),
    )  # fmt: skip
    execute_run(checked.run_id)
    begin_upload(by=world.admin, project=world.project, file_name="half of it.jsonl", size_bytes=99_000_000)
    odd = {"contxt": ["FD-1"], "Licence": "CC BY 4.0", "a_key_that_is_rather_long_for_a_column_of_a_table": 1}
    lines = [
        *rows(40, **odd),
        "not JSON",
        {"prompt": ""},
        {"prompt": "x", "edge": "weird", "tags": 3},
        rows(1)[0],
    ]
    name = "a rather long name for a file of pairs, November.jsonl"
    for destination, content in (("approved", lines), ("queued", ["garbage"] * 1200)):
        path = jsonl(tmp_path / name, content)
        data_import = start_import(
            by=world.admin, project=world.project, path=path, file_name=name, destination=destination
        )
        execute_run(data_import.run_id)
    for _ in range(2):
        execute_run(
            start_freeze(by=world.admin, project=world.project, note="before the handbook").run_id or 0
        )
        tested = Example.objects.filter(dataset_rows__split="test").earliest("pk")
        make_example(world.project, messages=tested.messages, context=tested.context, status="approved")
    example = Example.objects.earliest("pk")
    content = example.content() | {
        "completion": "It left yesterday.",
        "slice": "",
        "edge": "",
        "tags": ["eta", "late"],
    }
    second = Revision.objects.create(
        example=example, number=2, reason="submitted", content=content, by=world.annotator
    )
    Review.objects.create(
        example=example, revision=second, verdict="returned", comment="Say when.", by=world.reviewer
    )
    return world


def pages(world: World) -> dict[str, str]:
    slug = world.project.slug
    checked, good, bad = DataImport.objects.order_by("pk")
    names: dict[str, list[object]] = {
        "imports": [slug], "import-new": [slug], "examples": [slug], "datasets": [slug], "dataset-new": [slug],
        "example": [slug, Example.objects.earliest("pk").pk], "dataset": [slug, 2], "dataset-rows": [slug, 2],
        "dataset-withheld": [slug, 2],
    }  # fmt: skip
    found = {
        name: reverse(f"{'annotation' if name.startswith('example') else 'datasets'}:{name}", args=args)
        for name, args in names.items()
    }
    for name, data_import in (("import-good", good), ("import-bad", bad), ("import-check", checked)):
        found[name] = reverse("datasets:import", args=[slug, data_import.pk])
    found["import-repeats"] = f"{found['import-good']}?kind=repeated"
    return found


@pytest.mark.parametrize(("theme", "size"), THEMES)
def test_pages_are_right_to_look_at(
    theme: Any, size: tuple[int, int], browser: Browser, live_server: Any, desk: World
):
    context = browser.new_context(color_scheme=theme, viewport={"width": size[0], "height": size[1]})
    look.sign_in(context, live_server.url, desk.admin)
    page = context.new_page()
    said = look.watch(page)
    faults: dict[str, list[str]] = {}
    for name, url in pages(desk).items():
        page.goto(live_server.url + url)
        look.picture(page, f"annotation-{name}-{theme}-{size[0]}")
        if found := [*look.faults(page), *look.beyond_its_sheet(page)]:
            faults[name] = found
    context.close()
    assert faults == {}
    assert said == []


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
    context = browser.new_context(base_url=live_server.url)
    look.sign_in(context, live_server.url, world.admin)
    page = context.new_page()
    said = look.watch(page)
    yield page, world
    context.close()
    # A test cuts the connection on purpose.
    assert [line for line in said if "ERR_CONNECTION_RESET" not in line] == []


def test_a_file_is_imported_watched_and_taken_out_again(page: tuple[Page, World], tmp_path: Path):
    tab, world = page
    path = jsonl(tmp_path / "pairs.jsonl", [*rows(9), "bad"])
    tab.goto(reverse("datasets:import-new", args=[world.project.slug]))
    tab.get_by_label("File").set_input_files(path)
    tab.get_by_label("Approved without review").check()
    tab.get_by_role("button", name="Import without a check").click()
    expect(tab.get_by_text("Waiting for a worker.")).to_be_visible()
    _work(Run.objects.get().pk)
    # The card asks for itself; when the run has ended the page loads again, and the counts are there.
    expect(tab.get_by_text("is not a JSON object")).to_be_visible()
    tab.get_by_role("button", name="Remove what this import added").click()
    expect(tab.get_by_role("dialog")).to_contain_text("Remove all examples")
    tab.get_by_role("dialog").get_by_role("button", name="Remove them").click()
    expect(tab.get_by_text("9 examples are removed.")).to_be_visible()
    assert not Example.objects.exists()


def test_a_table_is_checked_mapped_and_imported(page: tuple[Page, World], tmp_path: Path):
    tab, world = page
    path = tmp_path / "Kundenfragen.csv"
    path.write_text(TABLE)
    tab.goto(reverse("datasets:import-new", args=[world.project.slug]))
    tab.get_by_label("File").set_input_files(path)
    tab.get_by_role("button", name="Check the file").click()
    expect(tab.get_by_text("Waiting for a worker.")).to_be_visible()
    _work(Run.objects.latest("pk").pk)
    expect(tab.get_by_role("heading", name="What the columns become")).to_be_visible()
    expect(tab.get_by_text("None of the 3 rows can be used.").first).to_be_visible()
    # Nothing can be imported yet: the page says what to do, and neither a column nor a button says otherwise.
    expect(tab.get_by_text("Choose for each column what it is")).to_be_visible()
    expect(tab.locator("table.mapping").get_by_text("Imported.", exact=True)).to_have_count(0)
    expect(tab.get_by_role("button", name="Import")).to_have_count(0)
    tab.get_by_label("Frage", exact=True).select_option("Question")
    tab.get_by_label("Antwort", exact=True).select_option("Completion")
    tab.get_by_label("Sendung", exact=True).select_option("Record")
    tab.get_by_role("button", name="Check again").click()
    expect(tab.get_by_text("Waiting for a worker.")).to_be_visible()
    _work(Run.objects.latest("pk").pk)
    expect(tab.get_by_text("FD-1 | Oslo | held by customs").last).to_be_visible()
    expect(tab.get_by_text("Empty: there is nothing to answer.").first).to_be_visible()
    assert not Example.objects.exists()
    tab.get_by_role("button", name="Import 2 examples").click()
    expect(tab.get_by_text("Waiting for a worker.")).to_be_visible()
    _work(Run.objects.latest("pk").pk)
    expect(tab.get_by_text("Examples added")).to_be_visible()
    first = Example.objects.earliest("pk")
    assert (first.completion, first.context) == ("In Oslo.", ["FD-1 | Oslo | held by customs"])


def test_an_empty_file_is_refused_before_it_is_sent(page: tuple[Page, World], tmp_path: Path):
    tab, world = page
    path = tmp_path / "empty.jsonl"
    path.write_text("")
    tab.goto(reverse("datasets:import-new", args=[world.project.slug]))
    tab.get_by_label("File").set_input_files(path)
    tab.get_by_role("button", name="Check the file").click()
    expect(tab.get_by_text("The file is empty. Choose another file.").first).to_be_visible()
    expect(tab.get_by_role("button", name="Check the file")).to_be_enabled()
    assert not Upload.objects.exists()


def test_an_upload_goes_on_after_a_lost_connection_and_in_another_tab(
    page: tuple[Page, World], tmp_path: Path
):
    tab, world = page
    path = jsonl(
        tmp_path / "large.jsonl",
        [{"prompt": f"Where is {n}?", "completion": "x" * 18_000} for n in range(500)],
    )
    url = reverse("datasets:import-new", args=[world.project.slug])
    lost = []

    def cut(route: Route) -> None:
        """The second piece is lost, once; after that the tab is closed in the middle of the third."""
        offset = route.request.headers.get("upload-offset", "")
        if route.request.method == "PUT" and offset != "0" and len(lost) < 2:
            lost.append(offset)
            route.abort("connectionreset")
        else:
            route.continue_()

    tab.context.route("**/uploads/**", cut)
    tab.goto(url)
    tab.get_by_label("File").set_input_files(path)
    tab.get_by_role("button", name="Check the file").click()
    expect(tab.get_by_text("The connection is lost at 4 MB.")).to_be_visible()
    expect(tab.get_by_text("It tries again in 2 s.")).to_be_visible()
    assert Upload.objects.get().received_bytes == 4 * 1024 * 1024
    tab.goto(url)
    expect(tab.get_by_text("large.jsonl")).to_be_visible()
    sent: list[str] = []
    tab.on(
        "request",
        lambda request: (
            sent.append(request.headers.get("upload-offset", "")) if request.method == "PUT" else None
        ),
    )
    tab.get_by_label("File").set_input_files(path)
    tab.get_by_role("button", name="Check the file").click()
    expect(tab.get_by_text("Waiting for a worker.")).to_be_visible()
    assert sent[0] == str(4 * 1024 * 1024)
    assert not Upload.objects.exists()
    data_import = DataImport.objects.get()
    assert data_import.upload.size_bytes == path.stat().st_size
    _work(data_import.run_id)
    expect(tab.get_by_role("button", name="Import 500 examples")).to_be_visible()


def test_a_dataset_is_previewed_and_frozen(page: tuple[Page, World]):
    tab, world = page
    for name in ("customs", "delay"):
        for _ in range(4):
            make_example(world.project, status="approved", slice=name)
    tab.goto(reverse("datasets:dataset-new", args=[world.project.slug]))
    expect(tab.get_by_role("heading", name="8 approved examples")).to_be_visible()
    tab.get_by_text("Only some slices or sources").click()
    tab.get_by_label("customs").check()
    expect(tab.get_by_role("heading", name="4 approved examples")).to_be_visible()
    tab.get_by_label("customs").uncheck()
    expect(tab.get_by_role("heading", name="8 approved examples")).to_be_visible()
    tab.get_by_label("Note").fill("the first")
    tab.get_by_role("button", name="Freeze").click()
    expect(tab.get_by_text("Waiting for a worker.")).to_be_visible()
    _work(Run.objects.get().pk)
    tab.get_by_role("button", name="Download").click()
    expect(tab.get_by_role("link", name="Rows as JSONL")).to_be_visible()
    assert DatasetVersion.objects.get().note == "the first"
    with tab.expect_download() as download:
        tab.get_by_role("link", name="Rows as JSONL").click()
    lines = Path(download.value.path()).read_text().splitlines()
    assert len(lines) == 8


def test_examples_are_filtered_without_a_page_load_and_retired(page: tuple[Page, World]):
    tab, world = page
    keep = make_example(world.project, "Where is the container?", status="approved")
    make_example(world.project, "What does customs want?", status="approved")
    tab.goto(reverse("annotation:examples", args=[world.project.slug]))
    tab.evaluate("window.sameDocument = true")
    tab.get_by_label("Text").fill("container")
    expect(tab.get_by_text("What does customs want?")).to_be_hidden()
    assert tab.evaluate("window.sameDocument") is True
    with tab.expect_download() as download:  # what is shown, not what was shown when the page was opened
        tab.get_by_role("link", name="Download these as JSONL").click()
    (line,) = Path(download.value.path()).read_text().splitlines()
    assert json.loads(line)["messages"] == keep.messages
    tab.get_by_role("link", name=f"#{keep.pk}").click()
    tab.get_by_label("Why").fill("out of date")
    tab.get_by_role("button", name="Retire", exact=True).click()
    tab.get_by_role("dialog").get_by_role("button", name="Retire it").click()
    expect(tab.get_by_text("is retired. Datasets that have it keep it.")).to_be_visible()
    keep.refresh_from_db()
    assert keep.status == "retired"
