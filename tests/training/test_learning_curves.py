"""Learning curves, really trained on a tiny model: the points, killed and cancelled runs, and what is refused."""

import random
import signal
from datetime import timedelta

import pytest
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from annotation.models import Example
from core.errors import Conflict
from core.models import AuditEntry, Run
from core.runs.control import request_cancel, start_again
from core.tasks import execute_run, sweep_runs
from tests.support import waiting
from tests.support.factories import make_example, make_frozen, spelled
from training import checkpoints, services
from training.draws import nested
from training.extrapolation import SHARES, Forecast
from training.models import CurvePoint, LearningCurve, ModelVersion
from training.runner import learning_curve as runner

pytestmark = pytest.mark.django_db(transaction=True)
QUICK = {"epochs": 1.0, "batch_size": 8, "rows_at_once": 8, "learning_rate": 0.02, "rank": 4}
WORDS = [spelled(at) for at in range(28)]


def freeze(world, rows=150, test=0.25):
    """Approved examples that are no near-duplicates of each other, frozen; a group holds one."""
    rng = random.Random(5)
    for at in range(rows):
        question = " ".join(rng.sample(WORDS, 8))
        make_example(
            world.project,
            question=f"{question.capitalize()}?",
            completion=f"It is at sea, and the planned arrival is {1 + at % 28} Dec. Your next step: none for now.",
            status=Example.Status.APPROVED,
            group=f"g{at}",
        )
    with transaction.atomic():
        return make_frozen(world.project, world.admin, test=test, validation=0.1)


def start(world, base, dataset, **changes):
    repeats = changes.pop("repeats", 1)
    return services.start_curve(
        by=world.admin,
        project=world.project,
        base_model=base,
        dataset=dataset,
        method="lora",
        recipe=QUICK | changes,
        repeats=repeats,
    )


def finish(curve):
    execute_run(curve.run_id)
    return LearningCurve.objects.select_related("run").get(pk=curve.pk)


def test_the_points_of_a_curve_and_what_they_say(world, tiny_base):
    dataset = freeze(world)
    curve = finish(start(world, tiny_base, dataset))
    assert curve.run.status == Run.Status.SUCCEEDED, curve.run.error_message
    points = list(curve.points.all())
    assert [point.share for point in points] == list(SHARES)
    train = dataset.counts["train"]
    assert [point.rows for point in points] == [round(train * share / 100) for share in SHARES]
    assert all(len(point.losses) == len(curve.held_out) == dataset.counts["test"] for point in points)
    # The tiny model learns one sentence: more rows are more steps, and the loss falls.
    assert points[0].loss > points[-1].loss
    tokens = sum(row["tokens"] for row in curve.held_out)
    assert points[0].loss == pytest.approx(sum(points[0].losses) / tokens, abs=1e-4)
    assert curve.run.done == curve.run.total == sum(point.steps for point in points)
    forecast = Forecast.from_values(curve.forecast)
    assert [one.share for one in forecast.shares] == list(SHARES) and not forecast.refused
    assert forecast.shares[0].low < forecast.shares[0].loss < forecast.shares[0].high
    assert ModelVersion.objects.filter(number__gt=0).count() == 0 and not checkpoints.training_runs()
    actions = set(AuditEntry.objects.values_list("action", flat=True))
    assert {"learning_curve.started", "learning_curve.measured"} <= actions


