"""The audited actions of dataset, and how each reads in a sentence."""

from core.audit.actions import AuditAction


class DatasetAction(AuditAction):
    IMPORT_CHECKED = "import.checked", "{actor} started to check {file}"
    IMPORT_DISCARDED = "import.discarded", "{actor} discarded the checked file {label}"
    IMPORT_STARTED = "import.started", "{actor} started to import {file}"
    IMPORT_STORED = (
        "import.stored",
        "{label} was imported (added: {accepted}, repeats: {repeated}, bad lines: {rejected})",
    )
    IMPORT_REMOVED = (
        "import.removed",
        "{actor} removed the examples of the import {label} ({examples} examples)",
    )
    DATASET_STARTED = "dataset.started", "{actor} started to freeze {label}"
    DATASET_FROZEN = "dataset.frozen", "{label} was frozen with {rows} rows"
