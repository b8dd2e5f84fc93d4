"""Whose adapter answers: its owner's, while it is on, and nobody else's; and its deletion with a receipt."""

import threading
import time
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from core.errors import Conflict, Refused
from core.models import ApiKey, AuditEntry, Membership, Run
from core.services.keys import create_api_key
from core.storage import storage
from core.tasks import execute_run
from inference.models import Answer, Deployment, Route
from inference.openai_api.shapes import read_request, version_headers
from inference.openai_api.views import _open
from inference.queries import candidates, deployments, lineage
from inference.queries.personal import adapter_of_person
from inference.queries.receipts import is_proven, look_for
from inference.reconcile.plan import make_plan
from inference.services import answer_now, ask, generate, start_conversation
from inference.services.personal import switch_off, switch_on, train
from tests.inference.conftest import Served
from tests.support.corrections import correct_answers, make_personal
from tests.support.factories import load_onto, make_version
from training.models import ApiCaller, DeletionReceipt, ModelVersion, PersonalAdapter, Team
from training.services.adapter_deletion import request_deletion
from training.services.teams import delete_team, name_caller, remove_caller, save_team, use_team_adapter

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sent")]


@pytest.fixture
def adapter(served: Served, tmp_path) -> Any:
    """The rater's own adapter on top of the live version: measured, loaded, and on."""
    one = make_personal(served.adapter, served.world.rater, served.engine, folder=tmp_path / "own", on=True)
    served.fake.adapters[one.version.served_name] = "/somewhere"
    return one


def asked(served: Served, by: Any, version: Any = None) -> Answer:
    """The answer in a chat of this person, and the name that the engine got."""
    chat = start_conversation(by=by, project=served.world.project, version=version or served.adapter)
    return answer_now(ask(by=by, conversation=chat, text="say: It is at sea"))


def used(served: Served) -> str:
    return served.fake.seen[-1]["model"]


def of_application(served: Served, api_key: ApiKey, user: str = "") -> Answer:
    body = {
        "model": served.world.project.slug,
        "messages": [{"role": "user", "content": "say: Hi"}],
        "user": user,
    }
    return answer_now(_open(api_key, read_request(body)))


def key_of(served: Served, name: str = "Help desk") -> ApiKey:
    return create_api_key(by=served.world.admin, name=name, project=served.world.project)[0]


# --- chat ------------------------------------------------------------------------------------------------------
def test_it_answers_its_owner_and_nobody_else(served, adapter):
    own = asked(served, served.world.rater)
    assert used(served) == adapter.version.served_name
    # The version of the answer is the shared one; the prompt is the one that version was trained with.
    assert (own.version, own.adapter) == (served.adapter, adapter)
    assert own.messages[0]["content"] == served.adapter.training_run.dataset.settings["system_prompt"]
    for person in (served.world.annotator, served.world.admin, served.world.reviewer):
        assert asked(served, person).adapter is None
        assert used(served) == served.adapter.served_name
    # On top of another version it means nothing.
    assert asked(served, served.world.rater, served.base).adapter is None
    # Answers for comparisons never use it, not even those that its owner starts.
    compared = generate(
        by=served.world.rater, project=served.world.project, version=served.adapter,
        messages=[{"role": "user", "content": "say: Hi"}], context=[], purpose=Answer.Purpose.CAMPAIGN,
    )  # fmt: skip
    assert compared.adapter is None and used(served) == served.adapter.served_name
    # Somebody who left the project, or was never in it.
    assert adapter_of_person(served.world.project, served.adapter, served.world.stranger) is None
    Membership.objects.filter(user=served.world.rater).delete()
    assert adapter_of_person(served.world.project, served.adapter, served.world.rater) is None


def test_the_switch_counts_from_the_next_request_on(served, adapter):
    switch_off(by=served.world.rater, adapter=adapter)
    assert asked(served, served.world.rater).adapter is None
    switch_on(by=served.world.rater, adapter=adapter)
    assert asked(served, served.world.rater).adapter == adapter
    actions = list(
        AuditEntry.objects.filter(action__startswith="personal_adapter").values_list("action", flat=True)
    )
    assert sorted(actions) == ["personal_adapter.off", "personal_adapter.on"]


def test_a_request_after_the_switch_never_uses_it(served, adapter):
    """Requests run in other threads while it is turned off: every request that began after that was answered without it."""
    person, failed, stop = served.world.rater, [], threading.Event()
    began: dict[int, float] = {}

    def keep_asking() -> None:
        from django.db import connection

        try:
            while not stop.is_set():
                moment = time.monotonic()
                began[asked(served, person).pk] = moment
        except Exception as error:
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=keep_asking) for _ in range(2)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    switch_off(by=person, adapter=adapter)
    off = time.monotonic()
    time.sleep(1)
    stop.set()
    for thread in threads:
        thread.join(30)
    assert not failed
    with_it = set(Answer.objects.filter(adapter=adapter).values_list("pk", flat=True))
    assert with_it and any(moment > off for moment in began.values())
    assert all(began[pk] <= off for pk in with_it)


