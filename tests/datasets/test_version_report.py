"""The report on a version's frozen rows: what the checks still find, sources, licenses, and the page that shows it."""

import pytest
from django.db import transaction
from django.urls import reverse

from annotation.checks import TEXT_CHECKS
from annotation.models import Example, ExampleFinding, Review
from annotation.services.findings import dismiss
from annotation.services.found import check_and_store
from core.errors import Conflict
from core.models import AuditEntry, Delivery, Run
from core.services.events import publish
from core.tasks import deliver, execute_run
from dataset.models import DatasetVersion, RowFinding, Source, VersionReport
from dataset.queries.reports import ReportFacts, facts_of, findings_of, report_of
from dataset.questions import ASKED
from dataset.runner.report import Dismissal, RowFound, make_report
from dataset.services.reports import start_report
from tests.datasets.desk import SignIn
from tests.support.factories import World, make_dataset, make_example, make_frozen, quiet
from tests.support.reading import text_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sent")]


def reported(dataset: DatasetVersion) -> ReportFacts:
    make_report(start_report(by=None, dataset=dataset), tell=quiet)
    facts = facts_of(report_of(dataset), dataset)
    assert facts is not None
    return facts


def frozen(world: World) -> DatasetVersion:
    """Six rows: two without a fault, one that tells an e-mail address, two with invented references, one of them preferred to a
    worse answer."""
    Source.objects.create(project=world.project, name="Archive", license="internal")
    for what in ("crate", "barrel"):
        make_example(
            world.project, f"Where is the {what}?", "It is at sea.", status="approved", source="Archive", license="CC BY 4.0"
        )  # fmt: skip
    make_example(
        world.project,
        question="Whom do I ask?",
        completion="Write to ann@acme.io.",
        context=["ann@acme.io"],
        status="approved",
        source="Archive",
    )
    make_example(
        world.project, completion="FD-90211 is at sea.", status="approved", edge="off_topic", tags=["eta"]
    )
    make_example(
        world.project, completion="FD-90212 left.", status="approved", rejected="No.", context=["FD-1 | here"]
    )
    make_example(
        world.project,
        completion="It is on its way.",
        messages=[
            {"role": "user", "content": "Where is it?"},
            {"role": "assistant", "content": "Which one?"},
            {"role": "user", "content": "The red crate."},
        ],
        status="approved",
    )
    return make_frozen(world.project, world.admin)


def test_the_report_counts_what_the_frozen_rows_say(world: World):
    dataset = frozen(world)
    Example.objects.update(completion="Nothing to see here any more.", source=None)
    facts = reported(dataset)
    assert (facts.rows, facts.groups, facts.rejected, facts.records, facts.several_turns) == (6, 6, 1, 2, 1)
    assert sorted((one.name, one.license, one.rows) for one in facts.sources) == [
        ("", "", 3), ("Archive", "", 1), ("Archive", "CC BY 4.0", 2),
    ]  # fmt: skip
    assert facts.licenses == [("", 4), ("CC BY 4.0", 2)]
    assert (facts.edges, facts.tags) == ([("Off topic", 1)], [("eta", 1)])
    counts = {(one.check, one.level): one.rows for one in facts.findings}
    assert counts["privacy", "warn"] == 1 and counts["facts", "bad"] == 2
    assert facts.with_findings == 3 and facts.without_findings == 3
    assert facts.checks == TEXT_CHECKS and "repeated" not in facts.checks
    (mail,) = findings_of(dataset, check="privacy")
    assert mail.row.revision.content["completion"] == "Write to ann@acme.io."
    entry = AuditEntry.objects.get(action="dataset.checked")
    assert entry.detail["rows"] == 3


