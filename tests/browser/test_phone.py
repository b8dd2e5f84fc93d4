"""Every page at 360 px: nothing is cut off without a sign that there is more."""

import re
from typing import Any

import pytest

from core.models import Membership
from core.roles import MEMBERS
from tests.support import look
from tests.support.factories import World
from tests.test_permission_walk import full, in_projects  # noqa: F401 (a fixture)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.django_db(transaction=True)]

# What is wider than its box, and hidden there or moved sideways. Not counted: fields that people type in, what an
# ellipsis or the shadow of .scroll marks, text for screen readers, and boxes of verbatim text.
CUT = """() => [...document.querySelectorAll("body *")].filter((one) => {
  const style = getComputedStyle(one);
  if (!["hidden", "clip", "auto", "scroll"].includes(style.overflowX)) return false;
  if (one.scrollWidth <= one.clientWidth + 2 || one.clientWidth <= 1 || !one.checkVisibility()) return false;
  if (style.textOverflow === "ellipsis" || one.closest(".vh, .scroll, svg, pre, .record, gh-marked")) return false;
  return !["INPUT", "TEXTAREA", "SELECT", "HTML", "BODY"].includes(one.tagName);
}).map((one) => `${one.tagName.toLowerCase()}.${one.className}: ${one.scrollWidth} px in ${one.clientWidth}`)"""
NO_PAGE = re.compile(
    r"\.csv$|/download/|/stream/|^api/|^v1/|/card/$|/live/$|/loop/$|/menu/$|/preview/$|/parts/$|/lines\.csv"
)


def _pages(samples: dict[str, Any], slug: str) -> list[str]:
    found = []
    for address in in_projects():
        if NO_PAGE.search(address.route) or address.roles("GET") is None:
            continue
        found.append(address.filled(slug, samples))
    return found


@pytest.mark.parametrize("theme", ["light"])
def test_nothing_is_cut_without_a_sign(
    theme: str,
    full: tuple[World, dict[str, Any]],  # noqa: F811
    browser: Any,
    live_server: Any,
) -> None:
    world, samples = full
    world.admin.is_operator = True
    world.admin.save()
    Membership.objects.filter(project=world.project, user=world.admin).update(roles=list(MEMBERS))
    context = browser.new_context(viewport={"width": 360, "height": 780})
    look.sign_in(context, live_server.url, world.admin)
    page = context.new_page()
    found, seen = [], 0
    for path in _pages(samples, world.project.slug):
        answer = context.request.get(live_server.url + path, max_redirects=0)
        if answer.status != 200 or "text/html" not in answer.headers.get("content-type", ""):
            continue
        if "<!doctype html" not in answer.text()[:200].lower():
            continue  # a fragment of a page that is looked at itself
        page.goto(live_server.url + path, wait_until="load")
        seen += 1
        page.evaluate("document.querySelectorAll('main details').forEach((one) => { one.open = true; })")
        found += [f"{path}: {one}" for one in page.evaluate(CUT)]
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if wide > 0:
            found.append(f"{path}: the page is {wide} px too wide")
    context.close()
    assert seen > 30
    assert not found, "\n".join(found)


def test_the_look_for_cut_content_finds_it(browser: Any, live_server: Any) -> None:
    page = browser.new_page(viewport={"width": 360, "height": 300})
    page.set_content(
        '<nav id="tabs" style="overflow-x: auto; display: flex"><a style="flex: 0 0 300px">A</a>'
        '<a style="flex: 0 0 300px">B</a></nav><p style="overflow: hidden; width: 20px">Word</p>'
        '<p style="overflow: hidden; width: 20px; text-overflow: ellipsis; white-space: nowrap">Marked words</p>'
    )
    assert [one.split(":")[0] for one in page.evaluate(CUT)] == ["nav.", "p."]
    page.close()
