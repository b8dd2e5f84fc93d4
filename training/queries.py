"""Reads base models, training runs, model versions and the lengths of rows."""

import sys
from collections.abc import Callable
from itertools import islice
from statistics import fmean
from typing import Any, TypedDict

from django.db.models import Q, QuerySet

from annotation.text.rendering import chat_messages
from core.keeping import kept
from core.lists.numbers import LARGEST_COUNT, whole_number
from core.marks import Marks, marks_of
from core.models import Project, Run
from dataset.models import DatasetRow, DatasetVersion, GroupSplit
from dataset.queries import Contributors, people_at
from dataset.rows import iter_rows
from training.chain import runs_behind
from training.counting import Counted
from training.draws import draw, tokens_seen, trained_on
from training.estimates import DataFigures, steps_of, tokens_in
from training.methods.base import Recipe
from training.models import BaseModel, MetricPoint, ModelVersion, SampleAnswer, TrainingRun
from training.objectives import OBJECTIVES, SUPERVISED, Objective
from training.replayed import replayed_places
from training.row_facts import ANSWERS, facts_of, positions_taken, taken
from training.rows import SPLITS, TRAIN

# Enough rows for a good mean and spread of lengths; reading them takes a few milliseconds.
SAMPLE_ROWS = 2000


def system_prompt_of(version: ModelVersion) -> str:
    """A version's system prompt: that of its dataset, or the project's for a base model."""
    if version.training_run_id is None:
        return version.project.system_prompt
    assert version.training_run is not None
    return str(version.training_run.dataset.settings.get("system_prompt", ""))


def ready_versions(project: Project) -> QuerySet[ModelVersion]:
    """Versions that passed the token check, newest first, the base model last."""
    return (
        ModelVersion.objects.filter(project=project, status=ModelVersion.Status.READY)
        .select_related("base_model", "training_run__dataset", "project")
        .order_by("-number", "base_model__name")
    )


def control_tokens() -> set[str]:
    """The control tokens of every base model that is ready (BaseModel.control_tokens). One query."""
    return {token for tokens in ready_bases().values_list("control_tokens", flat=True) for token in tokens}


def marks_of_base(base_model: BaseModel) -> Marks:
    """The control tokens of this base model; if they are not known, those of common templates."""
    tokens = frozenset(base_model.control_tokens)
    return marks_of(tokens, shapes=not tokens)


def ready_bases() -> QuerySet[BaseModel]:
    return BaseModel.objects.filter(status=BaseModel.Status.READY)


def queue_position(run: Run) -> int | None:
    """1 for the run that is next; None when it is not queued. Runs of other projects count, since they share the
    machine."""
    if run.status != Run.Status.QUEUED:
        return None
    waiting = Run.objects.filter(queue=run.queue, status=Run.Status.QUEUED)
    return waiting.filter(queued_at__lt=run.queued_at).count() + 1


def queue_positions(runs: list[Run]) -> dict[int, int]:
    """{run id: place in the queue} for the queued runs among `runs`; one query."""
    if not any(run.status == Run.Status.QUEUED for run in runs):
        return {}
    waiting = Run.objects.filter(queue=runs[0].queue, status=Run.Status.QUEUED).order_by("queued_at", "pk")
    return {pk: place for place, pk in enumerate(waiting.values_list("pk", flat=True), start=1)}


