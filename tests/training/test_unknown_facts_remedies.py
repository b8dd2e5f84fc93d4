"""The remedies for facts that a base model does not know: pages, buttons, API, and what undoes them."""

import pytest
from django.urls import reverse

from annotation.models import Example, ExampleFinding, Lease
from annotation.queries.findings import find_findings, shown
from annotation.services import quality
from annotation.services.examples import requeue
from core.errors import Conflict
from core.models import AuditEntry, Membership
from core.tasks import execute_run
from tests.support.factories import join, make_base_model, make_project, make_user
from tests.training.asked_facts import ask, found_in, made
from training.models import KnowledgeAnswer

pytestmark = pytest.mark.django_db(transaction=True)


# --- the ways to settle it ------------------------------------------------------------------------------------
@pytest.fixture
def open_finding(world, tiny_base, saying):
    example = made(world)
    saying.greedy = "I cannot see that."
    ask(world, tiny_base)
    return found_in(example).get()


def test_leaving_it_out_and_undoing_it(world, open_finding):
    example = open_finding.example
    done = quality.settle(by=world.reviewer, project=world.project, action="leave-out", criteria={"ids": [open_finding.pk]}, reason="Nobody knows.")  # fmt: skip
    example.refresh_from_db()
    open_finding.refresh_from_db()
    assert (done.findings, done.examples) == (1, 1)
    assert (example.status, open_finding.status, open_finding.was) == ("retired", "dismissed", "queued")
    assert AuditEntry.objects.filter(action="example.retired").count() == 1
    undone = quality.undo(by=world.reviewer, project=world.project, batch=done.batch)
    example.refresh_from_db()
    open_finding.refresh_from_db()
    assert (undone.findings, undone.examples, example.status) == (1, 1, "queued")
    assert (open_finding.status, open_finding.was, open_finding.reason) == ("open", "", "")


def test_a_left_out_example_that_is_brought_back_has_its_finding_open(world, open_finding):
    done = quality.settle(by=world.reviewer, project=world.project, action="leave-out", criteria={"ids": [open_finding.pk]}, reason="Nobody knows.")  # fmt: skip
    example = requeue(by=world.admin, example=open_finding.example)
    open_finding.refresh_from_db()
    assert (example.status, open_finding.status) == ("queued", "open")
    with pytest.raises(Conflict):
        quality.undo(by=world.reviewer, project=world.project, batch=done.batch)


def test_of_two_who_leave_it_out_the_second_is_told(world, open_finding):
    Example.objects.filter(pk=open_finding.example_id).update(status=Example.Status.RETIRED)
    from annotation.services.leaving_out import leave_out

    done = leave_out(by=world.admin, project=world.project, findings=ExampleFinding.objects.filter(pk=open_finding.pk), reason="Same.")  # fmt: skip
    assert (done.findings, done.left) == (0, [(open_finding.example_id, "It is retired already.")])


@pytest.mark.parametrize("status", ["queued", "approved", "in_review"])
@pytest.mark.parametrize(("part", "anchor"), [("records", "#panel-records"), ("completion", "#completion")])
def test_the_buttons_lead_to_the_editor(world, as_user, open_finding, status, part, anchor):
    Membership.objects.filter(project=world.project, user=world.reviewer).update(
        roles=["annotator", "reviewer"]
    )
    Example.objects.filter(pk=open_finding.example_id).update(status=status, submitted_by=world.annotator)
    client = as_user(world.reviewer)
    answer = client.post(reverse("quality:edit", args=[world.project.slug, open_finding.pk]), {"part": part})
    page = "correct" if status == "in_review" else "item"
    assert (
        answer.url
        == reverse(f"annotation:{page}", args=[world.project.slug, open_finding.example_id]) + anchor
    )
    assert client.get(answer.url).status_code == 200
    assert Lease.objects.get(example=open_finding.example_id, outcome="open").user == world.reviewer


def test_an_example_that_somebody_has_open_stays_as_it_is(world, as_user, open_finding):
    from annotation.services import take

    Membership.objects.filter(project=world.project, user=world.reviewer).update(
        roles=["annotator", "reviewer"]
    )
    take(by=world.annotator, example=open_finding.example, purpose="annotate")
    answer = as_user(world.reviewer).post(reverse("quality:edit", args=[world.project.slug, open_finding.pk]))
    assert answer.status_code == 409


def test_the_page_offers_the_remedies_with_the_answers(world, as_user, open_finding):
    page = as_user(world.reviewer).get(
        reverse("quality:findings", args=[world.project.slug]), {"check": "unknown-facts"}
    )
    text = page.content.decode()
    for words in (
        "Add the record",
        "Rewrite the answer",
        "Leave it out",
        "What Tiny chat answered",
        "I cannot see that.",
    ):
        assert words in text
    assert "This check does not exist" not in text
    seen = as_user(world.viewer).get(reverse("quality:findings", args=[world.project.slug])).content.decode()
    assert "I cannot see that." in seen
    assert "Leave it out" not in seen


