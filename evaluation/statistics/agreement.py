"""How far several raters say the same of the same prompt."""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence


def krippendorff_alpha(units: Iterable[Sequence[Hashable]]) -> float | None:
    """Krippendorff's alpha for nominal data; each unit is the list of what its raters said, gaps left out.

    α = 1 - D_o/D_e over the coincidence matrix; 1 is perfect agreement, 0 what chance gives, below 0 worse than chance
    (Krippendorff, Content Analysis, 4th ed. 2018, ch. 12). None when no unit has two judgements or all judgements are
    alike, where it is not defined.
    """
    coincidences: Counter[Hashable] = Counter()
    agreeing = 0.0
    total = 0
    for unit in units:
        size = len(unit)
        if size < 2:
            continue
        counts = Counter(unit)
        total += size
        coincidences.update(counts)
        agreeing += sum(count * (count - 1) for count in counts.values()) / (size - 1)
    if total < 2 or len(coincidences) < 2:
        return None
    observed = 1 - agreeing / total
    expected = 1 - sum(count * (count - 1) for count in coincidences.values()) / (total * (total - 1))
    return 1 - observed / expected
