"""The shared elements in a real Chromium, each doing what people rely on: keys, autosave, time, charts, toasts."""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from core.charts import IntervalRow, interval_chart
from tests.support import look
from tests.support.factories import make_user

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.django_db(transaction=True)]


@pytest.fixture
def page(transactional_db: None, browser: Browser, live_server) -> Iterator[Page]:
    """A page of the program, with its scripts and its policy; tests put their own content into its main."""
    context = browser.new_context(viewport={"width": 1240, "height": 860}, base_url=live_server.url)
    look.sign_in(context, live_server.url, make_user("Mona Okafor"))
    page = context.new_page()
    page.goto("/me/password/")
    page.wait_for_function("customElements.get('gh-words') !== undefined")
    yield page
    context.close()


def fill(page: Page, html: str) -> None:
    page.evaluate("html => { document.querySelector('main').innerHTML = html }", html)


FORM = """<gh-autosave id="save" data-url="/draft/"><form method="post" action="/submit/"><textarea name="completion" aria-label="Text">old</textarea>
<input type="checkbox" name="edge" value="1" aria-label="Edge"><output class="saved-state"></output><button>Submit</button></form></gh-autosave>"""


COPIES = "Object.keys(localStorage).filter((k) => k.startsWith('gh-draft:')).map((k) => localStorage.getItem(k)).join()"


class Drafts:
    """The server's side of autosave: keeps what was sent, answers as told."""

    def __init__(self, page: Page) -> None:
        self.sent: list[str] = []
        self.status = 204
        self.away = False
        page.route("**/draft/", self.answer)

    def answer(self, route: Route) -> None:
        if self.away:
            route.abort()
            return
        if route.request.method == "POST":
            self.sent.append(route.request.post_data or "")
        body = (
            ""
            if self.status == 204
            else json.dumps({"detail": "It is with Jan now.", "advice": "Take the next."})
        )
        route.fulfill(status=self.status, body=body, content_type="application/json")


def test_autosave_sends_the_newest_text_and_says_so(page: Page) -> None:
    drafts = Drafts(page)
    fill(page, FORM)
    text = page.get_by_label("Text")
    text.fill("one")
    text.fill("one two")
    expect(page.locator(".saved-state")).to_contain_text("Draft saved")
    assert drafts.sent == ["completion=one+two"]
    page.get_by_label("Edge").check()
    look.soon(page, lambda: drafts.sent[-1] == "completion=one+two&edge=1", "the tick being sent")


def test_autosave_keeps_the_text_while_the_server_is_away_and_sends_it_when_it_is_back(page: Page) -> None:
    drafts = Drafts(page)
    drafts.away = True
    fill(page, FORM)
    page.get_by_label("Text").fill("written on a train")
    expect(page.locator(".saved-state")).to_contain_text(
        "The server cannot be reached. Saved on this device."
    )
    assert "written+on+a+train" in page.evaluate(COPIES)
    drafts.away = False
    expect(page.locator(".saved-state")).to_contain_text("Draft saved", timeout=9000)
    assert drafts.sent == ["completion=written+on+a+train"]
    assert page.evaluate(COPIES) == ""


def test_text_that_never_reached_the_server_is_offered_on_the_next_visit(page: Page) -> None:
    drafts = Drafts(page)
    drafts.away = True
    fill(page, FORM)
    page.get_by_label("Text").fill("nearly lost")
    expect(page.locator(".saved-state")).to_contain_text(
        "The server cannot be reached. Saved on this device."
    )
    page.reload()
    page.wait_for_function("customElements.get('gh-words') !== undefined")
    drafts.away = False
    fill(page, FORM)
    page.get_by_role("button", name="Restore").click()
    expect(page.get_by_label("Text")).to_have_value("nearly lost")
    expect(page.locator(".saved-state")).to_contain_text("Draft saved")
    assert drafts.sent == ["completion=nearly+lost"]


