"""What datasets brings to the rest: its kinds of runs, its next steps on a project's first screen, its part of an example's page."""

from django.apps import AppConfig


class DatasetsConfig(AppConfig):
    # The package is `dataset`: one named `datasets` would hide Hugging Face's library of that name, which TRL imports.
    name = "dataset"
    label = "datasets"

    def ready(self) -> None:
        from annotation.registry import register_frozen_check, register_page_details, register_retired_reason
        from core.audit.sentences import register_actions
        from core.events import subscribe
        from core.home.stages import register_next_items, register_partner_home
        from core.runs.kinds import register_kind
        from dataset.actions import DatasetAction
        from dataset.extensions import in_a_dataset, of_example, source_withdrawn
        from dataset.handlers import audit_frozen, report_frozen
        from dataset.home import next_items
        from dataset.moving import register_moving
        from dataset.run_kinds import (
            BIAS_AUDIT,
            FIND_DUPLICATES,
            FREEZE,
            FREEZE_PREFERENCES,
            IMPORT,
            IMPORT_CHECK,
            RELICENSE,
            REPORT,
            RESTORE,
            WITHDRAW,
        )

        register_next_items("annotate", next_items)
        register_actions(DatasetAction)
        register_kind(IMPORT)
        register_kind(IMPORT_CHECK)
        register_kind(FREEZE)
        register_kind(FREEZE_PREFERENCES)
        register_kind(WITHDRAW)
        register_kind(RESTORE)
        register_kind(RELICENSE)
        register_partner_home("datasets:sources")
        register_retired_reason(source_withdrawn)
        register_kind(REPORT)
        register_kind(FIND_DUPLICATES)
        subscribe("dataset.frozen", "datasets.report", report_frozen)
        register_kind(BIAS_AUDIT)
        subscribe("dataset.frozen", "datasets.bias_audit", audit_frozen)
        register_frozen_check(in_a_dataset)
        register_page_details(of_example)
        register_moving()
