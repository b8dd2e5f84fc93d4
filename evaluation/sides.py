"""Which answer stands left: random, and balanced for each rater."""

import hashlib


def candidate_goes_left(*, seed: int, rater: int, baseline_left: int, candidate_left: int) -> bool:
    """Whether the candidate's answer stands left in this rater's next comparison.

    `baseline_left` and `candidate_left` count the rater's comparisons so far by who stood left. These are permuted
    blocks of two (Pocock, Clinical Trials, 1983, ch. 5): a coin decides while the counts are equal, the other side
    follows, so the counts never differ by more than one. The coin depends on the campaign's seed, the rater and the
    block alone, never on the prompt, the answers or the time, so a position tells nothing about an answer.
    """
    if baseline_left != candidate_left:
        return candidate_left < baseline_left
    coin = hashlib.sha256(f"sides:{seed}:{rater}:{baseline_left}".encode()).digest()
    return bool(coin[0] & 1)