def test_another_live_version_takes_it_out_of_use(served, adapter):
    Route.objects.update(version=served.base)
    assert asked(served, served.world.rater).adapter is None
    # Rolled back, it is used again.
    Route.objects.update(version=served.adapter)
    assert asked(served, served.world.rater).adapter == adapter
    # One made for a version that was chosen, and not for the live one, goes with that version.
    PersonalAdapter.objects.update(of_live=False)
    Route.objects.update(version=served.base)
    assert asked(served, served.world.rater).adapter == adapter


def test_while_it_is_not_loaded_the_shared_version_answers(served, adapter):
    Deployment.objects.filter(version=adapter.version).update(status="waiting")
    answer = asked(served, served.world.rater)
    assert answer.adapter is None and answer.status == "done" and used(served) == served.adapter.served_name


def test_a_team_answers_its_members_and_an_own_adapter_comes_first(served, adapter, tmp_path):
    world = served.world
    team = save_team(
        by=world.admin, project=world.project, name="Night shift", people=[world.rater.pk, world.annotator.pk]
    )
    shared = make_personal(served.adapter, None, served.engine, folder=tmp_path / "team", team=team, on=True)
    served.fake.adapters[shared.version.served_name] = "/somewhere"
    assert asked(served, world.annotator).adapter == shared
    assert asked(served, world.rater).adapter == adapter
    assert asked(served, world.reviewer).adapter is None
    use_team_adapter(by=world.annotator, team=team, uses=False)
    assert asked(served, world.annotator).adapter is None
    with pytest.raises(Conflict):
        use_team_adapter(by=world.reviewer, team=team, uses=True)
    with pytest.raises(Refused, match="has adapters"):
        delete_team(by=world.admin, team=team)
    with pytest.raises(Refused, match="Only members"):
        save_team(by=world.admin, project=world.project, name="Others", people=[world.stranger.pk])
    with pytest.raises(Conflict, match="already"):
        save_team(by=world.admin, project=world.project, name="Night shift", people=[])


# --- /v1 -------------------------------------------------------------------------------------------------------
def test_callers_of_v1_are_named_by_an_admin(served, adapter):
    world = served.world
    key, other = key_of(served), key_of(served, "Web shop")
    # A name alone is not enough, not even the person's own address.
    for user in ("", "agent-17", world.rater.email):
        assert of_application(served, key, user).adapter is None
    named = name_caller(by=world.admin, api_key=key, caller="agent-17", person=world.rater)
    answer = of_application(served, key, "agent-17")
    assert answer.adapter == adapter and used(served) == adapter.version.served_name
    assert version_headers(answer)["X-Guildhall-Model"] == adapter.version.served_name
    assert version_headers(answer)["X-Guildhall-Adapter"] == f"personal adapter {adapter.number}"
    for key_used, user in ((key, ""), (key, "agent-18"), (other, "agent-17")):
        answer = of_application(served, key_used, user)
        assert answer.adapter is None and "X-Guildhall-Adapter" not in version_headers(answer)
    # A key that belongs to a person.
    name_caller(by=world.admin, api_key=other, caller="", person=world.rater)
    assert of_application(served, other, "anybody").adapter == adapter
    remove_caller(by=world.admin, caller=named)
    assert of_application(served, key, "agent-17").adapter is None
    switch_off(by=world.admin, adapter=adapter)
    assert of_application(served, other).adapter is None
    with pytest.raises(Refused, match="Only members"):
        name_caller(by=world.admin, api_key=key, caller="x", person=world.stranger)
    assert ApiCaller.objects.count() == 1


# --- engines and lists ---------------------------------------------------------------------------------------
def test_it_is_in_no_list_and_comes_last_in_the_engines(served, adapter):
    from core.access import Access

    world = served.world
    assert adapter.version.pk not in [one.version_id for one in deployments(world.project)]
    access = Access(user=world.admin, project=world.project, roles=frozenset(["admin"]))
    assert {one.version for one in candidates(access)} == {served.base, served.adapter}
    later = make_version(world.project, world.admin, base_model=served.base.base_model)
    load_onto(later, served.engine)
    wanted = list(Deployment.objects.select_related("engine", "version__base_model", "version__project"))
    plan = make_plan(wanted, live={served.adapter.pk}, max_full=1, max_adapters=2)
    assert list(plan.waiting) == [adapter.version.deployment.pk]


