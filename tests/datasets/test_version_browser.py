"""A dataset's page, its comparison with another version and its datasheet in a real Chromium."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.urls import reverse
from playwright.sync_api import Browser, Page, expect

from annotation.models import Example, Review
from dataset.models import DatasetVersion, Source
from dataset.queries.datasheet import standing_answers
from dataset.runner.report import make_report
from dataset.services.datasheets import answer_datasheet
from dataset.services.reports import start_report
from tests.datasets.test_version_compare import edit
from tests.support import look
from tests.support.factories import World, make_example, make_frozen, make_world, quiet, spelled

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sent")]
THEMES = (("light", look.WIDE), ("dark", look.WIDE), ("light", look.PHONE), ("dark", look.PHONE))
SLICES = ("shipment status", "customs documents", "pickup and delivery appointments")


@pytest.fixture
def desk(transactional_db: None) -> World:
    """Three versions, with everything that a comparison can show, a report and some answers."""
    world = make_world()
    for name, license_ in (
        ("Archive of the freight desk 2024", "internal"),
        ("Customs handbook", "CC BY 4.0"),
    ):
        Source.objects.create(project=world.project, name=name, license=license_)
    with transaction.atomic():
        examples = [
            make_example(
                world.project,
                f"Where is the crate {spelled(n)}? We have waited since Monday, and nobody calls us back.",
                f"The crate {spelled(n)} left the port this morning and arrives on Friday.\n\nYour next step: none for now.",
                status="approved",
                slice=SLICES[n % 3],
                source=("Archive of the freight desk 2024", "Customs handbook", None)[n % 3],
                license=("", "CC BY 4.0", "")[n % 3],
                context=[f"crate {spelled(n)} | left port | ETA Friday"],
                created_by=world.admin,
            )
            for n in range(36)
        ]
        for n, example in enumerate(examples[:20]):
            Review.objects.create(
                example=example, revision=example.revisions.get(), verdict="accepted", by=world.reviewer, in_bulk=n > 11
            )  # fmt: skip
        make_frozen(world.project, world.admin, note="before the handbook")
        for n, example in enumerate(examples[:4]):
            edit(
                example,
                completion=example.completion.replace("this morning", "yesterday")
                + f" Ask for FD-{90210 + n}.",
            )
        edit(examples[5], slice="customs documents", tags=["eta", "late"])
        Example.objects.filter(pk=examples[6].pk).update(license="CC BY-SA 4.0")
        Example.objects.filter(pk=examples[7].pk).update(status="retired")
        Example.objects.filter(pk=examples[8].pk).update(rejected="We do not know. Call again.")
        make_example(world.project, "Whom do I ask?", "Write to ann.smith@acme.io today.", status="approved")
        make_frozen(
            world.project, world.admin, note="with corrections of the reviewers, and one privacy problem"
        )
        for dataset in DatasetVersion.objects.all():
            make_report(start_report(by=None, dataset=dataset), tell=quiet)
        answer_datasheet(
            by=world.admin,
            project=world.project,
            dataset=DatasetVersion.objects.get(number=2),
            answers={
                "purpose": "To teach an assistant of the freight desk how our own people answer.\nNot for legal advice.",
                "funding": "The freight desk.",
            },
        )
        make_frozen(world.project, world.admin)
    return world


def pages(world: World) -> dict[str, str]:
    slug = world.project.slug
    return {
        "dataset": reverse("datasets:dataset", args=[slug, 2]),
        "dataset-new": reverse("datasets:dataset", args=[slug, 3]),
        "rows": reverse("datasets:dataset-rows", args=[slug, 2]) + "?rejected=yes",
        "findings": reverse("datasets:dataset-findings", args=[slug, 2]),
        "compare": reverse("datasets:dataset-compare", args=[slug, 2, 1]),
        "compare-same": reverse("datasets:dataset-compare", args=[slug, 3, 2]),
        "datasheet": reverse("datasets:dataset-datasheet", args=[slug, 2]),
        "answers": reverse("datasets:dataset-datasheet-answers", args=[slug, 2]),
    }


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
        look.picture(page, f"version-{name}-{theme}-{size[0]}")
        if found := look.faults(page):
            faults[name] = found
    context.close()
    assert faults == {}
    assert said == []


@pytest.fixture
def page(browser: Browser, live_server: Any, desk: World) -> Iterator[tuple[Page, World]]:
    context = browser.new_context(base_url=live_server.url)
    look.sign_in(context, live_server.url, desk.admin)
    page = context.new_page()
    said = look.watch(page)
    yield page, desk
    context.close()
    assert said == []


def test_two_versions_are_chosen_compared_and_filtered(page: tuple[Page, World]):
    tab, world = page
    tab.goto(reverse("datasets:dataset", args=[world.project.slug, 3]))
    tab.get_by_label("Compare with").select_option("1")
    tab.get_by_role("button", name="Compare").click()
    expect(tab.get_by_role("heading", name="Dataset 3 compared with dataset 1")).to_be_visible()
    expect(tab.locator("ins").filter(has_text="yesterday").first).to_be_visible()
    tab.get_by_role("link", name="Added 1").click()
    expect(tab.get_by_text("Whom do I ask?", exact=True)).to_be_visible()
    tab.get_by_label("Slice").select_option("customs documents")
    expect(tab.get_by_text("No such rows")).to_be_visible()
    # The tab stays chosen while the filter changes, and the tabs count within the slice.
    expect(tab.get_by_role("link", name="Added 0")).to_have_attribute("aria-current", "page")
    tab.get_by_role("link", name="Only labels changed").click()
    expect(tab.get_by_text("eta, late")).to_be_visible()


def test_a_question_is_answered_and_stands_in_the_files(page: tuple[Page, World], tmp_path: Path):
    tab, world = page
    tab.goto(reverse("datasets:dataset", args=[world.project.slug, 2]))
    tab.get_by_role("link", name="Read the datasheet").click()
    tab.get_by_role("link", name="Answer the questions").click()
    tab.get_by_label("Who paid for its creation?").fill("The desk & its <customers>.")
    tab.get_by_role("button", name="Save the answers").click()
    expect(tab.get_by_text("The answers are saved.")).to_be_visible()
    expect(tab.get_by_text("The desk & its <customers>.")).to_be_visible()
    assert (
        standing_answers(DatasetVersion.objects.get(number=2))["funding"].text
        == "The desk & its <customers>."
    )
    for link, start in (("PDF", b"%PDF-"), ("Markdown", b"# Datasheet")):
        with tab.expect_download() as download:
            tab.get_by_role("link", name=link, exact=True).click()
        assert Path(download.value.path()).read_bytes().startswith(start)
