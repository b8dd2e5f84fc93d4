"""Whether a rater had enough time to read the answers."""

from collections.abc import Sequence

# Characters a second. Silent reading of English is 238 words a minute (Brysbaert, "How many words do we read per minute?",
# Journal of Memory and Language 109, 2019), about 24 characters a second with spaces; no measured person read with
# understanding above 600 words a minute (Rayner, Schotter, Masson, Potter & Treiman, Psychological Science in the Public Interest 17(1), 2016).
# Skimming two similar answers is faster than reading them, so only three times the usual speed counts as hasty.
READING_SPEED = 24.0
HASTY_TIMES = 3.0
# Only choosing and pressing a key.
LEAST_SECONDS = 2.0
# A few quick ratings may be easy ones; a warning needs a habit.
LEAST_VOTES = 5
HASTY_SHARE = 1 / 3


def is_hasty(seconds: float, characters: int) -> bool:
    """Whether `seconds` are too short to read two answers with `characters` in total."""
    return seconds < max(LEAST_SECONDS, characters / (READING_SPEED * HASTY_TIMES))


def hasty_rater(votes: Sequence[tuple[float, int]]) -> bool:
    """Whether a rater needs a warning: at least LEAST_VOTES (seconds, characters), more than HASTY_SHARE of them
    hasty."""
    hasty = sum(is_hasty(seconds, characters) for seconds, characters in votes)
    return len(votes) >= LEAST_VOTES and hasty > HASTY_SHARE * len(votes)
