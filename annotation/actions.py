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
    REVIEW_UNDONE = "review.undone", "{actor} undid their decision on {label}"
    DRAFT_DISCARDED = "draft.discarded", "{actor} discarded their draft of {label}", QUIET
    DRAFT_OF_NEW_DISCARDED = "draft.of_new_discarded", "{actor} discarded their draft of a new example", QUIET
    FINDINGS_DISMISSED = "finding.dismissed", "{actor} dismissed {findings} of the checks: {reason}"
    FINDINGS_REOPENED = "finding.reopened", "{actor} opened {findings} of the checks again"
    FINDINGS_UNDONE = "finding.undone", "{actor} undid a decision about {findings} of the checks"
    EXAMPLE_FIXED = "example.fixed", "{actor} fixed a finding in {label}"
    EXAMPLE_FIX_UNDONE = "example.fix_undone", "{actor} undid a fix in {label}"
