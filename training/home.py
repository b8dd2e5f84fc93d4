"""Training's card on Home, and the audit sentences of its actions."""

from urllib.parse import urlencode

from django.urls import reverse

from core.access import Access
from core.home.stages import Glance, NextItem, Stage, StageCard
from core.models import Role, Run
from core.roles import READERS
from core.wording import noun, time_left
from dataset.models import DatasetVersion
from training import queries
from training.methods import METHODS
from training.models import ModelVersion, TrainingRun
from training.objectives import OBJECTIVES


def _left(run: Run) -> str:
    left = run.time_left
    return f", {time_left(left)}" if left is not None else ""


def glance(access: Access) -> Glance:
    return Glance(_card(access), _next_items(access))


def _card(access: Access) -> StageCard:
    """The running training run, else the number of versions."""
    url = reverse("training:home", args=[access.project.slug])
    active = list(
        TrainingRun.objects.filter(project=access.project, run__status__in=Run.ACTIVE)
        .select_related("run")
        .order_by("number")
    )
    running = next(
        (training_run for training_run in active if training_run.run.status != Run.Status.QUEUED), None
    )
    if running is not None:
        label = METHODS[running.method].label if running.method in METHODS else running.method
        percent = running.run.percent
        figure = f"{percent}%" if percent is not None else "…"
        waiting = len(active) - 1
        more = f"; {waiting} queued" if waiting else ""
        return StageCard(figure, f"{label} run {running.number}{_left(running.run)}{more}", url)
    if active:
        return StageCard(f"{len(active)}", noun(len(active), "run is queued", "runs are queued"), url)
    done = TrainingRun.objects.filter(project=access.project, run__status=Run.Status.SUCCEEDED).count()
    return StageCard(f"{done:,}", noun(done, "training run"), url)


def _next_items(access: Access) -> list[NextItem]:
    if not access.has(Role.ADMIN):
        return []
    slug = access.project.slug
    items = []
    failed = queries.latest_run(access.project)
    if failed is not None and failed.run.status == Run.Status.FAILED:
        items.append(
            NextItem(
                f"Run {failed.number} failed",
                failed.run.error_message[:160],
                reverse("training:run", args=[slug, failed.number]),
                "See why",
                order=20,
                tone="copper",
            )
        )
    rejected = ModelVersion.objects.filter(
        project=access.project, status=ModelVersion.Status.REJECTED
    ).first()
    if rejected is not None:
        items.append(
            NextItem(
                f"Model version {rejected} was rejected",
                "The engine's tokens differ from the trainer's.",
                reverse("training:version", args=[slug, rejected.pk]),
                "See both",
                order=25,
                tone="copper",
            )
        )
    untrained = (
        DatasetVersion.objects.filter(project=access.project, status=DatasetVersion.Status.READY)
        .order_by("-number")
        .first()
    )
    if untrained is not None and not untrained.training_runs.exists():
        # The launch page offers a dataset only to an objective that learns from its kind of rows.
        objective = next(one.name for one in OBJECTIVES.values() if one.dataset_kind == untrained.kind)
        chosen = urlencode({"dataset": untrained.pk, "objective": objective})
        items.append(
            NextItem(
                f"{untrained} is ready to train on",
                untrained.note or "No run has used it yet.",
                f"{reverse('training:launch', args=[slug])}?{chosen}",
                "Launch a run",
                order=40,
            )
        )
    return items


STAGE = Stage(
    key="train",
    label="Train",
    order=20,
    glance=glance,
    roles=READERS,
    url_name="training:home",
)
