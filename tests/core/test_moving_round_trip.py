"""A project that moves is the same afterwards: every field, every reference, every hash."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import IntegrityError, connection, models, transaction
from django.urls import reverse
from django.utils import timezone

from annotation.models import Example
from core.models import ApiKey, AuditEntry, Membership, Project, Run, User
from core.moving.parts import Part, part_of, parts
from core.moving.writing import Contents
from core.storage import storage
from dataset.models import BiasAudit, DatasetVersion, Judgement, WithdrawalDecision
from dataset.queries.audits import is_complete
from dataset.rows import iter_rows
from evaluation.models import Comparison
from inference.models import Answer, Route
from tests.support.factories import World, join, make_user
from tests.support.moving import archive_of, bring, change_rows, rewritten, rich
from training.chain import datasets_behind
from training.models import BaseModel, CorrectionSplit, Interpolation, ModelVersion, ReplayedRow, TrainingRun
from training.replayed import replayed_rows_of

pytestmark = pytest.mark.django_db

# What is not as it was, beside numbers, and why: see the parts.
CHANGED = {
    "core.Project": {"slug"},
    "core.AuditEntry": {"imported", "object_id", "object_label", "actor_id", "detail"},
    "core.Artifact": {"sha256", "key", "manifest", "created_at"},
    "training.ModelVersion": {"status", "ready_at", "served_name"},
    "inference.Answer": {"public_id", "status"},
    "evaluation.Comparison": {"public_id"},
    "annotation.Example": {"origin_detail"},
    "core.Run": {"params"},
    "datasets.WithdrawalDecision": {"use"},
    "datasets.Judgement": {"key"},
    "datasets.AuditFinding": {"examples"},
}


def raw(part: Part, project: Project) -> list[dict[str, Any]]:
    """The rows as the database has them, in the order of their keys."""
    sql, params = Contents(project).rows(part).values_list(*part.columns).query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT row_to_json(r)::text FROM ({sql}) AS r", params)
        return [json.loads(line) for (line,) in cursor.fetchall()]


def compared(project: Project, moved: Project) -> int:
    """Compares every row of every part; gives the number of rows."""
    mine = [part for part in parts() if part.label != "core.Artifact"]
    rows = {part.label: (raw(part, project), raw(part, moved)) for part in mine}
    ids: dict[str, dict[int, int]] = {}
    for label, (old, new) in rows.items():
        if label == "core.AuditEntry":
            new = rows[label][1][: len(old)]  # then those of the import itself
            rows[label] = (old, new)
        assert len(old) == len(new), label
        ids[label] = {one["id"]: other["id"] for one, other in zip(old, new, strict=True)}
    seen = 0
    for part in mine:
        for old, new in zip(*rows[part.label], strict=True):
            expected = part.settled(dict(old))
            expected["id"] = new["id"]
            for column, label in part.targets.items():
                if expected[column] is not None and label in ids:
                    expected[column] = ids[label][expected[column]]
            left = CHANGED.get(part.label, set()) | {
                column for column, label in part.targets.items() if label == "core.Artifact"
            }
            assert {key: value for key, value in expected.items() if key not in left} == {
                key: value for key, value in new.items() if key not in left
            }
            seen += 1
    return seen


def test_every_row_comes_back_as_it_was(world: World, tmp_path: Path):
    project = rich(world)
    manifest = archive_of(project, tmp_path / "a.zip", by=world.admin)
    assert [part.part for part in manifest.rows if not part.rows] == []
    result = bring(tmp_path / "a.zip", "moved")
    assert (result.project.slug, result.rows) == ("moved", manifest.total_rows)
    assert compared(project, result.project) > 300
    again = archive_of(result.project, tmp_path / "b.zip")
    assert {part.part: part.rows for part in again.rows if part.part != "core.AuditEntry"} == {
        part.part: part.rows for part in manifest.rows if part.part != "core.AuditEntry"
    }


def sample(field: Any) -> Any:  # noqa: PLR0911 - one line for each type of field
    """A value that is not the default and that the column takes."""
    if field.choices:
        return next(value for value, _ in field.flatchoices if value not in ("", field.get_default()))
    if type(field) is models.DateField:
        return timezone.now().date()
    if isinstance(field, models.DateTimeField):
        return timezone.now()
    if isinstance(field, models.UUIDField):
        return "0c8d5a4e-7c33-4b5e-9a35-6f1f0c2f8a11"
    if isinstance(field, models.BooleanField):
        return not field.get_default()
    if field.column == "context":
        return ["a record"]
    if isinstance(field, models.JSONField):
        return [{"a": 0.1}] if field.default is list else {"ä": [1, 2.5, None, True]}
    if isinstance(field, ArrayField):
        return [sample(field.base_field)]
    if isinstance(field, models.BinaryField):
        return b"\x00\xff"
    if isinstance(field, models.FloatField):
        return 1 / 3
    if isinstance(field, models.IntegerField):
        return 7
    return "“ä”\\"


def filled(project: Project) -> list[str]:
    """Gives each column that is empty in every row a value in one row; returns those for which the database refuses it."""
    refused = []
    for part in parts():
        rows = Contents(project).rows(part)
        empty = {
            str(f.column): f
            for f in part.fields
            if f.column not in part.reset
            and all(row[str(f.column)] in (None, "", [], {}) for row in raw(part, project))
        }
        for column, field in empty.items():
            value = sample(field)
            if column in part.targets:
                target = part_of(part.targets[column])
                value = (
                    Contents(project).rows(target).first().pk
                    if target
                    else project.memberships.all()[0].user_id
                )
            try:
                with transaction.atomic():
                    part.model._default_manager.filter(pk=rows.first().pk).update(**{column: value})
            except IntegrityError:
                refused.append(f"{part.label}.{column}")
    return refused


def test_every_field_comes_back_also_those_that_are_seldom_set(world: World, tmp_path: Path):
    """It fills a field that somebody adds tomorrow, too."""
    project = rich(world)
    assert filled(project) == [], "give these a value in tests/support/moving.py"
    archive_of(project, tmp_path / "a.zip")
    compared(project, bring(tmp_path / "a.zip", "moved").project)


def test_datasets_have_the_same_rows_and_hash_and_name_the_new_examples(world: World, tmp_path: Path):
    project = rich(world)
    archive_of(project, tmp_path / "a.zip")
    moved = bring(tmp_path / "a.zip", "moved").project
    old, new = (DatasetVersion.objects.get(project=one, number=2) for one in (project, moved))
    assert (old.content_hash, old.counts, old.created_at) == (new.content_hash, new.counts, new.created_at)
    assert old.artifact_id != new.artifact_id
    assert new.same_as == DatasetVersion.objects.get(project=moved, number=1)
    for was, now in zip(iter_rows(old), iter_rows(new), strict=True):
        example = Example.objects.get(pk=now["example"])
        assert example.project == moved
        assert example.content_hash == Example.objects.get(pk=was["example"]).content_hash
        assert was | {"example": 0} == now | {"example": 0}
    assert new.artifact is not None and old.artifact is not None
    lines = (storage().local_path(one) / one.manifest[0]["path"] for one in (old.artifact, new.artifact))
    before, after = (path.read_text().split('"position"', 1)[1] for path in lines)
    assert before.split("\n")[0] == after.split("\n")[0]  # the same spelling, byte by byte


def test_a_bias_audit_and_its_decisions_keep_their_hashes(world: World, tmp_path: Path):
    archive_of(rich(world), tmp_path / "a.zip")
    moved = bring(tmp_path / "a.zip", "moved").project
    audit = BiasAudit.objects.get(project=moved)
    assert is_complete(audit)
    example = Example.objects.get(pk=audit.findings.get().examples[0])
    assert example.project == moved


def test_decisions_about_withdrawn_data_name_the_new_versions(world: World, tmp_path: Path):
    archive_of(rich(world), tmp_path / "a.zip")
    moved = bring(tmp_path / "a.zip", "moved").project
    uses = set(
        WithdrawalDecision.objects.filter(withdrawal__source__project=moved).values_list("use", flat=True)
    )
    dataset, version = (
        DatasetVersion.objects.get(project=moved, number=1),
        ModelVersion.objects.get(project=moved, number=1),
    )
    assert uses == {f"dataset:{dataset.pk}", f"model:{version.pk}"}
    run = Run.objects.get(project=moved, kind="withdraw")
    assert run.params == {"source": moved.sources.get(name="handbook").pk}


def test_judgements_name_the_new_comparisons_and_examples(world: World, tmp_path: Path):
    archive_of(rich(world), tmp_path / "a.zip")
    moved = bring(tmp_path / "a.zip", "moved").project
    rows = Judgement.objects.filter(row__dataset__project=moved)
    compared_rows = rows.filter(source="comparisons")
    (comparison,) = Comparison.objects.filter(campaign__project=moved, rating__choice="both_bad")
    assert set(compared_rows.values_list("key", flat=True)) == {f"comparison:{comparison.pk}"}
    examples = rows.filter(source="examples").select_related("row")
    assert examples
    assert [judgement.key for judgement in examples] == [f"example:{one.row.example_id}" for one in examples]


def test_weights_come_along_and_base_models_that_are_here_are_used(world: World, tmp_path: Path):
    project = rich(world)
    archive_of(project, tmp_path / "a.zip")
    moved = bring(tmp_path / "a.zip", "moved").project
    old, new = (ModelVersion.objects.get(project=one, number=1) for one in (project, moved))
    assert (new.artifact, new.base_model, BaseModel.objects.count()) == (old.artifact, old.base_model, 1)
    assert storage().verify(new.artifact) == []
    assert (new.status, new.ready_at) == ("registered", None)  # the engines here have not compared its tokens
    assert new.served_name != old.served_name and new.training_run is not None
    assert (new.training_run.checkpoint_step, new.training_run.loss_before) == (None, 3.07)
    assert not Route.objects.filter(project=moved).exists()


def test_chains_of_versions_replayed_rows_and_shares_name_what_came_along(world: World, tmp_path: Path):
    project = rich(world)
    archive_of(project, tmp_path / "a.zip")
    moved = bring(tmp_path / "a.zip", "moved").project
    versions = {one.number: one for one in ModelVersion.objects.filter(project=moved).exclude(number=0)}
    assert {number: one.parent for number, one in versions.items()} == {
        1: None, 2: versions[1], 3: versions[2], 4: versions[1],
    }  # fmt: skip
    runs = TrainingRun.objects.filter(project=moved, model_version__isnull=False)
    made = runs.values_list("model_version__number", "continued_from", "percent")
    assert {number: (before, percent) for number, before, percent in made} == {
        1: (None, None), 2: (versions[1].pk, None), 3: (versions[2].pk, None), 4: (versions[1].pk, 50),
    }  # fmt: skip
    datasets = {one.number: one for one in DatasetVersion.objects.filter(project=moved)}
    behind = datasets_behind([versions[3]])[versions[3].pk]
    assert {one.pk for one in behind} == {datasets[1].pk, datasets[2].pk}
    assert ReplayedRow.objects.filter(training_run__project=moved).count() == 4
    was, now = (
        replayed_rows_of(ModelVersion.objects.get(project=one, number=3).training_run)
        for one in (project, moved)
    )
    assert [row.dataset for row in now] == [datasets[1]] * 2
    assert [row.position for row in now] == [row.position for row in was]
    (shares,) = Interpolation.objects.filter(version__project=moved)
    (before,) = Interpolation.objects.filter(version__project=project)
    assert (shares.version, shares.run.params) == (versions[1], {"version": versions[1].pk})
    assert (shares.figures, shares.rows, shares.measured_at) == (
        before.figures,
        before.rows,
        before.measured_at,
    )
    decided = CorrectionSplit.objects.filter(project=moved).values_list("group", "held_out")
    assert dict(decided) == {"chat-1": True, "chat-2": False}


def test_addresses_and_public_numbers_are_those_of_the_new_project(world: World, tmp_path: Path):
    project = rich(world)
    archive_of(project, tmp_path / "a.zip")
    moved = bring(tmp_path / "a.zip", "moved").project
    for origin, find in (
        ("chat", lambda key: Answer.objects.get(public_id=key).project),
        ("rating", lambda key: Comparison.objects.get(public_id=key).campaign.project),
    ):
        url = Example.objects.filter(project=moved, origin=origin).earliest("pk").origin_detail["url"]
        assert url.startswith("/p/moved/")
        assert find(url.rstrip("/").rpartition("/")[2]) == moved
        first = Example.objects.filter(project=project, origin=origin).earliest("pk").origin_detail["url"]
        assert first.startswith(f"/p/{project.slug}/") and first[-38:] != url[-38:]


def test_public_numbers_stay_where_they_are_free(world: World, tmp_path: Path):
    project = rich(world)
    archive_of(project, tmp_path / "a.zip")
    kept = set(Comparison.objects.values_list("public_id", flat=True))
    names = set(ModelVersion.objects.values_list("served_name", flat=True))
    # Another installation, as nearly as one database can be: here the first project's names are others now.
    with connection.cursor() as cursor:
        cursor.execute("UPDATE evaluation_comparison SET public_id = gen_random_uuid()")
        cursor.execute("UPDATE training_modelversion SET served_name = 'x' || id")
    moved = bring(tmp_path / "a.zip", "moved").project
    assert set(Comparison.objects.filter(campaign__project=moved).values_list("public_id", flat=True)) == kept
    assert set(ModelVersion.objects.filter(project=moved).values_list("served_name", flat=True)) == names


def test_the_audit_comes_along_as_history(world: World, tmp_path: Path):
    project = rich(world)
    archive_of(project, tmp_path / "a.zip")
    moved = bring(tmp_path / "a.zip", "moved", world.operator).project
    old = AuditEntry.objects.filter(project_id=project.pk).order_by("pk")
    new = AuditEntry.objects.filter(project_id=moved.pk, imported=True).order_by("pk")
    assert old.count() == new.count() > 4 and not old.filter(imported=True).exists()
    for was, now in zip(old, new, strict=True):
        assert (was.at, was.actor, was.action) == (now.at, now.actor, now.action)
    reviewed = new.filter(action="example.approved").latest("pk")
    example = Example.objects.get(pk=reviewed.object_id)
    assert example.project == moved and reviewed.object_label == f"#{example.pk}"
    assert reviewed.actor_id == world.reviewer.pk
    live = new.filter(action="release.made_live").latest("pk")
    assert live.detail["release"] == moved.releases.latest("pk").pk
    corrected = new.get(action="answer.corrected")
    assert Example.objects.get(pk=corrected.detail["example"]).project == moved
    own = AuditEntry.objects.filter(project_id=moved.pk, imported=False)
    assert {entry.action for entry in own} == {"project.imported", "member.added"}
    assert not ApiKey.objects.filter(project=moved).exists()
    assert new.get(action="api_key.created").object_id == ""


def test_jobs_that_had_not_ended_are_cancelled_there(world: World, tmp_path: Path):
    from dataset.services.versions import start_freeze

    project = rich(world)
    freezing = start_freeze(by=world.admin, project=project)
    Run.objects.filter(pk=freezing.run_id).update(status="running")
    archive_of(project, tmp_path / "a.zip")
    moved = bring(tmp_path / "a.zip", "moved").project
    new = DatasetVersion.objects.get(project=moved, number=freezing.number)
    assert new.run is not None
    assert (new.status, new.run.status, new.run.claim) == ("failed", "cancelled", None)
    assert not Run.objects.filter(project=moved, status__in=Run.ACTIVE).exists()
    freezing.refresh_from_db()
    assert freezing.status == "freezing"
    assert Answer.objects.filter(project=moved, status="streaming").count() == 0


# --- people --------------------------------------------------------------------------------------------------


def test_people_are_found_by_address_and_new_ones_cannot_sign_in(world: World, tmp_path: Path, client: Any):
    leaver = make_user("Leaver Vánoční", email="leaver@example.org", is_operator=True, is_active=False)
    join(world.project, leaver, "rater", "viewer")
    project = rich(world)
    archive_of(project, tmp_path / "a.zip")
    # In the other installation this address is unknown, and the reviewer has another name and is an operator.
    User.objects.filter(pk=leaver.pk).update(email="other@example.org")
    User.objects.filter(pk=world.reviewer.pk).update(name="Known Here", is_operator=True)
    result = bring(tmp_path / "a.zip", "moved")
    (new,) = result.created
    assert (new.email, new.name, new.is_active, new.is_operator) == (leaver.email, leaver.name, False, False)
    new.refresh_from_db()
    assert not new.has_usable_password() and new.created_at == leaver.created_at
    assert Membership.objects.get(project=result.project, user=new).roles == ["rater", "viewer"]
    world.reviewer.refresh_from_db()
    assert (world.reviewer.name, world.reviewer.is_operator) == ("Known Here", True)
    assert world.reviewer.check_password("correct horse battery")
    people = Membership.objects.filter(project=result.project).values_list("user__email", flat=True)
    assert sorted(people) == sorted(
        m.user.email.replace("other@example.org", leaver.email) for m in project.memberships.all()
    )
    assert result.known == len(people) - 1
    User.objects.filter(pk=new.pk).update(is_active=True)
    for password in ("", "!", new.password):
        client.post(reverse("core:sign-in"), {"username": new.email, "password": password})
        assert client.get(reverse("core:me")).status_code == 302


def test_who_imports_becomes_an_admin(world: World, tmp_path: Path):
    archive_of(world.project, tmp_path / "a.zip")
    one = bring(tmp_path / "a.zip", "one", world.operator).project
    assert Membership.objects.get(project=one, user=world.operator).roles == ["admin"]
    assert not world.project.memberships.filter(user=world.operator).exists()
    join(world.project, world.operator, "partner")
    archive_of(world.project, tmp_path / "c.zip")
    three = bring(tmp_path / "c.zip", "three", world.operator).project
    assert Membership.objects.get(project=three, user=world.operator).roles == ["admin"]
    world.project.memberships.filter(user=world.operator).update(roles=["viewer"])
    archive_of(world.project, tmp_path / "b.zip")
    two = bring(tmp_path / "b.zip", "two", world.operator).project
    assert Membership.objects.get(project=two, user=world.operator).roles == ["viewer", "admin"]


def test_an_archive_does_not_say_who_created_an_account_of_this_installation(world: World, tmp_path: Path):
    """Whoever created an account knows its first password, so its page names them."""
    from core.audit.actions import CoreAction
    from core.audit.entries import record
    from core.queries import maker_of

    record(by=world.admin, project=world.project, action=CoreAction.PERSON_CREATED, obj=world.rater)
    archive_of(world.project, tmp_path / "a.zip")
    newcomer = make_user("Newcomer")
    first = rewritten(
        tmp_path / "a.zip",
        change_rows(
            "core.User",
            lambda rows: [row.update(email=newcomer.email) for row in rows if row["id"] == world.rater.pk],
        ),
    )
    bring(first, "moved")
    assert AuditEntry.objects.filter(
        object_type="core.user", object_id=str(newcomer.pk), imported=True
    ).exists()
    assert maker_of(newcomer) is None


# --- without weights -------------------------------------------------------------------------------------------


def elsewhere(project: Project) -> None:
    """As in an installation that has none of the project's weights."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE core_artifact SET sha256 = md5(sha256) || md5(sha256), key = 'other/' || id WHERE kind = 'model'"
        )
        cursor.execute("UPDATE training_basemodel SET name = 'x' || id")


