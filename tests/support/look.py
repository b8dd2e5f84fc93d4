"""How pages are looked at in tests: Chromium, axe, and a few questions that every page must answer well.

`watch(page)` collects what a browser complains of (script errors, the Content-Security-Policy, missing files);
`faults(page)` asks axe and looks for sideways scrolling. Both give plain sentences, empty when all is well.
"""

import os
import shutil
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Error, Page, Playwright, expect, sync_playwright

from core.models import User

WIDE, PHONE = (1240, 860), (360, 780)


def chromium_path() -> str:
    """The Chromium of the machine; `make test` installs one where none is found."""
    found = os.environ.get("CHROMIUM") or next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))),
        "",
    )
    if not found:
        pytest.skip("No Chromium on the PATH (make test installs one).")
    return found


class Chromium:
    """The browser of a module's tests. One that died is started again for the next test."""

    def __init__(self, play: Playwright) -> None:
        self.play = play
        self._browser: Browser | None = None

    def browser(self) -> Browser:
        if self._browser is None or not self._browser.is_connected():
            self._browser = self.play.chromium.launch(
                executable_path=chromium_path(),
                args=[
                    "--no-sandbox",
                    "--disable-gpu",
                    "--disable-background-networking",
                    "--disable-dev-shm-usage",
                ],
            )
        return self._browser

    def close(self) -> None:
        if self._browser is not None:
            with ended_if_stuck():
                self._browser.close()


@contextmanager
def chromium() -> Iterator[Chromium]:
    # Playwright's synchronous API runs an event loop in this thread, where Django would refuse to use the database.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    expect.set_options(timeout=20_000)  # a busy machine is slow, not wrong
    with sync_playwright() as play:
        one = Chromium(play)
        try:
            yield one
        finally:
            one.close()
    os.environ.pop("DJANGO_ALLOW_ASYNC_UNSAFE", None)


@contextmanager
def ended_if_stuck(seconds: float = 30) -> Iterator[None]:
    """Kills this process's Chromium when what is inside takes longer.

    Closing a context never returns, now and then, when a page of it is just going to another; Playwright's synchronous
    API has no limit for it. By then the test is over: the browser is no longer needed, and the next test starts one.
    """

    def end() -> None:
        warnings.warn(f"Chromium did not close within {seconds:.0f} s and was ended.", stacklevel=1)
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                if "chrom" in process.name():
                    process.kill()

    timer = threading.Timer(seconds, end)
    timer.start()
    try:
        yield
    except Error as closed:
        if "closed" not in closed.message:
            raise
    finally:
        timer.cancel()


def sign_in(context: BrowserContext, base_url: str, user: User) -> None:
    """Gives the browser a session of `user` without typing the password each time."""
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": base_url}])


def follow(page: Page, key: str) -> None:
    """Presses a key that leads to another page and waits until that one's scripts run: keys pressed before are lost."""
    with page.expect_navigation(wait_until="load"):
        page.keyboard.press(key)


def soon(page: Page, holds: Callable[[], object], what: str, seconds: float = 20) -> None:
    """Waits, with the browser's events going on, until `holds()` is true; fails with `what` when it never is."""
    for _ in range(int(seconds / 0.05)):
        try:
            if holds():
                return
        except Error as failed:
            # The page went to another while it was asked: that is no answer yet.
            if "Execution context was destroyed" not in failed.message:
                raise
        page.wait_for_timeout(50)
    raise AssertionError(f"{what} did not happen within {seconds:.0f} s")


def leave(browser: Browser, seconds: float = 15) -> None:
    """Closes every page and waits until the live server has answered what they still asked for.

    A page saves once more while it goes, and asks about its item when it is shown. A request that goes on while the
    database is emptied is a deadlock. Connections that are merely kept open do no harm, so the wait has an end.
    """
    with ended_if_stuck():
        for context in browser.contexts:
            context.close()
    end, quiet = time.monotonic() + seconds, 0
    while quiet < 2 and time.monotonic() < end:
        answering = any("process_request_thread" in one.name for one in threading.enumerate())
        quiet = 0 if answering else quiet + 1
        time.sleep(0.05)


def watch(page: Page) -> list[str]:
    """Notes, from now on, everything the browser complains of on this page."""
    said: list[str] = []
    page.on("pageerror", lambda error: said.append(f"script error: {error}"))
    page.on("console", lambda m: note_console(said, m.text) if m.type == "error" else None)
    page.on("response", lambda r: said.append(f"{r.status} {r.url}") if r.status >= 400 else None)
    return said


def note_console(said: list[str], words: str) -> None:
    """A newer request of the same field ends the one before, as it should. htmx calls that two errors: the second says which."""
    if not words.startswith("htmx:sendAbort"):
        said.append(f"console: {words}")
    elif said and said[-1].startswith("console: htmx:afterRequest"):
        said.pop()


def faults(page: Page) -> list[str]:
    """What axe finds (WCAG 2.2 A and AA and best practice), and whether the page scrolls sideways."""
    # A colour half-way through its transition is nobody's contrast.
    page.evaluate(
        "Promise.all(document.getAnimations().filter(a => a.effect.getComputedTiming().endTime < 1e6)"
        ".map(a => a.finished.catch(() => {})))"
    )
    results = Axe().run(page)
    found = [
        f"axe {one['id']} ({one['impact']}): {node['html'][:160]} | {node.get('failureSummary', '')[:200]}"
        for one in results.response["violations"]
        for node in one["nodes"]
    ]
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if wide > 0:
        names = page.evaluate(
            "[...document.querySelectorAll('main *')]"
            ".filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)"
            ".slice(0, 5).map(e => e.tagName + '.' + e.className)"
        )
        found.append(f"scrolls sideways by {wide} px: {names}")
    return found


# What is wider than the sheet that it is in, unless something between them scrolls or cuts.
_BEYOND = """() => [...document.querySelectorAll('main .sheet')].flatMap((sheet) => {
  const edge = sheet.getBoundingClientRect().right + 1;
  const held = (e) => {
    for (let up = e.parentElement; up && up !== sheet.parentElement; up = up.parentElement) {
      if (getComputedStyle(up).overflowX !== 'visible') return true;
    }
    return false;
  };
  return [...sheet.querySelectorAll('*')]
    .filter((e) => !e.closest('dialog:not([open]), [hidden], [popover], .vh, svg'))
    .filter((e) => e.getBoundingClientRect().right > edge && !held(e))
    .map((e) => `${e.tagName}.${e.className}: ${e.textContent.trim().slice(0, 60)}`);
})"""


def beyond_its_sheet(page: Page) -> list[str]:
    """What sticks out of its sheet. It need not make the page scroll: the margin of a phone hides it."""
    found: list[str] = page.evaluate(_BEYOND)
    return found


def keep_picture(page: Page, path: Path, *, full_page: bool = False) -> None:
    """Takes a screenshot.

    Chromium at times refuses one ("Unable to capture screenshot") while it swaps a page's surface, and takes the same
    one a moment later; so it is asked again, a few times, for that reason only.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in reversed(range(5)):
        try:
            page.screenshot(path=path, full_page=full_page)
            return
        except Error as refused:
            if "Unable to capture screenshot" not in refused.message or not left:
                raise
            page.wait_for_timeout(500)


def picture(page: Page, name: str) -> None:
    """Keeps a screenshot where LOOK_PICTURES says, if it says."""
    folder = os.environ.get("LOOK_PICTURES")
    if folder:
        keep_picture(page, Path(folder) / f"{name}.png", full_page=True)
