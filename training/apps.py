"""What training brings to the rest: its kinds of runs, its stage on a project's first screen, its words for the record."""

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
            )
        )
        register_kind(
            RunKind(
                "training",
                "Training",
                queue="gpu",
                runner="training.runner.train:run",
                on_end="training.records:training_run_ended",
                max_attempts=5,
            )
        )
        register_kind(
            RunKind("token_count", "Token count", queue="default", runner="training.runner.counting:run")
        )
        register_kind(
            RunKind("files_check", "File check", queue="default", runner="training.runner.verify:run")
        )
        register_kind(
            RunKind("test_loss", "Loss on test rows", queue="gpu", runner="training.runner.held_out:run")
        )
        register_stage(STAGE)
        register_marks(control_tokens)
        register_wordings(WORDINGS)
