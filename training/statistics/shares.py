"""The difference between two shares on the same items, such as what a model answered right before and after training."""

import math
from dataclasses import dataclass

from scipy import special  # not scipy.stats: it takes a second to load, and every process would wait for it


@dataclass(frozen=True)
class ShareDifference:
    """Shares of one. `worse` is `before` minus `after`: above zero, items were lost. `p_worse` is the one-sided p-value against "not
    worse"."""

    n: int
    before: float
    after: float
    lost: int
    gained: int
    worse: float
    low: float
    high: float
    p_worse: float


def share_difference(pairs: list[tuple[bool, bool]], *, level: float = 0.95) -> ShareDifference | None:
    """The difference of (right before, right after) over items, with a two-sided interval; None without items.

    The interval is Bonett and Price's adjusted Wald interval for paired proportions (Journal of Educational and Behavioral Statistics 37,
    2012): one item is added to those lost and one to those gained, so its width is never zero. Fagerland, Lydersen and Laake (Statistics
    in Medicine 33, 2014) recommend it for any number of items.
    """
    n = len(pairs)
    if not n:
        return None
    lost = sum(before and not after for before, after in pairs)
    gained = sum(after and not before for before, after in pairs)
    down, up = (lost + 1) / (n + 2), (gained + 1) / (n + 2)
    middle = down - up
    error = math.sqrt((down + up - middle**2) / (n + 2))
    reach = error * float(special.ndtri((1 + level) / 2))
    return ShareDifference(
        n=n,
        before=sum(before for before, _ in pairs) / n,
        after=sum(after for _, after in pairs) / n,
        lost=lost,
        gained=gained,
        worse=(lost - gained) / n,
        low=max(-1.0, middle - reach),
        high=min(1.0, middle + reach),
        p_worse=float(special.ndtr(-middle / error)),
    )
