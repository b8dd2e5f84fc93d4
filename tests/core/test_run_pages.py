"""Runs."""

import pytest
from django.urls import reverse

from core.models import Run
from tests.core.pages import SignIn, page
from tests.support.factories import World, make_run

pytestmark = pytest.mark.usefixtures("plain_stages")


def test_an_active_card_asks_again_and_an_ended_one_does_not(world: World, as_user: SignIn) -> None:
    client = as_user(world.admin)
    active = make_run(world.project, status=Run.Status.RUNNING, done=62, total=100, message="Step 62 of 100.")
    text = client.get(page("run-card", world, active.pk), {"link": "1"}).content.decode()
    assert "every 2s" in text
    assert 'value="62"' in text
    assert "Step 62 of 100." in text
    assert page("run", world, active.pk) in text
    failed = make_run(
        world.project,
        status=Run.Status.FAILED,
        error_message="12 rows <too> long.",
        error_advice="Shorten them.",
    )
    text = client.get(page("run-card", world, failed.pk)).content.decode()
    assert "every 2s" not in text
    assert "12 rows &lt;too&gt; long." in text
    assert "Shorten them." in text
    assert "Cancel" not in text


def test_cancelling_a_waiting_run_ends_it_and_the_second_time_is_a_conflict(
    world: World, as_user: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.runs import kinds

    # Other tests look at all kinds there are: this one is gone afterwards.
    monkeypatch.setattr(kinds, "_kinds", dict(kinds._kinds))
    kinds.register_kind(kinds.RunKind("pages-test", "Test", queue="default", runner="nowhere:run"))
    run = make_run(world.project, kind="pages-test")
    client = as_user(world.admin)
    answer = client.post(page("run-cancel", world, run.pk), headers={"HX-Request": "true"})
    assert answer.status_code == 200
    assert b"Cancelled" in answer.content
    again = client.post(page("run-cancel", world, run.pk), headers={"HX-Request": "true"})
    assert again.status_code == 409
    assert again["HX-Retarget"] == "#toasts"
    assert b"already ended" in again.content


def test_runs_are_found_by_status_and_title(world: World, as_user: SignIn) -> None:
    make_run(world.project, title="Import carrier FAQ", status=Run.Status.SUCCEEDED)
    make_run(world.project, title="LoRA on dataset 5", status=Run.Status.RUNNING)
    make_run(world.other, title="Their run")
    client = as_user(world.viewer)
    assert b"Their run" not in client.get(page("runs", world)).content
    active = client.get(page("runs", world), {"status": "active"}).content.decode()
    assert "LoRA on dataset 5" in active
    assert "carrier FAQ" not in active
    assert "data-action" not in active, "a viewer has no Cancel button"


def test_a_run_of_no_project_is_for_operators(world: World, as_user: SignIn) -> None:
    run = make_run(None, title="Fetch a base model", status=Run.Status.RUNNING)
    card = reverse("core:deployment-run-card", args=[run.pk])
    assert b"Fetch a base model" in as_user(world.operator).get(card).content
    assert as_user(world.admin).get(card).status_code == 404
    own = reverse("core:deployment-run-card", args=[make_run(world.project).pk])
    assert as_user(world.operator).get(own).status_code == 404
    cancel = reverse("core:deployment-run-cancel", args=[run.pk])
    assert as_user(world.admin).post(cancel).status_code == 404
    assert as_user(world.operator).post(cancel).status_code == 200
    run.refresh_from_db()
    assert run.status == Run.Status.CANCELLING
