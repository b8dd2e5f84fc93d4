"""Every kind of background job can be started again after a failure and after a cancel, and its page says how."""

import uuid
from unittest.mock import patch

import pytest
from django.urls import reverse

from core.errors import Conflict, Refused
from core.models import Run
from core.runs import kinds
from core.runs.control import launch_run, request_cancel, start_again
from core.runs.execution import end_unstarted
from tests.support.factories import (
    make_base_model,
    make_campaign,
    make_dataset,
    make_example,
    make_learning_curve,
    make_training,
    make_version,
)
from training.models import BaseModel, LossMeasurement, TokenCount

pytestmark = pytest.mark.django_db


def _import(world, tmp_path):
    from dataset.services.imports import start_import

    file = tmp_path / "pairs.jsonl"
    file.write_text('{"prompt": "Where?", "completion": "At sea."}\n')
    batch = start_import(by=world.admin, project=world.project, path=file, file_name=file.name)
    return batch.run, "Import of pairs.jsonl"


def _import_check(world, tmp_path):
    from dataset.services.imports import start_import

    file = tmp_path / "pairs.jsonl"
    file.write_text('{"prompt": "Where?", "completion": "At sea."}\n')
    checked = start_import(by=world.admin, project=world.project, path=file, file_name=file.name, check=True)
    return checked.run, "Import of pairs.jsonl"


def _freeze(world, tmp_path):
    from dataset.services.versions import start_freeze

    make_example(world.project, status="approved", completion="At sea.")
    dataset = start_freeze(by=world.admin, project=world.project)
    return dataset.run, str(dataset)


def _freeze_preferences(world, tmp_path):
    from dataset.preferences import Choice, Take
    from dataset.services.preferences import start_preference_freeze

    make_example(world.project, status="approved", completion="At sea.", rejected="No idea.")
    choice = Choice(take=(Take.EXAMPLES,))
    dataset = start_preference_freeze(by=world.admin, project=world.project, choice=choice)
    return dataset.run, str(dataset)


def _dataset_report(world, tmp_path):
    from dataset.services.reports import start_report

    dataset = make_dataset(world.project)
    return start_report(by=world.admin, dataset=dataset).run, str(dataset)


def _find_duplicates(world, tmp_path):
    from dataset.services.duplicate_searches import start_search

    return start_search(by=world.admin, project=world.project).run, "Duplicates"


def _bias_audit(world, tmp_path):
    from dataset.services.audits import start_audit

    audit = start_audit(by=world.admin, project=world.project, dataset=make_dataset(world.project))
    return audit.run, str(audit)


def _relabel(world, tmp_path):
    from annotation.models import Category
    from annotation.services.categories import merge_categories

    one, other = Category.objects.filter(project=world.project, kind="edge")[:2]
    make_example(world.project, edge=one.key)
    with patch("annotation.services.categories.AT_ONCE", 0):
        merge_categories(by=world.admin, category=one, into=other)
    return Run.objects.get(kind="relabel_examples"), f"Kind of edge case {one.name}"


def _map(world, tmp_path):
    from annotation.services.mapping import start_map

    return start_map(by=world.admin, project=world.project).run, "Map of the examples"


def _training(world, tmp_path):
    training = make_training(world.project, world.admin)
    return training.run, str(training)


def _base_model(world, tmp_path):
    run = launch_run(by=world.operator, project=world.project, kind="base_model", title="Prepare it")
    base = make_base_model(run=run, status=BaseModel.Status.PREPARING)
    return run, str(base)


def _token_count(world, tmp_path):
    dataset, base = make_dataset(world.project), make_base_model()
    params = {"dataset": dataset.pk, "base_model": base.pk}
    run = launch_run(by=world.admin, project=world.project, kind="token_count", title="Count", params=params)
    TokenCount.objects.create(dataset=dataset, base_model=base, run=run)
    return run, str(dataset)


def _files_check(world, tmp_path):
    version = make_version(world.project)
    run = launch_run(
        by=world.admin,
        project=world.project,
        kind="files_check",
        title="Check",
        params={"version": version.pk},
    )
    version.files_check = run
    version.save()
    return run, f"Model version {version}"


def _test_loss(world, tmp_path):
    base = make_base_model()
    one, other = (
        make_version(world.project, base_model=base),
        make_version(world.project, world.admin, base_model=base),
    )
    params = {"version": one.pk}
    run = launch_run(by=world.admin, project=world.project, kind="test_loss", title="Measure", params=params)
    LossMeasurement.objects.create(version=one, against=other, run=run)
    return run, f"Model version {one}"


