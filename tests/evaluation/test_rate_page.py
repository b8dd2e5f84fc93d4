"""Rating."""

import html
import json
import re

import pytest

from evaluation import services
from evaluation.models import Comparison, Prompt, Rating
from inference.models import Answer
from tests.evaluation.pages import HTMX, _say
from tests.support.factories import (
    FULL_SCORES,
    make_campaign,
    rate_all,
)

pytestmark = pytest.mark.django_db


def test_rating_brings_the_next_pair_at_once(world, campaign, as_user, page_of):
    rater = as_user(world.rater)
    page = rater.get(page_of("evaluation:rate", campaign.pk))
    assert b"1 of 4" in page.content
    held = Comparison.objects.get()
    answer = rater.post(page_of("evaluation:rate-comparison", held.public_id), _say(comment="Good."), **HTMX)
    assert answer.status_code == 200 and b"2 of 4" in answer.content
    assert b"<html" not in answer.content
    assert str(held.public_id).encode() not in answer.content.split(b'id="rate-form"')[1].split(b">")[0]
    rating = Rating.objects.get()
    assert rating.comment == "Good." and rating.scores.count() == 6


def test_without_script_a_rating_leads_to_the_next_page(world, campaign, as_user, page_of):
    rater = as_user(world.rater)
    rater.get(page_of("evaluation:rate", campaign.pk))
    held = Comparison.objects.get()
    answer = rater.post(page_of("evaluation:rate-comparison", held.public_id), _say())
    assert (answer.status_code, answer.url) == (302, page_of("evaluation:rate", campaign.pk))


@pytest.mark.parametrize("wrong", [{"choice": ""}, {"tone_a": ""}, {"tone_a": "9"}, {"accuracy_b": "x"}])
def test_what_is_missing_comes_back_with_what_was_said(world, campaign, as_user, page_of, wrong):
    rater = as_user(world.rater)
    rater.get(page_of("evaluation:rate", campaign.pk))
    held = Comparison.objects.get()
    answer = rater.post(
        page_of("evaluation:rate-comparison", held.public_id),
        _say(comment="Kept words", correction_b="Kept too", **wrong),
        **HTMX,
    )
    assert answer.status_code == 422
    assert b"Kept words" in answer.content and b"Kept too" in answer.content
    assert not Rating.objects.exists()


def test_scores_can_be_left_out(world, campaign, as_user, page_of):
    rater = as_user(world.rater)
    rater.get(page_of("evaluation:rate", campaign.pk))
    address = page_of("evaluation:rate-comparison", Comparison.objects.get().public_id)
    assert rater.post(address, {"choice": "both_bad", "skip_scores": "1"}).status_code == 302
    assert not Rating.objects.get().scores.exists()


def test_rating_twice_and_after_close_is_409_and_stores_nothing(world, campaign, as_user, page_of):
    rater = as_user(world.rater)
    rater.get(page_of("evaluation:rate", campaign.pk))
    first = page_of("evaluation:rate-comparison", Comparison.objects.get().public_id)
    rater.post(first, _say(), **HTMX)
    assert rater.post(first, _say(choice="b"), **HTMX).status_code == 409
    assert Rating.objects.get().choice == "a"
    second = page_of("evaluation:rate-comparison", Comparison.objects.get(status="open").public_id)
    services.close_campaign(by=world.admin, campaign=campaign)
    assert rater.post(second, _say()).status_code == 409
    assert rater.get(page_of("evaluation:rate", campaign.pk)).status_code == 409
    assert Rating.objects.count() == 1


def test_back_shows_what_was_said_and_changes_it(world, campaign, as_user, page_of):
    rater = as_user(world.rater)
    done = rate_all(campaign, world.rater, ["tie"], FULL_SCORES)[0].comparison
    page = rater.get(page_of("evaluation:rate", campaign.pk)).content.decode()
    back = page_of("evaluation:rate-comparison", done.public_id)
    assert f'href="{back}"' in page
    shown = rater.get(back).content.decode()
    assert re.search(r'value="tie"[^>]*checked', shown)
    assert re.search(r'name="accuracy_a" value="4"\s+checked', shown)
    answer = rater.post(back, _say(choice="both_bad", change="1"), **HTMX)
    assert answer.status_code == 200 and b"Your rating is changed" in answer.content
    assert Rating.objects.get().choice == "both_bad"


def test_the_last_pair_ends_with_thanks(world, as_user, page_of):
    campaign = make_campaign(world.project, world.admin, prompts=1)
    rater = as_user(world.rater)
    rater.get(page_of("evaluation:rate", campaign.pk))
    address = page_of("evaluation:rate-comparison", Comparison.objects.get().public_id)
    answer = rater.post(address, _say(), **HTMX)
    assert b"Done. Thank you." in answer.content and b'data-key="z"' in answer.content


def test_skip_and_hold(world, campaign, as_user, page_of):
    rater = as_user(world.rater)
    rater.get(page_of("evaluation:rate", campaign.pk))
    held = Comparison.objects.get()
    assert "until" in rater.post(page_of("evaluation:rate-hold", held.public_id)).json()
    assert rater.post(page_of("evaluation:rate-skip", held.public_id), **HTMX).status_code == 200
    assert rater.post(page_of("evaluation:rate-hold", held.public_id)).status_code == 409


def test_values_in_answers_are_marked_as_in_the_records_or_in_neither(world, campaign, as_user, page_of):
    for side, text in ((0, "FD-0 arrives on 3 Dec."), (1, "**FD-99** is cleared.")):
        Answer.objects.filter(campaign_answer__entry__position=side).update(text=text)
    Prompt.objects.update(
        context=["FD-0 | ETA 3 Dec", "FD-7 | cleared"], messages=[{"role": "user", "content": "When?"}]
    )
    page = as_user(world.rater).get(page_of("evaluation:rate", campaign.pk)).content.decode()
    (words,) = re.findall(r'<gh-marks data-words="([^"]*)"', page)
    found = json.loads(html.unescape(words))
    right, wrong = ("a", "b") if "FD-0 arrives" in page.partition('data-side="b"')[0] else ("b", "a")
    assert {"FD-0", "3 Dec"} <= set(found[f"{right}-ok"]) and f"{right}-bad" not in found
    assert found[f"{wrong}-bad"] == ["FD-99"] and "FD-7" not in found["context-ok"]


def test_an_answer_without_values_marks_nothing(world, campaign, as_user, page_of):
    Answer.objects.update(text="Thank you.")
    page = as_user(world.rater).get(page_of("evaluation:rate", campaign.pk)).content.decode()
    assert '<gh-marks data-words="{}">' in page


def test_answers_are_sanitised(world, campaign, as_user, page_of):
    for prompt in campaign.prompts.all():
        for answer in prompt.answers.all():
            text = (
                "<script>alert(1)</script> **bold** [x](javascript:alert(1)) ![i](https://evil.example/i.png)"
            )
            type(answer.answer).objects.filter(pk=answer.answer_id).update(text=text)
    page = as_user(world.rater).get(page_of("evaluation:rate", campaign.pk)).content.decode()
    shown = page.split('class="text prose"')[1].split("</gh-shown>")[0]
    assert "<strong>bold</strong>" in shown
    assert "<script" not in shown and 'href="javascript' not in shown and "<img" not in shown
