"""Whether somebody can have read what they rated."""

from collections.abc import Sequence

# Characters a second. Silent reading of English is 238 words a minute (Brysbaert, "How many words do we read per minute?",
# Journal of Memory and Language 109, 2019), about 24 characters a second with spaces; nobody who was measured read with
# understanding above 600 (Rayner, Schotter, Masson, Potter & Treiman, Psychological Science in the Public Interest 17(1), 2016).
# Looking over two similar answers goes faster than reading them, so only three times the usual speed counts as hasty.
READING_SPEED = 24.0
HASTY_TIMES = 3.0
# Choosing and pressing a key alone.
LEAST_SECONDS = 2.0
# A few quick ones are easy ones; a warning takes a habit.
LEAST_VOTES = 5
HASTY_SHARE = 1 / 3


def is_hasty(seconds: float, characters: int) -> bool:
    """Whether a rating after `seconds` cannot rest on reading two answers of `characters` together."""
    return seconds < max(LEAST_SECONDS, characters / (READING_SPEED * HASTY_TIMES))


def hasty_rater(votes: Sequence[tuple[float, int]]) -> bool:
    """A rater to talk to: at least LEAST_VOTES (seconds, characters), over HASTY_SHARE of them hasty."""
    hasty = sum(is_hasty(seconds, characters) for seconds, characters in votes)
    return len(votes) >= LEAST_VOTES and hasty > HASTY_SHARE * len(votes)
