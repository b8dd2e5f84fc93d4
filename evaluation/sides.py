"""Whether the candidate's answer is A or B, which is where it is shown: balanced for each rater and within each prompt, and not to be inferred.

A *lead* is how often the candidate was A minus how often it was B, 0 when balanced.

* A rater's lead stays within RATER_LIMIT: a fair coin until the limit is reached, then the other side. This is the big
  stick design (Soares & Wu, Communications in Statistics A 12, 1983), which of all designs with the same limit on the
  imbalance is the hardest to predict on average (Kundt, Statistics in Medicine 26, 2007).
* Within a prompt the second rater gets the side opposite to the first's, the fourth the opposite of the third's. No
  rater sees what colleagues were shown, so this gives nothing away.
* A skipped comparison leaves both leads as they were, and the next one has a new coin.

The coin comes from the operating system (`secrets`), not from the campaign's seed: nobody who knows the seed can compute
it. The sides that were drawn are stored with each comparison.
"""

import secrets
from collections.abc import Callable

RATER_LIMIT = 4


def fair_coin() -> bool:
    return bool(secrets.randbits(1))


def due_side(rater_lead: int) -> int:
    """1 when the candidate has to be A for this rater next, -1 when B, 0 when either will do."""
    if abs(rater_lead) < RATER_LIMIT:
        return 0
    return -1 if rater_lead > 0 else 1


def candidate_is_a(*, rater_lead: int, prompt_lead: int, coin: Callable[[], bool] = fair_coin) -> bool:
    """Whether the candidate's answer is A for the rater who gets this prompt now.

    The rater's limit comes first, then the prompt's balance, then the coin.
    """
    due = due_side(rater_lead) or -prompt_lead
    return due > 0 if due else coin()
