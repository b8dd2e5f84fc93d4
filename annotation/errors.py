"""Expected errors of this app, in addition to core.errors."""

from typing import TYPE_CHECKING

from core.errors import Conflict, Invalid

if TYPE_CHECKING:
    from annotation.checks.base import Finding


class NeedsReason(Invalid):
    """A check failed; with a reason the example can be submitted anyway. `findings` says what is wrong."""

    code = "needs_reason"

    def __init__(self, findings: list["Finding"]) -> None:
        super().__init__(
            "Check failed: " + " ".join(finding.says for finding in findings),
            "Correct it, or give a reason to keep it.",
            fields={"reason": [finding.says for finding in findings]},
        )
        self.findings = findings


class LeaseLost(Conflict):
    """The person's lease is over and they cannot get the example again now."""

    code = "lease_lost"