def test_two_tabs_with_one_draft_know_of_each_other(page: Page, live_server) -> None:
    Drafts(page)
    fill(page, FORM)
    page.get_by_label(
        "Text"
    ).focus()  # a form without a lease says that it is there once somebody works in it
    expect(page.get_by_text("open in another tab")).to_have_count(0)
    other = page.context.new_page()
    other.goto("/me/password/")
    fill(other, FORM.replace("/draft/", "/another-draft/"))
    other.get_by_label("Text").focus()
    expect(page.get_by_text("open in another tab")).to_have_count(0)
    fill(other, FORM)
    other.get_by_label("Text").focus()
    for tab in (page, other):
        expect(tab.get_by_text("open in another tab")).to_have_count(1)


def test_autosave_stops_when_the_item_went_to_somebody_else(page: Page) -> None:
    drafts = Drafts(page)
    drafts.status = 409
    fill(page, FORM)
    page.evaluate("document.addEventListener('gh-lost', e => { window.lost = e.detail.detail })")
    page.get_by_label("Text").fill("too late")
    expect(page.locator(".saved-state")).to_contain_text("Not saved. It is with Jan now. Take the next.")
    assert page.evaluate("window.lost") == "It is with Jan now."
    # The text can be read and copied, and nothing more is typed into the void.
    expect(page.get_by_label("Text")).to_have_attribute("readonly", "")
    expect(page.get_by_label("Text")).to_have_value("too late")
    assert len(drafts.sent) == 1


def test_a_session_that_ended_is_not_taken_for_saved(page: Page) -> None:
    fill(page, FORM.replace("/draft/", "/me/name/"))
    page.context.clear_cookies(name="sessionid")
    page.get_by_label("Text").fill("still mine")
    expect(page.locator(".saved-state")).to_contain_text("You were signed out. Saved on this device.")
    assert "still+mine" in page.evaluate(COPIES)


def test_a_poll_after_the_session_ended_says_so_once_and_swaps_nothing(page: Page) -> None:
    fill(
        page,
        "<div id='card' hx-get='/status/parts/' hx-trigger='every 300ms' hx-swap='outerHTML'>as it was</div>",
    )
    page.context.clear_cookies(name="sessionid")
    page.evaluate("htmx.process(document.querySelector('main'))")
    expect(page.locator("#toasts")).to_contain_text("You were signed out.")
    for _ in range(3):  # as many polls later
        with page.expect_response("**/status/parts/"):
            pass
    expect(page.locator("#toasts gh-toast")).to_have_count(1)
    expect(page.locator("#card")).to_have_text("as it was")


PLAIN = """<gh-confirm data-title="Sure?" data-action="Yes"><form method="post" action="/me/name/">
<input type="hidden" name="csrfmiddlewaretoken"><input name="name" aria-label="Name"><button name="do" value="it">Send</button>
</form></gh-confirm>"""


def test_a_form_with_text_is_not_sent_after_the_session_ended_and_is_sent_after_the_next_sign_in(
    page: Page,
) -> None:
    """The sign-in page would take its place, and what was typed would be gone."""
    sent: list[str] = []
    page.route(
        "**/me/name/", lambda route: (sent.append(route.request.post_data or ""), route.fulfill(body="Done"))
    )
    fill(page, PLAIN)
    cookies = page.context.cookies()
    page.context.clear_cookies(name="sessionid")
    page.get_by_label("Name").fill("Mona O.")
    page.get_by_role("button", name="Send").click()
    page.get_by_role("button", name="Yes").click()
    expect(page.locator("#toasts")).to_contain_text("You were signed out.")
    expect(page.get_by_label("Name")).to_have_value("Mona O.")
    assert sent == []
    page.context.add_cookies(cookies)
    page.get_by_role("button", name="Send").click()
    page.get_by_role("button", name="Yes").click()
    expect(page.get_by_text("Done")).to_be_visible()
    # Asked once, sent once, with the button that was pressed and the token of now.
    assert (
        len(sent) == 1
        and "name=Mona+O.&do=it" in sent[0]
        and len(sent[0]) > len("csrfmiddlewaretoken=&name=Mona+O.&do=it")
    )


