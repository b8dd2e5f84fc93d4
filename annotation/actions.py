"""The audited actions of annotation, and how each reads in a sentence."""

from core.audit.actions import QUIET, AuditAction


class AnnotationAction(AuditAction):
    EXAMPLE_OPENED = "example.opened", "{actor} opened {label} to {purpose}", QUIET
    EXAMPLE_WRITTEN = "example.written", "{actor} wrote {label}"
    EXAMPLE_CORRECTED = "example.corrected", "{actor} sent a correction to the queue as {label}"
    EXAMPLE_DERIVED = (
        "example.derived",
        "{actor} sent {label} to review, made from another example ({origin})",
    )
    EXAMPLE_SUBMITTED = "example.submitted", "{actor} submitted {label} for review"
    EXAMPLE_TAKEN_BACK = "example.taken_back", "{actor} undid the submit of {label}"
    EXAMPLE_SKIPPED = "example.skipped", "{actor} skipped {label}", QUIET
    EXAMPLE_SKIP_UNDONE = "example.skip_undone", "{actor} undid the skip of {label}", QUIET
    EXAMPLE_RELEASED = "example.released", "{actor} stopped work on {label}", QUIET
    EXAMPLE_APPROVED = "example.approved", "{actor} accepted {label}"
    EXAMPLE_RETURNED = "example.returned", "{actor} sent {label} back"
    EXAMPLE_RETIRED = "example.retired", "{actor} retired {label}: {reason}"
    EXAMPLE_REQUEUED = "example.requeued", "{actor} put {label} back into the queue"
    EXAMPLE_LEAVING_UNDONE = "example.leaving_undone", "{actor} undid leaving out {label}"
    REVIEW_UNDONE = "review.undone", "{actor} undid their decision on {label}"
    DRAFT_DISCARDED = "draft.discarded", "{actor} discarded their draft of {label}", QUIET
    DRAFT_OF_NEW_DISCARDED = "draft.of_new_discarded", "{actor} discarded their draft of a new example", QUIET
    FINDINGS_DISMISSED = "finding.dismissed", "{actor} dismissed {findings} of the checks: {reason}"
    FINDINGS_REOPENED = "finding.reopened", "{actor} opened {findings} of the checks again"
    FINDINGS_UNDONE = "finding.undone", "{actor} undid a decision about {findings} of the checks"
    EXAMPLE_FIXED = "example.fixed", "{actor} fixed a finding in {label}"
    EXAMPLE_FIX_UNDONE = "example.fix_undone", "{actor} undid a fix in {label}"
    CATEGORY_ADDED = "category.added", "{actor} added the {noun} {label}"
    CATEGORY_CHANGED = "category.changed", "{actor} changed the {noun} {label} ({changed})"
    CATEGORY_RENAMED = "category.renamed", "{actor} renamed the {noun} {label} to {into}"
    CATEGORY_MERGED = "category.merged", "{actor} merged the {noun} {label} into {into}"
    CATEGORY_RETIRED = "category.retired", "{actor} retired the {noun} {label}"
    CATEGORY_RESTORED = "category.restored", "{actor} brought back the {noun} {label}"
    TARGET_SET = "coverage_target.set", "{actor} set the target for {part} to {target}"
    TARGET_REMOVED = "coverage_target.removed", "{actor} removed the target for {part}"
    TASK_CREATED = "authoring_task.created", "{actor} made the authoring task “{label}” for {quota} examples"
    TASK_CHANGED = "authoring_task.changed", "{actor} changed the authoring task “{label}” ({changed})"
    TASK_DONE = (
        "authoring_task.done",
        "The authoring task “{label}” is done: {approved} examples are approved",
    )
    TASK_CLOSED = "authoring_task.closed", "{actor} closed the authoring task “{label}” as done"
    TASK_CANCELLED = "authoring_task.cancelled", "{actor} cancelled the authoring task “{label}”"
    TASK_REOPENED = "authoring_task.reopened", "{actor} opened the authoring task “{label}” again"
