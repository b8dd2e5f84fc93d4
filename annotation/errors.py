"""Expected errors of this app, on top of core.errors."""

from typing import TYPE_CHECKING

from core.errors import Conflict, Invalid

if TYPE_CHECKING:
    from annotation.checks.base import Finding


class NeedsReason(Invalid):
    """A check objects; with a reason it can be submitted all the same. `findings` says what is wrong."""

    code = "needs_reason"

    def __init__(self, findings: list["Finding"]) -> None:
        super().__init__(
            "Check failed: " + " ".join(finding.says for finding in findings),
            "Correct it, or give a reason to keep it.",
            fields={"reason": [finding.says for finding in findings]},
        )
        self.findings = findings


class LeaseLost(Conflict):
    """The person's time is over and the item cannot be given back to them now."""

    code = "lease_lost"
