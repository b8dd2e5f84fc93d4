"""The gate: the criteria for a release of a model version. Pure: facts in, results out.

Every criterion passes, holds or fails, with one sentence. Unknown facts hold; they do not pass.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from core.wording import counted, noun, percent
from release import forgetting
from release.forgetting import Forgetting
from release.held_out import HeldOut, judge

Result = Literal["pass", "hold", "fail"]
Compared = Literal["contents", "checksums", "sizes"]

# Above this share of "both bad" a version is not good enough, even if it wins. A choice of this project, not a
# standard: when one customer in five gets no usable answer, agents stop trusting the drafts.
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
    """The ratings of the version against `against`, in all campaigns between the two. Shares of one.

    `settled` is the verdict: "candidate" is the version under the gate. The first plan has `planned` ratings, `n` are
    in. `rate` leaves "both bad" out, `rate_among_all` counts it as a tie. The answers of
    `prompts_differing` of `prompts` differ; the others were not shown to raters. `in_doubt` of the ratings are on
    answers that may come from other weights.
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
    """The known facts of a version. None, empty or 0 means "not known".

    `held_out` is its loss and its opponent's on the same test rows, `forgetting` what training took away.
    `opponent` is the name of the version to beat: the live one, or the base model while nothing is live. `human` is the comparison
    with that opponent, `newest` the newest with any version. `files` lists files that are missing or changed, None when
    they could not be checked; `files_compared` is what was compared, and `files_read_on` the day, if not today.
    `trained_on` names its dataset version, empty for a base model; `withdrawn` says which rows of it come from withdrawn sources;
    "" for none, None while that is not known.
    """

    version: str
    parity_checked: int = 0
    parity_differing: int = 0
    held_out: HeldOut = field(default_factory=HeldOut)
    forgetting: Forgetting = field(default_factory=Forgetting)
    opponent: str = ""
    human: RatedComparison | None = None
    newest: RatedComparison | None = None
    served: bool = False
    served_says: str = ""
    files: Sequence[str] | None = None
    files_compared: Compared = "contents"
    files_read_on: datetime | None = None
    files_total: int = 0
    trained_on: str = ""
    withdrawn: str | None = None


@dataclass(frozen=True)
class Gate:
    checks: tuple[Criterion, ...] = field(default_factory=tuple)

    @property
    def result(self) -> Result:
        """The worst result of the criteria."""
        results = {check.result for check in self.checks}
        return "fail" if "fail" in results else "hold" if "hold" in results or not results else "pass"

    @property
    def open_points(self) -> list[Criterion]:
        return [check for check in self.checks if check.result != "pass"]

    @property
    def says(self) -> str:
        return f"{summary(check.result for check in self.checks)}."

    @property
    def results(self) -> dict[str, str]:
        """The result of each criterion, by its name: pass, hold or fail."""
        return {check.name: check.result for check in self.checks}

    def stored(self) -> list[dict[str, Any]]:
        """In the format of Release.gate."""
        return [check.stored() for check in self.checks]


def summary(results: Iterable[str]) -> str:
    """The number of criteria by result, without a full stop: "4 of 6 passed, 2 on hold"."""
    outcomes = list(results)
    counts = {name: outcomes.count(name) for name in ("pass", "hold", "fail")}
    if outcomes and counts["pass"] == len(outcomes):
        return f"All {len(outcomes)} criteria passed"
    parts = [f"{counts['pass']} of {len(outcomes)} passed"]
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
            _forgetting(facts),
            human_preference(facts),
            _both_bad(facts),
            _served(facts),
            _files(facts),
            _data(facts),
        )
    )


def _parity(facts: Facts) -> Criterion:
    def say(result: Result, says: str) -> Criterion:
        return Criterion("token_parity", "Tokens agree", result, says)

    if not facts.parity_checked:
        return say("hold", "The tokens of trainer and engine have not been compared yet.")
    if facts.parity_differing:
        return say(
            "fail",
            f"{facts.parity_differing} of {facts.parity_checked} prompts differ between trainer and engine.",
        )
    return say("pass", f"{facts.parity_checked} prompts have the same token ids in trainer and engine.")


def _loss(facts: Facts) -> Criterion:
    verdict = judge(facts.held_out)
    return Criterion("held_out_loss", "Test loss", verdict.result, verdict.says)


def _forgetting(facts: Facts) -> Criterion:
    result, says = forgetting.judge(facts.forgetting)
    return Criterion("forgetting", "Little forgotten", result, says)


def _why_unknown(facts: Facts) -> str:
    """Why there is no win rate; empty when there is one."""
    human = facts.human
    if not facts.opponent:
        return "It cannot be compared: nothing is live, and it is the base model itself."
    if human is None or not human.n:
        return f"It has not been compared with {facts.opponent} yet."
    if human.rate is None:
        return f"All {human.n} ratings against {human.against} are “both bad”, so none shows which is better."
    return ""