def test_the_number_of_queries_does_not_depend_on_how_many_there_are(
    world, tiny_base, saying, django_assert_num_queries
):
    for at in range(4):
        made(world, at=at)
    ask(world, tiny_base)
    rows = find_findings(world.project, {"check": "unknown-facts"}).select_related("example", "decided_by")
    with django_assert_num_queries(2):
        assert len(shown(rows)) == 4


# --- the page and the API ---------------------------------------------------------------------------------------
def test_the_page_says_what_to_do_and_starts_the_run(world, as_user, sent):
    at = reverse("training:knowledge", args=[world.project.slug])
    client = as_user(world.reviewer)
    assert "There is no base model that is ready." in client.get(at).content.decode()
    base = make_base_model(name="Small chat", slug="small-chat")
    made(world)
    assert "Ask it" in client.get(at).content.decode()
    assert "A reviewer or an admin starts this." in as_user(world.viewer).get(at).content.decode()
    answer = client.post(
        reverse("training:knowledge-ask", args=[world.project.slug]), {"base_model": base.pk}
    )
    assert answer.url == at
    assert "Ask Small chat about unknown facts" in client.get(at).content.decode()
    assert (
        client.post(
            reverse("training:knowledge-ask", args=[world.project.slug]), {"base_model": "x"}
        ).status_code
        == 404
    )


def test_the_page_after_a_run(world, as_user, open_finding):
    text = (
        as_user(world.viewer).get(reverse("training:knowledge", args=[world.project.slug])).content.decode()
    )
    assert "Tiny chat" in text
    assert "?check=unknown-facts" in text


def test_strangers_see_and_start_nothing(world, as_user, open_finding, tiny_base):
    stranger = make_user("Stranger")
    join(make_project(), stranger, "admin")
    client = as_user(stranger)
    slug = world.project.slug
    assert client.get(reverse("training:knowledge", args=[slug])).status_code == 404
    assert (
        client.post(reverse("training:knowledge-ask", args=[slug]), {"base_model": tiny_base.pk}).status_code
        == 404
    )
    assert client.post(reverse("quality:edit", args=[slug, open_finding.pk])).status_code == 404
    assert client.get(f"/api/v1/projects/{slug}/unknown-facts/answers/").status_code == 404
    own = stranger.memberships.get().project.slug
    assert client.post(reverse("quality:edit", args=[own, open_finding.pk])).status_code == 404
    assert client.get(f"/api/v1/projects/{own}/unknown-facts/answers/").json()["results"] == []
    assert (
        as_user(world.annotator).post(reverse("quality:edit", args=[slug, open_finding.pk])).status_code
        == 403
    )


def test_the_api(world, as_user, open_finding, tiny_base):
    client, at = as_user(world.reviewer), f"/api/v1/projects/{world.project.slug}/unknown-facts/"
    state = client.get(at).json()
    assert state["base_model"] == tiny_base.pk
    assert state["counts"]["unknown"] == 1
    assert state["asked"][0] | {"base_model": 0} == {
        "base_model": 0, "name": "Tiny chat", "examples": 1, "known": 0, "unknown": 1, "outdated": 0, "open": 1, "dismissed": 0,
    }  # fmt: skip
    (answer,) = client.get(f"{at}answers/", {"unknown": "yes", "example": open_finding.example_id}).json()[
        "results"
    ]
    assert (answer["finding"], answer["current"], answer["answers"][0]) == (
        open_finding.pk,
        True,
        "I cannot see that.",
    )
    assert client.get(f"{at}answers/", {"unknown": "no"}).status_code == 422
    assert client.post(at, {"base_model": tiny_base.pk}, content_type="application/json").status_code == 202
    assert client.post(at, {"base_model": tiny_base.pk}, content_type="application/json").status_code == 409
    assert client.post(at, {"base_model": 10**9}, content_type="application/json").status_code == 404
    left_out = {"do": "leave-out", "findings": [open_finding.pk], "reason": "Nobody knows."}
    at = f"/api/v1/projects/{world.project.slug}/findings/settle/"
    assert client.post(at, left_out | {"reason": ""}, content_type="application/json").status_code == 422
    assert client.post(at, left_out, content_type="application/json").json()["examples"] == 1


def test_a_project_check_keeps_the_finding(world, open_finding):
    run = quality.start_check(by=world.admin, project=world.project)
    execute_run(run.pk)
    open_finding.refresh_from_db()
    assert open_finding.status == "open"


def test_an_import_can_be_removed_after_a_base_model_was_asked(world, tmp_path, tiny_base, saying, sent):
    from dataset.services.imports import remove_import, start_import

    file = tmp_path / "pairs.jsonl"
    file.write_text('{"prompt": "What does storage cost?", "completion": "It costs EUR 4,380."}\n')
    batch = start_import(by=world.admin, project=world.project, path=file, file_name=file.name)
    execute_run(batch.run_id)
    assert ask(world, tiny_base).params["counts"]["unknown"] == 1
    assert remove_import(by=world.admin, data_import=batch) == 1
    assert not KnowledgeAnswer.objects.exists()
    assert not Example.objects.exists()
