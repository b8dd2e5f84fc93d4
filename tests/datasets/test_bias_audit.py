"""Bias audits from start to decision: figures, findings, what stays fixed, lexicons, and the version's own audit."""

import pytest
from django.db import DatabaseError, connection, transaction

from annotation.models import Example
from core.errors import Conflict, Invalid
from core.models import AuditEntry, Delivery, Run
from core.tasks import deliver, execute_run
from dataset.fairness.words import shipped
from dataset.models import AuditDecision, AuditFinding, BiasAudit, BiasLexicon
from dataset.queries.audits import is_complete, last_hash, summary
from dataset.queries.datasheet import datasheet_of
from dataset.queries.lexicons import frozen_lexicons, lexicon_of, word_counts
from dataset.runner.audit import make_audit
from dataset.services.audits import decide, start_audit
from dataset.services.lexicons import change_lexicon, reset_lexicon
from tests.datasets.bias import audited, biased
from tests.support.factories import World, make_example, make_frozen, quiet

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sent")]
CARS = [{"label": "Cars", "terms": {"": ["car"]}}, {"label": "Ships", "terms": {"": ["ship"]}, "target": 0.4}]


def finding_of(audit: BiasAudit, group: str = "women", outcome: str = "refusal") -> AuditFinding:
    return AuditFinding.objects.get(audit=audit, group=group, outcome=outcome)


def test_a_bias_is_found_named_and_on_record(world: World):
    examples = biased(world.project)
    audit = audited(world)
    finding = finding_of(audit)
    assert finding.says.startswith(
        "Completions to rows that name “Women” refuse 70%, against 10% of the rows"
    )
    assert "60 and 60 rows" in finding.says and finding.status == "open"
    assert finding.figures["adjusted"] < 0.05 and finding.figures["low"] > 0.3
    assert {one.pk for one in examples[::2]} == set(finding.examples)
    assert {one.characteristic for one in audit.findings.all()} == {"gender"}
    assert audit.facts["rows"] == 120 and is_complete(audit) and "Holm" in summary(audit)
    entry = AuditEntry.objects.get(action="bias_audit.made")
    assert entry.detail["rows"] == 120 and entry.detail["content_hash"] == audit.content_hash


def test_a_fair_set_is_not_accused(world: World):
    biased(world.project, fair=True)
    audit = audited(world, correction="benjamini_hochberg")
    assert not audit.findings.exists() and "None of" in summary(audit)


def test_few_rows_are_no_finding(world: World):
    biased(world.project, rows=40)
    audit = audited(world)
    assert audit.facts["comparisons"] == 0 and summary(audit) == "No group has enough rows to compare."
    cells = audit.facts["characteristics"][0]["groups"][0]["outcomes"]
    assert all(cell["few"] and cell["low"] is None for cell in cells)


def test_an_audit_is_refused_without_rows_twice_at_once_and_with_an_unknown_correction(world: World):
    with pytest.raises(Invalid, match="no approved example"):
        start_audit(by=world.admin, project=world.project)
    make_example(world.project, status="approved")
    with pytest.raises(Invalid, match="not known"):
        start_audit(by=world.admin, project=world.project, correction="none")
    start_audit(by=world.admin, project=world.project)
    with pytest.raises(Conflict, match="under way"):
        start_audit(by=world.admin, project=world.project)
    assert BiasAudit.objects.count() == Run.objects.filter(kind="bias-audit").count() == 1


