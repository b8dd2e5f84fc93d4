"""How common an English word is, on the Zipf scale: 0 unknown, 3 one in a million words, 7 "the". By wordfreq, loaded at first use."""

import math
from functools import lru_cache


@lru_cache(maxsize=1)
def _shares() -> dict[str, float]:
    from wordfreq import get_frequency_dict

    return get_frequency_dict("en", "large")


def commonness(word: str) -> float:
    share = _shares().get(word.casefold().replace("’", "'"), 0.0)
    return math.log10(share) + 9 if share else 0.0