def test_a_killed_or_cancelled_curve_goes_on_with_the_points_that_are_missing(world, tiny_base, monkeypatch):
    dataset = freeze(world)
    alone = {point.share: point.loss for point in finish(start(world, tiny_base, dataset)).points.all()}
    curve = start(world, tiny_base, dataset)
    real, trained = runner._trained_losses, []

    def until_the_third(ctx, work, plan, **told):
        trained.append(len(plan.data.train))
        if len(trained) == 3:
            # As a worker that is killed: nothing of this point is written.
            raise KeyboardInterrupt
        return real(ctx, work, plan, **told)

    monkeypatch.setattr(runner, "_trained_losses", until_the_third)
    with pytest.raises(KeyboardInterrupt):
        execute_run(curve.run_id)
    assert list(curve.points.values_list("share", flat=True)) == [25, 50]
    Run.objects.filter(pk=curve.run_id).update(status="queued", claim=None)
    monkeypatch.setattr(
        runner,
        "_trained_losses",
        lambda ctx, work, plan, **told: trained.append(len(plan.data.train)) or real(ctx, work, plan, **told),
    )
    # Another person cancels it while its third point is trained.
    first_report = runner.RunContext.report

    def cancelling(self, **given):
        if len(trained) == 4 and Run.objects.filter(pk=curve.run_id, status="running").exists():
            request_cancel(by=world.admin, run=Run.objects.get(pk=curve.run_id))
            given["now"] = True
        first_report(self, **given)

    monkeypatch.setattr(runner.RunContext, "report", cancelling)
    curve = finish(curve)
    assert curve.run.status == Run.Status.CANCELLED and curve.points.count() == 2
    assert Forecast.from_values(curve.forecast).refused.startswith("3 of 4 shares")
    monkeypatch.setattr(runner.RunContext, "report", first_report)
    start_again(by=world.admin, run=curve.run)
    curve = finish(curve)
    assert curve.run.status == Run.Status.SUCCEEDED, curve.run.error_message
    rows = [point.rows for point in curve.points.all()]
    assert trained == [*rows[:3], rows[2], *rows[2:]], "finished points are not trained again"
    # An interruption changes nothing: the same losses as without one.
    assert {point.share: point.loss for point in curve.points.all()} == pytest.approx(alone, abs=1e-5)


@pytest.mark.timeout(400)
def test_a_worker_that_is_killed_repeats_no_finished_point(world, tiny_base, worker, sent):
    curve = start(world, tiny_base, freeze(world))
    process = worker(curve, pause=0.2)

    def two_points():
        assert process.poll() is None, "the worker ended too early"
        return curve.points.count() >= 2

    waiting.wait_for(two_points, "two points", 240)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = dict(curve.points.values_list("share", "at"))
    assert len(before) in (2, 3) and Run.objects.get(pk=curve.run_id).status == Run.Status.RUNNING
    Run.objects.filter(pk=curve.run_id).update(heartbeat_at=timezone.now() - timedelta(minutes=5))
    sweep_runs()
    assert ("core.tasks.execute_run", curve.run_id) in sent
    curve = finish(curve)
    assert curve.run.status == Run.Status.SUCCEEDED, curve.run.error_message
    assert curve.run.attempt == 2
    after = dict(curve.points.values_list("share", "at"))
    assert set(after) == set(SHARES) and before.items() <= after.items(), "what was finished is as it was"


def test_repeats_draw_other_rows_and_each_starts_from_its_own_seed(world, tiny_base, monkeypatch):
    seen = []
    real = runner._trained_losses
    monkeypatch.setattr(
        runner,
        "_trained_losses",
        lambda ctx, work, plan, **told: (
            seen.append((plan.recipe.seed, {row.position for row in plan.data.train}))
            or real(ctx, work, plan, **told)
        ),
    )
    curve = finish(start(world, tiny_base, freeze(world, 130), repeats=2, epochs=0.3))
    assert curve.run.status == Run.Status.SUCCEEDED, curve.run.error_message
    assert [seed for seed, _ in seen] == [7] * 4 + [8] * 4
    rows = [positions for _, positions in seen]
    for one in (rows[:4], rows[4:]):
        assert one[0] < one[1] < one[2] < one[3], "each share is inside the next"
    assert rows[0] != rows[4] and rows[3] == rows[7]
    assert all(one.repeats == 2 for one in Forecast.from_values(curve.forecast).shares)


