"""Text that people typed is never lost: one flow for every form that autosaves, in a real browser."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route, expect

from annotation import services
from annotation.models import Draft, Example, Lease, Review
from core.models import Project, User
from core.roles import MEMBERS
from evaluation.models import Rating, RatingDraft
from inference.models import CorrectionDraft
from inference.services import start_conversation
from tests.support import look
from tests.support.factories import (
    World,
    join,
    make_answer_row,
    make_campaign,
    make_example,
    make_user,
    make_version,
    make_world,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("sent"),
]
FORBIDDEN = """
for (const name of ["localStorage", "sessionStorage"]) {
  Object.defineProperty(window, name, { get() { throw new DOMException("denied", "SecurityError"); } });
}
"""


@dataclass
class Form:
    """A form that autosaves: who fills it in, where, which field, and how to read and send it."""

    user: User
    path: str
    field: str
    draft: Callable[[], str]
    sent: Callable[[], int]
    choose: Callable[[Page], None] = lambda page: None

    def at(self, page: Page) -> Locator:
        field = page.locator(self.field)
        # A correction that is not begun is folded up.
        for summary in page.locator("details.correct:not([open]) > summary").all()[:1]:
            if not field.is_visible():
                summary.click()
        return field

    def type(self, page: Page, text: str) -> None:
        self.at(page).fill(text)

    def send(self, page: Page) -> None:
        self.choose(page)
        self.at(page).focus()
        page.keyboard.press("Control+Enter")


def _pair(world: World) -> Form:
    example = make_example(world.project, slice="customs documents")
    make_example(world.project, slice="delivery delay")
    services.take(by=world.annotator, example=example, purpose=Lease.Purpose.ANNOTATE)
    return Form(
        world.annotator,
        reverse("annotation:item", args=[world.project.slug, example.pk]),
        "#completion",
        lambda: Draft.objects.get(user=world.annotator).content["completion"],
        lambda: Example.objects.filter(status="in_review").count(),
    )


def _new(world: World) -> Form:
    def choose(page: Page) -> None:
        page.locator("textarea[name=message]").first.fill("Where is it?")

    return Form(
        world.annotator,
        reverse("annotation:write", args=[world.project.slug]),
        "#completion",
        lambda: Draft.objects.get(user=world.annotator).content["completion"],
        lambda: Example.objects.filter(status="in_review").count(),
        choose,
    )


def _review(world: World) -> Form:
    waiting = {"status": "in_review", "submitted_by": world.annotator, "submitted_at": timezone.now()}
    example = make_example(world.project, **waiting)
    make_example(world.project, **waiting)
    services.take(by=world.reviewer, example=example, purpose=Lease.Purpose.REVIEW)
    return Form(
        world.reviewer,
        reverse("annotation:review", args=[world.project.slug, example.pk]),
        "#comment",
        lambda: Draft.objects.get(user=world.reviewer).content["comment"],
        Review.objects.count,
    )


def _correction_in_review(world: World) -> Form:
    form = _review(world)
    form.path += "correct/"
    form.field = "#completion"
    form.draft = lambda: Draft.objects.get(user=world.reviewer).content["completion"]
    return form


def _rating(world: World) -> Form:
    campaign = make_campaign(world.project, world.admin, prompts=2)

    def choose(page: Page) -> None:
        page.locator("input[name=choice][value=a]").check(force=True)
        page.locator("input[name=skip_scores]").check(force=True)

    return Form(
        world.rater,
        reverse("evaluation:rate", args=[world.project.slug, campaign.pk]),
        "textarea[name=correction_a]",
        lambda: RatingDraft.objects.get().content["correction_a"],
        Rating.objects.count,
        choose,
    )


def _chat(world: World) -> Form:
    version = make_version(world.project)
    chat = start_conversation(by=world.rater, project=world.project, version=version)
    answer = make_answer_row(version, conversation=chat, user=world.rater, turn=1)
    return Form(
        world.rater,
        reverse("inference:conversation", args=[world.project.slug, chat.pk]),
        f"#completion-{answer.pk}",
        lambda: CorrectionDraft.objects.get().content["completion"],
        lambda: Example.objects.filter(origin="chat").count(),
    )


FORMS = {
    "pair": _pair,
    "new": _new,
    "review": _review,
    "review-correct": _correction_in_review,
    "rating": _rating,
    "chat": _chat,
}
every_form = pytest.mark.parametrize("kind", FORMS)


@pytest.fixture
def form(kind: str, transactional_db: None) -> Form:
    return FORMS[kind](make_world())


def _open(browser: Browser, base: str, form: Form, script: str = "") -> Page:
    context = browser.new_context(viewport={"width": 1240, "height": 860})
    if script:
        context.add_init_script(script)
    look.sign_in(context, base, form.user)
    page = context.new_page()
    page.goto(base + form.path)
    return page


def _state(form: Form, page: Page) -> Locator:
    """What the page says about saving, whichever of several forms it is."""
    owner = page.locator("gh-autosave", has=page.locator(form.field))
    return owner.locator(".saved-state")


def _answers(status: int, body: str) -> Callable[[Route], None]:
    return lambda route: route.fulfill(status=status, body=body, content_type="text/html")


def _forget_session(context: BrowserContext) -> None:
    context.clear_cookies(name=settings.SESSION_COOKIE_NAME)
    context.clear_cookies(name=settings.CSRF_COOKIE_NAME)


@every_form
def test_offline_reload_and_a_refused_submit(form: Form, browser: Browser, live_server) -> None:
    page = _open(browser, live_server.url, form)
    said = look.watch(page)
    form.type(page, "First words.")
    expect(_state(form, page)).to_contain_text("Draft saved")
    assert form.draft() == "First words."
    assert said == []

    # Submitting offline says so, and saving goes on by itself as soon as the browser is online.
    page.context.set_offline(True)
    form.type(page, "First words. Second words.")
    form.send(page)
    expect(page.locator("#toasts")).to_contain_text("You are offline.")
    expect(_state(form, page)).to_contain_text("Saved on this device. Not sent yet. Trying again.")
    page.context.set_offline(False)
    expect(_state(form, page)).to_contain_text("Not sent yet.")
    look.soon(page, lambda: form.draft() == "First words. Second words.", "the draft being saved")

    # Any refusal is said, whatever the form would pick out of the answer, and the words stay.
    for status, body, words in (
        (500, "<p data-error-message>Something went wrong.</p>", "Something went wrong."),
        (502, "", "The server cannot do this now (502)."),
    ):
        page.locator("#toasts").evaluate("box => box.replaceChildren()")
        answer = re.compile(r"/(submit|return|correct|write|compare/[0-9a-f-]{36})/$")
        page.route(answer, _answers(status, body))
        form.send(page)
        expect(page.locator("#toasts")).to_contain_text(words)
        expect(form.at(page)).to_have_value("First words. Second words.")
        page.unroute(answer)

    # A reload, and a crash without a last save, lose nothing.
    page.route("**/draft/**", lambda route: route.abort())
    form.type(page, "Third words, never saved.")
    look.soon(
        page,
        lambda: "Third" in str(page.evaluate("Object.values(localStorage).join()")),
        "the copy in the browser",
    )
    page.unroute("**/draft/**")
    page.route(
        "**/draft/**", lambda route: route.abort() if route.request.method == "POST" else route.continue_()
    )
    page.reload()
    page.unroute("**/draft/**")
    expect(page.get_by_text("Unsaved text from")).to_be_visible()
    page.get_by_role("button", name="Restore").click()
    expect(form.at(page)).to_have_value("Third words, never saved.")
    look.soon(page, lambda: form.draft() == "Third words, never saved.", "the restored text being saved")

    # Sent at last. Nothing of it is left in the browser, and Back does not show it as still to be done.
    before = page.url
    form.send(page)
    look.soon(page, lambda: form.sent() == 1, "the form being sent")
    look.soon(
        page,
        lambda: page.evaluate("Object.keys(localStorage).filter((key) => key.startsWith('gh-draft'))") == [],
        "the copy being forgotten",
    )
    if page.url != before:
        page.go_back()
        expect(page.get_by_text("Unsaved text from")).to_have_count(0)
        expect(
            page.locator(f"{form.field}:not([readonly])").and_(page.get_by_text("Third words"))
        ).to_have_count(0)


@every_form
def test_a_lost_session_and_a_second_sign_in(form: Form, browser: Browser, live_server) -> None:
    somebody = make_user("Ines Ferro")
    join(_project(form), somebody, *MEMBERS)
    page = _open(browser, live_server.url, form)
    form.type(page, "Before.")
    expect(_state(form, page)).to_contain_text("Draft saved")
    _forget_session(page.context)
    form.type(page, "Typed while signed out.")
    expect(
        page.get_by_text("You were signed out. Sign in in a new tab, then save again.").first
    ).to_be_visible()
    form.send(page)
    expect(page.locator("#toasts")).to_contain_text("You were signed out.")
    expect(page.get_by_text("reservation is over")).to_have_count(0)
    expect(form.at(page)).to_have_value("Typed while signed out.")
    # Somebody else signs in in another tab: nothing of it becomes theirs.
    look.sign_in(page.context, live_server.url, somebody)
    page.get_by_role("button", name="Save again").click()
    expect(page.get_by_text("Ines Ferro is signed in in this browser now.").first).to_be_visible()
    form.send(page)
    expect(page.locator("#toasts")).to_contain_text("Ines Ferro is signed in")
    expect(form.at(page)).to_have_value("Typed while signed out.")
    assert form.draft() == "Before."
    assert form.sent() == 0
    assert not Draft.objects.filter(user=somebody).exists()
    # The person is back, and saving goes on.
    look.sign_in(page.context, live_server.url, form.user)
    page.get_by_role("button", name="Save again").click()
    expect(_state(form, page)).to_contain_text("Draft saved")
    look.soon(page, lambda: form.draft() == "Typed while signed out.", "the draft being saved")
    form.send(page)
    look.soon(page, lambda: form.sent() == 1, "the form being sent")


def _project(form: Form) -> Project:
    return Project.objects.get(slug=form.path.split("/")[2])


@every_form
def test_a_browser_that_forbids_storage(form: Form, browser: Browser, live_server) -> None:
    page = _open(browser, live_server.url, form, FORBIDDEN)
    said = look.watch(page)
    form.type(page, "Saved by the server alone.")
    expect(_state(form, page)).to_contain_text("Draft saved")
    assert form.draft() == "Saved by the server alone."
    page.context.set_offline(True)
    form.type(page, "Saved by the server alone, later.")
    expect(_state(form, page)).to_contain_text("Not saved yet. Keep this page open.")
    page.context.set_offline(False)
    look.soon(page, lambda: form.draft().endswith("later."), "the draft being saved")
    page.keyboard.press("Escape")
    page.locator("h1").first.click()
    page.keyboard.press("?")
    expect(page.get_by_role("heading", name="Keyboard shortcuts on this page")).to_be_visible()
    page.get_by_label("Single-letter keys").uncheck()
    assert [one for one in said if one.startswith("script error") or "denied" in one] == []


@every_form
def test_two_tabs_with_one_form(form: Form, browser: Browser, live_server) -> None:
    first = _open(browser, live_server.url, form)
    second = first.context.new_page()
    second.goto(live_server.url + form.path)
    form.type(first, "Written in the first tab.")
    expect(_state(form, first)).to_contain_text("Draft saved")
    form.type(second, "Written in the second tab.")
    expect(_state(form, second)).to_contain_text("Another tab or browser of yours saved a newer draft")
    assert form.draft() == "Written in the first tab."
    second.get_by_role("button", name="Keep this text").click()
    look.soon(second, lambda: form.draft() == "Written in the second tab.", "the chosen text being saved")
    # Sent in one, the other says so, and offers nothing that would be refused.
    form.send(second)
    look.soon(second, lambda: form.sent() == 1, "the form being sent")
    expect(
        first.get_by_text(re.compile("You (submitted|decided|rated)|sent in another tab")).first
    ).to_be_visible()
    expect(first.get_by_role("button", name="Open it again")).to_have_count(0)
    expect(form.at(first)).to_have_attribute("readonly", "")
    expect(form.at(first)).to_have_value("Written in the first tab.")


@pytest.mark.parametrize("kind", ["chat"])
def test_a_question_half_typed_survives_a_reload(form: Form, browser: Browser, live_server) -> None:
    page = _open(browser, live_server.url, form)
    page.locator("gh-chat textarea[name=text]").fill("Where is my contai")
    page.reload()
    expect(page.locator("gh-chat textarea[name=text]")).to_have_value("Where is my contai")