def _kept(key: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Frozen rows never change, so this is computed once."""
    return kept(key, make, seconds=7 * 24 * 3600)


def split_rows(dataset: DatasetVersion) -> dict[str, int]:
    """{split: rows} of a frozen dataset."""
    return {split: int(dataset.counts.get(split, 0)) for split in ("train", "validation", "test")}


# --- what a run was trained on -----------------------------------------------------------------------------
def trained_positions(training_run: TrainingRun) -> list[int] | None:
    """Positions of the rows that a run actually trains on; None when that is its dataset's whole training split.

    A recipe may draw fewer rows, and a run of less than one epoch does not reach all of them. A preference objective takes only
    rows with the answers that it needs. At most one query.
    """
    objective = OBJECTIVES.get(training_run.objective, SUPERVISED)
    if objective is not SUPERVISED:
        return _preference_positions(training_run, objective)
    rows = split_rows(training_run.dataset)["train"]
    most, seed = int(training_run.recipe.get("most_rows") or 0), int(training_run.recipe.get("seed") or 0)
    drawn = min(rows, most) if most else rows
    besides = int(training_run.data_facts.get("replayed_rows") or 0)
    places = training_run.planned_steps * int(training_run.recipe.get("batch_size") or 0) or drawn + besides
    if drawn == rows and places >= drawn + besides:
        return None
    split = DatasetRow.objects.filter(dataset=training_run.dataset_id, split=GroupSplit.Split.TRAIN)
    positions = list(split.order_by("position").values_list("position", flat=True))
    return trained_on(positions, most=most, seed=seed, places=places, besides=besides)


def _preference_positions(training_run: TrainingRun, objective: Objective) -> list[int]:
    dataset, recipe = training_run.dataset, training_run.recipe
    key = f"training.positions.{objective.name}.{dataset.pk}.{dataset.content_hash}"
    read = lambda: {"taken": positions_taken(iter_rows(dataset, split=TRAIN), objective)}  # noqa: E731
    positions: list[int] = _kept(key, read)["taken"]
    most, seed = int(recipe.get("most_rows") or 0), int(recipe.get("seed") or 0)
    places = training_run.planned_steps * int(recipe.get("batch_size") or 0) or len(positions)
    return sorted(set(trained_on(positions, most=most, seed=seed, places=places)))


def trained_rows(training_run: TrainingRun | None) -> QuerySet[DatasetRow]:
    """The rows a run actually trains on, and those of the runs that made what it started from, in the order of the datasets, the
    newest first; empty without a run (a base model)."""
    wanted = Q()
    for run in runs_behind(training_run):
        own, positions = Q(dataset=run.dataset_id, split=GroupSplit.Split.TRAIN), trained_positions(run)
        wanted |= own if positions is None else own & Q(position__in=positions)
        wanted |= Q(pk__in=run.replayed.values("row"))
    if not wanted:
        return DatasetRow.objects.none()
    rows = DatasetRow.objects.filter(wanted)
    return rows.select_related("revision", "example").order_by("-dataset__number", "position")


def people_trained_on(training_run: TrainingRun | None) -> Contributors:
    """The people behind the rows that a run actually trains on, and those of the runs that made what it started from. A row that
    several of them train on or practise counts once. At most two queries for each run, three for each dataset version, and three."""
    runs = runs_behind(training_run)
    # None: the whole training split. What is practised are training rows, too.
    places: dict[int, set[int] | None] = {}
    for run in runs:
        for dataset, positions in ((run.dataset_id, trained_positions(run)), *replayed_places(run).items()):
            known = places.get(dataset, set())
            places[dataset] = None if known is None or positions is None else known.union(positions)
    return people_at(places, split=GroupSplit.Split.TRAIN, loaded=[run.dataset for run in runs])


def rows_words(training_run: TrainingRun) -> str:
    """ "64 of 292 training rows used (drawn by seed 1), 40 for validation". At most one query."""
    rows = split_rows(training_run.dataset)
    positions = trained_positions(training_run)
    if positions is None:
        used = f"all {rows['train']:,} training rows used"
    else:
        used = f"{len(positions):,} of {rows['train']:,} training rows used (drawn by seed {training_run.recipe.get('seed')})"
    return f"{used}, {rows['validation']:,} for validation"


def _lengths(dataset: DatasetVersion) -> dict[str, float]:
    """Estimated mean and longest answer with its prompt, in tokens, from the first training rows."""

    def measure() -> dict[str, float]:
        system_prompt = str(dataset.settings.get("system_prompt", ""))
        whole: list[int] = []
        answers: list[int] = []
        for row in islice(iter_rows(dataset, split="train"), SAMPLE_ROWS):
            messages = chat_messages(
                messages=row["messages"], context=row["context"], system_prompt=system_prompt
            )
            prompt = sum(len(message["content"]) for message in messages)
            for name in ANSWERS[dataset.kind]:
                if answer := len(row.get(name, "")):
                    whole.append(tokens_in(prompt + answer, len(messages) + 1))
                    answers.append(tokens_in(answer, 0) + 1)
        return {"mean": fmean(whole), "longest": max(whole), "answer": fmean(answers)} if whole else {}

    lengths = _kept(f"training.lengths.{dataset.pk}.{dataset.content_hash}", measure)
    return lengths or {"mean": 0.0, "longest": 0, "answer": 0.0}


def estimated_figures(
    dataset: DatasetVersion, recipe: Recipe, objective: Objective = SUPERVISED
) -> DataFigures:
    """The recipe's rows, with lengths estimated from characters. Of a preference version all rows count, as if each were one of
    the objective's."""
    rows = split_rows(dataset)
    train_rows = min(rows["train"], recipe.most_rows or sys.maxsize)
    validation_rows = min(rows["validation"], recipe.most_validation_rows or sys.maxsize)
    lengths = _lengths(dataset)
    per_row = min(lengths["mean"], float(recipe.max_length)) * objective.answers_per_row
    read = (train_rows + validation_rows) * per_row
    return DataFigures(
        train_rows=train_rows,
        validation_rows=validation_rows,
        validation_tokens=round(validation_rows * per_row),
        tokens_seen=round(train_rows * per_row * recipe.epochs),
        longest_row=int(min(lengths["longest"], recipe.max_length)),
        completion_tokens=lengths["answer"],
        exact=False,
        reference_tokens=_reference_tokens(objective, round(read)),
    )


def _reference_tokens(objective: Objective, tokens: int) -> int:
    """Tokens of the pass before the first step; with a baseline each answer is read with another prompt too."""
    return tokens * (1 + int(objective.needs_baseline)) if objective.needs_reference else 0


def exact_figures(counted: Counted, recipe: Recipe, objective: Objective = SUPERVISED) -> DataFigures:
    """The recipe's rows, as the objective has them, with exact token counts."""
    lengths = {split: taken(counted.lengths[split], objective) for split in SPLITS}
    facts = facts_of(
        lengths,
        max_length=recipe.max_length,
        most_rows=recipe.most_rows,
        most_validation_rows=recipe.most_validation_rows,
        seed=recipe.seed,
    )
    train = lengths[TRAIN]
    trained = [train.whole(at, recipe.max_length) for at in draw(len(train), recipe.most_rows, recipe.seed)]
    steps = steps_of(len(trained), recipe.batch_size, recipe.epochs)
    return DataFigures(
        train_rows=facts.train_rows,
        validation_rows=facts.validation_rows,
        validation_tokens=facts.validation_tokens,
        tokens_seen=tokens_seen(trained, rows=steps * recipe.batch_size, seed=recipe.seed),
        longest_row=facts.longest,
        completion_tokens=facts.completion_tokens / max(1, facts.train_rows * objective.answers_per_row),
        exact=True,
        shortened=facts.shortened,
        reference_tokens=_reference_tokens(objective, facts.train_tokens + facts.validation_tokens),
    )


def training_runs(project: Project) -> QuerySet[TrainingRun]:
    return TrainingRun.objects.filter(project=project).select_related(
        "run__project",
        "base_model",
        "dataset",
        "launched_by",
        "model_version__base_model",
        "continued_from__base_model",
    )


# Keeps a choice list short.
COMPARABLE = 100


def comparable_runs(project: Project) -> list[TrainingRun]:
    """The newest runs, newest first."""
    return list(training_runs(project).order_by("-number")[:COMPARABLE])


def model_versions(project: Project) -> QuerySet[ModelVersion]:
    """Newest first, base models last."""
    return (
        ModelVersion.objects.filter(project=project)
        .select_related(
            "base_model",
            "training_run__dataset__created_by",
            "training_run__launched_by",
            "training_run__run",
            "artifact",
            "files_check__project",
            "project",
        )
        .order_by("-number", "base_model__name")
    )


def points_of(training_run: TrainingRun) -> dict[str, list[MetricPoint]]:
    """{series: points in order of steps}."""
    points: dict[str, list[MetricPoint]] = {"train": [], "validation": []}
    for point in MetricPoint.objects.filter(training_run=training_run).order_by("series", "step"):
        points[point.series].append(point)
    return points


class SampleRow(TypedDict):
    """A question with the answers to it, by step."""

    question: str
    reference: str
    answers: list[SampleAnswer]


def sample_table(training_run: TrainingRun) -> list[SampleRow]:
    """The same questions at each step."""
    table: dict[str, SampleRow] = {}
    for sample in training_run.samples.order_by("step", "id"):
        row = table.setdefault(
            sample.question, {"question": sample.question, "reference": sample.reference, "answers": []}
        )
        row["answers"].append(sample)
    return list(table.values())


def search_runs(
    project: Project, *, q: str = "", status: str = "", method: str = ""
) -> QuerySet[TrainingRun]:
    matches = training_runs(project)
    number = whole_number(q, most=LARGEST_COUNT)
    if number is not None:
        matches = matches.filter(number=number)
    elif q:
        matches = matches.filter(
            Q(note__icontains=q) | Q(base_model__name__icontains=q) | Q(launched_by__name__icontains=q)
        )
    if status:
        matches = matches.filter(run__status=status)
    if method:
        matches = matches.filter(method=method)
    return matches


def latest_run(project: Project) -> TrainingRun | None:
    return TrainingRun.objects.filter(project=project).select_related("run").order_by("-number").first()


def search_versions(
    project: Project, *, q: str = "", status: str = "", kind: str = ""
) -> QuerySet[ModelVersion]:
    matches = model_versions(project)
    number = whole_number(q.lower().removeprefix("v"), most=LARGEST_COUNT)
    if number is not None:
        matches = matches.filter(number=number)
    elif q:
        matches = matches.filter(
            Q(note__icontains=q) | Q(served_name__icontains=q) | Q(base_model__name__icontains=q)
        )
    if status:
        matches = matches.filter(status=status)
    if kind:
        matches = matches.filter(kind=kind)
    return matches


def base_version(project: Project, base_model: BaseModel) -> ModelVersion | None:
    """The project's model version of this base model."""
    return ModelVersion.objects.filter(project=project, base_model=base_model, number=0).first()
