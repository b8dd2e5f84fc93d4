"""The gate: what has to be true of a model version before it goes live. Pure: facts in, checks out.

Every check says pass, hold or fail in one sentence. What is not known holds; it never passes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Result = Literal["pass", "hold", "fail"]

# Above this share of "both bad" an answer is no help, whichever version wins. A choice of this house, not a standard:
# one customer in five left without a usable answer is where an agent stops trusting a draft.
MOST_BOTH_BAD = 0.20


@dataclass(frozen=True)
class Check:
    name: str
    label: str
    result: Result
    says: str

    def stored(self) -> dict[str, str]:
        return {"name": self.name, "label": self.label, "result": self.result, "says": self.says}


@dataclass(frozen=True)
class Comparison:
    """What people said of the version under the gate beside `against`, in all campaigns between the two. Shares of one.

    `settled` says whom the verdict names: "candidate" is the version under the gate. `planned` ratings were asked for by
    the first plan, `n` are in. `rate` leaves "both bad" out, `rate_among_all` counts it as a tie. The answers of
    `prompts_differing` of `prompts` differ; the others were shown to nobody.
    """

    against: str
    campaigns: int
    open: bool
    n: int
    planned: int
    raters: int
    settled: Literal["baseline", "candidate"] | None
    says: str
    rate: float | None
    low: float | None
    high: float | None
    rate_among_all: float | None
    bad: float | None
    bad_low: float | None
    bad_high: float | None
    prompts: int
    prompts_differing: int


@dataclass(frozen=True)
class Facts:
    """What is known of a version. None, empty or 0 is "not known".

    `loss_base` and `loss` are mean completion losses on held-out rows, natural log, before and after training.
    `opponent` names the version to beat: the live one, or the base while nothing is live. `human` is the comparison
    with that opponent, `newest` the newest with any version. `files` lists files that are missing or changed, None when not
    checked.
    """

    version: str
    is_base: bool = False
    parity_checked: int = 0
    parity_differing: int = 0
    loss_base: float | None = None
    loss: float | None = None
    opponent: str = ""
    human: Comparison | None = None
    newest: Comparison | None = None
    served: bool = False
    served_says: str = ""
    files: Sequence[str] | None = None
    files_total: int = 0


@dataclass(frozen=True)
class Gate:
    checks: tuple[Check, ...] = field(default_factory=tuple)

    @property
    def result(self) -> Result:
        """The worst of the checks."""
        found = {check.result for check in self.checks}
        return "fail" if "fail" in found else "hold" if "hold" in found or not found else "pass"

    @property
    def open_points(self) -> list[Check]:
        return [check for check in self.checks if check.result != "pass"]

    @property
    def says(self) -> str:
        counts = {name: sum(c.result == name for c in self.checks) for name in ("fail", "hold")}
        if self.result == "pass":
            return f"All {len(self.checks)} checks pass."
        parts = [f"{counts['fail']} {'fails' if counts['fail'] == 1 else 'fail'}"] if counts["fail"] else []
        if counts["hold"]:
            parts.append(f"{counts['hold']} {'holds' if counts['hold'] == 1 else 'hold'}")
        return f"Of {len(self.checks)} checks {' and '.join(parts)}."

    def stored(self) -> list[dict[str, Any]]:
        """As Release.gate keeps it."""
        return [check.stored() for check in self.checks]


def evaluate(facts: Facts) -> Gate:
    return Gate(
        (
            _parity(facts),
            _loss(facts),
            human_preference(facts),
            _both_bad(facts),
            _served(facts),
            _files(facts),
        )
    )


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share * 100:.0f}%"


def _parity(facts: Facts) -> Check:
    def say(result: Result, says: str) -> Check:
        return Check("token_parity", "Tokens agree", result, says)

    if not facts.parity_checked:
        return say("hold", "Trainer and engine have not been compared token by token yet.")
    if facts.parity_differing:
        return say(
            "fail",
            f"{facts.parity_differing} of {facts.parity_checked} prompts differ between trainer and engine.",
        )
    return say("pass", f"{facts.parity_checked} prompts have the same token ids in trainer and engine.")


def _loss(facts: Facts) -> Check:
    def say(result: Result, says: str) -> Check:
        return Check("held_out_loss", "Held-out loss", result, says)

    if facts.is_base:
        return say("hold", "This is the base model itself, so there is no training to measure.")
    if facts.loss is None or facts.loss_base is None:
        return say("hold", "Its loss on held-out rows was not measured before and after training.")
    change = (facts.loss - facts.loss_base) / facts.loss_base if facts.loss_base else 0.0
    words = f"{facts.loss_base:.2f} with the base, {facts.loss:.2f} now ({change * 100:+.0f}%)."
    if facts.loss < facts.loss_base:
        return say("pass", f"Loss on held-out rows fell: {words}")
    return say("fail", f"Loss on held-out rows did not fall: {words}")


def _why_unknown(facts: Facts) -> str:
    """Why there is no win rate to judge; empty when there is one."""
    found = facts.human
    if not facts.opponent:
        return "There is nothing to compare it with: nothing is live, and it is the base itself."
    if found is None or not found.n:
        return f"Nobody has compared it with {facts.opponent} yet."
    if found.rate is None:
        return f"All {found.n} ratings against {found.against} say both bad, so none says which is better."
    return ""


def human_preference(facts: Facts) -> Check:
    """Passes on the settled verdict and the planned ratings of at least two raters, every campaign closed. Of candidates that
    are no better than what is live it passes at most one in twenty (`benchmarks/statistics.py`)."""

    def say(result: Result, says: str) -> Check:
        return Check("human_preference", "People prefer it", result, says)

    found = facts.human
    if (unknown := _why_unknown(facts)) or found is None:
        return say("hold", unknown)
    people = "person" if found.raters == 1 else "people"
    campaigns = f", {found.campaigns} campaigns together" if found.campaigns > 1 else ""
    words = (
        f"Win rate {_percent(found.rate)} over {found.against} (95% interval {_percent(found.low)} to "
        f"{_percent(found.high)}; {_percent(found.rate_among_all)} with “both bad” as a tie; {found.n:,} of "
        f"{found.planned:,} planned ratings by {found.raters} {people}{campaigns}). The answers differ on "
        f"{found.prompts_differing:,} of {found.prompts:,} prompts."
    )
    if found.settled == "baseline":
        return say("fail", f"{found.says} {words}")
    if found.open:
        return say("hold", f"The comparison is still open. So far: {words}")
    if found.n < found.planned:
        return say(
            "hold",
            f"Only {found.n:,} of {found.planned:,} planned ratings are in. Open the campaign again to collect the "
            f"others. {words}",
        )
    return say(
        "pass" if found.settled == "candidate" and found.raters > 1 else "hold", f"{found.says} {words}"
    )


def _both_bad(facts: Facts) -> Check:
    def say(result: Result, says: str) -> Check:
        return Check("both_bad", "Good enough", result, says)

    found = facts.human or facts.newest
    if found is None or not found.n or found.bad is None or found.bad_low is None or found.bad_high is None:
        return say("hold", "Nobody has said yet whether its answers are good enough to send.")
    words = (
        f"{_percent(found.bad)} of {found.n} pairs were both bad "
        f"(95% interval {_percent(found.bad_low)} to {_percent(found.bad_high)}; at most {_percent(MOST_BOTH_BAD)} may be)."
    )
    if found.bad_low > MOST_BOTH_BAD:
        return say("fail", words)
    if found.open or found.n < found.planned:
        return say("hold", f"The comparison is not complete. So far: {words}")
    return say("pass" if found.bad_high <= MOST_BOTH_BAD else "hold", words)


def _served(facts: Facts) -> Check:
    says = "An engine serves it." if facts.served else f"No engine serves it. {facts.served_says}".strip()
    return Check("served", "Served", "pass" if facts.served else "fail", says)


def _files(facts: Facts) -> Check:
    def say(result: Result, says: str) -> Check:
        return Check("files_intact", "Files intact", result, says)

    if facts.files is None:
        return say("hold", "Its files have not been compared with their recorded hashes.")
    if facts.files:
        shown = ", ".join(facts.files[:3]) + (" and more" if len(facts.files) > 3 else "")
        return say("fail", f"Missing or changed since they were stored: {shown}.")
    files = f"Its {facts.files_total} files have" if facts.files_total != 1 else "Its file has"
    return say("pass", f"{files} the recorded hash{'es' if facts.files_total != 1 else ''}.")