def human_preference(facts: Facts) -> Criterion:
    """Passes with a settled verdict and the planned ratings of at least two raters, when every campaign is closed. It
    passes at most one in twenty candidates that are not better than the live version (`benchmarks/statistics.py`)."""

    def say(result: Result, says: str) -> Criterion:
        return Criterion("human_preference", "People prefer it", result, says)

    human = facts.human
    if (unknown := _why_unknown(facts)) or human is None:
        return say("hold", unknown)
    campaigns = f", {human.campaigns} campaigns together" if human.campaigns > 1 else ""
    words = (
        f"Win rate {percent(human.rate)} over {human.against} (95% interval {percent(human.low)} to "
        f"{percent(human.high)}; {percent(human.rate_among_all)} with “both bad” as a tie; {human.n:,} of "
        f"{human.planned:,} planned ratings by {counted(human.raters, 'person', 'people')}{campaigns}). The answers differ on "
        f"{human.prompts_differing:,} of {human.prompts:,} prompts."
    )
    if human.settled == "baseline":
        return say("fail", f"{human.says} {words}")
    if human.in_doubt:
        votes = noun(human.in_doubt, "rating is", "ratings are")
        return say(
            "hold",
            f"{human.in_doubt:,} {votes} on answers that may come from other weights. Set these aside on the "
            f"campaign's page. {words}",
        )
    if human.open:
        return say("hold", f"The campaign is still open. So far: {words}")
    if human.n < human.planned:
        return say(
            "hold",
            f"Only {human.n:,} of {human.planned:,} planned ratings are in. Open the campaign again to collect the "
            f"others. {words}",
        )
    return say(
        "pass" if human.settled == "candidate" and human.raters > 1 else "hold", f"{human.says} {words}"
    )


def _both_bad(facts: Facts) -> Criterion:
    def say(result: Result, says: str) -> Criterion:
        return Criterion("both_bad", "Good enough", result, says)

    human = facts.human or facts.newest
    if human is None or not human.n or human.bad is None or human.bad_low is None or human.bad_high is None:
        return say("hold", "No rater has judged yet whether its answers are good enough to send.")
    words = (
        f"{percent(human.bad)} of {human.n} comparisons were “both bad” "
        f"(95% interval {percent(human.bad_low)} to {percent(human.bad_high)}; at most {percent(MOST_BOTH_BAD)} is allowed)."
    )
    if human.bad_low > MOST_BOTH_BAD:
        return say("fail", words)
    if human.open or human.n < human.planned:
        return say("hold", f"The campaign is not complete. So far: {words}")
    return say("pass" if human.bad_high <= MOST_BOTH_BAD else "hold", words)


def _served(facts: Facts) -> Criterion:
    says = "An engine serves it." if facts.served else f"No engine serves it. {facts.served_says}".strip()
    return Criterion("served", "Served", "pass" if facts.served else "fail", says)


def _files(facts: Facts) -> Criterion:
    def say(result: Result, says: str) -> Criterion:
        return Criterion("files_intact", "Files intact", result, says)

    if facts.files is None:
        return say(
            "hold", "Its files could not be read, so they could not be compared with their recorded hashes."
        )
    if facts.files:
        shown = ", ".join(facts.files[:3]) + (" and more" if len(facts.files) > 3 else "")
        return say("fail", f"Missing or changed since they were stored: {shown}.")
    files = counted(facts.files_total, "file")
    if facts.files_compared == "sizes":
        return say(
            "hold",
            f"The sizes of its {files} were compared, not the contents: they are too large to read here. "
            "“Check against the hashes” on the version's page reads them.",
        )
    if facts.files_compared == "checksums":
        return say(
            "pass",
            f"The store's own SHA-256 of its {files} equals the recorded one. The contents were not read again.",
        )
    if facts.files_read_on is not None:
        on = f"{facts.files_read_on:%-d %b %Y}"
        return say(
            "pass",
            f"Its {files} had the recorded hashes when they were read on {on}, and no size has changed.",
        )
    return say("pass", f"The contents of its {files} have the recorded hashes.")


def _data(facts: Facts) -> Criterion:
    def say(result: Result, says: str) -> Criterion:
        return Criterion("data_allowed", "Data still allowed", result, says)

    if facts.withdrawn is None:
        return say("hold", "It is not known whether its data may still be used.")
    if not facts.trained_on:
        return say("pass", "It is a base model: nothing of this project's data is in it.")
    if facts.withdrawn:
        return say(
            "fail",
            f"{facts.trained_on} has {facts.withdrawn}. Freeze a dataset version without these rows and train again.",
        )
    return say("pass", f"No row of {facts.trained_on} comes from a withdrawn source.")
