"""Whether a version's test loss is no worse than that of the version it would replace. Pure: facts in, result out.

Both losses are of the same rows, none of which either version was trained on. A version with a true loss higher by
MARGIN or more passes in at most 2.5% of measurements when differences between rows are symmetric, and in up to 7% when
they are as skewed as a log-normal distribution with sigma 1 (simulated with 20 to 200 rows; tests/release repeats
it). A version that is neither better nor worse passes only with enough rows: 200 rows of 100 conversations in 40%, when
the difference varies by 0.3 from row to row; with fewer rows it holds.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from core.wording import counted
from training.statistics.paired import PairedDifference, PairedRow, holm, paired_difference

Result = Literal["pass", "hold", "fail"]
State = Literal["no_opponent", "missing", "running", "failed", "outdated", "measured"]

# How much higher a loss may be, in nats per token, and still count as no worse. 0.05 is 5% more perplexity
# (e^0.05 = 1.051); training the demo moves its loss by 1.3, and a different seed by some hundredths.
MARGIN = 0.05
# With fewer rows one unusual row decides, and where differences are skewed the t interval covers less than it says
# (simulated with 10 rows: 92% instead of 95%). Ten groups keep Satterthwaite's degrees of freedom above about five when
# groups are uneven, below which the method is not reliable (Pustejovsky & Tipton 2018: four or fewer).
LEAST_ROWS, LEAST_GROUPS = 20, 10
# The minimum for a slice. It must be clearly worse to fail the gate, so fewer rows are enough.
LEAST_SLICE_ROWS, LEAST_SLICE_GROUPS = 8, 5
LEVEL = 0.95
NAMED_SLICES = 3


@dataclass(frozen=True)
class MeasuredRow:
    slice: str
    pair: PairedRow


@dataclass(frozen=True)
class HeldOut:
    """The known losses of `version` (pair.loss) and of `opponent` (pair.other) on the same test rows.

    `own_tokens` is False when the two have different tokenizers: both losses are then divided by the opponent's tokens.
    `trained_on` counts test rows left out because one of the two was trained on them. `says` explains a failed
    background job.
    """

    state: State = "missing"
    opponent: str = ""
    live: bool = False
    rows: Sequence[MeasuredRow] = ()
    own_tokens: bool = True
    trained_on: int = 0
    says: str = ""


@dataclass(frozen=True)
class SliceLine:
    """One slice of the table. `result` is "unknown" with too few rows."""

    slice: str
    n: int
    groups: int
    loss: float
    other: float
    difference: float
    low: float | None
    high: float | None
    result: Literal["worse", "not worse", "better", "unsure", "unknown"]


@dataclass(frozen=True)
class LossVerdict:
    result: Result
    says: str
    overall: PairedDifference | None = None
    slices: tuple[SliceLine, ...] = ()


def judge(facts: HeldOut) -> LossVerdict:
    """Fails when the loss is significantly higher, overall or in a slice; passes when it is at most MARGIN higher."""
    if facts.state != "measured":
        return LossVerdict("hold", _why_unknown(facts))
    overall = paired_difference([row.pair for row in facts.rows], level=LEVEL)
    slices = _by_slice(facts.rows)
    if overall is None:
        return LossVerdict(
            "hold", f"No test row is left that both it and {facts.opponent} can be measured on."
        )
    if overall.n < LEAST_ROWS or overall.groups < LEAST_GROUPS:
        says = (
            f"Only {counted(overall.n, 'test row')} of {counted(overall.groups, 'conversation')} could be "
            f"measured; the minimum is {LEAST_ROWS} of {LEAST_GROUPS}. So far {_figures(facts, overall)}"
        )
        return LossVerdict("hold", says, overall, slices)
    result, says = _compare(
        facts.opponent, overall, [line.slice for line in slices if line.result == "worse"]
    )
    says = f"{says}: {_figures(facts, overall)}{_about_slices(slices)}{_left_out(facts)}"
    return LossVerdict(result, says, overall, slices)


def _compare(opponent: str, overall: PairedDifference, worse_slices: Sequence[str]) -> tuple[Result, str]:
    # There are at least LEAST_GROUPS groups here.
    assert overall.high is not None
    assert overall.p_higher is not None
    if _is_worse(overall, overall.p_higher, (1 - LEVEL) / 2):
        return "fail", f"Worse than {opponent}"
    if worse_slices:
        return "fail", f"Worse than {opponent} in {_named(worse_slices)}"
    if overall.high > MARGIN:
        return "hold", f"It may be worse than {opponent} by more than {MARGIN:.2f}"
    return "pass", f"{'Better' if overall.high < 0 else 'Not worse'} than {opponent}"


def _why_unknown(facts: HeldOut) -> str:
    return {
        "no_opponent": "Its loss cannot be compared: nothing is live, and it is the base model itself.",
        "missing": f"Its loss has not been measured on the same test rows as that of {facts.opponent} yet.",
        "running": f"Its loss and that of {facts.opponent} are being measured on test rows.",
        "failed": f"Its loss could not be measured: {facts.says}",
        "outdated": f"Its loss was measured under other conditions ({facts.says}). Measure it again.",
    }[facts.state]


def _is_worse(difference: PairedDifference, p_value: float, limit: float) -> bool:
    """Significantly higher, unless the whole interval is within what counts as no worse."""
    return p_value < limit and difference.high is not None and difference.high > MARGIN


def _by_slice(rows: Sequence[MeasuredRow]) -> tuple[SliceLine, ...]:
    """The largest slice first. The tests for "worse" are corrected for the number of slices, one-sided at (1 - LEVEL)."""
    pairs: dict[str, list[PairedRow]] = defaultdict(list)
    for row in rows:
        pairs[row.slice].append(row.pair)
    by_slice = {name: paired_difference(own, level=LEVEL) for name, own in pairs.items()}
    differences = {name: difference for name, difference in by_slice.items() if difference is not None}
    judged = {
        name: difference.p_higher
        for name, difference in differences.items()
        if difference.n >= LEAST_SLICE_ROWS
        and difference.groups >= LEAST_SLICE_GROUPS
        and difference.p_higher is not None
    }
    corrected = dict(zip(judged, holm(list(judged.values())), strict=True))
    lines = [
        SliceLine(
            slice=name,
            n=difference.n,
            groups=difference.groups,
            loss=difference.loss,
            other=difference.other,
            difference=difference.difference,
            low=difference.low,
            high=difference.high,
            result=_slice_result(difference, corrected.get(name)),
        )
        for name, difference in differences.items()
    ]
    return tuple(sorted(lines, key=lambda line: (-line.n, line.slice)))


def _slice_result(
    difference: PairedDifference, p_value: float | None
) -> Literal["worse", "not worse", "better", "unsure", "unknown"]:
    if p_value is None or difference.high is None:
        return "unknown"
    if _is_worse(difference, p_value, 1 - LEVEL):
        return "worse"
    if difference.high < 0:
        return "better"
    return "not worse" if difference.high <= MARGIN else "unsure"


def _signed(value: float) -> str:
    """ "+0.05", "−0.04" with a real minus sign, "0.00"."""
    return f"{value:+.2f}".replace("-", "−") if abs(value) >= 0.005 else "0.00"


def _figures(facts: HeldOut, difference: PairedDifference) -> str:
    """ "1.81 live, 1.77 now on the same 31 test rows (difference −0.04, 95% interval −0.12 to +0.04; ...)." """
    who = "live" if facts.live else f"with {facts.opponent}"
    same = f"the same {counted(difference.n, 'test row')}"
    interval = ""
    if difference.low is not None and difference.high is not None:
        interval = f", 95% interval {_signed(difference.low)} to {_signed(difference.high)}"
    unit = "" if facts.own_tokens else f"; per token of {facts.opponent}, which has another tokenizer"
    return (
        f"{difference.other:.2f} {who}, {difference.loss:.2f} now on {same} (difference {_signed(difference.difference)}{interval}; "
        f"up to {_signed(MARGIN)} counts as no worse{unit})."
    )


def _named(names: Sequence[str]) -> str:
    shown = [name or "rows without a slice" for name in names[:NAMED_SLICES]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _about_slices(slices: Sequence[SliceLine]) -> str:
    unknown = [line.slice for line in slices if line.result == "unknown"]
    if not unknown:
        return ""
    return f" Unknown, with fewer than {LEAST_SLICE_ROWS} rows of {LEAST_SLICE_GROUPS} conversations: {_named(unknown)}."


def _left_out(facts: HeldOut) -> str:
    if not facts.trained_on:
        return ""
    return f" Left out because one of the two was trained on them: {counted(facts.trained_on, 'test row')}."