def test_the_report_marks_what_people_had_dismissed(world: World, as_user: SignIn):
    dataset = frozen(world)
    mail, facts = (
        Example.objects.get(completion=text) for text in ("Write to ann@acme.io.", "FD-90211 is at sea.")
    )
    for example in (mail, facts):
        check_and_store(example, example.content(), world.project)
    mine = ExampleFinding.objects.filter(project=world.project)
    dismiss(
        by=world.reviewer, project=world.project, findings=mine.filter(example=mail), reason="Our own desk."
    )
    told = {(one.check, one.level): (one.rows, one.dismissed) for one in reported(dataset).findings}
    assert told["privacy", "warn"] == (1, 1) and told["facts", "bad"] == (2, 0)
    (row,) = findings_of(dataset, check="privacy")
    assert (row.dismissed, row.dismissed_by, row.reason) == (row.found, world.reviewer, "Our own desk.")
    assert row not in findings_of(dataset, state="open") and row in findings_of(dataset, state="dismissed")
    # The report does not change with later decisions.
    dismiss(
        by=world.reviewer, project=world.project, findings=mine.filter(example=facts), reason="It is real."
    )
    assert not findings_of(dataset, check="facts", state="dismissed").exists()
    client, where = (
        as_user(world.viewer),
        reverse("datasets:dataset-findings", args=[world.project.slug, dataset.number]),
    )
    assert "by Reviewer Member : Our own desk." in text_of(client.get(where)).replace("Member:", "Member :")
    assert "Our own desk." not in text_of(client.get(f"{where}?state=open"))
    api = client.get(
        f"/api/v1/projects/{world.project.slug}/datasets/{dataset.number}/findings/?state=dismissed"
    ).json()
    assert [one["reason"] for one in api["results"]] == ["Our own desk."]
    assert api["results"][0]["dismissed_by"]["name"] == "Reviewer Member"


def test_of_several_findings_in_a_row_the_first_that_is_left_is_named():
    one, mine = RowFound(), Dismissal(1, "Wanted.")
    for says, why in (("a", mine), ("b", None), ("c", mine), ("d", None)):
        one.add(says, why)
    assert (one.says, one.found, one.dismissed, one.why) == ("b", 4, 2, mine)


