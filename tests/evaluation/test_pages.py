"""Evaluation's pages: who may open them, that they work, that they stay cheap, and that they stay blind."""

import csv
import html
import io
import json
import re
import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core.models import Role
from evaluation import services
from evaluation.models import Campaign, Comparison, Prompt, Rating
from inference.models import Answer
from tests.support.factories import (
    FULL_SCORES,
    join,
    make_campaign,
    make_held_out,
    make_pair,
    make_user,
    make_world,
    rate_all,
)
from tests.support.reading import text_of

pytestmark = pytest.mark.django_db

SCORES = {
    f"{criterion}_{side}": 4 for criterion in ("accuracy", "tone", "conciseness") for side in ("a", "b")
}
HTMX = {"HTTP_HX_REQUEST": "true"}


def _say(**values):
    return {"choice": "a", **SCORES} | values


# --- who may come in ---------------------------------------------------------------------------------------
PAGES = [
    ("evaluation:home", (), {"rater", "admin", "viewer"}),
    ("evaluation:campaign-new", (), {"admin"}),
    ("evaluation:campaign-preview", (), {"admin"}),
    ("evaluation:campaign", ("campaign",), {"admin", "viewer"}),
    ("evaluation:comparisons", ("campaign",), {"admin", "viewer"}),
    ("evaluation:ratings-csv", ("campaign",), {"admin"}),
    ("evaluation:rate", ("campaign",), {"rater"}),
    ("evaluation:comparison", ("rated",), {"admin", "viewer"}),
]
POSTS = [
    ("evaluation:campaign-close", ("campaign",), {"admin"}),
    ("evaluation:campaign-reopen", ("campaign",), {"admin"}),
    ("evaluation:campaign-retry", ("campaign",), {"admin"}),
    ("evaluation:campaign-delete", ("campaign",), {"admin"}),
]


@pytest.mark.parametrize(("name", "args", "allowed"), PAGES)
def test_each_role_gets_its_pages_and_no_others(world, campaign, as_user, page_of, name, args, allowed):
    rated = rate_all(campaign, world.rater, ["tie"])[0].comparison
    address = page_of(name, *[{"campaign": campaign.pk, "rated": rated.public_id}[arg] for arg in args])
    for role, person in world.people().items():
        status = as_user(person).get(address).status_code
        if role in Role.values:
            assert status == (200 if role in allowed else 403), role
        else:
            assert status == 404, role
    assert as_user(None).get(address).status_code == 302


@pytest.mark.parametrize(("name", "args", "allowed"), POSTS)
def test_nobody_else_changes_a_campaign(world, campaign, as_user, page_of, name, args, allowed):
    address = page_of(name, campaign.pk)
    for role, person in world.people().items():
        if role not in allowed:
            assert as_user(person).post(address).status_code == (403 if role in Role.values else 404), role
    assert as_user(world.admin).get(address).status_code == 405
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.OPEN


def test_nobody_sees_or_rates_a_colleagues_comparison(world, campaign, as_user, page_of):
    held = services.next_comparison(by=world.rater, campaign=campaign)
    colleague = make_user()
    join(world.project, colleague, Role.RATER)
    for name in ("evaluation:rate-comparison", "evaluation:rate-skip", "evaluation:rate-hold"):
        for person in (colleague, world.neighbour, world.stranger):
            assert as_user(person).post(page_of(name, held.public_id), _say()).status_code == 404
        assert as_user(world.admin).post(page_of(name, held.public_id), _say()).status_code == 403
    assert as_user(colleague).get(page_of("evaluation:rate-comparison", held.public_id)).status_code == 404
    assert not Rating.objects.exists()


def test_bad_ids_are_not_found(world, as_user, page_of):
    admin, rater = as_user(world.admin), as_user(world.rater)
    assert admin.get(page_of("evaluation:campaign", 999999)).status_code == 404
    assert admin.get(page_of("evaluation:comparison", uuid.uuid4())).status_code == 404
    assert rater.get(page_of("evaluation:rate", 999999)).status_code == 404
    assert rater.get(page_of("evaluation:rate-comparison", uuid.uuid4())).status_code == 404


def test_a_campaign_of_another_project_is_not_found(world, as_user, page_of):
    other = make_campaign(world.other, world.neighbour, prompts=1)
    assert as_user(world.admin).get(page_of("evaluation:campaign", other.pk)).status_code == 404
    assert as_user(world.rater).get(page_of("evaluation:rate", other.pk)).status_code == 404