def test_leaving_the_page_sends_what_is_left(page: Page) -> None:
    drafts = Drafts(page)
    fill(page, FORM)
    page.get_by_label("Text").fill("last words")
    page.evaluate("window.dispatchEvent(new PageTransitionEvent('pagehide'))")
    look.soon(page, lambda: drafts.sent, "the draft being sent")
    assert drafts.sent == ["completion=last+words"]


def test_keys_do_what_their_control_does_but_not_while_typing(page: Page) -> None:
    fill(
        page,
        """<textarea aria-label="Text"></textarea><button type="button" data-key="j" data-key-label="skip">Skip</button>
        <button type="button" data-key="ctrl+enter">Submit</button><button type="button" data-key="x" disabled>Off</button>""",
    )
    page.evaluate(
        "document.addEventListener('click', e => { window.clicked = (window.clicked || '') + e.target.textContent })"
    )
    page.keyboard.press("j")
    assert page.evaluate("window.clicked") == "Skip"
    page.keyboard.press("x")
    page.get_by_label("Text").focus()
    page.keyboard.type("jjj")
    assert page.evaluate("window.clicked") == "Skip"
    expect(page.get_by_label("Text")).to_have_value("jjj")
    page.keyboard.press("Control+Enter")
    assert page.evaluate("window.clicked") == "SkipSubmit"


def test_question_mark_lists_the_keys_and_letters_can_be_switched_off(page: Page) -> None:
    fill(page, '<button type="button" data-key="j" data-key-label="skip this one">Skip</button>')
    page.evaluate(
        "document.querySelector('main button').addEventListener('click', () => { window.skipped = true })"
    )
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("skip this one")
    page.keyboard.press("j")
    assert not page.evaluate("window.skipped"), "a key must not reach what lies under a dialog"
    dialog.get_by_role("checkbox").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    assert not page.evaluate("window.skipped")


def test_moments_are_told_in_the_reader_s_zone(page: Page, browser: Browser, live_server) -> None:
    context = browser.new_context(timezone_id="Asia/Tokyo", base_url=live_server.url)
    look.sign_in(context, live_server.url, make_user("Aiko Tanaka"))
    far = context.new_page()
    far.goto("/me/password/")
    far.wait_for_function("customElements.get('gh-time') !== undefined")
    fill(
        far,
        '<gh-time data-shape="datetime"><time datetime="2025-03-01T20:30:00Z">1 Mar 2025, 20:30 UTC</time></gh-time>',
    )
    expect(far.locator("main time")).to_have_text("2 Mar 2025, 05:30")
    context.close()


def test_a_lease_says_when_it_is_nearly_over_and_over(page: Page) -> None:
    fill(page, "<p id='at'></p>")
    page.evaluate("""() => {
        const count = document.createElement('gh-countdown');
        Object.assign(count.dataset, { until: new Date(Date.now() + 60000).toISOString(), before: 'Yours until', after: 'Over' });
        document.addEventListener('gh-expired', () => { window.expired = true });
        document.getElementById('at').append(count);
    }""")
    count = page.locator("gh-countdown")
    expect(count).to_contain_text("Yours until")
    expect(count).to_have_attribute("data-near", "")
    page.evaluate(
        "document.querySelector('gh-countdown').dataset.until = new Date(Date.now() - 1000).toISOString()"
    )
    expect(count).to_have_text("Over")
    assert page.evaluate("window.expired")


def test_points_of_a_chart_answer_the_arrow_keys(page: Page) -> None:
    chart = interval_chart(
        rows=[IntervalRow("v8", 0.62, 0.55, 0.69, 204), IntervalRow("v7", 0.5, 0.4, 0.6, 90)],
        label="Win rate",
        as_percent=True,
    )
    fill(page, f"<h1>Standings</h1>{chart}")
    assert look.faults(page) == []
    page.locator("gh-chart").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".chart-tip")).to_have_text("v8: 62%, 95% interval 55% to 69%, n 204")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".chart-tip")).to_have_text("v7: 50%, 95% interval 40% to 60%, n 90")
    expect(page.locator("#announce")).to_contain_text("v7: 50%")
    page.keyboard.press("Escape")
    expect(page.locator(".chart-tip")).to_be_hidden()


