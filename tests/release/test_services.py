"""Making live and going back: one change, signed, on record; and what must not happen."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.core.cache import cache
from django.db import connection

from core.audit.sentences import sentence
from core.errors import Conflict, ExpectedError, Invalid, Refused
from core.models import Artifact, AuditEntry, Role
from evaluation import services as evaluation
from inference.models import Deployment, Engine, Route
from inference.queries import WayBack, live_version, way_back, ways_back
from release import queries, services
from release.lineage import who_decided
from release.models import Release
from tests.release.conftest import make_versions
from tests.support.factories import join, make_campaign, make_user, make_world, rate_all
from training.models import ModelVersion

pytestmark = pytest.mark.django_db


def _live(world, version, replaces=None, **values):
    values = {"sign_off": True, "note": "First one."} | values
    return services.make_live(by=world.admin, version=version, replaces=replaces, **values)


def _back(world, away_from, reason="Answers were wrong."):
    return services.roll_back(by=world.admin, project=world.project, away_from=away_from, reason=reason)


def _target(world):
    """What a rollback goes back to, as every part reads it: pages and API of release, the engines, the Serve page."""
    target = queries.standing(world.project).previous
    assert way_back(world.project).target == target
    assert ways_back(Route.objects.all()).get(world.project.pk, WayBack()).target == target
    return target


def test_a_release_moves_the_pointer_and_keeps_the_gate(world, versions):
    release = _live(world, versions.v1)
    assert live_version(world.project) == versions.v1
    assert release.signed_off_by == world.admin and release.replaced is None
    assert {check["name"] for check in release.gate} >= {"token_parity", "human_preference", "served"}
    entry = AuditEntry.objects.get(action="release.made_live")
    assert entry.detail["result"] == "hold"
    assert entry.detail["gate"] == "6 of 8 passed, 2 on hold" and entry.detail["note"] == "First one."
    assert "human_preference" in entry.detail["overridden"]


def test_without_sign_off_or_a_needed_note_nothing_happens(world, versions):
    for values, field in (
        ({"sign_off": False}, "sign_off"),
        ({"note": "  "}, "note"),
        ({"note": "x" * 3000}, "note"),
    ):
        with pytest.raises(Invalid) as caught:
            _live(world, versions.v1, **values)
        assert field in caught.value.fields
    assert not Route.objects.exists() and not Release.objects.exists()


def _pass_gate(world, version, against):
    campaign = make_campaign(
        world.project, world.admin, prompts=12, ratings_per_prompt=4, versions=(against, version)
    )
    for _ in range(4):
        rater = make_user()
        join(world.project, rater, Role.RATER)
        rate_all(campaign, rater, ["candidate"] * 11 + ["tie"])
    evaluation.close_campaign(by=world.admin, campaign=campaign)


def test_a_passing_gate_needs_no_note(world, versions):
    _pass_gate(world, versions.v1, versions.base)
    assert queries.candidate(versions.v1).gate.result == "pass"
    release = _live(world, versions.v1, note="")
    assert {check["result"] for check in release.gate} == {"pass"}


def test_the_live_version_is_the_one_to_beat(world, versions):
    _pass_gate(world, versions.v2, versions.base)
    assert queries.candidate(versions.v2).gate.result == "pass"
    _live(world, versions.v1)
    fresh = queries.candidate(versions.v2).gate
    human = next(check for check in fresh.checks if check.name == "human_preference")
    assert human.result == "hold" and f"compared with {versions.v1}" in human.says


def test_a_win_rate_is_read_from_the_versions_own_side(world, versions):
    """The version under the gate was the campaign's baseline, and lost."""
    _pass_gate(world, versions.v2, versions.v1)
    _live(world, versions.v2)
    human = next(c for c in queries.candidate(versions.v1).gate.checks if c.name == "human_preference")
    assert human.result == "fail"


def test_another_projects_version_or_one_not_ready_or_not_served_stays_out(world, versions):
    ModelVersion.objects.filter(pk=versions.v1.pk).update(status=ModelVersion.Status.REJECTED)
    with pytest.raises(Refused, match="not ready"):
        _live(world, versions.v1)
    Engine.objects.update(status=Engine.Status.DOWN)
    with pytest.raises(Refused, match="cannot answer now"):
        _live(world, versions.v2)
    assert not Route.objects.exists() and not Release.objects.exists()


def test_a_stale_page_is_a_conflict(world, versions):
    _live(world, versions.v1)
    with pytest.raises(Conflict, match="went live meanwhile"):
        _live(world, versions.v2, replaces=None)
    with pytest.raises(Conflict):
        _live(world, versions.v2, replaces=versions.v3)
    with pytest.raises(Conflict, match="live already"):
        _live(world, versions.v1, replaces=versions.v1)
    assert live_version(world.project) == versions.v1 and Release.objects.count() == 1


