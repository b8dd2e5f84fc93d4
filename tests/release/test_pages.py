"""Release's pages and API: who may open and change what, and that they stay cheap."""

import html
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core.models import Role
from inference.models import Deployment
from inference.queries import live_version
from release import services
from release.models import Release
from tests.support.factories import join, make_campaign, make_user, rate_all
from tests.support.reading import text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def live(world, versions):
    services.make_live(by=world.admin, version=versions.v1, replaces=None, sign_off=True, note="The first.")
    services.make_live(
        by=world.admin, version=versions.v2, replaces=versions.v1, sign_off=True, note="Better."
    )
    return versions


PAGES = [("release:home", ()), ("release:version", ("v3",)), ("release:release", ("first",))]


@pytest.mark.parametrize(("name", "args"), PAGES)
def test_admins_and_viewers_read_others_do_not(world, live, as_user, page_of, name, args):
    known = {
        "v3": live.v3.pk,
        "first": Release.objects.order_by("pk").first().pk if args == ("first",) else 0,
    }
    address = page_of(name, *[known[arg] for arg in args])
    for role, person in world.people().items():
        status = as_user(person).get(address).status_code
        expected = 200 if role in ("admin", "viewer") else 403 if role in Role.values else 404
        assert status == expected, role
    assert as_user(None).get(address).status_code == 302


def test_only_admins_decide(world, live, as_user, page_of):
    sign = {"replaces": live.v2.pk, "sign_off": "on", "note": "x"}
    for role, person in world.people().items():
        if role == "admin":
            continue
        expected = 403 if role in Role.values else 404
        client = as_user(person)
        assert client.post(page_of("release:version", live.v3.pk), sign).status_code == expected
        back = {"away_from": live.v2.pk, "why": "Released by mistake"}
        assert client.post(page_of("release:roll-back"), back).status_code == expected
    assert as_user(world.admin).get(page_of("release:roll-back")).status_code == 405
    assert live_version(world.project) == live.v2 and Release.objects.count() == 2


def test_bad_ids_are_not_found(world, live, as_user, page_of):
    admin = as_user(world.admin)
    assert admin.get(page_of("release:version", 999999)).status_code == 404
    assert admin.get(page_of("release:release", 999999)).status_code == 404
    assert admin.post(page_of("release:version", 999999)).status_code == 404


def test_an_admin_signs_off(world, versions, as_user, page_of):
    admin = as_user(world.admin)
    address = page_of("release:version", versions.v1.pk)
    page = admin.get(address).content.decode()
    assert "I, Admin Member, have read the gate and sign this off" in page
    assert "It has not been compared with" in page
    assert admin.post(address, {"sign_off": "on"}).status_code == 422
    assert admin.post(address, {"note": "Pilot."}).status_code == 422
    assert live_version(world.project) is None
    assert admin.post(address, {"sign_off": "on", "note": "Pilot."}).status_code == 302
    assert live_version(world.project) == versions.v1
    home = admin.get(page_of("release:home")).content.decode()
    assert "“<bdi>Pilot.</bdi>”" in home and f"&quot;model&quot;: &quot;{world.project.slug}" not in home
    assert f'"model": "{world.project.slug}"' in home and "/v1/chat/completions" in home


def test_a_page_that_grew_old_is_refused(world, live, as_user, page_of):
    admin = as_user(world.admin)
    stale = {"replaces": live.v1.pk, "sign_off": "on", "note": "x"}
    assert admin.post(page_of("release:version", live.v3.pk), stale).status_code == 409
    assert admin.post(page_of("release:version", live.v3.pk), stale | {"replaces": ""}).status_code == 409
    assert admin.post(page_of("release:roll-back"), {"away_from": live.v1.pk}).status_code == 409
    for nonsense in ("", "x", "999999"):
        body = {"away_from": nonsense, "why": "Released by mistake"}
        assert admin.post(page_of("release:roll-back"), body).status_code == 409
    assert Release.objects.count() == 2


