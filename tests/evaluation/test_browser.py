"""Rating and release in a real browser: by keyboard alone, and looked at by axe in both themes and widths."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Browser, Page, expect

from annotation.models import Example
from core.models import User
from evaluation.models import Comparison, Prompt, Rating
from inference.models import Answer
from release.services import make_live
from tests.inference.conftest import live  # noqa: F401 - a fixture
from tests.support.factories import FULL_SCORES, make_campaign, make_held_out, make_world, rate_all
from tests.support.look import PHONE, WIDE, faults, follow, sign_in, watch

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sent")]
Open = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser, live: str) -> Iterator[Open]:  # noqa: F811
    contexts = []

    def go(user: User, name: str, *args: Any, size: tuple[int, int] = WIDE, scheme: Any = "light") -> Page:
        context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
        contexts.append(context)
        sign_in(context, live, user)
        page = context.new_page()
        page.goto(f"{live}{reverse(name, args=args)}")
        return page

    yield go
    for context in contexts:
        context.close()


def _chosen(page: Page, name: str) -> str | None:
    return page.evaluate(f"document.querySelector('input[name={name}]:checked')?.value")


def test_a_rater_needs_the_keyboard_only(open_page: Open) -> None:
    world = make_world()
    campaign = make_campaign(world.project, world.admin, prompts=3)
    page = open_page(world.rater, "evaluation:home", world.project.slug)
    said = watch(page)
    follow(page, "r")
    expect(page.locator(".head")).to_contain_text("1 of 3")

    # Nothing goes out while something is missing, and the page says what.
    page.keyboard.press("Enter")
    expect(page.locator(".ask")).to_contain_text("Choose first")
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    expect(page.locator(".ask")).to_contain_text("6 scores are missing")
    for digit in "543215":
        page.keyboard.press(digit)
    page.keyboard.press("Backspace")
    page.keyboard.press("4")
    assert [_chosen(page, f"{c}_{s}") for c in ("accuracy", "conciseness") for s in ("a", "b")] == [
        "5",
        "4",
        "1",
        "4",
    ]
    expect(page.locator(".answer[data-side=b]")).to_have_class("sheet answer chosen")

    # C opens the better answer; digits typed there are words, not scores.
    page.keyboard.press("c")
    expect(page.locator("textarea[name=correction_b]")).to_be_focused()
    page.keyboard.press("Control+A")
    page.keyboard.type("Cleared on 3 December.")
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    page.keyboard.type("2 dates are wrong")
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    expect(page.locator(".head")).to_contain_text("2 of 3")
    expect(page.locator("#rate-title")).to_be_focused()
    rating = Rating.objects.get()
    assert (rating.choice, rating.comment, rating.scores.count()) == ("b", "2 dates are wrong", 6)
    assert Example.objects.get(origin=Example.Origin.RATING).completion == "Cleared on 3 December."

    # Scores left out; then back to change one's mind.
    page.keyboard.press("1")
    page.keyboard.press("s")
    page.keyboard.press("Enter")
    expect(page.locator(".head")).to_contain_text("3 of 3")
    page.keyboard.press("z")
    expect(page.locator(".head")).to_contain_text("changing your rating")
    assert _chosen(page, "choice") == "a"
    page.keyboard.press("4")
    page.keyboard.press("Enter")
    expect(page.locator(".head")).to_contain_text("3 of 3")
    expect(page).to_have_url(re.compile(rf"/campaigns/{campaign.pk}/compare/$"))
    assert sorted(Rating.objects.values_list("choice", flat=True)) == ["b", "both_bad"]

    page.keyboard.press("j")
    expect(page.locator("#rate-title")).to_contain_text("Done. Thank you.")
    assert Comparison.objects.filter(status="skipped").count() == 1
    assert said == []


def _box(page: Page, selector: str) -> dict[str, float]:
    found = page.locator(selector).bounding_box()
    assert found is not None
    return dict(found)


def test_answers_and_their_scores_stand_in_two_columns_and_on_a_phone_one_above_the_other(
    open_page: Open,
) -> None:
    world = make_world()
    campaign = make_campaign(world.project, world.admin, prompts=3)
    slug = world.project.slug
    for size in (WIDE, (768, 900)):
        page = open_page(world.rater, "evaluation:rate", slug, campaign.pk, size=size)
        a, b = _box(page, ".answer[data-side=a]"), _box(page, ".answer[data-side=b]")
        assert a["y"] == b["y"] and a["x"] + a["width"] <= b["x"]
        for side, answer in (("a", a), ("b", b)):
            for criterion in ("accuracy", "tone", "conciseness"):
                scale = _box(page, f"[data-name={criterion}_{side}]")
                assert (
                    answer["x"] <= scale["x"] and scale["x"] + scale["width"] <= answer["x"] + answer["width"]
                )
        assert page.get_by_text("Model names are hidden until the campaign closes.").is_visible()
        assert not page.get_by_text(re.compile(r"\b(left|right)\b", re.IGNORECASE)).count()
    page = open_page(world.rater, "evaluation:rate", slug, campaign.pk, size=PHONE)
    a, b = _box(page, ".answer[data-side=a]"), _box(page, ".answer[data-side=b]")
    assert a["y"] + a["height"] <= b["y"]
    # Which answer is being read stays in sight while its text goes by.
    page.evaluate("document.querySelector('.answer[data-side=b] .text').style.minHeight = '200vh'")
    page.evaluate("window.scrollTo(0, document.querySelector('.answer[data-side=b]').offsetTop + 500)")
    expect(page.locator("#answer-b")).to_be_in_viewport()


def test_values_are_marked_within_the_drawn_answer(open_page: Open) -> None:
    world = make_world()
    campaign = make_campaign(world.project, world.admin, prompts=2)
    Prompt.objects.update(context=["FD-0 | ETA 3 Dec"], messages=[{"role": "user", "content": "When?"}])
    Answer.objects.update(text="* **FD-0** arrives on 4 Dec.\n* Nothing else.")
    page = open_page(world.rater, "evaluation:rate", world.project.slug, campaign.pk, size=WIDE)
    for side in "ab":
        answer = page.locator(f".answer[data-side={side}]")
        expect(answer.locator("li strong mark.ok")).to_have_text("FD-0")
        expect(answer.locator("mark.bad")).to_have_attribute(
            "title", "not in the records or the conversation"
        )
        expect(answer.locator("li")).to_have_text(["FD-0 arrives on 4 Dec.", "Nothing else."])
    expect(page.locator(".record mark")).to_have_text("FD-0")
    expect(page.locator(".marks-legend")).to_be_visible()
    assert faults(page) == []
    # The next pair comes by htmx and has words of its own.
    Answer.objects.update(text="Thank you.")
    page.keyboard.press("j")
    expect(page.locator(".answer[data-side=a] .text")).to_contain_text("Thank you.")
    expect(page.locator("gh-shown mark")).to_have_count(0)
    expect(page.locator(".marks-legend")).to_be_hidden()


@pytest.mark.parametrize(("size", "scheme"), [(WIDE, "light"), (PHONE, "dark")])
def test_the_pages_look_right(open_page: Open, size: tuple[int, int], scheme: str) -> None:
    world = make_world()
    slug = world.project.slug
    campaign = make_campaign(world.project, world.admin, prompts=3, ratings_per_prompt=2)
    rated = rate_all(campaign, world.rater, ["candidate", "tie"], FULL_SCORES)[0].comparison
    baseline, candidate = (entry.version for entry in campaign.entries.all())
    make_live(by=world.admin, version=baseline, replaces=None, sign_off=True, note="First.")
    release = make_live(by=world.admin, version=candidate, replaces=baseline, sign_off=True, note="Next.")
    for user, name, args in [
        (world.rater, "evaluation:home", ()),
        (world.rater, "evaluation:rate", (campaign.pk,)),
        (world.rater, "evaluation:rate-comparison", (rated.public_id,)),
        (world.admin, "evaluation:home", ()),
        (world.admin, "evaluation:campaign-new", ()),
        (world.admin, "evaluation:campaign", (campaign.pk,)),
        (world.admin, "evaluation:comparisons", (campaign.pk,)),
        (world.admin, "evaluation:comparison", (rated.public_id,)),
        (world.admin, "release:home", ()),
        (world.admin, "release:version", (baseline.pk,)),
        (world.admin, "release:release", (release.pk,)),
    ]:
        page = open_page(user, name, slug, *args, size=size, scheme=scheme)
        said = watch(page)
        page.reload()
        assert faults(page) == [], name
        assert said == [], name


@pytest.mark.parametrize(("size", "scheme"), [(WIDE, "light"), (PHONE, "dark")])
def test_the_pages_of_a_campaign_that_grows_or_is_in_doubt_look_right(
    open_page: Open, size: tuple[int, int], scheme: str
) -> None:
    world = make_world()
    doubted = make_campaign(
        world.project, world.admin, prompts=2, dataset=make_held_out(world.project, rows=5)
    )
    in_doubt = rate_all(doubted, world.rater, ["candidate"])[0].comparison
    Answer.objects.filter(campaign_answer__prompt=in_doubt.prompt_id).update(doubt="Other weights answered.")
    for name, args in [
        ("campaign", (doubted.pk,)),
        ("comparison", (in_doubt.public_id,)),
        ("add-prompts", (doubted.pk,)),
        ("add-raters", (doubted.pk,)),
        ("set-aside", (doubted.pk,)),
    ]:
        page = open_page(
            world.admin, f"evaluation:{name}", world.project.slug, *args, size=size, scheme=scheme
        )
        said = watch(page)
        page.reload()
        assert faults(page) == [], name
        assert said == [], name


def test_roll_back_takes_a_reason_and_one_click(open_page: Open) -> None:
    world = make_world()
    campaign = make_campaign(world.project, world.admin, prompts=1)
    baseline, candidate = (entry.version for entry in campaign.entries.all())
    make_live(by=world.admin, version=baseline, replaces=None, sign_off=True, note="First.")
    make_live(by=world.admin, version=candidate, replaces=baseline, sign_off=True, note="Next.")
    page = open_page(world.admin, "release:home", world.project.slug)
    page.locator("summary", has_text=f"Roll back to {baseline}").click()
    expect(page.locator(".roll-back")).to_contain_text(f"From {candidate} to {baseline}")
    page.get_by_label("Released by mistake").check()
    page.get_by_role("button", name=f"Roll back to {baseline}").click()
    expect(page.locator("#toasts")).to_contain_text(f"{baseline} is live again")
