"""The kinds of runs of training, and which page shows what such a run works on."""

from django.urls import reverse

from core.models import Run
from core.runs.kinds import RunKind
from dataset.models import DatasetVersion
from training import interpolation
from training.forgetting import KIND
from training.knowledge import ASK
from training.models import BaseModel, LearningCurve, ModelVersion, TrainingRun


def of_training_run(run: Run) -> tuple[str, str] | None:
    training_run = TrainingRun.objects.filter(run=run).select_related("project").first()
    if training_run is None:
        return None
    return str(training_run), reverse("training:run", args=[training_run.project.slug, training_run.number])


def of_base_model(run: Run) -> tuple[str, str] | None:
    base = BaseModel.objects.filter(run=run).first()
    if base is None or run.project is None:
        return None
    return str(base), reverse("training:base", args=[run.project.slug, base.pk])


def of_token_count(run: Run) -> tuple[str, str] | None:
    dataset = DatasetVersion.objects.filter(pk=run.params.get("dataset")).select_related("project").first()
    if dataset is None:
        return None
    return str(dataset), reverse("datasets:dataset", args=[dataset.project.slug, dataset.number])


def of_version(run: Run) -> tuple[str, str] | None:
    version = ModelVersion.objects.filter(pk=run.params.get("version")).first()
    if version is None or run.project is None:
        return None
    return f"Model version {version}", reverse("training:version", args=[run.project.slug, version.pk])


def of_asking(run: Run) -> tuple[str, str] | None:
    if run.project is None:
        return None
    return "Unknown facts", reverse("training:knowledge", args=[run.project.slug])


def of_learning_curve(run: Run) -> tuple[str, str] | None:
    curve = LearningCurve.objects.filter(run=run).select_related("project").first()
    if curve is None:
        return None
    return str(curve), reverse("training:learning-curve", args=[curve.project.slug, curve.number])


BASE_MODEL = RunKind(
    "base_model",
    "Base model",
    queue="default",
    runner="training.runner.base_models:run",
    on_end="training.services.base_models:preparation_ended",
    on_again="training.services.base_models:again",
    again_words="It downloads the model again from the beginning.",
    operators_again=True,
    subject="training.run_kinds:of_base_model",
)
TRAINING = RunKind(
    "training",
    "Training",
    queue="gpu",
    runner="training.runner.train:run",
    on_end="training.services.runs:training_ended",
    on_again="training.services.runs:again",
    again_words="It continues from its last checkpoint, or from the beginning if it has none.",
    subject="training.run_kinds:of_training_run",
    max_attempts=5,
)
TOKEN_COUNT = RunKind(
    "token_count",
    "Token count",
    queue="default",
    runner="training.runner.counting:run",
    on_again="training.services.runs:count_again",
    subject="training.run_kinds:of_token_count",
)
FILES_CHECK = RunKind(
    "files_check",
    "File check",
    queue="default",
    runner="training.runner.verify:run",
    on_again="training.services.versions:check_files_again",
    again_words="It reads all files again.",
    subject="training.run_kinds:of_version",
)
TEST_LOSS = RunKind(
    "test_loss",
    "Test loss",
    queue="gpu",
    runner="training.runner.held_out:run",
    on_again="training.services.losses:again",
    again_words="Rows measured so far are kept.",
    subject="training.run_kinds:of_version",
)
ASKING = RunKind(
    ASK,
    "Question to a base model",
    queue="gpu",
    runner="training.runner.asking:run",
    on_again="training.services.knowledge:ask_again",
    again_words="What the base model answered so far is kept.",
    subject="training.run_kinds:of_asking",
)
LEARNING_CURVE = RunKind(
    "learning_curve",
    "Learning curve",
    queue="gpu",
    runner="training.runner.learning_curve:run",
    on_again="training.services.learning_curves:again",
    again_words="Points that are finished are kept; the next one is trained from its beginning.",
    subject="training.run_kinds:of_learning_curve",
    max_attempts=5,
)
FORGETTING = RunKind(
    KIND,
    "Forgetting",
    queue="gpu",
    runner="training.runner.forgetting:run",
    on_again="training.services.forgetting:again",
    again_words="Answers given so far are kept.",
    subject="training.run_kinds:of_version",
    max_attempts=5,
)
INTERPOLATION = RunKind(
    interpolation.KIND,
    "Way back to the base model",
    queue="gpu",
    runner="training.runner.interpolation:run",
    on_again="training.services.interpolation:again",
    again_words="Shares measured so far are kept.",
    subject="training.run_kinds:of_version",
    max_attempts=5,
)
INTERPOLATED_VERSION = RunKind(
    interpolation.STORE_KIND,
    "Version part of the way",
    queue="gpu",
    runner="training.runner.interpolation:store",
    on_again="training.services.interpolation:store_again",
    subject="training.run_kinds:of_training_run",
)
ALL = (
    BASE_MODEL, TRAINING, TOKEN_COUNT, FILES_CHECK, TEST_LOSS, ASKING, LEARNING_CURVE, FORGETTING, INTERPOLATION,
    INTERPOLATED_VERSION,
)  # fmt: skip