def test_going_back_goes_to_the_one_before_each_time(world, versions):
    _live(world, versions.v1)
    _live(world, versions.v2, versions.v1)
    _live(world, versions.v3, versions.v2)
    assert _back(world, versions.v3).version == versions.v2
    assert _back(world, versions.v2).version == versions.v1
    with pytest.raises(Refused, match=f"{versions.v1} was the first live version"):
        _back(world, versions.v1)
    assert live_version(world.project) == versions.v1
    assert (
        list(Release.objects.order_by("pk").values_list("action", flat=True))
        == ["live"] * 3 + ["rollback"] * 2
    )


def test_going_back_needs_no_passing_gate_and_is_on_record(world, versions):
    _live(world, versions.v1)
    _live(world, versions.v2, versions.v1)
    release = _back(world, versions.v2)
    assert any(check["result"] == "hold" for check in release.gate)
    assert (release.replaced, release.signed_off_by) == (versions.v2, world.admin)
    assert (release.note, str(release)) == (
        "Answers were wrong.",
        f"Rolled back from {versions.v2} to {versions.v1}",
    )
    entry = AuditEntry.objects.get(action="release.rolled_back")
    assert (entry.detail["reason"], entry.detail["replaced"]) == ("Answers were wrong.", str(versions.v2))
    assert sentence(entry) == f"Admin Member rolled back from {versions.v2} to {versions.v1}"


def test_going_back_needs_a_reason(world, versions):
    _live(world, versions.v1)
    _live(world, versions.v2, versions.v1)
    for reason in ("", "  \n", "x" * 2001):
        with pytest.raises(Invalid) as caught:
            _back(world, versions.v2, reason)
        assert list(caught.value.fields) == ["reason"]
    assert live_version(world.project) == versions.v2 and Release.objects.count() == 2


def test_one_answer_everywhere_to_what_a_rollback_goes_back_to(world, versions):
    assert _target(world) is None
    _live(world, versions.v1)
    assert _target(world) is None
    _live(world, versions.v2, versions.v1)
    _live(world, versions.v3, versions.v2)
    assert _target(world) == versions.v2
    _back(world, versions.v3)
    assert _target(world) == versions.v1
    _live(world, versions.v3, versions.v2)
    assert _target(world) == versions.v2
    _back(world, versions.v3)
    _back(world, versions.v2)
    assert _target(world) is None


def test_nothing_was_live_before_is_said_only_when_it_is_true(world, versions):
    assert queries.standing(world.project).no_way_back == ""
    _live(world, versions.v1)
    assert queries.standing(world.project).no_way_back.startswith(f"Nothing was live before {versions.v1}")
    _live(world, versions.v2, versions.v1)
    assert queries.standing(world.project).no_way_back == ""
    _back(world, versions.v2)
    words = queries.standing(world.project).no_way_back
    assert (
        words.startswith(f"{versions.v1} was the first live version")
        and f"You can release {versions.v2} again" in words
    )


def test_a_rollback_passes_over_a_version_that_was_rejected(world, versions):
    _live(world, versions.v1)
    _live(world, versions.v2, versions.v1)
    _live(world, versions.v3, versions.v2)
    ModelVersion.objects.filter(pk=versions.v2.pk).update(status=ModelVersion.Status.REJECTED)
    standing = queries.standing(world.project)
    assert (standing.previous, standing.passed_over) == (versions.v1, [versions.v2])
    assert standing.passed_over_words == f"{versions.v2} was live before and was rejected since."
    assert _target(world) == versions.v1
    assert _back(world, versions.v3).version == versions.v1
    assert _target(world) is None


def test_nothing_to_go_back_to_when_all_before_was_rejected(world, versions):
    _live(world, versions.v1)
    _live(world, versions.v2, versions.v1)
    ModelVersion.objects.filter(pk=versions.v1.pk).update(status=ModelVersion.Status.REJECTED)
    with pytest.raises(Refused, match=f"{versions.v1} was live before and was rejected since"):
        _back(world, versions.v2)
    assert live_version(world.project) == versions.v2 and Release.objects.count() == 2


def test_a_rejected_live_version_can_be_replaced(world, versions):
    _live(world, versions.v1)
    ModelVersion.objects.filter(pk=versions.v1.pk).update(status=ModelVersion.Status.REJECTED)
    Deployment.objects.filter(version=versions.v1).update(wanted=Deployment.Wanted.UNLOADED)
    rejected = live_version(world.project)
    _live(world, versions.v2, rejected)
    assert live_version(world.project) == versions.v2
    assert Deployment.objects.get(version=versions.v1).wanted == Deployment.Wanted.UNLOADED


def test_after_a_roll_back_a_new_release_can_be_rolled_back_too(world, versions):
    _live(world, versions.v1)
    _live(world, versions.v2, versions.v1)
    _back(world, versions.v2)
    _live(world, versions.v3, versions.v1)
    assert _target(world) == versions.v1


def test_no_way_back_to_what_nothing_serves(world, versions):
    _live(world, versions.v1)
    _live(world, versions.v2, versions.v1)
    Deployment.objects.filter(version=versions.v1).update(
        wanted=Deployment.Wanted.UNLOADED, status=Deployment.Status.UNLOADED
    )
    with pytest.raises(Refused, match="cannot answer now"):
        _back(world, versions.v2)
    assert live_version(world.project) == versions.v2 and Release.objects.count() == 2


