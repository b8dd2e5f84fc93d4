"""Registers training with core: its kinds of background jobs, its stage on Home, its audit sentences."""

from django.apps import AppConfig


class TrainingConfig(AppConfig):
    name = "training"
    label = "training"

    def ready(self) -> None:
        # Both connect to signals of Celery in the worker's main process, before its pool forks.
        from core.marks import register_marks
        from core.runs import RunKind, register_kind
        from core.sentences import register_wordings
        from core.stages import register_stage
        from training import machine, stopping  # noqa: F401
        from training.queries import control_tokens
        from training.stages import STAGE, WORDINGS

        register_kind(
            RunKind(
                "base_model",
                "Base model",
                queue="default",
                runner="training.runner.base_models:run",
                on_end="training.records:base_run_ended",
                on_again="training.services.base_models:again",
                again_words="It downloads the model again from the beginning.",
                operators_again=True,
                subject="training.run_pages:of_base_model",
            )
        )
        register_kind(
            RunKind(
                "training",
                "Training",
                queue="gpu",
                runner="training.runner.train:run",
                on_end="training.records:training_run_ended",
                on_again="training.services.runs:again",
                again_words="It continues from its last checkpoint, or from the beginning if it has none.",
                subject="training.run_pages:of_training",
                max_attempts=5,
            )
        )
        register_kind(
            RunKind(
                "token_count",
                "Token count",
                queue="default",
                runner="training.runner.counting:run",
                on_again="training.services.runs:count_again",
                subject="training.run_pages:of_token_count",
            )
        )
        register_kind(
            RunKind(
                "files_check",
                "File check",
                queue="default",
                runner="training.runner.verify:run",
                on_again="training.services.versions:check_files_again",
                again_words="It reads all files again.",
                subject="training.run_pages:of_files_check",
            )
        )
        register_kind(
            RunKind(
                "test_loss",
                "Test loss",
                queue="gpu",
                runner="training.runner.held_out:run",
                on_again="training.services.losses:again",
                again_words="Rows measured so far are kept.",
                subject="training.run_pages:of_test_loss",
            )
        )
        register_stage(STAGE)
        register_marks(control_tokens)
        register_wordings(WORDINGS)
