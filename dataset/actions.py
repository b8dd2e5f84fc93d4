"""The audited actions of dataset, and how each reads in a sentence."""

from core.audit.actions import QUIET, AuditAction


class DatasetAction(AuditAction):
    IMPORT_CHECKED = "import.checked", "{actor} started to check {file}"
    IMPORT_DISCARDED = "import.discarded", "{actor} discarded the checked file {label}"
    IMPORT_STARTED = "import.started", "{actor} started to import {file}"
    IMPORT_STORED = (
        "import.stored",
        "{label} was imported (added: {accepted}, repeats: {repeated}, bad rows: {rejected})",
    )
    IMPORT_REMOVED = (
        "import.removed",
        "{actor} removed the examples of the import {label} ({examples} examples)",
    )
    SOURCE_CREATED = "source.created", "{actor} added the source {label}"
    SOURCE_CHANGED = "source.changed", "{actor} changed the source {label} ({changed})"
    SOURCE_SHOWN = "source.shown", "{actor} lets {partner} see the source {label}"
    SOURCE_HIDDEN = "source.hidden", "{actor} no longer lets {partner} see the source {label}"
    SOURCE_WITHDRAWN = "source.withdrawn", "{actor} withdrew the source {label}: {reason}"
    SOURCE_RETIRED = "source.retired", "{examples} examples of the source {label} were retired"
    SOURCE_RESTORED = "source.restored", "{actor} restored the source {label}: {reason}"
    SOURCE_BROUGHT_BACK = "source.brought_back", "{examples} examples of the source {label} came back"
    USE_ACCEPTED = "source.use_accepted", "{actor} accepted that {use} used the source {label}: {reason}"
    USE_REOPENED = "source.use_reopened", "{actor} took back that {use} may have used the source {label}"
    RULES_CHANGED = "rules.changed", "{actor} changed the data rules of the project: {rules}"
    DATASET_STARTED = "dataset.started", "{actor} started to freeze {label}"
    DATASET_FROZEN = "dataset.frozen", "{label} was frozen with {rows} rows"
    DATASET_CHECKED = (
        "dataset.checked",
        "The rows of {label} were checked: findings left in {rows} rows",
        QUIET,
    )
    DUPLICATES_FOUND = (
        "duplicates.found",
        "A search found {clusters} clusters of duplicates (answers disagree: {disagreeing})",
        QUIET,
    )
    DUPLICATES_SETTLED = (
        "duplicates.settled",
        "{actor} settled {label} (kept: {kept}, retired: {retired})",
    )
    NEAR_TEST_RETIRED = (
        "near-test.retired",
        "{actor} retired examples that are too near to test rows ({retired})",
    )
    NEAR_TEST_RESTORED = (
        "near-test.restored",
        "{actor} brought back examples that are too near to test rows ({restored})",
    )
    DUPLICATES_REOPENED = (
        "duplicates.reopened",
        "{actor} undid the settlement of {label} (brought back: {restored})",
    )
    DATASHEET_ANSWERED = (
        "datasheet.answered",
        "{actor} answered questions of the datasheet of {label}: {questions}",
    )
    BIAS_AUDIT_STARTED = "bias_audit.started", "{actor} started {label} over {what}"
    BIAS_AUDIT_MADE = "bias_audit.made", "{label} found {findings} differences in {rows} rows"
    BIAS_FINDING_DECIDED = (
        "bias_finding.decided",
        "{actor} marked a finding of {audit} as {decision}: {reason}",
    )
    LEXICON_CHANGED = "bias_lexicon.changed", "{actor} changed the lexicon “{lexicon}”"
    LEXICON_RESET = (
        "bias_lexicon.reset",
        "{actor} took the lexicon “{lexicon}” back to the one that comes with Guildhall",
    )
    TWINS_MADE = "twins.made", "{actor} made {twins} twins to read ({swap})"
    TWIN_ACCEPTED = "twin.accepted", "{actor} accepted {label} as #{example}"
    TWIN_DISCARDED = "twin.discarded", "{actor} discarded {label}", QUIET
    TWIN_BROUGHT_BACK = "twin.brought_back", "{actor} took back that they discarded {label}", QUIET
