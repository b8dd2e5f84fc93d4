"""The chain of versions behind a version: each was made from the one before. What any of them was trained on, all later ones know."""

from collections.abc import Iterable, Sequence

from django.db.models import QuerySet

from core.models import Project
from dataset.models import DatasetVersion
from training.models import ModelVersion, TrainingRun


def _with_runs(versions: QuerySet[ModelVersion]) -> QuerySet[ModelVersion]:
    return versions.select_related(
        "project",
        "base_model",
        "artifact",
        "training_run__dataset",
        "training_run__run",
        "training_run__launched_by",
    )


def parents_in(projects: Iterable[int]) -> dict[int, int]:
    """{version id: its parent's id} of these projects. One query."""
    versions = ModelVersion.objects.filter(project__in=set(projects), parent__isnull=False)
    return {pk: parent for pk, parent in versions.values_list("pk", "parent") if parent is not None}


def _up(parents: dict[int, int], pk: int | None) -> list[int]:
    """`pk` and its ancestors, nearest first. The database allows no circles (version_after_parent)."""
    chain = []
    while pk is not None:
        chain.append(pk)
        pk = parents.get(pk)
    return chain


def _from(project: int, pk: int | None) -> list[ModelVersion]:
    if pk is None:
        return []
    wanted = _up(parents_in([project]), pk)
    found = _with_runs(ModelVersion.objects.all()).in_bulk(wanted)
    return [found[step] for step in wanted]


def ancestors_of(version: ModelVersion) -> list[ModelVersion]:
    """The versions it was made from, nearest first, with their runs and datasets. No query without a parent, else two."""
    return _from(version.project_id, version.parent_id)


def before(training_run: TrainingRun) -> list[ModelVersion]:
    """The version that a run continues from, and those before it, nearest first. No query when it starts from the base model."""
    return _from(training_run.project_id, training_run.continued_from_id)


def runs_behind(training_run: TrainingRun | None) -> list[TrainingRun]:
    """The run and all runs that made what it started from, newest first; empty without a run. At most two queries."""
    if training_run is None:
        return []
    earlier = [version.training_run for version in before(training_run)]
    return [training_run, *(run for run in earlier if run is not None)]


def datasets_behind(versions: Sequence[ModelVersion]) -> dict[int, list[DatasetVersion]]:
    """{version id: the dataset versions that it and its ancestors were trained on, its own first}. The versions' own are loaded with
    them; at most two queries more."""
    if any(version.parent_id is not None for version in versions):
        parents = parents_in(version.project_id for version in versions)
    else:
        parents = {}
    chains = {version.pk: _up(parents, version.pk) for version in versions}
    own = {version.pk: version for version in versions}
    missing = {pk for chain in chains.values() for pk in chain} - own.keys()
    found = own | (
        ModelVersion.objects.select_related("training_run__dataset").in_bulk(missing) if missing else {}
    )
    return {
        pk: list(
            {
                one.training_run.dataset_id: one.training_run.dataset
                for step in chain
                if (one := found[step]).training_run is not None
            }.values()
        )
        for pk, chain in chains.items()
    }


def descendants_of(versions: Iterable[ModelVersion]) -> set[int]:
    """Ids of the versions that were made from one of these, at any distance. One query."""
    roots = {version.pk: version.project_id for version in versions}
    if not roots:
        return set()
    parents = parents_in(roots.values())
    return {pk for pk in parents if roots.keys() & set(_up(parents, parents[pk]))}


def continuable_versions(project: Project) -> QuerySet[ModelVersion]:
    """Versions that a run may start from instead of the base model, newest first."""
    return (
        ModelVersion.objects.filter(project=project, number__gt=0)
        .exclude(status=ModelVersion.Status.REJECTED)
        .select_related("project", "base_model", "artifact", "training_run__dataset")
        .order_by("-number")
    )