def test_going_back_asks_for_a_reason_and_the_history_keeps_it(world, live, as_user, page_of):
    admin = as_user(world.admin)
    page = text_of(admin.get(page_of("release:home")))
    assert f"Roll back to {live.v1}" in page and "Wrong or invented answers" in page
    body = {"away_from": live.v2.pk}
    for missing in ({}, {"why": "nonsense"}, {"why": "other"}, {"why": "other", "detail": "  "}):
        refused = admin.post(page_of("release:roll-back"), body | missing)
        assert refused.status_code == 422 and b'<details class="gap roll-back"  open>' in refused.content
    assert live_version(world.project) == live.v2
    given = {"why": "Wrong or invented answers", "detail": "It invented a customs fee."}
    assert admin.post(page_of("release:roll-back"), body | given).status_code == 302
    assert live_version(world.project) == live.v1
    page = text_of(admin.get(page_of("release:home")))
    assert f"Rolled back from {live.v2} to {live.v1}" in page
    assert "Wrong or invented answers: It invented a customs fee." in page
    assert f"{live.v1} was the first live version" in page and "Nothing was live before" not in page
    release = Release.objects.first()
    page = text_of(admin.get(page_of("release:release", release.pk)))
    assert f"Rolled back from {live.v2} to {live.v1}" in page and "It invented a customs fee." in page


def test_something_else_is_said_in_own_words(world, live, as_user, page_of):
    body = {"away_from": live.v2.pk, "why": "other", "detail": "The customer asked us to."}
    assert as_user(world.admin).post(page_of("release:roll-back"), body).status_code == 302
    assert Release.objects.first().note == "The customer asked us to."


def test_no_button_back_to_what_is_not_served(world, live, as_user, page_of):
    Deployment.objects.filter(version=live.v1).update(status=Deployment.Status.WAITING, engine=None)
    page = text_of(as_user(world.admin).get(page_of("release:home")))
    assert "you cannot roll back now" in page and "Roll back to" not in page
    body = {"away_from": live.v2.pk, "why": "Released by mistake"}
    answer = as_user(world.admin).post(page_of("release:roll-back"), body)
    assert answer.status_code == 400 and live_version(world.project) == live.v2


def test_the_example_sends_records_and_leaves_sampling_to_the_project(world, live, as_user, page_of):
    world.project.temperature = 0.4
    world.project.save()
    page = text_of(as_user(world.viewer).get(page_of("release:home")))
    assert page.count('"context": [') == 2 and "extra_body=" in page
    assert "Temperature (0.4) and length (at most 512 tokens)" in page
    assert '"temperature"' not in page and "temperature=" not in page


def test_viewers_get_no_buttons(world, live, as_user, page_of):
    viewer = as_user(world.viewer)
    assert "<form" not in viewer.get(page_of("release:home")).content.decode().split("<main")[1]
    assert 'id="sign-off"' not in viewer.get(page_of("release:version", live.v3.pk)).content.decode()


def test_a_decision_keeps_its_gate_and_leads_to_people(world, live, as_user, page_of):
    first = Release.objects.order_by("pk").first()
    page = as_user(world.viewer).get(page_of("release:release", first.pk)).content.decode()
    assert "The first." in page and "It has not been compared with" in page
    assert page_of("training:version", live.v1.pk) in page
    assert page_of("datasets:dataset", live.v1.training_run.dataset.number) in page


def test_the_first_screen_points_at_a_version_that_won(world, versions, as_user, page_of):
    admin = as_user(world.admin)
    assert "No version is live yet" in admin.get(page_of("core:home")).content.decode()
    from evaluation.services import close_campaign

    campaign = make_campaign(
        world.project, world.admin, prompts=10, ratings_per_prompt=4, versions=(versions.base, versions.v1)
    )
    for _ in range(4):
        rater = make_user()
        join(world.project, rater, Role.RATER)
        rate_all(campaign, rater, ["candidate"] * 9 + ["tie"])
    close_campaign(by=world.admin, campaign=campaign)
    page = admin.get(page_of("core:home")).content.decode()
    assert f"{versions.v1} beats the base model: see the gate" in page


