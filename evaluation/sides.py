"""Decides whether the candidate's answer is A or B: balanced for each rater and within each prompt, and not
predictable.

A *lead* is how often the candidate was A minus how often it was B, 0 when balanced.

* A rater's lead stays within RATER_LIMIT: a fair coin until the limit is reached, then the other side. This is the big
  stick design (Soares & Wu, Communications in Statistics A 12, 1983), which is the hardest to predict on average of all
  designs with the same limit (Kundt, Statistics in Medicine 26, 2007).
* Within a prompt the second rater gets the side opposite to the first's, the fourth the opposite of the third's. No
  rater sees what colleagues were shown, so this reveals nothing.
* A skipped comparison does not change the leads, and the next one has a new coin.

The coin comes from the operating system (`secrets`), not from the campaign's seed: so it cannot be computed from the
seed. The sides are stored with each comparison.
"""

import secrets
from collections.abc import Callable

SIDES = ("a", "b")
RATER_LIMIT = 4


def fair_coin() -> bool:
    return bool(secrets.randbits(1))


def due_side(rater_lead: int) -> int:
    """1 when the candidate must be A for this rater next, -1 for B, 0 for either."""
    if abs(rater_lead) < RATER_LIMIT:
        return 0
    return -1 if rater_lead > 0 else 1


def candidate_is_a(*, rater_lead: int, prompt_lead: int, coin: Callable[[], bool] = fair_coin) -> bool:
    """Whether the candidate's answer is A for the rater who gets this prompt now.

    The rater's limit comes first, then the prompt's balance, then the coin.
    """
    due = due_side(rater_lead) or -prompt_lead
    return due > 0 if due else coin()
