"""Where things are on the pages one works on: on the first screen, beside each other, never under the foot."""

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser, Locator, Page, expect

from annotation import services
from annotation.models import Assignment, Draft, Example
from core.models import User
from tests import look
from tests.factories import World, make_example, make_world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.django_db(transaction=True)]
ANNOTATE, REVIEW = Assignment.Purpose.ANNOTATE, Assignment.Purpose.REVIEW
DESK, TABLET, PHONE = (1440, 900), (768, 1024), (360, 780)
SIZES = pytest.mark.parametrize("size", [DESK, TABLET, PHONE], ids=["desk", "tablet", "phone"])
GUIDELINE = "# How we answer\n\n" + "\n\n".join(
    f"## {n}. {name}\n\n" + f"Say what the records hold about {name.lower()}. " * 40
    for n, name in enumerate(
        ["Three moves", "Voice", "Angry customers", "Customs documents", "What we never do"], 1
    )
)


@pytest.fixture
def desk(transactional_db: None) -> World:
    world = make_world()
    world.project.guideline = GUIDELINE
    world.project.save()
    return world


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
    page.wait_for_function("!!customElements.get('gh-marks') && !!customElements.get('gh-guide')")
    return page


def url(world: World, name: str, *args: object) -> str:
    return reverse(f"annotation:{name}", args=[world.project.slug, *args])


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
    before = make_example(world.project)
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
    expect(page.get_by_text("open in another tab")).to_be_visible()
    page.bring_to_front()
    expect(page.get_by_text("is back.")).to_be_visible()
    expect(page.get_by_text("changed after you began")).to_be_visible()
    look.picture(page, f"item-{size[0]}")
    assert page.evaluate("scrollY") == 0
    assert seen(page.locator("#completion")) > 90
    # The conversation begins at its end: its last words are seen.
    assert seen(page.locator(".conversation")) > 90
    inside = page.locator(".conversation").evaluate(
        "box => box.scrollHeight - box.clientHeight - box.scrollTop"
    )
    assert inside < 3
    if size == DESK:
        assert page.evaluate("document.documentElement.scrollHeight") <= size[1]
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