@pytest.mark.django_db(transaction=True)
def test_an_attempt_that_ended_early_leaves_nothing_to_see_and_nothing_twice(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    with transaction.atomic():
        dataset = frozen(world)
    report = start_report(by=world.admin, dataset=dataset)
    with monkeypatch.context() as broken:
        broken.setattr("dataset.runner.report.BATCH", 2)
        broken.setattr("dataset.runner.report.finish_report", lambda **_: 1 / 0)
        execute_run(report.run_id or 0)
    assert RowFinding.objects.exists()  # of the attempt that failed
    assert facts_of(report_of(dataset), dataset) is None and not findings_of(dataset).exists()
    Run.objects.filter(pk=report.run_id).update(status="queued", attempt=0)
    execute_run(report.run_id or 0)
    assert findings_of(dataset).count() == RowFinding.objects.count() == 3
    assert start_report(by=world.admin, dataset=dataset) == report
    assert Run.objects.filter(kind="dataset_report").count() == 1


def test_a_freeze_is_followed_by_its_report_once(world: World):
    dataset = frozen(world)
    delivery = Delivery.objects.get(subscriber="datasets.report")
    deliver(delivery.pk)
    report = VersionReport.objects.get(dataset=dataset)
    assert (
        report.run
        and report.run.status == "queued"
        and report.run.created_by is None
        and report.made_at is None
    )
    publish(project=world.project, kind="dataset.frozen", payload={"dataset": dataset.pk})
    deliver(Delivery.objects.latest("pk").pk)
    assert VersionReport.objects.count() == 1


def test_a_version_that_is_not_ready_has_no_report(world: World):
    dataset = DatasetVersion.objects.create(project=world.project, number=1, status="failed", settings={})
    with pytest.raises(Conflict):
        start_report(by=world.admin, dataset=dataset)
    assert not Run.objects.exists()


def test_the_page_says_what_is_not_computed_yet_and_then_shows_it(world: World, as_user: SignIn):
    dataset = frozen(world)
    example = Example.objects.earliest("pk")
    Review.objects.create(
        example=example, revision=example.revisions.get(), verdict="accepted", by=world.reviewer, in_bulk=True
    )
    url = reverse("datasets:dataset", args=[world.project.slug, 1])
    client = as_user(world.admin)
    before = text_of(client.get(url))
    assert "Findings left Not computed yet. Read its rows now" in before
    assert "Approved in bulk, without opening each1" in before
    assert "Read its rows now" not in text_of(as_user(world.annotator).get(url))
    started = client.post(reverse("datasets:dataset-report", args=[world.project.slug, 1]))
    assert started.url == url  # type: ignore[attr-defined]
    assert "Guildhall reads the frozen rows now" in text_of(client.get(url))
    reported(dataset)
    shown = text_of(as_user(world.annotator).get(url))
    assert "Not computed" not in shown and "3 of 6 rows have no finding" in shown
    assert "Archive CC BY 4.0 2" in shown and "internal" not in shown  # sources are for admins and viewers
    assert "Archive License of the source: internal Consent: Unknown CC BY 4.0 2" in text_of(client.get(url))
    assert "With a worse answer 1" in shown and f"0 of {len(ASKED)} questions to people are answered" in shown


def test_findings_are_listed_with_their_rows_and_filtered(world: World, as_user: SignIn):
    dataset = frozen(world)
    client = as_user(world.reviewer)
    url = reverse("datasets:dataset-findings", args=[world.project.slug, 1])
    api = f"/api/v1/projects/{world.project.slug}/datasets/1/findings/"
    assert "Not checked yet" in text_of(client.get(url)) and client.get(api).json()["count"] == 0
    assert client.get(f"/api/v1/projects/{world.project.slug}/datasets/1/report/").json() == {
        "run": None, "facts": None,
    }  # fmt: skip
    reported(dataset)
    shown = text_of(client.get(url, {"check": "facts", "level": "bad"}))
    assert "2 findings" in shown and "FD-90211" in shown and "ann@acme.io" not in shown
    (found,) = client.get(api, {"check": "privacy"}).json()["results"]
    assert (found["check"], found["level"], found["found"]) == ("privacy", "warn", 1)
    facts = client.get(f"/api/v1/projects/{world.project.slug}/datasets/1/report/").json()["facts"]
    assert (
        facts["rows"] == 6
        and {"check": "facts", "level": "bad", "rows": 2, "dismissed": 0} in facts["findings"]
    )
    for wrong in ({"check": "facs"}, {"level": "ok"}, {"chek": "facts"}):
        assert client.get(url, wrong).status_code == client.get(api, wrong).status_code == 422, wrong


def test_rows_are_filtered_by_slice_and_by_a_worse_answer(world: World, as_user: SignIn):
    frozen(world)
    make_example(world.project, status="approved", slice="")
    make_frozen(world.project, world.admin)
    client = as_user(world.viewer)
    url = reverse("datasets:dataset-rows", args=[world.project.slug, 2])
    api = f"/api/v1/projects/{world.project.slug}/datasets/2/rows/"
    assert "Worse answerNo." in text_of(client.get(url, {"rejected": "yes"}))
    for query, count in (({"rejected": "yes"}, 1), ({"slice": "-"}, 1), ({"slice": "shipment status"}, 6)):
        assert client.get(api, query).json()["count"] == count, query
    for wrong in ({"slice": "customs"}, {"rejected": "no"}, {"worse": "yes"}):
        assert client.get(url, wrong).status_code == client.get(api, wrong).status_code == 422, wrong


def test_the_report_is_started_by_program_by_admins_only(world: World, as_user: SignIn):
    make_dataset(world.project)
    path = f"/api/v1/projects/{world.project.slug}/datasets/1/report/"
    assert as_user(world.viewer).post(path).status_code == 403
    client = as_user(world.admin)
    told = client.post(path)
    assert (
        told.status_code == 202 and told.json()["run"]["status"] == "queued" and told.json()["facts"] is None
    )
    assert client.post(path).status_code == 202 and VersionReport.objects.count() == 1
