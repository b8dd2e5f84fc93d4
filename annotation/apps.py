"""Registers annotation's kinds of runs and its stage on a project's Home."""

from django.apps import AppConfig


class AnnotationConfig(AppConfig):
    name = "annotation"
    label = "annotation"

    def ready(self) -> None:
        from annotation import data_stage
        from annotation.stages import QUIET, STAGE, WORDINGS
        from core.runs import RunKind, register_kind
        from core.sentences import register_wordings
        from core.stages import register_stage

        register_stage(STAGE)
        register_wordings(WORDINGS | data_stage.WORDINGS, quiet=QUIET)
        register_kind(
            RunKind(
                "import",
                "Import",
                queue="default",
                runner="annotation.runner.imports:run",
                on_again="annotation.services.imports:again",
                again_words="It reads the same file again from its first line. Nothing is stored twice.",
                subject="annotation.run_pages:of_import",
            )
        )
        register_kind(
            RunKind(
                "freeze",
                "Freeze",
                queue="default",
                runner="annotation.runner.freeze:run",
                on_end="annotation.runner.freeze:settle",
                on_again="annotation.services.datasets:again",
                again_words="It freezes the examples approved at that time, with the same number and settings.",
                subject="annotation.run_pages:of_freeze",
            )
        )