# --- rating ------------------------------------------------------------------------------------------------
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


# --- blind -------------------------------------------------------------------------------------------------
def _identities(campaign):
    """Everything by which a side, a version or the campaign could be told, as it would be written."""
    found = {campaign.name, campaign.dataset.content_hash}
    for entry in campaign.entries.select_related("version__base_model"):
        version = entry.version
        found |= {
            str(version),
            version.served_name,
            version.base_model.name,
            version.base_model.slug,
            f"entry-{entry.pk}",
            str(entry.pk),
            str(version.pk),
        }
        for answer in entry.answers.select_related("answer"):
            found |= {
                str(answer.pk),
                str(answer.answer_id),
                str(answer.answer.public_id),
                str(answer.answer.duration_ms),
            }
    return found


@pytest.fixture
def telling():
    """A campaign whose ids are so large that no other number on a page can look like them."""
    tables = ["evaluation_entry", "evaluation_campaignanswer", "inference_answer", "training_modelversion"]
    with connection.cursor() as cursor:
        for position, table in enumerate(tables):
            cursor.execute(f"ALTER SEQUENCE {table}_id_seq RESTART WITH {770_000_000 + position * 1_000_000}")
    world = make_world()
    campaign = make_campaign(world.project, world.admin, prompts=3, ratings_per_prompt=2)
    yield world, campaign
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"ALTER SEQUENCE {table}_id_seq RESTART WITH 1")


def _assert_blind(response, identities):
    told = response.content.decode() + str(dict(response.headers)) + str(response.cookies)
    for identity in identities:
        # As a word of its own: a CSRF token may hold any two letters.
        found = re.search(rf"(?<!\w){re.escape(identity)}(?!\w)", told)
        assert not found, f"{identity} is told by {response.request['PATH_INFO']}"


def test_no_page_a_rater_can_reach_tells_who_is_who(telling, as_user):
    from django.urls import reverse

    world, campaign = telling
    slug = world.project.slug
    rater = as_user(world.rater)
    identities = _identities(campaign)
    assert len(identities) > 20
    with pytest.raises(AssertionError, match="is told by"):  # the search itself finds what is there
        _assert_blind(as_user(world.admin).get(reverse("evaluation:home", args=[slug])), identities)

    def page(name, *args):
        return reverse(name, args=[slug, *args])

    rate_all(campaign, make_rater(world), ["candidate", "baseline", "both_bad"], FULL_SCORES)
    seen = [
        rater.get(page("core:home")),
        rater.get(page("core:loop")),
        rater.get(reverse("core:me")),
        rater.get(page("evaluation:home")),
        rater.get(page("evaluation:rate", campaign.pk)),
    ]
    held = Comparison.objects.get(rater=world.rater)
    own = page("evaluation:rate-comparison", held.public_id)
    seen += [
        rater.get(own),
        rater.post(own, {"choice": ""}, **HTMX),
        rater.post(page("evaluation:rate-hold", held.public_id)),
        rater.post(own, _say(correction_a="As it should be."), **HTMX),
        rater.get(own),
        rater.post(own, _say(change="1", choice="b"), **HTMX),
        rater.post(own, _say(), **HTMX),
        rater.get(page("evaluation:campaign", campaign.pk)),
        rater.get(page("evaluation:comparisons", campaign.pk)),
        rater.get(page("evaluation:comparison", held.public_id)),
        rater.get(page("evaluation:ratings-csv", campaign.pk)),
    ]
    api = f"/api/v1/projects/{slug}"
    seen += [
        rater.get(f"{api}/rating/"),
        rater.post(f"{api}/campaigns/{campaign.pk}/next/"),
        rater.get(f"{api}/rating/{held.public_id}/"),
        rater.get(f"{api}/campaigns/"),
        rater.get(f"{api}/campaigns/{campaign.pk}/"),
        rater.get(f"{api}/campaigns/{campaign.pk}/results/"),
        rater.get(f"{api}/campaigns/{campaign.pk}/comparisons/"),
        rater.get(f"{api}/comparisons/{held.public_id}/"),
        rater.get(f"{api}/loop/"),
    ]
    # Somebody who also annotates sees where the correction came from, and no more.
    join(world.project, (both := make_user()), Role.RATER, Role.ANNOTATOR, Role.REVIEWER)
    annotator = as_user(both)
    example = held.corrections.get().example_id
    seen += [
        rater.get(reverse("core:start")),
        rater.get(page("core:project-menu")),
        rater.get(page("inference:home")),
        rater.get(page("inference:chat")),
        annotator.get(page("core:home")),
        annotator.get(page("annotation:overview")),
        annotator.get(page("annotation:examples")),
        annotator.get(page("annotation:example", example)),
        annotator.get(f"{api}/examples/{example}/"),
        annotator.get(page("evaluation:comparison", held.public_id)),
    ]
    assert "corrected while rating" in seen[-3].content.decode().lower()
    assert sum(response.status_code == 200 for response in seen) >= 20
    for response in seen:
        _assert_blind(response, identities)


