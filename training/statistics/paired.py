"""The difference between two models' losses on the same rows, with an interval that respects groups of rows."""

import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from scipy import special  # not scipy.stats: it takes a second to load, and every process would wait for it


@dataclass(frozen=True)
class PairedRow:
    """One row under both models. Losses are summed natural logs over the completion; both are divided by `tokens`.

    Rows of one `group` (a conversation, a document) are similar. `weight` is the number of rows that this one
    represents.
    """

    group: Hashable
    loss: float
    other: float
    tokens: float
    weight: float = 1.0


@dataclass(frozen=True)
class PairedDifference:
    """Means over tokens, in nats. `difference` is `loss` minus `other`: below zero is better.

    `p_higher` is the one-sided p-value against "not higher", from the t distribution with `freedom` degrees of freedom.
    Bounds and p-value are None with fewer than two groups, which give no spread.
    """

    n: int
    groups: int
    loss: float
    other: float
    difference: float
    low: float | None
    high: float | None
    freedom: float
    p_higher: float | None


def paired_difference(rows: Iterable[PairedRow], *, level: float = 0.95) -> PairedDifference | None:
    """Token-weighted mean difference D = Σw(loss-other)/Σw·tokens with a two-sided interval; None without rows.

    The variance is cluster-robust (CR2; Bell & McCaffrey, Survey Methodology 28, 2002) and the quantile Student's t with
    Satterthwaite's degrees of freedom (Imbens & Kolesár, Review of Economics and Statistics 98, 2016), both under the working
    model that groups' differences per token vary equally for any length; G-1 when all groups are equally long. The
    interval is at least as wide as the one with each row as its own group: otherwise a few groups with equal means by
    chance would count as more rows than there are.

    Raises ValueError for rows without tokens.
    """
    rows = list(rows)
    if not rows:
        return None
    if any(row.tokens <= 0 or row.weight <= 0 for row in rows):
        raise ValueError("Each row needs tokens and a weight above zero.")
    total = math.fsum(row.weight * row.tokens for row in rows)
    loss = math.fsum(row.weight * row.loss for row in rows) / total
    other = math.fsum(row.weight * row.other for row in rows) / total
    difference = math.fsum(row.weight * (row.loss - row.other) for row in rows) / total
    by_group: dict[Hashable, list[PairedRow]] = defaultdict(list)
    for row in rows:
        by_group[row.group].append(row)
    low = high = p_higher = None
    freedom = 0.0
    if len(by_group) > 1:
        quantile = (1 + level) / 2
        spreads = [
            _spread(list(by_group.values()), difference, total),
            _spread([[row] for row in rows], difference, total),
        ]
        error, freedom = max(
            spreads, key=lambda spread: spread[0] * float(special.stdtrit(spread[1], quantile))
        )
        reach = error * float(special.stdtrit(freedom, quantile))
        low, high = difference - reach, difference + reach
        p_higher = _p_higher(difference, error, freedom)
    return PairedDifference(
        n=len(rows),
        groups=len(by_group),
        loss=loss,
        other=other,
        difference=difference,
        low=low,
        high=high,
        freedom=freedom,
        p_higher=p_higher,
    )


def _spread(groups: Sequence[Sequence[PairedRow]], difference: float, total: float) -> tuple[float, float]:
    """(standard error, degrees of freedom) of the weighted mean over these groups.

    With h_g a group's share of the tokens, its sum u_g has variance s_g = h_g² in the working model; then e_g = u_g - h_g·Σu
    has cov(e_g, e_k) = s_g·[g = k] - B_gk with B_gk = h_g·s_k + h_k·s_g - h_g·h_k·S, S = Σs. CR2 scales e_g² by
    a_g = s_g / var(e_g), and the degrees of freedom are (Σ a_g·var(e_g))² / Σ a_g·a_k·cov(e_g, e_k)². The last sum is
    expanded so that it needs one pass.
    """
    shares = [math.fsum(row.weight * row.tokens for row in group) / total for group in groups]
    rests = [
        math.fsum(row.weight * (row.loss - row.other - difference * row.tokens) for row in group)
        for group in groups
    ]
    own = [share**2 for share in shares]
    whole = math.fsum(own)
    pulls = [2 * h * s - h * h * whole for h, s in zip(shares, own, strict=True)]  # B_gg
    scales = [s / (s - pull) for s, pull in zip(own, pulls, strict=True)]
    error = math.sqrt(math.fsum(a * rest**2 for a, rest in zip(scales, rests, strict=True))) / total
    hh = math.fsum(a * h * h for a, h in zip(scales, shares, strict=True))
    ss = math.fsum(a * s * s for a, s in zip(scales, own, strict=True))
    hs = math.fsum(a * h * s for a, h, s in zip(scales, shares, own, strict=True))
    squares = 2 * hh * ss + whole**2 * hh**2 + 2 * hs**2 - 4 * whole * hh * hs
    squares += math.fsum(
        a * a * ((s - pull) ** 2 - pull**2) for a, s, pull in zip(scales, own, pulls, strict=True)
    )
    return error, whole**2 / squares


def _p_higher(difference: float, error: float, freedom: float) -> float:
    if error < 1e-12:
        return 0.0 if difference > 1e-9 else 1.0
    return 1 - float(special.stdtr(freedom, difference / error))


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected for their number, in the order given (Holm, Scandinavian Journal of Statistics 6, 1979)."""
    order = sorted(range(len(p_values)), key=lambda at: p_values[at])
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for rank, at in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[at]))
        corrected[at] = highest
    return corrected
