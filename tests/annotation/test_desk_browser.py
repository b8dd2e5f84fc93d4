"""Where things are on the pages one works on: on the first screen, beside each other, never under the foot."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser, Locator, Page, expect

from annotation import services
from annotation.models import Draft, Example, Lease
from core.models import Role, User
from tests.support import look
from tests.support.factories import World, join, make_example, make_user, make_world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.django_db(transaction=True)]
ANNOTATE, REVIEW = Lease.Purpose.ANNOTATE, Lease.Purpose.REVIEW
DESK, TABLET, PHONE = (1440, 900), (768, 1024), (360, 780)
SIZES = pytest.mark.parametrize("size", [DESK, TABLET, PHONE], ids=["desk", "tablet", "phone"])
GUIDELINE = "# How we answer\n\n" + "\n\n".join(
    f"## {n}. {name}\n\n" + f"Say what the records hold about {name.lower()}. " * 40
    for n, name in enumerate(
        ["Three moves", "Voice", "Angry customers", "Customs documents", "What we never do"], 1
    )
)


def make_desk() -> World:
    world = make_world()
    world.project.guideline = GUIDELINE
    world.project.save()
    return world


@pytest.fixture
def desk(transactional_db: None) -> World:
    return make_desk()


def long_pair(**more: Any) -> dict[str, Any]:
    """A conversation and records far longer than a screen."""
    turns = [
        {
            "role": ("user", "assistant")[n % 2],
            "content": f"Turn {n}. " + "My container is still in Rotterdam. " * 6,
        }
        for n in range(15)
    ]
    return {
        "messages": turns,
        "context": ["\n".join(f"FD-{n} | port NLRTM | unloaded 2026-11-{n % 28 + 1:02d}" for n in range(60))]
        * 2,
        "completion": "It is held in Rotterdam since 14 November. " * 12,
        "edge": "angry_customer",
        "slice": "customs documents",
        **more,
    }


def open_page(browser: Browser, base: str, user: User, path: str, size: tuple[int, int]) -> Page:
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, base_url=base)
    look.sign_in(context, base, user)
    page = context.new_page()
    page.goto(path)
    ready(page)
    return page


def ready(page: Page) -> None:
    """Its scripts run. (The policy forbids what Playwright's own wait_for_function evaluates.)"""
    look.soon(
        page,
        lambda: page.evaluate(
            "!!customElements.get('gh-guide') && !document.querySelector(':not(:defined)')"
        ),
        "the scripts",
    )


def url(world: World, name: str, *args: object) -> str:
    app = "datasets" if name.startswith(("import", "dataset")) else "annotation"
    return reverse(f"{app}:{name}", args=[world.project.slug, *args])


def seen(part: Locator) -> float:
    """How many pixels of its height are on the screen and not covered by anything (0 when none)."""
    return part.evaluate(
        """element => {
            const box = element.getBoundingClientRect();
            const x = box.left + Math.min(20, box.width / 2);
            let seen = 0;
            for (let y = Math.max(0, box.top) + 1; y < Math.min(innerHeight, box.bottom); y += 2) {
                const top = document.elementFromPoint(x, y);
                if (top && (element.contains(top) || top.closest("gh-marked") === element.closest("gh-marked") && top.closest("gh-marked"))) seen += 2;
            }
            return seen;
        }"""
    )


def sent_back_with_everything(world: World) -> Example:
    """An item with every notice there is: sent back, a draft, changed since, what was submitted before."""
    before = make_example(world.project, completion="It is on its way.")
    services.take(by=world.annotator, example=before, purpose=ANNOTATE)
    services.submit(by=world.annotator, example=before, content=before.content())
    pair = long_pair()
    example = make_example(
        world.project, status="in_review", submitted_by=world.annotator, submitted_at=timezone.now() - timedelta(hours=1),
        origin="rating", origin_detail={"label": "An answer corrected while rating", "answer": "We apologize for it. " * 30},
        **pair,
    )  # fmt: skip
    services.take(by=world.reviewer, example=example, purpose=REVIEW)
    services.send_back(
        by=world.reviewer, example=example, comment="Name the port in the first sentence. " * 12
    )
    services.take(by=world.annotator, example=example, purpose=ANNOTATE)
    services.save_draft(
        by=world.annotator,
        example=example,
        content={**example.content(), "completion": "Half an answer. " * 30},
    )
    Draft.objects.update(base_revision=7)  # the pair changed after it was begun
    return example


@SIZES
def test_conversation_and_completion_are_on_the_first_screen_whatever_is_told(
    size: tuple[int, int], desk: World, browser: Browser, live_server
) -> None:
    example = sent_back_with_everything(desk)
    page = open_page(browser, live_server.url, desk.annotator, url(desk, "item", example.pk), size)
    other = page.context.new_page()  # a second tab: one more notice
    other.goto(url(desk, "item", example.pk))
    expect(page.get_by_text("open in another tab")).to_have_count(1)
    page.bring_to_front()
    expect(page.get_by_text("This is your draft of")).to_be_visible()
    expect(page.get_by_text("changed after you started")).to_be_visible()
    assert page.evaluate("scrollY") == 0
    assert seen(page.locator("#completion")) > (120 if size == DESK else 40)
    assert seen(page.locator(".thread")) > 60
    # The conversation begins at its end, and a notice that takes room later changes nothing in that.
    assert seen(page.locator(".conversation")) > 90
    rest = "box => box.scrollHeight - box.clientHeight - box.scrollTop"
    look.soon(page, lambda: page.locator(".conversation").evaluate(rest) < 4, "the conversation's end")
    # All notices stand in one place, and none is as high as a box.
    assert page.locator("#work > .notice").count() == 0
    heights = page.locator(".status-line > .notice:visible").evaluate_all(
        "all => all.map((one) => one.offsetHeight)"
    )
    assert len(heights) == 3 and max(heights) < (40 if size != PHONE else 62)
    if size == DESK:
        assert page.evaluate("document.documentElement.scrollHeight") == size[1]
        assert seen(page.locator("#panel-records")) > 300
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    page.context.close()


@SIZES
def test_on_a_second_review_the_thread_is_above_the_pair_and_the_decision(
    size: tuple[int, int], desk: World, browser: Browser, live_server
) -> None:
    example = make_example(
        desk.project,
        status="in_review",
        submitted_by=desk.annotator,
        submitted_at=timezone.now(),
        **long_pair(),
    )
    services.take(by=desk.reviewer, example=example, purpose=REVIEW)
    services.send_back(by=desk.reviewer, example=example, comment="Name the port.")
    services.take(by=desk.annotator, example=example, purpose=ANNOTATE)
    services.submit(
        by=desk.annotator, example=example, content={**example.content(), "completion": "In Rotterdam."}
    )
    services.take(by=desk.reviewer, example=example, purpose=REVIEW)
    for name in ("review", "correct"):
        page = open_page(browser, live_server.url, desk.reviewer, url(desk, name, example.pk), size)
        thread = page.locator(".thread")
        expect(thread).to_contain_text("Name the port.")
        assert seen(thread) > 40
        assert seen(page.locator(".completion")) > 40
        top = "box => box.getBoundingClientRect().top"
        assert thread.evaluate(top) < page.locator(".completion").evaluate(top)
        if size == DESK and name == "review":
            assert seen(page.locator("#comment")) > 30
        page.context.close()


@pytest.mark.parametrize("size", [TABLET, PHONE], ids=["tablet", "phone"])
def test_records_are_one_press_away_on_a_narrow_screen(
    size: tuple[int, int], desk: World, browser: Browser, live_server
) -> None:
    example = make_example(desk.project, **long_pair())
    services.take(by=desk.annotator, example=example, purpose=ANNOTATE)
    page = open_page(browser, live_server.url, desk.annotator, url(desk, "item", example.pk), size)
    tab, panel = page.locator("#tab-records"), page.locator("#panel-records")
    for where in (0, 10_000):  # wherever one has scrolled to
        page.evaluate("y => scrollTo(0, y)", where)
        assert seen(tab) > 20
        expect(panel).to_be_hidden()
        tab.click()
        assert seen(panel) > 150
        tab.click()
        expect(panel).to_be_hidden()
    page.keyboard.press("Alt+2")
    expect(page.locator("#panel-checks")).to_be_visible()
    page.context.close()


def covered(page: Page) -> str:
    """What lies over the field that has the focus; empty when it can be seen."""
    return page.evaluate(
        """() => {
            const field = document.activeElement;
            const box = field.getBoundingClientRect();
            for (const y of [box.top + 3, Math.min(box.bottom, box.top + 60) - 3]) {
                const top = document.elementFromPoint(box.left + 12, y);
                const same = top && (field === top || field.contains(top) || (top.closest("gh-marked") && top.closest("gh-marked") === field.closest("gh-marked")));
                if (!same) return `${field.id || field.tagName} is under ${top ? top.outerHTML.slice(0, 80) : "the edge"} at ${y}`;
            }
            return "";
        }"""
    )


@SIZES
def test_no_field_that_takes_the_focus_is_under_the_foot(
    size: tuple[int, int], desk: World, browser: Browser, live_server
) -> None:
    example = sent_back_with_everything(desk)
    page = open_page(browser, live_server.url, desk.annotator, url(desk, "item", example.pk), size)
    page.locator("gh-toast .close").click()
    for key in ("Alt+t", "Alt+c", "Alt+s", "Alt+e", "Alt+t"):
        page.keyboard.press(key)
        assert covered(page) == ""
    page.keyboard.press("Alt+c")
    for _ in range(12):  # and by Tab, through everything after the completion
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('textarea, input, select')"):
            assert covered(page) == ""
    page.context.close()


@SIZES
def test_an_error_is_beside_its_field_and_seen(
    size: tuple[int, int], desk: World, browser: Browser, live_server
) -> None:
    everybody = make_user("Everything Member")
    join(desk.project, everybody, Role.ANNOTATOR, Role.REVIEWER)
    item = make_example(desk.project, **long_pair())
    pair = make_example(
        desk.project,
        status="in_review",
        submitted_by=desk.annotator,
        submitted_at=timezone.now(),
        **long_pair(),
    )
    services.take(by=everybody, example=item, purpose=ANNOTATE)
    services.take(by=everybody, example=pair, purpose=REVIEW)
    page = open_page(browser, live_server.url, everybody, url(desk, "item", item.pk), size)
    page.locator("#completion").fill("")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#completion-error")).to_have_text("Write the completion.")
    expect(page.locator("#completion")).to_be_focused()
    assert seen(page.locator("#completion-error")) > 8
    assert covered(page) == ""
    page.goto(url(desk, "review", pair.pk))
    ready(page)
    page.evaluate("scrollTo(0, 0)")
    page.get_by_role("button", name="Send back", exact=True).click()
    expect(page.locator("#comment-error")).to_contain_text("Say what would be right.")
    expect(page.locator("#comment")).to_be_focused()
    assert seen(page.locator("#comment-error")) > 8
    assert covered(page) == ""
    page.context.close()


def test_the_guideline_by_keyboard_alone(desk: World, browser: Browser, live_server) -> None:
    example = make_example(desk.project, **long_pair(edge="angry_customer"))
    services.take(by=desk.annotator, example=example, purpose=ANNOTATE)
    page = open_page(browser, live_server.url, desk.annotator, url(desk, "item", example.pk), DESK)
    drawer, text = page.locator("#guideline"), page.locator("#guideline .prose")
    expect(page.locator("#completion")).to_be_focused()
    page.keyboard.press("End")
    page.keyboard.press("Alt+g")
    expect(text).to_be_focused()
    # It opens at the part for this edge case, beside the work.
    expect(text.locator(".here")).to_have_text("3. Angry customers")
    assert text.evaluate("box => box.scrollTop") > 200
    assert seen(page.locator("#completion")) > 100
    assert seen(page.locator("#panel-records")) > 100
    box = page.locator("#completion").bounding_box()
    assert box and box["x"] + box["width"] <= drawer.bounding_box()["x"]
    before = text.evaluate("box => box.scrollTop")
    page.keyboard.press("PageDown")
    look.soon(page, lambda: text.evaluate("box => box.scrollTop") > before + 200, "the page turning")
    assert page.evaluate("scrollY") == 0
    page.keyboard.press("Escape")
    expect(drawer).to_be_hidden()
    expect(page.locator("#completion")).to_be_focused()
    # While one types it stays open, and its pages turn with Alt.
    page.keyboard.press("Alt+g")
    expect(text).to_be_focused()
    page.locator("#completion").focus()
    before = text.evaluate("box => box.scrollTop")
    page.keyboard.press("Alt+PageUp")
    look.soon(page, lambda: text.evaluate("box => box.scrollTop") < before - 200, "the page turning back")
    expect(page.locator("#completion")).to_be_focused()
    # Contents and search.
    drawer.get_by_text("Contents").click()
    drawer.get_by_role("link", name="5. What we never do").click()
    expect(text.locator(".here")).to_have_text("5. What we never do")
    page.get_by_label("Search the guideline").fill("about voice")
    expect(drawer.locator("[data-guide-count]")).to_have_text("1 of 40")
    page.keyboard.press("Enter")
    expect(drawer.locator("[data-guide-count]")).to_have_text("2 of 40")
    page.get_by_label("Search the guideline").fill("zebra")
    expect(drawer.locator("[data-guide-count]")).to_have_text("not found")
    # The next page of this tab has it open, and the work keeps the focus.
    page.reload()
    expect(drawer).to_be_visible()
    expect(page.locator("#completion")).to_be_focused()
    page.context.close()


def test_an_opening_guideline_takes_the_focus_from_nobody_who_went_on(
    desk: World, browser: Browser, live_server
) -> None:
    example = make_example(desk.project)
    services.take(by=desk.annotator, example=example, purpose=ANNOTATE)
    page = open_page(browser, live_server.url, desk.annotator, url(desk, "item", example.pk), DESK)
    expect(page.locator("#completion")).to_be_focused()
    # Both before the browser tells that the drawer has opened.
    page.evaluate(
        "document.querySelector('.guide-open').click(); document.querySelector('#tags').focus();"
        "new Promise((done) => document.querySelector('#guideline').addEventListener('toggle', () => setTimeout(done)))"
    )
    expect(page.locator("#guideline .prose")).to_be_visible()
    expect(page.locator("#tags")).to_be_focused()
    page.context.close()


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_the_guideline_is_on_every_page_one_judges_on(
    size: tuple[int, int], desk: World, browser: Browser, live_server
) -> None:
    everybody = make_user("Everything Member")
    join(desk.project, everybody, Role.ANNOTATOR, Role.REVIEWER, Role.RATER)
    pair = make_example(
        desk.project, status="in_review", submitted_by=desk.annotator, submitted_at=timezone.now()
    )
    services.take(by=everybody, example=pair, purpose=REVIEW)
    slug = desk.project.slug
    for path in (
        url(desk, "write"), url(desk, "review", pair.pk), url(desk, "correct", pair.pk),
        reverse("evaluation:home", args=[slug]), reverse("inference:chat", args=[slug]),
    ):  # fmt: skip
        page = open_page(browser, live_server.url, everybody, path, size)
        page.locator(".guide-open").click()
        expect(page.locator("#guideline .prose")).to_be_visible()
        assert seen(page.locator("#guideline .prose")) > 200
        assert look.faults(page) == []
        page.keyboard.press("Escape")
        expect(page.locator("#guideline")).to_be_hidden()
        expect(page.locator(".guide-open")).to_be_focused()
        page.context.close()


def test_the_caret_is_where_one_left_it(desk: World, browser: Browser, live_server) -> None:
    example = make_example(desk.project, completion="one two three", tags=["eta"])
    services.take(by=desk.annotator, example=example, purpose=ANNOTATE)
    page = open_page(browser, live_server.url, desk.annotator, url(desk, "item", example.pk), DESK)
    caret = "document.activeElement.selectionStart"
    page.keyboard.press("Alt+t")
    assert page.evaluate(caret) == len("eta")
    page.keyboard.press("Alt+c")
    assert page.evaluate(caret) == len("one two three")
    for _ in range(6):
        page.keyboard.press("ArrowLeft")
    page.keyboard.press("Alt+s")
    page.keyboard.press("Alt+c")
    assert page.evaluate(caret) == len("one two")
    page.context.close()


def test_marks_lie_on_their_words_at_every_width(desk: World, browser: Browser, live_server) -> None:
    words = "unloaded 2026-11-14 supercalifragilistic NLRTM a bb ccc "
    example = make_example(
        desk.project, completion=words * 30, context=[words * 40 + "\n\tindented\n"], slice="customs"
    )
    services.take(by=desk.annotator, example=example, purpose=ANNOTATE)
    page = open_page(browser, live_server.url, desk.annotator, url(desk, "item", example.pk), DESK)
    differ = """() => [...document.querySelectorAll("gh-marked")].filter((one) => {
        const [back, area] = [one.querySelector(".marks"), one.querySelector("textarea")];
        return area.offsetHeight && Math.abs(back.scrollHeight - area.scrollHeight) > 8; // less than half a line
    }).map((one) => one.dataset.field)"""
    for width in [*range(1000, 1440, 37), 700, 361, 343]:
        page.set_viewport_size({"width": width, "height": 900})
        if width < 960:
            page.locator("gh-tabs").evaluate("tabs => tabs.setAttribute('data-open', '')")
        look.soon(page, lambda: page.evaluate(differ) == [], f"equal line breaks at {width} px")
    page.context.close()


def test_skipping_says_so_and_can_be_undone(desk: World, browser: Browser, live_server) -> None:
    first, second = make_example(desk.project, slice="one"), make_example(desk.project, slice="two")
    services.take(by=desk.annotator, example=first, purpose=ANNOTATE)
    page = open_page(browser, live_server.url, desk.annotator, url(desk, "item", first.pk), DESK)
    page.keyboard.press("Escape")
    look.follow(page, "j")
    expect(page).to_have_title(re.compile("Two"))
    expect(page.locator("#toasts")).to_contain_text(f"#{first.pk} skipped.")
    page.keyboard.press("Escape")
    look.follow(page, "u")
    expect(page).to_have_title(re.compile("One"))
    page.keyboard.press("Alt+y")
    expect(page.locator("#skip-reason")).to_be_focused()
    page.keyboard.type("No record of it.")
    look.follow(page, "Enter")
    page.goto(url(desk, "overview"))
    skipped = page.get_by_role("region", name="You skipped")
    expect(skipped).to_contain_text(f"#{first.pk}")
    expect(skipped).to_contain_text("No record of it.")
    assert "colleagues" not in page.locator("main").inner_text()  # what one has open oneself
    page.context.close()
    assert Lease.objects.get(outcome="skipped").note == "No record of it."
    assert second.pk


@pytest.mark.parametrize("theme", ["light", "dark"])
@SIZES
def test_pages_with_everything_on_them_are_without_fault(
    size: tuple[int, int], theme: str, desk: World, browser: Browser, live_server
) -> None:
    desk.annotator.theme = desk.reviewer.theme = theme
    desk.annotator.save()
    desk.reviewer.save()
    example = sent_back_with_everything(desk)
    pair = make_example(
        desk.project, status="in_review", submitted_by=desk.annotator, submitted_at=timezone.now(),
        origin="chat", origin_detail={"label": "Chat", "answer": "We apologize."}, **long_pair(),
    )  # fmt: skip
    services.take(by=desk.reviewer, example=pair, purpose=REVIEW)
    found = {}
    for user, path in (
        (desk.annotator, url(desk, "item", example.pk)), (desk.annotator, url(desk, "overview")),
        (desk.reviewer, url(desk, "review", pair.pk)), (desk.reviewer, url(desk, "correct", pair.pk)),
        (desk.reviewer, url(desk, "review-list")), (desk.admin, url(desk, "imports")),
        (desk.admin, url(desk, "import-new")), (desk.viewer, url(desk, "example", example.pk)),
    ):  # fmt: skip
        page = open_page(browser, live_server.url, user, path, size)
        complaints = look.watch(page)
        page.wait_for_load_state("networkidle")
        if faults := [*look.faults(page), *complaints]:
            found[path] = faults
        page.context.close()
    assert found == {}