def make_rater(world):
    user = make_user()
    join(world.project, user, Role.RATER)
    return user


def test_the_two_sides_look_alike(world, campaign, as_user, page_of):
    """Nothing but the side's name and the text differs between the two answers' markup."""
    page = as_user(world.rater).get(page_of("evaluation:rate", campaign.pk)).content.decode()
    left, right = (part.split("</article>")[0] for part in page.split("<article")[1:3])

    def shape(part):
        part = re.sub(r'\s+data-key="c"\s+data-key-label="[^"]*"', "", part)
        part = re.sub(r"\s+", " ", part)
        part = re.sub(r'"b"|-b\b|_b\b', lambda found: found[0].replace("b", "a"), part)
        part = re.sub(r"(</span>|Answer )[AB]\b", r"\1SIDE", part)
        return re.sub(r"Answer</strong> [ab]|Answer\*\* [ab]", "ANSWER", part)

    assert shape(left) == shape(right)


# --- results -----------------------------------------------------------------------------------------------
def test_results_name_versions_and_show_intervals(world, as_user, page_of):
    campaign = make_campaign(world.project, world.admin, prompts=4, ratings_per_prompt=2)
    rate_all(campaign, world.rater, ["candidate", "candidate", "tie", "both_bad"], FULL_SCORES)
    rate_all(campaign, make_rater(world), ["candidate", "baseline", "candidate", "candidate"])
    page = as_user(world.viewer).get(page_of("evaluation:campaign", campaign.pk)).content.decode()
    assert "79%" in page  # (5 + ½) / 7
    assert "95% interval" in page and "Rater Member" in page
    assert "4 of 8 ratings came with scores" in page
    assert "Ratings as CSV" not in page  # a viewer exports nothing


def test_raters_see_results_after_close_without_colleagues_names(world, campaign, as_user, page_of):
    colleague = make_rater(world)
    rate_all(campaign, colleague, ["candidate"])
    rater = as_user(world.rater)
    address = page_of("evaluation:campaign", campaign.pk)
    assert rater.get(address).status_code == 403
    services.close_campaign(by=world.admin, campaign=campaign)
    page = rater.get(address)
    assert page.status_code == 200
    assert campaign.name in page.content.decode() and colleague.name not in page.content.decode()
    services.reopen_campaign(by=world.admin, campaign=campaign)
    assert rater.get(address).status_code == 403


def test_an_informed_rater_is_marked(world, campaign, as_user, page_of):
    both = make_user("Two Hats")
    join(world.project, both, Role.RATER, Role.ADMIN)
    rate_all(campaign, both, ["candidate"])
    assert "sees results" in text_of(as_user(world.admin).get(page_of("evaluation:campaign", campaign.pk)))


def test_the_list_of_ratings_filters(world, campaign, as_user, page_of):
    rate_all(campaign, world.rater, ["candidate", "baseline", "both_bad"])
    Rating.objects.filter(choice="both_bad").update(comment="Neither names the port.")
    admin, address = as_user(world.admin), page_of("evaluation:comparisons", campaign.pk)

    def shown(**wanted):
        return admin.get(address, wanted).content.decode().count('<th scope="row">')

    assert shown() == 3
    assert shown(outcome="candidate") == shown(outcome="baseline") == shown(outcome="both_bad") == 1
    assert shown(only="comment") == 1 and shown(q="the port") == 1 and shown(only="correction") == 0
    assert shown(rater=world.rater.pk) == 3 and shown(slice="customs") + shown(slice="delay") == 3
    assert shown(outcome="nonsense") == shown(rater="²") == shown(q="\x00") == 0
    api = f"/api/v1/projects/{campaign.project.slug}/campaigns/"
    for query in (
        f"{campaign.pk}/comparisons/?rater=²",
        f"{campaign.pk}/comparisons/?only=all",
        "?q=%00",
        "?status=x",
    ):
        assert admin.get(api + query).status_code == 422


