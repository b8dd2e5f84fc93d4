"""Serve, answers and the API: what they show, to whom."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import Q
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from annotation.models import Example
from core.models import User
from core.services.keys import create_api_key
from inference import queries
from inference.models import Answer, Conversation, Deployment, Engine
from inference.services import open_answer
from tests.inference.conftest import Served
from tests.support.factories import make_answer_row, make_example, make_version
from training.queries import trained_positions

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sent")]
SignIn = Callable[[User | None], Client]


def url(served: Served, name: str, *args: object) -> str:
    return reverse(f"inference:{name}", args=[served.world.project.slug, *args])


def api(served: Served, path: str) -> str:
    return f"/api/v1/projects/{served.world.project.slug}/{path}"


def test_serve_page(served: Served, as_user: SignIn) -> None:
    admin, viewer = as_user(served.world.admin), as_user(served.world.viewer)
    for path in (url(served, "home"), url(served, "serving")):
        text = admin.get(path).content.decode()
        assert "v7 (adapter)" in text
        assert "Unload" in text
        assert "Unload" not in viewer.get(path).content.decode()
    Engine.objects.update(status=Engine.Status.DOWN, error="Out of memory.")
    assert "Out of memory." in admin.get(url(served, "serving")).content.decode()


def test_serve_page_before_there_is_anything(world: Any, as_user: SignIn) -> None:
    text = as_user(world.admin).get(f"/p/{world.project.slug}/serve/").content.decode()
    assert "No engine yet" in text
    assert "No model versions yet" in text


def test_load_and_unload_buttons(served: Served, as_user: SignIn) -> None:
    admin = as_user(served.world.admin)
    assert admin.post(url(served, "unload", served.base.pk)).status_code == 302
    assert Deployment.objects.get(version=served.base).wanted == "unloaded"
    loaded = admin.post(url(served, "load", served.base.pk), headers={"HX-Request": "true"})
    assert "is being loaded" in loaded.content.decode()
    assert Deployment.objects.get(version=served.base).wanted == "loaded"
    assert admin.post(url(served, "unload", served.adapter.pk)).status_code == 400
    assert admin.post(url(served, "load", served.base.pk)).status_code == 409
    assert admin.get(url(served, "load", served.base.pk)).status_code == 405
    assert admin.post(url(served, "load", 10**9)).status_code == 404
    foreign = make_version(served.world.other)
    assert admin.post(url(served, "load", foreign.pk)).status_code == 404
    for person, status in (
        (served.world.viewer, 403),
        (served.world.rater, 403),
        (served.world.neighbour, 404),
    ):
        assert as_user(person).post(url(served, "unload", served.base.pk)).status_code == status


def walked(served: Served) -> Answer:
    """An answer whose version was trained on two examples: one written and reviewed here, one taken as it was uploaded."""
    from annotation.models import Review
    from dataset.models import DatasetRow

    world = served.world
    training = served.adapter.training_run
    for position in range(2):
        origin = "written" if position else "import"
        example: Example = make_example(
            world.project,
            f"Where is FD-{position}?",
            "At sea.",
            origin=origin,
            created_by=world.annotator if position else world.admin,
        )
        revision = example.revisions.get()
        if position:
            Review.objects.create(example=example, revision=revision, verdict="accepted", by=world.reviewer)
        DatasetRow.objects.create(
            dataset=served.adapter.training_run.dataset,
            example=example,
            revision=revision,
            position=position,
            split="train",
            row_hash="0" * 64,
        )
    training.dataset.counts = {"train": 2, "validation": 1, "test": 0, "total": 3}
    training.dataset.save(update_fields=["counts"])
    token, _ = create_api_key(by=world.admin, name="Help desk", project=world.project)
    return make_answer_row(
        served.adapter, "**At sea.** <script>x</script>", purpose="application", api_key=token
    )


def test_the_walk_from_an_answer_to_people(served: Served, as_user: SignIn) -> None:
    made = walked(served)
    for person in (served.world.admin, served.world.viewer):
        text = as_user(person).get(url(served, "answer", made.public_id)).content.decode()
        training = served.adapter.training_run
        slug = served.world.project.slug
        for link in (
            reverse("training:version", args=[slug, served.adapter.pk]),
            reverse("training:run", args=[slug, training.number]),
            reverse("datasets:dataset", args=[slug, training.dataset.number]),
            reverse("training:base", args=[slug, served.base.base_model.pk]),
            *(reverse("annotation:example", args=[slug, one.pk]) for one in Example.objects.all()),
        ):
            assert f'href="{link}"' in text
        for words in (
            "Help desk",
            "Annotator Member",
            "Reviewer Member",
            "Where is FD-1?",
            "<strong>At sea.</strong>",
            "imported by <bdi>Admin Member</bdi>",
            "1 of 2 rows was not reviewed.",
            "all 2 training rows used",
        ):
            assert words in text
        assert "<script>x</script>" not in text
    for person, status in (
        (served.world.rater, 403),
        (served.world.annotator, 403),
        (served.world.neighbour, 404),
        (None, 302),
    ):
        assert as_user(person).get(url(served, "answer", made.public_id)).status_code == status


def test_the_walk_makes_few_queries_however_many_rows(
    served: Served, as_user: SignIn, django_assert_max_num_queries: Any
) -> None:
    made = walked(served)
    client = as_user(served.world.admin)
    with django_assert_max_num_queries(16):
        client.get(url(served, "answer", made.public_id))


def test_only_rows_really_trained_on_are_shown(served: Served, as_user: SignIn) -> None:
    made = walked(served)
    training = served.adapter.training_run
    training.recipe = {**training.recipe, "most_rows": 1, "seed": 1}
    training.save(update_fields=["recipe"])
    (position,) = trained_positions(training) or ()
    text = as_user(served.world.viewer).get(url(served, "answer", made.public_id)).content.decode()
    assert "1 of 2 training rows used (drawn by seed 1)" in text
    rows = {row.position: row.example_id for row in training.dataset.rows.all()}
    links = {at: reverse("annotation:example", args=[made.project.slug, pk]) for at, pk in rows.items()}
    assert [at for at, link in links.items() if f'href="{link}"' in text] == [position]
    one = as_user(served.world.viewer).get(api(served, f"answers/{made.public_id}/")).json()
    assert (one["examples"], one["people"]["rows"]) == (1, 1)


def test_the_answer_of_a_base_ends_at_the_base(served: Served, as_user: SignIn) -> None:
    made = make_answer_row(served.base)
    text = as_user(served.world.admin).get(url(served, "answer", made.public_id)).content.decode()
    assert "Base model" in text
    assert "Training run" not in text
    assert "What it was trained on" not in text


def test_answers_are_found(served: Served, as_user: SignIn) -> None:
    client = as_user(served.world.admin)
    one = make_answer_row(served.adapter, "The container is in Basel.")
    two = make_answer_row(served.base, "Nothing known.", status="failed", purpose="campaign")

    def listed(**wanted: object) -> list[bool]:
        text = client.get(url(served, "answers"), wanted).content.decode()
        return ["in Basel" in text, "Nothing known" in text]

    assert listed() == [True, True]
    assert listed(q="basel") == [True, False]
    assert listed(q=f"chatcmpl-{two.public_id.hex}") == [False, True]
    assert listed(q=str(one.public_id)) == [True, False]
    assert listed(version=served.base.pk) == [False, True]
    assert listed(purpose="chat") == [True, False]
    assert listed(status="failed") == [False, True]
    assert listed(page="z") == [True, True]
    assert listed(version="x") == listed(purpose="nonsense") == [False, False]
    assert listed(q="where is fd-1?") == [True, True]
    # Characters that search or numbers treat specially are only text.
    for nonsense in ("²", "٣", "-1", "9" * 30, "%", "_", "'"):
        for address in (url(served, "answers"), api(served, "answers/")):
            assert client.get(address, {"q": nonsense}).status_code == 200
            assert client.get(address, {"version": nonsense}).status_code == 422
    assert (
        "No answer matches" in client.get(url(served, "answers"), {"q": "nobody said this"}).content.decode()
    )


def test_the_log_shows_and_searches_the_question_alone(served: Served, as_user: SignIn) -> None:
    opened = open_answer(
        by=served.world.rater,
        project=served.world.project,
        version=served.adapter,
        messages=[
            {"role": "user", "content": "Where is the pallet?"},
            {"role": "assistant", "content": "In Hamburg."},
            {"role": "user", "content": "And <b>since</b> when? " + "x" * 300},
        ],
        context=["FD-1 | Valparaiso"],
        params={},
        purpose=Answer.Purpose.CHAT,
    )
    client = as_user(served.world.viewer)

    def found(q: str) -> int:
        return int(client.get(api(served, "answers/"), {"q": q}).json()["count"])

    # Neither the system prompt, nor records, nor earlier turns are what this customer asked now.
    searched = ("SINCE</B> when", "Valparaiso", "pallet", "freight forwarder", "Hamburg")
    assert [found(q) for q in searched] == [1, 0, 0, 0, 0]
    text = client.get(url(served, "answers")).content.decode()
    assert "And &lt;b&gt;since&lt;/b&gt; when?" in text
    assert "x" * 200 not in text
    text = client.get(url(served, "answer", opened.answer.public_id)).content.decode()
    assert "x" * 300 in text
    listed = client.get(api(served, "answers/")).json()["results"]
    assert listed[0]["question"].startswith("And <b>since</b> when?")


def test_the_log_costs_the_same_with_more_answers(served: Served, as_user: SignIn) -> None:
    client = as_user(served.world.viewer)
    counts = []
    for _ in range(2):
        for at in range(3):
            make_answer_row(
                served.adapter, f"Answer {at}.", question=f"Question {at}?", user=served.world.rater
            )
        client.get(url(served, "answers"), {"q": "question"})
        with CaptureQueriesContext(connection) as captured:
            client.get(url(served, "answers"), {"q": "question"})
        counts.append(len(captured))
    assert counts[0] == counts[1]


def test_the_search_is_served_by_its_indexes(served: Served) -> None:
    """Among few rows of one project any index is as good, so the project is left out here."""
    searched = Answer.objects.filter(Q(question__icontains="valparaiso") | Q(text__icontains="valparaiso"))
    asked = str(queries.filtered_answers(served.world.project, {"q": "valparaiso"}).query)
    assert str(searched.query).partition("WHERE ")[2].partition(" ORDER")[0].strip("()") in asked
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off")
        plan = searched.order_by().values("pk").explain()
    assert "answer_question" in plan
    assert "answer_text" in plan


# --- API ---------------------------------------------------------------------------------------------------
def test_api_of_serving(served: Served, as_user: SignIn) -> None:
    made = walked(served)
    client = as_user(served.world.viewer)
    engines = client.get(api(served, "engines/")).json()["results"]
    assert [(one["name"], one["status"], one["beating"]) for one in engines] == [("smollm2", "up", True)]
    rows = client.get(api(served, "deployments/")).json()["results"]
    assert [(row["label"], row["ready"]) for row in rows] == [
        ("v7 (adapter)", True),
        ("Small Language 135M (base)", True),
    ]
    assert client.get(api(served, "speeds/")).json()[0]["n"] == 1
    listed = client.get(api(served, "answers/"), {"purpose": "application"}).json()
    assert [one["public_id"] for one in listed["results"]] == [str(made.public_id)]
    assert listed["results"][0]["key"]["name"] == "Help desk"
    one = client.get(api(served, f"answers/{made.public_id}/")).json()
    assert [step["kind"] for step in one["lineage"]] == [
        "Answer, application",
        "Model version",
        "Training run",
        "Dataset version",
        "Base model",
    ]
    people = one["people"]
    assert (people["rows"], people["never_reviewed"], people["elsewhere"], people["here"]) == (2, 1, 1, 1)
    assert people["imported"] == [{"name": "Admin Member", "rows": 1}]
    assert people["written"] == [{"name": "Annotator Member", "rows": 1}]
    assert people["approved"] == [{"name": "Reviewer Member", "rows": 1, "how": "review"}]
    assert people["reviewed"] == [{"name": "Reviewer Member", "rows": 1}]
    assert one["examples"] == 2
    assert client.post(api(served, f"deployments/{served.base.pk}/unload/")).status_code == 403
    admin = as_user(served.world.admin)
    assert admin.post(api(served, f"deployments/{served.base.pk}/unload/")).status_code == 202
    assert admin.post(api(served, f"deployments/{served.base.pk}/unload/")).status_code == 409
    assert admin.post(api(served, f"deployments/{served.base.pk}/load/")).json()["wanted"] == "loaded"
    for path in ("engines/", "deployments/", "speeds/", "answers/"):
        assert as_user(served.world.rater).get(api(served, path)).status_code == 403
        assert as_user(served.world.neighbour).get(api(served, path)).status_code == 404


def test_api_of_chat(served: Served, as_user: SignIn) -> None:
    client = as_user(served.world.rater)
    token = queries.model_code(served.adapter)
    told = client.get(api(served, "chat/candidates/")).json()
    assert token in [one["code"] for one in told]
    assert set(told[0]) == {"code", "label", "live", "ready"}
    assert not any(one["live"] for one in told)
    wrong = client.post(api(served, "conversations/"), {"candidate": served.adapter.served_name})
    assert wrong.status_code == 422
    made = client.post(api(served, "conversations/"), {"candidate": token, "context": "FD-1 | sea"})
    assert made.status_code == 201
    chat = Conversation.objects.get(pk=made.json()["id"])
    turn = client.post(api(served, f"conversations/{chat.pk}/ask/"), {"text": "say: At sea"}).json()
    assert (turn["text"], turn["status"]) == ("At sea", "done")
    again = client.post(api(served, f"conversations/{chat.pk}/ask/"), {}).json()
    assert (again["number"], again["tries"]) == (1, 2)
    whole = client.get(api(served, f"conversations/{chat.pk}/")).json()
    assert [one["question"] for one in whole["turns"]] == ["say: At sea"]
    filed = client.post(
        api(served, f"conversations/{chat.pk}/answers/{again['answer']}/correct/"),
        {"completion": "In Basel."},
    )
    assert filed.status_code == 201
    assert Example.objects.get(pk=filed.json()["example"]).completion == "In Basel."
    other = as_user(served.world.annotator)
    assert other.get(api(served, f"conversations/{chat.pk}/")).status_code == 404
    assert other.post(api(served, f"conversations/{chat.pk}/ask/"), {"text": "x"}).status_code == 404
    Engine.objects.update(status=Engine.Status.DOWN)
    away = client.post(api(served, f"conversations/{chat.pk}/ask/"), {"text": "x"})
    assert away.status_code == 503
    assert "smollm2" not in away.content.decode()


def test_the_first_screen(served: Served, as_user: SignIn) -> None:
    home = f"/p/{served.world.project.slug}/"
    admin = as_user(served.world.admin).get(home).content.decode()
    assert "versions served; v7 is live" in admin
    rater = as_user(served.world.rater).get(home).content.decode()
    assert "candidates to test" in rater
    assert "Test a model" in rater
    Deployment.objects.filter(version=served.base).update(status="failed", error="It broke.")
    assert "could not be served" in as_user(served.world.admin).get(home).content.decode()