@pytest.mark.django_db(transaction=True)
def test_an_attempt_that_ended_early_leaves_nothing_and_the_next_one_ends_it(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    with transaction.atomic():
        biased(world.project)
    audit = start_audit(by=world.admin, project=world.project)
    with monkeypatch.context() as broken:
        broken.setattr("dataset.services.audits._carry", lambda _: 1 / 0)
        execute_run(audit.run_id or 0)
    assert not AuditFinding.objects.exists() and BiasAudit.objects.get().made_at is None
    Run.objects.filter(pk=audit.run_id).update(status="queued", attempt=0)
    execute_run(audit.run_id or 0)
    assert Run.objects.get(pk=audit.run_id).status == "succeeded" and finding_of(audit)


def test_the_examples_that_went_away_before_it_ran_are_an_error_for_people(world: World):
    make_example(world.project, status="approved")
    audit = start_audit(by=world.admin, project=world.project)
    Example.objects.update(status="retired")
    with pytest.raises(Exception, match="No approved example is left"):
        make_audit(audit, tell=quiet)


def test_every_decision_stays_and_the_last_one_counts(world: World):
    biased(world.project)
    audit = audited(world)
    finding = finding_of(audit)
    for wrong in (
        {"decision": "open", "reason": "x"},
        {"decision": "fixed", "reason": " "},
        {"decision": "", "reason": "x" * 501},
    ):
        with pytest.raises(Invalid):
            decide(by=world.reviewer, finding=finding, **wrong)
    decide(by=world.reviewer, finding=finding, decision="accepted", reason="The rule of 2024 is like that.")
    with pytest.raises(Conflict):
        decide(by=world.admin, finding=finding, decision="accepted", reason="Again.")
    first = last_hash(audit)
    decide(by=world.admin, finding=finding, decision="fixed", reason="Twins were added.")
    finding.refresh_from_db()
    assert finding.status == "fixed" and is_complete(audit) and last_hash(audit) != first
    assert [(one.decision, one.by_name) for one in finding.decisions.all()] == [
        ("accepted", world.reviewer.name), ("fixed", world.admin.name),
    ]  # fmt: skip
    assert AuditEntry.objects.filter(action="bias_finding.decided").count() == 2


def test_figures_and_decisions_cannot_be_changed_and_a_deleted_decision_shows(world: World):
    biased(world.project)
    audit = audited(world)
    finding = finding_of(audit)
    decide(by=world.admin, finding=finding, decision="accepted", reason="Known.")
    decide(by=world.admin, finding=finding, decision="answered", reason="Chance.")
    for change in (
        lambda: BiasAudit.objects.filter(pk=audit.pk).update(facts={}),
        lambda: BiasAudit.objects.filter(pk=audit.pk).update(lexicons={}),
        lambda: AuditDecision.objects.update(reason="Other."),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()
    assert is_complete(BiasAudit.objects.get(pk=audit.pk))
    AuditDecision.objects.filter(decision="accepted").delete()
    assert not is_complete(audit)


def test_the_record_shows_figures_that_were_changed_past_the_trigger(world: World):
    biased(world.project)
    audit = audited(world)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE datasets_biasaudit DISABLE TRIGGER datasets_audit_fixed")
        cursor.execute("UPDATE datasets_biasaudit SET facts = jsonb_set(facts, '{rows}', '7')")
        cursor.execute("ALTER TABLE datasets_biasaudit ENABLE TRIGGER datasets_audit_fixed")
    assert not is_complete(BiasAudit.objects.get(pk=audit.pk))


def test_a_decision_is_taken_over_while_the_difference_has_its_direction(world: World):
    biased(world.project)
    first = audited(world)
    decide(by=world.admin, finding=finding_of(first), decision="accepted", reason="Known.")
    decide(by=world.admin, finding=finding_of(first, outcome="granted"), decision="fixed", reason="Twins.")
    second = audited(world)
    assert (finding_of(second).status, finding_of(second, outcome="granted").status) == ("accepted", "open")
    (taken,) = AuditDecision.objects.filter(finding__audit=second)
    assert (taken.carried_from, taken.by, taken.reason) == (1, world.admin, "Known.")
    third = audited(world)
    assert AuditDecision.objects.get(finding__audit=third).carried_from == 1 and is_complete(third)
    refusal, approval = "I am sorry, but we cannot refund it.", "Your refund has been approved."
    for example in Example.objects.all():
        example.completion = approval if example.completion == refusal else refusal
        example.save()
    assert finding_of(audited(world)).status == "open"


def test_a_frozen_version_gets_its_own_audit_once_the_project_makes_audits(world: World):
    biased(world.project)
    make_frozen(world.project, world.admin)
    deliver(Delivery.objects.get(subscriber="datasets.bias_audit").pk)
    assert not BiasAudit.objects.exists()
    decide(by=world.admin, finding=finding_of(audited(world)), decision="accepted", reason="Known.")
    dataset = make_frozen(world.project, world.admin)
    deliver(Delivery.objects.filter(subscriber="datasets.bias_audit").latest("pk").pk)
    audit = BiasAudit.objects.get(dataset=dataset)
    assert audit.created_by is None and audit.settings["dataset_hash"] == dataset.content_hash
    assert start_audit(by=world.admin, project=world.project, dataset=dataset) == audit
    change_lexicon(by=world.admin, project=world.project, characteristic="gender", groups=CARS)
    make_audit(audit, tell=quiet)  # with the words of its start
    audit.refresh_from_db()
    assert audit.facts["rows"] == 120 and finding_of(audit).status == "accepted"
    assert frozen_lexicons(audit)[0] == shipped("gender")
    (entry,) = [
        entry for _, entries in datasheet_of(dataset).sections for entry in entries if entry.question.key == "subpopulations"
    ]  # fmt: skip
    told = " ".join(entry.facts.lines)
    assert "refuse 70%" in told and f"Accepted by {world.admin.name}" in told and audit.content_hash in told
    assert ("Gender", "Women", "60") in entry.facts.table.rows  # type: ignore[union-attr]


def test_a_version_that_is_not_ready_has_no_audit(world: World):
    dataset = make_frozen_dataset(world)
    type(dataset).objects.filter(pk=dataset.pk).update(status="failed")
    dataset.refresh_from_db()
    with pytest.raises(Conflict):
        start_audit(by=world.admin, project=world.project, dataset=dataset)


def make_frozen_dataset(world: World):
    make_example(world.project, status="approved")
    return make_frozen(world.project, world.admin)


def test_a_lexicon_is_copied_when_it_is_changed_and_the_next_audit_uses_it(world: World):
    biased(world.project)
    kept = audited(world)
    change_lexicon(by=world.reviewer, project=world.project, characteristic="gender", groups=CARS, revision=0)
    with pytest.raises(Conflict):
        change_lexicon(
            by=world.admin, project=world.project, characteristic="gender", groups=CARS, revision=0
        )
    make_example(world.project, "The car is on the ship.", status="approved")
    audit = audited(world)
    assert not audit.findings.exists()
    assert word_counts(audit, "gender") == {"cars": {"car": 1}, "ships": {"ship": 1}}
    assert is_complete(kept) and finding_of(kept)
    other = lexicon_of(world.other, "gender")
    assert other and other.own is None
    reset_lexicon(by=world.admin, project=world.project, characteristic="gender")
    assert not BiasLexicon.objects.exists()
    with pytest.raises(Conflict):
        reset_lexicon(by=world.admin, project=world.project, characteristic="gender")


@pytest.mark.parametrize(
    "groups",
    [
        [],
        [{"label": ""}],
        [{"label": "A"}, {"label": "a"}],
        [{"label": "A", "terms": {"": ["…"]}}],
        [{"label": "A", "terms": {"": ["x" * 81]}}],
        [{"label": "A", "names": {"": [f"n{n}" for n in range(2001)]}}],
        [{"label": "A", "target": 1.5}],
        [{"label": "A", "target": "many"}],
        [{"label": f"g{n}"} for n in range(31)],
    ],
    ids=["none", "unnamed", "twice", "no letter", "long", "many words", "over 1", "no number", "many groups"],
)
def test_a_wrong_lexicon_is_refused(world: World, groups: list):
    with pytest.raises(Invalid):
        change_lexicon(by=world.admin, project=world.project, characteristic="gender", groups=groups)
    assert not BiasLexicon.objects.exists()


def test_a_share_far_from_its_target_is_a_finding(world: World):
    biased(world.project, fair=True)
    groups = [{"key": "women", "label": "Women", "target": 0.9, "names": {"": ["Emily", "Charlotte", "Hannah", "Laura"]}},
              {"key": "men", "label": "Men", "names": {"": ["James", "Oliver", "George", "Edward"]}}]  # fmt: skip
    change_lexicon(by=world.admin, project=world.project, characteristic="gender", groups=groups)
    (finding,) = audited(world).findings.all()
    assert (
        finding.outcome == "share"
        and "50% of the rows that name a group of “Gender”; the target is 90%" in finding.says
    )