def test_one_rating_leads_to_both_versions_and_the_example(world, campaign, as_user, page_of):
    held = services.next_comparison(by=world.rater, campaign=campaign)
    services.rate(
        by=world.rater, comparison=held, choice="a", scores=None, corrections={"b": "As it should be."}
    )
    page = as_user(world.viewer).get(page_of("evaluation:comparison", held.public_id)).content.decode()
    for entry in campaign.entries.all():
        assert str(entry.version) in page
        assert page_of("training:version", entry.version_id) in page
    assert page_of("annotation:example", held.corrections.get().example_id) in page
    assert "Rater Member" in page


def test_export_names_versions_and_escapes_formulas(world, campaign, as_user, page_of):
    rate_all(campaign, world.rater, ["candidate", "both_bad"], FULL_SCORES)
    Rating.objects.filter(choice="both_bad").update(comment='=HYPERLINK("https://evil.example")')
    answer = as_user(world.admin).get(page_of("evaluation:ratings-csv", campaign.pk))
    rows = list(csv.DictReader(io.StringIO(b"".join(answer).decode())))
    candidate = campaign.entries.get(position=1).version
    assert [row["said"] for row in rows] == ["candidate", "both_bad"]
    assert rows[0]["preferred_version"] == rows[0]["candidate_version"] == str(candidate)
    assert rows[0]["accuracy_baseline"] == "4" and rows[0]["rater"] == "Rater Member"
    assert rows[1]["note"].startswith("'=")


# --- campaigns ---------------------------------------------------------------------------------------------
@pytest.fixture
def ready(world):
    baseline, candidate = make_pair(world.project, world.admin)
    return {
        "name": "v1 against base",
        "baseline": baseline.pk,
        "candidate": candidate.pk,
        "dataset": make_held_out(world.project, rows=6).pk,
        "prompts": 4,
        "ratings_per_prompt": 2,
        "temperature": 0,
        "max_tokens": 64,
    }


def test_an_admin_plans_a_campaign(world, ready, as_user, page_of, sent, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        answer = as_user(world.admin).post(page_of("evaluation:campaign-new"), ready)
    campaign = Campaign.objects.get()
    assert (answer.status_code, answer.url) == (302, page_of("evaluation:campaign", campaign.pk))
    assert campaign.status == "preparing" and campaign.prompts.count() == 4
    assert campaign.params == {"temperature": 0.0, "max_tokens": 64}
    assert sent == [("core.tasks.execute_run", campaign.run_id)]
    page = as_user(world.admin).get(answer.url)
    assert page.status_code == 200 and b"Waiting for a worker" in page.content


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"prompts": 0},
        {"prompts": 7},
        {"prompts": "x"},
        {"ratings_per_prompt": 0},
        {"temperature": 3},
        {"max_tokens": 0},
        {"baseline": 999999},
        {"dataset": ""},
    ],
)
def test_a_wrong_campaign_comes_back_422(world, ready, as_user, page_of, wrong):
    answer = as_user(world.admin).post(page_of("evaluation:campaign-new"), ready | wrong)
    assert answer.status_code == 422 and b'class="error"' in answer.content
    assert not Campaign.objects.exists()


def test_the_form_suggests_and_the_preview_counts(world, ready, as_user, page_of):
    admin = as_user(world.admin)
    page = admin.get(page_of("evaluation:campaign-new")).content.decode()
    assert "6 test prompts" in page and "Effort and precision" in page
    told = admin.get(page_of("evaluation:campaign-preview"), {"prompts": 40, "ratings_per_prompt": 1}).content
    assert b"<b>40</b>" in told and b"With more raters" in told and b"or less needs more raters." in told
    none = admin.get(page_of("evaluation:campaign-preview"), {"prompts": "x"})
    assert none.status_code == 200 and b"Enter the numbers" in none.content


