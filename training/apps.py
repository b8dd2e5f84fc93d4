"""What training brings to the rest: its kinds of runs, its stage on a project's first screen, its words for the record."""

from django.apps import AppConfig


class TrainingConfig(AppConfig):
    name = "training"
    label = "training"

    def ready(self) -> None:
        # Both connect to signals of Celery in the worker's main process, before its pool forks.
        from core.audit.sentences import register_wordings
        from core.home.stages import register_stage
        from core.marks import register_marks
        from training.home import STAGE, WORDINGS
        from training.host import machine, stopping  # noqa: F401
        from training.queries import control_tokens

        _register_run_kinds()
        register_stage(STAGE)
        register_marks(control_tokens)
        register_wordings(WORDINGS)


def _register_run_kinds() -> None:
    from core.runs.kinds import RunKind, register_kind

    for kind in (
        RunKind(
            "base_model",
            "Base model",
            queue="default",
            runner="training.runner.base_models:run",
            on_end="training.services.results:base_run_ended",
            on_again="training.services.base_models:again",
            again_words="It fetches the model again from the beginning.",
            operators_again=True,
            subject="training.run_pages:of_base_model",
        ),
        RunKind(
            "training",
            "Training",
            queue="gpu",
            runner="training.runner.train:run",
            on_end="training.services.results:training_run_ended",
            on_again="training.services.runs:again",
            again_words="It goes on from its last checkpoint, or from the beginning when it has none.",
            subject="training.run_pages:of_training",
            max_attempts=5,
        ),
        RunKind(
            "token_count",
            "Token count",
            queue="default",
            runner="training.runner.counting:run",
            on_again="training.services.runs:count_again",
            subject="training.run_pages:of_token_count",
        ),
        RunKind(
            "files_check",
            "File check",
            queue="default",
            runner="training.runner.verify:run",
            on_again="training.services.versions:check_files_again",
            again_words="It reads all files again.",
            subject="training.run_pages:of_files_check",
        ),
        RunKind(
            "test_loss",
            "Loss on test rows",
            queue="gpu",
            runner="training.runner.held_out:run",
            on_again="training.services.losses:again",
            again_words="Rows measured so far are kept.",
            subject="training.run_pages:of_test_loss",
        ),
    ):
        register_kind(kind)
