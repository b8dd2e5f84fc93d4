"""Withdrawing a source: its examples, everything made of them, the plan, and restoring it."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from django.core.cache import cache
from django.db import IntegrityError, connection, transaction
from django.urls import reverse

from annotation.errors import LeaseLost
from annotation.models import Example, Lease, Review
from annotation.services.examples import requeue, retire
from annotation.services.leases import heartbeat, take
from core.access import Access
from core.errors import Conflict, Invalid
from core.models import AuditEntry, Role, Run
from core.runs.context import RunCancelled, RunContext
from dataset.home import next_items
from dataset.models import DatasetVersion, Source, Withdrawal, WithdrawnExample
from dataset.queries.withdrawals import plan_of, rows_by_dataset, withdrawn_rows
from dataset.runner import withdrawals as runner
from dataset.runner.imports import store
from dataset.services.sources import create_source
from dataset.services.withdrawals import (
    accept_use,
    reopen_use,
    restore,
    restore_again,
    withdraw,
    withdraw_again,
)
from inference.models import Route
from tests.datasets.desk import SignIn, approve
from tests.support.factories import (
    World,
    load_onto,
    make_answer_row,
    make_base_model,
    make_campaign,
    make_engine,
    make_example,
    make_frozen,
    make_training,
    make_version,
    quiet,
)
from training.preflight.findings import dataset_findings
from training.services.runs import again as train_again

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sent")]


@pytest.fixture
def source(world: World) -> Source:
    return create_source(by=world.admin, project=world.project, name="Desk 2024")


def context(run: Run | None, report: Any = quiet) -> RunContext:
    return cast(RunContext, SimpleNamespace(run=run, report=report, params=run.params if run else {}))


def carry_out(withdrawal: Withdrawal) -> None:
    """What the worker does after a withdrawal."""
    runner.retire(context(withdrawal.run))
    Run.objects.filter(pk=withdrawal.run_id).update(status=Run.Status.SUCCEEDED)


def bring_back(withdrawal: Withdrawal) -> None:
    runner.bring_back(context(withdrawal.restore_run))
    Run.objects.filter(pk=withdrawal.restore_run_id).update(status=Run.Status.SUCCEEDED)


def withdrawn(world: World, source: Source) -> Withdrawal:
    withdrawal = withdraw(by=world.admin, source=source, reason="The customer asked us to.")
    carry_out(withdrawal)
    return Withdrawal.objects.select_related("source__project").get(pk=withdrawal.pk)


def statuses(examples: list[Example]) -> list[str]:
    found = dict(Example.objects.values_list("pk", "status"))
    return [found[example.pk] for example in examples]


# --- its examples ------------------------------------------------------------------------------------------
def in_every_status(world: World, source: Source) -> list[Example]:
    return [
        make_example(world.project, source=source.name, status=status) for status in Example.Status.values
    ]


def test_its_examples_are_retired_and_get_their_status_back(world: World, source: Source):
    examples = in_every_status(world, source)
    others = [make_example(world.project, status="approved"), make_example(world.project)]
    withdrawal = withdrawn(world, source)
    assert set(statuses(examples)) == {"retired"}
    assert statuses(others) == ["approved", "queued"]
    source.refresh_from_db()
    assert (source.withdrawn_by, source.withdrawn_reason) == (world.admin, "The customer asked us to.")
    assert WithdrawnExample.objects.filter(withdrawal=withdrawal).count() == 4  # one was retired before
    restored = restore(by=world.admin, source=source, reason="It was another customer.")
    bring_back(restored)
    assert statuses(examples) == list(Example.Status.values)
    assert not WithdrawnExample.objects.exists()
    source.refresh_from_db()
    assert (source.withdrawn_at, source.withdrawn_by, source.withdrawn_reason) == (None, None, "")
    said = list(
        AuditEntry.objects.filter(action__startswith="source.").values_list("action", "detail__examples")
    )
    assert ("source.retired", 4) in said
    assert ("source.brought_back", 4) in said


def test_batches_and_a_second_worker_retire_each_example_once(world: World, source: Source, monkeypatch):
    monkeypatch.setattr(runner, "BATCH", 2)
    examples = approve(world.project, 5, source=source.name)
    withdrawal = withdraw(by=world.admin, source=source, reason="Asked to.")
    reports = iter(range(3))

    def dies(**progress: object) -> None:
        if next(reports) == 2:  # after the first batch and the second
            raise RunCancelled

    with pytest.raises(RunCancelled):
        runner.retire(context(withdrawal.run, dies))
    assert statuses(examples).count("retired") == 4
    runner.retire(context(withdrawal.run))
    assert set(statuses(examples)) == {"retired"}
    assert set(WithdrawnExample.objects.values_list("status", flat=True)) == {"approved"}
    runner.retire(context(withdrawal.run))
    assert WithdrawnExample.objects.count() == 5


def test_a_person_who_has_one_open_is_told_why(world: World, source: Source):
    example = make_example(world.project, source=source.name)
    lease = take(by=world.annotator, example=example, purpose=Lease.Purpose.ANNOTATE)
    withdrawn(world, source)
    lease.refresh_from_db()
    assert lease.outcome == Lease.Outcome.RELEASED
    with pytest.raises(LeaseLost):
        heartbeat(by=world.annotator, example=example, purpose=Lease.Purpose.ANNOTATE)
    with pytest.raises(
        LeaseLost, match=r"Its source “Desk 2024” was withdrawn on .*: The customer asked us to."
    ):
        take(by=world.annotator, example=example, purpose=Lease.Purpose.ANNOTATE)


def test_nobody_brings_a_single_example_of_it_back(world: World, source: Source, as_user: SignIn):
    example = make_example(world.project, source=source.name, status="approved")
    withdrawal = withdrawn(world, source)
    with pytest.raises(Conflict, match="stays retired"):
        requeue(by=world.admin, example=example)
    page = as_user(world.admin).get(reverse("annotation:example", args=[world.project.slug, example.pk]))
    text = page.content.decode()
    assert "was withdrawn on" in text
    assert "Bring back" not in text
    bring_back(restore(by=world.admin, source=withdrawal.source, reason="A mistake."))
    retire(by=world.admin, example=example, reason="old")
    assert requeue(by=world.admin, example=example).status == "queued"


def test_an_import_cannot_add_to_it(world: World, source: Source, upload):
    """A line that names it is a bad line; one that names another source is taken."""
    withdrawn(world, source)
    data_import = upload(b'{"prompt": "a", "source": "Desk 2024"}\n{"prompt": "b", "source": "Handbook"}\n')
    store(data_import, report=quiet)
    data_import.refresh_from_db()
    assert (data_import.accepted, data_import.rejected) == (1, 1)
    issue = data_import.issues.get()
    assert (issue.line, issue.field, issue.reason) == (1, "source", "The source “Desk 2024” is withdrawn.")


@pytest.mark.django_db(transaction=True)
def test_retiring_waits_for_an_import_that_began_before(world: World):
    """It does not know of the withdrawal, and its examples become visible only at its end."""
    source = create_source(by=world.admin, project=world.project, name="Desk 2024")
    withdrawal = withdraw(by=world.admin, source=source, reason="Asked to.")
    said: list[str] = []

    def listens(*, message: str = "", **progress: object) -> None:
        said.append(message)
        if message.startswith("Waiting"):
            raise RunCancelled

    other = connection.copy()
    try:
        with other.cursor() as cursor:
            key = f"datasets.dataimport.{world.project.pk}"
            cursor.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [key])
        with pytest.raises(RunCancelled):
            runner.retire(context(withdrawal.run, listens))
        assert said == ["Waiting for an import of this project."]
    finally:
        other.close()
    example = make_example(world.project, source=source.name)  # what that import stored
    runner.retire(context(withdrawal.run))
    example.refresh_from_db()
    assert example.status == "retired"


# --- who may, and when -------------------------------------------------------------------------------------
def test_it_needs_a_reason_and_happens_once(world: World, source: Source):
    with pytest.raises(Invalid):
        withdraw(by=world.admin, source=source, reason=" ")
    withdrawal = withdraw(by=world.admin, source=source, reason="Asked to.")
    with pytest.raises(Conflict, match="withdrawn before"):
        withdraw(by=world.admin, source=source, reason="Again.")
    with pytest.raises(Conflict, match="still being retired"):
        restore(by=world.admin, source=source, reason="A mistake.")
    carry_out(withdrawal)
    restored = restore(by=world.admin, source=source, reason="A mistake.")
    with pytest.raises(Conflict, match="being restored"):
        withdraw(by=world.admin, source=source, reason="After all.")
    with pytest.raises(Conflict, match="is not withdrawn"):
        restore(by=world.admin, source=source, reason="A mistake.")
    bring_back(restored)
    assert withdraw(by=world.admin, source=source, reason="After all.").pk != withdrawal.pk
    with pytest.raises(IntegrityError), transaction.atomic():
        Withdrawal.objects.create(source=source, reason="Twice at once.", by=world.admin)


def test_an_old_job_cannot_undo_a_later_decision(world: World, source: Source):
    withdrawal = withdrawn(world, source)
    restored = restore(by=world.admin, source=source, reason="A mistake.")
    with pytest.raises(Conflict):
        withdraw_again(withdrawal.run, world.admin)
    Run.objects.filter(pk=restored.restore_run_id).update(status=Run.Status.FAILED)
    withdraw(by=world.admin, source=source, reason="After all.")
    with pytest.raises(Conflict):
        restore_again(restored.restore_run, world.admin)


def test_what_a_cancelled_restoring_left_comes_back_with_the_next(world: World, source: Source, monkeypatch):
    monkeypatch.setattr(runner, "BATCH", 1)
    examples = approve(world.project, 3, source=source.name)
    restored = restore(by=world.admin, source=withdrawn(world, source).source, reason="A mistake.")
    reports = iter(range(2))

    def dies(**progress: object) -> None:
        if next(reports) == 1:
            raise RunCancelled

    with pytest.raises(RunCancelled):
        runner.bring_back(context(restored.restore_run, dies))
    Run.objects.filter(pk=restored.restore_run_id).update(status=Run.Status.CANCELLED)
    assert statuses(examples).count("retired") == 2
    again = withdraw(by=world.admin, source=source, reason="After all.")
    carry_out(again)
    assert set(statuses(examples)) == {"retired"}
    bring_back(restore(by=world.admin, source=source, reason="Now really."))
    assert set(statuses(examples)) == {"approved"}


# --- dataset versions, model versions ----------------------------------------------------------------------
def frozen(world: World, source: Source) -> DatasetVersion:
    approve(world.project, 12, source=source.name)
    approve(world.project, 12)
    return make_frozen(world.project, world.admin)


def trained_on(world: World, dataset: DatasetVersion, **fields: Any) -> Any:
    training = make_training(
        world.project, world.admin, dataset=dataset, base_model=make_base_model(), status=Run.Status.SUCCEEDED
    )
    return make_version(
        world.project, world.admin, training_run=training, base_model=training.base_model, **fields
    )


def states(withdrawal: Withdrawal) -> dict[str, str]:
    return {item.key: item.state for item in plan_of(withdrawal).items}


def test_the_plan_finds_versions_through_their_rows(world: World, source: Source):
    """Not through the settings of the freeze or a text: the rows that are in the version."""
    dataset = frozen(world, source)
    other = make_frozen(world.project, world.admin, sources=[source.name])
    Example.objects.filter(source=source.name).update(source=None)
    Example.objects.filter(pk=dataset.rows.order_by("position").first().example_id).update(source=source.name)
    assert sum(rows.total() for rows in rows_by_dataset(source).values()) <= 2
    Example.objects.update(source=None)
    clean = make_frozen(world.project, world.admin)
    assert rows_by_dataset(source) == {}
    Example.objects.filter(dataset_rows__dataset=other).update(source=source.name)
    assert set(rows_by_dataset(source)) == {dataset.pk, other.pk, clean.pk}
    assert rows_by_dataset(source)[other.pk].total() == 12


def test_a_dataset_version_is_done_when_a_later_one_is_frozen_without_the_rows(world: World, source: Source):
    dataset = frozen(world, source)
    withdrawal = withdrawn(world, source)
    plan = plan_of(withdrawal)
    (item,) = plan.items
    assert (item.key, item.state, item.rows.total()) == (f"dataset:{dataset.pk}", "open", 12)
    assert plan.says == "1 of 1 point is open."
    clean = make_frozen(world.project, world.reviewer)
    assert clean.counts["total"] == 12
    (item,) = plan_of(withdrawal).items
    assert (item.state, item.says, item.by) == (
        "done", "Dataset 2 was frozen without these rows.", world.reviewer,
    )  # fmt: skip
    assert plan_of(withdrawal).says == "The one point is settled."


def test_home_says_that_a_plan_is_open(world: World, source: Source):
    access = Access(user=world.admin, project=world.project, roles=frozenset([Role.ADMIN]))
    frozen(world, source)
    withdrawal = withdrawn(world, source)
    (item,) = [item for item in next_items(access) if item.action == "See the plan"]
    assert item.title == "The withdrawal of Desk 2024 is not settled"
    assert item.line.startswith("1 point is open")
    make_frozen(world.project, world.admin)
    cache.delete(f"datasets.open_points.{withdrawal.pk}")
    assert [item.action for item in next_items(access)] == []


def test_an_earlier_version_without_the_rows_settles_nothing(world: World, source: Source):
    approve(world.project, 12)
    make_frozen(world.project, world.admin)
    approve(world.project, 12, source=source.name)
    dataset = make_frozen(world.project, world.admin)
    assert states(withdrawn(world, source)) == {f"dataset:{dataset.pk}": "open"}


def test_a_model_version_is_open_while_it_is_live_or_served(world: World, source: Source):
    version = trained_on(world, frozen(world, source))
    deployment = load_onto(version, make_engine(version.base_model))
    route = Route.objects.create(project=world.project, version=version)
    make_answer_row(version)
    withdrawal = withdrawn(world, source)
    key = f"model:{version.pk}"
    item = next(item for item in plan_of(withdrawal).items if item.key == key)
    assert item.state == "open"
    assert item.notes == [
        "People can ask it: an engine serves it.",
        "1 stored answer stays, with the name of the version.",
        "It is live: applications of the project reach it.",
    ]
    assert ("Roll back", reverse("release:home", args=[world.project.slug])) in item.actions
    route.delete()
    assert states(withdrawal)[key] == "open"
    deployment.wanted = "unloaded"
    deployment.save()
    assert states(withdrawal)[key] == "done"
    Route.objects.create(project=world.project, version=version)
    assert states(withdrawal)[key] == "open"  # it was released again: the plan says what is true now


def test_a_training_run_that_is_not_over_is_in_the_plan(world: World, source: Source):
    dataset = frozen(world, source)
    training = make_training(world.project, world.admin, dataset=dataset, status=Run.Status.RUNNING)
    withdrawal = withdrawn(world, source)
    assert states(withdrawal)[f"training:{training.pk}"] == "open"
    Run.objects.filter(pk=training.run_id).update(status=Run.Status.CANCELLED)
    assert f"training:{training.pk}" not in states(withdrawal)


def test_a_campaign_whose_raters_read_its_prompts_is_in_the_plan(world: World, source: Source):
    dataset = frozen(world, source)
    campaign = make_campaign(world.project, world.admin, dataset=dataset, prompts=4)
    # The draw of the splits may have put all test rows into the other half.
    Example.objects.filter(pk=campaign.prompts.earliest("pk").row.example_id).update(source=source.name)
    of_source = campaign.prompts.filter(row__example__source=source.name).count()
    elsewhere = make_campaign(world.project, world.admin)
    withdrawal = withdrawn(world, source)
    items = {item.key: item for item in plan_of(withdrawal).items}
    assert f"campaign:{elsewhere.pk}" not in items
    assert of_source > 0
    item = items[f"campaign:{campaign.pk}"]
    assert (item.state, item.notes) == (
        "open", [f"{of_source} prompt{'s are' if of_source > 1 else ' is'} of this source."],
    )  # fmt: skip
    type(campaign).objects.filter(pk=campaign.pk).update(status="closed")
    assert f"campaign:{campaign.pk}" not in states(withdrawal)


def test_the_pages_of_a_dataset_and_of_a_model_say_so(world: World, source: Source, as_user: SignIn):
    dataset = frozen(world, source)
    version = trained_on(world, dataset)
    slug = world.project.slug
    pages = [
        reverse("datasets:dataset", args=[slug, dataset.number]),
        reverse("training:version", args=[slug, version.pk]),
    ]
    words = "12 rows of the withdrawn source"
    for url in pages:
        assert words not in as_user(world.viewer).get(url).content.decode()
    withdrawal = withdrawn(world, source)
    plan = reverse("datasets:withdrawal", args=[slug, withdrawal.pk])
    for url in pages:
        text = " ".join(as_user(world.viewer).get(url).content.decode().split())
        assert words in text
        assert plan in text
    seen = as_user(world.annotator).get(pages[0]).content.decode()
    assert plan not in seen  # that page is for people who see the origin of everything


def test_a_use_is_accepted_for_a_reason_and_opened_again(world: World, source: Source):
    dataset = frozen(world, source)
    withdrawal = withdrawn(world, source)
    use = f"dataset:{dataset.pk}"
    with pytest.raises(Invalid, match="Nothing was done"):
        accept_use(by=world.admin, withdrawal=withdrawal, use=use, reason="")
    with pytest.raises(Invalid):
        accept_use(by=world.admin, withdrawal=withdrawal, use="dataset:0", reason="Never trained.")
    accept_use(by=world.admin, withdrawal=withdrawal, use=use, reason="Never trained.")
    (item,) = plan_of(withdrawal).items
    assert (item.state, item.says, item.by) == ("accepted", "Never trained.", world.admin)
    with pytest.raises(Conflict):
        accept_use(by=world.admin, withdrawal=withdrawal, use=use, reason="Twice.")
    reopen_use(by=world.admin, withdrawal=withdrawal, use=use)
    assert states(withdrawal) == {use: "open"}
    with pytest.raises(Conflict):
        reopen_use(by=world.admin, withdrawal=withdrawal, use=use)
    told = AuditEntry.objects.filter(action__startswith="source.use_").order_by("pk")
    assert [(entry.action, entry.detail["use"]) for entry in told] == [
        ("source.use_accepted", "Dataset 1"), ("source.use_reopened", "Dataset 1"),
    ]  # fmt: skip


def test_training_on_its_rows_is_refused_until_it_is_restored(world: World, source: Source):
    dataset = frozen(world, source)
    training = make_training(world.project, world.admin, dataset=dataset, status=Run.Status.FAILED)
    assert dataset_findings(world.project, dataset) == []
    withdrawal = withdrawn(world, source)
    (finding,) = dataset_findings(world.project, dataset)
    assert (finding.level, finding.message) == (
        "stop", "Dataset 1 has 12 rows of the withdrawn source “Desk 2024”.",
    )  # fmt: skip
    with pytest.raises(Conflict, match="12 rows of the withdrawn source"):
        train_again(training.run, world.admin)
    assert dataset_findings(world.project, make_frozen(world.project, world.admin)) == []
    bring_back(restore(by=world.admin, source=withdrawal.source, reason="A mistake."))
    assert dataset_findings(world.project, dataset) == []


def test_the_gate_fails_for_a_model_trained_on_its_rows(
    world: World, source: Source, django_assert_num_queries
):
    from release.queries import candidate

    version = trained_on(world, frozen(world, source))

    def result() -> tuple[str, str]:
        check = next(check for check in candidate(version).gate.checks if check.name == "data_allowed")
        return check.result, check.says

    assert result() == ("pass", "No row of Dataset 1 comes from a withdrawn source.")
    withdrawn(world, source)
    assert result()[0] == "fail"
    assert "Dataset 1 has 12 rows of the withdrawn source “Desk 2024”" in result()[1]
    with django_assert_num_queries(2):
        assert withdrawn_rows([version.training_run.dataset_id])


def test_a_source_of_the_same_name_elsewhere_is_not_concerned(world: World, source: Source):
    Source.objects.create(project=world.other, name=source.name)
    approve(world.other, 3, source=source.name)
    elsewhere = make_frozen(world.other, world.neighbour)
    withdrawn(world, source)
    assert Example.objects.filter(project=world.other, status="approved").count() == 3
    assert withdrawn_rows([elsewhere.pk]) == {}


# --- pages and API -----------------------------------------------------------------------------------------
def test_the_pages_lead_from_the_button_to_the_plan(world: World, source: Source, as_user: SignIn):
    dataset = frozen(world, source)
    version = trained_on(world, dataset)
    example = make_example(world.project, source=source.name)
    take(by=world.annotator, example=example, purpose=Lease.Purpose.ANNOTATE)
    client = as_user(world.admin)
    url = reverse("datasets:source-withdraw", args=[world.project.slug, source.pk])
    before = client.get(url).content.decode()
    for words in ("13 examples", "12 approved", "open in", "Dataset 1", str(version)):
        assert words in " ".join(before.split()), words
    assert not Withdrawal.objects.exists()
    assert client.post(url, {"reason": ""}).status_code == 422
    answer = client.post(url, {"reason": "The customer asked us to."})
    withdrawal = Withdrawal.objects.get()
    page = reverse("datasets:withdrawal", args=[world.project.slug, withdrawal.pk])
    assert (answer.status_code, answer["Location"]) == (302, page)
    carry_out(withdrawal)
    text = client.get(page).content.decode()
    assert "1 of 2 points is open." in text
    accept = reverse("datasets:withdrawal-accept", args=[world.project.slug, withdrawal.pk])
    assert (
        client.post(accept, {"use": f"dataset:{dataset.pk}", "reason": "Kept as a record."}).status_code
        == 302
    )
    assert "All 2 points are settled." in client.get(page).content.decode()
    assert as_user(world.viewer).get(page).status_code == 200
    assert as_user(world.viewer).post(accept, {"use": "x", "reason": "y"}).status_code == 403
    back = reverse("datasets:source-restore", args=[world.project.slug, source.pk])
    assert client.post(back, {"reason": "A mistake."}).status_code == 302
    assert "restored" in client.get(page).content.decode()


def test_the_api_withdraws_reads_the_plan_and_restores(world: World, source: Source, as_user: SignIn):
    dataset = frozen(world, source)
    root = f"/api/v1/projects/{world.project.slug}/"
    client = as_user(world.admin)

    def post(path: str, body: dict[str, Any]) -> Any:
        return client.post(root + path, body, content_type="application/json")

    assert post(f"sources/{source.pk}/withdraw/", {}).status_code == 422
    made = post(f"sources/{source.pk}/withdraw/", {"reason": "Asked to."})
    assert made.status_code == 202
    withdrawal = Withdrawal.objects.get(pk=made.json()["id"])
    carry_out(withdrawal)
    plan = client.get(f"{root}withdrawals/{withdrawal.pk}/").json()
    assert plan["retired"] == 12
    (item,) = plan["plan"]
    assert (item["use"], item["state"], sum(item["rows"].values())) == (f"dataset:{dataset.pk}", "open", 12)
    accepted = post(f"withdrawals/{withdrawal.pk}/accept/", {"use": item["use"], "reason": "Kept."})
    assert accepted.json()["plan"][0]["state"] == "accepted"
    opened = post(f"withdrawals/{withdrawal.pk}/reopen/", {"use": item["use"]})
    assert opened.json()["plan"][0]["state"] == "open"
    assert post(f"sources/{source.pk}/restore/", {"reason": "A mistake."}).status_code == 202
    assert post(f"sources/{source.pk}/restore/", {"reason": "A mistake."}).status_code == 409
    listed = client.get(f"{root}withdrawals/").json()["results"]
    assert [one["id"] for one in listed] == [withdrawal.pk]


def test_the_number_of_queries_of_the_plan_does_not_grow(
    world: World, source: Source, django_assert_max_num_queries
):
    first = trained_on(world, frozen(world, source))
    withdrawal = withdraw(by=world.admin, source=source, reason="Asked to.")
    # Two of them, however much there is, are: which runs practise earlier rows of the source, and which version was made from which.
    with django_assert_max_num_queries(13):
        assert len(plan_of(withdrawal).items) == 2
    for _ in range(3):
        trained_on(world, first.training_run.dataset)
    with django_assert_max_num_queries(13):
        assert len(plan_of(withdrawal).items) == 5

    # Two more with a chain: the versions made from those, and what is behind each.
    def continued(parent: Any) -> Any:
        training = make_training(
            world.project, world.admin, base_model=first.base_model, continued_from=parent, status="succeeded"
        )
        return make_version(world.project, world.admin, training_run=training, parent=parent)

    newest = continued(first)
    with django_assert_max_num_queries(15):
        assert len(plan_of(withdrawal).items) == 6
    for _ in range(3):
        newest = continued(newest)
    with django_assert_max_num_queries(15):
        assert [item.name for item in plan_of(withdrawal).items][1] == str(newest)


def test_reviews_of_its_examples_stay(world: World, source: Source):
    """Restoring brings back an approved example with its review: it need not be reviewed again."""
    example = make_example(world.project, source=source.name, status="approved")
    Review.objects.create(
        example=example, revision=example.revisions.get(), verdict="accepted", by=world.reviewer
    )
    bring_back(restore(by=world.admin, source=withdrawn(world, source).source, reason="A mistake."))
    example.refresh_from_db()
    assert (example.status, example.revision) == ("approved", 1)
    assert example.revisions.get().reviews.filter(undone_at=None).exists()
