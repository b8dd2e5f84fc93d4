"""What an audit can see before it is made: the smallest refusal share of a group that it would find. Pure functions.

A group of few rows cannot show a small difference, whatever the test. People should know that before they read "no finding".
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from scipy import special

from dataset.fairness.differences import LEAST_SHARE_ROWS, LEVEL
from dataset.fairness.outcomes import OUTCOMES

CHANCE = 0.8  # of finding the difference; the usual choice (Cohen, "Statistical Power Analysis", 1988)
USUAL = 0.2  # the refusal share of the others, where no audit has measured it
SIZES = (50, 100, 200, 500, 1000, 2000)


@dataclass(frozen=True)
class Visible:
    """A group with `rows` rows: refused in at least `share` (0 to 1) it is found; None: not even when all are refused."""

    rows: int
    share: float | None


def level_of(outcome: str, groups: int) -> float:
    """The level of one comparison of this outcome at the first step of Holm's correction, when `groups` groups are compared in every
    outcome."""
    whole = groups * sum(one.weight for one in OUTCOMES.values())
    return LEVEL * OUTCOMES[outcome].weight / max(whole, 1)


def least_seen(rows: int, others: int, base: float, level: float) -> float | None:
    """The smallest share above `base`, that of the `others`, which is found with CHANCE in `rows` rows at the two-sided `level`. None:
    not even 1 is.

    Cohen's h, the difference of 2 arcsin √share, has the variance 1/rows + 1/others; rows count as independent.
    """
    if rows < LEAST_SHARE_ROWS or others < LEAST_SHARE_ROWS:
        return None
    needed = float(special.ndtri(1 - level / 2) + special.ndtri(CHANCE))
    angle = math.asin(math.sqrt(base)) + needed * math.sqrt(1 / rows + 1 / others) / 2
    return math.sin(angle) ** 2 if angle <= math.pi / 2 else None


def visible(total: int, *, base: float, groups: int, sizes: Iterable[int] = SIZES) -> list[Visible]:
    """What refusal shares can be seen in `total` rows, for groups of some sizes up to half of the rows."""
    level = level_of("refusal", groups)
    return [Visible(rows, least_seen(rows, total - rows, base, level)) for rows in sizes if rows <= total / 2]