def test_training_on_top_of_the_live_version(served):
    world = served.world
    correct_answers(world.project, world.rater, 24)
    made = train(by=world.rater, project=world.project, owner=world.rater, shared=None)
    assert made.shared == served.adapter and made.of_live
    Route.objects.all().delete()
    with pytest.raises(Refused, match="live yet"):
        train(by=world.annotator, project=world.project, owner=world.annotator, shared=None)


# --- deletion --------------------------------------------------------------------------------------------------
def test_deletion_with_a_receipt_that_can_be_checked(served, adapter, tmp_path):
    world, version = served.world, adapter.version
    answer = asked(served, world.rater)
    files = storage().local_path(version.artifact)
    other = make_personal(served.adapter, world.annotator, folder=tmp_path / "other")
    receipt = request_deletion(by=world.rater, project=world.project, owner=world.rater)
    # Off at once, before anything is deleted.
    assert asked(served, world.rater).adapter is None and files.exists()
    with pytest.raises(Conflict):
        request_deletion(by=world.rater, project=world.project, owner=world.rater)

    def engines_process() -> None:
        from django.db import connection

        from inference.services.deployments import note_unloaded

        try:
            for _ in range(200):
                one = (
                    Deployment.objects.select_related("version__project")
                    .filter(version=version, wanted="unloaded")
                    .first()
                )
                if one is not None:
                    served.fake.adapters.pop(version.served_name, None)
                    note_unloaded(deployment=one)
                    return
                time.sleep(0.1)
        finally:
            connection.close()

    thread = threading.Thread(target=engines_process)
    thread.start()
    execute_run(receipt.run_id)
    thread.join()
    receipt = DeletionReceipt.objects.select_related("run").get(pk=receipt.pk)
    assert receipt.run.status == Run.Status.SUCCEEDED, receipt.run.error_message
    assert receipt.completed_at is not None
    (entry,) = receipt.adapters
    assert entry["artifact"] == version.artifact.sha256 and entry["rows"] == [adapter.rows[0]["hash"]]
    assert entry["engine"].startswith("Unloaded from") or entry["engine"].startswith("No engine")
    assert not files.exists() and not ModelVersion.with_personal.filter(pk=version.pk).exists()
    assert PersonalAdapter.objects.get() == other
    answer.refresh_from_db()
    # Where the answer came from is still said.
    step = lineage(answer)[1]
    assert (step.kind, step.label) == ("Personal adapter", str(adapter.number))
    assert "no longer here" in step.detail
    assert answer.adapter is None and answer.text
    looks = look_for(receipt)
    assert is_proven(looks) and any("engine" in look.place for look in looks)
    out = StringIO()
    call_command("check_deletion", receipt.pk, stdout=out)
    assert f"Nothing of receipt {receipt.pk} is left" in out.getvalue()
    # The audit keeps that it happened, and nothing of it.
    assert AuditEntry.objects.filter(action="personal_adapter.deleted").count() == 1
    # The search finds what is there: the same weights put back, and the adapter in an engine.
    (tmp_path / "back").mkdir()
    (tmp_path / "back" / "adapter_model.safetensors").write_bytes(f"weights {adapter.number}".encode())
    storage().put(tmp_path / "back", kind="model")
    served.fake.adapters[version.served_name] = "/somewhere"
    found = {look.place for look in look_for(receipt) if look.found}
    assert {"Weights by hash", "Files in the store"} < found and len(found) == 3
    with pytest.raises(CommandError):
        call_command("check_deletion", receipt.pk, stdout=StringIO())


def test_weights_that_another_version_has_stay(served, tmp_path):
    world = served.world
    adapter = make_personal(served.adapter, world.rater, folder=tmp_path / "own")
    keeper = make_personal(served.adapter, world.annotator)
    ModelVersion.with_personal.filter(pk=keeper.version.pk).update(artifact=adapter.version.artifact)
    receipt = request_deletion(by=world.admin, project=world.project, owner=world.rater)
    execute_run(receipt.run_id)
    receipt.refresh_from_db()
    assert receipt.adapters[0]["kept"] and storage().local_path(adapter.version.artifact).exists()


