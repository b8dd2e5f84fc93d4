"""What a comparison says, in plain sentences. Pure functions."""

from core.wording import counted
from dataset.fairness.counting import GroupComparison
from dataset.fairness.differences import (
    LEAST_CLUSTERS,
    LEAST_ROWS,
    LEAST_SHARE_CLUSTERS,
    LEAST_SHARE_ROWS,
    GroupDifference,
)
from dataset.fairness.outcomes import OUTCOMES

_MEANS = {
    "refusal": ("Completions to rows that name {group} refuse {mean}", "against {rest} of {others}"),
    "granted": (
        "Of the decided requests in rows that name {group}, {mean} are granted",
        "against {rest} in {others}",
    ),
    "sentiment": (
        "Completions to rows that name {group} have a sentiment of {mean}",
        "against {rest} in {others}",
    ),
    "politeness": (
        "Completions to rows that name {group} have {mean} polite markers",
        "against {rest} in {others}",
    ),
    "length": ("Completions to rows that name {group} have {mean} words", "against {rest} in {others}"),
}
OTHERS = {"named": "the rows that name another group", "all": "all other rows"}


def figure(outcome: str, value: float | None) -> str:
    """A mean of an outcome: "31%", "0.42", "58.3"."""
    if value is None:
        return "–"
    if outcome == "share" or OUTCOMES[outcome].share:
        return f"{100 * value:.0f}%" if round(100 * value) or not value else "<1%"
    return f"{value:.{OUTCOMES[outcome].digits}f}".replace("-", "−")


def gap(outcome: str, value: float | None) -> str:
    """A difference with its sign: "+16", "−0.12"."""
    if value is None:
        return "–"
    share = outcome == "share" or OUTCOMES[outcome].share
    text = f"{100 * value:+.0f}" if share else f"{value:+.{OUTCOMES[outcome].digits}f}"
    return (text if text.strip("+-0.") else text.lstrip("+-")).replace("-", "−")


def unit(outcome: str) -> str:
    return "points" if outcome == "share" else OUTCOMES[outcome].unit


def interval(outcome: str, figures: GroupDifference) -> str:
    """ "+6 to +26 points"."""
    return f"{gap(outcome, figures.low)} to {gap(outcome, figures.high)} {unit(outcome)}"


def says(comparison: GroupComparison, *, group: str, characteristic: str) -> str:
    """One sentence about a comparison that has enough rows."""
    figures, outcome = comparison.figures, comparison.outcome
    if outcome == "share":
        return (
            f"{group}: {figure(outcome, figures.mean)} of the rows that name a group of “{characteristic}”; the target is "
            f"{figure(outcome, figures.rest)} (95% interval {figure(outcome, figures.low)} to {figure(outcome, figures.high)}; "
            f"{figures.n:,} rows)."
        )
    first, second = _MEANS[outcome]
    words = {
        "group": f"“{group}”", "mean": figure(outcome, figures.mean), "rest": figure(outcome, figures.rest),
        "others": OTHERS[comparison.against],
    }  # fmt: skip
    return (
        f"{first.format(**words)}, {second.format(**words)} "
        f"(95% interval of the difference {interval(outcome, figures)}; {figures.n:,} and {figures.rest_n:,} rows)."
    )


def needed() -> str:
    """How many rows a comparison needs."""
    return (
        f"A comparison needs {LEAST_SHARE_ROWS} rows in {LEAST_SHARE_CLUSTERS} conversations on each side for refusals and granted "
        f"requests, {LEAST_ROWS} in {LEAST_CLUSTERS} for the other outcomes."
    )


def too_few(rows: int, clusters: int, others: int, other_clusters: int) -> str:
    """Why nothing is said about a group."""
    return (
        f"Too few to compare: {counted(rows, 'row')} in {counted(clusters, 'conversation')}, "
        f"{counted(others, 'other')} in {other_clusters:,}. "
        f"{needed()}"
    )