def test_near_duplicates_stay_together(world, tiny_base):
    """Rows of a group, and questions that are nearly the same, are on one side of every share."""
    clusters = [at // 3 for at in range(120)]
    parts = nested(clusters, SHARES, most=0, seed=7)
    for share in SHARES:
        taken = {clusters[row] for row in parts[share]}
        assert parts[share] == [row for row in range(120) if clusters[row] in taken]
        assert len(parts[share]) == pytest.approx(120 * share / 100, abs=3)
    assert len(nested(clusters, SHARES, most=40, seed=7)[100]) in range(37, 44)
    assert parts != nested(clusters, SHARES, most=0, seed=8)


def test_one_large_cluster_is_refused_with_its_size(world, tiny_base):
    for at in range(150):
        same = at % 5 < 3
        words = " ".join(random.Random(at).sample(WORDS, 8))
        make_example(
            world.project,
            question=f"Where is my shipment FD-{at}, please, and when will it be here?"
            if same
            else f"{words} {spelled(at)}?",
            completion=f"It is at sea, and the planned arrival is {1 + at % 28} Dec.",
            status=Example.Status.APPROVED,
            group=f"g{at}",
        )
    with transaction.atomic():
        dataset = make_frozen(
            world.project, world.admin, test=0.25, validation=0.1, separate_near_duplicates=False
        )
    curve = finish(start(world, tiny_base, dataset))
    assert curve.run.error_code == "one_cluster" and curve.points.count() == 0
    assert "ask nearly the same" in curve.run.error_message


def test_too_few_rows_are_refused_before_anything_is_trained(world, tiny_base):
    dataset = freeze(world, 60)
    with pytest.raises(services.NotLaunchable) as refused:
        start(world, tiny_base, dataset)
    said = " ".join(words for texts in refused.value.fields.values() for words in texts)
    assert "a learning curve needs at least 80" in said and "a learning curve needs at least 20" in said
    assert not LearningCurve.objects.exists() and not Run.objects.filter(kind="learning_curve").exists()


def test_rows_that_are_withdrawn_are_not_trained_on_again(world, tiny_base, monkeypatch):
    curve = start(world, tiny_base, freeze(world))
    Run.objects.filter(pk=curve.run_id).update(status="failed")
    monkeypatch.setattr("training.services.learning_curves.withdrawn_rows", lambda datasets: {datasets[0]: 3})
    monkeypatch.setattr(
        "training.services.learning_curves.withdrawn_words", lambda rows: f"{rows} rows withdrawn"
    )
    with pytest.raises(Conflict, match="3 rows withdrawn"):
        start_again(by=world.admin, run=Run.objects.get(pk=curve.run_id))


def test_by_program(world, as_user, tiny_base):
    dataset = freeze(world)
    url = reverse("api-learning-curves", args=[world.project.slug])
    body = {
        "method": "lora",
        "base_model": tiny_base.pk,
        "dataset": dataset.number,
        "recipe": QUICK,
        "repeats": 1,
    }
    json = {"content_type": "application/json"}
    assert as_user(world.viewer).post(url, body, **json).status_code == 403
    admin = as_user(world.admin)
    wrong = admin.post(url, body | {"recipe": {"rank": 0}, "repeats": 1}, **json)
    assert wrong.status_code == 422 and "recipe.rank" in wrong.content.decode()
    made = admin.post(url, body, **json)
    assert made.status_code == 201, made.content
    curve = finish(LearningCurve.objects.get(number=made.json()["number"]))
    assert admin.get(url).json()["results"][0]["held_out_rows"] == len(curve.held_out)
    found = (
        as_user(world.viewer)
        .get(reverse("api-learning-curve", args=[world.project.slug, curve.number]))
        .json()
    )
    assert [point["share"] for point in found["points"]] == list(SHARES)
    assert found["forecast"]["ahead"][0]["examples"] == 500 and found["forecast"]["sentences"][0]
    assert "losses" not in found["points"][0] and CurvePoint.objects.count() == 4
