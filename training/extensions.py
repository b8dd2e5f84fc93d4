"""What training made of dataset versions, for the page of a withdrawn source (dataset.registry), and what its learning curves say about
the size of the data (annotation.registry)."""

from collections.abc import Mapping, Sequence

from django.db.models import Q
from django.urls import reverse

from annotation.registry import SizeNote
from core.models import Project, Run
from core.roles import ADMINS, READERS
from dataset.models import DatasetVersion, Source
from dataset.registry import DataUse
from training.chain import datasets_behind, descendants_of, runs_behind
from training.extrapolation import Forecast
from training.learning_curves import active, newest_with_points, sentences
from training.models import LearningCurve, ModelVersion, TrainingRun
from training.registry import UseNote, use_notes
from training.replayed import replays_of_source


def uses(source: Source, datasets: Sequence[int]) -> list[DataUse]:
    """The model versions trained on these dataset versions, those made from them and those that practise earlier rows of the source;
    training runs that may still make one, and learning curves that are trained on them now. At most eight queries, two
    more for each run that continues from a version and has not ended, and those of the apps above."""
    replays = replays_of_source(source.project_id, source.name)
    in_project = ModelVersion.objects.filter(project=source.project_id).select_related(
        "project", "base_model", "training_run__dataset"
    )
    trained = list(
        in_project.filter(Q(training_run__dataset__in=datasets) | Q(training_run__in=list(replays)))
    )
    made_from = descendants_of(trained) - {one.pk for one in trained}
    versions = [*trained, *(in_project.filter(pk__in=made_from) if made_from else ())]
    versions.sort(key=lambda one: one.number, reverse=True)
    notes = use_notes(versions)
    behind = datasets_behind(versions)
    of_version = {
        one.pk: next((dataset.pk for dataset in behind[one.pk] if dataset.pk in datasets), 0)
        or replays.get(one.training_run_id or 0)
        or next(iter(replays.values()))  # made from one that practises them
        for one in versions
    }
    running = TrainingRun.objects.filter(
        Q(dataset__in=datasets) | Q(pk__in=list(replays)) | Q(continued_from__in=versions),
        project=source.project_id,
        run__status__in=Run.ACTIVE,
        model_version=None,
    ).select_related("project", "run")
    curves = LearningCurve.objects.filter(
        project=source.project_id, dataset__in=datasets, run__status__in=Run.ACTIVE
    ).select_related("project", "run")
    return [
        *(_of_version(version, of_version[version.pk], notes.get(version.pk, [])) for version in versions),
        *(
            _of_run(run, _dataset_of(runs_behind(run), datasets, replays))
            for run in running.order_by("-number")
        ),
        *(_of_curve(curve) for curve in curves.order_by("-number")),
    ]


def _dataset_of(behind: Sequence[TrainingRun], datasets: Sequence[int], replays: Mapping[int, int]) -> int:
    """Of these dataset versions the one that the nearest of some runs trains on, or else practises rows of."""
    own = (one.dataset_id for one in behind if one.dataset_id in datasets)
    practised = (replays[one.pk] for one in behind if one.pk in replays)
    found = next(own, None)
    return next(practised) if found is None else found


def _of_version(version: ModelVersion, dataset: int, notes: list[UseNote]) -> DataUse:
    slug = version.project.slug
    is_open = any(note.is_open for note in notes)
    return DataUse(
        key=f"model:{version.pk}",
        kind="Model version",
        name=str(version),
        url=reverse("training:version", args=[slug, version.pk]),
        dataset=dataset,
        advice="Train again on a dataset version without these rows. Roll back if it is live, and take it off its engine.",
        done=""
        if is_open
        else "It is not live and no engine serves it. The gate fails while the source is withdrawn.",
        notes=[note.says for note in notes],
        actions=[
            *((note.label, note.url) for note in notes if note.label),
            ("Train again", reverse("training:launch", args=[slug])),
        ],
    )


def _of_run(training_run: TrainingRun, dataset: int) -> DataUse:
    url = reverse("training:run", args=[training_run.project.slug, training_run.number])
    return DataUse(
        key=f"training:{training_run.pk}",
        kind="Training run",
        name=training_run.run.title,
        url=url,
        dataset=dataset,
        advice="It is training on these rows now. Cancel it.",
        actions=[("See the run", url)],
    )


def _of_curve(curve: LearningCurve) -> DataUse:
    url = reverse("training:learning-curve", args=[curve.project.slug, curve.number])
    return DataUse(
        key=f"curve:{curve.pk}",
        kind="Learning curve",
        name=curve.run.title,
        url=url,
        dataset=curve.dataset_id,
        advice="It is training on these rows now. Cancel it.",
        actions=[("See the learning curve", url)],
    )


def size_note(project: Project) -> SizeNote:
    """What the newest learning curve says, or how to start one. Two queries."""
    slug = project.slug
    curve = newest_with_points(project)
    if curve is None:
        running = active(project)
        if running is not None:
            url = reverse("training:learning-curve", args=[slug, running.number])
            return SizeNote(["A learning curve is being measured."], links=[("See it", url, READERS)])
        return SizeNote(
            [],
            "What more examples would do for this project can be measured: a learning curve trains on a quarter, a half and more of "
            "the data and compares.",
            [("Measure the learning curve", reverse("training:learning-curve-new", args=[slug]), ADMINS)],
        )
    return SizeNote(
        sentences(Forecast.from_values(curve.forecast)),
        f"{curve} of {curve.base_model}, {str(curve.dataset).lower()}. Loss in nats per token of the completions, with 95% intervals.",
        [("See the curve", reverse("training:learning-curve", args=[slug, curve.number]), READERS)],
    )


MOST_USES = 30


def uses_of_dataset(dataset: DatasetVersion) -> list[str]:
    """One sentence for each training run on this version, the newest first, for its datasheet. Two queries."""
    runs = TrainingRun.objects.filter(dataset=dataset).select_related("run", "base_model").order_by("-number")
    found = [
        f"Training run {one.number}: {one.method} on {one.base_model.name}, {one.run.get_status_display().lower()}."
        for one in runs[:MOST_USES]
    ]
    more = runs.count() - MOST_USES if len(found) == MOST_USES else 0
    return [*found, f"And {more:,} earlier training runs."] if more > 0 else found