# --- API ---------------------------------------------------------------------------------------------------
def test_the_api_does_what_the_pages_do(world, versions, as_user):
    admin, api = as_user(world.admin), f"/api/v1/projects/{world.project.slug}"
    assert admin.get(f"{api}/live/").json()["version"] is None
    assert len(admin.get(f"{api}/candidates/").json()) == 4
    gate = admin.get(f"{api}/gate/{versions.v1.pk}/").json()["gate"]
    assert gate["result"] == "hold" and len(gate["checks"]) == 8
    body = {"version": versions.v1.pk, "replaces": None, "sign_off": True, "note": ""}

    def post(path, values):
        return admin.post(f"{api}/{path}/", values, content_type="application/json")

    refused = post("releases", body)
    assert refused.status_code == 422 and "note" in refused.json()["fields"]
    assert post("releases", body | {"version": 999999}).status_code == 422
    made = post("releases", body | {"note": "Pilot."})
    assert made.status_code == 201 and made.json()["note"] == "Pilot."
    assert post("releases", body | {"note": "x", "version": versions.v2.pk}).status_code == 409
    second = body | {"version": versions.v2.pk, "replaces": versions.v1.pk, "note": "x"}
    assert post("releases", second).status_code == 201
    told = admin.get(f"{api}/live/").json()
    assert told["version"]["id"] == versions.v2.pk and told["previous"]["id"] == versions.v1.pk
    why = {"reason": "It invents fees."}
    assert post("live/roll-back", {"away_from": versions.v1.pk} | why).status_code == 409
    assert post("live/roll-back", {"away_from": 999999} | why).status_code == 409
    assert post("live/roll-back", {"away_from": versions.v2.pk}).status_code == 422
    assert post("live/roll-back", {"away_from": versions.v2.pk, "reason": " "}).status_code == 422
    back = post("live/roll-back", {"away_from": versions.v2.pk} | why)
    assert back.status_code == 201 and back.json()["action"] == "rollback"
    assert back.json()["note"] == "It invents fees."
    assert admin.get(f"{api}/releases/").json()["count"] == 3
    assert admin.get(f"{api}/releases/{back.json()['id']}/").json()["version"]["id"] == versions.v1.pk
    steps = admin.get(f"{api}/gate/{versions.v1.pk}/lineage/").json()["steps"]
    assert steps[0]["kind"] == "Rolled back"


@pytest.mark.parametrize("path", ["live", "candidates", "releases"])
def test_the_api_keeps_others_out(world, live, as_user, path):
    for role, person in world.people().items():
        status = as_user(person).get(f"/api/v1/projects/{world.project.slug}/{path}/").status_code
        assert status == (200 if role in ("admin", "viewer") else 403 if role in Role.values else 404), role
    assert as_user(None).get(f"/api/v1/projects/{world.project.slug}/{path}/").status_code == 401


# --- cost --------------------------------------------------------------------------------------------------
def _queries(client, address):
    client.get(address)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


def test_the_page_costs_the_same_with_more_versions_and_decisions(world, live, as_user, page_of):
    from tests.support.factories import make_served, make_version

    campaign = make_campaign(world.project, world.admin, prompts=2, versions=(live.base, live.v3))
    rate_all(campaign, world.rater, ["tie"])
    client = as_user(world.viewer)
    before = _queries(client, page_of("release:home"))
    for at in range(3):
        more = make_served(make_version(world.project, world.admin, base_model=live.base.base_model))
        another = make_campaign(world.project, world.admin, prompts=1, versions=(live.base, more))
        rate_all(another, world.rater, ["tie"])
        services.make_live(
            by=world.admin, version=more, replaces=live_version(world.project), sign_off=True, note=f"{at}"
        )
    assert _queries(client, page_of("release:home")) <= before


def test_a_version_leads_to_its_chat_comparison_and_gate(world, live, as_user, page_of):
    """Whoever sees a link may follow it; a comparison begun there is with what is live."""
    offered = {"admin": ["Compare it", "See the gate", "Test it in chat"], "viewer": ["See the gate"]}
    for role, labels in offered.items():
        client = as_user(getattr(world, role))
        page = client.get(page_of("training:version", live.v3.pk)).content.decode()
        links = re.findall(r'<a class="btn" href="([^"]+)">\s*([^<]+?)\s*</a>', page)
        found = {label: url for url, label in links}
        assert sorted(set(found) - {"Download the files"}) == labels
        for label in labels:
            assert client.get(html.unescape(found[label])).status_code == 200, label
    form = (
        as_user(world.admin)
        .get(page_of("evaluation:campaign-new"), {"candidate": live.v3.pk})
        .context["form"]
    )
    assert (form.initial["candidate"], form.initial["baseline"]) == (live.v3, live.v2)


@pytest.mark.parametrize("candidate", ["", "x", "999999"])
def test_a_comparison_of_nothing_in_particular_is_of_the_newest(world, live, as_user, page_of, candidate):
    form = (
        as_user(world.admin).get(page_of("evaluation:campaign-new"), {"candidate": candidate}).context["form"]
    )
    assert (form.initial["candidate"], form.initial["baseline"]) == (live.v3, live.v2)
    # A campaign compares what applications will get.
    assert (form.initial["temperature"], form.initial["max_tokens"]) == (0.2, 512)
