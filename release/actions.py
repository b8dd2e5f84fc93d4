"""The audited actions of release, and how each reads in a sentence."""

from core.audit.actions import AuditAction


class ReleaseAction(AuditAction):
    RELEASE_MADE_LIVE = "release.made_live", "{actor} released {label} (gate: {gate})"
    RELEASE_ROLLED_BACK = "release.rolled_back", "{actor} rolled back from {replaced} to {label}"
    FORGETTING_BUDGET_CHANGED = (
        "release.forgetting_budget_changed",
        "{actor} changed how much a release may forget: {answers} points of answers, {refusals} of refusals, {loss} nats",
    )
