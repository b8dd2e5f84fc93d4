"""Registers training with core: its kinds of background jobs, its stage on Home, its audit sentences."""

from django.apps import AppConfig


class TrainingConfig(AppConfig):
    name = "training"
    label = "training"

    def ready(self) -> None:
        # Both connect to signals of Celery in the worker's main process, before its pool forks.
        from annotation.registry import (
            register_finding_notes,
            register_finding_source,
            register_forgetter,
            register_lengths,
            register_size_note,
        )
        from core.audit.sentences import register_actions
        from core.events import subscribe
        from core.home.stages import register_stage
        from core.marks import register_marks
        from core.runs.kinds import register_kind
        from dataset.registry import register_uses, register_version_uses
        from training.actions import TrainingAction
        from training.asked import SOURCE, finding_notes
        from training.counting import base_of_project, tokens_of_example
        from training.extensions import size_note, uses, uses_of_dataset
        from training.handlers import measure_registered_version
        from training.home import STAGE
        from training.host import machine, stopping  # noqa: F401
        from training.moving import register_moving
        from training.queries import control_tokens
        from training.run_kinds import ALL
        from training.services.knowledge import forget_answers
        from training.services.results import REGISTERED

        for kind in ALL:
            register_kind(kind)
        subscribe(REGISTERED, "training.forgetting", measure_registered_version)
        register_uses(
            uses,
            model="training.ModelVersion",
            training="training.TrainingRun",
            curve="training.LearningCurve",
        )
        register_size_note(size_note)
        register_stage(STAGE)
        register_marks(control_tokens)
        register_lengths(base_of_project, tokens_of_example)
        register_actions(TrainingAction)
        register_version_uses(uses_of_dataset)
        register_moving()
        register_finding_source(SOURCE)
        register_finding_notes(finding_notes)
        register_forgetter(forget_answers)
