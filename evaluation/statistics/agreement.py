"""The agreement of several raters on the same prompts."""

from collections.abc import Hashable, Sequence

import krippendorff
import numpy as np


def krippendorff_alpha(units: Sequence[Sequence[Hashable]]) -> float | None:
    """Krippendorff's alpha for nominal data; each unit is the list of its raters' ratings, without gaps.

    1 is perfect agreement, 0 is chance, below 0 worse than chance (Krippendorff, Content Analysis, 4th ed. 2018,
    ch. 12; computed by the package `krippendorff`). None when no unit has two ratings or all ratings are equal, where
    it is not defined.
    """
    repeated = [unit for unit in units if len(unit) > 1]
    kinds = {kind: number for number, kind in enumerate({kind for unit in repeated for kind in unit})}
    if len(kinds) < 2:
        return None
    counts = np.zeros((len(repeated), len(kinds)))
    for row, unit in zip(counts, repeated, strict=True):
        for kind in unit:
            row[kinds[kind]] += 1
    return float(krippendorff.alpha(value_counts=counts, level_of_measurement="nominal"))