def _asking(world, tmp_path):
    from training.services.knowledge import start_asking

    make_example(world.project, completion="It costs EUR 4,380.")
    run = start_asking(by=world.admin, project=world.project, base_model=make_base_model())
    return run, "Unknown facts"


def _learning_curve(world, tmp_path):
    curve = make_learning_curve(world.project, world.admin, {}, status=Run.Status.QUEUED)
    return curve.run, str(curve)


def _interpolation(world, tmp_path):
    from training.services.interpolation import measure_interpolation

    version = make_version(world.project, world.admin)
    return measure_interpolation(by=world.admin, version=version).run, f"Model version {version}"


def _interpolated_version(world, tmp_path):
    from training.models import Interpolation
    from training.services.interpolation import measure_interpolation, store_share

    version = make_version(world.project, world.admin)
    measure_interpolation(by=world.admin, version=version)
    Interpolation.objects.update(figures=[{"percent": 50, "held_out": 1.0, "tasks": {"facts": 1.0}}])
    made = store_share(by=world.admin, version=version, percent=50)
    return made.run, str(made)


def _forgetting(world, tmp_path):
    from training.services.forgetting import measure_forgetting

    version = make_version(world.project, world.admin)
    return measure_forgetting(by=world.admin, version=version).run, f"Model version {version}"


def _personal_adapter(world, tmp_path):
    from tests.support.corrections import correct_answers
    from training.services.personal import launch_adapter

    version = make_version(world.project, status="ready")
    correct_answers(world.project, world.admin, 24)
    adapter = launch_adapter(
        by=world.admin, project=world.project, owner=world.admin, shared=version, of_live=False, most_rank=64
    )
    return adapter.run, f"Personal adapter {adapter.number}"


def _adapter_deletion(world, tmp_path):
    from training.services.adapter_deletion import request_deletion

    _personal_adapter(world, tmp_path)
    receipt = request_deletion(by=world.admin, project=world.project, owner=world.admin)
    return receipt.run, f"Deletion receipt {receipt.pk}"


def _campaign(world, tmp_path):
    from evaluation.services.campaigns import launch_answers

    campaign = make_campaign(world.project, world.admin)
    type(campaign).objects.filter(pk=campaign.pk).update(status="preparing")
    launch_answers(world.admin, campaign, "Answers")
    return campaign.run, f"Campaign {campaign.name}"


def _withdrawal(world):
    from dataset.services.sources import create_source
    from dataset.services.withdrawals import withdraw

    source = create_source(by=world.admin, project=world.project, name="Desk 2024")
    return withdraw(by=world.admin, source=source, reason="Asked to.")


def _withdraw_source(world, tmp_path):
    return _withdrawal(world).run, "Withdrawal of Desk 2024"


def _restore_source(world, tmp_path):
    from dataset.services.withdrawals import restore

    withdrawal = _withdrawal(world)
    Run.objects.filter(pk=withdrawal.run_id).update(status="succeeded")
    restored = restore(by=world.admin, source=withdrawal.source, reason="A mistake.")
    return restored.restore_run, "Withdrawal of Desk 2024"


def _relicense_source(world, tmp_path):
    from dataset.services.sources import create_source

    source = create_source(by=world.admin, project=world.project, name="Desk 2024")
    params = {"source": source.pk, "old": ""}
    run = launch_run(
        by=world.admin, project=world.project, kind="relicense_source", title="License", params=params
    )
    return run, "Source Desk 2024"


def _project_archive(world, tmp_path):
    from core.moving.services import start_archive

    return start_archive(by=world.admin, project=world.project, with_weights=False).run, "Move this project"


def _check_project(world, tmp_path):
    from annotation.services.quality import start_check

    make_example(world.project)
    return start_check(by=world.admin, project=world.project), "Findings"


def _settle_findings(world, tmp_path):
    params = {"do": "dismiss", "criteria": {}, "reason": "As agreed.", "batch": str(uuid.uuid4())}
    run = launch_run(
        by=world.admin, project=world.project, kind="settle-findings", title="Dismiss findings", params=params
    )
    return run, "Findings"


