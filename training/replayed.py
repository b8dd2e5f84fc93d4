"""Reads the earlier rows of a project that a run can practise, or practises (training.models.ReplayedRow)."""

import random
from collections import Counter
from collections.abc import Iterable, Sequence

from django.db.models import Count, Exists, OuterRef, QuerySet

from annotation.models import Example
from core.models import Project
from dataset.models import DatasetRow, DatasetVersion, GroupSplit, Source, WithheldRow
from dataset.queries.duplicates import test_prompts
from dataset.queries.withdrawals import withdrawn_rows, withdrawn_words
from dataset.similarity import Prompts
from training.chain import datasets_behind, parents_in
from training.models import ModelVersion, ReplayedRow, TrainingRun

# Some of the drawn rows turn out to be too near to held-out ones: so many times the wanted ones are looked at.
LOOKED_AT = 2


def replayable(dataset: DatasetVersion) -> QuerySet[DatasetRow]:
    """Training rows of earlier versions of examples that this version lacks, by example and the newest first.

    Never a row that was ever held out, nor one that asks the same as one; never an example that is retired, that this version
    withheld, or whose source is withdrawn.
    """
    project = dataset.project_id
    ever = DatasetRow.objects.filter(dataset__project=project)
    held_out = ever.exclude(split=GroupSplit.Split.TRAIN)
    withdrawn = Source.objects.filter(
        project=project, name=OuterRef("example__source"), withdrawn_at__isnull=False
    )
    rows = DatasetRow.objects.filter(
        dataset__project=project,
        dataset__number__lt=dataset.number,
        dataset__status=DatasetVersion.Status.READY,
        dataset__kind=DatasetVersion.Kind.SUPERVISED,
        split=GroupSplit.Split.TRAIN,
    ).exclude(example__status=Example.Status.RETIRED)
    left_out = (
        DatasetRow.objects.filter(dataset=dataset, example=OuterRef("example")),
        WithheldRow.objects.filter(dataset=dataset, example=OuterRef("example")),
        held_out.filter(example=OuterRef("example")),
        held_out.filter(prompt_hash=OuterRef("prompt_hash")),
        withdrawn,
    )
    for reason in left_out:
        rows = rows.filter(~Exists(reason))
    return rows.order_by("example_id", "-dataset__number").distinct("example_id")


def drawn_rows(dataset: DatasetVersion, *, count: int, seed: int) -> list[DatasetRow]:
    """At most `count` of `replayable`, none of which asks nearly the same as a test row of the project."""
    rows = list(replayable(dataset).select_related("revision"))
    random.Random(f"{seed}/replay").shuffle(rows)
    looked_at = rows[: LOOKED_AT * count]
    if not looked_at:
        return []
    prompts = Prompts()
    own = [prompts.add(row.revision.content["messages"]) for row in looked_at]
    tests = {prompts.add(messages) for _, messages in test_prompts(dataset.project)}
    near = prompts.nearest(set(own), tests) if tests else {}
    kept = [row for row, number in zip(looked_at, own, strict=True) if number not in near]
    return kept[:count]


def replayed_rows_of(training_run: TrainingRun) -> list[DatasetRow]:
    """The earlier rows that a run practises. One query."""
    found = ReplayedRow.objects.filter(training_run=training_run).order_by("pk")
    return [one.row for one in found.select_related("row__dataset__artifact")]


def replayed_places(training_run: TrainingRun) -> dict[int, list[int]]:
    """{dataset version: positions of its rows that a run practises}. One query."""
    found: dict[int, list[int]] = {}
    rows = ReplayedRow.objects.filter(training_run=training_run).order_by("pk")
    for dataset, position in rows.values_list("row__dataset", "row__position"):
        found.setdefault(dataset, []).append(position)
    return found


def replays_of_source(project: Project | int, source: str) -> dict[int, int]:
    """{training run id: one of the dataset versions with rows of this source that it practises}. One query."""
    found = ReplayedRow.objects.filter(row__example__project=project, row__example__source=source)
    return dict(found.order_by("row__dataset").values_list("training_run", "row__dataset"))


def withdrawn_replays(training_runs: Iterable[int]) -> dict[int, dict[str, int]]:
    """{training run id: {name of a withdrawn source: rows of it that the run practises}}. One query."""
    withdrawn = Source.objects.filter(
        project=OuterRef("row__example__project"),
        name=OuterRef("row__example__source"),
        withdrawn_at__isnull=False,
    )
    rows = ReplayedRow.objects.filter(Exists(withdrawn), training_run__in=list(training_runs))
    found: dict[int, dict[str, int]] = {}
    counted = rows.order_by().values_list("training_run", "row__example__source").annotate(n=Count("pk"))
    for training_run, source, n in counted:
        found.setdefault(training_run, {})[source] = n
    return found


def withdrawn_words_of(versions: Sequence[ModelVersion]) -> dict[int, str]:
    """{version id: the rows that it, or a version it was made from, was trained on and that come from withdrawn sources, in words}. At
    most six queries."""
    behind = datasets_behind(versions)
    rows = withdrawn_rows({dataset.pk for datasets in behind.values() for dataset in datasets})
    runs = _runs_behind(versions)
    practised = withdrawn_replays({run for own in runs.values() for run in own})
    found = {}
    for version in versions:
        summed = Counter[str]()
        for dataset in behind.get(version.pk, []):
            summed |= Counter(rows.get(dataset.pk, {}))  # one row can be in several of them
        for run in runs[version.pk]:
            summed += Counter(practised.get(run, {}))
        if summed:
            found[version.pk] = withdrawn_words(dict(sorted(summed.items())))
    return found


def _runs_behind(versions: Sequence[ModelVersion]) -> dict[int, list[int]]:
    """{version id: ids of the runs that made it and those it was made from}. Two queries when one has a parent, else none."""
    own = {version.pk: version.training_run_id for version in versions}
    parents: dict[int, int] = {}
    if any(version.parent_id for version in versions):
        parents = parents_in({version.project_id for version in versions})
        own |= dict(
            ModelVersion.objects.filter(pk__in=set(parents.values())).values_list("pk", "training_run")
        )
    found: dict[int, list[int]] = {}
    for version in versions:
        at: int | None = version.pk
        found[version.pk] = []
        while at is not None:
            run = own[at]
            if run is not None:
                found[version.pk].append(run)
            at = parents.get(at)
    return found
