"""The gate: what has to be true of a model version before it goes live. Pure: facts in, checks out.

Every check says pass, hold or fail in one sentence. What is not known holds; it never passes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from release.held_out import HeldOut, judge

Result = Literal["pass", "hold", "fail"]
Compared = Literal["contents", "checksums", "sizes"]

# Above this share of "both bad" an answer is no help, whichever version wins. A choice of this house, not a standard:
# one customer in five left without a usable answer is where an agent stops trusting a draft.
MOST_BOTH_BAD = 0.20


@dataclass(frozen=True)
class Criterion:
    name: str
    label: str
    result: Result
    says: str

    def stored(self) -> dict[str, str]:
        return {"name": self.name, "label": self.label, "result": self.result, "says": self.says}


@dataclass(frozen=True)
class RatedComparison:
    """What people said of the version under the gate beside `against`, in all campaigns between the two. Shares of one.

    `settled` says whom the verdict names: "candidate" is the version under the gate. `planned` ratings were asked for by
    the first plan, `n` are in. `rate` leaves "both bad" out, `rate_among_all` counts it as a tie. The answers of
    `prompts_differing` of `prompts` differ; the others were shown to nobody. `in_doubt` of the ratings were
    given on answers that may come from other weights.
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
    in_doubt: int = 0


@dataclass(frozen=True)
class Facts:
    """What is known of a version. None, empty or 0 is "not known".

    `held_out` is its loss and its opponent's on the same test rows.
    `opponent` names the version to beat: the live one, or the base while nothing is live. `human` is the comparison
    with that opponent, `newest` the newest with any version. `files` lists files that are missing or changed, None when they
    could not be checked; `files_compared` is what was compared, and `files_read_on` when, if not now.
    """

    version: str
    parity_checked: int = 0
    parity_differing: int = 0
    held_out: HeldOut = field(default_factory=HeldOut)
    opponent: str = ""
    human: RatedComparison | None = None
    newest: RatedComparison | None = None
    served: bool = False
    served_says: str = ""
    files: Sequence[str] | None = None
    files_compared: Compared = "contents"
    files_read_on: datetime | None = None
    files_total: int = 0


@dataclass(frozen=True)
class Gate:
    checks: tuple[Criterion, ...] = field(default_factory=tuple)

    @property
    def result(self) -> Result:
        """The worst of the checks."""
        found = {check.result for check in self.checks}
        return "fail" if "fail" in found else "hold" if "hold" in found or not found else "pass"

    @property
    def open_points(self) -> list[Criterion]:
        return [check for check in self.checks if check.result != "pass"]

    @property
    def says(self) -> str:
        return f"{summary(check.result for check in self.checks)}."

    @property
    def results(self) -> dict[str, str]:
        """What each check says, by its name: pass, hold or fail."""
        return {check.name: check.result for check in self.checks}

    def stored(self) -> list[dict[str, Any]]:
        """As Release.gate keeps it."""
        return [check.stored() for check in self.checks]


def summary(results: Iterable[str]) -> str:
    """How many checks came out how, without a full stop: "4 of 6 passed, 2 on hold"."""
    found = list(results)
    counts = {name: found.count(name) for name in ("pass", "hold", "fail")}
    if found and counts["pass"] == len(found):
        return f"All {len(found)} checks passed"
    parts = [f"{counts['pass']} of {len(found)} passed"]
    if counts["hold"]:
        parts.append(f"{counts['hold']} on hold")
    if counts["fail"]:
        parts.append(f"{counts['fail']} failed")
    return ", ".join(parts)


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


def _parity(facts: Facts) -> Criterion:
    def say(result: Result, says: str) -> Criterion:
        return Criterion("token_parity", "Tokens agree", result, says)

    if not facts.parity_checked:
        return say("hold", "Trainer and engine have not been compared token by token yet.")
    if facts.parity_differing:
        return say(
            "fail",
            f"{facts.parity_differing} of {facts.parity_checked} prompts differ between trainer and engine.",
        )
    return say("pass", f"{facts.parity_checked} prompts have the same token ids in trainer and engine.")


def _loss(facts: Facts) -> Criterion:
    verdict = judge(facts.held_out)
    return Criterion("held_out_loss", "Loss on test rows", verdict.result, verdict.says)


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


def human_preference(facts: Facts) -> Criterion:
    """Passes on the settled verdict and the planned ratings of at least two raters, every campaign closed. Of candidates that
    are no better than what is live it passes at most one in twenty (`benchmarks/statistics.py`)."""

    def say(result: Result, says: str) -> Criterion:
        return Criterion("human_preference", "People prefer it", result, says)

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
    if found.in_doubt:
        votes = "rating rests" if found.in_doubt == 1 else "ratings rest"
        return say(
            "hold",
            f"{found.in_doubt:,} {votes} on answers that may come from other weights. Set these aside on the "
            f"campaign's page. {words}",
        )
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


def _both_bad(facts: Facts) -> Criterion:
    def say(result: Result, says: str) -> Criterion:
        return Criterion("both_bad", "Good enough", result, says)

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


def _served(facts: Facts) -> Criterion:
    says = "An engine serves it." if facts.served else f"No engine serves it. {facts.served_says}".strip()
    return Criterion("served", "Served", "pass" if facts.served else "fail", says)


def _files(facts: Facts) -> Criterion:
    def say(result: Result, says: str) -> Criterion:
        return Criterion("files_intact", "Files intact", result, says)

    if facts.files is None:
        return say(
            "hold", "Its files could not be read, so they have not been compared with their recorded hashes."
        )
    if facts.files:
        shown = ", ".join(facts.files[:3]) + (" and more" if len(facts.files) > 3 else "")
        return say("fail", f"Missing or changed since they were stored: {shown}.")
    files = f"{facts.files_total} file{'' if facts.files_total == 1 else 's'}"
    if facts.files_compared == "sizes":
        return say(
            "hold",
            f"The sizes of its {files} were compared, not the contents: they are too large to read here. "
            "“Check against the hashes” on the version's page reads them.",
        )
    if facts.files_compared == "checksums":
        return say(
            "pass",
            f"The store's own SHA-256 of its {files} is the recorded one. The contents were not read again.",
        )
    if facts.files_read_on is not None:
        on = f"{facts.files_read_on:%-d %b %Y}"
        return say(
            "pass", f"Its {files} had the recorded hashes when they were read on {on}, and none changed size."
        )
    return say("pass", f"The contents of its {files} have the recorded hashes.")