MAKERS = {
    "check-project": _check_project,
    "settle-findings": _settle_findings,
    "relicense_source": _relicense_source,
    "withdraw_source": _withdraw_source,
    "restore_source": _restore_source,
    "project_archive": _project_archive,
    "import": _import,
    "import-check": _import_check,
    "freeze": _freeze,
    "freeze-preferences": _freeze_preferences,
    "dataset_report": _dataset_report,
    "find-duplicates": _find_duplicates,
    "bias-audit": _bias_audit,
    "relabel_examples": _relabel,
    "map_examples": _map,
    "training": _training,
    "base_model": _base_model,
    "token_count": _token_count,
    "files_check": _files_check,
    "test_loss": _test_loss,
    "ask_base_model": _asking,
    "learning_curve": _learning_curve,
    "forgetting": _forgetting,
    "personal_adapter": _personal_adapter,
    "adapter_deletion": _adapter_deletion,
    "interpolation": _interpolation,
    "interpolated_version": _interpolated_version,
    "campaign": _campaign,
}


def test_every_kind_is_tried_here():
    """The import of a project belongs to no project: tests/core/test_moving_pages.py starts it again."""
    assert set(MAKERS) == set(kinds._kinds) - {"project_import"}


@pytest.mark.parametrize("how", ["failed", "cancelled"])
@pytest.mark.parametrize("kind", MAKERS)
def test_it_can_be_started_again_and_its_page_says_so(
    world, as_user, sent, tmp_path, kind, how, django_capture_on_commit_callbacks
):
    run, subject = MAKERS[kind](world, tmp_path)
    if how == "cancelled":
        request_cancel(by=world.admin, run=run)
    else:
        end_unstarted(
            run, Run.Status.FAILED, error_code="x", error_message="It broke.", error_advice="Mend it."
        )
    run.refresh_from_db()
    assert run.status == how
    person = world.operator if kind == "base_model" else world.admin
    if kind == "base_model":
        project_admin = as_user(world.admin).get(reverse("core:run", args=[world.project.slug, run.pk]))
        assert "Only an operator can start it again" in project_admin.content.decode()
        with pytest.raises(Refused):
            start_again(by=world.admin, run=run)
        from tests.support.factories import join

        join(world.project, world.operator, "admin")
    client = as_user(person)
    page = client.get(reverse("core:run", args=[world.project.slug, run.pk])).content.decode()
    verb = "Try again" if how == "failed" else "Resume"
    assert f"Choose “{verb}” to start it again." in page
    assert subject in page
    resume = reverse("core:run-resume", args=[world.project.slug, run.pk])
    assert resume in page
    sent.clear()
    with django_capture_on_commit_callbacks(execute=True):
        assert client.post(resume).status_code == 302
    run.refresh_from_db()
    assert run.status == "queued"
    assert sent == [("core.tasks.execute_run", run.pk)]
    assert client.post(resume).status_code == 409
    # It can end badly again, and be started once more: its rows are back where they were.
    end_unstarted(run, Run.Status.FAILED, error_code="x", error_message="It broke.")
    run.refresh_from_db()
    start_again(by=person, run=run)


@pytest.mark.parametrize("kind", ["token_count", "files_check", "test_loss", "campaign", "map_examples"])
def test_a_run_that_a_later_one_followed_is_not_started_again(world, sent, tmp_path, kind):
    run, _ = MAKERS[kind](world, tmp_path)
    end_unstarted(run, Run.Status.FAILED, error_message="It broke.")
    later = launch_run(by=world.admin, project=world.project, kind=kind, title="Later", params=run.params)
    for name in ("token_count", "files_check_of", "loss_measurement", "campaign", "example_map"):
        owner = getattr(run, name, None)
        if owner is not None and hasattr(owner, "pk"):
            setattr(owner, "files_check" if name == "files_check_of" else "run", later)
            owner.save()
        elif owner is not None:
            owner.update(files_check=later)
    run = Run.objects.get(pk=run.pk)
    with pytest.raises(Conflict):
        start_again(by=world.admin, run=run)
    run.refresh_from_db()
    assert run.status == "failed"


def test_by_program_it_is_the_same(world, as_user, sent, tmp_path):
    run, _ = _training(world, tmp_path)
    request_cancel(by=world.admin, run=run)
    url = reverse("api-run-resume", args=[world.project.slug, run.pk])
    assert as_user(world.viewer).post(url).status_code == 403
    client = as_user(world.admin)
    answer = client.post(url)
    assert (answer.status_code, answer.json()["status"]) == (200, "queued")
    assert client.post(url).status_code == 409


def test_a_run_of_a_kind_that_is_gone_is_shown_without_a_button(world, as_user):
    from tests.support.factories import make_run

    run = make_run(world.project, kind="gone", status="failed")
    page = as_user(world.admin).get(reverse("core:run", args=[world.project.slug, run.pk]))
    assert page.status_code == 200 and b"start it again" not in page.content