def test_the_base_model_can_be_added_from_the_form(world, as_user, page_of):
    from tests.support.factories import make_base_model
    from training.models import ModelVersion

    base = make_base_model()
    admin = as_user(world.admin)
    assert b"Add the base model" in admin.get(page_of("evaluation:campaign-new")).content
    assert admin.post(page_of("evaluation:base-add", base.pk)).status_code == 302
    assert ModelVersion.objects.filter(project=world.project, kind="base", base_model=base).exists()


def test_closing_is_the_thing_to_do_when_all_ratings_are_in(world, campaign, as_user, page_of):
    def close_button():
        page = as_user(world.admin).get(page_of("evaluation:campaign", campaign.pk)).content.decode()
        (button,) = re.findall(r'<button class="([^"]*)">Close</button>', page)
        return button.split()

    assert close_button() == []
    rate_all(campaign, world.rater, ["candidate", "tie", "baseline"])
    assert close_button() == []
    rate_all(campaign, world.rater, ["candidate"])
    assert close_button() == ["go"]


def test_close_reopen_delete(world, campaign, as_user, page_of):
    admin = as_user(world.admin)
    assert admin.post(page_of("evaluation:campaign-close", campaign.pk)).status_code == 302
    assert admin.post(page_of("evaluation:campaign-close", campaign.pk)).status_code == 409
    assert admin.post(page_of("evaluation:campaign-reopen", campaign.pk)).status_code == 302
    rate_all(campaign, world.rater, ["tie"])
    assert admin.post(page_of("evaluation:campaign-delete", campaign.pk)).status_code == 409
    assert Campaign.objects.filter(pk=campaign.pk).exists()
    unrated = make_campaign(world.project, world.admin, prompts=1)
    services.next_comparison(by=world.rater, campaign=unrated)
    assert admin.post(page_of("evaluation:campaign-delete", unrated.pk)).status_code == 302
    assert not Campaign.objects.filter(pk=unrated.pk).exists()


# --- first screen ------------------------------------------------------------------------------------------
def test_a_rater_is_told_how_many_wait_and_for_how_long(world, campaign, as_user, page_of):
    page = as_user(world.rater).get(page_of("core:home")).content.decode()
    assert "4 comparisons to rate" in page and "About 3 minutes" in page


def test_an_admin_is_told_when_all_ratings_are_in(world, campaign, as_user, page_of):
    rate_all(campaign, world.rater, ["tie"] * 4)
    page = as_user(world.admin).get(page_of("core:home")).content.decode()
    assert "is fully rated" in page


# --- cost --------------------------------------------------------------------------------------------------
def _queries(client, address):
    client.get(address)
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


@pytest.mark.parametrize("name", ["evaluation:home", "core:home"])
@pytest.mark.parametrize("role", ["admin", "rater"])
def test_lists_of_campaigns_cost_the_same_however_many(world, campaign, as_user, page_of, name, role):
    client = as_user(getattr(world, role))
    rate_all(campaign, make_rater(world), ["tie"])
    before = _queries(client, page_of(name))
    for _ in range(3):
        more = make_campaign(world.project, world.admin, prompts=2)
        rate_all(more, make_rater(world), ["tie"])
    assert _queries(client, page_of(name)) <= before


@pytest.mark.parametrize("name", ["evaluation:campaign", "evaluation:comparisons"])
def test_results_cost_the_same_however_many_ratings(world, as_user, page_of, name):
    campaign = make_campaign(world.project, world.admin, prompts=4, ratings_per_prompt=4)
    rate_all(campaign, world.rater, ["candidate"], FULL_SCORES)
    client = as_user(world.admin)
    before = _queries(client, page_of(name, campaign.pk))
    for _ in range(3):
        rate_all(campaign, make_rater(world), ["candidate", "tie", "baseline"], FULL_SCORES)
    assert _queries(client, page_of(name, campaign.pk)) <= before


def test_the_rating_page_costs_the_same_in_a_large_campaign(world, as_user, page_of):
    small = make_campaign(world.project, world.admin, prompts=2)
    large = make_campaign(world.project, world.admin, prompts=12, ratings_per_prompt=3)
    rate_all(large, make_rater(world), ["tie"] * 8, FULL_SCORES)
    client = as_user(world.rater)
    assert _queries(client, page_of("evaluation:rate", large.pk)) <= _queries(
        client, page_of("evaluation:rate", small.pk)
    )
