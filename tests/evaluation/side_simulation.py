"""Campaigns of simulated raters: how even the sides come out, and what a rater gains who tries to infer them.

`python -m tests.evaluation.side_simulation` prints the figures of docs/reference/rating.md.

The rater who infers sides recognises the candidate in 69% of the pairs by its words alone: each pair gives a signal
N(+-MU, 1) with Phi(MU) = .69. Such a rater knows the rule, knows their own history, and works out the side of each pair
by Bayes' rule over the lead that they cannot see, with hindsight (forward and backward over all pairs): the best that
anybody can do with this knowledge.
"""

from dataclasses import dataclass, field
from random import Random

import numpy as np
from scipy.stats import norm

from evaluation.sides import RATER_LIMIT, candidate_is_a, due_side

KNOWS = 0.69
MU = float(norm.ppf(KNOWS))


@dataclass
class Rater:
    """`shown`: for each pair in order, whether the candidate was left, and whether it was skipped."""

    lead: int = 0
    worst: int = 0
    seen: set[int] = field(default_factory=set)
    shown: list[tuple[bool, bool]] = field(default_factory=list)


@dataclass
class Prompt:
    lots: list[float]
    taken: int = 0
    lead: int = 0


def campaign(
    random: Random, *, raters: int, prompts: int, per_prompt: int, skips: float = 0.0, in_turn: bool = False
) -> tuple[list[Rater], list[Prompt]]:
    """One campaign, rated to its end. `in_turn`: one rater after another, else the next one is drawn at random."""
    people = [Rater() for _ in range(raters)]
    items = [Prompt([random.random() for _ in people]) for _ in range(prompts)]
    working = list(range(raters))
    while working:
        number = working[0] if in_turn else random.choice(working)
        if not _next(random, people[number], number, items, per_prompt, skips):
            working.remove(number)
    return people, items


def _next(
    random: Random, rater: Rater, number: int, items: list[Prompt], per_prompt: int, skips: float
) -> bool:
    free = [n for n, item in enumerate(items) if item.taken < per_prompt and n not in rater.seen]
    if not free:
        return False
    due = due_side(rater.lead)
    chosen = min(free, key=lambda n: (items[n].taken, items[n].lead * due > 0, items[n].lots[number]))
    item = items[chosen]
    left = candidate_is_a(rater_lead=rater.lead, prompt_lead=item.lead, coin=lambda: random.random() < 0.5)
    skipped = random.random() < skips
    rater.seen.add(chosen)
    rater.shown.append((left, skipped))
    if not skipped:
        step = 1 if left else -1
        rater.lead += step
        item.lead += step
        item.taken += 1
        rater.worst = max(rater.worst, abs(rater.lead))
    return True


def share_on_one_side(items: list[Prompt]) -> float:
    """Of the prompts that two people or more rated: the share whose candidate was always on the same side."""
    rated = [item for item in items if item.taken > 1]
    return sum(abs(item.lead) == item.taken for item in rated) / len(rated)


def inferred(rng: np.random.Generator, rater: Rater, limit: int = RATER_LIMIT) -> tuple[int, int, int]:
    """(pairs, rightly known by their words alone, rightly inferred) over the pairs this rater rated."""
    left = np.array([side for side, _ in rater.shown])
    skipped = np.array([skip for _, skip in rater.shown])
    signal = rng.normal(size=len(left)) + np.where(left, MU, -MU)
    is_left, is_right = norm.pdf(signal - MU), norm.pdf(signal + MU)
    leads = np.arange(-limit, limit + 1)
    goes_left = np.where(leads >= limit, 0.0, np.where(leads <= -limit, 1.0, 0.5))

    def step(before: np.ndarray, t: int) -> tuple[np.ndarray, np.ndarray]:
        return before * goes_left * is_left[t], before * (1 - goes_left) * is_right[t]

    forward = [np.where(leads == 0, 1.0, 0.0)]
    for t in range(len(left)):
        up, down = step(forward[-1], t)
        after = up + down if skipped[t] else np.append(0.0, up[:-1]) + np.append(down[1:], 0.0)
        forward.append(after / after.sum())
    backward = np.ones(len(leads))
    right = 0
    for t in reversed(range(len(left))):
        after_up = backward if skipped[t] else np.append(backward[1:], 0.0)
        after_down = backward if skipped[t] else np.append(0.0, backward[:-1])
        up, down = step(forward[t], t)
        guess = (up * after_up).sum() > (down * after_down).sum()
        right += int(guess == left[t]) * (not skipped[t])
        backward = goes_left * is_left[t] * after_up + (1 - goes_left) * is_right[t] * after_down
        backward = backward / backward.sum()
    alone = ((signal > 0) == left)[~skipped]
    return int((~skipped).sum()), int(alone.sum()), right


def gain(seed: int, *, campaigns: int, skips: float = 0.0, **design: int | bool) -> tuple[float, float]:
    """(share known by the words alone, share inferred), over all raters of so many campaigns."""
    random, rng = Random(seed), np.random.default_rng(seed)
    sums = np.zeros(3)
    for _ in range(campaigns):
        people, _ = campaign(random, skips=skips, **design)  # type: ignore[arg-type]
        for rater in people:
            sums += inferred(rng, rater)
    return float(sums[1] / sums[0]), float(sums[2] / sums[0])


def figures(campaigns: int = 400) -> None:
    random = Random(1)
    print("raters  one side  worst lead  (60 prompts, all rated by all)")
    for raters in (2, 3, 5):
        for in_turn in (False, True):
            made = [
                campaign(random, raters=raters, prompts=60, per_prompt=raters, in_turn=in_turn)
                for _ in range(campaigns)
            ]
            share = sum(share_on_one_side(items) for _, items in made) / campaigns
            worst = max(rater.worst for people, _ in made for rater in people)
            print(f"{raters}{' in turn' if in_turn else '':8}  {share:.4f}  {worst}")
    print("knows by words, infers with hindsight (3 raters, 60 prompts)")
    for skips in (0.0, 0.3):
        for per_prompt in (1, 3):
            alone, best = gain(
                2, campaigns=campaigns, skips=skips, raters=3, prompts=60, per_prompt=per_prompt
            )
            print(f"skips {skips:.0%}, {per_prompt} a prompt: {alone:.4f} {best:.4f}")


if __name__ == "__main__":
    figures()