def test_a_killed_deletion_is_finished(served, tmp_path, monkeypatch):
    from inference.runner import deleting

    world = served.world
    files = []
    for name in ("one", "two"):
        one = make_personal(served.adapter, world.rater, folder=tmp_path / name)
        files.append(storage().local_path(one.version.artifact))
    receipt = request_deletion(by=world.rater, project=world.project, owner=world.rater)
    monkeypatch.setattr(
        deleting.adapter_deletion, "delete_files", lambda receipt: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    with pytest.raises(KeyboardInterrupt):
        execute_run(receipt.run_id)
    assert all(path.exists() for path in files) and not PersonalAdapter.objects.exists()
    monkeypatch.undo()
    Run.objects.filter(pk=receipt.run_id).update(status="queued", claim=None)
    execute_run(receipt.run_id)
    receipt.refresh_from_db()
    assert (
        len(receipt.adapters) == 2
        and not any(path.exists() for path in files)
        and is_proven(look_for(receipt))
    )


# --- pages -------------------------------------------------------------------------------------------------------
def test_the_page_shows_what_it_is_worth_and_offers_only_what_is_better(served, adapter, as_user):
    world, slug = served.world, served.world.project.slug
    client = as_user(world.rater)
    page = client.get(reverse("inference:own-adapter", args=[slug])).content.decode()
    assert "better than the shared version" in page and "Turn off" in page and "−0.300" in page
    assert served.adapter.served_name not in page and "v7" not in page  # names are hidden from raters
    switch = reverse("inference:adapter-switch", args=[slug, adapter.pk])
    assert as_user(world.annotator).post(switch).status_code == 404
    assert client.post(switch).status_code == 302
    assert not PersonalAdapter.objects.get().on
    PersonalAdapter.objects.update(better=False)
    page = client.get(reverse("inference:own-adapter", args=[slug])).content.decode()
    assert "Turn on" not in page
    assert client.post(switch, {"on": "1"}).status_code == 400 and not PersonalAdapter.objects.get().on
    # Somebody else's page knows nothing of it.
    page = as_user(world.annotator).get(reverse("inference:own-adapter", args=[slug])).content.decode()
    assert f"Adapter {adapter.number}" not in page and "20 more" in page


def test_chat_says_whose_adapter_answered(served, adapter, as_user):
    world = served.world
    answer = asked(served, world.rater)
    url = reverse("inference:conversation", args=[world.project.slug, answer.conversation_id])
    page = as_user(world.rater).get(url).content.decode()
    assert "your adapter is on" in page and "your adapter</span>" in page


def test_admins_manage_teams_and_callers(served, as_user):
    world, slug = served.world, served.world.project.slug
    client, key = as_user(world.admin), key_of(served)
    made = client.post(
        reverse("inference:team-new", args=[slug]), {"name": "Night shift", "people": [world.rater.pk]}
    )
    team = Team.objects.get()
    assert made.status_code == 302 and list(team.members.all()) == [world.rater]
    assert client.post(reverse("inference:team-new", args=[slug]), {"name": ""}).status_code == 422
    assert client.post(reverse("inference:team", args=[slug, team.pk]), {"name": "Late"}).status_code == 302
    assert client.get(reverse("inference:team", args=[slug, team.pk])).status_code == 200
    fields = {"api_key": key.pk, "caller": "agent-17", "whose": f"person-{world.rater.pk}"}
    assert client.post(reverse("inference:caller-add", args=[slug]), fields).status_code == 302
    assert (
        client.post(reverse("inference:caller-add", args=[slug]), fields | {"whose": ""}).status_code == 422
    )
    page = client.get(reverse("inference:adapters", args=[slug])).content.decode()
    assert "agent-17" in page and "Late" in page
    caller = ApiCaller.objects.get()
    assert client.post(reverse("inference:caller-remove", args=[slug, caller.pk])).status_code == 302
    assert client.post(reverse("inference:team-remove", args=[slug, team.pk])).status_code == 302
    assert not Team.objects.exists() and not ApiCaller.objects.exists()


def test_a_receipt_is_seen_by_its_subject_and_admins(served, adapter, as_user):
    world = served.world
    receipt = request_deletion(by=world.rater, project=world.project, owner=world.rater)
    url = reverse("inference:receipt", args=[world.project.slug, receipt.pk])
    assert as_user(world.rater).get(url).status_code == 200
    assert as_user(world.admin).get(url).status_code == 200
    for person in (world.annotator, world.viewer, world.stranger):
        assert as_user(person).get(url).status_code == 404


def test_the_api_trains_switches_and_deletes_ones_own(served, adapter, as_user):
    world, slug = served.world, served.world.project.slug
    client, other = as_user(world.rater), as_user(world.annotator)
    (row,) = client.get(reverse("api-own-adapters", args=[slug])).json()
    assert (row["id"], row["better"], row["on"], row["compared"]["n"]) == (adapter.pk, True, True, 6)
    assert other.get(reverse("api-own-adapters", args=[slug])).json() == []
    url = reverse("api-own-adapter-switch", args=[slug, adapter.pk])
    assert other.post(url, {"on": False}, content_type="application/json").status_code == 404
    assert client.post(url, {"on": False}, content_type="application/json").json()["on"] is False
    refused = client.post(reverse("api-own-adapters", args=[slug]), content_type="application/json")
    assert refused.status_code == 400 and "20 more" in refused.content.decode()
    made = client.post(
        reverse("api-own-adapters-delete", args=[slug]), content_type="application/json"
    ).json()
    receipt = reverse("api-deletion-receipt", args=[slug, made["id"]])
    assert client.get(receipt).json()["proven"] is None and other.get(receipt).status_code == 404