def test_without_weights_the_hashes_come_along_and_the_files_are_missing(world: World, tmp_path: Path):
    project = rich(world)
    manifest = archive_of(project, tmp_path / "a.zip", with_weights=False)
    assert {file.file.split("/")[1] for file in manifest.files} == {"dataset", "upload"}
    assert manifest.left_out[0]["what"] == "Files of models"
    old = ModelVersion.objects.get(project=project, number=1)
    was = old.artifact.sha256
    shutil.rmtree(settings.ARTIFACT_DIR / "model")
    elsewhere(project)
    result = bring(tmp_path / "a.zip", "moved", world.operator)
    new = ModelVersion.objects.get(project=result.project, number=1)
    assert new.artifact.sha256 == was and result.missing == 2
    assert storage().verify(new.artifact) == new.files_report["wrong"] != []
    base = new.base_model
    assert (base.status, base.artifact, base.pk) == ("failed", None, base.pk) and base != old.base_model
    assert base.run is not None and base.run.status == "failed" and base.run.project == result.project
    from training.services.base_models import prepare_again

    assert prepare_again(by=world.operator, base_model=base).status == "preparing"


def test_without_weights_those_that_are_here_are_used(world: World, tmp_path: Path):
    project = rich(world)
    archive_of(project, tmp_path / "a.zip", with_weights=False)
    result = bring(tmp_path / "a.zip", "moved")
    new = ModelVersion.objects.get(project=result.project, number=1)
    assert (result.missing, new.files_report, BaseModel.objects.count()) == (0, {}, 1)
