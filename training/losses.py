"""Reads test losses: what can be measured, what was measured, and how long it takes."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet, Sum

from annotation.models import Example
from dataset.models import DatasetRow, DatasetVersion, GroupSplit
from training.chain import datasets_behind
from training.held_out import MOST_ROWS, HeldOutRow, newest_of_each
from training.models import LossMeasurement, ModelVersion, RowLoss
from training.queries import system_prompt_of

TEST, TRAIN = GroupSplit.Split.TEST, GroupSplit.Split.TRAIN


def datasets_of(*versions: ModelVersion) -> list[DatasetVersion]:
    """The dataset versions these were trained on, the newest first. A base model was trained on none of them."""
    datasets = {
        version.training_run.dataset.pk: version.training_run.dataset
        for version in versions
        if version.training_run is not None
    }
    return sorted(datasets.values(), key=lambda dataset: -dataset.number)


def _test_rows(datasets: Sequence[DatasetVersion]) -> QuerySet[DatasetRow]:
    return DatasetRow.objects.filter(dataset__in=datasets, split=TEST)


def count_test_rows(version: ModelVersion, against: ModelVersion) -> int:
    """About how many rows a measurement of the two would take, before any is left out. One query."""
    rows = _test_rows(datasets_of(version, against)).values("example").distinct().count()
    return min(rows, MOST_ROWS)


def held_out_rows(datasets: Sequence[DatasetVersion]) -> list[HeldOutRow]:
    """All test rows of these versions, those of the newest first. One query."""
    return [
        HeldOutRow(*values[:-2], slice=values[-2] or "", group=values[-1])
        for values in _test_rows(datasets)
        .order_by("-dataset__number", "position")
        .values_list(
            "dataset",
            "position",
            "example",
            "row_hash",
            "prompt_hash",
            "revision__content__slice",
            "example__group",
        )
    ]


def count_test_groups(dataset: DatasetVersion) -> int:
    """The number of groups among a version's test rows. One query."""
    return _test_rows([dataset]).values("example__group").distinct().count()


@dataclass(frozen=True)
class Available:
    """Test rows that can be measured, and the number that cannot: a version was trained on them, or they are retired
    now."""

    rows: list[HeldOutRow]
    trained_on: int
    retired: int


def available_rows(
    version: ModelVersion, against: ModelVersion, *, only: Sequence[DatasetVersion] | None = None
) -> Available:
    """The test rows of both versions' datasets (or of `only`, some of these), each example once, without what either was trained on.

    Splits are permanent, so none should have been; a row with an example or prompt among a version's training rows is
    left out anyway, and counted. The training rows of a version are also those of the versions that it was made from. At most five
    queries.
    """
    datasets = datasets_of(version, against)
    rows = newest_of_each(held_out_rows(datasets if only is None else only))
    trained = _trained_on(
        datasets, [one for behind in datasets_behind([version, against]).values() for one in behind]
    )
    retired = set(
        Example.objects.filter(
            status=Example.Status.RETIRED, dataset_rows__in=_test_rows(datasets)
        ).values_list("pk", flat=True)
    )
    kept = [row for row in rows if row.example not in trained[0] and row.prompt_hash not in trained[1]]
    current = [row for row in kept if row.example not in retired]
    return Available(current, trained_on=len(rows) - len(kept), retired=len(kept) - len(current))


def _trained_on(
    datasets: Sequence[DatasetVersion], trained: Sequence[DatasetVersion]
) -> tuple[set[int], set[str]]:
    """(examples, prompts) of test rows of any of `datasets` that one of these or of `trained` has among its training rows."""
    test = _test_rows(datasets)
    overlapping = DatasetRow.objects.filter(dataset__in=[*datasets, *trained], split=TRAIN).filter(
        Q(example__in=test.values("example")) | Q(prompt_hash__in=test.values("prompt_hash"))
    )
    pairs = list(overlapping.values_list("example", "prompt_hash"))
    return {example for example, _ in pairs}, {prompt for _, prompt in pairs}


def prompt_digest(version: ModelVersion) -> str:
    """A hash of the version's present system prompt."""
    return hashlib.sha256(system_prompt_of(version).encode()).hexdigest()


def measurements_of(
    versions: Iterable[ModelVersion], against: Iterable[ModelVersion]
) -> dict[tuple[int, int], LossMeasurement]:
    """{(version id, opponent id): measurement}, with its run. One query."""
    measurements = LossMeasurement.objects.filter(
        version__in=[version.pk for version in versions], against__in=[opponent.pk for opponent in against]
    ).select_related("run__project")
    return {(measurement.version_id, measurement.against_id): measurement for measurement in measurements}


@dataclass(frozen=True)
class Loss:
    loss: float
    tokens: int
    precision: str


def losses_of(versions: Iterable[int]) -> dict[int, dict[str, Loss]]:
    """{version id: {row hash: loss}}. One query."""
    losses: dict[int, dict[str, Loss]] = defaultdict(dict)
    rows = RowLoss.objects.filter(version__in=list(versions)).values_list(
        "version", "row_hash", "loss", "tokens", "precision"
    )
    for version, row_hash, loss, tokens, precision in rows:
        losses[version][row_hash] = Loss(loss, tokens, precision)
    return losses


def seconds_to_measure(version: ModelVersion, against: ModelVersion) -> float | None:
    """About how long measuring both takes, from the evaluation speed of their training runs; None without one.

    Validation and test rows have similar lengths, since the dataset draws both the same way.
    """
    for side in (version, against):
        training_run = side.training_run
        if training_run is None:
            continue
        spent = float(training_run.measured.get("evaluate") or 0)
        rows = int(training_run.data_facts.get("validation_rows") or 0)
        points = training_run.points.filter(series="validation").count()
        if spent > 0 and rows and points:
            load = float(training_run.measured.get("load") or 0)
            test_rows = count_test_rows(version, against)
            return 2 * (load + test_rows * spent / (rows * points))
    return None


@dataclass(frozen=True)
class MeanLoss:
    loss: float
    rows: int


def mean_loss(version: ModelVersion) -> MeanLoss | None:
    """Mean loss per token over all test rows this version was measured on; None without any. One query."""
    summed = RowLoss.objects.filter(version=version).aggregate(
        loss=Sum("loss"), tokens=Sum("tokens"), rows=Count("pk")
    )
    if not summed["rows"]:
        return None
    return MeanLoss(summed["loss"] / summed["tokens"], summed["rows"])