def test_what_was_live_stays_wanted(world, versions):
    _live(world, versions.v1)
    _live(world, versions.v2, versions.v1)
    assert Deployment.objects.get(version=versions.v1).wanted == Deployment.Wanted.LOADED


def _files(candidate):
    return next(check for check in candidate.gate.checks if check.name == "files_intact")


def test_changed_files_fail_at_sign_off_even_when_the_page_said_otherwise(world, versions):
    from core.storage import storage

    assert _files(queries.candidate(versions.v1)).result == "pass"
    path = storage().local_path(versions.v1.artifact) / "model.safetensors"
    path.chmod(0o644)
    path.write_bytes(b"other weights")
    remembered = _files(queries.candidate(versions.v1))
    assert remembered.result == "pass"
    release = _live(world, versions.v1)
    found = next(check for check in release.gate if check["name"] == "files_intact")
    assert found["result"] == "fail" and "model.safetensors" in found["says"]


def test_large_files_wait_for_a_run_that_checks_them(world, versions):
    Artifact.objects.filter(pk=versions.v1.artifact_id).update(size_bytes=100_000_000)
    listed = next(
        c for c in queries.candidates(world.project, live_version(world.project)) if c.version == versions.v1
    )
    assert _files(listed).result == "hold"
    assert (
        _files(queries.candidate(queries.version_of(world.project).get(pk=versions.v1.pk))).result == "pass"
    )
    again = next(
        c for c in queries.candidates(world.project, live_version(world.project)) if c.version == versions.v1
    )
    assert _files(again).result == "pass"  # remembered from the gate page
    cache.clear()
    Artifact.objects.filter(pk=versions.v1.artifact_id).update(size_bytes=20_000_000_000)
    ModelVersion.objects.filter(pk=versions.v2.pk).update(
        files_report={"at": "2026-11-23T10:00:00Z", "wrong": ["model.safetensors"]}
    )
    found = [
        _files(queries.candidate(queries.version_of(world.project).get(pk=version.pk)))
        for version in (versions.v1, versions.v2)
    ]
    assert [check.result for check in found] == ["hold", "fail"]


def test_a_failing_write_leaves_nothing(world, versions, monkeypatch):
    def refuse(**kwargs):
        raise RuntimeError("no")

    monkeypatch.setattr("release.services.record", refuse)
    audits = AuditEntry.objects.count()
    with pytest.raises(RuntimeError):
        _live(world, versions.v1)
    assert not Route.objects.exists() and not Release.objects.exists()
    assert AuditEntry.objects.count() == audits


def test_who_decided_walks_back_to_people(world, versions):
    _live(world, versions.v1)
    kinds = [step.kind for step in who_decided(queries.version_of(world.project).get(pk=versions.v1.pk))]
    assert kinds == [
        "Released",
        "Model version",
        "Training run",
        "Dataset version",
        "People",
        "Base model",
    ]


def test_who_decided_tells_of_a_version_that_was_taken_back(world, versions):
    _live(world, versions.v1)
    _live(world, versions.v2, versions.v1)
    _back(world, versions.v2)
    for version in (versions.v1, versions.v2):
        first = who_decided(queries.version_of(world.project).get(pk=version.pk))[0]
        assert (first.kind, first.label) == (
            "Rolled back",
            f"Rolled back from {versions.v2} to {versions.v1} by Admin Member",
        )
        assert first.detail.endswith("UTC: Answers were wrong.")


# --- races -------------------------------------------------------------------------------------------------
def _at_once(*jobs):
    barrier = Barrier(len(jobs))

    def work(job):
        try:
            barrier.wait()
            return job()
        except ExpectedError as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(work, jobs))


@pytest.mark.django_db(transaction=True)
def test_of_two_admins_one_wins():
    world = make_world()
    versions = make_versions(world)
    found = _at_once(
        lambda: _live(world, versions.v1),
        lambda: _live(world, versions.v2),
        lambda: _live(world, versions.v3),
    )
    won = [one for one in found if isinstance(one, Release)]
    assert len(won) == 1 and sum(isinstance(one, Conflict) for one in found) == 2
    assert live_version(world.project) == won[0].version and Release.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_roll_backs_at_once_go_back_one_step():
    world = make_world()
    versions = make_versions(world)
    _live(world, versions.v1)
    _live(world, versions.v2, versions.v1)
    _live(world, versions.v3, versions.v2)
    found = _at_once(*[lambda: _back(world, versions.v3)] * 3)
    assert sum(isinstance(one, Release) for one in found) == 1
    assert live_version(world.project) == versions.v2


@pytest.mark.django_db(transaction=True)
def test_a_release_and_a_roll_back_at_once_leave_one_of_them():
    world = make_world()
    versions = make_versions(world)
    _live(world, versions.v1)
    _live(world, versions.v2, versions.v1)
    found = _at_once(lambda: _back(world, versions.v2), lambda: _live(world, versions.v3, versions.v2))
    assert sum(isinstance(one, Release) for one in found) == 1
    assert sum(isinstance(one, Conflict) for one in found) == 1
    assert live_version(world.project) == Release.objects.order_by("-pk").first().version