def test_words_are_marked_in_one_pass_however_many_there_are(page: Page) -> None:
    """By the work that is done, not by seconds: twice the text and twice the words take about twice the steps."""
    told = page.evaluate("""async () => {
        const { spansOf, treeOf } = await import('/static/js/marking.js');
        const marked = (text, tones) => spansOf(text, treeOf(tones)).spans.map((one) => [text.slice(one.start, one.end), one.tone]);
        const steps = (text, tones) => spansOf(text, treeOf(tones)).steps;
        const numbers = (count) => Array.from({ length: count }, (_, at) => String(1000000 + at));
        return {
            marked: marked('on 14 November and 4 on 14', [['4'], [], ['14', '14 November']]),
            glued: marked('FD-1 FD-12 xFD-1', [[], [], ['FD-1']]),
            nothing: marked('', [['a'], [''], []]),
            same: [1, 2].map((size) => steps('1 '.repeat(5000 * size), [[], [], ['1', '1 1']])),
            table: [1, 2].map((size) => steps(numbers(1000 * size).join(' '), [numbers(1000 * size), [], []])),
            signs: [1, 2].map((size) => steps('-'.repeat(2000 * size), [['-'.repeat(100)], [], ['-'.repeat(150)]])),
        };
    }""")
    assert told["marked"] == [["14 November", 2], ["4", 0], ["14", 2]]
    assert told["glued"] == [["FD-1", 2]]
    assert told["nothing"] == []
    for name in ("same", "table", "signs"):
        once, twice = told[name]
        assert twice < 2.3 * once, name
    assert told["table"][0] < 4 * 8 * 1000


def test_a_toast_shows_text_as_text_and_an_error_stays(page: Page) -> None:
    page.clock.install()
    page.evaluate("""async () => {
        const { toast } = await import('/static/js/lib.js');
        toast('<img src=x onerror=alert(1)>', 'success');
        toast('It failed.', 'error', 'Try again.');
    }""")
    toasts = page.locator("#toasts gh-toast")
    expect(toasts).to_have_count(2)
    assert page.locator("#toasts img").count() == 0
    page.clock.fast_forward(7000)
    expect(toasts).to_have_count(1)
    expect(toasts).to_contain_text("It failed. Try again.")
    toasts.get_by_role("button", name="Close this message").click()
    expect(toasts).to_have_count(0)


def test_a_form_s_errors_come_back_by_htmx_and_what_was_typed_stays(page: Page) -> None:
    page.route(
        "**/form/",
        lambda route: route.fulfill(
            status=422, content_type="text/html", body="<p id='answer'>Give a name.</p>"
        ),
    )
    page.route(
        "**/broken/",
        lambda route: route.fulfill(
            status=500,
            content_type="text/html",
            body="<html><body><p data-error-message>It broke.</p><p data-error-advice>Wait.</p></body></html>",
        ),
    )
    fill(
        page,
        "<div id='there'><form hx-post='/form/' hx-target='#there'><button>Send</button></form></div><textarea aria-label='Text'></textarea><div id='other'><button hx-post='/broken/' hx-target='#other'>Break</button></div>",
    )
    page.evaluate("htmx.process(document.querySelector('main'))")
    page.get_by_label("Text").fill("typed")
    page.get_by_role("button", name="Break").click()
    expect(page.locator("#toasts")).to_contain_text("It broke. Wait.")
    expect(page.get_by_role("button", name="Break")).to_be_visible()
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#answer")).to_have_text("Give a name.")
    expect(page.get_by_label("Text")).to_have_value("typed")


def test_htmx_sends_the_csrf_token(page: Page) -> None:
    seen = []
    page.route(
        "**/form/",
        lambda route: (seen.append(route.request.headers.get("x-csrftoken")), route.fulfill(status=204)),
    )
    fill(page, "<button hx-post='/form/'>Send</button>")
    page.evaluate("htmx.process(document.querySelector('main'))")
    page.get_by_role("button", name="Send").click()
    look.soon(page, lambda: seen, "the request")
    assert len(seen[0]) == 64
